//! A receiver of exported audit events whose moods a test sets: it takes, hangs, refuses, or breaks the connection.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// Pause after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mood {
    /// It is taken: 200 with this body.
    Good(String),
    /// The connection stays open, and no answer comes.
    Hang,
    /// It is not taken: this status, with these headers.
    Refuse(u16, Vec<(String, String)>),
    /// The connection is closed without an answer.
    Drop,
    /// It is taken, and the connection is closed without an answer.
    Forget,
}

/// A request that was taken.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Path and query.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// A running receiver on 127.0.0.1. It ends when this is dropped.
#[derive(Debug)]
pub struct Siem {
    /// Address without a slash at the end.
    pub url: String,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    mood: Mood,
    tried: usize,
    taken: Vec<Delivery>,
}

impl Siem {
    /// Starts one.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start(mood: Mood) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let state = Arc::new(Mutex::new(State { mood, tried: 0, taken: Vec::new() }));
        let task = tokio::spawn(accept(listener, Arc::clone(&state)));
        Self { url, state, task }
    }

    /// One that takes everything.
    pub async fn good() -> Self {
        Self::start(Mood::Good(String::new())).await
    }

    /// Changes what becomes of the next requests. What hangs stays so.
    pub fn set(&self, mood: Mood) {
        lock(&self.state).mood = mood;
    }

    /// Every request that was taken, in order.
    pub fn taken(&self) -> Vec<Delivery> {
        lock(&self.state).taken.clone()
    }

    /// How many requests came, taken or not.
    pub fn tried(&self) -> usize {
        lock(&self.state).tried
    }
}

impl Drop for Siem {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(connections.spawn(serve(stream, Arc::clone(&state)))),
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, state: Arc<Mutex<State>>) {
    let _unneeded = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(request, Arc::clone(&state)));
    let _ended = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: Request<Incoming>, state: Arc<Mutex<State>>) -> io::Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let mood = {
        let mut state = lock(&state);
        state.tried += 1;
        if matches!(state.mood, Mood::Good(_) | Mood::Forget) {
            let path = head.uri.path_and_query().map_or_else(String::new, ToString::to_string);
            state.taken.push(Delivery { path, headers: head.headers, body });
        }
        state.mood.clone()
    };
    match mood {
        Mood::Good(text) => Ok(Response::new(Full::from(text))),
        Mood::Hang => match std::future::pending::<Infallible>().await {},
        Mood::Refuse(status, headers) => {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            response.body(Full::default()).map_err(io::Error::other)
        }
        // An error closes the connection without an answer.
        Mood::Drop | Mood::Forget => Err(io::Error::from(io::ErrorKind::ConnectionReset)),
    }
}
