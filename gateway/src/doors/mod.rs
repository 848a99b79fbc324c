//! Doors: HTTP in. A door reads a request, hands it to the posts or the path, and renders what comes back.

pub mod audit;
pub mod body;
pub mod caller;
mod conditional;
pub mod events;
mod feed;
pub mod forward;
pub mod freezes;
pub mod json;
mod limits;
pub mod listener;
pub mod native;
pub mod openapi;
pub mod people;
pub mod problem;
mod public_media;
pub mod publish;
mod query;
pub mod reveals;
mod shape;
mod sse;
mod strict;
pub mod text;
mod traced;
pub mod words;

use std::sync::Arc;

use axum::{
    Router, middleware,
    routing::{any, delete, get, patch, post},
};
pub use listener::{serve, serve_account};

use crate::gateway::Gateway;

/// Everything that the public listener serves.
pub fn router(gateway: Arc<Gateway>) -> Router {
    Router::new()
        .route("/v1/posts", post(publish::posts::create).get(publish::posts::list))
        .route(
            "/v1/posts/{id}",
            get(publish::posts::read).merge(delete(publish::posts::recall)).merge(patch(publish::steps::edit)),
        )
        .route("/v1/posts/{id}/submit", post(publish::steps::submit))
        .route("/v1/posts/{id}/approve", post(publish::steps::approve))
        .route("/v1/posts/{id}/reject", post(publish::steps::reject))
        .route("/v1/posts/{id}/comment", post(publish::steps::comment))
        .route("/v1/posts/{id}/schedule", post(publish::steps::schedule))
        .route("/v1/posts/{id}/cancel", post(publish::steps::cancel))
        .route("/v1/posts/{id}/reopen", post(publish::steps::reopen))
        .route("/v1/posts/{id}/retry", post(publish::steps::retry))
        .route("/v1/posts/{id}/resolve", post(publish::steps::resolve))
        .route("/v1/posts/{id}/invite", post(publish::invite::invite))
        .route("/v1/posts/{id}/request", get(publish::written::request))
        .route("/v1/posts/{id}/history", get(publish::standing::history))
        .route("/v1/posts/{id}/explain", get(publish::standing::explain))
        .route("/v1/approvals", get(publish::standing::approvals))
        .route("/v1/calendar", get(publish::calendar::calendar))
        .route("/v1/calendar.ics", get(publish::calendar::calendar_ics))
        .route("/v1/calendar/feeds", get(publish::feeds::list).merge(post(publish::feeds::create)))
        .route("/v1/calendar/feeds/{id}", delete(publish::feeds::revoke))
        .route("/v1/posts/{id}/votes", post(publish::votes::vote))
        .route("/v1/validate", post(publish::posts::validate))
        .route("/v1/me", get(publish::me::me))
        .route("/v1/accounts", get(publish::accounts::list))
        .route("/v1/devices", get(people::devices::list))
        .route("/v1/devices/{id}", delete(people::devices::revoke))
        .route("/v1/events", get(events::stream))
        .route("/v1/guidelines", get(people::guidelines::api::list))
        .route(
            "/v1/guidelines/{*path}",
            get(people::guidelines::api::read).merge(post(people::guidelines::api::acknowledge)),
        )
        .route("/v1/audit", get(audit::search::search))
        .route("/v1/audit/stream", get(audit::stream::stream))
        .route("/v1/audit/export", get(audit::export::export))
        .route("/v1/audit/{index}", get(audit::search::read))
        .route("/v1/audit/tree/{*path}", get(audit::tree::file))
        .route("/v1/audit/reveals", post(reveals::ask))
        .route("/v1/audit/reveals/{id}", get(reveals::look))
        .route("/v1/audit/reveals/{id}/confirmations", post(reveals::confirm))
        .route("/v1/freezes", get(freezes::list).merge(post(freezes::begin)))
        .route("/v1/freezes/{id}/lift", post(freezes::lift))
        .route("/v1/freezes/{id}/permit", post(freezes::permit))
        .route("/v1/openapi.json", get(openapi::document))
        .route("/problems", get(problem::index))
        .route("/problems/{slug}", get(problem::page))
        .route("/livez", get(listener::livez))
        .route("/healthz", get(listener::livez))
        .route("/readyz", get(listener::readyz))
        .route("/v1/media", post(publish::media::upload))
        .route("/media/{ticket}", any(public_media::serve))
        .route("/calendar/{file}", get(feed::serve))
        .merge(people::routes())
        .fallback(problem::no_such_path)
        .method_not_allowed_fallback(problem::no_such_method)
        .layer(middleware::from_fn_with_state(Arc::clone(&gateway), native::native))
        .with_state(gateway)
}

/// What is around everything that comes in by HTTP.
fn guarded(router: Router, door: &'static str) -> Router {
    let router = router.layer(middleware::from_fn(limits::told)).layer(middleware::from_fn(strict::strict));
    traced::traced(router, door)
}
