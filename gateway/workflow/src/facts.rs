//! What a decision needs to know besides the post: the time, who asks, and the governance of this moment.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::{
    approval::Rules,
    freeze::Freezes,
    ids::{AccountId, Actor, Brand, Network, PersonId, Role},
};

/// What is true at the moment of a decision.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The time.
    pub now: Timestamp,
    /// Who asks. The gateway has checked that it is them, and that they may see and change this post.
    pub by: &'a Actor,
    /// People, accounts and rules.
    pub governance: &'a Governance,
    /// What is frozen.
    pub freezes: &'a Freezes,
    /// Who can operate a key that the post, or its current version, was made with: the owner of the app, the maker of the key.
    pub operators: &'a BTreeSet<PersonId>,
    /// Accounts on which an attempt of this process still works, so that its lease does not lapse whatever the clock says.
    pub working: &'a BTreeSet<AccountId>,
}

/// The governance of a moment, as far as the life of a post depends on it.
#[derive(Debug, Clone, Default)]
pub struct Governance {
    /// Approvals.
    pub rules: Rules,
    /// People.
    pub people: BTreeMap<PersonId, PersonFacts>,
    /// Accounts. One that is missing can't be sent to.
    pub accounts: BTreeMap<AccountId, AccountFacts>,
    /// Limits.
    pub limits: Limits,
}

/// A person.
#[derive(Debug, Clone, Default)]
pub struct PersonFacts {
    /// Roles, and for each the brands (with those below) for which it holds.
    pub roles: BTreeMap<Role, Vec<Brand>>,
}

impl PersonFacts {
    /// True where the person has the role for the brand.
    pub fn holds(&self, role: &Role, brand: &Brand) -> bool {
        self.roles.get(role).is_some_and(|brands| brands.iter().any(|held| held.covers(brand)))
    }
}

/// An account.
#[derive(Debug, Clone)]
pub struct AccountFacts {
    /// Who owns it.
    pub brand: Brand,
    /// The network that it is on.
    pub network: Network,
}

/// Limits of sending.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// A post that is late by more than this waits for a person, in seconds; a post may say otherwise.
    pub late_max_s: u32,
    /// Attempts for one occurrence on one target.
    pub attempts_max: u32,
    /// Longest lease, in seconds. It must be longer than the longest request.
    pub lease_max_s: u32,
    /// How long a link for an outside party may work, in seconds.
    pub link_max_s: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { late_max_s: 3600, attempts_max: 10, lease_max_s: 600, link_max_s: 7 * 86_400 }
    }
}
