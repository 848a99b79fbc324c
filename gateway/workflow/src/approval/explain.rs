//! Which rule wants whom, what it has, who could vote now, and what comes by itself.

use jiff::Timestamp;

use super::{
    counting::{Counted, tally},
    rules::Who,
    standing::standing,
};
use crate::{
    facts::Facts,
    ids::{PersonId, Policy, RuleName},
    life::{Life, Wait},
    state::TargetState,
    time::after,
};

/// The whole answer.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// The version that it is about.
    pub version: u32,
    /// Nobody's agreement is missing.
    pub approved: bool,
    /// Every rule that applies.
    pub rules: Vec<ExplainedRule>,
    /// Policies that hold the post.
    pub holds: Vec<Policy>,
    /// Open comments on this version.
    pub open_comments: u32,
    /// The rule that they block.
    pub blocked_by_comments: Option<RuleName>,
    /// What each held target waits for.
    pub waits: Vec<(crate::ids::AccountId, Wait)>,
    /// What comes by itself, soonest first.
    pub next: Vec<Upcoming>,
}

/// One rule.
#[derive(Debug, Clone)]
pub struct ExplainedRule {
    /// Its name.
    pub name: RuleName,
    /// Its stages in order.
    pub stages: Vec<ExplainedStage>,
}

/// One stage.
#[derive(Debug, Clone)]
pub struct ExplainedStage {
    /// How many are wanted.
    pub wanted: u32,
    /// Of whom.
    pub who: Who,
    /// Whose votes were counted, and in whose place.
    pub counted: Vec<Counted>,
    /// It is this stage's turn.
    pub open: bool,
    /// People who could vote now and have not.
    pub can_vote: Vec<PersonId>,
}

/// What comes by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upcoming {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: UpcomingWhat,
}

/// What comes by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpcomingWhat {
    /// More people count.
    Escalation {
        /// By this rule.
        rule: RuleName,
        /// Who.
        to: Who,
    },
    /// The post expires.
    Expiry {
        /// By this rule.
        rule: RuleName,
    },
    /// The post is due.
    Due,
}

/// True where a rule asks this person, now or once it is their stage's turn.
pub fn wanted(life: &Life, facts: &Facts<'_>, person: &PersonId) -> bool {
    let tally = tally(life, facts);
    tally.rules.iter().any(|count| {
        (0..count.rule.stages.len()).any(|index| {
            count
                .wanted(index)
                .is_some_and(|wanted| !standing(life, facts, &wanted, person, facts.now).seats.is_empty())
        })
    })
}

/// Explains.
pub fn explain(life: &Life, facts: &Facts<'_>) -> Explanation {
    let tally = tally(life, facts);
    let is_scheduled = life.targets().iter().any(|target| target.state() == TargetState::Scheduled);
    let mut next: Vec<Upcoming> =
        life.due().filter(|_| is_scheduled).map(|at| Upcoming { at, what: UpcomingWhat::Due }).into_iter().collect();
    let mut rules = Vec::new();
    for count in &tally.rules {
        let open = count.open_stage();
        let mut stages = Vec::new();
        for (index, (stage, counted)) in count.rule.stages.iter().zip(&count.stages).enumerate() {
            let open = open == Some(index);
            let can_vote = match count.wanted(index).filter(|_| open) {
                Some(wanted) => facts
                    .governance
                    .people
                    .keys()
                    .filter(|person| !life.has_approved(person))
                    .filter(|person| !standing(life, facts, &wanted, person, facts.now).seats.is_empty())
                    .cloned()
                    .collect(),
                None => Vec::new(),
            };
            let (wanted, counted, who) = (counted.wanted, counted.counted.clone(), stage.who.clone());
            stages.push(ExplainedStage { wanted, who, counted, open, can_vote });
        }
        if let (Some(asked_at), Some(_)) = (life.asked_at(), open) {
            for escalation in count.rule.escalate.iter().skip(count.escalated) {
                let what = UpcomingWhat::Escalation { rule: count.rule.name.clone(), to: escalation.to.clone() };
                next.push(Upcoming { at: after(asked_at, escalation.after_s), what });
            }
            if let Some(seconds) = count.rule.expires_after_s {
                let what = UpcomingWhat::Expiry { rule: count.rule.name.clone() };
                next.push(Upcoming { at: after(asked_at, seconds), what });
            }
        }
        rules.push(ExplainedRule { name: count.rule.name.clone(), stages });
    }
    next.sort_by_key(|upcoming| upcoming.at);
    Explanation {
        version: life.version().number,
        approved: tally.is_complete(),
        rules,
        holds: life.holds().keys().cloned().collect(),
        open_comments: tally.open_comments,
        blocked_by_comments: tally.blocked_by_comments().cloned(),
        waits: life.targets().iter().filter_map(|target| Some((target.account().clone(), target.wait()?))).collect(),
        next,
    }
}
