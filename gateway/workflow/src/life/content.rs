//! What a version is: everything that an approval covers.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, Campaign, Digest, Label};

/// Most targets of a post.
pub const TARGETS_MAX: usize = 100;

/// What a version says, where, and within which time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Digest over text, variants, options, media bytes, targets, labels, campaign and the window of the plan (not `due`).
    pub digest: Digest,
    /// Accounts, each once.
    pub targets: Vec<AccountId>,
    /// Labels.
    pub labels: BTreeSet<Label>,
    /// Campaign.
    pub campaign: Option<Campaign>,
    /// When.
    pub plan: Plan,
}

/// When a post leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "when", rename_all = "kebab-case")]
pub enum Plan {
    /// Not decided: an approved post waits for another version with a plan.
    Unplanned,
    /// As soon as it is approved.
    Now {
        /// First instant at which it is no longer sent.
        until: Option<Timestamp>,
    },
    /// At a time.
    At(Timing),
}

/// A time, and the window within which it may be moved without asking the approvers again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// When.
    pub due: Timestamp,
    /// Earliest `due` that was approved.
    pub earliest: Timestamp,
    /// Latest `due` that was approved.
    pub latest: Timestamp,
    /// First instant at which it is no longer sent.
    pub until: Option<Timestamp>,
    /// Late by more than this it waits for a person, in seconds; without it the gateway's limit.
    pub late_max_s: Option<u32>,
    /// After an occurrence there is another; `Command::Next` says when.
    pub recurs: bool,
}

impl Timing {
    /// At exactly this time.
    pub fn exactly(due: Timestamp) -> Self {
        Self { due, earliest: due, latest: due, until: None, late_max_s: None, recurs: false }
    }

    /// May it be due then?
    pub fn permits(&self, due: Timestamp) -> bool {
        self.earliest <= due && due <= self.latest && self.until.is_none_or(|until| due < until)
    }
}

impl Plan {
    /// First instant at which the post is no longer sent.
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Unplanned => None,
            Self::Now { until } => *until,
            Self::At(timing) => timing.until,
        }
    }
}

impl Content {
    /// Do two contents ask for the same, digest and due time aside?
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let plan = match (&self.plan, &other.plan) {
            (Plan::At(a), Plan::At(b)) => Timing { due: b.due, ..a.clone() } == *b,
            (a, b) => a == b,
        };
        plan && self.targets == other.targets && self.labels == other.labels && self.campaign == other.campaign
    }
}
