//! A person's sign-in at the company's issuer: the address that a browser opens, and the exchange of the code that comes back
//! (OpenID Connect Core 1.0 section 3.1, PKCE of RFC 7636).

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::{Url, form_urlencoded::Serializer};
use zeroize::Zeroizing;

use super::{
    Begun, Egress, OutBody, SendFailure,
    inject::sensitive,
    oauth::{basic_pair, random},
    own,
    target::Target,
};

/// Longest time for the exchange of a code.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Size of an answer.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// Room for a form, so that it is not copied while it grows.
const FORM_ROOM_BYTES: usize = 16 * 1024;

/// What a sign-in asks for.
pub struct SignInWish<'a> {
    /// The issuer's authorization endpoint.
    pub authorization: &'a Url,
    /// What the issuer calls this gateway.
    pub client_id: &'a str,
    /// What is asked for.
    pub scopes: &'a [String],
    /// Where the browser is sent back to.
    pub redirect_uri: &'a str,
}

/// A code that a person's browser brought.
pub struct SignInCode<'a> {
    /// The issuer's token endpoint.
    pub token: &'a Url,
    /// Permits plain HTTP and addresses that are not global.
    pub private: bool,
    /// What the issuer calls this gateway.
    pub client_id: &'a str,
    /// The client's secret; without one, PKCE alone proves that it is the same gateway.
    pub client_secret: Option<&'a SecretString>,
    /// Where the browser was sent back to.
    pub redirect_uri: &'a str,
    /// The code.
    pub code: &'a SecretString,
    /// Of the sign-in that was begun.
    pub verifier: &'a SecretString,
}

/// Why there is no identity token. No text quotes an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoIdentity {
    /// The code is worth nothing: used, too old, or another client's.
    #[error("the issuer did not take the code (invalid_grant)")]
    Code,
    /// The issuer does not know this gateway.
    #[error("the issuer does not accept the gateway as a client; see `[sign_in]` in pressgate.toml")]
    Client,
    /// What came is none of OpenID Connect.
    #[error("the issuer's answer has no identity token")]
    Answer,
    /// No answer.
    #[error("the issuer could not be asked: {0}")]
    Send(SendFailure),
}

/// Begins a sign-in: what the browser opens, and the nonce that the identity token must repeat.
///
/// # Errors
/// The system gives no random numbers.
pub fn begin_sign_in(wish: &SignInWish<'_>) -> Result<(Begun, String), SendFailure> {
    let (state, verifier, nonce) = (random()?, random()?, random()?);
    let challenge = digest(&SHA256, verifier.expose_secret().as_bytes());
    let mut url = wish.authorization.clone();
    url.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", wish.client_id)
        .append_pair("redirect_uri", wish.redirect_uri)
        .append_pair("scope", &wish.scopes.join(" "))
        .append_pair("state", state.expose_secret())
        .append_pair("nonce", nonce.expose_secret())
        .append_pair("code_challenge", &URL_SAFE_NO_PAD.encode(challenge.as_ref()))
        .append_pair("code_challenge_method", "S256");
    let nonce = nonce.expose_secret().to_owned();
    Ok((Begun { url: url.into(), state, verifier }, nonce))
}

impl Egress {
    /// Exchanges a code for an identity token, which is not checked here.
    ///
    /// # Errors
    /// [`NoIdentity`].
    pub async fn identity_token(&self, given: &SignInCode<'_>) -> Result<Zeroizing<String>, NoIdentity> {
        let scope = own::scope("sign-in", given.token, Method::POST, given.private, ANSWER_BYTES_MAX, TIMEOUT);
        let denied = |why| NoIdentity::Send(SendFailure::Denied(why));
        let target = Target::of_request(&scope, "POST", given.token.as_str()).map_err(denied)?;
        let mut headers = HeaderMap::new();
        self.core.default_headers(&mut headers, false);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        if let Some(secret) = given.client_secret {
            let pair = basic_pair(&SecretString::from(given.client_id), secret);
            let text = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.expose_secret())));
            headers.insert(AUTHORIZATION, sensitive(&text).map_err(NoIdentity::Send)?);
        }
        let body = OutBody::Bytes(Bytes::from_owner(form(given)));
        let answer = self.core.round(&scope, None, &target, headers, &body).await.map_err(NoIdentity::Send)?;
        read(answer.status, Zeroizing::new(answer.body))
    }
}

fn form(given: &SignInCode<'_>) -> Zeroizing<Vec<u8>> {
    let mut form = Serializer::new(String::with_capacity(FORM_ROOM_BYTES));
    form.append_pair("grant_type", "authorization_code")
        .append_pair("code", given.code.expose_secret())
        .append_pair("redirect_uri", given.redirect_uri)
        .append_pair("code_verifier", given.verifier.expose_secret());
    if given.client_secret.is_none() {
        form.append_pair("client_id", given.client_id);
    }
    Zeroizing::new(form.finish().into_bytes())
}

#[derive(Deserialize)]
struct Answer {
    id_token: Option<String>,
    error: Option<String>,
}

fn read(status: u16, body: Zeroizing<Vec<u8>>) -> Result<Zeroizing<String>, NoIdentity> {
    let answer: Option<Answer> = serde_json::from_slice(&body).ok();
    let error = answer.as_ref().and_then(|answer| answer.error.clone());
    match (status, error.as_deref(), answer.and_then(|answer| answer.id_token)) {
        (200, None, Some(token)) => Ok(Zeroizing::new(token)),
        (_, Some("invalid_grant"), _) => Err(NoIdentity::Code),
        (_, Some("invalid_client" | "unauthorized_client"), _) => Err(NoIdentity::Client),
        _ => Err(NoIdentity::Answer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sign_in_is_another() {
        let authorization = Url::parse("https://login.acme.example/auth?tenant=a").unwrap();
        let scopes = ["openid".to_owned(), "email".to_owned()];
        let redirect_uri = "https://gate.acme.example/people/callback";
        let wish = SignInWish { authorization: &authorization, client_id: "gate", scopes: &scopes, redirect_uri };
        let (one, nonce) = begin_sign_in(&wish).unwrap();
        let (other, other_nonce) = begin_sign_in(&wish).unwrap();
        assert!(one.is_for(one.state.expose_secret()) && !other.is_for(one.state.expose_secret()));
        assert_ne!(nonce, other_nonce);
        let asked: std::collections::BTreeMap<_, _> =
            Url::parse(&one.url).unwrap().query_pairs().into_owned().collect();
        for (name, value) in [
            ("tenant", "a"),
            ("scope", "openid email"),
            ("redirect_uri", redirect_uri),
            ("nonce", &nonce),
            ("code_challenge_method", "S256"),
        ] {
            assert_eq!(asked[name], value);
        }
        assert!(!one.url.contains(one.verifier.expose_secret()));
    }

    #[test]
    fn an_answer_has_an_identity_token_or_a_reason() {
        let answer = |status, text: &str| read(status, Zeroizing::new(text.as_bytes().to_vec()));
        assert_eq!(answer(200, r#"{"id_token":"a.b.c","access_token":"x"}"#).unwrap().as_str(), "a.b.c");
        assert_eq!(answer(400, r#"{"error":"invalid_grant"}"#), Err(NoIdentity::Code));
        assert_eq!(answer(200, r#"{"error":"invalid_grant","id_token":"a.b.c"}"#), Err(NoIdentity::Code));
        assert_eq!(answer(401, r#"{"error":"invalid_client"}"#), Err(NoIdentity::Client));
        for (status, text) in
            [(200, ""), (200, "{}"), (500, r#"{"id_token":"a"}"#), (302, "<html>"), (200, r#"{"id_token":7}"#)]
        {
            assert_eq!(answer(status, text), Err(NoIdentity::Answer), "{text}");
        }
    }
}
