//! Finds people: who wrote a post, who looks after it, who runs the gateway.

use std::collections::BTreeSet;

use pressgate_workflow::{Life, ids::Actor};

use crate::{
    config::Governance,
    model::{AccountId, PersonId},
};

/// Who wrote the post and who made its current version; of what an app made, the person it acted for, else its owner.
pub(super) fn writers(governance: &Governance, life: &Life) -> BTreeSet<PersonId> {
    [author(governance, life), behind(governance, &life.version().by)].into_iter().flatten().collect()
}

/// Who wrote the post.
pub(super) fn author(governance: &Governance, life: &Life) -> Option<PersonId> {
    behind(governance, life.author())
}

fn behind(governance: &Governance, actor: &Actor) -> Option<PersonId> {
    let person = match (actor.behind(), actor) {
        (Some(person), _) => PersonId::new(person.as_str()),
        (None, Actor::App { app, .. }) => governance.apps.get(app.as_str())?.owner.clone(),
        (None, _) => return None,
    };
    known(governance, person)
}

/// Who may approve for the brand of one of the accounts.
pub(super) fn approvers(governance: &Governance, accounts: &[AccountId]) -> BTreeSet<PersonId> {
    let brands: Vec<_> = accounts.iter().filter_map(|account| Some(&governance.accounts.get(account)?.brand)).collect();
    let people = governance.people.values();
    people.filter(|person| brands.iter().any(|brand| person.may_approve(brand))).map(|one| one.id.clone()).collect()
}

/// Operators of the gateway as a whole.
pub(super) fn operators(governance: &Governance) -> BTreeSet<PersonId> {
    governance.people.values().filter(|person| person.is_operator()).map(|person| person.id.clone()).collect()
}

fn known(governance: &Governance, person: PersonId) -> Option<PersonId> {
    governance.people.contains_key(&person).then_some(person)
}
