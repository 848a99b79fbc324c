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

/// Takes one call from the caller's allowance.
pub fn admit(gateway: &Gateway, permit: Permit) -> Result<Admission, Refusal> {
    let principal = permit.call().caller().principal();
    let rules = &permit.call().governance().limits;
    match gateway.limits.take(principal, Counted::Call, rules) {
        Ok(()) => Ok(Admission { permit }),
        Err(wait) => Err(exceeded(principal, "makes more calls", wait)),
    }
}

/// Takes one request from the caller's allowance, whatever becomes of it. Refusals for the limit are summed in the log, like
/// those of strangers: a key does not fill it.
pub fn admit_request(gateway: &Gateway, caller: &Caller, only_reads: bool) -> Result<(), Refusal> {
    let (counted, does) =
        if only_reads { (Counted::Read, "reads more often") } else { (Counted::Change, "makes more requests") };
    let rules = gateway.governance.load();
    gateway.limits.take(caller.principal(), counted, &rules.limits).map_err(|wait| {
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
