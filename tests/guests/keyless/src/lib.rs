//! An adapter for a network that knows no idempotency keys: it speaks Mastodon's statuses without one. What becomes of a status
//! that was not answered, it looks up; on an account whose id ends in `-none` it says that nobody can know.
#![allow(missing_docs, reason = "a guest of the tests")]

use pressgate_sdk::http::{self, Body, Kind, Request, Response, Safety};
use pressgate_sdk::{
    Account, Adapter, Budget, Call, Classification, Classified, Description, Draft, Facts, Failure, Finding, Performed,
    Published, Reconciliation, Refusal, Rejection,
};
use serde_json::{Value, json};

struct Keyless;
pressgate_sdk::export_adapter!(Keyless);

const STATUSES: &str = "/api/v1/statuses";
const STEP: &str = "status";
const PAGES_MAX: u32 = 50;

impl Adapter for Keyless {
    fn describe() -> Description {
        Description { option_schema: "{}".to_owned(), ..Description::of(&["post.create", "post.read"]) }
    }

    fn discover(_account: &Account) -> Result<Facts, String> {
        Ok(Facts::new("{}", 86_400))
    }

    fn check(_account: &Account, _draft: &Draft, _facts: Option<&Facts>) -> Vec<Finding> {
        Vec::new()
    }

    fn classify(_account: &Account, request: &Request) -> Classification {
        let body: Value = match &request.body {
            Body::Bytes(bytes) => serde_json::from_slice(bytes).unwrap_or_default(),
            _ => Value::Null,
        };
        match (request.method.as_str(), request.path(), body["status"].as_str()) {
            ("POST", STATUSES, Some(text)) => {
                Classification::Act(Classified { text: text.to_owned(), ..Classified::new("post.create") })
            }
            _ => Classification::Refuse("It is not known here.".to_owned()),
        }
    }

    fn perform(call: &Call) -> Result<Performed, Failure> {
        let safety = if call.account.id.ends_with("-none") { Safety::None } else { Safety::LookUp };
        let kind = Kind::Effect(safety);
        let request = Request::post(STATUSES).json(json!({ "status": text(call) }).to_string()).credential("token");
        let response = http::send(STEP, kind, &request).map_err(|error| Failure::from_error(STEP, kind, error))?;
        if !response.is_success() {
            return Err(Failure::from_status(&response, "It was refused.".to_owned(), None));
        }
        let status: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        let Some(id) = status["id"].as_str() else {
            return Err(Failure::Rejected(Rejection::new(Some(response.status), "no-id", "The answer names no id.")));
        };
        Ok(Performed { parts: vec![Published::new(id.to_owned())], extra: Vec::new() })
    }

    fn reconcile(call: &Call, _step: &str) -> Reconciliation {
        if call.account.id.ends_with("-none") {
            return Reconciliation::CannotKnow("This network shows nobody what was published.".to_owned());
        }
        match found(call) {
            Ok(Some(status)) => Reconciliation::Happened(Response::json(200, status.to_string())),
            Ok(None) => Reconciliation::DidNot,
            Err(why) => Reconciliation::CannotKnow(why),
        }
    }

    fn observe(_method: &str, _url: &str, _status: u16, _headers: &[(String, String)]) -> Vec<Budget> {
        Vec::new()
    }

    fn render_refusal(refusal: &Refusal, _request: &Request) -> Response {
        Response::json(refusal.status, json!({ "error": refusal.message }).to_string())
    }
}

fn text(call: &Call) -> &str {
    call.draft.parts.first().map_or("", |part| part.text.as_str())
}

/// The status with the call's text; of these tests each has another.
fn found(call: &Call) -> Result<Option<Value>, String> {
    let me = get("who", "/api/v1/accounts/verify_credentials")?;
    let me = me["id"].as_str().ok_or("The network did not say who we are.")?.to_owned();
    let mut before = String::new();
    for page in 0..PAGES_MAX {
        let url = format!("/api/v1/accounts/{me}/statuses?limit=40{before}");
        let Value::Array(statuses) = get(&format!("page-{page}"), &url)? else {
            return Err("The network gave no list.".to_owned());
        };
        let Some(last) = statuses.last().and_then(|last| last["id"].as_str()) else { return Ok(None) };
        before = format!("&max_id={last}");
        let html = format!("<p>{}</p>", text(call));
        if let Some(status) = statuses.into_iter().find(|status| status["content"] == html.as_str()) {
            return Ok(Some(status));
        }
    }
    Err("The network has more statuses than can be looked through.".to_owned())
}

fn get(step: &str, url: &str) -> Result<Value, String> {
    let request = Request::get(url).credential("token");
    let response = http::send(step, Kind::Read, &request).map_err(|error| format!("No answer: {error:?}."))?;
    if response.status != 200 {
        return Err(format!("The network answered {}.", response.status));
    }
    serde_json::from_slice(&response.body).map_err(|_| "The answer is not JSON.".to_owned())
}
