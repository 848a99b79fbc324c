//! The public listener: what it bears, and how it is.

use std::{sync::Arc, time::Duration};

use axum::{Json, extract::State, http::StatusCode, response::IntoResponse};
use tokio::net::TcpListener;

use super::router;
use crate::{
    gateway::Gateway,
    listen::{self, Limits},
};

/// What a client may take, in time and bytes.
fn limits() -> Limits {
    Limits {
        connections_max: listen::public_connections(),
        head_timeout: Duration::from_secs(15),
        idle_timeout: Duration::from_secs(60),
        head_bytes_max: 64 * 1024,
        http2: true,
    }
}

/// Serves the public API on `listener` until the gateway stops; connections end after their request.
pub async fn serve(gateway: Arc<Gateway>, listener: TcpListener) {
    let stop = Arc::clone(&gateway.stopping);
    listen::serve(listener, router(gateway), limits(), stop).await;
}

/// Is the process alive?
pub async fn livez() -> &'static str {
    "alive\n"
}

/// Can it do its work? Says which part can't.
pub async fn readyz(State(gateway): State<Arc<Gateway>>) -> impl IntoResponse {
    let readiness = gateway.readiness().await;
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness))
}
