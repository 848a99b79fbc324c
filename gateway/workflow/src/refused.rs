//! Every way in which a command is refused. The text says what to do; the gateway gives each its problem type.

use jiff::Timestamp;

use crate::{
    approval::Part,
    ids::{AccountId, FreezeId, NodeId, RuleName},
    state::PostState,
};

/// Why nothing happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The command names a version that is not the current one. 409.
    #[error("You saw version {saw}; the post is at version {current} now. Read it again.")]
    Stale {
        /// The one that was seen.
        saw: u32,
        /// The one there is.
        current: u32,
    },
    /// The post, or this target, is not in a state in which this can be done.
    #[error("The post is `{}`; this can't be done now.", .0.as_str())]
    WrongState(PostState),
    /// There is no such target.
    #[error("The post has no target `{0}`.")]
    NoTarget(AccountId),
    /// An app, an agent or a link tried what only a person may do.
    #[error("Only a person, signed in as themselves, may do this.")]
    NotAPerson,
    /// Nobody agrees to their own.
    #[error("{}", own(.0))]
    Own(Part),
    /// No rule wants this person's vote.
    #[error("No rule asks for your vote on this post.")]
    NotWanted,
    /// The person stands in for somebody, but not now.
    #[error("You stand in for somebody at another time; your vote does not count now.")]
    NotStandingIn,
    /// A stage before theirs is open.
    #[error("Rule `{rule}` waits for its stage {}; yours comes later.", stage + 1)]
    NotYourTurn {
        /// Rule.
        rule: RuleName,
        /// Index of the open stage.
        stage: usize,
    },
    /// They agreed before.
    #[error("You agreed to this version before.")]
    AlreadyVoted,
    /// A reason is missing.
    #[error("Say why: this needs a reason (`note`).")]
    ReasonNeeded,
    /// The reason is too long.
    #[error("The reason is longer than {} bytes.", crate::decide::WHY_BYTES_MAX)]
    ReasonTooLong,
    /// The link is of another post, or never was.
    #[error("This link does not exist.")]
    NoLink,
    /// The link was used.
    #[error("This link was used before. Ask for another.")]
    LinkUsed,
    /// The link's time is over.
    #[error("This link worked until {0}. Ask for another.")]
    LinkExpired(Timestamp),
    /// A freeze stops it.
    #[error("Freeze `{0}` is on.")]
    Frozen(FreezeId),
    /// Somebody's agreement is missing, or open comments block.
    #[error("The post is not approved.")]
    NotApproved,
    /// It is later than its rule allows.
    #[error("The post is {late_s} s late; a person must confirm it.")]
    Overdue {
        /// By so much.
        late_s: u64,
    },
    /// The end of its window.
    #[error("The time in which this post may be sent ended at {0}.")]
    WindowOver(Timestamp),
    /// Not now.
    #[error("Not before {0}.")]
    NotBefore(Timestamp),
    /// That time was used.
    #[error("The post was sent, or passed over, for {0}; its next time must be later.")]
    AlreadyFired(Timestamp),
    /// Another time than was approved.
    #[error("{0} is outside the time that was approved; make a new version.")]
    OutsideWindow(Timestamp),
    /// The account is no longer there.
    #[error("There is no account `{0}` any more: nothing can be sent to it unless the governance has it again.")]
    AccountGone(AccountId),
    /// Before the first target is sent all must be ready.
    #[error("Target `{0}` is not ready, and nothing is sent before all are.")]
    Sibling(AccountId),
    /// Somebody else works on it.
    #[error("`{node}` works on it until {until}.")]
    Leased {
        /// Who.
        node: NodeId,
        /// Until when.
        until: Timestamp,
    },
    /// The attempt is not, or no longer, the one that may work on it. What it found out goes to `Reconcile`.
    #[error("This attempt may no longer work on the target.")]
    LeaseLost,
    /// An effect is open; it must be answered for first.
    #[error("Step `{0}` was sent and not answered yet.")]
    EffectOpen(String),
    /// Success without an id is not success.
    #[error("The network gave no id.")]
    NoId,
    /// The same digest for another content.
    #[error("The content changed and its digest did not.")]
    SameDigest,
    /// A limit.
    #[error("Too many {0}.")]
    TooMany(&'static str),
    /// A value that makes no sense.
    #[error("{0}")]
    Invalid(&'static str),
}

fn own(part: &Part) -> &'static str {
    match part {
        Part::Author => "Nobody approves their own post.",
        Part::Editor => "You made this version; another person must vote.",
        Part::Operates => "You can use the key that the post was made with; another person must vote.",
    }
}
