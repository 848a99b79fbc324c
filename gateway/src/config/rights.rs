//! Who may do what: a pure function over the governance of a moment. Deny is the default.
//!
//! The order of the question: a deny entry on any level beats every grant; then the caller needs a live grant of its own; an
//! app that acts for a person also needs that person named in `act_for`, and the person needs a live grant too.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use jiff::Timestamp;

use super::Governance;
use crate::model::{Account, AccountId, Action, Deny, Grant, GrantId, Grantee, PersonId, Principal};

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Yes.
    Granted {
        /// The caller's own grant.
        grant: Arc<Grant>,
        /// The grant of the person it acts for.
        act_for_grant: Option<Arc<Grant>>,
        /// The first instant at which this answer no longer holds: the earlier expiry.
        expires: Timestamp,
    },
    /// No.
    Refused {
        /// Why.
        reason: NoRight,
    },
}

/// Why not. The texts are public: they say what to ask for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoRight {
    /// The caller has no grant that covers the account and the action.
    #[error("no grant covers this account and action")]
    NoGrant,
    /// There was one.
    #[error("grant `{grant}` has expired; ask its owner to renew it")]
    Expired {
        /// The grant that expired last.
        grant: GrantId,
    },
    /// A deny entry forbids it.
    #[error("deny entry `{deny}` forbids it: {reason}")]
    Denied {
        /// The first such entry.
        deny: GrantId,
        /// Its reason.
        reason: String,
    },
    /// The caller may, but not in this person's name.
    #[error("the caller may not act for `{person}`; its grant must name them in `act_for`")]
    MayNotActFor {
        /// The person.
        person: PersonId,
    },
    /// The caller may act for the person, who has no grant for this.
    #[error("`{person}`, for whom the caller acts, has no grant for this account and action")]
    PersonHasNoGrant {
        /// The person.
        person: PersonId,
    },
    /// There is no such person.
    #[error("there is no such person")]
    UnknownPerson,
}

/// Grants by holder and deny entries by whom they mean, so that a decision looks only at the few that matter.
#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    grants: HashMap<Principal, Vec<Arc<Grant>>>,
    /// With the position in the file: the first one that matches is the one that is named.
    denies: HashMap<Principal, Vec<(usize, Deny)>>,
    denies_everyone: Vec<(usize, Deny)>,
}

impl Index {
    pub(super) fn new(grants: &[Arc<Grant>], denies: &[Deny]) -> Self {
        let mut index = Self::default();
        for grant in grants {
            index.grants.entry(grant.holder.clone()).or_default().push(Arc::clone(grant));
        }
        for (position, deny) in denies.iter().enumerate() {
            match &deny.whom {
                Grantee::One(principal) => index.denies.entry(principal.clone()).or_default(),
                Grantee::Everyone => &mut index.denies_everyone,
            }
            .push((position, deny.clone()));
        }
        index
    }

    fn held_by<'a>(&'a self, holder: &Principal) -> &'a [Arc<Grant>] {
        self.grants.get(holder).map_or(&[], Vec::as_slice)
    }

    /// The first deny entry, in the order of the file, that means one of these principals.
    fn denied(&self, principals: &[&Principal], account: &Account, action: Action) -> Option<&Deny> {
        principals
            .iter()
            .filter_map(|principal| self.denies.get(*principal))
            .chain(std::iter::once(&self.denies_everyone))
            .filter_map(|denies| denies.iter().find(|(_, deny)| deny.forbids(account, action)))
            .min_by_key(|(position, _)| *position)
            .map(|(_, deny)| deny)
    }
}

/// Decides whether `principal`, for itself or on behalf of a person, may do `action` on `account` at `now`.
///
/// Of several grants that would do, the one that lasts longest is named, the first in the file among equals.
pub fn decide(
    governance: &Governance,
    principal: &Principal,
    on_behalf_of: Option<&PersonId>,
    account: &Account,
    action: Action,
    now: Timestamp,
) -> Decision {
    decide_among(governance, principal, on_behalf_of, (account, action), now, &|_| true)
}

/// [`decide`], where only those grants count that are `fit`.
pub fn decide_among(
    governance: &Governance,
    principal: &Principal,
    on_behalf_of: Option<&PersonId>,
    (account, action): (&Account, Action),
    now: Timestamp,
    fit: &dyn Fn(&Grant) -> bool,
) -> Decision {
    match granted(governance, principal, on_behalf_of, (account, action), now, fit) {
        Ok((grant, act_for_grant)) => {
            let expires = act_for_grant.as_ref().map_or(grant.expires, |other| other.expires.min(grant.expires));
            Decision::Granted { grant, act_for_grant, expires }
        }
        Err(reason) => Decision::Refused { reason },
    }
}

type Grants = (Arc<Grant>, Option<Arc<Grant>>);

fn granted(
    governance: &Governance,
    principal: &Principal,
    on_behalf_of: Option<&PersonId>,
    (account, action): (&Account, Action),
    now: Timestamp,
    fit: &dyn Fn(&Grant) -> bool,
) -> Result<Grants, NoRight> {
    let index = &governance.index;
    let person = match (principal, on_behalf_of) {
        (Principal::Person(id), _) if !governance.people.contains_key(id) => return Err(NoRight::UnknownPerson),
        // A key of one's own speaks for oneself only; saying so is no error.
        (Principal::Person(id), Some(other)) if id != other => {
            return Err(NoRight::MayNotActFor { person: other.clone() });
        }
        (Principal::Person(_), _) => None,
        (Principal::App(_), Some(id)) if !governance.people.contains_key(id) => return Err(NoRight::UnknownPerson),
        (Principal::App(_), person) => person,
    };
    let behalf = person.map(|person| (person, Principal::Person(person.clone())));

    let mut principals = vec![principal];
    principals.extend(behalf.iter().map(|(_, holder)| holder));
    if let Some(deny) = index.denied(&principals, account, action) {
        return Err(NoRight::Denied { deny: deny.id.clone(), reason: deny.reason.clone() });
    }

    let covering =
        |holder: &Principal| index.held_by(holder).iter().filter(|grant| grant.covers(account, action) && fit(grant));
    let Some((person, holder)) = &behalf else {
        return match longest(covering(principal)) {
            Some(grant) if grant.is_live(now) => Ok((Arc::clone(grant), None)),
            Some(grant) => Err(NoRight::Expired { grant: grant.id.clone() }),
            None => Err(NoRight::NoGrant),
        };
    };
    let own = match longest(covering(principal).filter(|grant| grant.act_for.contains(*person))) {
        Some(grant) if grant.is_live(now) => Arc::clone(grant),
        Some(grant) => return Err(NoRight::Expired { grant: grant.id.clone() }),
        None if covering(principal).next().is_some() => {
            return Err(NoRight::MayNotActFor { person: (*person).clone() });
        }
        None => return Err(NoRight::NoGrant),
    };
    match longest(covering(holder)) {
        Some(grant) if grant.is_live(now) => Ok((own, Some(Arc::clone(grant)))),
        Some(grant) => Err(NoRight::Expired { grant: grant.id.clone() }),
        None => Err(NoRight::PersonHasNoGrant { person: (*person).clone() }),
    }
}

/// The grant that expires last, the first of them among equals. Where it is dead, all are.
fn longest<'a>(grants: impl Iterator<Item = &'a Arc<Grant>>) -> Option<&'a Arc<Grant>> {
    grants.reduce(|best, grant| if grant.expires > best.expires { grant } else { best })
}

impl Governance {
    /// The accounts on which the caller may do at least one thing at `now`, by id. What a deny entry takes away whole is not
    /// shown.
    pub fn accounts_visible(
        &self,
        principal: &Principal,
        on_behalf_of: Option<&PersonId>,
        now: Timestamp,
    ) -> Vec<Arc<Account>> {
        let held = self.index.held_by(principal);
        self.accounts
            .values()
            .filter(|account| {
                held.iter()
                    .filter(|grant| grant.is_live(now) && grant.scope.covers(account))
                    .flat_map(|grant| &grant.actions)
                    .any(|action| granted(self, principal, on_behalf_of, (account, *action), now, &|_| true).is_ok())
            })
            .cloned()
            .collect()
    }

    /// The accounts on which the caller may do this at `now`.
    pub fn accounts_allowing(&self, principal: &Principal, action: Action, now: Timestamp) -> BTreeSet<AccountId> {
        self.accounts
            .values()
            .filter(|account| granted(self, principal, None, (account, action), now, &|_| true).is_ok())
            .map(|account| account.id.clone())
            .collect()
    }

    /// The grants that a caller holds, in the order of the file, the expired ones too.
    pub fn grants_of(&self, principal: &Principal) -> &[Arc<Grant>] {
        self.index.held_by(principal)
    }
}

#[cfg(test)]
mod tests;
