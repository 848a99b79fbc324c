//! Media that came in by the native door: what the network answered to each upload, so that the post that shows one later is
//! judged with it.
//!
//! No knowledge of a network is needed: a reference is believed where it stands as a value in the network's own answer to the
//! upload, or where it is what the medium was added to. It is kept in memory; after a restart a medium is uploaded again.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

use super::send::names;
use crate::model::{Account, AccountId, MediaRef, Principal};

/// Uploads that are remembered for one account.
const UPLOADS_MAX: usize = 256;
/// Uploads that are remembered in all.
const ALL_UPLOADS_MAX: usize = 16_384;
/// How long an upload may wait for the post that shows it.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(24);
/// Longest answer that is remembered, in bytes.
const ANSWER_BYTES_MAX: usize = 8 * 1024;

/// What was uploaded.
#[derive(Default)]
pub struct Uploads {
    kept: Mutex<VecDeque<Upload>>,
}

struct Upload {
    account: AccountId,
    by: Principal,
    at: Timestamp,
    medium: MediaRef,
    /// The upload that it was added to, as the caller named it.
    added_to: Option<String>,
    answer: Vec<u8>,
}

impl Uploads {
    /// Remembers an upload with what it was added to and the network's answer to it.
    pub fn keep(
        &self,
        account: &Account,
        by: &Principal,
        medium: MediaRef,
        (added_to, answer): (Option<&str>, &[u8]),
        now: Timestamp,
    ) {
        if answer.len() > ANSWER_BYTES_MAX {
            return;
        }
        let mut kept = self.kept();
        kept.retain(|upload| now.duration_since(upload.at) < KEPT_FOR);
        let of_account = kept.iter().filter(|upload| upload.account == account.id).count();
        if of_account >= UPLOADS_MAX
            && let Some(oldest) = kept.iter().position(|upload| upload.account == account.id)
        {
            kept.remove(oldest);
        }
        if kept.len() >= ALL_UPLOADS_MAX {
            kept.pop_front();
        }
        let (account, by, answer) = (account.id.clone(), by.clone(), answer.to_vec());
        kept.push_back(Upload { account, by, at: now, medium, added_to: added_to.map(str::to_owned), answer });
    }

    /// The medium that the network calls so, if this caller uploaded it to this account.
    pub fn find(&self, account: &Account, by: &Principal, reference: &str) -> Option<MediaRef> {
        let kept = self.kept();
        let mut of_caller = kept.iter().rev().filter(|upload| upload.account == account.id && upload.by == *by);
        let is = |upload: &&Upload| upload.added_to.as_deref() == Some(reference) || names(&upload.answer, reference);
        of_caller.find(is).map(|upload| upload.medium.clone())
    }

    /// True where something was added to this upload already, by anybody: a second piece would make a medium that nobody judged whole.
    pub fn is_begun(&self, account: &Account, reference: &str) -> bool {
        let is = |upload: &Upload| upload.account == account.id && upload.added_to.as_deref() == Some(reference);
        self.kept().iter().any(is)
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<Upload>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
