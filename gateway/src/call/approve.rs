//! Approve: did the people agree whose agreement the verdicts ask for?

use super::{Call, Judgement};
use crate::{
    model::{Outcome, PersonId, Principal},
    records::Vote,
};

/// Proof that nobody's agreement is missing.
#[derive(Clone)]
pub struct Approval {
    judgement: Judgement,
    by: Vec<PersonId>,
}

impl Approval {
    /// The approved call.
    pub fn call(&self) -> &Call {
        self.judgement.call()
    }
    /// How it was judged.
    pub fn judgement(&self) -> &Judgement {
        &self.judgement
    }
    /// Who agreed; empty where nobody had to.
    pub fn by(&self) -> &[PersonId] {
        &self.by
    }
}

/// What `approve` found.
pub enum Approved {
    /// The call goes on.
    Yes(Box<Approval>),
    /// It waits for a person.
    Held(Box<Judgement>),
}

/// Counts the votes. A vote counts when its person is not the author, may approve for the brand under the governance of this
/// moment, and saw exactly this content (`digest`).
pub fn approve(judgement: Judgement, votes: &[Vote], digest: &str) -> Approved {
    if judgement.outcome() == Outcome::Allow {
        return Approved::Yes(Box::new(Approval { judgement, by: Vec::new() }));
    }
    let by: Vec<_> = votes
        .iter()
        .filter(|vote| vote.approve && vote.digest == digest && may_vote(judgement.call(), &vote.person))
        .map(|vote| vote.person.clone())
        .collect();
    if by.is_empty() {
        return Approved::Held(Box::new(judgement));
    }
    Approved::Yes(Box::new(Approval { judgement, by }))
}

/// Nobody approves their own.
fn may_vote(call: &Call, person: &PersonId) -> bool {
    let caller = call.caller();
    let own = caller.on_behalf_of() == Some(person) || *caller.principal() == Principal::Person(person.clone());
    !own && call.governance().may_approve(person, &call.account().brand)
}
