//! Load: connections that stay open, each with one call at a time.
#![allow(clippy::disallowed_methods, reason = "a client of its own, on exactly as many connections as it says")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// As many letters as the network takes.
const CHARS_MAX: usize = 500;

/// The signature of every text; the guidelines ask for it.
const SIGNATURE: &str = "Váš Acme";

/// The text with a number before its signature, and not longer than the network takes.
fn marked(text: &str, number: u64) -> String {
    let Some((head, tail)) = text.split_once(SIGNATURE) else { return text.to_owned() };
    let mark = format!("{number:x} {SIGNATURE}{tail}");
    let room = CHARS_MAX.saturating_sub(mark.chars().count());
    head.chars().take(room).chain(mark.chars()).collect()
}

/// An app and what it posts.
pub struct App {
    /// Where the gateway is.
    pub address: SocketAddr,
    /// Its key.
    pub key: String,
    /// The account that it posts on.
    pub account: String,
    /// Its texts, in turn; each post ends up with a text of its own.
    pub texts: Vec<String>,
    posted: AtomicU64,
}

/// What came of a round.
#[derive(Debug, Default)]
pub struct Round {
    /// From the first request to the last answer.
    pub time: Duration,
    /// Answers 201, each for a post that stands on the network.
    pub published: u64,
    /// Every other answer: status and body of the first of them, and how many.
    pub others: Option<(StatusCode, String, u64)>,
    /// Microseconds of each call that was answered 201.
    pub times_us: Vec<f64>,
}

impl App {
    /// An app that has not posted yet.
    pub fn new(address: SocketAddr, key: &str, account: &str, texts: Vec<String>) -> Self {
        Self { address, key: key.to_owned(), account: account.to_owned(), texts, posted: AtomicU64::new(0) }
    }

    /// The next request; every text is another one, so that nothing can be answered from an earlier call.
    fn request(&self) -> Request<Full<Bytes>> {
        let number = self.posted.fetch_add(1, Relaxed);
        let text = &self.texts[usize::try_from(number).unwrap_or(0) % self.texts.len()];
        let text = marked(text, number);
        let content = json!({ "text": text, "language": "cs" });
        let body =
            json!({ "accounts": [self.account], "content": content, "labels": ["launch"], "campaign": "spring" });
        Request::post("/v1/posts")
            .header("host", self.address.to_string())
            .header("authorization", format!("Bearer {}", self.key))
            .header("content-type", "application/json")
            .header("prefer", "wait=10")
            .body(Full::from(body.to_string()))
            .expect("a valid request")
    }

    /// Posts for `time` on `connections` connections; calls that have begun then are finished and count.
    ///
    /// # Panics
    /// A connection breaks.
    pub async fn post_for(self: &Arc<Self>, time: Duration, connections: usize) -> Round {
        self.post(time, connections, None).await
    }

    async fn post(self: &Arc<Self>, time: Duration, connections: usize, every: Option<Duration>) -> Round {
        let mut senders = Vec::with_capacity(connections);
        for _ in 0..connections {
            senders.push(connect(self.address).await);
        }
        let start = Instant::now();
        let mut running = JoinSet::new();
        for (number, sender) in (0..).zip(senders) {
            let app = Arc::clone(self);
            // The connections take turns.
            let every = every.map(|every| (start + every * number / u32::try_from(connections).unwrap_or(1), every));
            running.spawn(async move { app.post_on(sender, start + time, every).await });
        }
        let mut all = Round::default();
        while let Some(part) = running.join_next().await {
            all.add(part.expect("the connection holds"));
        }
        Round { time: start.elapsed(), ..all }
    }

    /// Posts so many a second for `time`, in turn on the connections; what comes late is made up for.
    ///
    /// # Panics
    /// A connection breaks.
    pub async fn post_at(self: &Arc<Self>, per_s: f64, time: Duration, connections: usize) -> Round {
        let every = Duration::from_secs_f64(connections as f64 / per_s);
        self.post(time, connections, Some(every)).await
    }

    async fn post_on(
        &self,
        mut sender: SendRequest<Full<Bytes>>,
        until: Instant,
        every: Option<(Instant, Duration)>,
    ) -> Round {
        let mut round = Round::default();
        let mut pace = every.map(|(first, every)| tokio::time::interval_at(first, every));
        while Instant::now() < until {
            if let Some(pace) = &mut pace {
                pace.tick().await;
            }
            let request = self.request();
            let start = Instant::now();
            let (head, body) = sender.send_request(request).await.expect("an answer").into_parts();
            let body = body.collect().await.expect("a whole answer").to_bytes();
            if head.status == StatusCode::CREATED {
                round.published += 1;
                round.times_us.push(start.elapsed().as_secs_f64() * 1e6);
            } else {
                round.other(head.status, String::from_utf8_lossy(&body).into_owned(), 1);
            }
        }
        round
    }
}

impl Round {
    fn other(&mut self, status: StatusCode, body: String, count: u64) {
        self.others.get_or_insert((status, body, 0)).2 += count;
    }

    /// With what came of another.
    pub fn add(&mut self, part: Self) {
        self.published += part.published;
        self.times_us.extend(part.times_us);
        if let Some((status, body, count)) = part.others {
            self.other(status, body, count);
        }
    }
}

/// A connection that takes one call at a time.
///
/// # Panics
/// Nobody listens there.
pub async fn connect(address: SocketAddr) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(address).await.expect("a connection");
    stream.set_nodelay(true).expect("a socket option");
    let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
    // It ends with the sender; what breaks shows in the call.
    tokio::spawn(connection);
    sender
}
