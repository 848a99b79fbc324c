//! Rules that can never be satisfied, found before anybody waits for them.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{
    rules::{Rule, Who},
    standing::Wanted,
};
use crate::{
    facts::Governance,
    ids::{AppId, Brand, External, PersonId, RuleName},
};

/// Who can propose posts for a brand, and who therefore never counts on them.
#[derive(Debug, Clone)]
pub struct Proposer {
    /// The tool, or none where a person writes with a key of their own.
    pub app: Option<AppId>,
    /// For this brand and those below.
    pub brand: Brand,
    /// Its owner, the makers of its keys, the people it acts for; or the person.
    pub people: BTreeSet<PersonId>,
}

/// A rule that can't be satisfied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which.
    pub rule: RuleName,
    /// For posts of this brand.
    pub brand: Brand,
    /// Index of the stage, where one stage is to blame.
    pub stage: Option<usize>,
    /// Why.
    pub reason: Reason,
}

/// Why a rule can't be satisfied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Fewer people than votes.
    #[error("it wants {wanted} votes and only {there} people could give one")]
    TooFew {
        /// Votes.
        wanted: u32,
        /// People.
        there: usize,
    },
    /// Each stage could be filled, but not all with different people.
    #[error("a person counts in one stage only, and there are too few for all stages together")]
    SamePeople,
    /// Without those who never count on this proposer's posts there are too few.
    #[error("on posts of {} nobody is left to agree: {} never count on them", proposer(.app), list(.without))]
    Proposer {
        /// The tool, or none for a person's own posts.
        app: Option<AppId>,
        /// Who does not count.
        without: Vec<PersonId>,
    },
    /// Nobody of that name.
    #[error("there is no person `{0}`")]
    UnknownPerson(PersonId),
    /// No party of that name.
    #[error("there is no outside party `{0}`")]
    UnknownExternal(External),
    /// Too few addresses to send links to.
    #[error("it wants {wanted} votes of `{external}`, which has {addresses} addresses")]
    NoAddress {
        /// Who.
        external: External,
        /// Votes.
        wanted: u32,
        /// Addresses.
        addresses: u32,
    },
    /// No rotation of that name, or nobody in it.
    #[error("there is no rotation `{0}` with somebody in it")]
    UnknownRotation(String),
}

fn proposer(app: &Option<AppId>) -> String {
    app.as_ref().map_or_else(|| "this person".to_owned(), |app| format!("app `{app}`"))
}

fn list(people: &[PersonId]) -> String {
    people.iter().map(PersonId::as_str).collect::<Vec<_>>().join(", ")
}

/// Every rule that can never be satisfied for one of the brands that it is for, even with everybody on call and every escalation;
/// and those that can't for one of the proposers. Substitutes are not counted: they are there for a time only.
pub fn unsatisfiable(governance: &Governance, brands: &[Brand], proposers: &[Proposer]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for rule in &governance.rules.rules {
        for brand in brands.iter().filter(|brand| rule.when.is_for(brand)) {
            names(governance, rule, brand, &mut faults);
            people(governance, rule, brand, proposers, &mut faults);
        }
    }
    faults
}

impl super::rules::When {
    fn is_for(&self, brand: &Brand) -> bool {
        self.brands.is_empty() || self.brands.iter().any(|covered| covered.covers(brand))
    }
}

fn names(governance: &Governance, rule: &Rule, brand: &Brand, faults: &mut Vec<Fault>) {
    let mut tell = |stage, reason| faults.push(Fault { rule: rule.name.clone(), brand: brand.clone(), stage, reason });
    let stages = rule.stages.iter().enumerate().map(|(index, stage)| (Some(index), &stage.who, stage.n));
    for (index, who, n) in stages.chain(rule.escalate.iter().map(|escalation| (None, &escalation.to, 1))) {
        match who {
            Who::People(people) => {
                for person in people.iter().filter(|person| !governance.people.contains_key(*person)) {
                    tell(index, Reason::UnknownPerson(person.clone()));
                }
            }
            Who::External(external) => match governance.rules.externals.get(external) {
                None => tell(index, Reason::UnknownExternal(external.clone())),
                Some(party) if party.addresses < n => {
                    let (external, addresses) = (external.clone(), party.addresses);
                    tell(index, Reason::NoAddress { external, wanted: n, addresses });
                }
                Some(_) => {}
            },
            Who::Role(_) => {}
        }
    }
    for (index, stage) in rule.stages.iter().enumerate() {
        if let Some(name) = &stage.on_call
            && governance.rules.rotations.get(name).is_none_or(|rotation| rotation.people.is_empty())
        {
            tell(Some(index), Reason::UnknownRotation(name.clone()));
        }
    }
}

fn people(governance: &Governance, rule: &Rule, brand: &Brand, proposers: &[Proposer], faults: &mut Vec<Fault>) {
    let mut tell = |stage, reason| faults.push(Fault { rule: rule.name.clone(), brand: brand.clone(), stage, reason });
    let nobody = BTreeSet::new();
    let slots = slots(governance, rule, brand, &nobody);
    let mut short = false;
    for (index, candidates, n) in &slots {
        if candidates.len() < *n as usize {
            short = true;
            tell(Some(*index), Reason::TooFew { wanted: *n, there: candidates.len() });
        }
    }
    if short {
        return;
    }
    if !can_fill(&slots) {
        return tell(None, Reason::SamePeople);
    }
    for proposer in proposers.iter().filter(|proposer| proposer.brand.covers(brand)) {
        if !can_fill(&self::slots(governance, rule, brand, &proposer.people)) {
            let without = proposer.people.iter().cloned().collect();
            tell(None, Reason::Proposer { app: proposer.app.clone(), without });
        }
    }
}

type Slot = (usize, Vec<PersonId>, u32);

/// For each stage that people fill: its index, who could, how many are wanted.
fn slots(governance: &Governance, rule: &Rule, brand: &Brand, without: &BTreeSet<PersonId>) -> Vec<Slot> {
    let brands = [brand.clone()];
    let mut slots = Vec::new();
    for (index, stage) in rule.stages.iter().enumerate() {
        if matches!(stage.who, Who::External(_)) {
            continue;
        }
        let wanted = Wanted { rule, stage, brands: &brands, escalated: rule.escalate.len() };
        let rotation = stage.on_call.as_ref().and_then(|name| governance.rules.rotations.get(name));
        let could = |person: &PersonId| {
            wanted.wants(governance, person, Timestamp::UNIX_EPOCH)
                || rotation.is_some_and(|rotation| rotation.people.contains(person))
        };
        let candidates = governance.people.keys().filter(|person| !without.contains(*person) && could(person));
        slots.push((index, candidates.cloned().collect(), stage.n));
    }
    slots
}

/// Is there a different person for every vote?
fn can_fill(slots: &[Slot]) -> bool {
    let votes: Vec<&[PersonId]> =
        slots.iter().flat_map(|(_, people, n)| std::iter::repeat_n(people.as_slice(), *n as usize)).collect();
    let mut taken: Vec<(&PersonId, usize)> = Vec::new();
    (0..votes.len()).all(|vote| place(vote, &votes, &mut taken, &mut BTreeSet::new()))
}

fn place<'a>(
    vote: usize,
    votes: &[&'a [PersonId]],
    taken: &mut Vec<(&'a PersonId, usize)>,
    tried: &mut BTreeSet<&'a PersonId>,
) -> bool {
    for person in votes.get(vote).copied().unwrap_or_default() {
        if !tried.insert(person) {
            continue;
        }
        let holder = taken.iter().find(|(holder, _)| *holder == person).map(|(_, other)| *other);
        if holder.is_none_or(|other| place(other, votes, taken, tried)) {
            taken.retain(|(holder, _)| *holder != person);
            taken.push((person, vote));
            return true;
        }
    }
    false
}
