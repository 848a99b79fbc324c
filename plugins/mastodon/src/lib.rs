//! Adapter for Mastodon and servers with the same client API.
//!
//! Speaks the REST API of <https://docs.joinmastodon.org/methods/>: statuses and threads, media with descriptions,
//! deletion. A status is sent with an `Idempotency-Key`, which servers keep for an hour; later `reconcile` looks for
//! the status among the account's latest ones.

mod answer;
mod check;
mod classify;
mod facts;
mod login;
mod options;
mod perform;
mod reconcile;
#[cfg(test)]
mod tests;

use pressgate_sdk::http::{Request, Response};
use pressgate_sdk::{
    Account, Adapter, Budget, Call, Classification, Description, Draft, Facts, Failure, Finding, Login, Performed,
    RateClass, Reconciliation, Refusal, Session,
};

/// Label of the credential in `plugin.toml`.
const TOKEN: &str = "token";

/// The adapter.
pub struct Mastodon;

pressgate_sdk::export_adapter!(Mastodon);

impl Adapter for Mastodon {
    fn describe() -> Description {
        let actions = [
            "post.create",
            "comment.create",
            "post.delete",
            "media.upload",
            "post.read",
            "timeline.read",
            "inbox.read",
            "profile.read",
        ];
        Description {
            // https://docs.joinmastodon.org/api/rate-limits/
            rate_classes: vec![
                RateClass::new("api", &actions, 300, 300),
                RateClass::new("media", &["media.upload"], 30, 1800),
                RateClass::new("deletes", &["post.delete"], 30, 1800),
            ],
            client_token: login::places(),
            option_schema: options::SCHEMA.to_owned(),
            client_paths: login::PATHS.map(str::to_owned).to_vec(),
            limit_headers: Some(answer::LIMIT_HEADERS.map(str::to_owned).to_vec()),
            ..Description::of(&actions)
        }
    }

    fn discover(_account: &Account) -> Result<Facts, String> {
        facts::discover()
    }

    fn check(_account: &Account, draft: &Draft, facts: Option<&Facts>) -> Vec<Finding> {
        check::check(draft, &facts::Limits::from_facts(facts))
    }

    fn classify(account: &Account, request: &Request) -> Classification {
        if let Some(login) = login::classify(account, request) {
            return Classification::Login(login);
        }
        classify::classify(account, request).into()
    }

    fn perform(call: &Call) -> Result<Performed, Failure> {
        perform::perform(call)
    }

    fn reconcile(call: &Call, step: &str) -> Reconciliation {
        reconcile::reconcile(call, step)
    }

    fn observe(_method: &str, _url: &str, _status: u16, headers: &[(String, String)]) -> Vec<Budget> {
        answer::budgets(headers)
    }

    fn render_session(_account: &Account, login: Login, session: &Session, request: &Request) -> Response {
        login::answer(login, session, request)
    }

    fn render_refusal(refusal: &Refusal, _request: &Request) -> Response {
        answer::render(refusal)
    }
}
