//! Authorise: may the caller do this? Deny by default; the deciding grant is named.

use std::sync::Arc;

use super::Call;
use crate::{
    config::{Decision, Governance, NoRight, decide},
    gateway::Gateway,
    model::{Action, Grant},
    refusal::{Fault, Refusal, Stage, problem},
};

/// Proof that a grant allows the call.
#[derive(Clone)]
pub struct Permit {
    call: Call,
    grant: Arc<Grant>,
}

impl Permit {
    /// The permitted call.
    pub fn call(&self) -> &Call {
        &self.call
    }
    /// The grant that decided.
    pub fn grant(&self) -> &Arc<Grant> {
        &self.grant
    }
}

/// Looks for a grant.
pub fn authorise(gateway: &Gateway, call: Call) -> Result<Permit, Refusal> {
    let grant = allowed(gateway, call.governance(), &call)?;
    Ok(Permit { call, grant })
}

/// Asks again under the governance of this moment, just before the first effect: when `apply` has answered, no call starts
/// under a grant that it revoked.
pub fn still_allowed(gateway: &Gateway, permit: &Permit) -> Result<(), Refusal> {
    allowed(gateway, &gateway.governance.load(), &permit.call).map(drop)
}

fn allowed(gateway: &Gateway, governance: &Governance, call: &Call) -> Result<Arc<Grant>, Refusal> {
    let grant = granted(gateway, governance, call, call.draft().action)?;
    // What shows media also uploads them; a post that is taken back does not.
    let shows = call.draft().parts.iter().any(|part| !part.media.is_empty());
    if shows && call.draft().action != Action::POST_DELETE {
        granted(gateway, governance, call, Action::MEDIA_UPLOAD)?;
    }
    Ok(grant)
}

fn granted(gateway: &Gateway, governance: &Governance, call: &Call, action: Action) -> Result<Arc<Grant>, Refusal> {
    let caller = call.caller();
    let account = call.account();
    let reason =
        match decide(governance, caller.principal(), caller.on_behalf_of(), account, action, gateway.clock.now()) {
            Decision::Granted { grant, .. } => return Ok(grant),
            Decision::Refused { reason } => reason,
        };
    let kind = match reason {
        NoRight::Denied { .. } => problem::DENIED,
        _ => problem::NO_GRANT,
    };
    let detail = format!("{} may not do `{action}` on `{}`: {reason}.", caller.principal(), account.id);
    let fault = Fault {
        pointer: None,
        account: Some(account.id.to_string()),
        code: kind.slug.into(),
        message: detail.clone(),
        measured: None,
        allowed: None,
    };
    Err(Refusal::new(kind, Stage::Authorise, detail).with_faults(vec![fault]))
}
