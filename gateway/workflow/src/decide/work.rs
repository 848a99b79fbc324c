//! A decision in the making: the life as it will be, and the events that lead there.

use jiff::Timestamp;

use crate::{
    facts::Facts,
    ids::{AccountId, Actor, PersonId},
    life::{Change, Event, Life, Target},
    refused::Refused,
};

pub(super) struct Work<'a> {
    pub(super) life: Life,
    pub(super) facts: &'a Facts<'a>,
    pub(super) why: Option<&'a str>,
    events: Vec<Event>,
}

impl<'a> Work<'a> {
    pub(super) fn new(life: &Life, why: Option<&'a str>, facts: &'a Facts<'a>) -> Self {
        Self { life: life.clone(), facts, why, events: Vec::new() }
    }

    pub(super) fn into_events(self) -> Vec<Event> {
        self.events
    }

    pub(super) fn now(&self) -> Timestamp {
        self.facts.now
    }

    /// The table has the last word: what it does not permit is refused here.
    pub(super) fn emit(&mut self, change: Change) -> Result<(), Refused> {
        let why = self.why.map(str::to_owned);
        let event = Event { seq: self.life.seq() + 1, at: self.facts.now, by: self.facts.by.clone(), why, change };
        let state = self.life.state();
        self.life.take(&event).map_err(|_| Refused::WrongState(state))?;
        self.events.push(event);
        Ok(())
    }

    pub(super) fn wrong_state<T>(&self) -> Result<T, Refused> {
        Err(Refused::WrongState(self.life.state()))
    }

    pub(super) fn check_saw(&self, saw: u32) -> Result<(), Refused> {
        let current = self.life.version().number;
        if saw == current { Ok(()) } else { Err(Refused::Stale { saw, current }) }
    }

    pub(super) fn person(&self) -> Result<&'a PersonId, Refused> {
        self.facts.by.person().ok_or(Refused::NotAPerson)
    }

    pub(super) fn person_or_app(&self) -> Result<(), Refused> {
        match self.facts.by {
            Actor::Person { .. } | Actor::App { .. } => Ok(()),
            Actor::Link { .. } | Actor::Gate => Err(Refused::NotAPerson),
        }
    }

    pub(super) fn reason(&self) -> Result<(), Refused> {
        self.why.map(|_| ()).ok_or(Refused::ReasonNeeded)
    }

    pub(super) fn target(&self, account: &AccountId) -> Result<&Target, Refused> {
        self.life.target(account).ok_or_else(|| Refused::NoTarget(account.clone()))
    }

    pub(super) fn accounts(&self, which: impl Fn(&Target) -> bool) -> Vec<AccountId> {
        self.life.targets().iter().filter(|target| which(target)).map(|target| target.account().clone()).collect()
    }
}
