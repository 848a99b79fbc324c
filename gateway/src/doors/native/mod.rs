//! The native door: a network's own API, for clients that speak it already. They point at the gateway and show a Pressgate key where
//! the network's token would be; the request goes on with the account's credential, and nothing else of it changes.
//!
//! An account is reached by path (`/native/{account}/…`) and, where `native.domain` is set, by host name (`{account}.<domain>`), since
//! some clients drop the path of a base address.

mod address;
mod answer;
mod form;
mod login;
mod request;
mod token;
mod trail;
mod voice;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{Extensions, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use pressgate_workflow::life::Plan;

pub(super) use self::{address::Addressed, voice::Voice};
use crate::{
    call::{
        Approved, Caller, Judgement,
        admit::{admit, admit_request},
        approve::{approve, approve_unasked},
        authenticate::{NATIVE, client},
        authorise::authorise,
        classify::{
            call_name,
            native::{Asked, native as understand},
        },
        clear::clear,
        journey::Journey,
        record, review,
        send::relay::{self, Looked},
    },
    doors::{
        caller::{IDEMPOTENCY_KEY_BYTES_MAX, certificate, source, wait},
        problem::Problem,
    },
    gateway::Gateway,
    host::{PluginRequest, Release, Snapshot, TokenPlace},
    keys::Use,
    model::{Account, AccountId, ActionClass, Draft, NativeHold, Outcome, PostId},
    posts::{accept, life::Fresh, times},
    records::MediaRecord,
    refusal::{Fault, Refusal, Stage, problem},
    telemetry::{self, spans::key},
};

/// Takes what is addressed to an account, by path or by host name, and passes the rest on.
pub async fn native(State(gateway): State<Arc<Gateway>>, request: Request, next: Next) -> Response {
    match address::addressed(&gateway.config.native, gateway.config.listen.tls.is_some(), &request) {
        Some(addressed) => {
            telemetry::note(key::DOOR, || NATIVE);
            serve_as(&gateway, addressed, NATIVE, None, request).await
        }
        None => next.run(request).await,
    }
}

/// Everything that a listener of one account's own serves.
pub fn router(gateway: Arc<Gateway>, account: AccountId) -> Router {
    let whole = move |State(gateway): State<Arc<Gateway>>, request: Request| async move {
        match address::of_listener(&account, gateway.config.listen.tls.is_some(), &request) {
            Some(addressed) => serve_as(&gateway, addressed, NATIVE, None, request).await,
            None => {
                let detail = "The request names no host.";
                Problem::from(Refusal::new(problem::MALFORMED, Stage::Door, detail)).into_response()
            }
        }
    };
    Router::new().fallback(whole).with_state(gateway)
}

/// One request of a client, from its arrival to the answer.
struct Arrival {
    account: Arc<Account>,
    adapter: Arc<Release>,
    /// The plugins as they were when it came.
    snapshot: Arc<Snapshot>,
    caller: Caller,
    call: PostId,
    /// Without token and body of the client, for an answer in the network's shape.
    request: PluginRequest,
    /// What stood in the body in place of a token, where the key was shown elsewhere.
    named: Option<String>,
    /// The token, or a key, stands in a second place.
    token_left: bool,
    medium: Option<MediaRecord>,
    /// How long the client wants to wait for room in a budget.
    patience: Option<Duration>,
}

/// How a request came in, and for what.
#[derive(Clone, Copy)]
struct Way<'a> {
    door: &'static str,
    /// A key that was shown elsewhere than in the request.
    presented: Option<&'a str>,
    account: &'a Arc<Account>,
    adapter: &'a Arc<Release>,
    call: &'a PostId,
    snapshot: &'a Arc<Snapshot>,
}

/// Why a request goes no further, and who hears it.
enum Turned {
    /// Nobody knows who it is: no word of the answer may depend on the account.
    Stranger(Refusal),
    /// A known caller.
    Caller(Refusal),
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
    let (parts, body) = request.into_parts();
    let snapshot = gateway.registry.snapshot();
    let voice = || Voice::of(&snapshot, parts.method.as_str(), &addressed.path);
    if gateway.stopping.is_set() {
        return voice().say(Refusal::new(problem::SHUTTING_DOWN, Stage::Door, "The gateway is stopping.")).await;
    }
    let governance = gateway.governance.load_full();
    let account = governance.accounts.get(addressed.account.as_str()).map(Arc::clone);
    let call = PostId::fresh(gateway.clock.now());
    let found = account.and_then(|account| {
        let adapter = snapshot.adapter_for(&account, &call_name(&call, &account.id)).map(Arc::clone)?;
        Some((account, adapter))
    });
    let Some((account, adapter)) = found else {
        let refusal = nowhere(gateway, &snapshot, &addressed, (door, presented), &parts, body).await;
        return voice().say(refusal).await;
    };
    let origin = addressed.origin.clone().unwrap_or_else(|| account.origin());
    let mut shown = request::shown(&origin, &addressed, &parts);
    let way = Way { door, presented, account: &account, adapter: &adapter, call: &call, snapshot: &snapshot };
    let answer = match arrive(gateway, way, &parts, body, &mut shown).await {
        Ok(arrival) => pass(gateway, arrival).await,
        Err(Turned::Caller(refusal)) => Err(refusal),
        Err(Turned::Stranger(refusal)) => return voice().say(voice::to_stranger(refusal)).await,
    };
    match answer {
        Ok(answer) if answer::leads_elsewhere(&answer, &origin) => {
            let detail = "The network leads to another host, where nothing of this account goes. Ask an operator: the account's endpoint may have changed.";
            let refusal = Refusal::new(problem::PLATFORM_UNAVAILABLE, Stage::Send, detail);
            answer::refused(&adapter, refusal, &shown).await
        }
        Ok(answer) => answer::of_network(answer, &origin, &addressed.base),
        Err(refusal) => answer::refused(&adapter, refusal, &shown).await,
    }
}

/// Who it is, and what the request says, with its body.
async fn arrive(
    gateway: &Gateway,
    way: Way<'_>,
    parts: &Parts,
    body: Body,
    shown: &mut PluginRequest,
) -> Result<Arrival, Turned> {
    let Way { presented, account, adapter, door, call, snapshot } = way;
    let description = adapter.description();
    let places = description.map(|description| description.client_token.as_slice()).unwrap_or_default();
    let headers = description.map(|description| description.client_headers.as_slice()).unwrap_or_default();
    let media = description.map(|description| description.client_media.as_slice()).unwrap_or_default();
    let (token, body) = token_of(gateway, places, presented, parts, body, shown).await.map_err(Turned::Stranger)?;
    let safe = request::is_safe(shown);
    let caller = known(gateway, token.as_deref(), (door, &account.id), &parts.extensions, safe).await?;
    match request::read_body(gateway, (&caller, account), (headers, media), parts, body, shown).await {
        Ok(medium) => {
            // What the client thinks is the network's; at a logout it names the session.
            let named = presented.and_then(|_| token::take_from_body(places, shown));
            let token_left = token.as_deref().is_some_and(|token| token::is_left(shown, token));
            let (account, adapter) = (Arc::clone(account), Arc::clone(adapter));
            let (call, snapshot) = (call.clone(), Arc::clone(snapshot));
            let patience = wait(&parts.headers);
            let request = shown.clone();
            Ok(Arrival { account, adapter, snapshot, caller, call, request, named, token_left, medium, patience })
        }
        Err(refusal) => Err(Turned::Caller(close(gateway, &caller, account, None, refusal).await)),
    }
}

/// What a request shows in place of the network's token, and what is left of its body.
async fn token_of(
    gateway: &Gateway,
    places: &[TokenPlace],
    presented: Option<&str>,
    parts: &Parts,
    body: Body,
    shown: &mut PluginRequest,
) -> Result<(Option<String>, Body), Refusal> {
    let token = token::take(places, shown);
    if presented.is_some() {
        return Ok((presented.map(str::to_owned), body));
    }
    if token.is_some() || !token::may_be_in_body(places) {
        return Ok((token, body));
    }
    let body = request::read_login(gateway, parts, body, shown).await?;
    Ok((token::take_from_body(places, shown), body))
}

/// Who it is, and within its limits: both before the body is read, which may fill a disk.
async fn known(
    gateway: &Gateway,
    token: Option<&str>,
    (door, account): (&'static str, &AccountId),
    extensions: &Extensions,
    safe: bool,
) -> Result<Caller, Turned> {
    let (names, source) = (certificate(extensions), source(extensions));
    let caller = client(gateway, token, &names, account, source).await.map_err(Turned::Stranger)?.at_door(door);
    admit_request(gateway, &caller, safe).await.map_err(Turned::Caller)?;
    Ok(caller)
}

/// The answer where there is no such account. Who shows no key hears nothing of which accounts there are, and the same work is done.
async fn nowhere(
    gateway: &Gateway,
    snapshot: &Snapshot,
    addressed: &Addressed,
    (door, presented): (&'static str, Option<&str>),
    parts: &Parts,
    body: Body,
) -> Refusal {
    let mut shown = voice::unaddressed(addressed, parts);
    let safe = request::is_safe(&shown);
    let id = AccountId::new(addressed.account.as_str());
    let caller = match token_of(gateway, &voice::places(snapshot), presented, parts, body, &mut shown).await {
        Ok((token, _)) => known(gateway, token.as_deref(), (door, &id), &parts.extensions, safe).await,
        Err(refusal) => Err(Turned::Stranger(refusal)),
    };
    match caller {
        Ok(_) => {
            let detail = format!("There is no account `{}`. GET /v1/accounts lists yours.", addressed.account);
            Refusal::new(problem::NOT_FOUND, Stage::Classify, detail)
        }
        Err(Turned::Caller(refusal)) => refusal,
        Err(Turned::Stranger(refusal)) => voice::to_stranger(refusal),
    }
}

/// The path of the call, stage by stage.
async fn pass(gateway: &Arc<Gateway>, arrival: Arrival) -> Result<Looked, Refusal> {
    let Arrival { account, caller, call, request, medium, .. } = &arrival;
    let safe = request::is_safe(request);
    let asking = || Journey::begin(caller).asking(&request.method, trail::of(&arrival.adapter, request));
    let plugins = (Arc::clone(&arrival.snapshot), Arc::clone(&arrival.adapter));
    let classified = understand(gateway, caller, call, account, request, medium.as_ref(), plugins).await;
    let (call, says_all) = match classified {
        Ok(Asked::Call(call, says_all)) => (call, says_all),
        Ok(Asked::Login(wanted)) => {
            return match login::login(gateway, &arrival, wanted).await {
                Ok(answer) => Ok(Looked::Whole(answer)),
                Err(refusal) => Err(close(gateway, caller, account, None, refusal).await),
            };
        }
        Err(refusal) => return Err(close(gateway, caller, account, Some(asking()), refusal).await),
    };
    let journey = || {
        let said = call.draft().parts.first().map(|part| part.text.as_str()).unwrap_or_default();
        asking().wanting(call.draft().action, Some(call.post())).saying(said)
    };
    let reads = call.draft().action.is_read();
    let cleared = async {
        if caller.session().is_some_and(|session| session.shown == Use::Refresh) {
            let detail = "A refresh token is for new tokens only.";
            return Err(Refusal::new(problem::UNAUTHENTICATED, Stage::Authenticate, detail));
        }
        if arrival.token_left {
            let detail = "The Pressgate key stands in a second place of the request, and it must not travel on.";
            return Err(Refusal::new(problem::NOT_CLASSIFIED, Stage::Door, detail));
        }
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
        let approval = match agreed(gateway, judgement) {
            Approved::Yes(approval) => *approval,
            Approved::Held(judgement) => return Err(held(gateway, *judgement, request, says_all).await),
        };
        in_no_blackout(gateway, approval.call().account(), approval.call().draft())?;
        clear(gateway, approval, arrival.patience).await
    };
    let clearance = match cleared.await {
        Ok(clearance) => clearance,
        Err(refusal) => return Err(close(gateway, caller, account, Some(journey()), refusal).await),
    };
    let mut request = request.clone();
    // Of the adapter that understood the request: another may serve by now.
    let adapter = clearance.call().adapter();
    request.credential = adapter.manifest().credentials.first().map(|credential| credential.label.clone());
    if reads {
        return relay::look(record::look(gateway, clearance).await?, request).await;
    }
    let digest = request.digest();
    let passage = match record::pass(gateway, clearance, &digest).await {
        Ok(passage) => passage,
        Err(refusal) => return Err(close(gateway, caller, account, Some(journey()), refusal).await),
    };
    relay::relay(passage, request).await.map(Looked::Whole)
}

/// What publishes, publishes at once here: no blackout of the account's brand is on.
fn in_no_blackout(gateway: &Gateway, account: &Account, draft: &Draft) -> Result<(), Refusal> {
    let publishes = matches!(draft.action.class(), ActionClass::Post | ActionClass::Reply);
    if draft.action.is_read() || !publishes {
        return Ok(());
    }
    let now = Plan::Now { until: None };
    let accounts = std::slice::from_ref(&account.id);
    let free = times::is_free(gateway, accounts, &draft.labels, draft.campaign.as_deref(), &now);
    // The network's own request has no place for a time.
    free.map_err(|refusal| Refusal { faults: Vec::new(), ..refusal })
}

/// Whether anybody's agreement is missing: rules of approvals are about what says something, whichever way it comes.
fn agreed(gateway: &Gateway, judgement: Judgement) -> Approved {
    let draft = judgement.call().draft();
    if draft.action.is_read() || draft.parts.is_empty() {
        return approve_unasked(judgement);
    }
    let fresh = Fresh::of_call(gateway, &judgement);
    approve(judgement, fresh.life(), &fresh.facts())
}

/// What a policy holds can't wait here: a client of the network's own API hears now or never. Where the account says so it is kept
/// as a held post, if a post can say all of it.
async fn held(gateway: &Arc<Gateway>, judgement: Judgement, request: &PluginRequest, says_all: bool) -> Refusal {
    let verdicts = judgement.verdicts().to_vec();
    let holding = verdicts.iter().filter(|verdict| verdict.outcome == Outcome::Hold);
    let names = holding.map(|verdict| verdict.policy.as_str()).collect::<Vec<_>>().join(", ");
    let names = if names.is_empty() { "approvals.toml".to_owned() } else { names };
    let first = format!("A person must approve this first ({names}). Nothing was sent.");
    let keeps = judgement.call().account().native_hold == NativeHold::Draft;
    let detail = match keeps && says_all {
        true => match accept::keep_held(gateway, judgement, once(request)).await {
            Ok(post) => format!("{first} It is kept as the held post `{post}`, and goes out once it is approved."),
            Err(refusal) => return refusal,
        },
        false if keeps => format!("{first} A post can't say all that this request does, so it is not kept either."),
        false => format!("{first} Submit it with POST /v1/posts, where it waits for an approver."),
    };
    Refusal::new(problem::NEEDS_APPROVAL, Stage::Approve, detail).with_verdicts(verdicts)
}

/// The client's `Idempotency-Key`, with what it stands for.
fn once(request: &PluginRequest) -> Option<(String, String)> {
    let (_, key) = request.headers.iter().find(|(name, _)| name == "idempotency-key")?;
    (key.len() <= IDEMPOTENCY_KEY_BYTES_MAX).then(|| (key.clone(), request.digest()))
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
