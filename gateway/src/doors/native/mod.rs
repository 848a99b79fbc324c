//! The native door: a network's own API, for clients that speak it already. They point at the gateway and show a Pressgate key where
//! the network's token would be; the request goes on with the account's credential, and nothing else of it changes.
//!
//! An account is reached by path (`/native/{account}/…`) and, where `native.domain` is set, by host name (`{account}.<domain>`), since
//! some clients drop the path of a base address.

mod address;
mod answer;
mod form;
mod request;
mod token;

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};

pub(super) use self::address::Addressed;
use crate::{
    call::{
        Approved, Caller,
        admit::{admit, admit_request},
        approve::approve,
        authenticate::{NATIVE, authenticate},
        authorise::authorise,
        classify,
        clear::clear,
        journey::Journey,
        record, review,
        send::relay,
    },
    doors::{caller::wait, problem::Problem},
    gateway::Gateway,
    host::{PluginRequest, PluginResponse, Release},
    listen::Source,
    model::{Account, Outcome, PostId},
    records::MediaRecord,
    refusal::{Fault, Refusal, Stage, problem},
};

/// Takes what is addressed to an account, by path or by host name, and passes the rest on.
pub async fn native(State(gateway): State<Arc<Gateway>>, request: Request, next: Next) -> Response {
    match address::addressed(&gateway.config.native, gateway.config.listen.tls.is_some(), &request) {
        Some(addressed) => serve_as(&gateway, addressed, NATIVE, None, request).await,
        None => next.run(request).await,
    }
}

/// One request of a client, from its arrival to the answer.
struct Arrival {
    account: Arc<Account>,
    adapter: Arc<Release>,
    caller: Caller,
    call: PostId,
    /// Without key and body of the client, for an answer in the network's shape.
    request: PluginRequest,
    medium: Option<MediaRecord>,
    /// How long the client wants to wait for room in a budget.
    patience: Option<Duration>,
}

/// Serves a request of the network's own API that came in by `door`. A key that was shown elsewhere than in the request is `presented`:
/// what stands in the request in place of one counts for nothing then, and does not travel on either.
pub(super) async fn serve_as(
    gateway: &Arc<Gateway>,
    addressed: Addressed,
    door: &'static str,
    presented: Option<&str>,
    request: Request,
) -> Response {
    let source = request.extensions().get::<Source>().map_or(IpAddr::from([0, 0, 0, 0]), |source| source.0);
    if gateway.stopping.is_set() {
        return Problem::from(Refusal::new(problem::SHUTTING_DOWN, Stage::Door, "The gateway is stopping."))
            .into_response();
    }
    let governance = gateway.governance.load_full();
    let account = governance.accounts.get(addressed.account.as_str()).map(Arc::clone);
    let snapshot = gateway.registry.snapshot();
    let found = account.and_then(|account| {
        let adapter = snapshot.adapters.get(&account.adapter).map(Arc::clone)?;
        Some((account, adapter))
    });
    let Some((account, adapter)) = found else {
        return Problem::from(unknown(gateway, &addressed, source, &request)).into_response();
    };
    let places = adapter.description().map(|description| description.client_token.clone()).unwrap_or_default();
    let base = addressed.base.clone();
    let (parts, body) = request.into_parts();
    let patience = wait(&parts.headers);
    let mut shown = request::shown(&account, &addressed, &parts);
    let origin = addressed.origin.unwrap_or_else(|| account.origin());
    let taken = token::take(&places, &mut shown);
    let key = presented.or(taken.as_deref());
    let safe = request::is_safe(&shown);
    let answer = match known(gateway, door, key, source, safe).await {
        Ok(caller) => {
            let call = PostId::fresh(gateway.clock.now());
            match request::read_body(gateway, &caller, &account, &parts, body, &mut shown).await {
                Ok(medium) => {
                    let (account, adapter) = (Arc::clone(&account), Arc::clone(&adapter));
                    let arrival = Arrival { account, adapter, caller, call, request: shown.clone(), medium, patience };
                    pass(gateway, arrival).await
                }
                Err(refusal) => Err(close(gateway, &caller, &account, None, refusal).await),
            }
        }
        Err(refusal) => Err(refusal),
    };
    match answer {
        Ok(answer) => answer::of_network(answer, &origin, &base),
        Err(refusal) => answer::refused(&adapter, refusal, &shown).await,
    }
}

/// Who it is, and within its limits: both before the body is read, which may fill a disk.
async fn known(
    gateway: &Gateway,
    door: &'static str,
    key: Option<&str>,
    source: IpAddr,
    safe: bool,
) -> Result<Caller, Refusal> {
    let authorization = key.map(|key| format!("Bearer {key}"));
    let caller = authenticate(gateway, authorization.as_deref(), source)?.at_door(door);
    admit_request(gateway, &caller, safe).await?;
    Ok(caller)
}

/// Who shows no key hears nothing of which accounts there are.
fn unknown(gateway: &Gateway, addressed: &Addressed, source: IpAddr, request: &Request) -> Refusal {
    let shown = request.headers().get(axum::http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    match authenticate(gateway, shown, source) {
        Ok(_) => {
            let detail = format!("There is no account `{}`. GET /v1/accounts lists yours.", addressed.account);
            Refusal::new(problem::NOT_FOUND, Stage::Classify, detail)
        }
        Err(refusal) => refusal,
    }
}

/// The path of the call, stage by stage.
async fn pass(gateway: &Arc<Gateway>, arrival: Arrival) -> Result<PluginResponse, Refusal> {
    let Arrival { account, caller, call, request, medium, .. } = &arrival;
    let safe = request::is_safe(request);
    let classified = classify::native::native(gateway, caller, call, account, request, medium.as_ref()).await;
    let call = match classified {
        Ok(call) => call,
        Err(refusal) => return Err(close(gateway, caller, account, None, refusal).await),
    };
    let journey = || {
        let said = call.draft().parts.first().map(|part| part.text.as_str()).unwrap_or_default();
        Journey::begin(caller).wanting(call.draft().action, Some(call.post())).saying(said)
    };
    let reads = call.draft().action.is_read();
    let cleared = async {
        if reads != safe {
            let detail =
                format!("`{}` by {} is not what the network's documents say.", call.draft().action, request.method);
            return Err(Refusal::new(problem::NOT_CLASSIFIED, Stage::Classify, detail));
        }
        let permit = authorise(gateway, call.clone())?;
        let admissions = admit(gateway, vec![permit]).await?;
        let admission = admissions
            .into_iter()
            .next()
            .ok_or_else(|| Refusal::new(problem::INTERNAL, Stage::Admit, "The call was admitted and is not there."))?;
        let judgement = review::judge(gateway, admission).await?;
        let approval = match approve(judgement, None) {
            Approved::Yes(approval) => *approval,
            Approved::Held(judgement) => return Err(held(&judgement)),
        };
        clear(gateway, approval, arrival.patience).await
    };
    let clearance = match cleared.await {
        Ok(clearance) => clearance,
        Err(refusal) => return Err(close(gateway, caller, account, Some(journey()), refusal).await),
    };
    let mut request = request.clone();
    request.credential = arrival.adapter.manifest().credentials.first().map(|credential| credential.label.clone());
    if reads {
        return relay::look(record::look(gateway, clearance).await?, request).await;
    }
    let digest = request.digest();
    let passage = match record::pass(gateway, clearance, &digest).await {
        Ok(passage) => passage,
        Err(refusal) => return Err(close(gateway, caller, account, Some(journey()), refusal).await),
    };
    relay::relay(passage, request).await
}

/// What a policy holds can't wait here: a client of the network's own API hears now or never.
fn held(judgement: &crate::call::Judgement) -> Refusal {
    let holding = judgement.verdicts().iter().filter(|verdict| verdict.outcome == Outcome::Hold);
    let names = holding.map(|verdict| verdict.policy.as_str()).collect::<Vec<_>>().join(", ");
    let detail = format!(
        "A person must approve this first ({names}). Nothing was sent. Submit it with POST /v1/posts, where it waits for an approver."
    );
    Refusal::new(problem::NEEDS_APPROVAL, Stage::Approve, detail).with_verdicts(judgement.verdicts().to_vec())
}

/// Closes the journey with a refusal that names the account.
async fn close(
    gateway: &Gateway,
    caller: &Caller,
    account: &Account,
    journey: Option<Journey>,
    mut refusal: Refusal,
) -> Refusal {
    if refusal.faults.iter().all(|fault| fault.account.is_none()) {
        let (code, message) = (refusal.problem.slug.to_owned(), refusal.detail.clone());
        let account = Some(account.id.to_string());
        refusal.faults.push(Fault { pointer: None, account, code, message, measured: None, allowed: None });
    }
    journey.unwrap_or_else(|| Journey::begin(caller)).refuse(gateway, refusal).await
}
