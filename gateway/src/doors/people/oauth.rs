//! The authorization server for people's devices: the device authorization grant (RFC 8628) and its metadata (RFC 8414). Answers and
//! errors are those of OAuth 2.0 (RFC 6749 section 5.2), not problems: clients of OAuth read them.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{Extensions, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{VERIFY, configured, form::Form};
use crate::{
    config::process::SignIn,
    doors::{caller::source, problem::Problem},
    gateway::Gateway,
    keys::reveal,
    people::{
        CODES_FOR, Polled,
        devices::{DEVICE_FOR, DeviceFailure, enrol, is_name},
    },
    refusal::{Refusal, Stage, problem},
};

/// Where a device begins.
pub(super) const BEGIN: &str = "/people/device_authorization";
/// Where it asks for its token.
pub(super) const TOKEN: &str = "/people/token";
/// The grant type of RFC 8628.
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// The one client there is: the command line, which keeps no secret.
const CLIENT_ID: &str = "pressgate-cli";
/// How long a source waits that began too many.
const BUSY_S: u64 = 60;

/// An error of RFC 6749 section 5.2.
fn error(status: StatusCode, code: &str, text: &str) -> Response {
    fresh(status, json!({ "error": code, "error_description": text }))
}

fn fresh(status: StatusCode, body: Value) -> Response {
    let mut response = (status, Json(body)).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn nothing_here() -> Response {
    let detail = "People don't sign in at this gateway: pressgate.toml has no `[sign_in]`. Ask an operator for a key.";
    Problem::from(Refusal::new(problem::SIGN_IN_UNAVAILABLE, Stage::Door, detail)).into_response()
}

/// The metadata (RFC 8414).
pub(super) async fn metadata(State(gateway): State<Arc<Gateway>>) -> Response {
    let Some(config) = configured(&gateway) else { return nothing_here() };
    Json(json!({
        "issuer": config.origin(),
        "device_authorization_endpoint": config.address(BEGIN),
        "token_endpoint": config.address(TOKEN),
        "token_endpoint_auth_methods_supported": ["none"],
        "grant_types_supported": [DEVICE_GRANT],
        "response_types_supported": [],
        "service_documentation": config.address("/v1/openapi.json"),
    }))
    .into_response()
}

/// A device begins (RFC 8628 section 3.1). `device_name` is ours: what the person will see.
pub(super) async fn begin(State(gateway): State<Arc<Gateway>>, extensions: Extensions, Form(form): Form) -> Response {
    let Some(config) = configured(&gateway) else { return nothing_here() };
    let (bad, source) = (StatusCode::BAD_REQUEST, source(&extensions));
    let Some(form) = form else { return error(bad, "invalid_request", "Send a form, each field once.") };
    if form.get("client_id") != CLIENT_ID {
        return error(StatusCode::UNAUTHORIZED, "invalid_client", "The client is not known here.");
    }
    if !form.get("scope").is_empty() {
        return error(bad, "invalid_scope", "A device has the rights of its person; there are no scopes.");
    }
    let name = form.get("device_name");
    if !is_name(name) {
        let text = "`device_name`: 1 to 40 letters, digits, spaces, and - _ . ' ( ).";
        return error(bad, "invalid_request", text);
    }
    let unavailable = || error(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "Try again in a minute.");
    if gateway.stopping.is_set() {
        return unavailable();
    }
    match gateway.people.codes.begin(name, source, gateway.clock.now()) {
        Ok(Some(started)) => fresh(StatusCode::OK, started_body(config, &started)),
        Ok(None) => {
            gateway.strangers.count(source, gateway.clock.now());
            let mut response =
                error(StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable", "Too many devices are being enrolled.");
            response.headers_mut().insert(header::RETRY_AFTER, BUSY_S.into());
            response
        }
        Err(_) => unavailable(),
    }
}

fn started_body(config: &SignIn, started: &crate::people::Started) -> Value {
    let verify = config.address(VERIFY);
    json!({
        "device_code": reveal(&started.device_code),
        "user_code": started.user_code,
        "verification_uri": verify,
        "verification_uri_complete": format!("{verify}?code={}", started.user_code),
        "expires_in": CODES_FOR.as_secs(),
        "interval": started.interval_s,
    })
}

/// A device asks for its token (RFC 8628 section 3.4).
pub(super) async fn token(State(gateway): State<Arc<Gateway>>, extensions: Extensions, Form(form): Form) -> Response {
    if configured(&gateway).is_none() {
        return nothing_here();
    }
    let bad = StatusCode::BAD_REQUEST;
    let Some(form) = form else { return error(bad, "invalid_request", "Send a form, each field once.") };
    if form.get("grant_type") != DEVICE_GRANT {
        return error(bad, "unsupported_grant_type", "Only the device authorization grant (RFC 8628) is served here.");
    }
    if form.get("client_id") != CLIENT_ID {
        return error(StatusCode::UNAUTHORIZED, "invalid_client", "The client is not known here.");
    }
    if gateway.stopping.is_set() {
        return error(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "Try again in a minute.");
    }
    let now = gateway.clock.now();
    match gateway.people.codes.poll(form.get("device_code"), now) {
        Polled::Pending => error(bad, "authorization_pending", "Nobody has decided yet."),
        Polled::SlowDown(seconds) => error(bad, "slow_down", &format!("Ask every {seconds} s.")),
        Polled::Denied => error(bad, "access_denied", "The person refused the device."),
        Polled::Expired => error(bad, "expired_token", "Nobody decided within ten minutes. Begin again."),
        Polled::Unknown => {
            gateway.strangers.count(source(&extensions), now);
            error(bad, "invalid_grant", "The device code is not known, or was used. Begin again.")
        }
        Polled::Approved(person, device) => {
            let (enrolling, name) = (Arc::clone(&gateway), device.name.clone());
            // To the end, even when the device goes away: its code is spent.
            let enrolled = tokio::spawn(async move { enrol(&enrolling, person, device).await }).await;
            match enrolled {
                Ok(Ok((key, record))) => fresh(
                    StatusCode::OK,
                    json!({
                        "access_token": reveal(&key),
                        "token_type": "Bearer",
                        "expires_in": DEVICE_FOR.as_secs(),
                        "device_id": record.id.as_str(),
                        "device_name": name,
                        "person": person_of(&record),
                    }),
                ),
                Ok(Err(failure)) => failed(&failure),
                Err(_) => error(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "The device was not enrolled."),
            }
        }
    }
}

fn person_of(record: &crate::records::KeyRecord) -> String {
    let holder = record.holder.to_string();
    holder.strip_prefix("person:").unwrap_or(&holder).to_owned()
}

fn failed(failure: &DeviceFailure) -> Response {
    match failure {
        DeviceFailure::Gone | DeviceFailure::Missing | DeviceFailure::TooMany => {
            error(StatusCode::BAD_REQUEST, "access_denied", &failure.to_string())
        }
        DeviceFailure::Audit(_) | DeviceFailure::Records(_) => {
            tracing::warn!(%failure, "a device was not enrolled");
            let text = "The device was not enrolled. Begin again in a minute.";
            error(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", text)
        }
    }
}
