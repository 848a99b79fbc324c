//! Stopping, in phases, and a count of the work that must end first.
//!
//! A stop that loses no call goes slowly: first it is only announced, then nobody comes in any more, and only when those who
//! were in have had their answers does work end.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, watch};

/// How far a stop has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Phase {
    /// It serves.
    #[default]
    Running,
    /// It serves, says that it is not ready, and asks clients to use other connections.
    Announced,
    /// Listeners accept nobody; connections end after their request.
    Closing,
    /// No new work begins.
    Stopped,
}

/// Says that the gateway stops.
pub struct Stop {
    phase: watch::Sender<Phase>,
    working: AtomicUsize,
    idle: Notify,
}

/// Work that a stop waits for; ends when it is dropped.
pub struct Working<'a>(&'a Stop);

impl Default for Stop {
    fn default() -> Self {
        Self { phase: watch::channel(Phase::Running).0, working: AtomicUsize::new(0), idle: Notify::new() }
    }
}

impl Stop {
    /// Goes on to a phase; never back.
    pub fn advance(&self, to: Phase) {
        self.phase.send_if_modified(|phase| {
            let further = *phase < to;
            *phase = to.max(*phase);
            further
        });
    }

    /// Returns once a phase was reached.
    pub async fn reached(&self, phase: Phase) {
        let mut receiver = self.phase.subscribe();
        // The sender lives as long as `self`, so this can't fail before the phase is reached.
        let _ = receiver.wait_for(|now| *now >= phase).await;
    }

    /// Whether a phase was reached.
    pub fn has_reached(&self, phase: Phase) -> bool {
        *self.phase.borrow() >= phase
    }

    /// Stops, without the phases before.
    pub fn set(&self) {
        self.advance(Phase::Stopped);
    }

    /// True once it was set.
    pub fn is_set(&self) -> bool {
        self.has_reached(Phase::Stopped)
    }

    /// Returns once it was set.
    pub async fn wait(&self) {
        self.reached(Phase::Stopped).await;
    }

    /// Begins work that a stop waits for.
    pub fn begin(&self) -> Working<'_> {
        self.working.fetch_add(1, Ordering::AcqRel);
        Working(self)
    }

    /// Returns once nothing works any more.
    pub async fn idle(&self) {
        loop {
            let idle = self.idle.notified();
            if self.working.load(Ordering::Acquire) == 0 {
                return;
            }
            idle.await;
        }
    }
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        if self.0.working.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}
