//! Listening: accepts connections within limits until the gateway stops, and returns when the last one has ended. What is served
//! is the caller's business.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{Extension, Router};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

use crate::stop::Stop;

/// Pause after the system refused a connection (no file descriptors left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What one listener bears.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once; further ones wait in the listener's queue.
    pub connections_max: u32,
    /// A client must send its request's head within this time.
    pub head_timeout: Duration,
    /// Longest request head.
    pub head_bytes_max: u32,
    /// Whether HTTP/2 is spoken besides HTTP/1.1.
    pub http2: bool,
}

/// Where a connection comes from: an extension of every request.
#[derive(Debug, Clone, Copy)]
pub struct Source(pub IpAddr);

/// Serves `app` until `stop`. Connections end after the request that they are at; this returns when all have ended.
pub async fn serve(listener: TcpListener, app: Router, limits: Limits, stop: Arc<Stop>) {
    let places = Arc::new(Semaphore::new(usize::try_from(limits.connections_max).unwrap_or(Semaphore::MAX_PERMITS)));
    loop {
        let accepted = tokio::select! {
            () = stop.wait() => break,
            accepted = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (place, listener.accept().await)
            } => accepted,
        };
        let (place, (stream, peer)) = match accepted {
            (Ok(place), Ok(accepted)) => (place, accepted),
            (Ok(_), Err(error)) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
            // Nobody closes the semaphore.
            (Err(_), _) => break,
        };
        let app = app.clone().layer(Extension(Source(peer.ip())));
        let stop = Arc::clone(&stop);
        tokio::spawn(async move {
            let _place = place;
            connection(stream, app, limits, &stop).await;
        });
    }
    // The port is free at once; answers under way are still written. Every place back means that every connection has ended.
    drop(listener);
    let _all = places.acquire_many(limits.connections_max).await;
}

/// Serves one connection to its end.
async fn connection(stream: TcpStream, app: Router, limits: Limits, stop: &Stop) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    let mut builder = Builder::new(TokioExecutor::new());
    if !limits.http2 {
        builder = builder.http1_only();
    }
    let head_bytes = usize::try_from(limits.head_bytes_max).unwrap_or(usize::MAX);
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.head_timeout).max_buf_size(head_bytes);
    builder.http2().timer(TokioTimer::new()).max_header_list_size(limits.head_bytes_max);
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app));
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.wait() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended badly");
    }
}
