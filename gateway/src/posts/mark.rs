//! How far the log was applied to the records: intents whose outcome is still to come hold the mark back.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::audit::AuditLog;

/// Intents that were written, or are being written, and not yet answered for in the records.
pub struct OpenIntents {
    audit: AuditLog,
    tokens: AtomicU64,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    /// The first index that each may have, or the one that it has, by its token.
    from: HashMap<u64, u64>,
    /// Tokens of those that were written, by their index.
    written: HashMap<u64, u64>,
}

/// An intent that is being written.
pub struct Opening<'a> {
    intents: &'a OpenIntents,
    token: u64,
}

impl OpenIntents {
    /// None yet.
    pub fn new(audit: AuditLog) -> Self {
        Self { audit, tokens: AtomicU64::new(0), open: Mutex::default() }
    }

    /// Announces an intent before it is written.
    pub fn begin(&self) -> Opening<'_> {
        let token = self.tokens.fetch_add(1, Ordering::Relaxed);
        let mut open = self.lock();
        open.from.insert(token, self.audit.next_index());
        Opening { intents: self, token }
    }

    /// The intent's outcome is in the records.
    pub fn close(&self, index: u64) {
        let mut open = self.lock();
        if let Some(token) = open.written.remove(&index) {
            open.from.remove(&token);
        }
    }

    /// Every leaf before this index is in the records or needs no place there.
    pub fn mark(&self) -> u64 {
        let next = self.audit.next_index();
        self.lock().from.values().copied().min().map_or(next, |open| open.min(next))
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Opening<'_> {
    /// It was written with this index, and stays open until it is closed.
    pub fn became(self, index: u64) {
        let mut open = self.intents.lock();
        open.from.insert(self.token, index);
        open.written.insert(index, self.token);
        drop(open);
        std::mem::forget(self);
    }
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        self.intents.lock().from.remove(&self.token);
    }
}
