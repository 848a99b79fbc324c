//! Grants: who may do what on which account, until when, and who answers for it.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{Account, AccountId, Action, BrandPath, GrantId, PersonId, Principal};

/// What a grant or deny entry reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// One account.
    Account(AccountId),
    /// A brand and every brand below it.
    Brand(BrandPath),
}

impl Scope {
    /// True where the account is meant.
    pub fn covers(&self, account: &Account) -> bool {
        match self {
            Self::Account(id) => *id == account.id,
            Self::Brand(brand) => brand.covers(&account.brand),
        }
    }
}

/// Whom a deny entry means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grantee {
    /// One app or person.
    One(Principal),
    /// Everybody.
    Everyone,
}

/// A permission. Without one there is no call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Its name, which the log and answers cite.
    pub id: GrantId,
    /// Who may.
    pub holder: Principal,
    /// Where.
    pub scope: Scope,
    /// What.
    pub actions: BTreeSet<Action>,
    /// An app with this list may act for these persons; the effective rights are the intersection.
    pub act_for: BTreeSet<PersonId>,
    /// Courses that the person who acts must have passed, for actions with effects.
    pub training: BTreeSet<String>,
    /// Brands whose guidelines in effect the person who acts must have acknowledged, for actions with effects.
    pub guidelines: BTreeSet<BrandPath>,
    /// The person who answers for the grant.
    pub owner: PersonId,
    /// From this instant on it counts no more.
    pub expires: Timestamp,
}

/// A prohibition: on any level it beats every grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deny {
    /// Its name.
    pub id: GrantId,
    /// Who may not.
    pub whom: Grantee,
    /// Where.
    pub scope: Scope,
    /// What; empty means every action.
    pub actions: BTreeSet<Action>,
    /// Why, for the caller.
    pub reason: String,
}

impl Grant {
    /// True where the grant is for the account and the action, whether or not it is still alive.
    pub fn covers(&self, account: &Account, action: Action) -> bool {
        self.actions.contains(&action) && self.scope.covers(account)
    }

    /// True until the instant of expiry, which no longer counts.
    pub fn is_live(&self, now: Timestamp) -> bool {
        now < self.expires
    }
}

impl Deny {
    /// True where the entry is for the account and the action.
    pub fn forbids(&self, account: &Account, action: Action) -> bool {
        (self.actions.is_empty() || self.actions.contains(&action)) && self.scope.covers(account)
    }
}
