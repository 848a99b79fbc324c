//! A proxy between the gateway and a network that loses answers: the request reaches the network and is answered, but
//! the client never hears of it.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_LENGTH, HeaderName, TRANSFER_ENCODING, UPGRADE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, Uri};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::http::Answer;

/// Headers that are for one connection only (RFC 9110 section 7.6.1); the length is set anew.
const FOR_ONE_CONNECTION: [HeaderName; 4] = [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE];
/// Pause after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// How an answer vanishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vanish {
    /// The client's connection stays open and silent.
    Hold,
    /// The client's connection is closed without a byte.
    Cut,
}

/// A request that came by.
#[derive(Debug, Clone)]
pub struct Seen {
    /// `POST`.
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// Query without the question mark; empty where there was none.
    pub query: String,
    /// Headers in order, names in lower case, as the client sent them.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
    /// The network's answer, once it is there.
    pub answer: Option<Answer>,
    /// Whether the answer was kept from the client.
    pub vanished: bool,
}

/// A running proxy on 127.0.0.1. It ends when this is dropped.
#[derive(Debug)]
pub struct Proxy {
    /// Address without a slash at the end.
    pub url: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    upstream: String,
    client: legacy::Client<HttpConnector, Full<Bytes>>,
    state: Mutex<State>,
    vanished: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct State {
    plans: Vec<Plan>,
    seen: Vec<Seen>,
}

#[derive(Debug)]
struct Plan {
    prefix: String,
    left_before: u32,
    how: Vanish,
}

impl Proxy {
    /// Starts a proxy for `upstream` (`http://127.0.0.1:2583`).
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start(upstream: &str) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let shared = Arc::new(Shared {
            upstream: upstream.trim_end_matches('/').to_owned(),
            client: legacy::Client::builder(TokioExecutor::new()).retry_canceled_requests(false).build_http(),
            state: Mutex::default(),
            vanished: watch::Sender::new(0),
        });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { url, shared, task })
    }

    /// Lets the answer to the `nth` request (from 1, counted from now) whose path begins with `prefix` vanish.
    pub fn vanish(&self, prefix: &str, nth: u32, how: Vanish) {
        let plan = Plan { prefix: prefix.to_owned(), left_before: nth.saturating_sub(1), how };
        self.shared.lock().plans.push(plan);
    }

    /// Waits until so many answers have vanished since the start. The network has answered each by then.
    pub async fn until_vanished(&self, count: usize) {
        let mut vanished = self.shared.vanished.subscribe();
        let _reached = vanished.wait_for(|known| *known >= count).await;
    }

    /// How many requests came whose path begins with `prefix`.
    pub fn count(&self, prefix: &str) -> usize {
        self.shared.lock().seen.iter().filter(|seen| seen.path.starts_with(prefix)).count()
    }

    /// Every request in order of arrival.
    pub fn requests(&self) -> Vec<Seen> {
        self.shared.lock().seen.clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a request down; gives its number and what shall become of the answer.
    fn arrived(&self, seen: Seen) -> (usize, Option<Vanish>) {
        let mut state = self.lock();
        let mut how = None;
        state.plans.retain_mut(|plan| {
            if how.is_some() || !seen.path.starts_with(&plan.prefix) {
                return true;
            }
            if plan.left_before > 0 {
                plan.left_before -= 1;
                return true;
            }
            how = Some(plan.how);
            false
        });
        state.seen.push(seen);
        (state.seen.len() - 1, how)
    }

    fn change(&self, number: usize, change: impl FnOnce(&mut Seen)) {
        if let Some(seen) = self.lock().seen.get_mut(number) {
            change(seen);
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(connections.spawn(serve(stream, Arc::clone(&shared)))),
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let _unneeded = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        // On a task of its own, so that a client that goes away does not keep the request from the network.
        let passing = tokio::spawn(pass(request, Arc::clone(&shared)));
        async move {
            match passing.await.map_err(io::Error::other)?? {
                (response, None) => Ok(response),
                (_, Some(Vanish::Hold)) => match std::future::pending::<Infallible>().await {},
                // An error closes the client's connection without an answer.
                (_, Some(Vanish::Cut)) => Err(io::Error::from(io::ErrorKind::ConnectionReset)),
            }
        }
    });
    let _ended = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// Gives the network's answer, and how it shall vanish where it shall.
async fn pass(request: Request<Incoming>, shared: Arc<Shared>) -> io::Result<(Response<Full<Bytes>>, Option<Vanish>)> {
    let (mut head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let (number, how) = shared.arrived(Seen {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or("").to_owned(),
        headers: listed(&head.headers),
        body: body.clone(),
        answer: None,
        vanished: false,
    });
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    head.uri = format!("{}{target}", shared.upstream).parse::<Uri>().map_err(io::Error::other)?;
    head.version = hyper::Version::HTTP_11;
    for name in &FOR_ONE_CONNECTION {
        head.headers.remove(name);
    }
    let answer = shared.client.request(Request::from_parts(head, Full::new(body))).await.map_err(io::Error::other)?;
    let (mut head, body) = answer.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    for name in &FOR_ONE_CONNECTION {
        head.headers.remove(name);
    }
    let answer = Answer { status: head.status.as_u16(), headers: listed(&head.headers), body: body.clone() };
    shared.change(number, |seen| {
        seen.answer = Some(answer);
        seen.vanished = how.is_some();
    });
    if how.is_some() {
        shared.vanished.send_modify(|count| *count += 1);
    }
    Ok((Response::from_parts(head, Full::new(body)), how))
}

fn listed(headers: &hyper::HeaderMap) -> Vec<(String, String)> {
    let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}
