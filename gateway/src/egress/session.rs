//! Manifest sessions (design §3): login when needed, refresh when the network says so, one at a time for each account.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use zeroize::Zeroizing;

use super::{
    Core,
    answer::RawAnswer,
    inject::{bearer, bound},
    target::Target,
    types::{CredentialRule, Exchange, OutBody, Scope, SendFailure, SessionRule},
};
use crate::{
    model::AccountId,
    vault::{Credential, Session, VaultError},
};

/// Size of an answer to a login or a refresh.
const EXCHANGE_BYTES_MAX: usize = 256 * 1024;
/// Tokens that were in use lately are blanked as well; so many are remembered.
const TOKENS_MAX: usize = 8;
/// No new login for so long after one was refused; the networks count them.
const PAUSE_REFUSED: SignedDuration = SignedDuration::from_secs(60);
/// No new login for so long after one failed in passing.
const PAUSE_FAILED: SignedDuration = SignedDuration::from_secs(5);
/// Longest pause that a network's `Retry-After` can ask for.
const PAUSE_MAX: SignedDuration = SignedDuration::from_hours(1);

/// Sessions of all accounts.
#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<(AccountId, String), Arc<Slot>>>);

/// The session of one account's credential.
#[derive(Default)]
pub(super) struct Slot {
    /// Held while tokens are got, so that many callers cause one login.
    state: Arc<tokio::sync::Mutex<State>>,
    /// Tokens to blank, newest last.
    tokens: Mutex<Vec<SecretString>>,
}

#[derive(Default)]
struct State {
    loaded: bool,
    session: Option<Session>,
    pause: Option<Pause>,
}

/// Until when no login is tried, and what is answered instead.
struct Pause {
    credential: [u8; 32],
    until: Timestamp,
    failure: SendFailure,
}

/// How a login or refresh ended without tokens.
enum ExchangeFailure {
    /// The network said no, with this status.
    Refused(u16),
    /// It may succeed later.
    Passing(SendFailure, SignedDuration),
}

impl Sessions {
    /// The slot of an account's credential.
    pub(super) fn slot(&self, account: &AccountId, label: &str) -> Arc<Slot> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry((account.clone(), label.to_owned())).or_default())
    }

    /// Takes a session out of memory.
    pub(super) fn forget(&self, account: &AccountId, label: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&(account.clone(), label.to_owned()));
    }
}

impl Slot {
    /// Tokens to blank.
    pub(super) fn tokens(&self) -> Vec<SecretString> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads what the vault kept over a restart.
    pub(super) async fn load(&self, core: &Core, account: &AccountId, label: &str) -> Result<(), SendFailure> {
        let mut state = self.state.lock().await;
        if !state.loaded {
            let kept = match core.vault.session(account, label).await {
                Err(error @ (VaultError::Corrupt(_) | VaultError::Unbound(_))) => {
                    // Worth no more than none: a login makes a new one.
                    tracing::warn!(%account, label, %error, "a kept session can't be opened");
                    None
                }
                kept => kept.map_err(|error| SendFailure::NotSent(format!("the session can't be read: {error}")))?,
            };
            if let Some(session) = &kept {
                self.remember(session);
            }
            state.session = kept;
            state.loaded = true;
        }
        Ok(())
    }

    fn remember(&self, session: &Session) {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        for token in [Some(&session.access), session.refresh.as_ref()].into_iter().flatten() {
            if !tokens.iter().any(|known| known.expose_secret() == token.expose_secret()) {
                tokens.push(token.clone());
            }
        }
        let surplus = tokens.len().saturating_sub(TOKENS_MAX);
        tokens.drain(..surplus);
    }
}

/// One account's session as a task of its own sees it.
struct Renewal {
    core: Arc<Core>,
    slot: Arc<Slot>,
    scope: Scope,
    label: String,
    rule: SessionRule,
    credential: Arc<Credential>,
}

/// The access token, from the session or a login. `stale` is a token that the network has just refused.
pub(super) async fn access_token(
    core: &Arc<Core>,
    scope: &Scope,
    rule: &CredentialRule,
    session: &SessionRule,
    credential: &Arc<Credential>,
    stale: Option<&SecretString>,
) -> Result<SecretString, SendFailure> {
    let slot = core.sessions.slot(&scope.account, &rule.label);
    slot.load(core, &scope.account, &rule.label).await?;
    let state = Arc::clone(&slot.state).lock_owned().await;
    if let Some(token) = usable(&state, credential, stale) {
        return Ok(token);
    }
    let renewal = Renewal {
        core: Arc::clone(core),
        slot,
        scope: scope.clone(),
        label: rule.label.clone(),
        rule: session.clone(),
        credential: Arc::clone(credential),
    };
    // A task of its own: a caller that goes away must not lose a refresh token that the network has already replaced.
    let renewed = tokio::spawn(async move { renewal.run(state).await }).await;
    renewed.unwrap_or_else(|_| Err(SendFailure::NotSent("the session could not be renewed".into())))
}

/// The token that is held, where it belongs to this credential and is not the stale one.
fn usable(state: &State, credential: &Credential, stale: Option<&SecretString>) -> Option<SecretString> {
    let session = state.session.as_ref().filter(|session| session.credential == credential.version)?;
    let refused = stale.is_some_and(|stale| stale.expose_secret() == session.access.expose_secret());
    (!refused).then(|| session.access.clone())
}

impl Renewal {
    async fn run(self, mut state: tokio::sync::OwnedMutexGuard<State>) -> Result<SecretString, SendFailure> {
        let now = self.core.clock.now();
        if let Some(pause) = &state.pause
            && pause.credential == self.credential.version
            && now < pause.until
        {
            return Err(pause.failure.clone());
        }
        let before = state.session.clone().filter(|session| session.credential == self.credential.version);
        if let Some(before) = before.filter(|session| session.refresh.is_some()) {
            match self.exchange(&self.rule.refresh, Some(&before)).await {
                Ok(session) => return Ok(self.keep(&mut state, session).await),
                Err(ExchangeFailure::Refused(_)) => {}
                Err(ExchangeFailure::Passing(failure, pause)) => return Err(self.pause(&mut state, failure, pause)),
            }
        }
        match self.exchange(&self.rule.login, None).await {
            Ok(session) => Ok(self.keep(&mut state, session).await),
            Err(ExchangeFailure::Refused(status)) => {
                let why = format!("the network refused the login of `{}` with status {status}", self.label);
                Err(self.pause(&mut state, SendFailure::NoCredential(why), PAUSE_REFUSED))
            }
            Err(ExchangeFailure::Passing(failure, pause)) => Err(self.pause(&mut state, failure, pause)),
        }
    }

    async fn keep(&self, state: &mut State, session: Session) -> SecretString {
        self.slot.remember(&session);
        let access = session.access.clone();
        let saved = self.core.vault.save_session(&self.scope.account, &self.label, &session).await;
        if let Err(error) = saved {
            // The tokens are good; only a restart would need another login.
            tracing::warn!(account = %self.scope.account, label = self.label, %error, "a session was not saved");
        }
        state.session = Some(session);
        state.pause = None;
        access
    }

    fn pause(&self, state: &mut State, failure: SendFailure, pause: SignedDuration) -> SendFailure {
        let until = self.core.clock.now().saturating_add(pause).unwrap_or(Timestamp::MAX);
        state.pause = Some(Pause { credential: self.credential.version, until, failure: failure.clone() });
        failure
    }

    /// Does a login or, with a session, a refresh.
    async fn exchange(&self, exchange: &Exchange, before: Option<&Session>) -> Result<Session, ExchangeFailure> {
        let answer = match self.ask(exchange, before).await {
            Ok(answer) => answer,
            Err(failure) => {
                let why = format!("the session could not be renewed: {failure}");
                return Err(ExchangeFailure::Passing(SendFailure::NotSent(why), PAUSE_FAILED));
            }
        };
        let status = answer.status;
        match status {
            200..=299 => {}
            429 | 500..=599 => {
                let pause = retry_after(&answer.headers).unwrap_or(PAUSE_FAILED);
                let why = format!("the network answered the renewal of the session with status {status}");
                return Err(ExchangeFailure::Passing(SendFailure::NotSent(why), pause));
            }
            _ => return Err(ExchangeFailure::Refused(status)),
        }
        let body = Zeroizing::new(answer.body);
        let json: Option<Value> = serde_json::from_slice(&body).ok();
        let token = |pointer: &str| {
            let text = json.as_ref()?.pointer(pointer)?.as_str()?;
            (!text.is_empty()).then(|| SecretString::from(text))
        };
        let Some(access) = token(&self.rule.access_pointer) else {
            let why = "the network's answer to the login or refresh has no access token";
            return Err(ExchangeFailure::Passing(SendFailure::NotSent(why.into()), PAUSE_REFUSED));
        };
        let kept = || before.and_then(|session| session.refresh.clone());
        let refresh = token(&self.rule.refresh_pointer).or_else(kept);
        Ok(Session { credential: self.credential.version, access, refresh, connection: None })
    }

    async fn ask(&self, exchange: &Exchange, before: Option<&Session>) -> Result<RawAnswer, SendFailure> {
        let target = Target::of_exchange(&self.scope, exchange).map_err(SendFailure::Denied)?;
        bound(&self.scope, &self.credential, &target)?;
        let mut headers = HeaderMap::new();
        let body = if exchange.body.is_empty() { OutBody::None } else { OutBody::Bytes(self.json(exchange, before)?) };
        self.core.default_headers(&mut headers, matches!(body, OutBody::Bytes(_)));
        if let Some(template) = &exchange.bearer {
            bearer(&self.fill(template, before)?, &mut headers)?;
        }
        let mut scope = self.scope.clone();
        scope.response_bytes_max = EXCHANGE_BYTES_MAX;
        self.core.round(&scope, Some(&self.label), &target, headers, &body).await
    }

    fn json(&self, exchange: &Exchange, before: Option<&Session>) -> Result<Bytes, SendFailure> {
        let mut members = serde_json::Map::new();
        for (name, template) in &exchange.body {
            members.insert(name.clone(), Value::String(self.fill(template, before)?.expose_secret().to_owned()));
        }
        let text = serde_json::to_vec(&members);
        text.map(Bytes::from).map_err(|_| SendFailure::Denied("the session's template makes no JSON".into()))
    }

    /// Fills `{name}` in a template.
    fn fill(&self, template: &str, before: Option<&Session>) -> Result<SecretString, SendFailure> {
        let mut filled = Zeroizing::new(String::new());
        let mut rest = template;
        while let Some((plain, after)) = rest.split_once('{') {
            let (name, after) = after
                .split_once('}')
                .ok_or_else(|| SendFailure::Denied("a template of the session scheme has `{` without `}`".into()))?;
            let value = match name {
                "access" => before.map(|session| &session.access),
                "refresh" => before.and_then(|session| session.refresh.as_ref()),
                _ => self.credential.secrets.get(name),
            };
            let value = value.ok_or_else(|| {
                SendFailure::NoCredential(format!(
                    "the credential `{}` has no value `{name}`; set it again",
                    self.label
                ))
            })?;
            filled.push_str(plain);
            filled.push_str(value.expose_secret());
            rest = after;
        }
        filled.push_str(rest);
        Ok(SecretString::from(filled.as_str()))
    }
}

/// Whether an answer says that the access token has run out.
pub(super) fn is_expired(session: &SessionRule, answer: &RawAnswer) -> bool {
    let expired = &session.expired;
    if !expired.statuses.contains(&answer.status) {
        return false;
    }
    if expired.pointer.is_empty() {
        return true;
    }
    let json: Option<Value> = serde_json::from_slice(&answer.body).ok();
    let found = json.as_ref().and_then(|json| json.pointer(&expired.pointer)).and_then(Value::as_str);
    found.is_some_and(|found| expired.values.iter().any(|value| value == found))
}

/// `Retry-After` in seconds; the date form is rare and ignored.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<SignedDuration> {
    let seconds = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim().parse::<u32>().ok()?;
    Some(SignedDuration::from_secs(i64::from(seconds)).clamp(SignedDuration::from_secs(1), PAUSE_MAX))
}
