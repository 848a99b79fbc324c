//! What the callers and the threads of the log share.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pressgate_audit::format::batch_bytes;
use pressgate_audit::{BESIDE_BYTES_MAX, Entry, Leaf, Space, Spare};
use tokio::sync::oneshot;

use super::measures::Measures;
use super::states::{States, Window};
use super::{AuditHealth, AuditUnavailable, UnavailableKind};
use crate::clock::{Clock, SystemClock};

/// The most bytes of leaves that may wait.
const QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// A queue that was more than half full makes the log slow for so long.
const QUEUE_HIGH_FOR: Duration = Duration::from_secs(10);

/// How an append ended.
pub(super) type Answer = Result<u64, AuditUnavailable>;

/// Leaves that one caller wants in one batch.
pub(super) struct Job {
    pub(super) entries: Vec<Entry>,
    /// As frames.
    pub(super) bytes: usize,
    pub(super) answer: oneshot::Sender<Answer>,
    /// When it came.
    pub(super) at: Instant,
}

/// Those who wait for the batch that is being written, each with its place in it.
#[derive(Default)]
pub(super) struct InFlight {
    pub(super) answers: Vec<(u64, oneshot::Sender<Answer>)>,
    /// When the first of them came; none where nobody waits.
    oldest: Option<Instant>,
    /// Nobody waits any more: the disk took too long, and they were told so.
    pub(super) given_up: bool,
}

/// From when on the log is slow, low on disk or blocked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) slow_after: Duration,
    pub(super) blocked_after: Duration,
    pub(super) low_disk_percent: u8,
    pub(super) segment_bytes: u64,
    pub(super) reserve_bytes: u64,
}

/// Where the next segment stands.
pub(super) enum Reserve {
    /// The writer has one.
    Unwanted,
    /// The segment maker is to make one, or is at it.
    Wanted,
    /// It is made; the writer will take it.
    Ready(Spare),
}

pub(super) struct State {
    pub(super) waiting: VecDeque<Job>,
    pub(super) waiting_bytes: usize,
    pub(super) in_flight: InFlight,
    pub(super) last_durable: Instant,
    pub(super) states: States,
    pub(super) window: Window,
    /// When the queue was more than half full last.
    queue_high: Option<Instant>,
    pub(super) reserve: Reserve,
    /// The room of the disk, where it can be told.
    pub(super) space: Option<Space>,
    /// The emergency reserve is there.
    pub(super) emergency: bool,
    /// It was given back because the disk was full, and is not made again yet.
    pub(super) emergency_used: bool,
    /// How often it was given back: one that is given back while it is made is none.
    pub(super) emergency_freed: u64,
    /// The writer sleeps, and nobody has called it yet: who calls one that is awake pays a system call for nothing.
    pub(super) asleep: bool,
    pub(super) closed: bool,
    /// The writer has ended.
    pub(super) ended: bool,
}

pub(super) struct Shared {
    state: Mutex<State>,
    /// Wakes the writer.
    pub(super) work: Condvar,
    /// Wakes the segment maker.
    pub(super) reserve_work: Condvar,
    /// Wakes the watch, at the end.
    pub(super) watch_work: Condvar,
    pub(super) measures: Measures,
    pub(super) bounds: Bounds,
    /// The next commit begins a segment.
    pub(super) new_segment: AtomicBool,
    next_index: AtomicU64,
    /// What lies beside the leaves below this index is not wanted any more.
    besides_from: AtomicU64,
    batch_bytes_max: usize,
    queue_max: usize,
}

impl Shared {
    pub(super) fn new(
        next_index: u64,
        besides_from: u64,
        batch_bytes_max: usize,
        queue_max: usize,
        bounds: Bounds,
    ) -> Self {
        let now = Instant::now();
        Self {
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                waiting_bytes: 0,
                in_flight: InFlight::default(),
                last_durable: now,
                states: States::default(),
                window: Window::new(now, bounds.slow_after),
                queue_high: None,
                reserve: Reserve::Wanted,
                space: None,
                emergency: false,
                emergency_used: false,
                emergency_freed: 0,
                asleep: false,
                closed: false,
                ended: false,
            }),
            work: Condvar::new(),
            reserve_work: Condvar::new(),
            watch_work: Condvar::new(),
            measures: Measures::default(),
            bounds,
            new_segment: AtomicBool::new(false),
            next_index: AtomicU64::new(next_index),
            besides_from: AtomicU64::new(besides_from),
            batch_bytes_max,
            queue_max,
        }
    }

    /// The state is whole between any two statements that hold it, so a panic elsewhere does not spoil it.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn next_index(&self) -> u64 {
        self.next_index.load(Ordering::Acquire)
    }

    pub(super) fn set_next_index(&self, index: u64) {
        self.next_index.store(index, Ordering::Release);
    }

    pub(super) fn besides_from(&self) -> u64 {
        self.besides_from.load(Ordering::Acquire)
    }

    pub(super) fn set_besides_from(&self, index: u64) {
        self.besides_from.store(index, Ordering::Release);
    }

    pub(super) fn health(&self) -> AuditHealth {
        self.state().states.health()
    }

    pub(super) fn queue_max(&self) -> usize {
        self.queue_max
    }

    /// Puts leaves into the queue, with what lies beside the first of them, or refuses at once.
    pub(super) fn submit(
        &self,
        leaves: &[Leaf],
        beside: Vec<u8>,
    ) -> Result<oneshot::Receiver<Answer>, AuditUnavailable> {
        let submitted = self.queue(leaves, beside);
        if let Err(error) = &submitted {
            self.measures.refused(error.kind, 1);
        }
        submitted
    }

    fn queue(&self, leaves: &[Leaf], mut beside: Vec<u8>) -> Result<oneshot::Receiver<Answer>, AuditUnavailable> {
        let unfit = |reason: String| AuditUnavailable { kind: UnavailableKind::Unfit, reason };
        if beside.len() > BESIDE_BYTES_MAX {
            return Err(unfit(format!("{} bytes are too many beside a leaf", beside.len())));
        }
        let entry = |leaf: &Leaf| leaf.to_bytes_cut().map(|leaf| Entry { leaf, beside: std::mem::take(&mut beside) });
        let entries: Vec<Entry> =
            leaves.iter().map(entry).collect::<Result<_, _>>().map_err(|error| unfit(error.to_string()))?;
        let bytes = batch_bytes(entries.iter().map(|entry| entry.leaf.len() + entry.beside.len()));
        if bytes > self.batch_bytes_max {
            return Err(unfit(format!("the batch has {bytes} bytes and may have {}", self.batch_bytes_max)));
        }
        let (answer, receiver) = oneshot::channel();
        let mut state = self.state();
        if state.closed {
            return Err(closed());
        }
        if let Some(reason) = state.states.blocked() {
            return Err(blocked(reason));
        }
        if state.waiting.len() >= self.queue_max || state.waiting_bytes + bytes > QUEUE_BYTES_MAX {
            let reason = format!("{} appends wait for the disk", state.waiting.len());
            return Err(AuditUnavailable { kind: UnavailableKind::Queue, reason });
        }
        state.waiting_bytes += bytes;
        let at = Instant::now();
        state.waiting.push_back(Job { entries, bytes, answer, at });
        if state.waiting.len() > self.queue_max / 2 || state.waiting_bytes > QUEUE_BYTES_MAX / 2 {
            state.queue_high = Some(at);
        }
        let asleep = std::mem::take(&mut state.asleep);
        drop(state);
        if asleep {
            self.work.notify_one();
        }
        Ok(receiver)
    }
}

impl State {
    /// Takes jobs for one batch; who waits for them is in flight from then on.
    pub(super) fn take_batch(&mut self, batch_bytes_max: usize) -> Vec<Entry> {
        let mut entries = Vec::new();
        let mut bytes = 0;
        while let Some(mut job) = self.waiting.pop_front() {
            // Each job's bytes count a commit frame, so the sum is never too small.
            if bytes + job.bytes > batch_bytes_max && !entries.is_empty() {
                self.waiting.push_front(job);
                break;
            }
            bytes += job.bytes;
            self.in_flight.oldest.get_or_insert(job.at);
            self.in_flight.answers.push((entries.len() as u64, job.answer));
            entries.append(&mut job.entries);
        }
        self.waiting_bytes = self.waiting_bytes.saturating_sub(bytes);
        entries
    }

    /// Refuses all who wait and are not in flight. Gives their number.
    pub(super) fn refuse_all(&mut self, refusal: &AuditUnavailable) -> u64 {
        self.waiting_bytes = 0;
        let mut refused = 0;
        for job in self.waiting.drain(..) {
            refused += 1;
            // Who no longer listens needs no answer.
            let _ = job.answer.send(Err(refusal.clone()));
        }
        refused
    }

    /// Refuses those in flight. Gives their number.
    pub(super) fn refuse_in_flight(&mut self, refusal: &AuditUnavailable) -> u64 {
        self.in_flight.oldest = None;
        let answers = std::mem::take(&mut self.in_flight.answers);
        let refused = answers.len() as u64;
        for (_, answer) in answers {
            let _ = answer.send(Err(refusal.clone()));
        }
        refused
    }

    /// Has anybody waited for this long, and the disk made nothing durable meanwhile?
    pub(super) fn hangs(&self, now: Instant, bound: Duration) -> bool {
        let oldest = self.in_flight.oldest.or_else(|| self.waiting.front().map(|job| job.at));
        oldest.is_some_and(|oldest| now.saturating_duration_since(oldest.max(self.last_durable)) >= bound)
    }

    /// Looks whether commits and queue make the log slow.
    pub(super) fn judge_pace(&mut self, now: Instant, bounds: &Bounds) {
        let high = |at: Instant| now.saturating_duration_since(at) < QUEUE_HIGH_FOR;
        let why = if self.window.is_slow(now) {
            let reason = format!("more than one in a hundred commits takes longer than {:?}", bounds.slow_after);
            Some(("commit-slow", reason))
        } else if self.queue_high.is_some_and(high) {
            Some(("queue-half-full", "more than half as many appends wait as may".to_owned()))
        } else {
            None
        };
        if why.is_some() || self.states.is_slow() {
            self.states.slow(now_ms(), why);
        }
    }

    /// Looks whether there is room enough.
    pub(super) fn judge_room(&mut self, bounds: &Bounds) {
        let why = if self.emergency_used {
            Some(("reserve-used", "the disk was full, and what is recorded now uses the emergency reserve".to_owned()))
        } else {
            let more = if self.states.is_low() { bounds.segment_bytes } else { 0 };
            self.space.filter(|space| space.free_bytes < bounds.low_bytes(space).saturating_add(more)).map(|space| {
                let mib = |bytes: u64| bytes / (1024 * 1024);
                let (free, total, least) =
                    (mib(space.free_bytes), mib(space.total_bytes), mib(bounds.low_bytes(&space)));
                ("space-low", format!("{free} MiB of {total} MiB are free, and {least} MiB must be"))
            })
        };
        if why.is_some() || self.states.is_low() {
            self.states.low(now_ms(), why);
        }
    }
}

impl Bounds {
    /// With less room than this the log is low on disk: a share of the disk, and at least two segments.
    pub(super) fn low_bytes(&self, space: &Space) -> u64 {
        let share = space.total_bytes / 100 * u64::from(self.low_disk_percent);
        share.max(self.segment_bytes.saturating_mul(2))
    }

    /// Is there room for the emergency reserve, without being low on disk for it?
    pub(super) fn has_room_for_reserve(&self, space: &Space) -> bool {
        let wanted = self.low_bytes(space).saturating_add(self.segment_bytes).saturating_add(self.reserve_bytes);
        space.free_bytes >= wanted
    }
}

/// Now, in milliseconds since 1970-01-01 UTC.
pub(super) fn now_ms() -> i64 {
    SystemClock.now().as_millisecond()
}

pub(super) fn closed() -> AuditUnavailable {
    AuditUnavailable { kind: UnavailableKind::Closed, reason: "the audit log was closed".to_owned() }
}

pub(super) fn blocked(reason: &str) -> AuditUnavailable {
    AuditUnavailable { kind: UnavailableKind::Blocked, reason: reason.to_owned() }
}
