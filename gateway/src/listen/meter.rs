//! What a listener measures.

use crate::metrics::{Counter, Page};

use super::head::Fault;

/// Counts of one listener since the start.
#[derive(Debug, Default)]
pub struct Meter {
    /// Connections that came in, and that ended.
    pub(super) opened: Counter,
    pub(super) closed: Counter,
    /// Connections that were refused because their source has enough.
    pub(super) source_full: Counter,
    /// Connections that did nothing and made place for others.
    pub(super) evicted: Counter,
    /// Connections that were silent for too long, or slow with a head.
    pub(super) silent: Counter,
    /// Connections that failed in TLS, or were too slow in it.
    pub(super) tls_failed: Counter,
    faults: [Counter; Fault::ALL.len()],
}

impl Meter {
    pub(super) fn fault(&self, fault: Fault) {
        if let Some(counter) = self.faults.get(fault.place()) {
            counter.add(1);
        }
    }

    /// Puts the counts on a page, for the listener of this name.
    pub fn show(&self, page: &mut Page, listener: &str) {
        let named = [("listener", listener)];
        let (opened, closed) = (self.opened.get(), self.closed.get());
        let help = "Connections that are open now.";
        page.gauge("pressgate_connections", help, &named, opened.saturating_sub(closed) as f64);
        page.counter("pressgate_connections_opened_total", "Connections that came in.", &named, opened);
        let mut ended = |reason, count: &Counter| {
            let help = "Connections that the gateway ended, by why.";
            let labels = [("listener", listener), ("reason", reason)];
            page.counter("pressgate_connections_ended_total", help, &labels, count.get());
        };
        ended("source-full", &self.source_full);
        ended("made-place", &self.evicted);
        ended("silent", &self.silent);
        ended("tls", &self.tls_failed);
        for fault in Fault::ALL {
            let help = "Requests whose bytes were refused before anything read them, by what was wrong.";
            let labels = [("fault", fault.word()), ("listener", listener)];
            let count = self.faults.get(fault.place()).map_or(0, Counter::get);
            page.counter("pressgate_requests_malformed_total", help, &labels, count);
        }
    }
}
