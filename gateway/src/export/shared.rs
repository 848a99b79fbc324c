//! What a runner, the watch and whoever asks for the status share of one export.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicI64, AtomicU64, Ordering},
};

use serde::{Deserialize, Serialize};

use super::{
    batch::Batch,
    cursor::{Cursor, CursorFile},
    sinks::Taken,
};
use crate::{audit::AuditLog, clock::Clock, config::process::Export};

/// The longest error that is shown, in characters.
const ERROR_CHARS_MAX: usize = 400;
/// A receiver that refused events is told of for so long after the last time, in milliseconds.
const REJECTED_FOR_MS: i64 = 600_000;
/// No time.
const NEVER: i64 = i64::MIN;

/// How one export is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportStatus {
    /// Its name.
    pub name: String,
    /// `file`, `webhook` or `otlp`.
    pub kind: String,
    /// The next leaf's index; the sink took all below it.
    pub cursor: u64,
    /// Leaves that the sink does not have yet.
    pub lag_leaves: u64,
    /// The age of the oldest of them, in milliseconds.
    pub lag_ms: u64,
    /// From this lag on an alarm is raised, in milliseconds.
    pub lag_alarm_ms: u64,
    /// Events that the sink took since the start of the process, repetitions included.
    pub delivered: u64,
    /// Of these, events that the receiver took and refused (OTLP partial success).
    pub rejected: u64,
    /// Deliveries that failed since the start of the process.
    pub failures: u64,
    /// Why the last delivery failed; none after a good one.
    pub last_error: Option<String>,
    /// When the sink took something last, in milliseconds since 1970-01-01 UTC.
    pub last_delivery_ms: Option<i64>,
    /// Codes of the alarms that are raised.
    pub alarms: Vec<String>,
}

/// The state of one export.
pub(super) struct Shared {
    pub(super) export: Export,
    pub(super) audit: AuditLog,
    pub(super) clock: Arc<dyn Clock>,
    next: AtomicU64,
    /// When the oldest leaf was written that is being delivered.
    oldest_ms: AtomicI64,
    delivered: AtomicU64,
    rejected: AtomicU64,
    rejected_ms: AtomicI64,
    failures: AtomicU64,
    last_delivery_ms: AtomicI64,
    last_error: Mutex<Option<String>>,
    alarms: Mutex<Vec<String>>,
    file: Arc<Mutex<CursorFile>>,
}

impl Shared {
    pub(super) fn new(export: &Export, file: CursorFile, audit: AuditLog, clock: Arc<dyn Clock>) -> Self {
        Self {
            export: export.clone(),
            audit,
            clock,
            next: AtomicU64::new(file.known.next),
            oldest_ms: AtomicI64::new(NEVER),
            delivered: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            rejected_ms: AtomicI64::new(NEVER),
            failures: AtomicU64::new(0),
            last_delivery_ms: AtomicI64::new(NEVER),
            last_error: Mutex::default(),
            alarms: Mutex::new(file.known.alarms.clone()),
            file: Arc::new(Mutex::new(file)),
        }
    }

    /// The next leaf's index.
    pub(super) fn cursor(&self) -> u64 {
        self.next.load(Ordering::Acquire)
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.clock.now().as_millisecond()
    }

    /// A batch is about to be delivered.
    pub(super) fn begins(&self, batch: &Batch) {
        self.oldest_ms.store(batch.oldest_ms, Ordering::Release);
    }

    /// The sink took it.
    pub(super) fn took(&self, batch: &Batch, taken: &Taken) {
        let now = self.now_ms();
        self.next.store(batch.next, Ordering::Release);
        self.oldest_ms.store(NEVER, Ordering::Release);
        self.delivered.fetch_add(batch.events(), Ordering::Relaxed);
        self.last_delivery_ms.store(now, Ordering::Relaxed);
        if taken.rejected > 0 {
            self.rejected.fetch_add(taken.rejected, Ordering::Relaxed);
            self.rejected_ms.store(now, Ordering::Relaxed);
        }
        *lock(&self.last_error) = taken.why.clone().map(shortened);
    }

    /// It did not, or nothing could be read.
    pub(super) fn failed(&self, why: &str) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let unknown = (NEVER, self.now_ms());
        // Where the leaves can't even be read, the lag begins now.
        let _known = self.oldest_ms.compare_exchange(unknown.0, unknown.1, Ordering::AcqRel, Ordering::Acquire);
        let why = shortened(why.to_owned());
        let mut last = lock(&self.last_error);
        if last.as_ref() != Some(&why) {
            tracing::warn!(export = self.export.name, why, "an export failed; it is tried again");
        }
        *last = Some(why);
    }

    /// The alarms that should stand, by code.
    pub(super) fn wanted(&self, code: &str) -> Option<bool> {
        let now = self.now_ms();
        match code {
            LAG => {
                let lag_ms = self.lag_ms(now);
                let limit_ms = self.export.lag_alarm_ms;
                // In between it stays as it is, so that an export on the edge does not fill the log.
                (lag_ms > limit_ms).then_some(true).or_else(|| (lag_ms <= limit_ms / 2).then_some(false))
            }
            _ => {
                let last = self.rejected_ms.load(Ordering::Relaxed);
                Some(last != NEVER && now.saturating_sub(last) < REJECTED_FOR_MS)
            }
        }
    }

    /// Whether an alarm stands in the log as raised.
    pub(super) fn is_raised(&self, code: &str) -> bool {
        lock(&self.alarms).iter().any(|raised| raised == code)
    }

    /// The log says so now.
    pub(super) fn told(&self, code: &str, raised: bool) {
        let mut alarms = lock(&self.alarms);
        alarms.retain(|known| known != code);
        if raised {
            alarms.push(code.to_owned());
        }
    }

    /// Makes cursor and alarms durable, where they are not.
    pub(super) async fn store(&self) {
        let file = Arc::clone(&self.file);
        let (next, alarms) = (self.cursor(), lock(&self.alarms).clone());
        let stored = tokio::task::spawn_blocking(move || {
            let mut file = lock(&file);
            let cursor = Cursor { origin: file.known.origin.clone(), next, alarms };
            // Two may store at once: a cursor never goes back.
            if cursor == file.known || cursor.next < file.known.next { Ok(()) } else { file.store(cursor) }
        });
        match stored.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(export = self.export.name, %error, "the cursor can't be stored; after a crash events come again");
            }
            Err(error) => tracing::warn!(export = self.export.name, %error, "the cursor was not stored"),
        }
    }

    fn lag_ms(&self, now_ms: i64) -> u64 {
        match self.oldest_ms.load(Ordering::Acquire) {
            NEVER => 0,
            oldest => u64::try_from(now_ms.saturating_sub(oldest)).unwrap_or(0),
        }
    }

    pub(super) fn status(&self) -> ExportStatus {
        let cursor = self.cursor();
        let last = self.last_delivery_ms.load(Ordering::Relaxed);
        ExportStatus {
            name: self.export.name.clone(),
            kind: self.export.to.kind().to_owned(),
            cursor,
            lag_leaves: self.audit.next_index().saturating_sub(cursor),
            lag_ms: self.lag_ms(self.now_ms()),
            lag_alarm_ms: self.export.lag_alarm_ms,
            delivered: self.delivered.load(Ordering::Relaxed),
            rejected: self.rejected.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            last_error: lock(&self.last_error).clone(),
            last_delivery_ms: (last != NEVER).then_some(last),
            alarms: lock(&self.alarms).clone(),
        }
    }
}

/// Code of the alarm for an export that is far behind.
pub(super) const LAG: &str = "export-lag";
/// Code of the alarm for a receiver that refuses events and can't be asked again.
pub(super) const REJECTED: &str = "export-rejected";

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A receiver's words are not the gateway's: shortened, and on one line.
fn shortened(text: String) -> String {
    text.chars().take(ERROR_CHARS_MAX).map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}
