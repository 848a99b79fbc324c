//! What waits for delivery: bounded, and never waited for. What finds no room is counted.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use opentelemetry::Context;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{Span, SpanData, SpanProcessor},
};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Spans and records that may wait: some megabytes.
const ITEMS_MAX: usize = 8_192;

/// What waits.
pub(super) enum Item {
    Span(Box<SpanData>),
    Log(Box<LogRecord>),
}

/// What was not delivered since the start.
#[derive(Debug, Default)]
pub(super) struct Dropped {
    pub(super) traces: AtomicU64,
    pub(super) logs: AtomicU64,
    pub(super) metrics: AtomicU64,
}

/// The way in.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    sender: Sender<Item>,
    dropped: Arc<Dropped>,
}

impl Queue {
    /// A queue, its end, and the count of what found no room.
    pub(super) fn new() -> (Self, Receiver<Item>, Arc<Dropped>) {
        let (sender, receiver) = channel(ITEMS_MAX);
        let dropped = Arc::<Dropped>::default();
        (Self { sender, dropped: Arc::clone(&dropped) }, receiver, dropped)
    }

    pub(super) fn put(&self, item: Item) {
        let count = match &item {
            Item::Span(_) => &self.dropped.traces,
            Item::Log(_) => &self.dropped.logs,
        };
        if self.sender.try_send(item).is_err() {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Puts spans that have ended into the queue. The library's own processors have a thread, and tell of what they drop only in a log.
#[derive(Debug)]
pub(super) struct Ended(pub(super) Queue);

impl SpanProcessor for Ended {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.0.put(Item::Span(Box::new(span)));
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}
