//! `/v1/calendar/feeds`: the caller's own addresses for calendar programs.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequestParts, Path, State},
    http::{StatusCode, header::CACHE_CONTROL, request::Parts},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{invite::origin, refused};
use crate::{
    call::Caller,
    doors::{body::JsonBody, caller::Known, json, problem::Problem, text::fault},
    feeds::{self, DAYS_MAX, Made, Wish},
    gateway::Gateway,
    model::{AccountId, Action},
    people::devices::{NAME_CHARS_MAX, is_name},
    posts::sight::readable,
    records::FeedRecord,
    refusal::{Refusal, Stage, problem},
};

/// What a feed is to show, and for how long.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FeedRequest {
    /// Only posts for this account.
    account: Option<String>,
    /// What the calendar is called where it is shown.
    #[schema(min_length = 1, max_length = 40)]
    name: Option<String>,
    /// It ends after so many days; 365 without it. It never outlives the key that it is made with, but for a device's.
    #[schema(minimum = 1, maximum = 365)]
    expires_in_days: Option<u16>,
}

/// A feed.
#[derive(Debug, Serialize, ToSchema)]
pub struct FeedView {
    /// Its id; it opens nothing.
    id: String,
    /// What its maker calls it.
    #[schema(required = true)]
    name: Option<String>,
    /// Only posts for this account.
    #[schema(required = true)]
    account: Option<String>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it ends by itself.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    /// The hour in which it was read last; null where it never was.
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
}

/// A new feed, with its address.
#[derive(Debug, Serialize, ToSchema)]
pub struct FeedMadeView {
    /// The feed.
    feed: FeedView,
    /// Its address, this once: whoever has it reads the calendar. A path where the gateway knows no address of its own.
    url: String,
}

/// The caller's feeds.
#[derive(Debug, Serialize, ToSchema)]
pub struct FeedsView {
    /// Those that have not ended, oldest first.
    feeds: Vec<FeedView>,
}

impl From<FeedRecord> for FeedView {
    fn from(feed: FeedRecord) -> Self {
        let FeedRecord { id, name, account, created_at, expires_at, last_used_at, .. } = feed;
        let name = Some(name).filter(|name| !name.is_empty());
        Self { id, name, account: account.map(|account| account.to_string()), created_at, expires_at, last_used_at }
    }
}

/// The feed that a path names, as an argument of a handler. What is not text names none.
pub struct FeedPath(String);

impl FromRequestParts<Arc<Gateway>> for FeedPath {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, gateway: &Arc<Gateway>) -> Result<Self, Infallible> {
        let id = Path::<String>::from_request_parts(parts, gateway).await;
        Ok(Self(id.map(|Path(id)| id).unwrap_or_default()))
    }
}

/// Makes an address at which a calendar program reads the calendar as the caller may read it at that moment, without a key. At most 20.
#[utoipa::path(post, path = "/v1/calendar/feeds", operation_id = "createCalendarFeed", tag = "posts", request_body = FeedRequest,
    responses((status = 201, body = FeedMadeView, description = "The feed, with its address, which is told this once."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn create(
    State(gateway): State<Arc<Gateway>>,
    Known(caller): Known,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let made = match wish(&gateway, &caller, body) {
        Ok(wish) => {
            let (making, by) = (Arc::clone(&gateway), caller.clone());
            // To the end, even when the caller goes away between the leaf and its effect.
            tokio::spawn(async move { feeds::create(&making, &by, wish).await }).await.unwrap_or_else(|_| Err(broken()))
        }
        Err(refusal) => Err(refusal),
    };
    match made {
        Ok(made) => {
            let url = format!("{}{}", origin(&gateway), made.path());
            let Made { record, .. } = made;
            let view = FeedMadeView { feed: record.into(), url };
            Ok((StatusCode::CREATED, [(CACHE_CONTROL, "no-store")], Json(view)).into_response())
        }
        Err(refusal) => Err(refused(&gateway, &caller, refusal).await),
    }
}

/// My feeds.
#[utoipa::path(get, path = "/v1/calendar/feeds", operation_id = "listCalendarFeeds", tag = "posts",
    responses((status = 200, body = FeedsView, description = "The caller's feeds, without their addresses."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn list(State(gateway): State<Arc<Gateway>>, Known(caller): Known) -> Result<Json<FeedsView>, Problem> {
    match feeds::of(&gateway, caller.principal()).await {
        Ok(feeds) => Ok(Json(FeedsView { feeds: feeds.into_iter().map(Into::into).collect() })),
        Err(refusal) => Err(refused(&gateway, &caller, refusal).await),
    }
}

/// Revokes one of my feeds. When this has answered, its address shows nothing.
#[utoipa::path(delete, path = "/v1/calendar/feeds/{id}", operation_id = "revokeCalendarFeed", tag = "posts",
    params(("id" = String, Path, description = "The feed.")),
    responses((status = 200, body = FeedView, description = "The feed, which is no more."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn revoke(
    State(gateway): State<Arc<Gateway>>,
    Known(caller): Known,
    FeedPath(id): FeedPath,
) -> Result<Json<FeedView>, Problem> {
    let (ending, holder) = (Arc::clone(&gateway), caller.principal().clone());
    // To the end, as above.
    let ended = tokio::spawn(async move { feeds::revoke(&ending, &holder, &id).await }).await;
    match ended.unwrap_or_else(|_| Err(broken())) {
        Ok(feed) => Ok(Json(feed.into())),
        Err(refusal) => Err(refused(&gateway, &caller, refusal).await),
    }
}

fn broken() -> Refusal {
    Refusal::new(problem::INTERNAL, Stage::Door, "The feed was not changed. Look at GET /v1/calendar/feeds.")
}

fn wish(gateway: &Gateway, caller: &Caller, body: Result<Bytes, Refusal>) -> Result<Wish, Refusal> {
    let FeedRequest { account, name, expires_in_days } = json::read(&body?)?;
    let mut faults = Vec::new();
    let days = expires_in_days.unwrap_or(DAYS_MAX);
    if !(1..=DAYS_MAX).contains(&days) {
        faults.push(fault("/expires_in_days", "range", format!("A feed lasts 1 to {DAYS_MAX} days.")));
    }
    if name.as_deref().is_some_and(|name| !is_name(name)) {
        let text = format!("A name has 1 to {NAME_CHARS_MAX} letters, digits, spaces within, or any of -_.'().");
        faults.push(fault("/name", "form", text));
    }
    if account.as_deref().is_some_and(|account| !shows(gateway, caller, account)) {
        let text = "There is no such account, or you neither read posts of it nor publish there; GET /v1/accounts lists accounts.";
        faults.push(fault("/account", "unknown-account", text.to_owned()));
    }
    if faults.is_empty() {
        return Ok(Wish { account: account.map(AccountId::new), name: name.unwrap_or_default(), days });
    }
    let detail = faults.iter().map(|fault| fault.message.as_str()).collect::<Vec<_>>().join(" ");
    Err(Refusal::new(problem::INVALID, Stage::Door, detail).with_faults(faults))
}

/// Could the calendar of that account have anything for the caller: posts of others, or its own?
fn shows(gateway: &Gateway, caller: &Caller, account: &str) -> bool {
    let governance = gateway.governance.load();
    let own = governance.accounts_allowing(caller.principal(), Action::POST_CREATE, gateway.clock.now());
    readable(gateway, caller).iter().chain(&own).any(|known| known.as_str() == account)
}
