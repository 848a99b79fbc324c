//! The threads of the log: one commits, one sees to room ahead, one watches the two.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use pressgate_audit::{CommitError, Entry, Writer};

use super::queue::{Reserve, Shared, blocked, closed, now_ms};
use super::reserve::Emergency;
use super::room::{Room, keep_room};
use super::{AuditUnavailable, UnavailableKind};

/// How often a blocked log looks whether the disk is back.
const PROBE_EVERY: Duration = Duration::from_millis(250);
/// How often the watch looks, at most and at least.
const WATCH_EVERY: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(250));
/// The longest that a close waits for a disk that hangs; then the threads are left to the end of the process.
const CLOSE_WAIT: Duration = Duration::from_secs(10);
/// How often a close looks whether the threads have ended.
const CLOSE_LOOK_EVERY: Duration = Duration::from_millis(1);

/// The running threads. They end with [`Threads::stop`], or when this is dropped.
pub(super) struct Threads {
    shared: Arc<Shared>,
    running: Mutex<Vec<JoinHandle<()>>>,
}

impl Threads {
    pub(super) fn start(shared: Arc<Shared>, writer: Writer, room: Room) -> io::Result<Self> {
        room.look(&shared);
        let threads = Self { shared: Arc::clone(&shared), running: Mutex::default() };
        let emergency = Arc::clone(&room.emergency);
        let for_room = Arc::clone(&shared);
        threads.keep(Builder::new().name("audit-reserve".into()).spawn(move || keep_room(&for_room, &room))?);
        let for_watch = Arc::clone(&shared);
        threads.keep(Builder::new().name("audit-watch".into()).spawn(move || watch(&for_watch))?);
        threads.keep(Builder::new().name("audit-writer".into()).spawn(move || write(&shared, writer, &emergency))?);
        Ok(threads)
    }

    fn keep(&self, thread: JoinHandle<()>) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
    }

    /// Lets the writer finish what waits, and ends the threads. A thread that the disk does not let go is left behind.
    pub(super) fn stop(&self) {
        self.shared.state().closed = true;
        self.shared.work.notify_all();
        self.shared.reserve_work.notify_all();
        let deadline = Instant::now() + CLOSE_WAIT;
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in running.drain(..) {
            while !thread.is_finished() && Instant::now() < deadline {
                std::thread::sleep(CLOSE_LOOK_EVERY);
            }
            if thread.is_finished() {
                // A thread that panicked has refused all who waited.
                let _ = thread.join();
            } else {
                tracing::error!(thread = thread.thread().name(), "the audit log is closed while its disk hangs");
            }
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
        (state.closed, state.ended) = (true, true);
        state.refuse_all(&closed());
        let reason = "the writer of the audit log ended".to_owned();
        state.refuse_in_flight(&AuditUnavailable { kind: UnavailableKind::Uncertain, reason });
        self.0.watch_work.notify_all();
    }
}

fn write(shared: &Shared, mut writer: Writer, emergency: &Emergency) {
    let _last_orders = LastOrders(shared);
    while let Some(leaves) = next_batch(shared, &mut writer) {
        commit(shared, &mut writer, emergency, &leaves);
    }
}

/// Waits for something to commit. No leaves are a probe of the disk; `None` is the end.
fn next_batch(shared: &Shared, writer: &mut Writer) -> Option<Vec<Entry>> {
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
        state.asleep = true;
        if !state.states.is_blocked() {
            state = shared.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.asleep = false;
            continue;
        }
        let (mut held, waited) = shared.work.wait_timeout(state, PROBE_EVERY).unwrap_or_else(PoisonError::into_inner);
        held.asleep = false;
        if waited.timed_out() {
            return Some(Vec::new());
        }
        state = held;
    }
}

fn commit(shared: &Shared, writer: &mut Writer, emergency: &Emergency, leaves: &[Entry]) {
    if !leaves.is_empty() && shared.new_segment.swap(false, Ordering::AcqRel) {
        writer.leave_segment();
    }
    let started = Instant::now();
    let committed = commit_with_reserve(shared, writer, emergency, leaves);
    if let Some(error) = writer.take_trouble() {
        tracing::warn!(%error, "the audit log left a segment that the disk failed to write");
    }
    let mut state = shared.state();
    let in_flight = std::mem::take(&mut state.in_flight);
    let now = Instant::now();
    match committed {
        Ok(first) if in_flight.given_up => {
            // Who asked for it was told that it is not recorded, and has acted on that.
            drop(state);
            writer.take_back(first);
        }
        Ok(first) => {
            state.last_durable = now;
            if !leaves.is_empty() {
                let took = now.saturating_duration_since(started);
                state.window.add(now, took);
                shared.measures.committed(leaves.len() as u64, took);
            }
            shared.set_next_index(writer.next_index());
            if state.states.is_blocked() {
                state.states.unblock(now_ms());
                // What could not be made meanwhile is tried again at once.
                shared.reserve_work.notify_one();
            }
            drop(state);
            for (place, answer) in in_flight.answers {
                // Who no longer listens needs no answer.
                let _ = answer.send(Ok(first + place));
            }
        }
        Err(error) => {
            let reason = error.source.to_string();
            state.states.block(now_ms(), code(&error.source), &reason);
            shared.measures.refused(UnavailableKind::Blocked, state.refuse_all(&blocked(&reason)));
            drop(state);
            let kind = if error.uncertain { UnavailableKind::Uncertain } else { UnavailableKind::Blocked };
            shared.measures.refused(kind, in_flight.answers.len() as u64);
            for (_, answer) in in_flight.answers {
                let _ = answer.send(Err(AuditUnavailable { kind, reason: reason.clone() }));
            }
        }
    }
}

/// Commits; on a full disk once more, with the room of the emergency reserve.
fn commit_with_reserve(
    shared: &Shared,
    writer: &mut Writer,
    emergency: &Emergency,
    leaves: &[Entry],
) -> Result<u64, CommitError> {
    let first = writer.commit(leaves);
    let Err(error) = first else { return first };
    if !is_full(&error.source) || !use_reserve(shared, emergency) {
        return Err(error);
    }
    writer.commit(leaves).map_err(|again| CommitError { uncertain: error.uncertain || again.uncertain, ..again })
}

/// Gives the emergency reserve's room back; false where there was none.
pub(super) fn use_reserve(shared: &Shared, emergency: &Emergency) -> bool {
    if !emergency.free() {
        return false;
    }
    let mut state = shared.state();
    (state.emergency, state.emergency_used) = (false, true);
    state.emergency_freed += 1;
    state.judge_room(&shared.bounds);
    true
}

/// Is the error that of a full disk, or of a full quota?
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Why the log is blocked, as leaves say it.
fn code(error: &io::Error) -> &'static str {
    match error.kind() {
        _ if is_full(error) => "no-space",
        io::ErrorKind::ReadOnlyFilesystem => "read-only",
        _ => "disk-error",
    }
}

/// Looks at an even pace whether anybody waits too long, and whether commits are slow. It touches no disk, so none can stop it.
fn watch(shared: &Shared) {
    let every = (shared.bounds.blocked_after / 8).clamp(WATCH_EVERY.0, WATCH_EVERY.1);
    let mut state = shared.state();
    while !state.ended {
        let now = Instant::now();
        if state.hangs(now, shared.bounds.blocked_after) {
            let reason = format!("the disk has made nothing durable for {:?}", shared.bounds.blocked_after);
            state.states.block(now_ms(), "disk-hangs", &reason);
            // Those in flight may be on the disk or not; those behind them are not.
            if !state.in_flight.answers.is_empty() {
                state.in_flight.given_up = true;
                let refusal = AuditUnavailable { kind: UnavailableKind::Uncertain, reason: reason.clone() };
                shared.measures.refused(UnavailableKind::Uncertain, state.refuse_in_flight(&refusal));
            }
            shared.measures.refused(UnavailableKind::Blocked, state.refuse_all(&blocked(&reason)));
        }
        state.judge_pace(now, &shared.bounds);
        state = shared.watch_work.wait_timeout(state, every).unwrap_or_else(PoisonError::into_inner).0;
    }
}
