//! A post: what it is now, made of nothing but its events.

mod apply;
mod content;
mod event;
mod target;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use apply::Broken;
pub use content::{Content, Plan, TARGETS_MAX, Timing};
pub use event::{Change, Event, Expiry, Failure, Found};
pub use target::{Lease, OpenEffect, PublishedPart, Target, Wait};

use crate::{
    approval::Voter,
    ids::{AccountId, Actor, Digest, External, LinkId, PersonId, Policy, PostId, RuleName},
    state::PostState,
};

/// Why policies hold a post: the codes of the reasons, by policy.
pub type Holds = BTreeMap<Policy, BTreeSet<String>>;

/// One version of the content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// From 1.
    pub number: u32,
    /// What it says, and where and when.
    pub content: Content,
    /// Who made it.
    pub by: Actor,
    /// When.
    pub at: Timestamp,
}

/// A vote that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// Who.
    pub voter: Voter,
    /// Yes or no.
    pub approve: bool,
    /// The version that they saw.
    pub version: u32,
    /// Its digest.
    pub digest: Digest,
    /// When.
    pub at: Timestamp,
    /// A policy found new reasons after it: it counts no more.
    pub void: bool,
}

/// A link for one vote of an outside party.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Its id, never its secret.
    pub id: LinkId,
    /// Who may use it.
    pub external: External,
    /// For this version.
    pub version: u32,
    /// First instant at which it no longer works.
    pub expires_at: Timestamp,
    /// It was used.
    pub used: bool,
}

/// A comment; its text is kept by the caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comment {
    /// From 1.
    pub number: u32,
    /// Who.
    pub by: Actor,
    /// On which version.
    pub version: u32,
    /// Not resolved yet.
    pub open: bool,
}

/// A post.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    pub(crate) id: PostId,
    pub(crate) seq: u64,
    pub(crate) author: Actor,
    pub(crate) version: Arc<Version>,
    pub(crate) holds: Holds,
    pub(crate) asked_at: Option<Timestamp>,
    pub(crate) escalated: BTreeMap<RuleName, u32>,
    pub(crate) votes: Vec<Vote>,
    pub(crate) links: Vec<Link>,
    pub(crate) comments: Vec<Comment>,
    pub(crate) approved_at: Option<Timestamp>,
    pub(crate) due: Option<Timestamp>,
    pub(crate) fired: Option<Timestamp>,
    pub(crate) targets: Vec<Target>,
}

impl Life {
    /// Its id.
    pub fn id(&self) -> &PostId {
        &self.id
    }
    /// Number of its last event. A store appends an event only where its number is the next: of two that were decided on the same
    /// life one is kept, and the other is decided again.
    pub fn seq(&self) -> u64 {
        self.seq
    }
    /// Who made it.
    pub fn author(&self) -> &Actor {
        &self.author
    }
    /// The current version.
    pub fn version(&self) -> &Version {
        &self.version
    }
    /// The content of the current version.
    pub fn content(&self) -> &Content {
        &self.version.content
    }
    /// Why policies hold it.
    pub fn holds(&self) -> &Holds {
        &self.holds
    }
    /// Since when votes are wanted.
    pub fn asked_at(&self) -> Option<Timestamp> {
        self.asked_at
    }
    /// Every vote, those on earlier versions too.
    pub fn votes(&self) -> &[Vote] {
        &self.votes
    }
    /// Every link.
    pub fn links(&self) -> &[Link] {
        &self.links
    }
    /// The link of that id.
    pub fn link(&self, id: &LinkId) -> Option<&Link> {
        self.links.iter().find(|link| link.id == *id)
    }
    /// Every comment.
    pub fn comments(&self) -> &[Comment] {
        &self.comments
    }
    /// Open comments on the current version.
    pub fn open_comments(&self) -> u32 {
        let open = |comment: &&Comment| comment.open && comment.version == self.version.number;
        u32::try_from(self.comments.iter().filter(open).count()).unwrap_or(u32::MAX)
    }
    /// When the current version was approved.
    pub fn approved_at(&self) -> Option<Timestamp> {
        self.approved_at
    }
    /// When it is due, or was.
    pub fn due(&self) -> Option<Timestamp> {
        self.due
    }
    /// The latest due time for which something was sent.
    pub fn fired(&self) -> Option<Timestamp> {
        self.fired
    }
    /// Each account's part.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }
    /// The account's part.
    pub fn target(&self, account: &AccountId) -> Option<&Target> {
        self.targets.iter().find(|target| target.account() == account)
    }
    /// The sum of its targets.
    pub fn state(&self) -> PostState {
        PostState::of(self.targets.iter().map(Target::state))
    }
    /// The instant by which rules with hours are chosen: when it is due, else when the version was made.
    pub fn leaves_at(&self) -> Timestamp {
        self.due.unwrap_or(self.version.at)
    }
    /// How many escalations of a rule have happened.
    pub fn escalations(&self, rule: &RuleName) -> usize {
        self.escalated.get(rule).map_or(0, |count| *count as usize)
    }
    /// The person agreed to the current version, and it still counts.
    pub fn has_approved(&self, person: &PersonId) -> bool {
        self.votes.iter().any(|vote| {
            vote.approve
                && !vote.void
                && vote.version == self.version.number
                && vote.voter == Voter::Person(person.clone())
        })
    }
    /// An attempt on the current occurrence was made on some target.
    pub(crate) fn has_begun(&self) -> bool {
        self.targets.iter().any(|target| target.tries > 0)
    }
}
