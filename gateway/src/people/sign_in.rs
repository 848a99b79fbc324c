//! Signing in at the company's issuer (OpenID Connect Core 1.0, code flow with PKCE), and being signed in.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

use super::{attempts::Answered, hashed, note};
use crate::{
    audit::leaf::Changed,
    config::process::SignIn,
    egress::{NoIdentity, SignInCode, SignInWish, begin_sign_in},
    gateway::Gateway,
    identity::{Issuer, TokenRefused},
    keys::unguessable,
    model::PersonId,
    records::SignInRecord,
};

/// Where browsers are sent back to.
pub const CALLBACK: &str = "/people/callback";
/// How long a person is signed in.
pub const SIGNED_IN_FOR: SignedDuration = SignedDuration::from_hours(12);

/// Why somebody is not signed in. The texts are ours; none repeats what came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotSignedIn {
    /// The answer is not one that this browser waits for.
    #[error(
        "This browser waits for no such answer: it was used before, is older than ten minutes, or belongs to another browser."
    )]
    State,
    /// The person, or the issuer, said no.
    #[error("The sign-in was declined at the company's sign-in page.")]
    Declined,
    /// The issuer said something else.
    #[error("The company's sign-in page answered with an error.")]
    Issuer,
    /// What came proves nothing.
    #[error("The answer of the company's issuer does not hold.")]
    Proof,
    /// The issuer, the log or the records can't be reached.
    #[error("The company's issuer or a store of the gateway can't be reached. Try again in a minute.")]
    Unavailable,
    /// Nobody in people.toml.
    #[error("You are signed in at the company, and nobody here is you. Ask an operator to add you to people.toml.")]
    Nobody,
}

/// What a browser brought back. Each name stands once.
#[derive(Default)]
pub struct Answer {
    /// Which attempt.
    pub state: String,
    /// The code.
    pub code: Option<SecretString>,
    /// An error in its place.
    pub error: Option<String>,
    /// Who the issuer says that it is (RFC 9207).
    pub issuer: Option<String>,
}

/// Somebody has just signed in.
pub struct SignedInNow {
    /// For the browser's cookie.
    pub cookie: String,
    /// Where they wanted to go: a path of ours.
    pub to: String,
}

/// Who is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIn {
    /// Who.
    pub person: PersonId,
    /// A digest of who they are at the issuer.
    pub identity: String,
}

fn issuer(config: &SignIn) -> Issuer {
    Issuer { id: config.issuer.clone(), private: config.private_issuer }
}

/// Begins a sign-in of a browser, and gives what it opens.
///
/// # Errors
/// [`NotSignedIn::Unavailable`].
pub async fn begin(
    gateway: &Gateway,
    config: &SignIn,
    to: &str,
    browser: &str,
    source: IpAddr,
) -> Result<String, NotSignedIn> {
    let places = gateway.identities.places(&issuer(config)).await.map_err(|why| unavailable(&why))?;
    let redirect_uri = config.address(CALLBACK);
    let wish = SignInWish {
        authorization: &places.authorization,
        client_id: &config.client_id,
        scopes: &config.scopes,
        redirect_uri: &redirect_uri,
    };
    let begun = begin_sign_in(&wish).map_err(|why| unavailable(&why))?;
    let url = begun.0.url.clone();
    gateway.people.attempts.begin(begun, to, hashed(browser), source, gateway.clock.now());
    Ok(url)
}

/// Ends a sign-in with what came back in the browser. It is in the log when this returns.
///
/// # Errors
/// [`NotSignedIn`].
pub async fn finish(
    gateway: &Gateway,
    config: &SignIn,
    answer: Answer,
    browser: &str,
) -> Result<SignedInNow, NotSignedIn> {
    let attempt = gateway.people.attempts.take(&answer.state, hashed(browser), gateway.clock.now());
    let Answered { verifier, nonce, to } = attempt.ok_or(NotSignedIn::State)?;
    let places = gateway.identities.places(&issuer(config)).await.map_err(|why| unavailable(&why))?;
    // Another issuer's answer must not be taken for this one's (RFC 9207).
    let named = answer.issuer.as_ref().map_or(!places.names_itself, |named| *named == config.issuer);
    if !named {
        return Err(NotSignedIn::Proof);
    }
    match answer.error.as_deref() {
        Some("access_denied") => return Err(NotSignedIn::Declined),
        Some(_) => return Err(NotSignedIn::Issuer),
        None => {}
    }
    let code = answer.code.ok_or(NotSignedIn::Issuer)?;
    let redirect_uri = config.address(CALLBACK);
    let exchange = SignInCode {
        token: &places.token,
        private: config.private_issuer,
        client_id: &config.client_id,
        client_secret: gateway.people.client_secret.as_ref(),
        redirect_uri: &redirect_uri,
        code: &code,
        verifier: &verifier,
    };
    let token = gateway.egress.identity_token(&exchange).await.map_err(|why| no_identity(&why))?;
    let subject = subject_of(gateway, config, &token, &nonce).await?;
    let cookie = keep(gateway, config, &subject).await?;
    Ok(SignedInNow { cookie, to })
}

/// Checks an identity token (OpenID Connect Core 1.0 section 3.1.3.7), and gives its subject.
async fn subject_of(gateway: &Gateway, config: &SignIn, token: &str, nonce: &str) -> Result<String, NotSignedIn> {
    let said = gateway.identities.read(token, &[issuer(config)]).await.map_err(|why| match why {
        TokenRefused::Unavailable(_) => unavailable(&why),
        other => {
            tracing::warn!(why = %other, "an identity token does not hold");
            NotSignedIn::Proof
        }
    })?;
    let client = &config.client_id;
    let ours = said.audiences.contains(client)
        && said.party.as_ref().map_or(said.audiences.len() == 1, |party| party == client)
        && said.nonce.as_deref() == Some(nonce);
    if !ours {
        tracing::warn!("an identity token was made for another client or another sign-in");
        return Err(NotSignedIn::Proof);
    }
    Ok(said.subject)
}

/// The log first: nobody is signed in unrecorded.
async fn keep(gateway: &Gateway, config: &SignIn, subject: &str) -> Result<String, NotSignedIn> {
    let governance = gateway.governance.load_full();
    let person = governance.signed_in_as(&config.issuer, subject).ok_or(NotSignedIn::Nobody)?;
    let identity = person.sign_in.as_ref().map(|identity| identity.digest()).ok_or(NotSignedIn::Nobody)?;
    let cookie = unguessable().map_err(|why| unavailable(&why))?;
    let now = gateway.clock.now();
    let expires_at = now.saturating_add(SIGNED_IN_FOR).unwrap_or(Timestamp::MAX);
    let record = SignInRecord { cookie: hashed(&cookie), person: person.id.clone(), identity, expires_at };
    let noted = note(gateway, Changed::Person, "sign-in", format!("person:{}", person.id), &person.id).await;
    noted.map_err(|why| unavailable(&why))?;
    gateway.records.put_sign_in(record, now).await.map_err(|why| unavailable(&why))?;
    Ok(cookie)
}

/// Who is signed in with a cookie, under the governance of this moment.
///
/// # Errors
/// The records'.
pub async fn current(gateway: &Gateway, cookie: &str) -> Result<Option<SignedIn>, NotSignedIn> {
    let record = gateway.records.sign_in(hashed(cookie)).await.map_err(|why| unavailable(&why))?;
    let now = gateway.clock.now();
    let governance = gateway.governance.load();
    Ok(record.filter(|record| now < record.expires_at).and_then(|record| {
        let known = governance.people.get(&record.person)?.sign_in.as_ref()?;
        (known.digest() == record.identity).then_some(SignedIn { person: record.person, identity: record.identity })
    }))
}

/// Signs a browser out.
///
/// # Errors
/// [`NotSignedIn::Unavailable`]: it goes on.
pub async fn end(gateway: &Gateway, signed_in: &SignedIn, cookie: &str) -> Result<(), NotSignedIn> {
    let person = &signed_in.person;
    let noted = note(gateway, Changed::Person, "sign-out", format!("person:{person}"), person).await;
    noted.map_err(|why| unavailable(&why))?;
    gateway.records.end_sign_in(hashed(cookie)).await.map(drop).map_err(|why| unavailable(&why))
}

fn unavailable(why: &dyn std::fmt::Display) -> NotSignedIn {
    tracing::warn!(%why, "nobody can sign in now");
    NotSignedIn::Unavailable
}

fn no_identity(why: &NoIdentity) -> NotSignedIn {
    match why {
        NoIdentity::Code => NotSignedIn::Proof,
        NoIdentity::Client | NoIdentity::Answer | NoIdentity::Send(_) => unavailable(why),
    }
}
