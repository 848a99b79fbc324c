//! The world around a post in a history: two nodes, a store that keeps an event once, a network, a clock that jumps.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    sync::Arc,
};

use jiff::Timestamp;

use super::reference::{APPROVERS, OPERATOR, SUBSTITUTE_ENDS};
use crate::{
    approval::{Escalation, ExternalParty, Rule, Rules, Stage, Substitute, When, Who},
    decide::{Attempt, Command, decide},
    facts::{AccountFacts, Facts, Governance, Limits, PersonFacts},
    freeze::Freezes,
    ids::{AccountId, Actor, PersonId},
    life::{Change, Event, Life},
    refused::Refused,
};

/// Second 0 of every history: a Monday noon.
pub const START: i64 = 1_803_816_000;

/// So many seconds into the history.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(START + seconds).unwrap()
}

/// Seconds into the history.
pub fn seconds(at: Timestamp) -> i64 {
    at.as_second() - START
}

pub fn person(name: &str) -> Actor {
    Actor::Person { person: name.into() }
}

/// Numbers that come again with the same seed (splitmix64).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % n
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }
}

fn stage(n: u32, who: Who) -> Stage {
    Stage { n, who, on_call: None }
}

pub fn rule(name: &str, stages: Vec<Stage>) -> Rule {
    Rule {
        name: name.into(),
        when: When { brands: vec!["acme".into()], ..When::default() },
        stages,
        escalate: Vec::new(),
        expires_after_s: None,
        open_comments_block: false,
    }
}

/// The governance with the rules of that number; `Reference::is_approved` says the same in its own words.
pub fn governance(rules: u8) -> Governance {
    let people = |names: &[&str]| Who::People(names.iter().copied().map(PersonId::from).collect());
    let approver = || Who::Role("approver".into());
    let mut launch = rule("launch", vec![stage(1, Who::External("agency-x".into()))]);
    launch.when = When { labels: vec!["launch".into()], ..When::default() };
    let rules = match rules {
        0 => vec![],
        1 => vec![rule("one", vec![stage(1, approver())])],
        2 => vec![rule("two", vec![stage(2, approver()), stage(1, people(&["legal"]))])],
        3 => vec![Rule { open_comments_block: true, ..rule("one", vec![stage(1, approver())]) }, launch],
        _ => vec![Rule {
            escalate: vec![Escalation { after_s: 2 * 3600, to: people(&["chief"]) }],
            expires_after_s: Some(6 * 3600),
            ..rule("both", vec![stage(2, people(&["a1", "a2"]))])
        }],
    };
    let substitute = Substitute { person: "a1".into(), by: "sub".into(), from: at(0), until: at(SUBSTITUTE_ENDS) };
    let others = ["author", "editor", "sub", "legal", "chief"].map(|name| (name.into(), PersonFacts::default()));
    let roles: BTreeMap<_, _> = [("approver".into(), vec!["acme".into()])].into();
    let approvers = APPROVERS.map(|name| (name.into(), PersonFacts { roles: roles.clone() }));
    let account = |brand: &str| AccountFacts { brand: brand.into(), network: "n".into() };
    Governance {
        rules: Rules {
            rules: rules.into_iter().map(Arc::new).collect(),
            substitutes: vec![substitute],
            rotations: BTreeMap::new(),
            externals: [("agency-x".into(), ExternalParty { addresses: 1 })].into(),
        },
        people: others.into_iter().chain(approvers).collect(),
        accounts: [("one".into(), account("acme/snacks")), ("two".into(), account("acme/drinks"))].into(),
        limits: Limits { attempts_max: 5, ..Limits::default() },
    }
}

/// A request that has left and not arrived.
#[derive(Clone)]
pub struct Flight {
    pub node: usize,
    pub attempt: Attempt,
    pub due: i64,
}

pub struct Node {
    pub life: Rc<Life>,
    pub attempts: BTreeMap<AccountId, Attempt>,
}

pub struct World<'a> {
    pub governance: &'a Governance,
    pub freezes: Freezes,
    pub operators: BTreeSet<PersonId>,
    pub working: BTreeSet<AccountId>,
    pub now: i64,
    pub life: Rc<Life>,
    pub nodes: [Node; 2],
    pub flights: Vec<Flight>,
}

impl<'a> World<'a> {
    pub fn new(governance: &'a Governance, life: Life) -> Self {
        let life = Rc::new(life);
        let node = || Node { life: Rc::clone(&life), attempts: BTreeMap::new() };
        Self {
            governance,
            freezes: Freezes::default(),
            operators: [OPERATOR.into()].into(),
            working: BTreeSet::new(),
            now: 0,
            nodes: [node(), node()],
            life,
            flights: Vec::new(),
        }
    }

    pub fn facts<'b>(&'b self, by: &'b Actor) -> Facts<'b> {
        Facts {
            now: at(self.now),
            by,
            governance: self.governance,
            freezes: &self.freezes,
            operators: &self.operators,
            working: &self.working,
        }
    }

    /// A node decides on the life that it knows and gives the events to the store, which keeps them if no other was first.
    /// None: refused, too late, or the node died in between.
    pub fn run(&mut self, node: usize, dice: &mut Dice, by: &Actor, command: Command) -> Option<Vec<Event>> {
        let mut known = Rc::clone(&self.life);
        if dice.one_in(12) {
            known = Rc::clone(&self.nodes[node].life);
        }
        let events = match decide(&known, command, Some("because"), &self.facts(by)) {
            Ok(events) => events,
            Err(Refused::Invalid(_)) | Err(_) => return None,
        };
        let died = dice.one_in(60);
        if died || known.seq() != self.life.seq() {
            return None;
        }
        if !events.is_empty() {
            let mut life = Life::clone(&self.life);
            for event in &events {
                life.take(event).expect("what was decided fits");
            }
            self.life = Rc::new(life);
        }
        if dice.one_in(2) {
            self.nodes[node].life = Rc::clone(&self.life);
        }
        Some(events)
    }

    pub fn claimed(events: &[Event], digest: &crate::ids::Digest) -> Option<Attempt> {
        events.iter().find_map(|event| match &event.change {
            Change::Claimed { account, node, attempt, .. } => {
                Some(Attempt { account: account.clone(), node: node.clone(), number: *attempt, digest: digest.clone() })
            }
            _ => None,
        })
    }
}
