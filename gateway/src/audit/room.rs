//! Room ahead: the next segment, the emergency reserve, and how much the disk has left.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use pressgate_audit::{Disk, SpareMaker};

use super::queue::{Reserve, Shared};
use super::reserve::Emergency;
use super::threads::{is_full, use_reserve};

/// How often the room is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long after a failure something is made again; it doubles up to the longest.
const RETRY: Duration = Duration::from_millis(500);
/// The longest pause between two tries.
const RETRY_LONGEST: Duration = Duration::from_secs(30);

/// What looks after room.
pub(super) struct Room {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) dir: PathBuf,
    pub(super) maker: Arc<SpareMaker>,
    pub(super) emergency: Arc<Emergency>,
}

impl Room {
    /// Asks the disk how much it has left, and judges it.
    pub(super) fn look(&self, shared: &Shared) {
        // A disk that can't tell is taken as roomy: a full one says so when it is written.
        let space = self.disk.space(&self.dir).ok();
        let mut state = shared.state();
        state.space = space;
        state.judge_room(&shared.bounds);
    }
}

/// When something that failed is tried again.
struct Again {
    pause: Duration,
    at: Option<Instant>,
}

impl Again {
    fn new() -> Self {
        Self { pause: RETRY, at: None }
    }

    fn is_due(&self, now: Instant) -> bool {
        self.at.is_none_or(|at| now >= at)
    }

    fn failed(&mut self) {
        self.at = Some(Instant::now() + self.pause);
        self.pause = (self.pause * 2).min(RETRY_LONGEST);
    }
}

/// Makes a segment whenever the writer has none in reserve, keeps the emergency reserve, and looks how much room is left.
pub(super) fn keep_room(shared: &Shared, room: &Room) {
    if room.emergency.size_bytes() == 0 {
        // One of an earlier setting, perhaps.
        let _ = room.emergency.discard();
    }
    shared.state().emergency = room.emergency.size_bytes() > 0 && room.emergency.is_whole();
    let (mut spare, mut reserve) = (Again::new(), Again::new());
    let mut was_blocked = false;
    loop {
        room.look(shared);
        let now = Instant::now();
        let mut state = shared.state();
        if state.closed {
            return;
        }
        if was_blocked && !state.states.is_blocked() {
            (spare, reserve) = (Again::new(), Again::new());
        }
        was_blocked = state.states.is_blocked();
        let wanted = matches!(state.reserve, Reserve::Wanted) && spare.is_due(now);
        let missing = room.emergency.size_bytes() > 0 && !state.emergency && !was_blocked && reserve.is_due(now);
        let missing = missing && state.space.is_none_or(|space| shared.bounds.has_room_for_reserve(&space));
        if !wanted && !missing {
            state = shared.reserve_work.wait_timeout(state, LOOK_EVERY).unwrap_or_else(PoisonError::into_inner).0;
            drop(state);
            continue;
        }
        drop(state);
        if wanted && !make_spare(shared, room) {
            spare.failed();
        } else if wanted {
            spare = Again::new();
        } else if make_reserve(shared, room) {
            reserve = Again::new();
        } else {
            reserve.failed();
        }
    }
}

fn make_spare(shared: &Shared, room: &Room) -> bool {
    let mut made = room.maker.make();
    if made.as_ref().is_err_and(is_full) && use_reserve(shared, &room.emergency) {
        made = room.maker.make();
    }
    match made {
        Ok(spare) => {
            shared.state().reserve = Reserve::Ready(spare);
            shared.work.notify_one();
            true
        }
        Err(error) => {
            tracing::warn!(%error, "the next segment of the audit log can't be made ahead");
            false
        }
    }
}

fn make_reserve(shared: &Shared, room: &Room) -> bool {
    let freed = shared.state().emergency_freed;
    match room.emergency.make() {
        Ok(()) => {
            let mut state = shared.state();
            if state.emergency_freed != freed {
                return false;
            }
            (state.emergency, state.emergency_used) = (true, false);
            state.judge_room(&shared.bounds);
            true
        }
        Err(error) => {
            tracing::warn!(%error, "the emergency reserve of the audit log can't be made");
            false
        }
    }
}
