//! What can be asked of a post.

use jiff::Timestamp;

use crate::{
    ids::{AccountId, Digest, External, LinkId, NodeId, Policy},
    life::{Content, Holds, PublishedPart},
};

/// What is asked. `saw` is the version that whoever asks has seen.
#[allow(missing_docs, reason = "the fields are named after their types")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A new version. Every vote and link is void; what was submitted is reviewed again.
    Edit { saw: u32, content: Content },
    /// The author is done.
    Submit { saw: u32 },
    /// What the policies say of a version: at submission, and again when a post that waited is about to go on.
    Reviewed { version: u32, verdict: Verdict },
    /// Another time within the window that was approved.
    Reschedule { saw: u32, due: Timestamp },
    /// The next occurrence of a recurring post, as the calendar says. By a person it passes over an
    /// occurrence that is held, by time one that was missed as a whole.
    Next { due: Timestamp },
    /// Nobody wants what was not sent yet.
    Cancel { saw: u32 },
    /// A post that was denied, rejected, cancelled or expired becomes a draft again.
    Reopen { saw: u32 },
    /// A vote, by a person or through a link; a no needs a reason. A person who agreed may still say no while the post waits.
    Vote { saw: u32, approve: bool },
    /// A link for an outside party's vote.
    Invite { saw: u32, link: LinkId, external: External, expires_at: Timestamp },
    /// A comment on the version.
    Comment { saw: u32 },
    /// A comment is resolved.
    CloseComment { comment: u32 },
    /// A person says that a target goes after all which is late, was frozen or was set aside.
    Confirm { saw: u32, account: AccountId },
    /// A rule with spacing says when a thawed target goes.
    Release { account: AccountId, at: Timestamp },
    /// Time went on: leases, expiries, escalations, due times, freezes. Does nothing twice.
    Tick,
    /// A worker wants the target.
    Claim { account: AccountId, node: NodeId, lease_s: u32 },
    /// A worker needs more time.
    Renew { attempt: Attempt, lease_s: u32 },
    /// An effect is about to leave: the last look before its first byte. Send only once the event is durable, and at once.
    Begin { attempt: Attempt, step: String },
    /// The effect was answered and others follow.
    Answer { attempt: Attempt },
    /// The attempt is over.
    Finish { attempt: Attempt, outcome: Outcome },
    /// A process ended: its leases are over.
    ProcessEnded { node: NodeId },
    /// An attempt was refused before anything left, for a reason that a person must mend; `why` says it.
    SetAside { account: AccountId },
    /// What looking up an unknown target gave.
    Reconcile { account: AccountId, finding: Finding },
    /// What a person found out about an unknown target; needs a reason.
    Resolve { account: AccountId, resolution: Resolution },
    /// A failed target is tried again.
    Retry { account: AccountId },
    /// A published target is taken back.
    Recall { account: AccountId },
}

/// What policies say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It may go on once the people who are asked agree; empty where no policy holds it.
    Pass(Holds),
    /// No.
    Deny(Policy),
}

/// One attempt on a target, as its claim said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Target.
    pub account: AccountId,
    /// Who works on it.
    pub node: NodeId,
    /// Its number.
    pub number: u32,
    /// Digest of the content that is sent; the post's must still be the same.
    pub digest: Digest,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The network has it (or, for a recall, no longer has it).
    Done {
        /// Its parts with their ids; empty for a recall.
        parts: Vec<PublishedPart>,
    },
    /// The network said no for good.
    Refused {
        /// Its code.
        code: String,
    },
    /// The network did nothing and may be asked again.
    Retry {
        /// When.
        at: Timestamp,
    },
    /// An effect was sent and not answered.
    Unanswered,
    /// The attempt was stopped before an effect left, as by a freeze.
    Stopped,
}

/// What looking up gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The effect happened.
    Happened {
        /// The parts that the network has.
        parts: Vec<PublishedPart>,
        /// Nothing is left to send.
        complete: bool,
    },
    /// It did not, and can't any more.
    DidNot,
    /// The network can't say.
    CannotKnow,
}

/// What a person found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// It is there.
    Published(PublishedPart),
    /// It is not there. It is not sent again unless somebody says `Retry`.
    NotPublished,
}
