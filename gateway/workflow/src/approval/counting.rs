//! What was given: the votes on the current version, counted rule by rule and stage by stage.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    rules::{Rule, Who},
    standing::{Wanted, standing},
};
use crate::{
    facts::Facts,
    ids::{Brand, LinkId, PersonId, RuleName},
    life::{Life, Vote},
    plant::{Plant, planted},
};

/// Who votes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", content = "id", rename_all = "kebab-case")]
pub enum Voter {
    /// A person.
    Person(PersonId),
    /// An outside party; each link is one voter.
    Link(LinkId),
}

/// A vote that counts, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// Who voted.
    pub voter: Voter,
    /// Whose seat they took: their own, or that of the person they stand in for. None for an outside party.
    pub seat: Option<PersonId>,
}

/// One stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageCount {
    /// How many are wanted.
    pub wanted: u32,
    /// Who was counted.
    pub counted: Vec<Counted>,
}

impl StageCount {
    /// Enough agreed.
    pub fn is_complete(&self) -> bool {
        self.counted.len() >= self.wanted as usize
    }
}

/// One rule.
#[derive(Debug, Clone)]
pub struct RuleCount {
    /// The rule.
    pub rule: Arc<Rule>,
    /// Brands of the targets that it is for.
    pub brands: Vec<Brand>,
    /// How many of its escalations have happened.
    pub escalated: usize,
    /// Its stages in order.
    pub stages: Vec<StageCount>,
}

impl RuleCount {
    /// The first stage that is not complete.
    pub fn open_stage(&self) -> Option<usize> {
        self.stages.iter().position(|stage| !stage.is_complete())
    }

    pub(crate) fn wanted(&self, stage: usize) -> Option<Wanted<'_>> {
        let stage = self.rule.stages.get(stage)?;
        Some(Wanted { rule: &self.rule, stage, brands: &self.brands, escalated: self.escalated })
    }
}

/// What was given so far.
#[derive(Debug, Clone)]
pub struct Tally {
    /// Every rule that applies.
    pub rules: Vec<RuleCount>,
    /// Open comments on the current version.
    pub open_comments: u32,
}

impl Tally {
    /// The name of a rule that open comments block.
    pub fn blocked_by_comments(&self) -> Option<&RuleName> {
        if self.open_comments == 0 {
            return None;
        }
        self.rules.iter().find(|count| count.rule.open_comments_block).map(|count| &count.rule.name)
    }

    /// Nobody's agreement is missing.
    pub fn is_complete(&self) -> bool {
        self.rules.iter().all(|rule| rule.open_stage().is_none()) && self.blocked_by_comments().is_none()
    }

    /// People are wanted at all.
    pub fn wants_votes(&self) -> bool {
        self.rules.iter().any(|rule| !rule.stages.is_empty())
    }
}

/// Counts. Roles are those of this moment; a substitute and who is on call count by the time of their vote.
pub fn tally(life: &Life, facts: &Facts<'_>) -> Tally {
    let votes: Vec<&Vote> = life
        .votes()
        .iter()
        .filter(|vote| {
            vote.approve && !vote.void && (vote.version == life.version().number || planted(Plant::VoteSurvives))
        })
        .collect();
    let rules = facts.governance.rules.matching(life, facts.governance);
    let rules = rules.into_iter().map(|(rule, brands)| count(life, facts, rule, brands, &votes)).collect();
    Tally { rules, open_comments: life.open_comments() }
}

fn count(life: &Life, facts: &Facts<'_>, rule: Arc<Rule>, brands: Vec<Brand>, votes: &[&Vote]) -> RuleCount {
    let escalated = life.escalations(&rule.name);
    let mut left: Vec<&Vote> = votes.to_vec();
    let mut stages = Vec::new();
    for stage in &rule.stages {
        let wanted = Wanted { rule: &rule, stage, brands: &brands, escalated };
        let mut seats = Seats::default();
        let mut rest = Vec::new();
        for vote in left {
            let full = seats.counted() >= stage.n as usize;
            if full || !seats.take(vote, choices(life, facts, &wanted, &vote.voter, vote.at)) {
                rest.push(vote);
            }
        }
        left = rest;
        stages.push(StageCount { wanted: stage.n, counted: seats.into_counted() });
    }
    RuleCount { rule, brands, escalated, stages }
}

/// The seats that a vote may take; a link's own seat is its id.
fn choices(life: &Life, facts: &Facts<'_>, wanted: &Wanted<'_>, voter: &Voter, at: Timestamp) -> Vec<Seat> {
    match voter {
        Voter::Person(person) => standing(life, facts, wanted, person, at).seats.into_iter().map(Seat::Of).collect(),
        Voter::Link(link) => {
            let asked = life.link(link).map(|link| &link.external);
            let wants = |who: &Who| matches!(who, Who::External(external) if Some(external) == asked);
            let escalations = wanted.rule.escalate.iter().take(wanted.escalated);
            let is_wanted = wants(&wanted.stage.who) || escalations.into_iter().any(|escalation| wants(&escalation.to));
            is_wanted.then(|| Seat::Link(link.clone())).into_iter().collect()
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Seat {
    Of(PersonId),
    Link(LinkId),
}

/// Voters on seats. Somebody who could take several seats moves when another can take only theirs.
#[derive(Default)]
struct Seats {
    voters: Vec<(Voter, Vec<Seat>)>,
    taken: BTreeMap<Seat, usize>,
}

impl Seats {
    fn counted(&self) -> usize {
        self.taken.len()
    }

    /// Seats the voter, or says that there is no seat left.
    fn take(&mut self, vote: &Vote, choices: Vec<Seat>) -> bool {
        if choices.is_empty() || self.voters.iter().any(|(voter, _)| *voter == vote.voter) {
            return false;
        }
        self.voters.push((vote.voter.clone(), choices));
        let newest = self.voters.len() - 1;
        let seated = self.seat(newest, &mut Vec::new());
        if !seated {
            self.voters.pop();
        }
        seated
    }

    fn seat(&mut self, voter: usize, tried: &mut Vec<Seat>) -> bool {
        let choices = self.voters.get(voter).map(|(_, choices)| choices.clone()).unwrap_or_default();
        for seat in choices {
            if tried.contains(&seat) {
                continue;
            }
            tried.push(seat.clone());
            let moved = match self.taken.get(&seat).copied() {
                None => true,
                Some(other) => self.seat(other, tried),
            };
            if moved {
                self.taken.insert(seat, voter);
                return true;
            }
        }
        false
    }

    fn into_counted(self) -> Vec<Counted> {
        let mut by_voter: Vec<(usize, Seat)> = self.taken.into_iter().map(|(seat, voter)| (voter, seat)).collect();
        by_voter.sort();
        let counted = |(index, seat): (usize, Seat)| {
            let (voter, _) = self.voters.get(index)?;
            let seat = match seat {
                Seat::Of(person) => Some(person),
                Seat::Link(_) => None,
            };
            Some(Counted { voter: voter.clone(), seat })
        };
        by_voter.into_iter().filter_map(counted).collect()
    }
}

/// Why a vote would not count; none where it would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoCount {
    /// No rule wants this voter.
    NotWanted,
    /// They stood in for somebody, or will, but not now.
    OtherTime,
    /// They are wanted in a later stage.
    Later {
        /// Of this rule.
        rule: RuleName,
        /// Index of the stage that is open.
        stage: usize,
    },
}

/// Would a vote cast now count? An approval must count in an open stage, a rejection in any.
pub(crate) fn would_count(
    life: &Life,
    facts: &Facts<'_>,
    tally: &Tally,
    voter: &Voter,
    approve: bool,
) -> Result<(), NoCount> {
    let (mut later, mut other_time) = (None, false);
    for count in &tally.rules {
        let open = count.open_stage();
        for stage in 0..count.stages.len() {
            let Some(wanted) = count.wanted(stage) else { continue };
            if let Voter::Person(person) = voter {
                other_time |= standing(life, facts, &wanted, person, facts.now).other_time;
            }
            if choices(life, facts, &wanted, voter, facts.now).is_empty() {
                continue;
            }
            match open {
                Some(open) if approve && stage > open => {
                    later = Some(NoCount::Later { rule: count.rule.name.clone(), stage: open });
                }
                None if approve => {}
                Some(open) if approve && stage < open => {}
                _ => return Ok(()),
            }
        }
    }
    Err(later.unwrap_or(if other_time { NoCount::OtherTime } else { NoCount::NotWanted }))
}
