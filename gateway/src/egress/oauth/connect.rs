//! Connecting an account: the address that a person opens, the exchange of the code that comes back, and the end of it all.

use std::sync::Arc;

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::{SecureRandom, SystemRandom},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{Client, Look, NoTokens, answer, made};
use crate::{
    egress::{CredentialScheme, Egress, OAuthRule, Scope, SendFailure},
    model::AccountId,
    vault::{Connection, Credential},
};

/// Random bytes of a state and of a verifier (RFC 7636 section 4.1).
const RANDOM_BYTES: usize = 32;

/// An authorization that was begun.
pub struct Begun {
    /// What a person opens in a browser.
    pub url: String,
    /// What the answer must repeat.
    pub state: SecretString,
    /// Proves at the exchange that it is the same gateway (PKCE).
    pub verifier: SecretString,
}

impl Begun {
    /// True for the state of this authorization.
    pub fn is_for(&self, state: &str) -> bool {
        bool::from(self.state.expose_secret().as_bytes().ct_eq(state.as_bytes()))
    }
}

/// What came back in the person's browser.
pub struct Consent {
    /// The code.
    pub code: SecretString,
    /// Who the authorization server says that it is (RFC 9207).
    pub issuer: Option<String>,
    /// Of the authorization that was begun.
    pub verifier: SecretString,
    /// Where the browser was sent back to.
    pub redirect_uri: String,
}

/// Why an account was not connected. No text quotes an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectFailure {
    /// The answer is from another authorization server than the one that was asked.
    #[error("the answer names another authorization server (`iss`) than the adapter's manifest; it was not used")]
    Issuer,
    /// The code was refused.
    #[error("the authorization server did not take the code (invalid_grant); connect again")]
    Code,
    /// No tokens.
    #[error("the authorization server gave no tokens: {0}")]
    NoTokens(&'static str),
    /// The request could not be made or answered.
    #[error("the authorization server could not be asked: {0}")]
    Send(SendFailure),
    /// The credential was set anew or revoked meanwhile.
    #[error("the credential was changed while the account was being connected; connect again")]
    Changed,
    /// The tokens can't be kept.
    #[error("the tokens can't be kept: {0}")]
    Store(String),
}

/// What became of a revocation at the network (RFC 7009).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revocation {
    /// There was nothing to revoke, or the network has no endpoint for it.
    None,
    /// The network ended the tokens.
    Done,
    /// It did not, and why.
    Failed(String),
}

impl Egress {
    /// Begins to connect an account. Nothing is sent; the credential (the client) must be set.
    ///
    /// # Errors
    /// [`SendFailure`]: there is no such credential, or it is set for another address.
    pub async fn begin_authorization(
        &self,
        scope: &Scope,
        label: &str,
        redirect_uri: &str,
    ) -> Result<Begun, SendFailure> {
        let (rule, credential) = self.client_of(scope, label).await?;
        let client = Client { core: &self.core, scope, label, rule, credential: &credential };
        let (state, verifier) = (random()?, random()?);
        let challenge = digest(&SHA256, verifier.expose_secret().as_bytes());
        let mut url = rule.authorization.clone();
        {
            let mut query = url.query_pairs_mut();
            query
                .append_pair("response_type", "code")
                .append_pair("client_id", client.id()?.expose_secret())
                .append_pair("redirect_uri", redirect_uri)
                .append_pair("state", state.expose_secret())
                .append_pair("code_challenge", &URL_SAFE_NO_PAD.encode(challenge.as_ref()))
                .append_pair("code_challenge_method", "S256");
            if !rule.scopes.is_empty() {
                query.append_pair("scope", &rule.scopes.join(" "));
            }
        }
        Ok(Begun { url: url.into(), state, verifier })
    }

    /// Exchanges the code for tokens and keeps them. They replace what the account had.
    ///
    /// # Errors
    /// [`ConnectFailure`]; what the account had stays as it was.
    pub async fn finish_authorization(
        &self,
        scope: &Scope,
        label: &str,
        consent: Consent,
    ) -> Result<(), ConnectFailure> {
        let (rule, credential) = self.client_of(scope, label).await.map_err(ConnectFailure::Send)?;
        if !is_issuer(rule, consent.issuer.as_deref()) {
            return Err(ConnectFailure::Issuer);
        }
        let slot = self.core.connections.slot(&scope.account, label);
        // No renewal of the tokens before may come between.
        let mut renewing = slot.renewing.lock().await;
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", consent.code.expose_secret()),
            ("redirect_uri", consent.redirect_uri.as_str()),
            ("code_verifier", consent.verifier.expose_secret()),
        ];
        let client = Client { core: &self.core, scope, label, rule, credential: &credential };
        let answer = client.post(&rule.token, &fields).await.map_err(ConnectFailure::Send)?;
        let tokens = answer::read(answer).map_err(|why| match why {
            NoTokens::Grant => ConnectFailure::Code,
            NoTokens::Client(why) | NoTokens::Passing(why) => ConnectFailure::NoTokens(why),
        })?;
        let now = self.core.clock.now();
        let connection = Connection { connected_at: now, refreshed_at: None, expires_at: None, reconnect_since: None };
        let session = made(&credential, tokens, connection, now, None);
        slot.remember(&session);
        match self.core.vault.save_session(&scope.account, label, &session).await {
            Ok(true) => {
                renewing.unsaved = None;
                slot.adopt(session);
                Ok(())
            }
            Ok(false) => Err(ConnectFailure::Changed),
            Err(error) => Err(ConnectFailure::Store(error.to_string())),
        }
    }

    /// Renews the tokens of a connection where they are due, so that one which nobody uses stays alive too.
    pub async fn renew_where_due(&self, scope: &Scope, label: &str) {
        let Ok((oauth, credential)) = self.client_of(scope, label).await else { return };
        let slot = self.core.connections.slot(&scope.account, label);
        if slot.load(&self.core, &scope.account, label).await.is_err() {
            return;
        }
        let now = self.core.clock.now();
        let due = matches!(slot.look(&scope.account, &credential, None, now), Look::Due(_) | Look::Spent);
        let busy = slot.renewing.try_lock().is_err();
        if !due || busy || slot.paused(&credential, now).is_some() {
            return;
        }
        let Some(rule) = scope.credentials.iter().find(|rule| rule.label == label) else { return };
        // What came of it is in the connection and in the log of the process.
        let _ = super::access_token(&self.core, scope, rule, oauth, &credential, None).await;
    }

    /// Asks the network to end the tokens of a connection (RFC 7009). What is kept here stays; see [`Egress::forget`].
    pub async fn revoke_tokens(&self, scope: &Scope, label: &str) -> Revocation {
        let (rule, credential) = match self.client_of(scope, label).await {
            Ok(found) => found,
            Err(failure) => return Revocation::Failed(failure.to_string()),
        };
        let slot = self.core.connections.slot(&scope.account, label);
        if let Err(failure) = slot.load(&self.core, &scope.account, label).await {
            return Revocation::Failed(failure.to_string());
        }
        let _renewing = slot.renewing.lock().await;
        let (Some(endpoint), Some(session)) = (&rule.revocation, slot.session(&credential)) else {
            return Revocation::None;
        };
        let client = Client { core: &self.core, scope, label, rule, credential: &credential };
        let tokens = [(session.refresh.as_ref(), "refresh_token"), (Some(&session.access), "access_token")];
        for (token, hint) in tokens {
            let Some(token) = token else { continue };
            let fields = [("token", token.expose_secret()), ("token_type_hint", hint)];
            match client.post(endpoint, &fields).await {
                Ok(answer) if (200..300).contains(&answer.status) => {}
                Ok(answer) => return Revocation::Failed(format!("it answered with status {}", answer.status)),
                Err(failure) => return Revocation::Failed(failure.to_string()),
            }
        }
        Revocation::Done
    }

    /// Takes the tokens of an account's credential out of memory.
    pub fn forget(&self, account: &AccountId, label: &str) {
        self.core.connections.forget(account, label);
        self.core.sessions.forget(account, label);
    }

    /// How often tokens were renewed since the start.
    pub fn renewals(&self) -> u64 {
        self.core.renewals.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Returns once no tokens are being renewed: a stop between answer and disk would lose a refresh token.
    pub async fn settled(&self) {
        for slot in self.core.connections.all() {
            drop(slot.renewing.lock().await);
        }
    }

    async fn client_of<'a>(
        &self,
        scope: &'a Scope,
        label: &str,
    ) -> Result<(&'a OAuthRule, Arc<Credential>), SendFailure> {
        let rule = scope.credentials.iter().find(|rule| rule.label == label);
        let Some(CredentialScheme::OAuth(oauth)) = rule.map(|rule| &rule.scheme) else {
            return Err(SendFailure::Denied(format!("the credential `{label}` has not the scheme `oauth2`")));
        };
        let found = self.core.vault.credential(&scope.account, label).await;
        let found = found.map_err(|error| crate::egress::vault_failed(scope, &error))?;
        let missing = || SendFailure::NoCredential(format!("`{}` has no credential `{label}`", scope.account));
        Ok((oauth, found.ok_or_else(missing)?))
    }
}

/// RFC 9207: with a declared issuer the answer must name it, letter by letter. Without one, an answer that names an issuer must
/// at least name the server that was asked.
fn is_issuer(rule: &OAuthRule, given: Option<&str>) -> bool {
    match (&rule.issuer, given) {
        (Some(declared), given) => given == Some(declared.as_str()),
        (None, None) => true,
        (None, Some(given)) => url::Url::parse(given).is_ok_and(|given| given.origin() == rule.authorization.origin()),
    }
}

pub(in crate::egress) fn random() -> Result<SecretString, SendFailure> {
    let mut bytes = Zeroizing::new([0_u8; RANDOM_BYTES]);
    let filled = SystemRandom::new().fill(bytes.as_mut_slice());
    filled.map_err(|_| SendFailure::NotSent("the machine gives no random bytes".into()))?;
    Ok(SecretString::from(URL_SAFE_NO_PAD.encode(bytes.as_slice())))
}
