//! What the server's answers mean, and the gateway's refusals in the server's words.

use pressgate_sdk::http::{self, Kind, Request, Response};
use pressgate_sdk::{Budget, Failure, Refusal, Rejection};
use serde_json::{Value, json};

use crate::POINTS_PER_CREATION;

/// A message of the server is cut here.
const MESSAGE_CHARS_MAX: usize = 300;
/// Errors with which a server refuses a credential, whatever the status.
const CREDENTIAL_ERRORS: &[&str] = &[
    "AccountDeactivated",
    "AccountTakedown",
    "AuthMissing",
    "AuthenticationRequired",
    "AuthFactorTokenRequired",
    "ExpiredToken",
    "InvalidToken",
];

/// Sends a step.
pub fn send(step: &str, kind: Kind, request: &Request) -> Result<Response, Failure> {
    http::send(step, kind, request).map_err(|error| Failure::from_error(step, kind, error))
}

/// The JSON of a 200.
pub fn success(response: &Response) -> Result<Value, Failure> {
    if !response.is_success() {
        return Err(failure(response));
    }
    serde_json::from_slice(&response.body).map_err(|_| garbage(response))
}

/// An answer that can't be read, which is a passing fault.
pub fn garbage(response: &Response) -> Failure {
    let message = "The server's answer is not what its API promises.";
    Failure::Temporary(Rejection::new(Some(response.status), "garbage", message))
}

/// An answer that is no success: `{"error": name, "message": sentence}` (<https://atproto.com/specs/xrpc>).
pub fn failure(response: &Response) -> Failure {
    let (name, message) = error(response);
    if CREDENTIAL_ERRORS.contains(&name.as_str()) {
        return Failure::Unauthorized(Rejection::new(Some(response.status), &kebab(&name), message));
    }
    let reset_s: Option<u64> = response.header("ratelimit-reset").and_then(|seconds| seconds.trim().parse().ok());
    let wait_ms = reset_s.map(|seconds| seconds.saturating_mul(1000).saturating_sub(response.date_ms()));
    let mut failure = Failure::from_status(response, message, wait_ms);
    if let (Failure::Rejected(rejection), false) = (&mut failure, name.is_empty()) {
        rejection.code = kebab(&name);
    }
    failure
}

/// True where the server says that there is no such record.
pub fn is_missing(response: &Response) -> bool {
    let (name, message) = error(response);
    response.status == 404
        || response.status == 400 && (name == "RecordNotFound" || message.starts_with("Could not locate record"))
}

/// True where the server says that nobody has a handle, and not something about the request or the credential.
pub fn is_unknown_handle(response: &Response) -> bool {
    let (name, _) = error(response);
    matches!(response.status, 400 | 404) && !CREDENTIAL_ERRORS.contains(&name.as_str())
}

/// Name and sentence of an error; an empty name where there is none.
fn error(response: &Response) -> (String, String) {
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let text = |field: &str| body[field].as_str().map(|text| text.chars().take(MESSAGE_CHARS_MAX).collect::<String>());
    let name = text("error").unwrap_or_default();
    let message = text("message").filter(|message| !message.is_empty());
    let unsaid = || format!("The server answered {} {name} without saying why.", response.status);
    let message = message.unwrap_or_else(unsaid);
    (name, message)
}

/// `RecordNotFound` → `record-not-found`.
fn kebab(name: &str) -> String {
    let mut code = String::with_capacity(name.len() + 4);
    for letter in name.chars().filter(char::is_ascii_alphanumeric) {
        if letter.is_ascii_uppercase() && !code.is_empty() {
            code.push('-');
        }
        code.push(letter.to_ascii_lowercase());
    }
    code
}

/// `no-grant` → `NoGrant`.
fn pascal(code: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| format!("{}{}", first.to_ascii_uppercase(), letters.as_str())).unwrap_or_default()
    };
    code.split('-').map(word).collect()
}

/// Without one of these an answer tells of no budget.
pub const LIMIT_HEADERS: [&str; 2] = ["ratelimit-limit", "ratelimit-remaining"];

/// The headers `RateLimit-*` and `RateLimit-Policy: 3000;w=300`, whose window tells which limit is meant.
pub fn budgets(headers: &[(String, String)]) -> Vec<Budget> {
    let number = |name: &str| http::header(headers, name).and_then(|value| value.trim().parse::<u64>().ok());
    let window_s = http::header(headers, "ratelimit-policy").and_then(|policy| policy.split_once("w=")).map(|(_, w)| w);
    // Write limits count points; a budget counts calls.
    let (class, points) = match window_s.map(str::trim) {
        Some("3600") => ("writes-hour", POINTS_PER_CREATION),
        Some("86400") => ("writes-day", POINTS_PER_CREATION),
        _ => ("api", 1),
    };
    let calls = |name| number(name).map(|count| u32::try_from(count).unwrap_or(u32::MAX) / points);
    let budget = Budget {
        class: class.to_owned(),
        limit: calls(LIMIT_HEADERS[0]),
        remaining: calls(LIMIT_HEADERS[1]),
        reset_at_ms: number("ratelimit-reset").map(|seconds| seconds.saturating_mul(1000)),
    };
    if budget.limit.is_none() && budget.remaining.is_none() { Vec::new() } else { vec![budget] }
}

/// A refusal as a client of this API expects it.
pub fn render(refusal: &Refusal) -> Response {
    let (status, name) = match refusal.code.as_str() {
        _ if refusal.status == 429 => (429, "RateLimitExceeded".to_owned()),
        // With these a client renews its session, or gives up.
        "session-expired" => (400, "ExpiredToken".to_owned()),
        "unauthenticated" => (401, "AuthenticationRequired".to_owned()),
        code => (refusal.status, pascal(code)),
    };
    let body = json!({ "error": name, "message": refusal.message });
    let response = Response::json(status, body.to_string());
    match refusal.retry_after_s {
        Some(seconds) => response.with_header("retry-after", seconds.to_string()),
        None => response,
    }
}
