//! Adapter for Threads.
//!
//! Speaks the Threads API (<https://developers.facebook.com/docs/threads>) as its published Postman collection writes it. A post is made
//! in two phases: a container, which nobody sees, and its publication. The network fetches media itself, from addresses that the
//! gateway serves. An unanswered publication is looked up: the container says whether it was published.

mod answer;
mod check;
mod classify;
mod facts;
mod options;
mod perform;
mod reconcile;
#[cfg(test)]
mod tests;

use pressgate_sdk::http::{Request, Response};
use pressgate_sdk::{
    Account, Adapter, Budget, Call, Classification, Description, Draft, Facts, Failure, Finding, Performed, RateClass,
    Reconciliation, Refusal, TokenPlace,
};

/// Label of the credential in `plugin.toml`.
const TOKEN: &str = "token";
/// Actions that the adapter can do.
const ACTIONS: [&str; 8] = [
    "post.create",
    "comment.create",
    "post.delete",
    "media.upload",
    "post.read",
    "timeline.read",
    "inbox.read",
    "profile.read",
];
const DAY_S: u32 = 86_400;

/// The adapter.
pub struct Threads;

pressgate_sdk::export_adapter!(Threads);

impl Adapter for Threads {
    fn describe() -> Description {
        Description {
            // https://developers.facebook.com/docs/threads/overview#rate-limits
            rate_classes: vec![
                RateClass::new("posts", &["post.create"], 250, DAY_S),
                RateClass::new("replies", &["comment.create"], 1000, DAY_S),
                RateClass::new("deletes", &["post.delete"], 100, DAY_S),
            ],
            client_token: vec![
                TokenPlace::Query("access_token".to_owned()),
                TokenPlace::Form("access_token".to_owned()),
                TokenPlace::Bearer,
            ],
            option_schema: options::SCHEMA.to_owned(),
            ..Description::of(&ACTIONS)
        }
    }

    fn discover(_account: &Account) -> Result<Facts, String> {
        facts::discover()
    }

    fn check(_account: &Account, draft: &Draft, facts: Option<&Facts>) -> Vec<Finding> {
        check::check(draft, facts)
    }

    fn classify(account: &Account, request: &Request) -> Classification {
        classify::classify(account, request).into()
    }

    fn perform(call: &Call) -> Result<Performed, Failure> {
        perform::perform(call)
    }

    fn reconcile(call: &Call, step: &str) -> Reconciliation {
        reconcile::reconcile(call, step)
    }

    fn observe(_method: &str, _url: &str, _status: u16, _headers: &[(String, String)]) -> Vec<Budget> {
        // The network tells its limits at an endpoint of their own, and in no header.
        Vec::new()
    }

    fn render_refusal(refusal: &Refusal, _request: &Request) -> Response {
        answer::render(refusal)
    }
}
