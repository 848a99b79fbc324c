//! Connecting an account to its network (OAuth 2): begun by an operator, answered in a browser, ended by an operator.
//!
//! The answer comes without a key: a browser brings it. What it is worth hangs on the state alone, which only the operator who
//! began was given, which is good once and for ten minutes.

use std::sync::Arc;

use axum::{
    extract::{RawQuery, State},
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use url::Url;
use zeroize::Zeroizing;

use super::{
    By, Ops, OpsError,
    credentials::Wants,
    keys::is_operator,
    ops::leaf_of,
    wire::{ConnectionBegun, ConnectionRequest, ConnectionView, RevokedView},
};
use crate::{
    audit::leaf::Changed,
    call::send::scope,
    connections::{Attempt, Ended, Progress},
    egress::{ConnectFailure, Consent, Revocation, Scope},
    gateway::Gateway,
    model::{AccountId, PersonId},
    vault::SecretString,
};

/// Where browsers are sent back to.
pub const CALLBACK: &str = "/oauth/callback";

impl From<ConnectFailure> for OpsError {
    fn from(failure: ConnectFailure) -> Self {
        Self::Invalid(failure.to_string())
    }
}

/// Begins to connect an account, and answers the address that the operator opens in a browser.
///
/// # Errors
/// [`OpsError::Missing`] and [`OpsError::Invalid`]: no such account, a scheme that needs no connection, no client yet.
pub async fn begin(
    gateway: &Gateway,
    by: &By,
    account: &str,
    label: &str,
    wish: ConnectionRequest,
) -> Result<ConnectionBegun, OpsError> {
    let By::Person(person) = by else {
        return Err(OpsError::Invalid("only a person with a key connects an account".into()));
    };
    let redirect_uri = redirect_uri(&wish.redirect_uri)?;
    let governance = gateway.governance.load_full();
    let wants = Wants { governance: &governance, shelf: &gateway.shelf };
    let (known, declared) = wants.declared(account, Some(label))?;
    if !declared.scheme.connects() {
        let scheme = declared.scheme.word();
        return Err(OpsError::Invalid(format!(
            "the credential `{label}` of `{account}` has the scheme `{scheme}`, which needs no connection: `pressgate credential set \
             {account}`"
        )));
    }
    let scope = scope_of(gateway, &known.id)?;
    let begun = gateway.egress.begin_authorization(&scope, label, &redirect_uri).await;
    let begun = begun.map_err(|failure| {
        OpsError::Invalid(format!("{failure}; set the client first: `pressgate credential set {account}`"))
    })?;
    let now = gateway.clock.now();
    let id = connection_id(now);
    let authorization_url = begun.url.clone();
    let attempt = Attempt {
        account: known.id.clone(),
        label: label.to_owned(),
        by: person.clone(),
        redirect_uri: redirect_uri.clone(),
    };
    let expires_at = gateway.connections.pending.begin(&id, attempt, begun, now);
    let (account, label) = (account.to_owned(), label.to_owned());
    Ok(ConnectionBegun { id, account, label, authorization_url, redirect_uri, expires_at })
}

/// An id that says nothing of the state.
fn connection_id(now: Timestamp) -> String {
    let millis = u64::try_from(now.as_millisecond()).unwrap_or_default();
    let stamp = uuid::Timestamp::from_unix(uuid::NoContext, millis / 1000, 0);
    uuid::Uuid::new_v7(stamp).to_string()
}

/// How far a connection is.
///
/// # Errors
/// [`OpsError::Missing`] where nobody began it, or long ago.
pub fn progress(gateway: &Gateway, id: &str) -> Result<ConnectionView, OpsError> {
    let missing = || OpsError::Missing("nobody began such a connection; begin again".into());
    let progress = gateway.connections.pending.progress(id, gateway.clock.now()).ok_or_else(missing)?;
    let (state, reason) = match progress {
        Progress::Waiting => ("waiting", None),
        Progress::Connected => ("connected", None),
        Progress::Failed(why) => ("failed", Some(why)),
        Progress::Expired => ("expired", Some("no answer came within ten minutes; begin again".to_owned())),
    };
    Ok(ConnectionView { id: id.to_owned(), state: state.to_owned(), reason })
}

/// Deletes a credential: its tokens end at the network where it has a way to say so, then they leave vault and memory.
///
/// # Errors
/// [`OpsError::Missing`] where there is none. A network that does not end the tokens is no error, and is told.
pub async fn revoke(gateway: &Gateway, by: &By, account: &str, label: &str) -> Result<RevokedView, OpsError> {
    let ops = Ops::running(gateway);
    let id = AccountId::new(account);
    let scope = scope_of(gateway, &id).ok().filter(|scope| connects(scope, label));
    let network = async {
        match &scope {
            Some(scope) => gateway.egress.revoke_tokens(scope, label).await,
            None => Revocation::None,
        }
    };
    let network = ops.revoke_credential(by, account, label, network).await?;
    gateway.connections.pending.drop_of(&id, label);
    gateway.egress.forget(&id, label);
    let (network, reason) = match network {
        Revocation::None => ("not-asked", None),
        Revocation::Done => ("revoked", None),
        Revocation::Failed(why) => ("failed", Some(why)),
    };
    Ok(RevokedView { account: account.to_owned(), label: label.to_owned(), network: network.to_owned(), reason })
}

fn connects(scope: &Scope, label: &str) -> bool {
    let scheme = scope.credentials.iter().find(|rule| rule.label == label).map(|rule| &rule.scheme);
    matches!(scheme, Some(crate::egress::CredentialScheme::OAuth(_)))
}

/// What the account's adapter may reach.
fn scope_of(gateway: &Gateway, account: &AccountId) -> Result<Scope, OpsError> {
    let governance = gateway.governance.load_full();
    let serving = gateway.registry.snapshot();
    let found = governance.accounts.get(account.as_str());
    let found = found.and_then(|account| Some((account, serving.adapter(account)?)));
    let Some((account, adapter)) = found else {
        return Err(OpsError::Missing(format!("no account `{account}` with an adapter that serves")));
    };
    Ok(scope(gateway, account, adapter))
}

/// The address that browsers are sent back to: a code must not cross a network in plain text.
fn redirect_uri(text: &str) -> Result<String, OpsError> {
    let fault = |what: &str| OpsError::Invalid(format!("the address of the callback {what}"));
    let url = Url::parse(text).map_err(|_| fault("is no address"))?;
    let bare = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if url.path() != CALLBACK || !bare || url.password().is_some() {
        return Err(fault(&format!("must end in `{CALLBACK}` and have no query")));
    }
    let loopback = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    if url.scheme() == "https" || (url.scheme() == "http" && loopback) {
        return Ok(url.into());
    }
    Err(fault(
        "must begin with `https://` unless it is on the loopback; give --callback with the one that browsers reach",
    ))
}

/// What the browser brought. Each name stands once; others are none of ours.
#[derive(Default)]
struct Answer {
    state: Option<String>,
    code: Option<Zeroizing<String>>,
    error: Option<String>,
    issuer: Option<String>,
}

impl Answer {
    fn read(query: &str) -> Option<Self> {
        let mut answer = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let again = match &*name {
                "state" => answer.state.replace(value.into_owned()).is_some(),
                "code" => answer.code.replace(Zeroizing::new(value.into_owned())).is_some(),
                "error" => answer.error.replace(value.into_owned()).is_some(),
                "iss" => answer.issuer.replace(value.into_owned()).is_some(),
                _ => false,
            };
            if again {
                return None;
            }
        }
        Some(answer)
    }
}

/// Takes the answer of an authorization server from the operator's browser. The page says nothing that came with it.
pub async fn callback(State(gateway): State<Arc<Gateway>>, method: Method, RawQuery(query): RawQuery) -> Response {
    // Whoever looks ahead at a link must not use the state up.
    if method != Method::GET || gateway.stopping.is_set() {
        return page(StatusCode::SERVICE_UNAVAILABLE, "Not now", "Nothing was done. Open the address again.");
    }
    let unknown = || {
        let text = "No operator waits for this answer: it was used before, is older than ten minutes, or belongs to a gateway that \
                    was restarted. Begin again with pressgate credential connect.";
        page(StatusCode::BAD_REQUEST, "Not connected", text)
    };
    let Some(mut answer) = query.as_deref().and_then(Answer::read) else { return unknown() };
    let state = answer.state.take().unwrap_or_default();
    let Some(ended) = gateway.connections.pending.take(&state, gateway.clock.now()) else { return unknown() };
    let id = ended.id.clone();
    let finishing = Arc::clone(&gateway);
    // To the end, even when the browser goes away: the code is spent.
    let finished = tokio::spawn(async move { finish(&finishing, ended, answer).await }).await;
    let finished = finished.unwrap_or_else(|_| Err("the connection broke off; see the gateway's log".to_owned()));
    match finished {
        Ok(()) => {
            gateway.connections.pending.ended(&id, Progress::Connected);
            page(StatusCode::OK, "Connected", "The account is connected. You can close this page.")
        }
        Err(why) => {
            gateway.connections.pending.ended(&id, Progress::Failed(why));
            let text =
                "The account was not connected, and nothing was changed. The terminal in which you began says why.";
            page(StatusCode::BAD_REQUEST, "Not connected", text)
        }
    }
}

async fn finish(gateway: &Gateway, ended: Ended, answer: Answer) -> Result<(), String> {
    if let Some(error) = answer.error {
        return Err(format!("the network's answer was: {}", known(&error)));
    }
    let code = answer.code.filter(|code| !code.is_empty()).ok_or("the network's answer has no code")?;
    let Attempt { account, label, by, redirect_uri } = ended.attempt;
    // Ten minutes are long enough to lose a role in.
    if !is_operator(&gateway.governance.load(), by.as_str()) {
        return Err(format!("`{by}` is no operator any more"));
    }
    let scope = scope_of(gateway, &account).map_err(|error| error.to_string())?;
    let code = SecretString::from(code.as_str());
    let consent = Consent { code, issuer: answer.issuer, verifier: ended.verifier, redirect_uri };
    let by = By::Person(PersonId::new(by.as_str()));
    let change = leaf_of(Changed::Credential, "connect", format!("{account}/{label}"), None, &by);
    let finish = gateway.egress.finish_authorization(&scope, &label, consent);
    Ops::running(gateway).change(change, finish).await.map_err(|error| error.to_string())
}

/// An error of RFC 6749 section 4.1.2.1 in words; what else may stand there is not repeated.
fn known(error: &str) -> &'static str {
    match error {
        "access_denied" => "the person declined (access_denied)",
        "invalid_request" => "it did not understand the request (invalid_request)",
        "unauthorized_client" => "the client may not do this (unauthorized_client)",
        "unsupported_response_type" => "it gives no codes (unsupported_response_type)",
        "invalid_scope" => "it refuses what is asked for (invalid_scope)",
        "server_error" => "it is out of order (server_error)",
        "temporarily_unavailable" => "it is overloaded (temporarily_unavailable)",
        _ => "an error that is not of OAuth 2.0",
    }
}

/// A page of our own words. The address of this page holds a code: it goes nowhere else, and stays in no cache.
fn page(status: StatusCode, title: &'static str, text: &'static str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Pressgate: {title}</title><h1>{title}</h1><p>{text}</p></html>\n"
    );
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
        ),
    ];
    (status, headers, html).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_comes_back_over_tls_or_the_loopback() {
        for good in [
            "http://127.0.0.1:8421/oauth/callback",
            "http://[::1]:8421/oauth/callback",
            "http://localhost:8421/oauth/callback",
            "https://gate.example/oauth/callback",
        ] {
            assert_eq!(redirect_uri(good).ok().as_deref(), Some(good));
        }
        for bad in [
            "",
            "/oauth/callback",
            "http://10.0.0.5:8421/oauth/callback",
            "http://gate.example/oauth/callback",
            "http://localhost.evil.example/oauth/callback",
            "https://gate.example/oauth/callback/",
            "https://gate.example/oauth/callback?x=1",
            "https://gate.example/oauth/callback#x",
            "https://user@gate.example/oauth/callback",
            "https://gate.example/other",
            "javascript:alert(1)//oauth/callback",
        ] {
            assert!(redirect_uri(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_parameter_that_stands_twice_spoils_the_answer() {
        let answer = Answer::read("state=a&code=b&iss=https%3A%2F%2Fx&other=1&other=2");
        assert!(answer.is_some_and(|answer| answer.state.as_deref() == Some("a") && answer.code.is_some()));
        for twice in ["state=a&state=a", "code=a&code=b", "error=a&error=b", "iss=a&iss=b"] {
            assert!(Answer::read(twice).is_none(), "{twice}");
        }
        assert!(Answer::read("%ff=%fe&&&==").is_some());
    }
}
