//! The two threads of the log: one commits, one makes segments ahead.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use pressgate_audit::{SpareMaker, Writer};

use super::queue::{Job, Reserve, Shared, blocked, closed};
use super::{AuditHealth, AuditUnavailable, UnavailableKind};
use crate::clock::{Clock, SystemClock};

/// How often a blocked log looks whether the disk is back.
const PROBE_EVERY: Duration = Duration::from_millis(250);
/// How long after a failure the next segment is tried again; it doubles up to the longest.
const RESERVE_RETRY: Duration = Duration::from_millis(500);
/// The longest pause between two tries.
const RESERVE_RETRY_LONGEST: Duration = Duration::from_secs(30);

/// The running threads. They end with [`Threads::stop`], or when this is dropped.
pub(super) struct Threads {
    shared: Arc<Shared>,
    running: Mutex<Vec<JoinHandle<()>>>,
}

impl Threads {
    pub(super) fn start(shared: Arc<Shared>, writer: Writer) -> io::Result<Self> {
        let maker = writer.spare_maker();
        let threads = Self { shared: Arc::clone(&shared), running: Mutex::default() };
        let for_maker = Arc::clone(&shared);
        threads.keep(Builder::new().name("audit-reserve".into()).spawn(move || make_reserves(&for_maker, &maker))?);
        threads.keep(Builder::new().name("audit-writer".into()).spawn(move || write(&shared, writer))?);
        Ok(threads)
    }

    fn keep(&self, thread: JoinHandle<()>) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
    }

    /// Lets the writer finish what waits, and ends both threads.
    pub(super) fn stop(&self) {
        self.shared.state().closed = true;
        self.shared.work.notify_all();
        self.shared.reserve_work.notify_all();
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in running.drain(..) {
            // A thread that panicked has refused all who waited.
            let _ = thread.join();
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Whatever ends the writer, nobody waits for it any more.
struct LastOrders<'a>(&'a Shared);

impl Drop for LastOrders<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.closed = true;
        state.refuse_all(&closed());
    }
}

fn write(shared: &Shared, mut writer: Writer) {
    let _last_orders = LastOrders(shared);
    while let Some(jobs) = next_batch(shared, &mut writer) {
        commit(shared, &mut writer, jobs);
    }
}

/// Waits for something to commit. No jobs are a probe of the disk; `None` is the end.
fn next_batch(shared: &Shared, writer: &mut Writer) -> Option<Vec<Job>> {
    let mut state = shared.state();
    loop {
        if let Reserve::Ready(_) = state.reserve
            && let Reserve::Ready(spare) = std::mem::replace(&mut state.reserve, Reserve::Unwanted)
        {
            writer.give_spare(spare);
        }
        if writer.wants_spare() && matches!(state.reserve, Reserve::Unwanted) {
            state.reserve = Reserve::Wanted;
            shared.reserve_work.notify_one();
        }
        if !state.waiting.is_empty() {
            return Some(state.take_batch(writer.batch_bytes_max()));
        }
        if state.closed {
            return None;
        }
        if state.health == AuditHealth::Normal {
            state = shared.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            continue;
        }
        let (held, waited) = shared.work.wait_timeout(state, PROBE_EVERY).unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            return Some(Vec::new());
        }
        state = held;
    }
}

fn commit(shared: &Shared, writer: &mut Writer, jobs: Vec<Job>) {
    let mut leaves = Vec::new();
    let mut answers = Vec::with_capacity(jobs.len());
    for mut job in jobs {
        answers.push((leaves.len() as u64, job.answer));
        leaves.append(&mut job.leaves);
    }
    let committed = writer.commit(&leaves);
    if let Some(error) = writer.take_trouble() {
        tracing::warn!(%error, "the audit log left a segment that the disk failed to write");
    }
    match committed {
        Ok(first) => {
            shared.set_next_index(writer.next_index());
            end_block(shared);
            for (place, answer) in answers {
                // Who no longer listens needs no answer.
                let _ = answer.send(Ok(first + place));
            }
        }
        Err(error) => {
            let reason = error.source.to_string();
            begin_block(shared, &reason);
            let kind = if error.uncertain { UnavailableKind::Uncertain } else { UnavailableKind::Blocked };
            for (_, answer) in answers {
                let _ = answer.send(Err(AuditUnavailable { kind, reason: reason.clone() }));
            }
        }
    }
}

fn begin_block(shared: &Shared, reason: &str) {
    let mut state = shared.state();
    state.refuse_all(&blocked(reason));
    if let AuditHealth::Normal = state.health {
        tracing::error!(reason, "the audit log is blocked: nothing is recorded, so nothing may leave");
        state.health = AuditHealth::Blocked { since_ms: SystemClock.now().as_millisecond(), reason: reason.to_owned() };
    }
}

fn end_block(shared: &Shared) {
    let mut state = shared.state();
    if let AuditHealth::Blocked { .. } = state.health {
        tracing::info!("the audit log can be written again");
        state.health = AuditHealth::Normal;
    }
}

/// Makes a segment whenever the writer has none in reserve.
fn make_reserves(shared: &Shared, maker: &SpareMaker) {
    let mut retry = RESERVE_RETRY;
    loop {
        let mut state = shared.state();
        while !state.closed && !matches!(state.reserve, Reserve::Wanted) {
            state = shared.reserve_work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.closed {
            return;
        }
        drop(state);
        match maker.make() {
            Ok(spare) => {
                retry = RESERVE_RETRY;
                shared.state().reserve = Reserve::Ready(spare);
                shared.work.notify_one();
            }
            Err(error) => {
                tracing::warn!(%error, "the next segment of the audit log can't be made ahead");
                let state = shared.state();
                if !state.closed {
                    let waited = shared.reserve_work.wait_timeout(state, retry);
                    drop(waited.unwrap_or_else(PoisonError::into_inner));
                }
                retry = (retry * 2).min(RESERVE_RETRY_LONGEST);
            }
        }
    }
}
