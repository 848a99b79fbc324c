//! Approve: did the people agree whose agreement the verdicts ask for?

use jiff::Timestamp;

use super::{Call, Judgement};
use crate::{
    config::Governance,
    model::{Outcome, PersonId, Principal, Verdict},
    records::{Author, Vote},
};

/// Proof that nobody's agreement is missing.
#[derive(Clone)]
pub struct Approval {
    judgement: Judgement,
    by: Vec<PersonId>,
    voted_at: Option<Timestamp>,
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
    /// When the last of them did.
    pub fn voted_at(&self) -> Option<Timestamp> {
        self.voted_at
    }
}

/// What `approve` found.
pub enum Approved {
    /// The call goes on.
    Yes(Box<Approval>),
    /// It waits for a person.
    Held(Box<Judgement>),
}

/// What a post was when people voted on it.
#[derive(Clone, Copy)]
pub struct Ballots<'a> {
    /// The votes.
    pub votes: &'a [Vote],
    /// Digest of the post's content as it is now.
    pub digest: &'a str,
    /// The verdicts that the voters saw.
    pub seen: &'a [Verdict],
}

/// Counts the votes. A vote counts when its person has no part in the post, may approve for the brand under the governance of
/// this moment, and saw exactly this content. What nobody saw nobody agreed to: a hold of a policy, or a reason of it, that was
/// not there when they voted holds the call.
#[tracing::instrument(target = "pressgate::span", name = "approve", skip_all)]
pub fn approve(judgement: Judgement, ballots: Option<Ballots<'_>>) -> Approved {
    if judgement.outcome() == Outcome::Allow {
        // Votes on what needed none, because a freeze had stopped it, are agreement all the same.
        let (by, voted_at) = ballots.map(|ballots| counted(&judgement, ballots)).unwrap_or_default();
        return Approved::Yes(Box::new(Approval { judgement, by, voted_at }));
    }
    let Some(ballots) = ballots.filter(|ballots| all_seen(judgement.verdicts(), ballots.seen)) else {
        return Approved::Held(Box::new(judgement));
    };
    let (by, voted_at) = counted(&judgement, ballots);
    if by.is_empty() {
        return Approved::Held(Box::new(judgement));
    }
    Approved::Yes(Box::new(Approval { judgement, by, voted_at }))
}

/// Whose votes count, and when the last of them was given.
fn counted(judgement: &Judgement, ballots: Ballots<'_>) -> (Vec<PersonId>, Option<Timestamp>) {
    let counts =
        |vote: &&Vote| vote.approve && vote.digest == ballots.digest && may_vote(judgement.call(), &vote.person);
    let votes: Vec<&Vote> = ballots.votes.iter().filter(counts).collect();
    (votes.iter().map(|vote| vote.person.clone()).collect(), votes.iter().map(|vote| vote.at).max())
}

/// Every reason to hold was told before.
fn all_seen(verdicts: &[Verdict], seen: &[Verdict]) -> bool {
    let told = |policy: &str, code: Option<&str>| {
        seen.iter().any(|verdict| {
            verdict.policy == policy
                && verdict.outcome == Outcome::Hold
                && code.is_none_or(|code| verdict.findings.iter().any(|finding| finding.code == code))
        })
    };
    verdicts.iter().filter(|verdict| verdict.outcome == Outcome::Hold).all(|verdict| {
        told(&verdict.policy, None) && verdict.findings.iter().all(|finding| told(&verdict.policy, Some(&finding.code)))
    })
}

fn may_vote(call: &Call, person: &PersonId) -> bool {
    part_in(call.governance(), &call.caller().author(), person).is_none()
        && call.governance().may_approve(person, &call.account().brand)
}

/// Nobody approves their own: what part the person has in a post, as a sentence, or none. Who answers for an app can operate
/// its key.
pub fn part_in(governance: &Governance, author: &Author, person: &PersonId) -> Option<&'static str> {
    if author.on_behalf_of.as_ref() == Some(person) {
        return Some("The post was made for you; another person must vote.");
    }
    match &author.principal {
        Principal::Person(principal) => (principal == person).then_some("Nobody approves their own post."),
        Principal::App(app) => governance
            .apps
            .get(app)
            .is_some_and(|app| app.owner == *person)
            .then_some("You answer for the app that made the post; another person must vote."),
    }
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
            assert_eq!(all_seen(&now, &seen), agreed, "{now:?}");
        }
    }
}
