//! Speaks to GoldenAdapter: `POST /api/posts` with `{"text": "…"}` answers `{"id": "…"}`, once for each `Idempotency-Key` of a day.

use pressgate_sdk::http::{self, Body, Kind, Request, Response, Safety};
use pressgate_sdk::{
    Account, Adapter, Budget, Call, Classification, Classified, Description, Draft, Facts, Failure, Finding, Performed,
    Published, Reconciliation, Refusal, TokenPlace,
};
use serde::{Deserialize, Serialize};

const CHARS_MAX: usize = 280;
const EFFECT: Kind = Kind::Effect(Safety::NativeKey(86_400));

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Post {
    text: String,
}

#[derive(Deserialize)]
struct Made {
    id: String,
}

/// The adapter.
pub struct GoldenAdapter;

pressgate_sdk::export_adapter!(GoldenAdapter);

impl Adapter for GoldenAdapter {
    fn describe() -> Description {
        Description {
            client_token: vec![TokenPlace::Bearer],
            ..Description::of(&["post.create"])
        }
    }

    fn discover(_account: &Account) -> Result<Facts, String> {
        Ok(Facts::new(format!(r#"{{"chars_max":{CHARS_MAX}}}"#), 86_400))
    }

    fn check(_account: &Account, draft: &Draft, _facts: Option<&Facts>) -> Vec<Finding> {
        let mut findings = Vec::new();
        if draft.parts.len() > 1 {
            findings.push(Finding::error("no-threads", "GoldenAdapter has no threads: make it one post."));
        }
        for (index, part) in draft.parts.iter().enumerate() {
            if part.text.chars().count() > CHARS_MAX {
                findings.push(Finding::error("too-long", "Shorten the text.").in_part(index));
            }
            if !part.media.is_empty() {
                findings.push(Finding::error("no-media", "GoldenAdapter shows no media.").in_part(index));
            }
        }
        findings
    }

    fn classify(_account: &Account, request: &Request) -> Classification {
        let body = match &request.body {
            Body::Bytes(bytes) => bytes.as_slice(),
            _ => &[],
        };
        match (request.method.as_str(), request.path(), serde_json::from_slice::<Post>(body)) {
            ("POST", "/api/posts", Ok(post)) if !request.url.contains('?') => {
                Classification::Act(Classified { text: post.text, ..Classified::new("post.create") })
            }
            _ => Classification::Refuse("only POST /api/posts with a text is known".into()),
        }
    }

    fn perform(call: &Call) -> Result<Performed, Failure> {
        let key: String = call.key.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut parts = Vec::new();
        for (index, part) in call.draft.parts.iter().enumerate() {
            let step = format!("part-{index}");
            let body = serde_json::json!({ "text": part.text }).to_string();
            let request = Request::post("/api/posts")
                .json(body)
                .header("idempotency-key", format!("{key}-{index}"))
                .credential("token");
            let answer =
                http::send(&step, EFFECT, &request).map_err(|error| Failure::from_error(&step, EFFECT, error))?;
            if !answer.is_success() {
                return Err(Failure::from_status(&answer, "GoldenAdapter refused the post.", None));
            }
            // Success without an id is not success: whether it happened is then open.
            let made: Made = serde_json::from_slice(&answer.body).map_err(|_| Failure::Unknown(step))?;
            parts.push(Published::new(made.id));
        }
        Ok(Performed::new(parts))
    }

    fn reconcile(_call: &Call, _step: &str) -> Reconciliation {
        Reconciliation::CannotKnow("GoldenAdapter can't be asked for a post".into())
    }

    fn observe(_method: &str, _url: &str, _status: u16, _headers: &[(String, String)]) -> Vec<Budget> {
        Vec::new()
    }

    fn render_refusal(refusal: &Refusal, _request: &Request) -> Response {
        Response::json(refusal.status, serde_json::json!({ "error": refusal.message }).to_string())
    }
}

#[cfg(test)]
mod tests {
    use pressgate_sdk::testing::{self, Host, answer};

    use super::*;

    #[test]
    fn a_post_is_sent_once_and_is_what_was_asked_for() {
        let host = Host::new().answer("part-0", answer(200, r#"{"id":"7"}"#)).install();
        let call = testing::call(testing::account("golden-adapter"), testing::draft("Hello"), None);
        for _ in 0..2 {
            assert_eq!(GoldenAdapter::perform(&call).unwrap().parts[0].platform_id, "7");
            host.next_attempt();
        }
        assert_eq!(host.steps(), ["part-0"]);
        let sent = &host.sent()[0].request;
        let Classification::Act(act) = GoldenAdapter::classify(&testing::account("golden-adapter"), sent) else { panic!("refused") };
        assert_eq!((act.action.as_str(), act.text.as_str()), ("post.create", "Hello"));
    }
}
