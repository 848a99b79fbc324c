//! A proxy's connection: one CONNECT, an answer, TLS that ends here, and then a connection like any other.
//!
//! The head is read below the HTTP library, which would take what follows it for a request. Nothing is dialled: who is asked for decides
//! only how the listener shows itself.

use std::{pin::Pin, sync::Arc};

use axum::{Router, body::Body, response::Response};
use http_body_util::{BodyExt, Limited};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Duration, timeout},
};
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

use super::{
    Source,
    connection::Connection,
    head::{Fault, Follower, HeadLimits, Wanted, wanted},
};

/// Longest head of a CONNECT.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Most of its fields.
const HEAD_FIELDS_MAX: usize = 64;
/// Longest body of a refusal.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// After a refusal the client may write so much, and for so long: a connection that is closed under its hands is reset, and the
/// answer lost.
const LINGER_BYTES: usize = 64 * 1024;
const LINGER: Duration = Duration::from_secs(1);

/// The tunnel that a client wants.
pub struct Connect {
    /// The host, in lower case; an IPv6 address in brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The value of `Proxy-Authorization`.
    pub authorization: Option<Zeroizing<String>>,
}

/// A tunnel that may be.
pub struct Tunnel {
    /// How the listener shows itself in it.
    pub tls: Arc<ServerConfig>,
    /// What serves its requests.
    pub app: Router,
}

/// What comes of a wish.
pub type Decision<'a> = Pin<Box<dyn Future<Output = Result<Tunnel, Response>> + Send + 'a>>;

/// Who decides about tunnels.
pub trait Tunnels: Send + Sync {
    /// Whether the tunnel may be; else the answer, after which the connection ends.
    fn open(&self, wish: Connect, source: Source) -> Decision<'_>;

    /// The answer to a request that is no CONNECT.
    fn no_tunnel(&self) -> Response;
}

/// What the first bytes of a connection are.
enum Asked {
    Tunnel(Connect),
    Other,
    Malformed(Fault),
    /// The client went away.
    Nothing,
}

impl Connection {
    /// Reads the CONNECT and, where the tunnel may be, serves what is in it to its end.
    pub(super) async fn tunnel(mut self, mut stream: TcpStream, tunnels: Arc<dyn Tunnels>) {
        let patience = self.door.limits.head_timeout;
        let begun = async {
            let refusal = match asked(&mut stream).await {
                Asked::Tunnel(wish) => match tunnels.open(wish, self.source).await {
                    Ok(tunnel) => {
                        stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.ok()?;
                        match TlsAcceptor::from(tunnel.tls).accept(stream).await {
                            Ok(stream) => return Some((stream, tunnel.app)),
                            Err(error) => {
                                self.door.meter.tls_failed.add(1);
                                tracing::debug!(%error, "no TLS in a tunnel");
                                return None;
                            }
                        }
                    }
                    Err(refusal) => refusal,
                },
                Asked::Other => tunnels.no_tunnel(),
                Asked::Malformed(fault) => {
                    self.door.meter.fault(fault);
                    (self.door.refuse)(fault)
                }
                Asked::Nothing => return None,
            };
            answer(stream, refusal).await;
            None
        };
        let begun = tokio::select! {
            begun = timeout(patience, begun) => begun,
            () = self.activity.ended() => return,
            () = self.stop.wait() => return,
        };
        match begun {
            Ok(Some((stream, app))) => {
                self.app = app;
                self.serve(stream).await;
            }
            Ok(None) => {}
            Err(_) => {
                self.door.meter.silent.add(1);
                tracing::debug!("a client of the proxy was too slow");
            }
        }
    }
}

/// Reads a head and not a byte more: what follows is TLS.
async fn asked(stream: &mut TcpStream) -> Asked {
    let limits = HeadLimits { bytes_max: HEAD_BYTES_MAX, fields_max: HEAD_FIELDS_MAX };
    let mut follower = Follower::new(limits, false);
    // Who says nothing takes no room.
    if stream.readable().await.is_err() {
        return Asked::Nothing;
    }
    // It holds a key.
    let mut held = Zeroizing::new(Vec::with_capacity(HEAD_BYTES_MAX));
    let mut scratch = Zeroizing::new([0; 2048]);
    loop {
        let Ok(there) = stream.peek(&mut *scratch).await else { return Asked::Nothing };
        let before = held.len();
        // Never more than was made room for: a copy would leave parts of the key behind.
        let room = (HEAD_BYTES_MAX - before).min(there);
        held.extend_from_slice(scratch.get(..room).unwrap_or_default());
        let whole = match follower.whole(&held) {
            Ok(whole) => whole,
            Err(fault) => return Asked::Malformed(fault),
        };
        let taken = whole.as_ref().map_or(held.len(), |whole| whole.end) - before;
        if there == 0 || stream.read_exact(scratch.get_mut(..taken).unwrap_or_default()).await.is_err() {
            return Asked::Nothing;
        }
        if let Some(whole) = whole {
            return match wanted(held.get(whole).unwrap_or_default(), HEAD_FIELDS_MAX) {
                Ok(Wanted::Tunnel { authority, authorization }) => wish(authority, authorization),
                Ok(Wanted::Other) => Asked::Other,
                Err(fault) => Asked::Malformed(fault),
            };
        }
        if held.len() >= HEAD_BYTES_MAX {
            return Asked::Malformed(Fault::HeadTooLong);
        }
    }
}

fn wish(authority: &[u8], authorization: Option<&[u8]>) -> Asked {
    let text = |bytes| std::str::from_utf8(bytes).ok();
    let Some((host, port)) = text(authority).and_then(|authority| authority.rsplit_once(':')) else {
        return Asked::Malformed(Fault::Target);
    };
    let Ok(port) = port.parse() else { return Asked::Malformed(Fault::Target) };
    let authorization = authorization.and_then(text).map(|value| Zeroizing::new(value.to_owned()));
    Asked::Tunnel(Connect { host: host.to_ascii_lowercase(), port, authorization })
}

/// Writes an answer and ends the connection.
async fn answer(mut stream: TcpStream, response: Response) {
    let (parts, body) = response.into_parts();
    let body = whole(body).await;
    let reason = parts.status.canonical_reason().unwrap_or("Refused");
    let mut text = format!("HTTP/1.1 {} {reason}\r\n", parts.status.as_u16()).into_bytes();
    for (name, value) in parts.headers.iter().filter(|(name, _)| *name != "content-length" && *name != "connection") {
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(format!("content-length: {}\r\nconnection: close\r\n\r\n", body.len()).as_bytes());
    text.extend_from_slice(&body);
    // Who is gone needs no answer.
    let _ = stream.write_all(&text).await;
    let _ = stream.shutdown().await;
    let mut scratch = [0; 2048];
    let linger = async {
        let mut lingered = 0;
        while let Ok(some @ 1..) = stream.read(&mut scratch).await {
            lingered += some;
            if lingered > LINGER_BYTES {
                return;
            }
        }
    };
    let _ = timeout(LINGER, linger).await;
}

async fn whole(body: Body) -> bytes::Bytes {
    Limited::new(body, BODY_BYTES_MAX).collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default()
}

/// An extension of an answer after which nothing more is served on its connection.
#[derive(Debug, Clone, Copy)]
pub struct LastAnswer;

impl LastAnswer {
    /// Takes the mark off an answer; true where there was one.
    pub(super) fn take(answer: &mut Response) -> bool {
        answer.extensions_mut().remove::<Self>().is_some()
    }

    /// Marks an answer.
    #[must_use]
    pub fn mark(mut answer: Response) -> Response {
        answer.extensions_mut().insert(Self);
        answer
    }
}
