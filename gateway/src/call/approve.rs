//! Approve: did the people agree whose agreement the verdicts ask for?

use std::collections::BTreeSet;

use jiff::Timestamp;
use pressgate_workflow::{
    Facts, Life,
    approval::{Voter, tally},
    life::Holds,
};

use super::{Call, Judgement};
use crate::model::{Action, Outcome, Verdict};

/// Proof that nobody's agreement is missing.
#[derive(Clone)]
pub struct Approval {
    judgement: Judgement,
    by: Vec<String>,
    approved_at: Option<Timestamp>,
    version: u32,
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
    /// Who agreed, as leaves name them: `chief-1`, `external:agency-x/link_…`; empty where nobody had to.
    pub fn by(&self) -> &[String] {
        &self.by
    }
    /// Since when nobody's agreement is missing.
    pub fn approved_at(&self) -> Option<Timestamp> {
        self.approved_at
    }
    /// The version of the post that they agreed to.
    pub fn version(&self) -> u32 {
        self.version
    }
}

/// What `approve` found.
pub enum Approved {
    /// The call goes on.
    Yes(Box<Approval>),
    /// It waits for a person.
    Held(Box<Judgement>),
}

/// Looks whether anybody's agreement is missing, by the rules and the people of this moment, to the version of the post that is to be
/// sent. What nobody saw nobody agreed to: a hold of a policy, or a reason of it, that the life does not know holds the call.
#[tracing::instrument(target = "pressgate::span", name = "approve", skip_all)]
pub fn approve(judgement: Judgement, life: &Life, facts: &Facts<'_>) -> Approved {
    let account = judgement.call().account().id.as_str().into();
    let known = all_seen(&holds(judgement.verdicts()), life.holds()) && life.target(&account).is_some();
    if !known || !tally(life, facts).is_complete() {
        return Approved::Held(Box::new(judgement));
    }
    let version = life.version().number;
    let counted = life.votes().iter().filter(|vote| vote.approve && !vote.void && vote.version == version);
    let by = counted.map(|vote| match &vote.voter {
        Voter::Person(person) => person.to_string(),
        // Its id commits to the address that it went to, under the post's salt.
        Voter::Link(id) => match life.link(id) {
            Some(link) => format!("external:{}/{id}", link.external),
            None => id.to_string(),
        },
    });
    Approved::Yes(Box::new(Approval { by: by.collect(), approved_at: life.approved_at(), version, judgement }))
}

/// The same for a call that no rule of approvals is about: it says nothing, or takes back what the account said. A policy may hold it all the
/// same.
#[tracing::instrument(target = "pressgate::span", name = "approve", skip_all)]
pub fn approve_unasked(judgement: Judgement) -> Approved {
    let draft = judgement.call().draft();
    let says = draft.action != Action::POST_DELETE && !draft.action.is_read() && !draft.parts.is_empty();
    if says || judgement.outcome() != Outcome::Allow {
        return Approved::Held(Box::new(judgement));
    }
    Approved::Yes(Box::new(Approval { judgement, by: Vec::new(), approved_at: None, version: 1 }))
}

/// Why policies hold a call: the codes of the reasons, by policy.
pub fn holds(verdicts: &[Verdict]) -> Holds {
    let held = verdicts.iter().filter(|verdict| verdict.outcome == Outcome::Hold);
    let mut holds = Holds::new();
    for verdict in held {
        let codes: BTreeSet<String> = verdict.findings.iter().map(|finding| finding.code.clone()).collect();
        holds.entry(verdict.policy.as_str().into()).or_default().extend(codes);
    }
    holds
}

/// Every reason to hold was told before.
fn all_seen(holds: &Holds, seen: &Holds) -> bool {
    holds.iter().all(|(policy, codes)| seen.get(policy).is_some_and(|known| codes.is_subset(known)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Finding, Severity};

    fn verdict(policy: &str, outcome: Outcome, codes: &[&str]) -> Verdict {
        let finding = |code: &&str| Finding {
            code: (*code).to_owned(),
            severity: Severity::Warning,
            message: String::new(),
            part: None,
            range: None,
            measure: None,
            place: None,
        };
        Verdict {
            policy: policy.to_owned(),
            plugin: "guidelines".to_owned(),
            plugin_digest: Default::default(),
            outcome,
            findings: codes.iter().map(finding).collect(),
        }
    }

    #[test]
    fn only_holds_that_were_told_are_agreed_to() {
        use Outcome::{Allow, Hold};
        let seen = [verdict("words", Hold, &["cheap", "price"]), verdict("links", Allow, &[])];
        let table = [
            (vec![verdict("words", Hold, &["cheap"])], true),
            (vec![verdict("words", Hold, &["price", "cheap"]), verdict("legal", Allow, &["note"])], true),
            (vec![verdict("words", Hold, &["cheap", "secret"])], false),
            (vec![verdict("words", Hold, &[])], true),
            (vec![verdict("legal", Hold, &["cheap"])], false),
            (vec![verdict("legal", Hold, &[])], false),
            (vec![verdict("links", Hold, &[])], false),
        ];
        for (now, agreed) in table {
            assert_eq!(all_seen(&holds(&now), &holds(&seen)), agreed, "{now:?}");
        }
    }
}
