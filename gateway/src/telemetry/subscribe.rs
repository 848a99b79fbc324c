//! Setting up: who hears of spans and log lines.

use std::sync::Arc;

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SdkTracerProvider},
};
use tokio::sync::mpsc::Receiver;
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{FilterExt, filter_fn},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use super::{
    logs::{self, Logs},
    queue::{Dropped, Ended, Item, Queue},
    spans::{self, SPAN},
};
use crate::config::process::{Log, LogFormat, Telemetry};

type Boxed = Box<dyn Layer<Registry> + Send + Sync>;

/// What waits for delivery, until there is an egress.
pub struct Feed {
    pub(super) items: Receiver<Item>,
    pub(super) dropped: Arc<Dropped>,
    /// Spans are made as long as it is there.
    pub(super) _provider: Option<SdkTracerProvider>,
}

/// Sends the process's own log to standard error, and to the collector what `telemetry` says. Asked once in a process.
///
/// # Errors
/// It was asked before.
pub fn subscribe(log: &Log, telemetry: Option<&Telemetry>) -> Result<Option<Feed>, String> {
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let Some(config) = telemetry else {
        let builder = tracing_subscriber::fmt().with_env_filter(filter(log)).with_writer(std::io::stderr);
        let set = match log.format {
            LogFormat::Text => builder.with_ansi(ansi).try_init(),
            LogFormat::Json => builder.json().flatten_event(true).try_init(),
        };
        return set.map(|()| None).map_err(|error| error.to_string());
    };
    let (queue, items, dropped) = Queue::new();
    let shown = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let mut layers: Vec<Boxed> = vec![match log.format {
        LogFormat::Text => shown.with_ansi(ansi).with_filter(filter(log)).boxed(),
        LogFormat::Json => shown.json().flatten_event(true).with_filter(filter(log)).boxed(),
    }];
    let provider = config.traces.then(|| provider(config, queue.clone()));
    if let Some(provider) = &provider {
        layers.push(spans_of(provider));
    }
    let registry = tracing_subscriber::registry().with(layers);
    let set = if config.logs {
        // Beside the others, and in no `Option`: neither tells a layer of the subscriber, which knows the span of a line.
        let logs = Logs::new(queue).with_filter(filter(log).and(filter_fn(logs::goes)));
        registry.with(logs).try_init()
    } else {
        registry.try_init()
    };
    set.map_err(|error| error.to_string())?;
    if provider.is_some() {
        spans::switch_on(config.send_traceparent);
    }
    Ok(Some(Feed { items, dropped, _provider: provider }))
}

fn provider(config: &Telemetry, queue: Queue) -> SdkTracerProvider {
    let ratio = Sampler::TraceIdRatioBased(config.traces_ratio());
    SdkTracerProvider::builder()
        .with_span_processor(Ended(queue))
        .with_sampler(Sampler::ParentBased(Box::new(ratio)))
        // Who we are is said with each delivery.
        .with_resource(Resource::builder_empty().build())
        .build()
}

/// Our own spans, and no line of the log in them.
fn spans_of(provider: &SdkTracerProvider) -> Boxed {
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("pressgate"))
        .with_location(false)
        .with_threads(false)
        .with_level(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_context_activation(false)
        .with_error_fields_to_exceptions(false)
        .with_error_events_to_status(false)
        .with_filter(filter_fn(|what| what.is_span() && what.target() == SPAN))
        .boxed()
}

/// What `log.filter` lets through. Spans are no part of the log.
fn filter(log: &Log) -> EnvFilter {
    let filter = EnvFilter::builder().parse_lossy(&log.filter);
    match format!("{SPAN}=off").parse() {
        Ok(directive) => filter.add_directive(directive),
        Err(_) => filter,
    }
}
