//! The operator listener: accepts connections until the gateway stops, and returns when the last one has ended.

use std::{sync::Arc, time::Duration};

use axum::Extension;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, sync::Semaphore};

use super::{guard::Source, router};
use crate::gateway::Gateway;

/// Connections at once; further ones wait in the listener's queue. Operators are few.
const CONNECTIONS_MAX: u32 = 64;
/// A client must send its request's head within this time.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest request head.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Pause after the system refused a connection (no file descriptors left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves operators on `listener` until the gateway stops and every connection has had its answer.
pub async fn serve(gateway: Arc<Gateway>, listener: TcpListener) {
    let app = router(Arc::clone(&gateway));
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX as usize));
    loop {
        let accepted = tokio::select! {
            () = gateway.stopping.wait() => break,
            accepted = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (place, listener.accept().await)
            } => accepted,
        };
        let (place, (stream, peer)) = match accepted {
            (Ok(place), Ok(stream)) => (place, stream),
            (_, Err(error)) => {
                tracing::warn!(%error, "an operator's connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
            (Err(_), _) => break,
        };
        let service = TowerToHyperService::new(app.clone().layer(Extension(Source(peer.ip()))));
        let gateway = Arc::clone(&gateway);
        tokio::spawn(async move {
            let _place = place;
            let mut builder = hyper::server::conn::http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(HEAD_BYTES_MAX);
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
                tracing::debug!(%error, "an operator's connection ended badly");
            }
        });
    }
    drop(listener);
    // Every place back means that every connection has ended.
    let _all = places.acquire_many(CONNECTIONS_MAX).await;
}
