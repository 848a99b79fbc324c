//! The addresses that are not Mastodon's: the page, the timeline as JSON, counts, faults, the clock, what others say.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::fault::Plan;
use crate::inbox;
use crate::page;
use crate::state::Network;

type Shared = State<Arc<Network>>;

/// The routes outside `/api`.
pub(crate) fn router(network: Arc<Network>) -> Router {
    Router::new()
        .route("/", get(|State(network): Shared| async move { Html(page::render(&network)) }))
        .route("/sample/timeline", get(|State(network): Shared| async move { Json(network.timeline()) }))
        .route("/sample/counts", get(|State(network): Shared| async move { Json(network.journal.counts()) }))
        .route("/sample/faults", get(list_faults).post(add_fault).delete(clear_faults))
        .route("/sample/clock", post(advance))
        .route("/sample/mentions", post(mention))
        .route("/sample/media/{id}", get(medium))
        .with_state(network)
}

async fn list_faults(State(network): Shared) -> Json<Vec<Plan>> {
    Json(network.faults.list())
}

async fn add_fault(State(network): Shared, body: axum::body::Bytes) -> Response {
    match serde_json::from_slice::<Plan>(&body) {
        Err(error) => refuse(error.to_string()),
        Ok(plan) => match plan.problem() {
            Some(problem) => refuse(problem.to_owned()),
            None => {
                network.faults.add(plan);
                (StatusCode::CREATED, list_faults(State(network)).await).into_response()
            }
        },
    }
}

async fn clear_faults(State(network): Shared) -> StatusCode {
    network.faults.clear();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_ms: u64,
}

async fn advance(State(network): Shared, body: axum::body::Bytes) -> Response {
    match serde_json::from_slice::<Advance>(&body) {
        Err(error) => refuse(error.to_string()),
        Ok(Advance { advance_ms }) => {
            network.clock.advance(Duration::from_millis(advance_ms));
            let now: Value = json!({ "now": crate::clock::iso(network.clock.now_ms()) });
            Json(now).into_response()
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mention {
    from: String,
    text: String,
    in_reply_to_id: Option<String>,
}

async fn mention(State(network): Shared, body: axum::body::Bytes) -> Response {
    match serde_json::from_slice::<Mention>(&body) {
        Err(error) => refuse(error.to_string()),
        Ok(Mention { from, text, in_reply_to_id }) => {
            match inbox::hear(&network, &from, &text, in_reply_to_id.as_deref()) {
                Ok(notification) => (StatusCode::CREATED, Json(notification)).into_response(),
                Err(error) => error.into_response(),
            }
        }
    }
}

async fn medium(State(network): Shared, Path(id): Path<String>) -> Response {
    let found = network.store().media.get(&id).filter(|medium| medium.polls_left == 0).cloned();
    match found {
        None => StatusCode::NOT_FOUND.into_response(),
        Some(medium) => ([(header::CONTENT_TYPE, medium.media_type)], medium.bytes).into_response(),
    }
}

fn refuse(error: String) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response()
}
