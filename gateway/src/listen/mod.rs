//! Listening: accepts connections within limits until the gateway stops, and returns when the last one has ended. What is served
//! is the caller's business.

mod leftover;
mod places;
mod watch;

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{Router, extract::Request};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tower::ServiceExt;

use self::{
    leftover::Drained,
    watch::{Activity, Watched},
};
use crate::stop::Stop;

pub use places::{public_connections, raise_descriptors};

/// Pause after the system refused a connection (no file descriptors left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// A stop waits this long for a connection on which no request is being served.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// How often a peer that speaks HTTP/2 is asked whether it is still there, and how long it may take to say so.
const PING_EVERY: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// What one listener bears.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once; further ones wait in the listener's queue.
    pub connections_max: u32,
    /// A client must send its request's head within this time, the first one and each further one.
    pub head_timeout: Duration,
    /// A connection on which no request is served and nothing moves is closed after this time.
    pub idle_timeout: Duration,
    /// Longest request head.
    pub head_bytes_max: u32,
    /// Whether HTTP/2 is spoken besides HTTP/1.1.
    pub http2: bool,
}

/// Where a connection comes from: an extension of every request.
#[derive(Debug, Clone, Copy)]
pub struct Source(pub IpAddr);

/// The connection is encrypted: an extension of its requests.
#[derive(Debug, Clone, Copy)]
pub struct Encrypted;

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
        let app = app.clone();
        let stop = Arc::clone(&stop);
        tokio::spawn(async move {
            let _place = place;
            connection(stream, Source(peer.ip()), app, limits, stop).await;
        });
    }
    // The port is free at once; answers under way are still written. Every place back means that every connection has ended.
    drop(listener);
    let _all = places.acquire_many(limits.connections_max).await;
}

/// Serves one connection to its end.
async fn connection(stream: TcpStream, source: Source, app: Router, limits: Limits, stop: Arc<Stop>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    let activity = Arc::new(Activity::new());
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let serving = activity.serve();
        let (app, stop) = (app.clone(), Arc::clone(&stop));
        async move {
            let _serving = serving;
            let mut request: Request = Drained::guard(request, stop);
            request.extensions_mut().insert(source);
            app.oneshot(request).await
        }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    if !limits.http2 {
        builder = builder.http1_only();
    }
    let head_bytes = usize::try_from(limits.head_bytes_max).unwrap_or(usize::MAX);
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.head_timeout).max_buf_size(head_bytes);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT)
        .max_header_list_size(limits.head_bytes_max);
    let connection = builder.serve_connection(TokioIo::new(Watched::new(stream, Arc::clone(&activity))), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = activity.silent(limits.head_timeout, limits.idle_timeout) => {
            tracing::debug!("a silent connection is closed");
            return;
        }
        () = stop.wait() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection.as_mut() => ended,
                () = activity.unserved(STOP_GRACE) => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended badly");
    }
}

#[cfg(test)]
mod tests;
