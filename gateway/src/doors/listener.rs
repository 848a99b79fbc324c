//! The public listener: what it bears, and how it is.

use std::{sync::Arc, time::Duration};

use axum::{Json, Router, extract::State, http::StatusCode, response::IntoResponse};
use tokio::net::TcpListener;

use super::{guarded, native, problem::unreadable, router};
use crate::{
    call::authenticate::{NATIVE, PUBLISH},
    config::process::Listen,
    gateway::Gateway,
    listen::{self, Door, Limits, Meter},
    model::AccountId,
};

/// What a client may take, in time and bytes.
pub(super) fn limits(listen: &Listen) -> Limits {
    let connections_max = listen.connections_max.unwrap_or_else(listen::public_connections);
    Limits {
        connections_max,
        // One source leaves the others half of the places.
        connections_per_source_max: listen.connections_per_source_max.unwrap_or(connections_max.div_ceil(2)),
        head_timeout: Duration::from_millis(listen.head_timeout_ms),
        idle_timeout: Duration::from_millis(listen.idle_timeout_ms),
        head_bytes_max: listen.head_bytes_max,
        head_fields_max: listen.head_fields_max,
        http2: true,
        streams_max: listen.streams_max,
    }
}

/// Serves the public API on `listener` until the gateway stops; connections end after their request.
pub async fn serve(gateway: Arc<Gateway>, listener: TcpListener) {
    let tls = gateway.tls.clone();
    if let Some(tls) = tls.clone() {
        gateway.metrics.add(move |page| tls.show(page));
    }
    let watching = tls.map(|tls| tokio::spawn(tls.watch(Arc::clone(&gateway.stopping))));
    let router = guarded(router(Arc::clone(&gateway)), PUBLISH);
    listen(&gateway, listener, "apps".to_owned(), router).await;
    if let Some(watching) = watching {
        // It has ended: nobody comes in any more.
        let _ = watching.await;
    }
}

/// Serves one account's own listener, as [`serve`] does the public one. With TLS it has the same certificate.
pub async fn serve_account(gateway: Arc<Gateway>, account: AccountId, listener: TcpListener) {
    let name = format!("native:{account}");
    let router = guarded(native::router(Arc::clone(&gateway), account), NATIVE);
    listen(&gateway, listener, name, router).await;
}

async fn listen(gateway: &Gateway, listener: TcpListener, name: String, router: Router) {
    let stop = Arc::clone(&gateway.stopping);
    let meter = Arc::new(Meter::default());
    let shown = Arc::clone(&meter);
    gateway.metrics.add(move |page| shown.show(page, &name));
    let tls = gateway.tls.clone();
    let door = Door { limits: limits(&gateway.config.listen), refuse: unreadable, meter, tls, tunnels: None };
    listen::serve(listener, router, door, stop).await;
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
