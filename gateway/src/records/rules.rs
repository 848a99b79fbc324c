//! When work on a target waits, and for whom. Every implementation of the store follows these rules.

use jiff::Timestamp;

use super::ClaimFor;
use crate::model::TargetState;

/// What decides whether a target may be claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    /// Its state.
    pub(super) state: TargetState,
    /// What its claim is for, or the last one was.
    pub(super) purpose: ClaimFor,
    /// Until when a claim holds.
    pub(super) lease_until: Option<Timestamp>,
    /// When the next attempt is due, if the last one said so.
    pub(super) retry_at: Option<Timestamp>,
}

impl Standing {
    /// What an attempt on it would be for, or none where no attempt waits. A target that failed, and a published one
    /// whose recall failed, wait only if the last attempt named a time.
    pub(super) fn work(&self) -> Option<ClaimFor> {
        match self.state {
            TargetState::Draft
            | TargetState::Review
            | TargetState::Held
            | TargetState::Denied
            | TargetState::Approved
            | TargetState::Rejected
            | TargetState::Expired
            | TargetState::Scheduled
            | TargetState::Frozen
            | TargetState::Cancelled
            | TargetState::Recalled => None,
            TargetState::Accepted | TargetState::Publishing => Some(ClaimFor::Publish),
            TargetState::Recalling => Some(ClaimFor::Recall),
            TargetState::Unknown => Some(self.purpose),
            TargetState::Failed => self.retry_at.map(|_| self.purpose),
            TargetState::Published => self.retry_at.filter(|_| self.purpose == ClaimFor::Recall).map(|_| self.purpose),
        }
    }

    /// When that attempt may start; `since` where nothing holds it back.
    pub(super) fn due_at(&self, since: Timestamp) -> Option<Timestamp> {
        self.work().map(|_| self.lease_until.max(self.retry_at).unwrap_or(since))
    }

    /// Whether a claim may be given, where `due_at` is what the rule above gave when the target last changed. A published
    /// target may be recalled at any time: a person asks for it.
    pub(super) fn claimable(&self, due_at: Option<Timestamp>, claim: ClaimFor, now: Timestamp) -> bool {
        let waits = due_at.is_some_and(|due| due <= now) && self.work() == Some(claim);
        waits || (self.state == TargetState::Published && claim == ClaimFor::Recall)
    }

    /// Whether the records have yet to hear how an attempt ended.
    pub(super) fn is_under_way(&self) -> bool {
        matches!(self.state, TargetState::Publishing | TargetState::Recalling | TargetState::Unknown)
    }

    /// Whether nothing that the log says of earlier leaves can change it any more.
    pub(super) fn is_final(&self) -> bool {
        use TargetState as T;
        matches!(
            self.state,
            T::Denied | T::Rejected | T::Expired | T::Cancelled | T::Published | T::Failed | T::Recalled
        )
    }
}

/// The state of a target while an attempt works on it.
pub(super) fn working_state(claim: ClaimFor) -> TargetState {
    match claim {
        ClaimFor::Publish => TargetState::Publishing,
        ClaimFor::Recall => TargetState::Recalling,
    }
}
