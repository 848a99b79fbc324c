//! The people's door, on the listener for apps: pages of a browser, the authorization server for people's devices (RFC 8628),
//! `/v1/devices`, and guidelines.
//!
//! The pages have no script; a form carries a token of its browser and comes from the gateway's own origin. See
//! `docs/decisions/0014-people-on-the-listener-for-apps.md`.

mod browser;
pub mod devices;
mod form;
pub mod guidelines;
mod oauth;
mod pages;
mod sign_in;
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
