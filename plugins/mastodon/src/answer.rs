//! What the server's answers mean, and the gateway's refusals in the server's words.

use pressgate_sdk::http::{self, Response};
use pressgate_sdk::{Budget, Failure, Refusal, Rejection, clock};
use serde_json::{Value, json};

/// A message of the server is cut here.
const MESSAGE_CHARS_MAX: usize = 300;

/// An answer that is no success, as `perform` reports it.
pub fn failure(response: &Response) -> Failure {
    let reset_ms = response.header("x-ratelimit-reset").and_then(clock::parse_rfc3339);
    let wait_ms = reset_ms.map(|reset_ms| reset_ms.saturating_sub(response.date_ms()));
    Failure::from_status(response, message(response), wait_ms)
}

/// The JSON of a success; a server that answers with something else has a passing fault.
pub fn success(response: &Response) -> Result<Value, Failure> {
    if !response.is_success() {
        return Err(failure(response));
    }
    serde_json::from_slice(&response.body).map_err(|_| {
        let message = "The server's answer is not JSON.";
        Failure::Temporary(Rejection::new(Some(response.status), "garbage", message))
    })
}

/// The entity's id. Success without an id is not success.
pub fn id(response: &Response, entity: &Value) -> Result<String, Failure> {
    match entity["id"].as_str() {
        Some(id) if !id.is_empty() => Ok(id.to_owned()),
        _ => {
            let message = "The server said yes and named no id.";
            Err(Failure::Temporary(Rejection::new(Some(response.status), "no-id", message)))
        }
    }
}

/// The entity `Error`: <https://docs.joinmastodon.org/entities/Error/>
fn message(response: &Response) -> String {
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    match body["error"].as_str() {
        Some(error) => error.chars().take(MESSAGE_CHARS_MAX).collect(),
        None => format!("The server answered {} without saying why.", response.status),
    }
}

/// Without one of these an answer tells of no budget.
pub const LIMIT_HEADERS: [&str; 2] = ["x-ratelimit-limit", "x-ratelimit-remaining"];

/// <https://docs.joinmastodon.org/api/rate-limits/>: the headers tell of the tightest limit without naming it.
pub fn budgets(headers: &[(String, String)]) -> Vec<Budget> {
    let header = |name: &str| http::header(headers, name).map(str::trim);
    let number = |name: &str| header(name).and_then(|value| value.parse().ok());
    let budget = Budget {
        class: "api".to_owned(),
        limit: number(LIMIT_HEADERS[0]),
        remaining: number(LIMIT_HEADERS[1]),
        reset_at_ms: header("x-ratelimit-reset").and_then(clock::parse_rfc3339),
    };
    if budget.limit.is_none() && budget.remaining.is_none() { Vec::new() } else { vec![budget] }
}

/// A refusal as a client of this API expects it.
pub fn render(refusal: &Refusal) -> Response {
    let body = json!({ "error": refusal.message, "error_description": refusal.code });
    let response = Response::json(refusal.status, body.to_string());
    match refusal.retry_after_s {
        Some(seconds) => response.with_header("retry-after", seconds.to_string()),
        None => response,
    }
}
