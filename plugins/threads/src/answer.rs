//! What the network's answers mean, and the gateway's refusals in the network's words.

use pressgate_sdk::http::{self, Kind, Request, Response};
use pressgate_sdk::{Failure, Refusal, Rejection};
use serde_json::{Value, json};

/// A message of the network is cut here.
const MESSAGE_CHARS_MAX: usize = 300;
/// The token is no good, or not any more: <https://developers.facebook.com/docs/graph-api/guides/error-handling>
const CREDENTIAL_CODES: [u64; 2] = [102, 190];
/// Too many calls: of the app, of the account, of this kind, and of a business.
const LIMIT_CODES: [u64; 5] = [4, 17, 32, 368, 613];
/// The network's own trouble.
const PASSING_CODES: [u64; 2] = [1, 2];
/// The container is still being made: <https://developers.facebook.com/docs/threads/troubleshooting>
const NOT_READY_SUBCODE: u64 = 4_279_009;

/// Sends a step.
pub fn send(step: &str, kind: Kind, request: &Request) -> Result<Response, Failure> {
    http::send(step, kind, request).map_err(|error| Failure::from_error(step, kind, error))
}

/// The JSON of a success.
pub fn success(response: &Response) -> Result<Value, Failure> {
    if !response.is_success() {
        return Err(failure(response));
    }
    serde_json::from_slice(&response.body).map_err(|_| temporary(response, "garbage", "The answer is not JSON."))
}

/// The id in an answer. Success without an id is not success.
pub fn id(response: &Response) -> Result<String, Failure> {
    let body = success(response)?;
    let id = body["id"].as_str().filter(|id| crate::perform::is_id(id));
    id.map(str::to_owned).ok_or_else(|| temporary(response, "no-id", "The network said yes and named no id."))
}

/// A fault that may pass.
pub fn temporary(response: &Response, code: &str, message: &str) -> Failure {
    Failure::Temporary(Rejection::new(Some(response.status), code, message))
}

/// `{"error": {"message", "type", "code", "error_subcode", "is_transient"}}`
pub fn failure(response: &Response) -> Failure {
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let error = &body["error"];
    let said = error["error_user_msg"].as_str().or(error["message"].as_str()).filter(|said| !said.is_empty());
    let message = match said {
        Some(said) => said.chars().take(MESSAGE_CHARS_MAX).collect(),
        None => format!("The network answered {} without saying why.", response.status),
    };
    let code = error["code"].as_u64();
    let is = |codes: &[u64]| code.is_some_and(|code| codes.contains(&code));
    let rejection = |name: &str| Rejection::new(Some(response.status), name, message.clone());
    if is(&CREDENTIAL_CODES) {
        return Failure::Unauthorized(rejection("token-refused"));
    }
    if is(&LIMIT_CODES) {
        return Failure::RateLimited((rejection("rate-limited"), response.retry_after_ms()));
    }
    if error["error_subcode"].as_u64() == Some(NOT_READY_SUBCODE) {
        return Failure::Temporary(rejection("container-not-ready"));
    }
    if is(&PASSING_CODES) || error["is_transient"] == true {
        return Failure::Temporary(rejection("server-error"));
    }
    Failure::from_status(response, message, None)
}

/// A refusal as a client of this API expects it.
pub fn render(refusal: &Refusal) -> Response {
    let (kind, code) = match refusal.status {
        401 => ("OAuthException", 190),
        429 => ("OAuthException", 4),
        403 => ("OAuthException", 10),
        500.. => ("OAuthException", 2),
        _ => ("OAuthException", 100),
    };
    let error = json!({ "message": refusal.message, "type": kind, "code": code, "error_data": refusal.code });
    let response = Response::json(refusal.status, json!({ "error": error }).to_string());
    match refusal.retry_after_s {
        Some(seconds) => response.with_header("retry-after", seconds.to_string()),
        None => response,
    }
}
