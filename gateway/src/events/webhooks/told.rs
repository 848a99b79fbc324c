//! One receiver as its line, operators and the disk share it.

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::kept::{Dead, Kept, KeptFile};
use crate::{config::Webhook, folders};

/// Code of the alarm for a receiver that said that it is gone.
pub(super) const DISABLED: &str = "webhook-disabled";
/// Code of the alarm for events that were given up.
pub(super) const DEAD_LETTER: &str = "webhook-dead-letter";

/// How one receiver is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookView {
    /// Its name.
    pub id: String,
    /// Scheme, host and port of where events are posted to.
    pub origin: String,
    /// Who answers for it.
    pub owner: String,
    /// `ready`, `no-secret`, `down` (it can't be reached), or `disabled` (it answered 410).
    pub state: String,
    /// Signatures that a delivery has now: 2 after a rotation.
    pub secrets: usize,
    /// The next leaf to look at.
    pub next: u64,
    /// Leaves of the log that were not looked at yet.
    pub lag_leaves: u64,
    /// Events that wait for another attempt.
    pub waiting: usize,
    /// Events that were given up.
    pub dead: usize,
    /// Events that were taken since the start of the process.
    pub delivered: u64,
    /// Why the last delivery failed; none after a good one.
    pub last_error: Option<String>,
}

/// An event that was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadView {
    /// Its id.
    pub id: String,
    /// Its leaf.
    pub leaf: u64,
    /// Its post.
    pub post: String,
    /// When it was given up.
    pub at: Timestamp,
    /// Why.
    pub why: String,
}

/// What is known of one receiver.
pub(super) struct Endpoint {
    pub(super) id: String,
    state: Mutex<State>,
    file: Arc<Mutex<KeptFile>>,
}

pub(super) struct State {
    pub(super) kept: Kept,
    /// Counts replays, so that a line knows that what it read is no longer what comes next.
    pub(super) replays: u64,
    pub(super) delivered: u64,
    pub(super) last_error: Option<String>,
}

impl Endpoint {
    /// Reads what is kept. Blocks.
    pub(super) fn open(dir: &Path, id: &str, origin: &str, log_next: u64) -> Result<Self, String> {
        folders::private(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        let (file, kept) = KeptFile::open(dir, id, origin, log_next)?;
        let state = State { kept, replays: 0, delivered: 0, last_error: None };
        Ok(Self { id: id.to_owned(), state: Mutex::new(state), file: Arc::new(Mutex::new(file)) })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes durable what is known.
    pub(super) async fn store(&self) {
        let (file, kept) = (Arc::clone(&self.file), self.state().kept.clone());
        let stored = tokio::task::spawn_blocking(move || {
            file.lock().unwrap_or_else(PoisonError::into_inner).store(&kept).map_err(|error| error.to_string())
        });
        if let Err(error) = stored.await.unwrap_or_else(|error| Err(error.to_string())) {
            tracing::warn!(webhook = self.id, error, "the position can't be stored; after a crash events come again");
        }
    }

    pub(super) fn view(&self, hook: &Webhook, secrets: usize, log_next: u64) -> WebhookView {
        let state = self.state();
        let word = match (state.kept.disabled, secrets, state.kept.down_since_ms) {
            (true, ..) => "disabled",
            (_, 0, _) => "no-secret",
            (_, _, Some(_)) => "down",
            _ => "ready",
        };
        WebhookView {
            id: hook.id.clone(),
            origin: hook.url.origin().ascii_serialization(),
            owner: hook.owner.to_string(),
            state: word.to_owned(),
            secrets,
            next: state.kept.next,
            lag_leaves: log_next.saturating_sub(state.kept.next),
            waiting: state.kept.waiting(),
            dead: state.kept.dead.len(),
            delivered: state.delivered,
            last_error: state.last_error.clone(),
        }
    }

    pub(super) fn dead(&self) -> Vec<DeadView> {
        let view = |dead: &Dead| DeadView {
            id: format!("evt_{}", dead.leaf),
            leaf: dead.leaf,
            post: dead.post.clone(),
            at: Timestamp::from_millisecond(dead.at_ms).unwrap_or(Timestamp::UNIX_EPOCH),
            why: dead.why.clone(),
        };
        self.state().kept.dead.iter().map(view).collect()
    }

    /// Begins again; answers how much that is, and the alarms that are over.
    pub(super) fn replay(&self, from: Option<u64>, now_ms: i64, log_next: u64) -> (u64, Vec<&'static str>) {
        let mut state = self.state();
        let before = (state.kept.disabled, state.kept.dead.is_empty());
        let count = state.kept.replay(from, now_ms, log_next);
        state.replays += 1;
        let disabled = before.0.then_some(DISABLED);
        let dead = (!before.1 && state.kept.dead.is_empty()).then_some(DEAD_LETTER);
        (count, disabled.into_iter().chain(dead).collect())
    }
}
