//! The people's door, on the listener for apps: pages of a browser, the authorization server for people's devices (RFC 8628),
//! `/v1/devices`, guidelines, what waits for people, and the page of an outside approver.
//!
//! The pages have no script; a form carries a token of its browser and comes from the gateway's own origin. See
//! `docs/decisions/0014-people-on-the-listener-for-apps.md`.

mod approvals;
mod approve;
mod browser;
mod content;
pub mod devices;
mod form;
pub mod guidelines;
mod media;
mod oauth;
mod pages;
mod posts;
mod sign_in;
mod tell;
mod verify;

use std::sync::Arc;

use axum::{
    Router,
    routing::{get, post},
};

use crate::{config::process::SignIn, gateway::Gateway};

/// Where a person types the code that their device shows.
pub(super) const VERIFY: &str = "/people/device";

/// Pages and endpoints.
pub(super) fn routes() -> Router<Arc<Gateway>> {
    Router::new()
        .route("/people", get(sign_in::home))
        .route("/people/style.css", get(pages::style))
        .route("/people/sign-in", get(sign_in::begin))
        .route("/people/sign-out", post(sign_in::end))
        .route(crate::people::sign_in::CALLBACK, get(sign_in::callback))
        .route(VERIFY, get(verify::ask).merge(post(verify::look)))
        .route("/people/device/decision", post(verify::decide))
        .route("/people/approvals", get(approvals::list))
        .route("/people/posts/{id}", get(posts::show).merge(post(posts::act)))
        .route("/people/posts/{id}/media/{medium}", get(posts::medium))
        .route("/approve/{secret}", get(approve::show).merge(post(approve::vote)))
        .route("/approve/{secret}/media/{medium}", get(approve::medium))
        .route("/guidelines", get(guidelines::list))
        .route("/guidelines/{*brand}", get(guidelines::one))
        .route(guidelines::ACKNOWLEDGE, post(guidelines::acknowledge))
        .route(oauth::BEGIN, post(oauth::begin))
        .route(oauth::TOKEN, post(oauth::token))
        .route("/.well-known/oauth-authorization-server", get(oauth::metadata))
}

/// Where people sign in, if they do.
fn configured(gateway: &Gateway) -> Option<&SignIn> {
    gateway.config.sign_in.as_ref()
}
