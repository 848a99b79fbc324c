//! The Mastodon API: which address does what.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

use crate::account;
use crate::draft::Draft;
use crate::fields;
use crate::inbox;
use crate::media::{self, Medium};
use crate::state::Network;
use crate::status;

/// Statuses in one page of an account's list.
const PAGE_MAX: usize = 40;
/// Statuses in a page where nothing else was asked for.
const PAGE_DEFAULT: usize = 20;
/// Notifications in one page.
const NOTICES_MAX: usize = 80;
/// Notifications in a page where nothing else was asked for.
const NOTICES_DEFAULT: usize = 40;

/// A refusal: the `Error` entity.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: u16,
    message: String,
}

impl ApiError {
    pub(crate) fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    pub(crate) fn bad(message: &str) -> Self {
        Self::new(400, message)
    }

    pub(crate) fn not_found() -> Self {
        Self::new(404, "Record not found")
    }

    pub(crate) fn unprocessable(message: impl Into<String>) -> Self {
        Self::new(422, message)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, axum::Json(json!({ "error": self.message }))).into_response()
    }
}

type Answer = Result<axum::Json<Value>, ApiError>;
type Shared = State<Arc<Network>>;
type Pairs = Query<Vec<(String, String)>>;

/// The routes of `/api`.
pub(crate) fn router(network: Arc<Network>) -> Router {
    Router::new()
        .route("/api/v2/instance", get(instance))
        // Servers read past a slash at the end, which one client writes.
        .route("/api/v2/instance/", get(instance))
        .route("/api/v1/instance", get(instance_v1))
        .route("/api/v1/instance/", get(instance_v1))
        .route("/api/v1/accounts/verify_credentials", get(verify_credentials))
        .route("/api/v1/accounts/{id}/statuses", get(account_statuses))
        .route("/api/v1/timelines/home", get(home))
        .route("/api/v1/notifications", get(notifications))
        .route("/api/v1/notifications/{id}", get(notification))
        .route("/api/v1/statuses", post(create_status))
        .route("/api/v1/statuses/{id}", get(read_status).delete(delete_status))
        .route("/api/v2/media", post(upload))
        .route("/api/v1/media/{id}", get(read_media).put(change_media))
        .fallback(|| async { ApiError::not_found() })
        .method_not_allowed_fallback(|| async { ApiError::not_found() })
        .layer(DefaultBodyLimit::disable())
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&network), admit))
        .with_state(network)
}

/// The rate window first, then the token; the headers of the window go with every answer.
async fn admit(State(network): Shared, request: Request<Body>, next: axum::middleware::Next) -> Response {
    let rate = network.count_in_window();
    let public = request.uri().path() == "/api/v2/instance" && !request.headers().contains_key(header::AUTHORIZATION);
    let mut response = if !rate.allowed {
        ApiError::new(429, "Too many requests").into_response()
    } else if public || knows_token(request.headers(), &network.config.token) {
        next.run(request).await
    } else {
        ApiError::new(401, "The access token is invalid").into_response()
    };
    let headers = response.headers_mut();
    let mut set = |name: &'static str, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    set("x-ratelimit-limit", network.config.rate_limit.to_string());
    set("x-ratelimit-remaining", rate.remaining.to_string());
    set("x-ratelimit-reset", crate::clock::iso(rate.reset_ms));
    response
}

fn knows_token(headers: &HeaderMap, token: &str) -> bool {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or("");
    given.split_once(' ').is_some_and(|(scheme, given)| scheme.eq_ignore_ascii_case("bearer") && given.trim() == token)
}

async fn instance(State(network): Shared) -> axum::Json<Value> {
    axum::Json(account::instance(&network))
}

async fn instance_v1(State(network): Shared) -> axum::Json<Value> {
    axum::Json(account::instance_v1(&network))
}

async fn verify_credentials(State(network): Shared) -> axum::Json<Value> {
    axum::Json(account::render_own(&network))
}

async fn create_status(State(network): Shared, request: Request<Body>) -> Answer {
    let key = request.headers().get("idempotency-key").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let fields = fields::read(request).await?;
    let draft = Draft::read(&fields, network.config.text_limit)?;
    network.publish(draft, key.as_deref()).map(axum::Json)
}

async fn read_status(State(network): Shared, Path(id): Path<String>) -> Answer {
    let store = network.store();
    if let Some(heard) = store.inbox.status(&id) {
        return Ok(axum::Json(inbox::render_status(&network, &store, heard)));
    }
    let found = store.statuses.get(&id).ok_or_else(ApiError::not_found)?;
    Ok(axum::Json(status::render(&network, &store, found)))
}

async fn delete_status(State(network): Shared, Path(id): Path<String>, Query(query): Pairs) -> Answer {
    let with_media = asked(&query, "delete_media");
    network.delete(&id, with_media).map(axum::Json)
}

async fn account_statuses(State(network): Shared, Path(id): Path<String>, Query(query): Pairs) -> Answer {
    if id != account::ID {
        return Err(ApiError::not_found());
    }
    Ok(page(&network, &query))
}

/// The account follows nobody, so its home shows what it said itself.
async fn home(State(network): Shared, Query(query): Pairs) -> axum::Json<Value> {
    page(&network, &query)
}

/// What others said to the account.
async fn notifications(State(network): Shared, Query(query): Pairs) -> axum::Json<Value> {
    let named = |name: &str| query.iter().any(|(known, value)| known == name && value == inbox::MENTION);
    let told = (given(&query, "types[]").is_none() || named("types[]")) && !named("exclude_types[]");
    let from = given(&query, "account_id");
    let store = network.store();
    let wanted =
        store.inbox.heard.values().filter(|heard| {
            told && from.is_none_or(|from| store.inbox.account_id(&heard.from).as_deref() == Some(from))
        });
    let page = cut(wanted, &query, (NOTICES_DEFAULT, NOTICES_MAX), |heard| &heard.id);
    axum::Json(page.into_iter().map(|heard| inbox::render(&network, &store, heard)).collect())
}

async fn notification(State(network): Shared, Path(id): Path<String>) -> Answer {
    let store = network.store();
    let heard = store.inbox.heard.get(&id).ok_or_else(ApiError::not_found)?;
    Ok(axum::Json(inbox::render(&network, &store, heard)))
}

fn given<'a>(query: &'a [(String, String)], name: &str) -> Option<&'a str> {
    query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// One page of what is there, oldest first: newest first, as Mastodon pages it. `min_id` asks for those right after it, everything
/// else for the newest.
fn cut<'a, T>(
    all: impl Iterator<Item = &'a T>,
    query: &[(String, String)],
    (limit, limit_max): (usize, usize),
    id: impl Fn(&T) -> &str,
) -> Vec<&'a T> {
    let limit = given(query, "limit").and_then(|limit| limit.parse().ok()).unwrap_or(limit).clamp(1, limit_max);
    let (max, min) = (given(query, "max_id"), given(query, "min_id"));
    let least = given(query, "since_id").or(min);
    let within = all.filter(|one| max.is_none_or(|max| id(one) < max) && least.is_none_or(|least| id(one) > least));
    let mut page: Vec<&T> = if min.is_some() { within.take(limit).collect() } else { within.collect() };
    page.reverse();
    page.truncate(limit);
    page
}

/// A page of the account's statuses.
fn page(network: &Network, query: &[(String, String)]) -> axum::Json<Value> {
    let tagged = given(query, "tagged").map(str::to_lowercase);
    let store = network.store();
    let wanted = store.statuses.values().filter(|status| {
        let draft = &status.draft;
        (!asked(query, "only_media") || !draft.media.is_empty())
            && (!asked(query, "pinned"))
            && tagged.as_ref().is_none_or(|tag| crate::text::tags(&draft.text).contains(tag))
    });
    // Replies are nearly all to the account itself, which `exclude_replies` keeps.
    let page = cut(wanted, query, (PAGE_DEFAULT, PAGE_MAX), |status| &status.id);
    axum::Json(page.into_iter().map(|status| status::render(network, &store, status)).collect())
}

async fn upload(State(network): Shared, request: Request<Body>) -> Result<Response, ApiError> {
    let fields = fields::read(request).await?;
    let mut medium = Medium::read(&fields, network.config.media_polls)?;
    let now_ms = network.clock.now_ms();
    let mut store = network.store();
    medium.id = store.next_id(now_ms);
    let status = if medium.polls_left > 0 { StatusCode::ACCEPTED } else { StatusCode::OK };
    let rendered = media::render(&network, &medium);
    store.media.insert(medium.id.clone(), medium);
    Ok((status, axum::Json(rendered)).into_response())
}

async fn read_media(State(network): Shared, Path(id): Path<String>) -> Result<Response, ApiError> {
    let mut store = network.store();
    let medium = store.media.get_mut(&id).filter(|medium| medium.status.is_none()).ok_or_else(ApiError::not_found)?;
    let status = if medium.polls_left > 0 { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let rendered = media::render(&network, medium);
    medium.polls_left = medium.polls_left.saturating_sub(1);
    Ok((status, axum::Json(rendered)).into_response())
}

async fn change_media(State(network): Shared, Path(id): Path<String>, request: Request<Body>) -> Answer {
    let fields = fields::read(request).await?;
    let named = fields.iter().any(|field| field.name == "description");
    let description = media::description(&fields)?;
    let mut store = network.store();
    let medium = store.media.get_mut(&id).filter(|medium| medium.status.is_none()).ok_or_else(ApiError::not_found)?;
    if named {
        medium.description = description;
    }
    Ok(axum::Json(media::render(&network, medium)))
}

fn asked(query: &[(String, String)], name: &str) -> bool {
    query.iter().any(|(known, value)| known == name && matches!(value.as_str(), "true" | "1"))
}
