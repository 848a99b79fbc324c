//! The states of a post and of its targets.

use serde::{Deserialize, Serialize};

/// Where a post stands. With several targets it sums them up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PostState {
    /// A policy wants a person to look.
    Held,
    /// A person said no.
    Rejected,
    /// Accepted, on its way.
    Publishing,
    /// On every network.
    Published,
    /// Targets differ.
    Partial,
    /// No network took it.
    Failed,
    /// A step was sent and nobody knows yet what became of it.
    Unknown,
    /// Taken back.
    Recalled,
}

/// Where one target of a post stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TargetState {
    /// Waits for a vote.
    Held,
    /// Will not be sent.
    Rejected,
    /// Accepted, not claimed by an attempt.
    Accepted,
    /// An attempt works on it.
    Publishing,
    /// The network has it, with an id.
    Published,
    /// The network said no, or the attempts are used up.
    Failed,
    /// A step was sent and not answered.
    Unknown,
    /// A deletion works on it.
    Recalling,
    /// Taken back.
    Recalled,
}

macro_rules! names {
    ($type:ident: $($variant:ident = $name:literal),* $(,)?) => {
        impl $type {
            /// The name as it is written everywhere.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
            /// The state of that name.
            pub fn parse(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

names!(PostState: Held = "held", Rejected = "rejected", Publishing = "publishing", Published = "published",
    Partial = "partial", Failed = "failed", Unknown = "unknown", Recalled = "recalled");
names!(TargetState: Held = "held", Rejected = "rejected", Accepted = "accepted", Publishing = "publishing",
    Published = "published", Failed = "failed", Unknown = "unknown", Recalling = "recalling", Recalled = "recalled");

impl PostState {
    /// Sums up targets: all alike give that state, work in progress gives `publishing`, a mixture `partial`.
    pub fn of(targets: &[TargetState]) -> Self {
        use TargetState as T;
        let all = |state: T| !targets.is_empty() && targets.iter().all(|target| *target == state);
        let any = |state: T| targets.contains(&state);
        if any(T::Accepted) || any(T::Publishing) || any(T::Recalling) {
            Self::Publishing
        } else if any(T::Unknown) {
            Self::Unknown
        } else if all(T::Held) {
            Self::Held
        } else if all(T::Rejected) {
            Self::Rejected
        } else if all(T::Published) {
            Self::Published
        } else if all(T::Failed) {
            Self::Failed
        } else if all(T::Recalled) {
            Self::Recalled
        } else {
            Self::Partial
        }
    }
}
