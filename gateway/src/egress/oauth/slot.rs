//! The tokens of one connection in memory: who may use them, who renews them, and when it is tried again.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    egress::{Core, SendFailure},
    model::AccountId,
    vault::{Credential, Session, VaultError},
};

/// Tokens that were in use lately are blanked as well; so many are remembered.
const TOKENS_MAX: usize = 8;
/// A token that runs out within this time is renewed ahead of it; of a shorter life a quarter.
const MARGIN: SignedDuration = SignedDuration::from_secs(60);
/// Waits between attempts that failed in passing, in seconds; the last repeats.
const BACKOFF_S: &[i64] = &[2, 5, 15, 30, 60];

/// Connections of all accounts.
#[derive(Default)]
pub(in crate::egress) struct Connections(Mutex<HashMap<(AccountId, String), Arc<Slot>>>);

/// One account's connection.
#[derive(Default)]
pub(in crate::egress) struct Slot {
    /// Held while tokens are got, so that many callers cause one request.
    pub(super) renewing: Arc<tokio::sync::Mutex<Renewing>>,
    known: Mutex<Known>,
}

/// What only the one who renews has.
#[derive(Default)]
pub(super) struct Renewing {
    /// Tokens that came and could not be kept yet. They are used only once they are.
    pub(super) unsaved: Option<Session>,
}

#[derive(Default)]
struct Known {
    loaded: bool,
    session: Option<Arc<Session>>,
    /// Tokens to blank, newest last.
    tokens: Vec<SecretString>,
    pause: Option<Pause>,
}

/// Until when nothing is tried, and what is answered instead.
#[derive(Clone)]
struct Pause {
    credential: [u8; 32],
    failures: usize,
    until: Timestamp,
    failure: SendFailure,
}

/// How the tokens stand for a request.
pub(super) enum Look {
    /// This one may be used.
    Good(SecretString),
    /// This one may be used, and it is time to get the next.
    Due(SecretString),
    /// A new one is needed first.
    Spent,
    /// Only a person helps: this sentence says how.
    Person(String),
}

impl Connections {
    /// The slot of an account's credential.
    pub(in crate::egress) fn slot(&self, account: &AccountId, label: &str) -> Arc<Slot> {
        Arc::clone(self.lock().entry((account.clone(), label.to_owned())).or_default())
    }

    /// Takes the tokens of a connection out of memory. Requests under way still know what to blank.
    pub(super) fn forget(&self, account: &AccountId, label: &str) {
        self.lock().remove(&(account.clone(), label.to_owned()));
    }

    pub(super) fn all(&self) -> Vec<Arc<Slot>> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(AccountId, String), Arc<Slot>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// Tokens to blank.
    pub(in crate::egress) fn tokens(&self) -> Vec<SecretString> {
        self.known().tokens.clone()
    }

    /// Reads what the vault kept over a restart.
    pub(in crate::egress) async fn load(
        &self,
        core: &Core,
        account: &AccountId,
        label: &str,
    ) -> Result<(), SendFailure> {
        if self.known().loaded {
            return Ok(());
        }
        let _renewing = self.renewing.lock().await;
        if self.known().loaded {
            return Ok(());
        }
        let kept = match core.vault.session(account, label).await {
            Err(error @ (VaultError::Corrupt(_) | VaultError::Unbound(_))) => {
                tracing::error!(%account, label, %error, "the tokens of a connection can't be opened");
                None
            }
            kept => kept.map_err(|error| SendFailure::NotSent(format!("the tokens can't be read: {error}")))?,
        };
        match kept {
            Some(session) => self.adopt(session),
            None => self.known().loaded = true,
        }
        Ok(())
    }

    /// From now on these are the tokens. They were kept before.
    pub(super) fn adopt(&self, session: Session) {
        self.remember(&session);
        let mut known = self.known();
        known.session = Some(Arc::new(session));
        (known.loaded, known.pause) = (true, None);
    }

    /// These must be blanked, whatever becomes of them.
    pub(super) fn remember(&self, session: &Session) {
        let mut known = self.known();
        for token in [Some(&session.access), session.refresh.as_ref()].into_iter().flatten() {
            if !known.tokens.iter().any(|seen| seen.expose_secret() == token.expose_secret()) {
                known.tokens.push(token.clone());
            }
        }
        let surplus = known.tokens.len().saturating_sub(TOKENS_MAX);
        known.tokens.drain(..surplus);
    }

    /// The tokens of this version of the credential.
    pub(super) fn session(&self, credential: &Credential) -> Option<Arc<Session>> {
        self.known().session.clone().filter(|session| session.credential == credential.version)
    }

    /// How the tokens stand. `stale` is an access token that the network has just refused.
    pub(super) fn look(
        &self,
        account: &AccountId,
        credential: &Credential,
        stale: Option<&SecretString>,
        now: Timestamp,
    ) -> Look {
        let connected = self.session(credential).and_then(|session| Some((session.connection?, session)));
        let Some((connection, session)) = connected else {
            return Look::Person(crate::vault::unconnected(account.as_str()));
        };
        if let Some(since) = connection.reconnect_since {
            return Look::Person(reconnect(account, since));
        }
        if stale.is_some_and(|stale| stale.expose_secret() == session.access.expose_secret()) {
            return Look::Spent;
        }
        let token = session.access.clone();
        let Some(expires) = connection.expires_at else { return Look::Good(token) };
        let life = expires.duration_since(connection.got_at());
        let left = expires.duration_since(now);
        if left <= SignedDuration::ZERO {
            Look::Spent
        } else if left <= MARGIN.min(life / 4) {
            Look::Due(token)
        } else {
            Look::Good(token)
        }
    }

    /// What is answered while nothing is tried.
    pub(super) fn paused(&self, credential: &Credential, now: Timestamp) -> Option<SendFailure> {
        let pause = self.known().pause.clone()?;
        (pause.credential == credential.version && now < pause.until).then_some(pause.failure)
    }

    /// Nothing is tried for a while, longer each time; `asked` is what the network asked for.
    pub(super) fn pause(
        &self,
        credential: &Credential,
        now: Timestamp,
        failure: SendFailure,
        asked: Option<SignedDuration>,
    ) -> SendFailure {
        let mut known = self.known();
        let failures = known.pause.as_ref().map_or(0, |pause| pause.failures);
        let step = BACKOFF_S.get(failures).or(BACKOFF_S.last()).copied().unwrap_or(60);
        let wait = asked.unwrap_or(SignedDuration::ZERO).max(SignedDuration::from_secs(step));
        let until = now.saturating_add(wait).unwrap_or(Timestamp::MAX);
        known.pause = Some(Pause {
            credential: credential.version,
            failures: failures.saturating_add(1),
            until,
            failure: failure.clone(),
        });
        failure
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sentence for an account that only a person can connect again.
pub(super) fn reconnect(account: &AccountId, since: Timestamp) -> String {
    format!(
        "the authorization server gives no more tokens since {since}; an operator must run `pressgate credential connect {account}`"
    )
}
