//! Admit: does the call fit the limits that protect the gate and share it fairly?

use std::time::Duration;

use super::{Caller, Permit};
use crate::{
    gateway::Gateway,
    limits::Counted,
    model::Principal,
    refusal::{Refusal, Stage, problem},
};

/// Proof that the call fits the limits.
#[derive(Clone)]
pub struct Admission {
    permit: Permit,
}

impl Admission {
    /// The admitted call's permit.
    pub fn permit(&self) -> &Permit {
        &self.permit
    }
}

/// Takes the calls of one request from the caller's allowance, all or none.
#[tracing::instrument(target = "pressgate::span", name = "admit", skip_all)]
pub async fn admit(gateway: &Gateway, permits: Vec<Permit>) -> Result<Vec<Admission>, Refusal> {
    let Some(first) = permits.first() else { return Ok(Vec::new()) };
    let (principal, governance) = (first.call().caller().principal(), first.call().governance());
    let classes: Vec<_> = permits.iter().map(|permit| permit.call().draft().action.class()).collect();
    match gateway.limits.take_calls(principal, &classes, &governance.limits).await {
        Ok(()) => Ok(permits.into_iter().map(|permit| Admission { permit }).collect()),
        Err(wait) => Err(exceeded(principal, "makes more calls", wait)),
    }
}

/// Takes one request from the caller's allowance, whatever becomes of it. Refusals for the limit are summed in the log, like
/// those of strangers: a key does not fill it.
#[tracing::instrument(target = "pressgate::span", name = "admit", skip_all)]
pub async fn admit_request(gateway: &Gateway, caller: &Caller, only_reads: bool) -> Result<(), Refusal> {
    let (counted, does) =
        if only_reads { (Counted::Read, "reads more often") } else { (Counted::Change, "makes more requests") };
    take(gateway, caller, counted, does).await
}

/// Takes one read of a feed from an allowance of its own, so that whoever has an address takes nothing from its maker's.
pub async fn admit_feed(gateway: &Gateway, caller: &Caller) -> Result<(), Refusal> {
    take(gateway, caller, Counted::Feed, "has its feeds read more often").await
}

async fn take(gateway: &Gateway, caller: &Caller, counted: Counted, does: &str) -> Result<(), Refusal> {
    let rules = gateway.governance.load_full();
    gateway.limits.take(caller.principal(), counted, &rules.limits).await.map_err(|wait| {
        gateway.strangers.count_limited(caller, gateway.clock.now());
        exceeded(caller.principal(), does, wait)
    })
}

fn exceeded(principal: &Principal, does: &str, wait: Duration) -> Refusal {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let detail = format!("{principal} {does} than its limit allows. Try again in {seconds} s.");
    Refusal::new(problem::RATE_LIMITED, Stage::Admit, detail).retry_after(seconds)
}

/// A call that goes on was counted when it was accepted.
pub fn admitted_before(permit: Permit) -> Admission {
    Admission { permit }
}
