//! What the network's answers mean, and the gateway's refusals in its words.

use pressgate_sdk::http::{self, Kind, Request, Response};
use pressgate_sdk::{Failure, Refusal, Rejection};
use serde_json::{Value, json};

use crate::perform::is_id;

/// A message of the network is cut here.
const MESSAGE_CHARS_MAX: usize = 300;

/// Sends a step.
pub fn send(step: &str, kind: Kind, request: &Request) -> Result<Response, Failure> {
    http::send(step, kind, request).map_err(|error| Failure::from_error(step, kind, error))
}

/// The JSON of a success.
pub fn success(response: &Response) -> Result<Value, Failure> {
    if !response.is_success() {
        return Err(failure(response));
    }
    let body = serde_json::from_slice(&response.body).map_err(|_| passing(response, "garbage", "is not JSON"))?;
    match partial_error(&body) {
        // A success that only says what went wrong is none.
        Some(message) if body["data"].is_null() => {
            Err(Failure::Rejected(Rejection::new(Some(response.status), "partial-error", message)))
        }
        _ => Ok(body),
    }
}

/// The id in `data`. Success without an id is not success.
pub fn id(response: &Response, body: &Value) -> Result<String, Failure> {
    let id = body["data"]["id"].as_str().filter(|id| is_id(id));
    id.map(str::to_owned).ok_or_else(|| passing(response, "no-id", "names no id"))
}

fn passing(response: &Response, code: &str, what: &str) -> Failure {
    Failure::Temporary(Rejection::new(Some(response.status), code, format!("The network's answer {what}.")))
}

/// An answer that is no success: `Problem` or `Error` of the API.
pub fn failure(response: &Response) -> Failure {
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let text = |field: &str| body[field].as_str().filter(|text| !text.is_empty());
    let said = text("detail").or(text("message")).or(text("title")).map(short).or_else(|| partial_error(&body));
    let message = said.unwrap_or_else(|| format!("The network answered {} without saying why.", response.status));
    let duplicate = response.status == 403 && message.contains("duplicate content");
    let reset_s: Option<u64> = response.header("x-rate-limit-reset").and_then(|seconds| seconds.trim().parse().ok());
    let wait_ms = reset_s.map(|seconds| seconds.saturating_mul(1000).saturating_sub(response.date_ms()));
    match Failure::from_status(response, message, wait_ms) {
        Failure::Rejected(rejection) if duplicate => {
            let message = "The account said this already, and the network wants no text twice. Change the text.";
            Failure::Rejected(Rejection { code: "duplicate".to_owned(), message: message.to_owned(), ..rejection })
        }
        failure => failure,
    }
}

/// True where the network says that there is no such post.
pub fn is_missing(response: &Response) -> bool {
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let says =
        |problem: &Value| problem["type"].as_str().is_some_and(|kind| kind.ends_with("/problems/resource-not-found"));
    let all = body["errors"].as_array();
    response.status == 404
        || response.status == 200 && body["data"].is_null() && all.is_some_and(|all| all.iter().any(says))
}

/// The first of the errors that stand beside `data`.
fn partial_error(body: &Value) -> Option<String> {
    let first = body["errors"].as_array()?.first()?;
    first["detail"].as_str().or(first["message"].as_str()).map(short)
}

fn short(text: &str) -> String {
    text.chars().take(MESSAGE_CHARS_MAX).collect()
}

/// A refusal as a client of this API expects it.
pub fn render(refusal: &Refusal) -> Response {
    let title = match refusal.status {
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        429 => "Too Many Requests",
        500.. => "Service Unavailable",
        _ => "Invalid Request",
    };
    let body = json!({
        "type": "about:blank", "title": title, "status": refusal.status, "detail": refusal.message,
        "reason": refusal.code, "errors": [{ "message": refusal.message, "code": refusal.code }],
    });
    let response = Response::json(refusal.status, body.to_string());
    match refusal.retry_after_s {
        Some(seconds) => response.with_header("retry-after", seconds.to_string()),
        None => response,
    }
}
