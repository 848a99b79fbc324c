//! Delivery: batches over HTTP, by egress. What the collector does not take is dropped and counted, never tried again and never waited
//! for by a call. Nothing that happens in here is traced or logged itself, but that delivery fails and works again.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use opentelemetry_proto::{
    tonic::{
        collector::{
            logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse},
            metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse},
            trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
        },
        common::v1::{InstrumentationScope, any_value::Value},
        logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
        metrics::v1::{ResourceMetrics, ScopeMetrics},
        resource::v1::Resource,
    },
    transform::{
        common::tonic::{Attributes, ResourceAttributesWithSchema},
        trace::tonic::group_spans_by_resource_and_scope,
    },
};
use opentelemetry_sdk::trace::SpanData;
use prost::Message;
use tokio::{
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, MissedTickBehavior},
};
use tracing::{instrument::WithSubscriber, subscriber::NoSubscriber};
use url::Url;

use super::{
    logs::{attribute, nanos},
    measures,
    queue::{Dropped, Item},
    subscribe::Feed,
};
use crate::{
    config::process::{SecretFrom, Telemetry},
    egress::{Egress, OwnRequest, Proof},
    metrics::{Page, Registry},
    vault::{OutsideSecret, SecretString},
};

/// Whose the connections are.
const NAME: &str = "telemetry";
/// The media type of OTLP over HTTP.
const PROTOBUF: &str = "application/x-protobuf";
/// Items of one delivery.
const BATCH_MAX: usize = 512;
/// How long the first item waits for others.
const BATCH_WAIT: Duration = Duration::from_millis(500);
/// Longest wait for the collector.
const TIMEOUT: Duration = Duration::from_secs(5);
/// What is left is delivered within this time when the gateway stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);
/// The largest answer of a collector, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Where to, and what with.
pub struct PushParts {
    /// `[telemetry]`.
    pub config: Telemetry,
    /// The only way out.
    pub egress: Arc<Egress>,
    /// What names this gateway among others: the log's origin.
    pub instance: String,
    /// Asks for what can be measured.
    pub measure: Box<dyn Fn() -> Page + Send + Sync>,
}

/// Delivers until it is told to stop.
pub struct Pushing {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Pushing {
    /// Begins to deliver, and to count what is not.
    ///
    /// # Errors
    /// The secret of the collector can't be read; a sentence.
    pub fn begin(feed: Feed, parts: PushParts, registry: &Registry) -> Result<Self, String> {
        let dropped = Arc::clone(&feed.dropped);
        registry.add(move |page| {
            let all = [("traces", &dropped.traces), ("logs", &dropped.logs), ("metrics", &dropped.metrics)];
            for (signal, count) in all {
                let help = "Spans, log records and metrics that the collector did not get.";
                let labels = [("signal", signal)];
                page.counter("pressgate_telemetry_dropped_total", help, &labels, count.load(Ordering::Relaxed));
            }
        });
        let delivery = Delivery::new(parts, Arc::clone(&feed.dropped))?;
        let (stop, stopped) = oneshot::channel();
        Ok(Self { stop, task: tokio::spawn(run(feed, delivery, stopped)) })
    }

    /// Delivers what is left, as far as that goes in a short time.
    pub async fn finish(self) {
        // A task that panicked has ended too.
        let _ = self.stop.send(());
        let _ = tokio::time::timeout(STOP_TIMEOUT, self.task).await;
    }
}

async fn run(mut feed: Feed, mut delivery: Delivery, mut stopped: oneshot::Receiver<()>) {
    let mut pending = Vec::with_capacity(BATCH_MAX);
    let mut ticks = tokio::time::interval(Duration::from_secs(delivery.config.metrics_seconds));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            _ = ticks.tick(), if delivery.config.metrics => delivery.metrics().await,
            () = gather(&mut feed, &mut pending) => delivery.deliver(&mut pending).await,
        }
    }
    while let Ok(item) = feed.items.try_recv() {
        pending.push(item);
        if pending.len() >= BATCH_MAX {
            delivery.deliver(&mut pending).await;
        }
    }
    delivery.deliver(&mut pending).await;
    if delivery.config.metrics {
        delivery.metrics().await;
    }
}

/// Waits for a batch. What was gathered stays where the wait is broken off.
async fn gather(feed: &mut Feed, pending: &mut Vec<Item>) {
    if pending.is_empty() {
        match feed.items.recv().await {
            Some(item) => pending.push(item),
            None => std::future::pending().await,
        }
    }
    let until = Instant::now() + BATCH_WAIT;
    while pending.len() < BATCH_MAX {
        let room = BATCH_MAX - pending.len();
        match tokio::time::timeout_at(until, feed.items.recv_many(pending, room)).await {
            Ok(more) if more > 0 => {}
            _ => return,
        }
    }
}

/// What delivers.
pub struct Delivery {
    config: Telemetry,
    egress: Arc<Egress>,
    secret: Option<(String, SecretString)>,
    measure: Box<dyn Fn() -> Page + Send + Sync>,
    dropped: Arc<Dropped>,
    resource: Resource,
    begun: u64,
    works: bool,
}

impl Delivery {
    fn new(parts: PushParts, dropped: Arc<Dropped>) -> Result<Self, String> {
        let PushParts { config, egress, instance, measure } = parts;
        let secret = match &config.header {
            Some((name, from)) => Some((name.clone(), secret(from)?)),
            None => None,
        };
        let text = |text: &str| Value::StringValue(text.to_owned());
        let resource = Resource {
            attributes: vec![
                attribute("service.name", text("pressgate")),
                attribute("service.version", text(env!("CARGO_PKG_VERSION"))),
                attribute("service.instance.id", text(&instance)),
            ],
            ..Resource::default()
        };
        Ok(Self { config, egress, secret, measure, dropped, resource, begun: nanos(), works: true })
    }

    async fn deliver(&mut self, pending: &mut Vec<Item>) {
        let (mut spans, mut records) = (Vec::new(), Vec::new());
        for item in pending.drain(..) {
            match item {
                Item::Span(span) => spans.push(*span),
                Item::Log(record) => records.push(*record),
            }
        }
        if !spans.is_empty() {
            self.traces(spans).await;
        }
        if !records.is_empty() {
            self.logs(records).await;
        }
    }

    async fn traces(&mut self, mut spans: Vec<SpanData>) {
        spans.iter_mut().for_each(told_once);
        let count = spans.len() as u64;
        let attributes = Attributes(self.resource.attributes.clone());
        let resource = ResourceAttributesWithSchema { attributes, schema_url: None };
        let request = ExportTraceServiceRequest { resource_spans: group_spans_by_resource_and_scope(spans, &resource) };
        let answer = self.post("v1/traces", &request).await;
        let rejected = |bytes: Bytes| {
            ExportTraceServiceResponse::decode(bytes).ok()?.partial_success.map(|partial| partial.rejected_spans)
        };
        let lost = self.lost(count, answer, rejected);
        self.dropped.traces.fetch_add(lost, Ordering::Relaxed);
    }

    async fn logs(&mut self, log_records: Vec<LogRecord>) {
        let count = log_records.len() as u64;
        let scope_logs = vec![ScopeLogs { scope: Some(scope()), log_records, ..ScopeLogs::default() }];
        let resource = Some(self.resource.clone());
        let resource_logs = vec![ResourceLogs { resource, scope_logs, ..ResourceLogs::default() }];
        let answer = self.post("v1/logs", &ExportLogsServiceRequest { resource_logs }).await;
        let rejected = |bytes: Bytes| {
            ExportLogsServiceResponse::decode(bytes).ok()?.partial_success.map(|partial| partial.rejected_log_records)
        };
        let lost = self.lost(count, answer, rejected);
        self.dropped.logs.fetch_add(lost, Ordering::Relaxed);
    }

    async fn metrics(&mut self) {
        let metrics = measures::metrics(&(self.measure)(), self.begun, nanos());
        let count = metrics.len() as u64;
        let scope_metrics = vec![ScopeMetrics { scope: Some(scope()), metrics, ..ScopeMetrics::default() }];
        let resource = Some(self.resource.clone());
        let resource_metrics = vec![ResourceMetrics { resource, scope_metrics, ..ResourceMetrics::default() }];
        let answer = self.post("v1/metrics", &ExportMetricsServiceRequest { resource_metrics }).await;
        let rejected = |bytes: Bytes| {
            ExportMetricsServiceResponse::decode(bytes).ok()?.partial_success.map(|told| told.rejected_data_points)
        };
        let lost = self.lost(count, answer, rejected);
        self.dropped.metrics.fetch_add(lost, Ordering::Relaxed);
    }

    /// How many of a delivery are lost.
    fn lost(&mut self, count: u64, answer: Result<Bytes, String>, rejected: impl FnOnce(Bytes) -> Option<i64>) -> u64 {
        match answer {
            Ok(bytes) => {
                if !self.works {
                    tracing::info!("the collector takes telemetry again");
                }
                self.works = true;
                rejected(bytes).and_then(|rejected| u64::try_from(rejected).ok()).unwrap_or(0)
            }
            Err(why) => {
                if self.works {
                    tracing::warn!(why, "telemetry does not arrive; it is dropped and counted until it does");
                }
                self.works = false;
                count
            }
        }
    }

    async fn post(&self, path: &str, message: &impl Message) -> Result<Bytes, String> {
        let url = of_signal(&self.config.otlp, path);
        let proof = match &self.secret {
            Some((name, value)) => Proof::Header { name, value },
            None => Proof::None,
        };
        let request = OwnRequest {
            name: NAME,
            url: &url,
            private: self.config.private_endpoint,
            body: message.encode_to_vec().into(),
            content_type: PROTOBUF,
            proof,
            timeout: TIMEOUT,
            response_bytes_max: ANSWER_BYTES_MAX,
        };
        // No line and no span about telemetry, or each delivery would make the next.
        let answer = self.egress.post_own(request).with_subscriber(NoSubscriber::default()).await;
        let answer = answer.map_err(|failure| failure.to_string())?;
        match answer.status {
            200..=299 => Ok(answer.body.into()),
            status => Err(format!("the collector answered {status}")),
        }
    }
}

/// Of an attribute that was told twice the last counts: a span's attributes have each key once.
fn told_once(span: &mut SpanData) {
    let mut kept: Vec<opentelemetry::KeyValue> = Vec::with_capacity(span.attributes.len());
    for attribute in span.attributes.drain(..) {
        match kept.iter_mut().find(|known| known.key == attribute.key) {
            Some(known) => *known = attribute,
            None => kept.push(attribute),
        }
    }
    span.attributes = kept;
}

fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "pressgate".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    }
}

fn secret(from: &SecretFrom) -> Result<SecretString, String> {
    let outside = match from {
        SecretFrom::File(path) => OutsideSecret::File(path.clone()),
        SecretFrom::Env(name) => OutsideSecret::Env(name.clone()),
    };
    outside.read().map_err(|error| format!("telemetry.secret: {error}"))
}

/// `https://collector:4318` is `https://collector:4318/v1/traces`.
fn of_signal(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    let path = format!("{}/{path}", base.path().trim_end_matches('/'));
    url.set_path(&path);
    url
}
