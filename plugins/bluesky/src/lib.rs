//! Adapter for Bluesky and other servers of the AT Protocol that hold `app.bsky.feed.post` records.
//!
//! Speaks XRPC to the account's own server (PDS). Each entry of a post is a record whose key follows from the call, so
//! that a repetition can't make a second one; `reconcile` reads the record of that key.

mod answer;
mod check;
mod classify;
mod facets;
mod facts;
mod perform;
mod reconcile;
mod tid;
mod uri;

#[cfg(test)]
mod lexicon;
mod login;
#[cfg(test)]
mod tests;

use pressgate_sdk::http::{Request, Response};
use pressgate_sdk::{
    Account, Adapter, Budget, Call, Classification, Description, Draft, Facts, Failure, Finding, Login, Performed,
    RateClass, Reconciliation, Refusal, Session, TokenPlace,
};

/// Label of the credential in `plugin.toml`.
const SESSION: &str = "session";
/// The collection of posts.
const POSTS: &str = "app.bsky.feed.post";
/// What a new record costs of the points that write limits count.
const POINTS_PER_CREATION: u32 = 3;

/// The adapter.
pub struct Bluesky;

pressgate_sdk::export_adapter!(Bluesky);

impl Adapter for Bluesky {
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
        let writes = ["post.create", "comment.create", "post.delete"];
        Description {
            // https://docs.bsky.app/docs/advanced-guides/rate-limits
            rate_classes: vec![
                RateClass::new("api", &actions, 3000, 300),
                RateClass::new("writes-hour", &writes, 5000 / POINTS_PER_CREATION, 3600),
                RateClass::new("writes-day", &writes, 35_000 / POINTS_PER_CREATION, 86_400),
            ],
            // The last is the password of `createSession`.
            client_token: vec![TokenPlace::Bearer, TokenPlace::Json("/password".to_owned())],
            option_schema: check::OPTION_SCHEMA.to_owned(),
            client_headers: ["atproto-proxy", "atproto-accept-labelers"].map(str::to_owned).to_vec(),
            limit_headers: Some(answer::LIMIT_HEADERS.map(str::to_owned).to_vec()),
            ..Description::of(&actions)
        }
    }

    fn discover(_account: &Account) -> Result<Facts, String> {
        facts::discover()
    }

    fn check(_account: &Account, draft: &Draft, _facts: Option<&Facts>) -> Vec<Finding> {
        check::check(draft)
    }

    fn classify(account: &Account, request: &Request) -> Classification {
        classify::classify(account, request).unwrap_or_else(Classification::Refuse)
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

    fn render_session(account: &Account, login: Login, session: &Session, _request: &Request) -> Response {
        login::answer(account, login, session)
    }

    fn render_refusal(refusal: &Refusal, _request: &Request) -> Response {
        answer::render(refusal)
    }
}
