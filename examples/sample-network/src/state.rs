//! What the network holds: statuses, media, idempotency keys and the rate window. One lock, so that each request sees
//! and leaves a whole.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::api::ApiError;
use crate::clock::Clock;
use crate::config::Config;
use crate::draft::Draft;
use crate::fault::Faults;
use crate::inbox::Inbox;
use crate::journal::Journal;
use crate::media::Medium;
use crate::status::{self, Status};

/// How long an idempotency key is kept, as Mastodon documents it.
const KEY_LIFETIME_MS: i64 = 60 * 60 * 1000;
/// Length of a rate window.
const RATE_WINDOW_MS: i64 = 5 * 60 * 1000;
/// Expired keys are cleared out after so many new ones.
const KEYS_SWEEP: usize = 4096;

/// The whole network.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) config: Config,
    pub(crate) url: String,
    pub(crate) clock: Clock,
    pub(crate) faults: Faults,
    pub(crate) journal: Journal,
    pub(crate) started_ms: i64,
    store: Mutex<Store>,
}

/// What requests change.
#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) statuses: BTreeMap<String, Status>,
    pub(crate) media: HashMap<String, Medium>,
    pub(crate) inbox: Inbox,
    keys: HashMap<String, Key>,
    keys_since_sweep: usize,
    last_id: i64,
    window_start_ms: i64,
    window_used: u32,
}

#[derive(Debug)]
struct Key {
    status: String,
    until_ms: i64,
}

/// What the rate window says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    pub(crate) allowed: bool,
    pub(crate) remaining: u32,
    pub(crate) reset_ms: i64,
}

impl Network {
    pub(crate) fn new(config: Config, url: String) -> Self {
        let clock = Clock::default();
        let started_ms = clock.now_ms();
        Self {
            config,
            url,
            clock,
            faults: Faults::default(),
            journal: Journal::default(),
            started_ms,
            store: Mutex::default(),
        }
    }

    /// The changeable part.
    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request in the rate window.
    pub(crate) fn count_in_window(&self) -> Rate {
        let now_ms = self.clock.now_ms();
        let mut store = self.store();
        if now_ms >= store.window_start_ms + RATE_WINDOW_MS {
            store.window_start_ms = now_ms - now_ms.rem_euclid(RATE_WINDOW_MS);
            store.window_used = 0;
        }
        let allowed = store.window_used < self.config.rate_limit;
        store.window_used = store.window_used.saturating_add(1);
        let remaining = self.config.rate_limit.saturating_sub(store.window_used);
        Rate { allowed, remaining, reset_ms: store.window_start_ms + RATE_WINDOW_MS }
    }

    /// Publishes a draft, or gives the status that this key made before.
    pub(crate) fn publish(&self, draft: Draft, key: Option<&str>) -> Result<Value, ApiError> {
        let now_ms = self.clock.now_ms();
        let mut store = self.store();
        if let Some(known) = key.and_then(|key| store.keys.get(key))
            && now_ms < known.until_ms
        {
            let status = store.statuses.get(&known.status).ok_or_else(ApiError::not_found)?;
            return Ok(status::render(self, &store, status));
        }
        store.check_references(&draft)?;
        let id = store.next_id(now_ms);
        for medium in &draft.media {
            if let Some(medium) = store.media.get_mut(medium) {
                medium.status = Some(id.clone());
            }
        }
        if let Some(parent) = draft.in_reply_to.as_ref().and_then(|parent| store.statuses.get_mut(parent)) {
            parent.replies += 1;
        }
        let status = Status { id: id.clone(), created_ms: now_ms, replies: 0, draft };
        let rendered = status::render(self, &store, &status);
        store.statuses.insert(id.clone(), status);
        if let Some(key) = key {
            store.keep_key(key, id, now_ms);
        }
        Ok(rendered)
    }

    /// Takes a status down and gives it back with its source text.
    pub(crate) fn delete(&self, id: &str, with_media: bool) -> Result<Value, ApiError> {
        let mut store = self.store();
        let status = store.statuses.remove(id).ok_or_else(ApiError::not_found)?;
        let rendered = status::with_source(status::render(self, &store, &status), &status);
        if let Some(parent) = status.draft.in_reply_to.as_ref().and_then(|parent| store.statuses.get_mut(parent)) {
            parent.replies = parent.replies.saturating_sub(1);
        }
        store.inbox.forget_parent(id);
        for medium in &status.draft.media {
            if with_media {
                store.media.remove(medium);
            } else if let Some(medium) = store.media.get_mut(medium) {
                medium.status = None;
            }
        }
        Ok(rendered)
    }

    /// Every status, oldest first, with its source text.
    pub(crate) fn timeline(&self) -> Vec<Value> {
        let store = self.store();
        let all = store.statuses.values();
        all.map(|status| status::with_source(status::render(self, &store, status), status)).collect()
    }
}

impl Store {
    /// A new id: digits, growing, as many as Mastodon's, so that their order as text is their order in time.
    pub(crate) fn next_id(&mut self, now_ms: i64) -> String {
        self.last_id = (now_ms << 16).max(self.last_id + 1);
        self.last_id.to_string()
    }

    fn check_references(&self, draft: &Draft) -> Result<(), ApiError> {
        if let Some(parent) = &draft.in_reply_to
            && !self.statuses.contains_key(parent)
            && self.inbox.status(parent).is_none()
        {
            return Err(ApiError::new(404, "The post you are trying to reply to does not appear to exist."));
        }
        let mut moving = 0;
        for id in &draft.media {
            let Some(medium) = self.media.get(id).filter(|medium| medium.status.is_none()) else {
                let message = format!("Validation failed: Media {id} not found or already attached to another post");
                return Err(ApiError::unprocessable(message));
            };
            if medium.polls_left > 0 {
                let message = "Cannot attach files that have not finished processing. Try again in a moment!";
                return Err(ApiError::unprocessable(message));
            }
            moving += usize::from(medium.kind != "image");
        }
        if moving > 0 && draft.media.len() > 1 {
            return Err(ApiError::unprocessable("Cannot attach a video to a post that already contains images"));
        }
        Ok(())
    }

    fn keep_key(&mut self, key: &str, status: String, now_ms: i64) {
        self.keys.insert(key.to_owned(), Key { status, until_ms: now_ms + KEY_LIFETIME_MS });
        self.keys_since_sweep += 1;
        if self.keys_since_sweep >= KEYS_SWEEP {
            self.keys.retain(|_, key| now_ms < key.until_ms);
            self.keys_since_sweep = 0;
        }
    }
}
