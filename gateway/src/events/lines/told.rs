//! One receiver as its line, operators and the disk share it.

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::kept::{Dead, Journal, Kept, KeptFile, Unsettled};
use crate::folders;

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
    /// Something was sent, and nobody can tell what became of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unknown: bool,
}

/// What is counted of one receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    /// It wants nothing any more.
    pub disabled: bool,
    /// It can't be reached.
    pub down: bool,
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

/// What is known of one receiver.
pub struct Endpoint {
    word: &'static str,
    pub(super) id: String,
    state: Mutex<State>,
    file: Arc<Mutex<KeptFile>>,
}

pub(super) struct State {
    pub(super) kept: Kept,
    /// Counts replays, so that a line knows that what it read is no longer what comes next.
    pub(super) replays: u64,
    /// Somebody wants the receiver tried at once.
    pub(super) hurry: bool,
    pub(super) delivered: u64,
    pub(super) last_error: Option<String>,
}

impl Endpoint {
    /// Reads what is kept. Blocks.
    pub(super) fn open(dir: &Path, word: &'static str, id: &str, origin: &str, log_next: u64) -> Result<Self, String> {
        folders::private(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        let (file, kept) = KeptFile::open(dir, word, id, origin, log_next)?;
        let state = State { kept, replays: 0, hurry: false, delivered: 0, last_error: None };
        Ok(Self { word, id: id.to_owned(), state: Mutex::new(state), file: Arc::new(Mutex::new(file)) })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes durable what is known; where that fails it is told, and repeats are all that it costs.
    pub(super) async fn store(&self) {
        if let Err(error) = self.keep().await {
            let (id, word) = (&self.id, self.word);
            tracing::warn!(id, error, "the position of a {word} can't be stored; after a crash events come again");
        }
    }

    /// Makes durable what is known.
    ///
    /// # Errors
    /// A sentence, where the disk does not take it.
    pub async fn keep(&self) -> Result<(), String> {
        let (file, kept) = (Arc::clone(&self.file), self.state().kept.clone());
        let stored = tokio::task::spawn_blocking(move || {
            file.lock().unwrap_or_else(PoisonError::into_inner).store(&kept).map_err(|error| error.to_string())
        });
        stored.await.unwrap_or_else(|error| Err(error.to_string()))
    }

    /// What was done for an event so far, none where nothing was.
    pub fn journal(&self, leaf: u64) -> Option<Journal> {
        self.state().kept.journals.get(&leaf).cloned()
    }

    /// Replaces it. Call [`Self::keep`] where it must be durable.
    pub fn set_journal(&self, leaf: u64, journal: Journal) {
        self.state().kept.journals.insert(leaf, journal);
    }

    /// The receiver's note.
    pub fn note(&self) -> Vec<u8> {
        self.state().kept.note.clone()
    }

    /// An event is done with: its journal goes, and the receiver has a new note, where there is one.
    pub fn settle(&self, leaf: u64, note: Option<Vec<u8>>) {
        let mut state = self.state();
        state.kept.journals.remove(&leaf);
        if let Some(note) = note {
            state.kept.note = note;
        }
    }

    /// What is counted.
    pub fn figures(&self, log_next: u64) -> Figures {
        let state = self.state();
        Figures {
            disabled: state.kept.disabled,
            down: state.kept.down_since_ms.is_some(),
            next: state.kept.next,
            lag_leaves: log_next.saturating_sub(state.kept.next),
            waiting: state.kept.waiting(),
            dead: state.kept.dead.len(),
            delivered: state.delivered,
            last_error: state.last_error.clone(),
        }
    }

    /// What was given up, oldest first.
    pub fn dead(&self) -> Vec<DeadView> {
        let view = |dead: &Dead| DeadView {
            id: format!("evt_{}", dead.leaf),
            leaf: dead.leaf,
            post: dead.post.clone(),
            at: Timestamp::from_millisecond(dead.at_ms).unwrap_or(Timestamp::UNIX_EPOCH),
            why: dead.why.clone(),
            unknown: dead.unknown,
        };
        self.state().kept.dead.iter().map(view).collect()
    }

    /// Is it disabled, and were events given up? The alarms that stand.
    pub(super) fn stands(&self) -> (bool, bool) {
        let state = self.state();
        (state.kept.disabled, !state.kept.dead.is_empty())
    }

    /// Begins again with what was given up, or with everything from a leaf on; answers how much that is.
    pub fn replay(&self, from: Option<u64>, now_ms: i64, log_next: u64) -> u64 {
        let mut state = self.state();
        state.replays += 1;
        state.kept.replay(from, now_ms, log_next)
    }

    /// Has what was given up tried again: all that was refused, or these events, of which some may have been sent already. Answers how
    /// many, or the first event that is not among them.
    ///
    /// # Errors
    /// [`Unsettled`].
    pub fn retry(&self, leaves: &[u64], now_ms: i64) -> Result<u64, Unsettled> {
        let mut state = self.state();
        let count = state.kept.retry(leaves, now_ms)?;
        // What is under way is not repeated by that, so this is no replay.
        state.hurry = true;
        Ok(count)
    }

    /// Takes events off the list of what was given up: a person saw to them.
    ///
    /// # Errors
    /// [`Unsettled`].
    pub fn close(&self, leaves: &[u64]) -> Result<u64, Unsettled> {
        self.state().kept.close(leaves)
    }
}
