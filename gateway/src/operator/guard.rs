//! Who may come in: a key of a person who is an operator under the governance of the moment.

use std::sync::Arc;

use axum::{extract::FromRequestParts, http::request::Parts};

use super::{By, answer::Problem, keys::is_operator};
use crate::{
    call::{Caller, authenticate::authenticate, journey::Journey},
    doors::caller::shown,
    gateway::Gateway,
    limits::Counted,
    model::Principal,
    refusal::{Refusal, Stage, problem},
};

/// An operator, as an argument of a handler. The key is checked before the body is read.
pub struct Operator(pub By);

impl FromRequestParts<Arc<Gateway>> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gateway: &Arc<Gateway>) -> Result<Self, Problem> {
        if gateway.stopping.is_set() {
            return Err(Refusal::new(problem::SHUTTING_DOWN, Stage::Door, "The gateway is stopping.").into());
        }
        // No certificates there: operators are people, who show keys.
        let caller = authenticate(gateway, shown(&parts.headers, &parts.extensions, &[])).await?.at_door("operator");
        match caller.principal() {
            Principal::Person(person) if is_operator(&gateway.governance.load(), person.as_str()) => {
                Ok(Self(By::Person(person.clone())))
            }
            _ => Err(turned_away(gateway, caller).await.into()),
        }
    }
}

/// One leaf for each key that is turned away, within the limits of its holder: nobody fills the log here.
async fn turned_away(gateway: &Gateway, caller: Caller) -> Refusal {
    let rules = gateway.governance.load_full();
    if let Err(wait) = gateway.limits.take(caller.principal(), Counted::Change, &rules.limits).await {
        let detail = "Too many requests with a key that does not open this listener.";
        return Refusal::new(problem::RATE_LIMITED, Stage::Admit, detail).retry_after(wait.as_secs().saturating_add(1));
    }
    let detail = "Only the key of a person with the role `operator` opens this listener. Roles stand in people.toml.";
    let refusal = Refusal::new(problem::NO_GRANT, Stage::Authorise, detail);
    Journey::begin(&caller).refuse(gateway, refusal).await
}
