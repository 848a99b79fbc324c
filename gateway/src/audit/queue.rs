//! What the callers, the writer's thread and the segment maker's thread share.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use pressgate_audit::format::batch_bytes;
use pressgate_audit::{Leaf, Spare};
use tokio::sync::oneshot;

use super::{AuditHealth, AuditUnavailable, UnavailableKind};

/// The most bytes of leaves that may wait.
const QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How an append ended.
pub(super) type Answer = Result<u64, AuditUnavailable>;

/// Leaves that one caller wants in one batch.
pub(super) struct Job {
    pub(super) leaves: Vec<Vec<u8>>,
    /// As frames.
    pub(super) bytes: usize,
    pub(super) answer: oneshot::Sender<Answer>,
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
    pub(super) health: AuditHealth,
    pub(super) reserve: Reserve,
    pub(super) closed: bool,
}

pub(super) struct Shared {
    state: Mutex<State>,
    /// Wakes the writer.
    pub(super) work: Condvar,
    /// Wakes the segment maker.
    pub(super) reserve_work: Condvar,
    next_index: AtomicU64,
    batch_bytes_max: usize,
    queue_max: usize,
}

impl Shared {
    pub(super) fn new(next_index: u64, batch_bytes_max: usize, queue_max: usize) -> Self {
        Self {
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                waiting_bytes: 0,
                health: AuditHealth::Normal,
                reserve: Reserve::Wanted,
                closed: false,
            }),
            work: Condvar::new(),
            reserve_work: Condvar::new(),
            next_index: AtomicU64::new(next_index),
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

    pub(super) fn health(&self) -> AuditHealth {
        self.state().health.clone()
    }

    /// Puts leaves into the queue, or refuses at once.
    pub(super) fn submit(&self, leaves: &[Leaf]) -> Result<oneshot::Receiver<Answer>, AuditUnavailable> {
        let unfit = |reason: String| AuditUnavailable { kind: UnavailableKind::Unfit, reason };
        let leaves: Vec<Vec<u8>> = leaves
            .iter()
            .map(Leaf::to_bytes_cut)
            .collect::<Result<_, _>>()
            .map_err(|error| unfit(error.to_string()))?;
        let bytes = batch_bytes(leaves.iter().map(Vec::len));
        if bytes > self.batch_bytes_max {
            return Err(unfit(format!("the batch has {bytes} bytes and may have {}", self.batch_bytes_max)));
        }
        let (answer, receiver) = oneshot::channel();
        let mut state = self.state();
        if state.closed {
            return Err(closed());
        }
        if let AuditHealth::Blocked { reason, .. } = &state.health {
            return Err(blocked(reason));
        }
        if state.waiting.len() >= self.queue_max || state.waiting_bytes + bytes > QUEUE_BYTES_MAX {
            let reason = format!("{} appends wait for the disk", state.waiting.len());
            return Err(AuditUnavailable { kind: UnavailableKind::Queue, reason });
        }
        state.waiting_bytes += bytes;
        state.waiting.push_back(Job { leaves, bytes, answer });
        drop(state);
        self.work.notify_one();
        Ok(receiver)
    }
}

impl State {
    /// Takes jobs for one batch.
    pub(super) fn take_batch(&mut self, batch_bytes_max: usize) -> Vec<Job> {
        let mut jobs = Vec::new();
        let mut bytes = 0;
        while let Some(job) = self.waiting.pop_front() {
            // Each job's bytes count a commit frame, so the sum is never too small.
            if bytes + job.bytes > batch_bytes_max && !jobs.is_empty() {
                self.waiting.push_front(job);
                break;
            }
            bytes += job.bytes;
            jobs.push(job);
        }
        self.waiting_bytes = self.waiting_bytes.saturating_sub(bytes);
        jobs
    }

    /// Refuses all who wait.
    pub(super) fn refuse_all(&mut self, refusal: &AuditUnavailable) {
        self.waiting_bytes = 0;
        for job in self.waiting.drain(..) {
            // Who no longer listens needs no answer.
            let _ = job.answer.send(Err(refusal.clone()));
        }
    }
}

pub(super) fn closed() -> AuditUnavailable {
    AuditUnavailable { kind: UnavailableKind::Closed, reason: "the audit log was closed".to_owned() }
}

pub(super) fn blocked(reason: &str) -> AuditUnavailable {
    AuditUnavailable { kind: UnavailableKind::Blocked, reason: reason.to_owned() }
}
