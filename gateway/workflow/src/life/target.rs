//! One account's part of a post. Its state is private to this file and moves by the table only.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Failure;
use crate::{
    ids::{AccountId, NodeId},
    state::{Step, TargetState, next},
};

/// What a held target waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wait {
    /// Votes are missing, or open comments block.
    Votes,
    /// It is later than its rule allows: a person confirms or cancels it.
    Overdue,
    /// Its time came during a freeze that is over: a person confirms it, or a rule with spacing releases it.
    Thawed,
    /// Something that is no fault of the content stopped it: a right, a course or a credential is missing. A person confirms it once that
    /// is mended.
    Attention,
}

/// Who works on a target, and until when nobody else may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Who.
    pub node: NodeId,
    /// Number of the attempt, which never comes twice on a target: what an earlier attempt says no longer counts.
    pub attempt: u32,
    /// First instant at which it is over.
    pub until: Timestamp,
}

/// An effect that may have left and was not answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenEffect {
    /// Its step, as the adapter names it.
    pub step: String,
    /// Since when.
    pub at: Timestamp,
}

/// One entry as the network has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedPart {
    /// The network's id.
    pub id: String,
    /// Address for people.
    pub url: Option<String>,
}

/// One account's part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    account: AccountId,
    state: TargetState,
    pub(crate) wait: Option<Wait>,
    pub(crate) attempt: u32,
    /// Attempts on this occurrence.
    pub(crate) tries: u32,
    /// Effects of this occurrence that were answered.
    pub(crate) answered: u32,
    pub(crate) lease: Option<Lease>,
    pub(crate) effect: Option<OpenEffect>,
    pub(crate) not_before: Option<Timestamp>,
    pub(crate) confirmed_at: Option<Timestamp>,
    pub(crate) needs_person: bool,
    pub(crate) published: Vec<PublishedPart>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<Failure>,
}

impl Target {
    /// In draft, or in review where it joins a post that was submitted.
    pub(crate) fn new(account: AccountId, submitted: bool) -> Self {
        Self {
            account,
            state: if submitted { TargetState::Review } else { TargetState::Draft },
            wait: None,
            attempt: 0,
            tries: 0,
            answered: 0,
            lease: None,
            effect: None,
            not_before: None,
            confirmed_at: None,
            needs_person: false,
            published: Vec::new(),
            failure: None,
        }
    }

    /// Moves by the table; false, and unchanged, where it has no such transition.
    pub(crate) fn step(&mut self, step: Step) -> bool {
        let Some(state) = next(self.state, step) else { return false };
        self.state = state;
        (self.wait, self.failure) = (None, None);
        if state != TargetState::Unknown {
            self.needs_person = false;
        }
        if state != TargetState::Publishing && state != TargetState::Recalling {
            self.lease = None;
        }
        true
    }

    pub(crate) fn allows(&self, step: Step) -> bool {
        next(self.state, step).is_some()
    }

    /// Account.
    pub fn account(&self) -> &AccountId {
        &self.account
    }
    /// State.
    pub fn state(&self) -> TargetState {
        self.state
    }
    /// What it waits for, if it is held.
    pub fn wait(&self) -> Option<Wait> {
        self.wait
    }
    /// Number of the last attempt.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }
    /// Attempts on this occurrence.
    pub fn tries(&self) -> u32 {
        self.tries
    }
    /// Effects of this occurrence that were answered.
    pub fn answered(&self) -> u32 {
        self.answered
    }
    /// Who works on it.
    pub fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }
    /// The effect that may have left and was not answered.
    pub fn effect(&self) -> Option<&OpenEffect> {
        self.effect.as_ref()
    }
    /// When the next attempt may begin.
    pub fn not_before(&self) -> Option<Timestamp> {
        self.not_before
    }
    /// It is unknown and only a person can say what became of it.
    pub fn needs_person(&self) -> bool {
        self.needs_person
    }
    /// Why it failed, if it did.
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }
    /// What the network made of it, in this occurrence.
    pub fn published(&self) -> &[PublishedPart] {
        &self.published
    }
}
