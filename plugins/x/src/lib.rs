//! Adapter for X.
//!
//! Speaks version 2 of the API (<https://docs.x.com/x-api>): posts and threads, media in pieces with descriptions, deletion, and
//! what an account reads. The network keeps no key of ours, so an unanswered post is looked for among the account's latest ones.

mod answer;
mod check;
mod classify;
mod limits;
mod media;
mod options;
mod perform;
mod read;
mod reconcile;
#[cfg(test)]
mod tests;

use pressgate_sdk::http::{Request, Response};
use pressgate_sdk::{
    Account, Adapter, Budget, Call, Classification, Description, Draft, Facts, Failure, Finding, Performed,
    Reconciliation, Refusal, TokenPlace,
};

/// Label of the credential in `plugin.toml`. Where an account has keys instead, the gateway takes those.
const TOKEN: &str = "token";
/// Limits are the same for every account; they are asked of nobody.
const FRESH_S: u32 = 24 * 60 * 60;

/// The adapter.
pub struct X;

pressgate_sdk::export_adapter!(X);

impl Adapter for X {
    fn describe() -> Description {
        Description {
            rate_classes: limits::classes(),
            client_token: vec![TokenPlace::Bearer],
            option_schema: options::SCHEMA.to_owned(),
            limit_headers: Some(limits::HEADERS.map(str::to_owned).to_vec()),
            // The official client sends media as base64 within JSON.
            client_media: vec!["/media".to_owned()],
            ..Description::of(&limits::ACTIONS)
        }
    }

    fn discover(_account: &Account) -> Result<Facts, String> {
        let json = format!(
            "{{\"characters_max\":{},\"characters_per_link\":{},\"media_max\":{}}}",
            check::WEIGHT_MAX,
            check::LINK_WEIGHT,
            check::IMAGES_MAX
        );
        Ok(Facts::new(json, FRESH_S))
    }

    fn check(_account: &Account, draft: &Draft, _facts: Option<&Facts>) -> Vec<Finding> {
        check::check(draft)
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

    fn observe(method: &str, url: &str, _status: u16, headers: &[(String, String)]) -> Vec<Budget> {
        limits::budgets(method, url, headers)
    }

    fn render_refusal(refusal: &Refusal, _request: &Request) -> Response {
        answer::render(refusal)
    }
}
