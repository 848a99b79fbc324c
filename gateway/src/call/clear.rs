//! Clear: is the way free? Credential, and what the network asked for.

use super::{Approval, Call};
use crate::{
    gateway::Gateway,
    refusal::{Refusal, Stage, problem},
};

/// Proof that nothing stands in the way of sending.
#[derive(Clone)]
pub struct Clearance {
    approval: Approval,
}

impl Clearance {
    /// The cleared call.
    pub fn call(&self) -> &Call {
        self.approval.call()
    }
    /// Its approval.
    pub fn approval(&self) -> &Approval {
        &self.approval
    }
}

/// Checks the account's credential and the pauses that its network asked for.
pub async fn clear(gateway: &Gateway, approval: Approval) -> Result<Clearance, Refusal> {
    let account = &approval.call().account().id;
    let endpoint = &approval.call().account().endpoint;
    for credential in &approval.call().adapter().manifest().credentials {
        let standing = gateway.vault.standing(account, &credential.label, endpoint).await.map_err(|error| {
            Refusal::new(problem::STATE_UNAVAILABLE, Stage::Clear, "The credential can't be looked up.").because(error)
        })?;
        if let Some(detail) = standing.fault(account.as_str(), &credential.label, endpoint) {
            return Err(Refusal::new(problem::CREDENTIAL_MISSING, Stage::Clear, detail));
        }
    }
    if let Some(wait) = gateway.pauses.left(account, gateway.clock.now()) {
        let seconds = wait.as_millis().unsigned_abs().div_ceil(1000) as u64;
        let detail = format!("The network asked `{account}` to pause. Try again in {seconds} s.");
        return Err(Refusal::new(problem::ACCOUNT_BUSY, Stage::Clear, detail).retry_after(seconds));
    }
    Ok(Clearance { approval })
}
