//! Logins of clients, which the gateway answers itself: a key opens a session at one account, whose tokens then stand for it. No
//! password of the network is outside of the vault, and no token of the network leaves the gateway.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Arrival, token};
use crate::{
    call::{Caller, record},
    gateway::Gateway,
    host::{Login, PluginResponse, SessionView},
    keys::{Session, Tokens, Use},
    model::Account,
    records::{KeyRecord, RecordsError},
    refusal::{Refusal, Stage, problem},
};

/// Answers a login. What was done is in the log before the client hears.
pub(super) async fn login(gateway: &Arc<Gateway>, arrival: &Arrival, login: Login) -> Result<PluginResponse, Refusal> {
    let Arrival { caller, account, adapter, request, .. } = arrival;
    fits(caller.session(), login)?;
    has_a_grant(gateway, caller, account)?;
    let now = gateway.clock.now();
    let ending = if login == Login::End { Some(ended(gateway, arrival, now)?) } else { None };
    let tokens = match login {
        Login::Open | Login::OpenLasting => {
            let lasts = login == Login::OpenLasting;
            let opened = gateway.sessions.open(&*key(gateway, caller)?, &account.id, lasts, now);
            Some(opened.map_err(|error| unavailable(&error))?)
        }
        Login::Renew => {
            let key = key(gateway, caller)?;
            let renewed = match caller.session() {
                Some(session) => gateway.sessions.renew(&key, &account.id, session, now),
                // Who still shows the key, as in a tunnel, gets a session anew.
                None => gateway.sessions.open(&key, &account.id, false, now),
            };
            Some(renewed.map_err(|error| unavailable(&error))?)
        }
        Login::Look | Login::End => None,
    };
    let session = tokens.as_ref().map(|tokens| &tokens.session).or(ending.as_ref().map(|ending| &ending.id));
    record::login(gateway, caller, account, word(login), session.cloned()).await?;
    if let Some(session) = ending {
        gateway.sessions.end(gateway.records.as_ref(), &session, now).await.map_err(|error| unavailable(&error))?;
    }
    let facts = match login {
        // Nothing of the account is in the answer.
        Login::End => None,
        _ => gateway.facts.of(gateway, account, adapter).await,
    };
    let ends = caller.session().map_or(now, |session| session.expires_at);
    let view = match tokens {
        Some(Tokens { access, refresh, created_at, expires_at, .. }) => {
            SessionView { access: Some(access), refresh, created_at, expires_at, facts }
        }
        None => SessionView { access: None, refresh: None, created_at: now, expires_at: ends, facts },
    };
    adapter.render_session(account, login, &view, request).await.map_err(|error| {
        Refusal::new(problem::PLUGIN_FAILED, Stage::Classify, "The adapter can't answer this login.").because(&error)
    })
}

/// The session that a logout names: in the body, or the one that was shown. A key's holder ends only sessions of that key.
fn ended(gateway: &Gateway, arrival: &Arrival, now: Timestamp) -> Result<Session, Refusal> {
    let caller = &arrival.caller;
    let in_body = || {
        let places = arrival.adapter.description().map(|description| description.client_token.as_slice());
        token::take_from_body(places.unwrap_or_default(), &mut arrival.request.clone())
    };
    let named = arrival.named.clone().or_else(in_body);
    let named = named.and_then(|token| gateway.sessions.read(&token, &arrival.account.id, now).ok());
    named.filter(|named| named.key == *caller.key()).or_else(|| caller.session().cloned()).ok_or_else(|| {
        let detail = "There is no session to end here: show its token. A key is ended by an operator.";
        Refusal::new(problem::UNAUTHENTICATED, Stage::Authenticate, detail)
    })
}

/// A key opens, a refresh token renews, an access token looks: a stolen access token must not live on by renewing itself.
fn fits(session: Option<&Session>, login: Login) -> Result<(), Refusal> {
    let detail = match (login, session.map(|session| session.shown)) {
        (Login::Open | Login::OpenLasting, None)
        | (Login::Renew, None | Some(Use::Refresh))
        | (Login::Look, None | Some(Use::Access))
        | (Login::End, _) => return Ok(()),
        (Login::Open | Login::OpenLasting, Some(_)) => "A session is opened with a Pressgate key as the password.",
        (Login::Renew, _) => "A session is renewed with its refresh token.",
        (Login::Look, Some(Use::Refresh)) => "A refresh token is for new tokens only.",
    };
    Err(Refusal::new(problem::UNAUTHENTICATED, Stage::Authenticate, detail))
}

/// Who may do nothing there logs in nowhere, and hears it at once.
fn has_a_grant(gateway: &Gateway, caller: &Caller, account: &Account) -> Result<(), Refusal> {
    let governance = gateway.governance.load();
    let visible = governance.accounts_visible(caller.principal(), None, gateway.clock.now());
    if visible.iter().any(|seen| seen.id == account.id) {
        return Ok(());
    }
    let detail = format!("{} has no grant for `{}`.", caller.principal(), account.id);
    Err(Refusal::new(problem::NO_GRANT, Stage::Authorise, detail))
}

fn key(gateway: &Gateway, caller: &Caller) -> Result<Arc<KeyRecord>, Refusal> {
    gateway.keys.of_session(caller.key(), gateway.clock.now()).map_err(|_| {
        let detail = "Only a Pressgate key opens a session: a certificate or an access token makes calls as it is.";
        Refusal::new(problem::UNAUTHENTICATED, Stage::Authenticate, detail)
    })
}

fn unavailable(error: &RecordsError) -> Refusal {
    let detail = "The records can't be written, so no session can be kept apart from one that was ended.";
    Refusal::new(problem::STATE_UNAVAILABLE, Stage::Authenticate, detail).because(error)
}

/// What leaves call it.
fn word(login: Login) -> &'static str {
    match login {
        Login::Open | Login::OpenLasting => "session.open",
        Login::Renew => "session.renew",
        Login::Look => "session.look",
        Login::End => "session.end",
    }
}
