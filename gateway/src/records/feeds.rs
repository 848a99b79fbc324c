//! Addresses by which calendar programs read.

use jiff::Timestamp;

use crate::model::{AccountId, KeyId, Principal};

/// An address by which a calendar program reads posts with a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedRecord {
    /// Its public id, as its maker and the log name it.
    pub id: String,
    /// SHA-256 of what opens it, which nobody here knows.
    pub secret: [u8; 32],
    /// With whose rights it reads.
    pub holder: Principal,
    /// What the holder showed when it was made.
    pub key: KeyId,
    /// Only posts for this account.
    pub account: Option<AccountId>,
    /// What its maker calls it; may be empty.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// First instant at which it shows nothing any more.
    pub expires_at: Timestamp,
    /// The hour of its last read.
    pub last_used_at: Option<Timestamp>,
}
