//! The process's own log as OTLP log records.
//!
//! A log line may hold what a network, a plugin or the system wrote, and a collector is another place than the log's own. So only lines
//! of the gateway itself go, without those that plugins wrote, and of their fields only those that hold ids, codes and numbers. What a
//! part that sees no content says of an error goes too: disks, listeners, the log.

use std::{fmt::Debug, sync::OnceLock};

use opentelemetry::trace::TraceContextExt;
use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, KeyValue, any_value::Value},
    logs::v1::LogRecord,
};
use tracing::{
    Dispatch, Event, Level, Metadata, Subscriber,
    dispatcher::WeakDispatch,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context, registry::LookupSpan};

use super::queue::{Item, Queue};
use crate::clock::{Clock, SystemClock};

/// Longest text of one field, in bytes.
const TEXT_BYTES_MAX: usize = 1_024;
/// Lines of plugins, which write what they like.
const PLUGINS: &str = "pressgate::plugin";
/// Fields whose texts are ids, codes or places of the gateway's own.
const FIELDS: [&str; 26] = [
    "account",
    "action",
    "adapter",
    "address",
    "app",
    "before",
    "code",
    "digest",
    "door",
    "export",
    "file",
    "folder",
    "issuer",
    "key",
    "label",
    "medium",
    "node",
    "on_behalf_of",
    "person",
    "plugin",
    "plugin_digest",
    "post",
    "problem",
    "stage",
    "state",
    "witness",
];
/// Modules that never see what a caller, a network or a plugin says.
const BLIND: [&str; 8] = ["audit", "backup", "folders", "index", "listen", "records", "retention", "telemetry"];
/// Messages that hold only what they were written with.
const MESSAGE: &str = "message";

/// Does a line with these go at all?
pub(super) fn goes(line: &Metadata<'_>) -> bool {
    let ours = line.target() == "pressgate" || line.target().starts_with("pressgate::");
    line.is_event() && ours && line.target() != PLUGINS
}

/// Makes a record of every line.
pub(super) struct Logs {
    queue: Queue,
    dispatch: OnceLock<WeakDispatch>,
}

impl Logs {
    pub(super) fn new(queue: Queue) -> Self {
        Self { queue, dispatch: OnceLock::new() }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Logs {
    fn on_register_dispatch(&self, dispatch: &Dispatch) {
        // There is one subscriber in a process.
        let _ = self.dispatch.set(dispatch.downgrade());
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let line = event.metadata();
        let mut record = LogRecord {
            time_unix_nano: nanos(),
            severity_number: severity(*line.level()),
            severity_text: line.level().as_str().to_owned(),
            attributes: vec![attribute("log.target", Value::StringValue(line.target().to_owned()))],
            ..LogRecord::default()
        };
        record.observed_time_unix_nano = record.time_unix_nano;
        let top = line.target().split("::").nth(1).unwrap_or_default();
        event.record(&mut Fields { record: &mut record, errors: BLIND.contains(&top) });
        let span = context.current_span().id().cloned();
        if let (Some(span), Some(dispatch)) = (span, self.dispatch.get().and_then(WeakDispatch::upgrade))
            && let Some(context) = tracing_opentelemetry::get_otel_context(&span, &dispatch)
        {
            let span = context.span();
            let span = span.span_context();
            record.trace_id = span.trace_id().to_bytes().to_vec();
            record.span_id = span.span_id().to_bytes().to_vec();
            record.flags = u32::from(span.trace_flags().to_u8());
        }
        self.queue.put(Item::Log(Box::new(record)));
    }
}

struct Fields<'a> {
    record: &'a mut LogRecord,
    /// Texts of errors may be told.
    errors: bool,
}

impl Fields<'_> {
    fn text(&mut self, field: &Field, text: impl FnOnce() -> String) {
        let name = field.name();
        let told =
            name == MESSAGE || FIELDS.contains(&name) || (self.errors && matches!(name, "error" | "why" | "reason"));
        if !told {
            return;
        }
        let mut text = text();
        text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
        let text = Value::StringValue(text);
        if name == MESSAGE {
            self.record.body = Some(AnyValue { value: Some(text) });
        } else {
            self.record.attributes.push(attribute(name, text));
        }
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.text(field, || format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, || value.to_owned());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.record.attributes.push(attribute(field.name(), Value::BoolValue(value)));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.record.attributes.push(attribute(field.name(), Value::IntValue(value)));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        self.record.attributes.push(attribute(field.name(), Value::IntValue(value)));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.record.attributes.push(attribute(field.name(), Value::DoubleValue(value)));
    }
}

/// Attribute of a message.
pub(super) fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// Nanoseconds since 1970-01-01 UTC.
pub(super) fn nanos() -> u64 {
    u64::try_from(SystemClock.now().as_nanosecond()).unwrap_or(0)
}

/// `SeverityNumber` of OpenTelemetry.
fn severity(level: Level) -> i32 {
    match level {
        Level::TRACE => 1,
        Level::DEBUG => 5,
        Level::INFO => 9,
        Level::WARN => 13,
        Level::ERROR => 17,
    }
}
