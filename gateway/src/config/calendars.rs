//! When accounts publish what is queued, and when nothing is published: `calendars.toml` and the `.ics` files that it names.

use std::collections::BTreeMap;

use pressgate_calendar::{Blackouts, Calendar, Embargoes, Slots, Zone};

use crate::model::{AccountId, BrandPath};

/// An account's own times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountTimes {
    /// Where its clocks hang.
    pub zone: Zone,
    /// Its queue, where it has one.
    pub slots: Option<Slots>,
}

/// A calendar whose events block.
#[derive(Debug, Clone, PartialEq)]
pub struct BlackoutCalendar {
    /// Its name, unique among blackouts.
    pub name: String,
    /// Where it is read from: `calendars/holidays.ics`.
    pub file: String,
    /// Brands (and those below) that it blocks; empty means all.
    pub brands: Vec<BrandPath>,
    /// The zone that its days are read with, where one is given.
    pub zone: Option<Zone>,
    pub(super) events: Calendar,
}

/// A calendar of embargoes.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbargoCalendar {
    /// Its name, unique among embargoes.
    pub name: String,
    /// Where it is read from: `calendars/launches.ics`.
    pub file: String,
    /// Brands (and those below) that it holds back; empty means all.
    pub brands: Vec<BrandPath>,
    /// The zone that its days are read with, where one is given.
    pub zone: Option<Zone>,
    pub(super) events: Embargoes,
}

/// All of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Calendars {
    /// By account; one that is not here has neither a zone nor a queue.
    pub accounts: BTreeMap<AccountId, AccountTimes>,
    /// In the order of the file.
    pub blackouts: Vec<BlackoutCalendar>,
    /// In the order of the file.
    pub embargoes: Vec<EmbargoCalendar>,
}

impl Calendars {
    /// The queue of an account.
    pub fn slots(&self, account: &AccountId) -> Option<&Slots> {
        self.accounts.get(account)?.slots.as_ref()
    }

    /// The zone of an account.
    pub fn zone(&self, account: &AccountId) -> Option<&Zone> {
        self.accounts.get(account).map(|times| &times.zone)
    }

    /// What blocks posts of a brand: its own calendars, those of brands above it, and those of all brands.
    pub fn blackouts_for(&self, brand: &BrandPath) -> Blackouts {
        let holding = self.blackouts.iter().filter(|calendar| holds(&calendar.brands, brand));
        Blackouts::new(holding.map(|calendar| calendar.events.clone()).collect())
    }

    /// What holds posts of a brand back: its own embargoes, those of brands above it, and those of all brands.
    pub fn embargoes_for(&self, brand: &BrandPath) -> Embargoes {
        let holding = self.embargoes.iter().filter(|calendar| holds(&calendar.brands, brand));
        Embargoes::joined(holding.map(|calendar| &calendar.events))
    }
}

fn holds(brands: &[BrandPath], brand: &BrandPath) -> bool {
    brands.is_empty() || brands.iter().any(|covered| covered.covers(brand))
}
