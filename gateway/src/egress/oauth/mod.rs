//! Connections to authorization servers (design §5): the access token for a request, renewed by one for all, kept before it is
//! used.
//!
//! A refresh token is worth more than an access token: a person must come when it is lost. So what the server gave is durable
//! before anybody uses it, an answer without a refresh token keeps the one before, and only `invalid_grant` ends a connection.

mod answer;
mod connect;
mod request;
mod slot;

use std::sync::Arc;

pub(super) use connect::random;
pub use connect::{Begun, ConnectFailure, Consent, Revocation};
use jiff::{SignedDuration, Timestamp};
pub(super) use request::{basic_pair, pair_of};
use secrecy::{ExposeSecret, SecretString};
pub(super) use slot::{Connections, Slot};

use self::{
    answer::{NoTokens, Tokens},
    request::Client,
    slot::{Look, Renewing},
};
use super::{Core, CredentialRule, OAuthRule, Scope, SendFailure, answer::RawAnswer, session::retry_after};
use crate::vault::{Connection, Credential, Session};

/// The guard of the one who renews.
type Guard = tokio::sync::OwnedMutexGuard<Renewing>;

/// One connection as a task of its own sees it.
struct Renewal {
    core: Arc<Core>,
    slot: Arc<Slot>,
    scope: Scope,
    label: String,
    rule: OAuthRule,
    credential: Arc<Credential>,
}

/// The access token. `stale` is one that the network has just refused.
pub(super) async fn access_token(
    core: &Arc<Core>,
    scope: &Scope,
    rule: &CredentialRule,
    oauth: &OAuthRule,
    credential: &Arc<Credential>,
    stale: Option<&SecretString>,
) -> Result<SecretString, SendFailure> {
    let slot = core.connections.slot(&scope.account, &rule.label);
    slot.load(core, &scope.account, &rule.label).await?;
    let look = || slot.look(&scope.account, credential, stale, core.clock.now());
    let renewal = || Renewal {
        core: Arc::clone(core),
        slot: Arc::clone(&slot),
        scope: scope.clone(),
        label: rule.label.clone(),
        rule: oauth.clone(),
        credential: Arc::clone(credential),
    };
    match look() {
        Look::Good(token) => return Ok(token),
        Look::Person(why) => return Err(SendFailure::NoCredential(why)),
        Look::Due(token) => {
            // Nobody waits for the next token while this one is good.
            if slot.paused(credential, core.clock.now()).is_none()
                && let Ok(guard) = Arc::clone(&slot.renewing).try_lock_owned()
            {
                let renewal = renewal();
                tokio::spawn(async move { renewal.run(guard).await });
            }
            return Ok(token);
        }
        Look::Spent => {}
    }
    let guard = Arc::clone(&slot.renewing).lock_owned().await;
    // Somebody else may have got the next one, or been told to wait.
    match look() {
        Look::Good(token) | Look::Due(token) => return Ok(token),
        Look::Person(why) => return Err(SendFailure::NoCredential(why)),
        Look::Spent => {}
    }
    if let Some(failure) = slot.paused(credential, core.clock.now()) {
        return Err(failure);
    }
    let renewal = renewal();
    // A task of its own: a caller that goes away must not lose a refresh token that the network has already replaced.
    let renewed = tokio::spawn(async move { renewal.run(guard).await }).await;
    renewed.unwrap_or_else(|_| Err(SendFailure::NotSent("the access token could not be renewed".into())))
}

impl Renewal {
    fn client(&self) -> Client<'_> {
        let (core, scope, label) = (self.core.as_ref(), &self.scope, self.label.as_str());
        Client { core, scope, label, rule: &self.rule, credential: &self.credential }
    }

    async fn run(self, mut guard: Guard) -> Result<SecretString, SendFailure> {
        if let Some(session) = guard.unsaved.take() {
            return self.keep(&mut guard, session).await;
        }
        let account = &self.scope.account;
        let Some(before) = self.slot.session(&self.credential) else {
            return Err(SendFailure::NoCredential(crate::vault::unconnected(account.as_str())));
        };
        let (Some(connection), now) = (before.connection, self.core.clock.now()) else {
            return Err(SendFailure::NoCredential(crate::vault::unconnected(account.as_str())));
        };
        let Some(refresh) = &before.refresh else {
            tracing::error!(%account, label = self.label, "the access token has run out and there is no refresh token");
            return self.end(&mut guard, &before, connection, now).await;
        };
        let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh.expose_secret())];
        let answer = match self.client().post(&self.rule.token, &fields).await {
            Ok(answer) => answer,
            Err(failure) => return Err(self.passing(&format!("{failure}"), None)),
        };
        let asked = retry_after(&answer.headers);
        match answer::read(answer) {
            Ok(tokens) => {
                let connection = Connection { refreshed_at: Some(now), ..connection };
                let session = made(&self.credential, tokens, connection, now, before.refresh.clone());
                self.keep(&mut guard, session).await
            }
            Err(NoTokens::Grant) => {
                tracing::error!(%account, label = self.label, "the authorization server takes the refresh token no more (invalid_grant)");
                self.end(&mut guard, &before, connection, now).await
            }
            Err(NoTokens::Client(why)) => {
                // A client that is put right at the network goes on where it was: the refresh token is as good as before.
                tracing::error!(%account, label = self.label, why, "the client is refused; look at it at the network, or set it again");
                Err(self.passing(why, asked))
            }
            Err(NoTokens::Passing(why)) => Err(self.passing(why, asked)),
        }
    }

    /// Keeps the tokens, and only then lets them be used.
    async fn keep(&self, guard: &mut Guard, session: Session) -> Result<SecretString, SendFailure> {
        self.slot.remember(&session);
        match self.core.vault.save_session(&self.scope.account, &self.label, &session).await {
            Ok(true) => {
                let access = session.access.clone();
                self.slot.adopt(session);
                self.core.renewals.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                Ok(access)
            }
            Ok(false) => Err(SendFailure::NotSent("the credential was changed meanwhile".into())),
            Err(error) => {
                // They are the only ones that are worth anything now: they stay in memory until they can be kept.
                guard.unsaved = Some(session);
                Err(self.passing(&format!("the new tokens can't be kept: {error}"), None))
            }
        }
    }

    /// Marks the connection as one that only a person can make again. Its tokens stay: nothing is gained by losing them.
    async fn end(
        &self,
        guard: &mut Guard,
        before: &Session,
        connection: Connection,
        now: Timestamp,
    ) -> Result<SecretString, SendFailure> {
        let connection = Connection { reconnect_since: Some(now), ..connection };
        let session = Session { connection: Some(connection), ..before.clone() };
        let account = &self.scope.account;
        guard.unsaved = None;
        if let Err(error) = self.core.vault.save_session(account, &self.label, &session).await {
            // Known in memory at least; after a restart the server says it again.
            tracing::error!(%account, label = self.label, %error, "that the account must be connected again was not kept");
        }
        self.slot.adopt(session);
        Err(SendFailure::NoCredential(slot::reconnect(account, now)))
    }

    /// It may go better later. Nothing is lost.
    fn passing(&self, why: &str, asked: Option<SignedDuration>) -> SendFailure {
        let account = &self.scope.account;
        tracing::warn!(%account, label = self.label, why, "the access token could not be renewed; it is tried again");
        let failure = SendFailure::NotSent(format!("the access token could not be renewed: {why}"));
        self.slot.pause(&self.credential, self.core.clock.now(), failure, asked)
    }
}

/// A session of what came. Without a new refresh token the one before stays.
fn made(
    credential: &Credential,
    tokens: Tokens,
    connection: Connection,
    now: Timestamp,
    before: Option<SecretString>,
) -> Session {
    let expires_at = tokens.life.and_then(|life| now.checked_add(life).ok());
    Session {
        credential: credential.version,
        access: tokens.access,
        refresh: tokens.refresh.or(before),
        connection: Some(Connection { expires_at, reconnect_since: None, ..connection }),
    }
}

/// Whether an answer says that the access token is refused.
pub(super) fn is_refused(answer: &RawAnswer) -> bool {
    answer.status == 401
}
