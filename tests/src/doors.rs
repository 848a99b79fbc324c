//! Every door by which a client publishes: connections that take one call after the other, cheap enough for load.

use std::net::SocketAddr;
use std::path::Path;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::http::request::Parts;
use hyper::rt::{Read, Write};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::tunnel::{Trust, connect_head, tunnel};

/// The name that the network has for clients of the forward door; an address stands in no certificate.
pub const NAME: &str = "localhost";
/// What `native.domain` is.
pub const DOMAIN: &str = "social.gate.example";
/// Where statuses are made.
const STATUSES: &str = "/api/v1/statuses";

/// A way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Door {
    /// `POST /v1/posts`.
    Posts,
    /// `/native/{account}`.
    Path,
    /// The account's own host name.
    Host,
    /// The account's own listener.
    Listener,
    /// CONNECT, and TLS in it.
    Forward,
}

/// All of them.
pub const DOORS: [Door; 5] = [Door::Posts, Door::Path, Door::Host, Door::Listener, Door::Forward];

/// Where the doors of a running program are.
#[derive(Debug, Clone)]
pub struct Listening {
    /// For apps.
    pub apps: SocketAddr,
    /// The forward door.
    pub proxy: String,
    native: Value,
}

impl Listening {
    /// As the program says it.
    ///
    /// # Panics
    /// It does not run, or has no forward door.
    pub fn read(data: &Path) -> Self {
        let told = std::fs::read_to_string(data.join("listening.json")).expect("it runs");
        let told: Value = serde_json::from_str(&told).expect("JSON");
        let apps = told["address"].as_str().expect("an address").parse().expect("an address");
        let proxy = told["forward"].as_str().expect("a forward door").to_owned();
        Self { apps, proxy, native: told["native"].clone() }
    }

    fn listener(&self, account: &str) -> SocketAddr {
        self.native[account].as_str().expect("a listener").parse().expect("an address")
    }
}

/// Who calls, and for which account.
#[derive(Debug, Clone)]
pub struct Client {
    /// Where the gateway is.
    pub listening: Listening,
    /// The key.
    pub key: String,
    /// The account.
    pub account: String,
    /// Host and port of its network, for CONNECT.
    pub network: String,
    /// PEM of the authority of the forward door.
    pub ca: String,
}

/// A connection through a door.
pub struct Connection {
    door: Door,
    account: String,
    prefix: String,
    headers: Parts,
    sender: SendRequest<Full<Bytes>>,
}

impl Client {
    /// Comes in through a door.
    ///
    /// # Panics
    /// The door is shut.
    pub async fn connect(&self, door: Door) -> Connection {
        let Self { listening, key, account, network, ca } = self;
        let (host, prefix) = match door {
            Door::Posts => (listening.apps.to_string(), String::new()),
            Door::Path => (listening.apps.to_string(), format!("/native/{account}")),
            Door::Host => (format!("{account}.{DOMAIN}"), String::new()),
            Door::Listener => (listening.listener(account).to_string(), String::new()),
            Door::Forward => (network.clone(), String::new()),
        };
        let sender = match door {
            Door::Listener => plain(listening.listener(account)).await,
            Door::Posts | Door::Path | Door::Host => plain(listening.apps).await,
            Door::Forward => {
                let trust = Trust { ca, name: NAME, speaks: "http/1.1" };
                let stream = tunnel(&listening.proxy, &connect_head(network, account, key), trust).await;
                shake(TokioIo::new(stream.expect("TLS"))).await
            }
        };
        let mut head = Request::builder().header("host", host).header("content-type", "application/json");
        // In a tunnel the key is the tunnel's; the client's own token says nothing.
        let token = if door == Door::Forward { "the-sdks-own-token" } else { key };
        head = head.header("authorization", format!("Bearer {token}"));
        let (headers, ()) = head.body(()).expect("a valid request").into_parts();
        Connection { door, account: account.clone(), prefix, headers, sender }
    }
}

impl Connection {
    /// Publishes a Czech text; at `/v1/posts` without waiting for the network.
    ///
    /// # Panics
    /// The connection breaks.
    pub async fn say(&mut self, text: &str) -> (u16, Bytes) {
        let (path, body) = match self.door {
            Door::Posts => {
                ("/v1/posts", json!({"accounts": [self.account], "content": {"text": text, "language": "cs"}}))
            }
            _ => (STATUSES, json!({ "status": text, "language": "cs" })),
        };
        self.send(Method::POST, path, body.to_string()).await
    }

    /// Any request.
    ///
    /// # Panics
    /// The connection breaks.
    pub async fn send(&mut self, method: Method, path: &str, body: String) -> (u16, Bytes) {
        let mut request = Request::from_parts(self.headers.clone(), Full::new(Bytes::from(body)));
        *request.method_mut() = method;
        *request.uri_mut() = format!("{}{path}", self.prefix).parse().expect("a path");
        let door = self.door;
        let broke = |error: hyper::Error| -> ! { panic!("{door:?}: {error}") };
        let (head, body) = self.sender.send_request(request).await.unwrap_or_else(|error| broke(error)).into_parts();
        let body = body.collect().await.unwrap_or_else(|error| broke(error)).to_bytes();
        (head.status.as_u16(), body)
    }
}

async fn plain(address: SocketAddr) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(address).await.expect("a connection");
    stream.set_nodelay(true).expect("a socket option");
    shake(TokioIo::new(stream)).await
}

async fn shake(io: impl Read + Write + Unpin + Send + 'static) -> SendRequest<Full<Bytes>> {
    let (sender, connection) = handshake(io).await.expect("HTTP/1.1");
    // It ends with the sender; what breaks shows in the call.
    tokio::spawn(connection);
    sender
}
