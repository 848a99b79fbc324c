//! Stopping: a flag that can be waited for, and a count of the work that must end first.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, watch};

/// Says that the gateway stops.
pub struct Stop {
    flag: watch::Sender<bool>,
    working: AtomicUsize,
    idle: Notify,
}

/// Work that a stop waits for; ends when it is dropped.
pub struct Working<'a>(&'a Stop);

impl Default for Stop {
    fn default() -> Self {
        Self { flag: watch::channel(false).0, working: AtomicUsize::new(0), idle: Notify::new() }
    }
}

impl Stop {
    /// Sets the flag.
    pub fn set(&self) {
        self.flag.send_replace(true);
    }

    /// True once it was set.
    pub fn is_set(&self) -> bool {
        *self.flag.borrow()
    }

    /// Returns once it was set.
    pub async fn wait(&self) {
        let mut receiver = self.flag.subscribe();
        // The sender lives as long as `self`, so this can't fail before the flag is set.
        let _ = receiver.wait_for(|set| *set).await;
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
