//! What the log measures of itself, for `/metrics`.

use std::time::Duration;

use super::UnavailableKind;
use super::queue::Shared;
use super::states::STATE_WORDS;
use crate::metrics::{Counter, Histogram, Page};

/// Bounds of the histogram of commits, in microseconds.
const COMMIT_US: &[u64] = &[
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 10_000_000,
];
/// Bounds of the histogram of leaves in a commit.
const LEAVES: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048];
const US_PER_S: f64 = 1_000_000.0;

/// Counts since the log was opened.
pub(super) struct Measures {
    commit_us: Histogram,
    leaves: Histogram,
    commits: Counter,
    records: Counter,
    refused: [(UnavailableKind, &'static str, Counter); 5],
}

impl Default for Measures {
    fn default() -> Self {
        let refused = |kind, word| (kind, word, Counter::default());
        Self {
            commit_us: Histogram::new(COMMIT_US, US_PER_S),
            leaves: Histogram::new(LEAVES, 1.0),
            commits: Counter::default(),
            records: Counter::default(),
            refused: [
                refused(UnavailableKind::Blocked, "blocked"),
                refused(UnavailableKind::Uncertain, "uncertain"),
                refused(UnavailableKind::Queue, "queue"),
                refused(UnavailableKind::Unfit, "unfit"),
                refused(UnavailableKind::Closed, "closed"),
            ],
        }
    }
}

impl Measures {
    /// A batch of so many leaves became durable.
    pub(super) fn committed(&self, leaves: u64, took: Duration) {
        self.commit_us.observe(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        self.leaves.observe(leaves);
        self.commits.add(1);
        self.records.add(leaves);
    }

    /// Commits, and the leaves in them.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.commits.get(), self.records.get())
    }

    /// So many appends were refused.
    pub(super) fn refused(&self, kind: UnavailableKind, appends: u64) {
        if let Some((.., counter)) = self.refused.iter().find(|(known, ..)| *known == kind) {
            counter.add(appends);
        }
    }
}

/// Puts the log's measurements on a page.
pub(super) fn show(shared: &Shared, page: &mut Page) {
    let (health, waiting, space, emergency) = {
        let state = shared.state();
        (state.states.health(), state.waiting.len() + state.in_flight.answers.len(), state.space, state.emergency)
    };
    let word = health.word();
    for known in STATE_WORDS {
        let help = "1 for the state that the audit log is in.";
        page.gauge("pressgate_audit_state", help, &[("state", known)], f64::from(u8::from(known == word)));
    }
    let measures = &shared.measures;
    page.histogram("pressgate_audit_commit_duration_seconds", "Time until a batch was durable.", &measures.commit_us);
    page.histogram("pressgate_audit_commit_leaves", "Leaves that were made durable together.", &measures.leaves);
    page.counter("pressgate_audit_leaves_total", "Leaves that were made durable.", &[], measures.records.get());
    for (_, word, counter) in &measures.refused {
        let help = "Appends that the audit log refused, by reason.";
        page.counter("pressgate_audit_refused_total", help, &[("reason", word)], counter.get());
    }
    page.gauge("pressgate_audit_queue_appends", "Appends that wait for the disk.", &[], waiting as f64);
    let help = "How many appends may wait for the disk.";
    page.gauge("pressgate_audit_queue_appends_max", help, &[], shared.queue_max() as f64);
    let help = "The index that the next leaf gets.";
    page.gauge("pressgate_audit_next_index", help, &[], shared.next_index() as f64);
    if let Some(space) = space {
        let help = "Free room of the file system that the audit log is on.";
        page.gauge("pressgate_audit_disk_free_bytes", help, &[], space.free_bytes as f64);
        let help = "All room of the file system that the audit log is on.";
        page.gauge("pressgate_audit_disk_size_bytes", help, &[], space.total_bytes as f64);
    }
    let held = if emergency { shared.bounds.reserve_bytes } else { 0 };
    let help = "Room that the emergency reserve of the audit log holds.";
    page.gauge("pressgate_audit_reserve_bytes", help, &[], held as f64);
}
