//! Admit: does the call fit the limits that protect the gate and share it fairly?

use super::Permit;
use crate::{
    gateway::Gateway,
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
    match gateway.limits.take(principal, rules) {
        Ok(()) => Ok(Admission { permit }),
        Err(wait) => {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            let detail = format!("{principal} makes more calls than its limit allows. Try again in {seconds} s.");
            Err(Refusal::new(problem::RATE_LIMITED, Stage::Admit, detail).retry_after(seconds))
        }
    }
}

/// A call that goes on was counted when it was accepted.
pub fn admitted_before(permit: Permit) -> Admission {
    Admission { permit }
}
