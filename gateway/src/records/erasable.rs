//! What can be erased: openings of commitments, the keys that they are sealed under, and erasures themselves.

use std::{collections::HashSet, sync::Arc};

use jiff::Timestamp;

use crate::model::{PersonId, PostId};

/// What a commitment stands for, sealed under a key of its subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The commitment.
    pub commitment: [u8; 32],
    /// Whose value it is: `person:editor-7`, `app:newsroom`.
    pub subject: String,
    /// The key of the subject that it is sealed under.
    pub key: String,
    /// Salt and value, encrypted.
    pub sealed: Vec<u8>,
}

/// Which openings go with the leaves that retention drops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropOpenings {
    /// For each leaf that is dropped and commits to something or belongs to a post: the post, and the commitments.
    pub leaves: Vec<(Option<PostId>, Vec<[u8; 32]>)>,
    /// A post that changed later may still have leaves that stay.
    pub rested_since: Timestamp,
    /// What leaves that stay commit to, as far as they may share it with one that is dropped.
    pub keep: Arc<HashSet<[u8; 32]>>,
}

/// A subject's key, wrapped. The vault makes and opens it; the store only keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectKeyRecord {
    /// Whose.
    pub subject: String,
    /// Its name; a subject that comes back after an erasure gets another.
    pub id: String,
    /// The key in the vault's envelope.
    pub wrapped: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Somebody wants a subject's values gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasureRecord {
    /// Its id.
    pub id: String,
    /// Whose values.
    pub subject: String,
    /// The legal basis, as a stable identifier.
    pub basis: String,
    /// Who asked.
    pub asked_by: PersonId,
    /// When.
    pub asked_at: Timestamp,
    /// Who confirmed, and when. From then on it happens, whatever else does.
    pub confirmed: Option<(PersonId, Timestamp)>,
    /// The next index of the log when it was confirmed: its leaf lies behind that.
    pub log_from: u64,
    /// What is gone so far.
    pub erased: ErasedCounts,
    /// Index of its leaf; none until it is done.
    pub leaf: Option<u64>,
}

/// What an erasure took away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ErasedCounts {
    /// Openings.
    pub values: u64,
    /// Posts whose content is gone.
    pub posts: u64,
    /// Media.
    pub media: u64,
}

/// A part of an erasure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasePart {
    /// Which erasure; it is confirmed.
    pub id: String,
    /// A key of the subject that was made since: what is sealed under it stays.
    pub keep_key: Option<String>,
    /// The most rows of each kind that this part takes.
    pub limit: u32,
}

/// Posts of a subject on which somebody still works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenPosts {
    /// Some of them.
    pub posts: Vec<PostId>,
    /// How many there are.
    pub count: u64,
}
