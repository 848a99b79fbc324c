//! What the record store keeps of the life of a post.

use jiff::Timestamp;
use pressgate_workflow::Life;
pub use pressgate_workflow::life::Event as LifeEvent;

use super::{IdempotencyUse, NewNotice, NewTarget, Opening, PublishedPart, Vote};
use crate::model::{AccountId, MediaId, PersonId, PostId, TargetState, Verdict};

/// The life of a new post.
#[derive(Debug, Clone)]
pub struct NewLife {
    /// From its first event on.
    pub events: Vec<LifeEvent>,
    /// What they make of it.
    pub life: Life,
    /// How its time was asked for, JSON.
    pub plan: Option<String>,
    /// When time alone may change something.
    pub wake_at: Option<Timestamp>,
}

/// A kept life.
#[derive(Debug, Clone)]
pub struct KeptLife {
    /// As it was when it was kept; what delivery did since stands in the targets.
    pub life: Life,
    /// How its time was asked for, JSON.
    pub plan: Option<String>,
    /// When time alone may change something.
    pub wake_at: Option<Timestamp>,
}

/// What was decided of a post.
#[derive(Debug, Clone)]
pub struct Advance {
    /// Post.
    pub post: PostId,
    /// Number of the event that these follow; 0 where no life is kept yet.
    pub from: u64,
    /// What happened.
    pub events: Vec<LifeEvent>,
    /// What it makes of the life.
    pub life: Life,
    /// How its time is asked for now; none leaves it.
    pub plan: Option<String>,
    /// When time alone may change something.
    pub wake_at: Option<Timestamp>,
    /// What follows for targets.
    pub targets: Vec<TargetMove>,
    /// Its new content.
    pub version: Option<NewContent>,
    /// The vote that was taken.
    pub vote: Option<Vote>,
    /// The comment that was made.
    pub comment: Option<CommentRecord>,
    /// What policies say of it now; none leaves it.
    pub verdicts: Option<Vec<Verdict>>,
    /// What leaves commit to.
    pub openings: Vec<Opening>,
    /// Links that outside parties got.
    pub links: Vec<LinkRecord>,
    /// What those who got links are told: with the links or not at all, since what opens one is kept nowhere else.
    pub notices: Vec<NewNotice>,
    /// The key by which whoever decided may ask again; one that is kept already stays.
    pub once: Option<IdempotencyUse>,
    /// When.
    pub at: Timestamp,
}

/// What a decision does to a target.
#[derive(Debug, Clone)]
pub struct TargetMove {
    /// Which.
    pub account: AccountId,
    /// Its state from now on.
    pub state: TargetState,
    /// Not before.
    pub retry_at: Option<Timestamp>,
    /// What the network has, where a person says so.
    pub published: Option<Vec<PublishedPart>>,
    /// Of another occurrence: nothing that was answered before counts, and its effects get this key.
    pub anew: Option<String>,
}

/// Another content of a post.
#[derive(Debug, Clone)]
pub struct NewContent {
    /// Salted digest of the whole content.
    pub digest: String,
    /// The salt of its digests.
    pub salt: String,
    /// The request, JSON.
    pub request: String,
    /// Every account that it is for now. Attempts on one that it was for before stay.
    pub targets: Vec<NewTarget>,
    /// Media that it uses.
    pub media: Vec<MediaId>,
}

/// What somebody said of a post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommentRecord {
    /// From 1, as the life counts.
    pub number: u32,
    /// Who, where a person did.
    pub person: Option<PersonId>,
    /// What.
    pub text: String,
}

/// A link by which an outside party votes once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkRecord {
    /// SHA-256 of what opens it, which nobody here knows.
    pub secret: [u8; 32],
    /// Its public id, as the life of the post and the log name it.
    pub id: String,
    /// The post that it shows.
    pub post: PostId,
    /// The party, as approvals.toml names it.
    pub party: String,
    /// First instant at which it no longer works.
    pub expires_at: Timestamp,
}
