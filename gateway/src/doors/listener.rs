//! The public listener: accepts connections until the gateway stops.

use std::{sync::Arc, time::Duration};

use axum::{Extension, Json, extract::State, http::StatusCode, response::IntoResponse};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, sync::Semaphore};

use super::{caller::Source, router};
use crate::gateway::Gateway;

/// Connections at once; further ones wait in the listener's queue.
const CONNECTIONS_MAX: usize = 8192;
/// A client must send its request's head within this time.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest request head.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Pause after the system refused a connection (no file descriptors left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves the public API on `listener` until the gateway stops; connections end after their request.
pub async fn serve(gateway: Arc<Gateway>, listener: TcpListener) {
    let app = router(Arc::clone(&gateway));
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let (stream, peer) = tokio::select! {
            // Every place is back when the last connection has ended: answers under way are still written.
            () = gateway.stopping.wait() => {
                drop(place);
                let _ = places.acquire_many(CONNECTIONS_MAX as u32).await;
                return;
            }
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
        let service = TowerToHyperService::new(app.clone().layer(Extension(Source(peer.ip()))));
        let gateway = Arc::clone(&gateway);
        tokio::spawn(async move {
            let _place = place;
            let mut builder = Builder::new(TokioExecutor::new());
            builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(HEAD_BYTES_MAX);
            builder.http2().timer(TokioTimer::new()).max_header_list_size(HEAD_BYTES_MAX as u32);
            let connection = builder.serve_connection(TokioIo::new(stream), service);
            tokio::pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = gateway.stopping.wait() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended badly");
            }
        });
    }
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
