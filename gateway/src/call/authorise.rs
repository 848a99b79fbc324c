//! Authorise: may the caller do this? Deny by default; the deciding grant is named.

use std::sync::Arc;

use super::{Call, Caller, duties};
use crate::{
    config::{Decision, Governance, NoRight, decide},
    gateway::Gateway,
    model::{Account, Action, Grant, GrantId, Principal},
    refusal::{Fault, Refusal, Stage, problem},
    telemetry::{self, spans::key},
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
#[tracing::instrument(target = "pressgate::span", name = "authorise", skip_all)]
pub fn authorise(gateway: &Gateway, call: Call) -> Result<Permit, Refusal> {
    tell(&call);
    let grant = allowed(gateway, call.governance(), &call, call.account())?;
    telemetry::note(key::GRANT, || grant.id.to_string());
    Ok(Permit { call, grant })
}

/// Whose call it is, and what for, as ids.
fn tell(call: &Call) {
    let (caller, account) = (call.caller(), call.account());
    match caller.principal() {
        Principal::App(app) => telemetry::note(key::APP, || app.to_string()),
        Principal::Person(person) => telemetry::note(key::PERSON, || person.to_string()),
    }
    if let Some(person) = caller.on_behalf_of() {
        telemetry::note(key::ON_BEHALF_OF, || person.to_string());
    }
    telemetry::note(key::ACCOUNT, || account.id.to_string());
    telemetry::note(key::BRAND, || account.brand.to_string());
    telemetry::note(key::ACTION, || call.draft().action.to_string());
    telemetry::note(key::POST, || call.post().to_string());
}

/// Asks again under the governance of this moment, just before the first effect: when `apply` has answered, no call starts
/// under a grant that it revoked, on an account that it took away or as it was before.
pub fn still_allowed(gateway: &Gateway, permit: &Permit) -> Result<(), Refusal> {
    let governance = gateway.governance.load();
    let was = permit.call.account();
    let Some(account) = governance.accounts.get(&was.id) else {
        let detail = format!("There is no account `{}` any more.", was.id);
        return Err(Refusal::new(problem::UNKNOWN_ACCOUNT, Stage::Authorise, detail));
    };
    if account != was {
        let detail = format!("The account `{}` was changed while the call was on its way; it starts again.", was.id);
        return Err(Refusal::new(problem::STATE_UNAVAILABLE, Stage::Authorise, detail).retry_after(1));
    }
    allowed(gateway, &governance, &permit.call, account).map(drop)
}

fn allowed(gateway: &Gateway, governance: &Governance, call: &Call, account: &Account) -> Result<Arc<Grant>, Refusal> {
    let grant = granted(gateway, governance, call, account, call.draft().action)?;
    // What shows media also uploads them; a post that is taken back does not.
    let shows = call.draft().parts.iter().any(|part| !part.media.is_empty());
    if shows && call.draft().action != Action::POST_DELETE {
        granted(gateway, governance, call, account, Action::MEDIA_UPLOAD)?;
    }
    Ok(grant)
}

/// May the caller write a draft of this? Whoever may publish may; courses and guidelines are asked for when it is submitted.
///
/// # Errors
/// As [`authorise`].
pub fn may_draft(gateway: &Gateway, call: &Call) -> Result<GrantId, Refusal> {
    let (caller, account, action) = (call.caller(), call.account(), call.draft().action);
    let (principal, behalf) = (caller.principal(), caller.on_behalf_of());
    match decide(call.governance(), principal, behalf, account, action, gateway.clock.now()) {
        Decision::Granted { grant, .. } => Ok(grant.id.clone()),
        Decision::Refused { reason } => Err(no_right(caller, account, action, &reason)),
    }
}

fn no_right(caller: &Caller, account: &Account, action: Action, reason: &NoRight) -> Refusal {
    let kind = match reason {
        NoRight::Denied { .. } => problem::DENIED,
        _ => problem::NO_GRANT,
    };
    let detail = format!("{} may not do `{action}` on `{}`: {reason}.", caller.principal(), account.id);
    of_account(Refusal::new(kind, Stage::Authorise, detail), account)
}

fn granted(
    gateway: &Gateway,
    governance: &Governance,
    call: &Call,
    account: &Account,
    action: Action,
) -> Result<Arc<Grant>, Refusal> {
    let caller = call.caller();
    let (principal, behalf) = (caller.principal(), caller.on_behalf_of());
    match decide(governance, principal, behalf, account, action, gateway.clock.now()) {
        Decision::Granted { grant, act_for_grant, .. } => {
            let decided = [Some(&*grant), act_for_grant.as_deref()];
            let other = duties::check(gateway, governance, caller, (account, action), decided)
                .map_err(|refusal| of_account(refusal, account))?;
            let named = |id| governance.grants.iter().find(|known| known.id == id).map(Arc::clone);
            Ok(other.and_then(named).unwrap_or(grant))
        }
        Decision::Refused { reason } => Err(no_right(caller, account, action, &reason)),
    }
}

/// The refusal, with its account named.
fn of_account(refusal: Refusal, account: &Account) -> Refusal {
    let fault = Fault {
        pointer: None,
        account: Some(account.id.to_string()),
        code: refusal.problem.slug.into(),
        message: refusal.detail.clone(),
        measured: None,
        allowed: None,
    };
    refusal.with_faults(vec![fault])
}
