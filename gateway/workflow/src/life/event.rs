//! What happened: a line of the history, a leaf of the log, an event of the API.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Content, Holds, PublishedPart, Wait};
use crate::{
    approval::Voter,
    ids::{AccountId, Actor, Digest, External, FreezeId, LinkId, NodeId, Policy, PostId, RuleName},
};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// From 1, without a gap.
    pub seq: u64,
    /// When, by the clock of then: not always later than the event before.
    pub at: Timestamp,
    /// Who caused it.
    pub by: Actor,
    /// Why, in their words. Free text: a leaf commits to it and does not hold it.
    pub why: Option<String>,
    /// What.
    pub change: Change,
}

/// What happened.
#[allow(missing_docs, reason = "the fields are named after their types, or the variant says what they are")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Change {
    /// The post was made, as a draft.
    Created { post: PostId, content: Content },
    /// It has a new version; every vote and link is void.
    Edited { version: u32, content: Content },
    /// The author is done.
    Submitted,
    /// Policies let it go on, or hold it. With `fresh` there are reasons that nobody saw, and the votes are void.
    Reviewed { holds: Holds, fresh: bool },
    /// A policy said no.
    Denied { policy: Policy },
    /// Targets wait for people.
    Held { accounts: Vec<AccountId>, wait: Wait },
    /// A vote.
    Voted { voter: Voter, approve: bool, version: u32, digest: Digest },
    /// Nobody's agreement is missing.
    Approved,
    /// A person said no.
    Rejected,
    /// Nobody answered: the rule's next people count.
    Escalated { rule: RuleName },
    /// Its time is over.
    Expired { accounts: Vec<AccountId>, expiry: Expiry },
    /// An outside party may vote by a link.
    Invited { link: LinkId, external: External, expires_at: Timestamp },
    /// A comment.
    Commented { comment: u32 },
    /// A comment was resolved.
    CommentClosed { comment: u32 },
    /// It waits for its time.
    Scheduled { due: Timestamp },
    /// Its time was moved within the window.
    Rescheduled { due: Timestamp },
    /// Targets are due; attempts begin at `not_before`. A person or rule said that they go although late.
    Released { accounts: Vec<AccountId>, due: Timestamp, not_before: Option<Timestamp>, confirmed: bool },
    /// Targets are due and a freeze is on.
    Frozen { accounts: Vec<AccountId>, freeze: FreezeId },
    /// An attempt takes a target.
    Claimed { account: AccountId, node: NodeId, attempt: u32, until: Timestamp },
    /// The attempt goes on.
    Renewed { account: AccountId, until: Timestamp },
    /// An effect is about to leave.
    Began { account: AccountId, attempt: u32, step: String },
    /// The effect was answered.
    Answered { account: AccountId, attempt: u32, step: String },
    /// A lease ran out, or its process ended: the target is due again, or unknown where an effect may have left.
    Lapsed { account: AccountId },
    /// An effect was sent and not answered.
    Lost { account: AccountId },
    /// The network has it.
    Published { account: AccountId, parts: Vec<PublishedPart>, found: Found },
    /// It will be tried again.
    Again { account: AccountId, not_before: Timestamp },
    /// It will not be tried again by itself.
    Failed { account: AccountId, failure: Failure },
    /// The network can't say what became of it: a person must.
    NobodyKnows { account: AccountId },
    /// It is to be deleted.
    Recalling { account: AccountId },
    /// It was deleted.
    Recalled { account: AccountId },
    /// It could not be deleted.
    Kept { account: AccountId },
    /// Nobody wants these targets any more.
    Cancelled { accounts: Vec<AccountId> },
    /// It is a draft again.
    Reopened,
    /// Its next occurrence; `skipped` is the first that was passed over for it, by a person or because it was missed.
    Rearmed { accounts: Vec<AccountId>, due: Timestamp, skipped: Option<Timestamp> },
}

/// Why a target expired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "rule", rename_all = "kebab-case")]
pub enum Expiry {
    /// This rule waits no longer for votes.
    Votes(RuleName),
    /// The end of its window.
    Window,
}

/// Why a target failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Failure {
    /// The network, or its adapter, said no.
    Refused {
        /// Its code.
        code: String,
    },
    /// Every attempt was used.
    AttemptsUsedUp,
    /// The window ended between attempts.
    Window,
    /// The account is gone.
    AccountGone,
    /// A person found that the network does not have it.
    NotPublished,
}

/// How it is known that the network has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// It answered.
    Answered,
    /// It was looked up.
    LookedUp,
    /// A person says so.
    Told,
}
