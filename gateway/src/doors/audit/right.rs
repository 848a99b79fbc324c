//! The right to read, and the leaf that says that somebody did.

use crate::{
    audit::{Leaf, leaf},
    call::{Caller, committed, record},
    config::{AuditReach, AuditScope, NoAuditRight},
    gateway::Gateway,
    index::Reach,
    model::{AuditRight, Principal},
    refusal::{Refusal, Stage, problem},
};

/// What the caller may do with the log at this moment.
///
/// # Errors
/// `no-audit-right`, which names the right.
pub fn permitted(gateway: &Gateway, caller: &Caller, right: AuditRight) -> Result<AuditScope, Refusal> {
    let scope = gateway.governance.load().audit_right(caller.principal(), right, gateway.clock.now());
    scope.map_err(|why| {
        let detail = match why {
            NoAuditRight::NoEntry { right } => format!(
                "This needs the right `{right}`, which no role gives. Ask for an [[auditor]] entry in grants.toml."
            ),
            NoAuditRight::Expired { right, entry } => {
                format!("`{entry}`, which gave the right `{right}`, has expired. Ask its owner to renew it.")
            }
        };
        Refusal::new(problem::NO_AUDIT_RIGHT, Stage::Authorise, detail)
    })
}

/// The reach of a right, as filters have it.
pub(super) fn reach(scope: &AuditScope) -> Reach {
    match &scope.reach {
        AuditReach::WholeLog => Reach::Whole,
        AuditReach::Brands(brands) => Reach::Brands(brands.clone()),
    }
}

/// Writes down that the caller read; durable when it returns the leaf's index.
///
/// # Errors
/// `audit-unavailable`: then nothing may be shown.
pub async fn note(gateway: &Gateway, caller: &Caller, read: leaf::Read) -> Result<u64, Refusal> {
    let (app, person) = match caller.principal() {
        Principal::App(app) => (Some(app.to_string()), None),
        Principal::Person(person) => (None, Some(person.to_string())),
    };
    let (commitments, beside) = committed::source(gateway, caller).await;
    let (key, door) = (Some(caller.key().to_string()), Some(caller.door().to_owned()));
    let read = leaf::Read { app, person, key, door, commitments, ..read };
    let leaf = Leaf::new(gateway.clock.now().as_millisecond(), read);
    gateway.audit.append_beside(vec![leaf], beside).await.map_err(|error| record::unavailable(&error))
}
