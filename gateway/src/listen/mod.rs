//! Listening: accepts connections within limits until the gateway stops, and returns when the last one has ended. What is served
//! is the caller's business.

mod connection;
pub mod head;
mod leftover;
mod meter;
mod places;
mod seats;
pub mod tls;
mod tunnel;
mod watch;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{Router, response::Response};
use tokio::net::{TcpListener, TcpStream};

use self::{connection::Connection, seats::Seats, watch::Activity};
use crate::stop::{Phase, Stop};

pub use head::Fault;
pub use meter::Meter;
pub use places::{public_connections, raise_descriptors};
pub use tls::{Peer, PeerName, Tls, TlsError, TlsFiles};
pub use tunnel::{Connect, Decision, LastAnswer, Tunnel, Tunnels};

/// Pause after the system refused a connection (no file descriptors left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What one listener bears.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once; further ones take the place of one that does nothing, or wait in the listener's queue.
    pub connections_max: u32,
    /// Connections of one source at once; further ones are closed.
    pub connections_per_source_max: u32,
    /// A client must send a request's head within this time of its first byte, and the first one of connecting.
    pub head_timeout: Duration,
    /// A connection on which no request is served and nothing moves is closed after this time.
    pub idle_timeout: Duration,
    /// Longest request head.
    pub head_bytes_max: u32,
    /// Most header fields.
    pub head_fields_max: u32,
    /// Whether HTTP/2 is spoken besides HTTP/1.1.
    pub http2: bool,
    /// Requests of one HTTP/2 connection at once.
    pub streams_max: u32,
}

/// How one listener serves, whatever its application does.
pub struct Door {
    /// What it bears.
    pub limits: Limits,
    /// How it answers a request that can't be read.
    pub refuse: fn(Fault) -> Response,
    /// What it measures.
    pub meter: Arc<Meter>,
    /// TLS, where it speaks that and nothing else.
    pub tls: Option<Arc<Tls>>,
    /// Who decides about tunnels, where it is a proxy for them and nothing else.
    pub tunnels: Option<Arc<dyn Tunnels>>,
}

/// Where a connection comes from: an extension of every request.
#[derive(Debug, Clone, Copy)]
pub struct Source(pub IpAddr);

/// Serves `app` until the listeners close. Connections end after the request that they are at; this returns when all have
/// ended.
pub async fn serve(listener: TcpListener, app: Router, door: Door, stop: Arc<Stop>) {
    let door = Arc::new(door);
    let seats = Seats::new(door.limits.connections_max, door.limits.connections_per_source_max);
    let sit = async |(stream, peer): (TcpStream, SocketAddr)| {
        let source = peer.ip().to_canonical();
        let activity = Arc::new(Activity::new());
        let Some((seat, evicted)) = seats.take(source, &activity).await else {
            door.meter.source_full.add(1);
            tracing::debug!(%source, "a source has as many connections as one may have");
            return;
        };
        door.meter.opened.add(1);
        door.meter.evicted.add(u64::from(evicted));
        let connection = Connection {
            door: Arc::clone(&door),
            app: app.clone(),
            source: Source(source),
            peer: None,
            activity,
            stop: Arc::clone(&stop),
        };
        let meter = Arc::clone(&door.meter);
        tokio::spawn(async move {
            let _seat = seat;
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "no TCP_NODELAY");
            }
            connection.begin(stream).await;
            meter.closed.add(1);
        });
    };
    loop {
        let accepted = tokio::select! {
            () = stop.reached(Phase::Closing) => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(accepted) => tokio::select! {
                () = sit(accepted) => {}
                () = stop.wait() => break,
            },
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // Who is in the queue already was let in by the system, and has perhaps sent a request: it is answered.
    if let Ok(queue) = listener.into_std() {
        while let Some(accepted) = queued(&queue) {
            tokio::select! {
                biased;
                () = sit(accepted) => {}
                () = stop.wait() => break,
            }
        }
    }
    // The port is free at once; answers under way are still written.
    seats.empty().await;
}

/// The next connection in the listener's queue, without waiting for one. The system is asked, not the runtime, which hears of a
/// connection only a while after it came.
fn queued(listener: &std::net::TcpListener) -> Option<(TcpStream, SocketAddr)> {
    let (stream, source) = listener.accept().ok()?;
    stream.set_nonblocking(true).ok()?;
    Some((TcpStream::from_std(stream).ok()?, source))
}

#[cfg(test)]
mod tests;
