//! Whose vote counts: who has no part in the post and is wanted, themselves, as a substitute, on call or by escalation.

use jiff::Timestamp;

use super::rules::{Rule, Stage, Who};
use crate::{
    facts::{Facts, Governance},
    ids::{Brand, PersonId},
    life::Life,
    plant::{Plant, planted},
};

/// What part a person has in a post; whoever has one never votes on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// It is theirs, or was made for them.
    Author,
    /// They made the version that is voted on.
    Editor,
    /// They can operate the key of the app that made it.
    Operates,
}

/// The person's part in the post, if any.
pub fn part_in(life: &Life, facts: &Facts<'_>, person: &PersonId) -> Option<Part> {
    if life.author().behind() == Some(person) {
        Some(Part::Author)
    } else if life.version().by.behind() == Some(person) {
        Some(Part::Editor)
    } else if facts.operators.contains(person) {
        Some(Part::Operates)
    } else {
        None
    }
}

/// The seats that a person may take in a stage. A seat is a person's own authority: whoever stands in takes the seat of the one
/// who is away, so that both together are one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Standing {
    /// The seats.
    pub(crate) seats: Vec<PersonId>,
    /// A seat that the person could have taken as a substitute at another time.
    pub(crate) other_time: bool,
}

/// The seats that a person may take in a stage at an instant. People who have a part in the post lend nobody their seat.
pub(crate) fn standing(
    life: &Life,
    facts: &Facts<'_>,
    wanted: &Wanted<'_>,
    person: &PersonId,
    at: Timestamp,
) -> Standing {
    let mut standing = Standing::default();
    if part_in(life, facts, person).is_some() || !facts.governance.people.contains_key(person) {
        return standing;
    }
    if wanted.wants(facts.governance, person, at) {
        standing.seats.push(person.clone());
    }
    for substitute in facts.governance.rules.substitutes.iter().filter(|substitute| substitute.by == *person) {
        let away = &substitute.person;
        if part_in(life, facts, away).is_some() || !wanted.wants(facts.governance, away, at) {
            continue;
        }
        let over = at >= substitute.until && !planted(Plant::SubstituteLate);
        if at < substitute.from || over {
            standing.other_time = true;
        } else if !standing.seats.contains(away) {
            standing.seats.push(away.clone());
        }
    }
    standing
}

/// Whom one stage of a rule wants.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) rule: &'a Rule,
    pub(crate) stage: &'a Stage,
    /// Brands of the targets that the rule is for.
    pub(crate) brands: &'a [Brand],
    /// How many escalations have happened.
    pub(crate) escalated: usize,
}

impl Wanted<'_> {
    pub(crate) fn wants(&self, governance: &Governance, person: &PersonId, at: Timestamp) -> bool {
        let among = |who: &Who| match who {
            Who::Role(role) => governance
                .people
                .get(person)
                .is_some_and(|known| self.brands.iter().all(|brand| known.holds(role, brand))),
            Who::People(people) => people.contains(person),
            Who::External(_) => false,
        };
        let on_call = self.stage.on_call.as_ref().and_then(|name| governance.rules.rotations.get(name));
        among(&self.stage.who)
            || on_call.and_then(|rotation| rotation.on_call(at)) == Some(person)
            || self.rule.escalate.iter().take(self.escalated).any(|escalation| among(&escalation.to))
    }
}
