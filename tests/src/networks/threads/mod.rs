//! A simulated Threads: containers, publications, replies, deletions and the quota, in the shapes of the published Postman collection.
//! It fetches media itself, writes down every request, and fails as a test says.

mod api;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use crate::specs::{Faults, Postman};

/// The account's token.
pub const TOKEN: &str = "threads-token-canary-5d1c";

/// How a request goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It is answered so, and nothing is done.
    Answer(u16, String),
    /// It is done, and nobody hears of it.
    Lost,
    /// It is not done, and nobody hears of it.
    Dropped,
    /// Nobody hears of it, and it is done when the test says.
    Late,
}

/// A request that came.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// `POST`.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// Without the question mark.
    pub query: String,
    /// The body.
    pub body: Bytes,
}

/// A medium that the network fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// From where.
    pub url: String,
    /// `Content-Type` of the answer.
    pub media_type: String,
    /// What came.
    pub bytes: Bytes,
    /// Its description.
    pub alt: Option<String>,
}

/// A published post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// Its id.
    pub id: String,
    /// What it says.
    pub text: String,
    /// What it answers.
    pub reply_to: Option<String>,
    /// What it shows.
    pub media: Vec<Fetched>,
    at: String,
}

#[derive(Debug, Clone, Default)]
struct Container {
    text: String,
    reply_to: Option<String>,
    media: Vec<Fetched>,
    status: String,
    error: Option<String>,
    published: bool,
}

#[derive(Debug, Default)]
struct State {
    next_id: u64,
    containers: BTreeMap<String, Container>,
    posts: Vec<Post>,
    recorded: Vec<Recorded>,
    faults: Vec<(String, Fault)>,
    late: Vec<Recorded>,
    /// What came late is done at the next refusal that was planned.
    late_is_due: bool,
    statuses: Vec<String>,
    used: u64,
    quota: u64,
}

/// A running network on 127.0.0.1. It ends when this is dropped.
#[derive(Debug)]
pub struct Threads {
    /// Address without a slash at the end.
    pub url: String,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Threads {
    /// Starts it.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let state = Arc::new(Mutex::new(State { next_id: 17_900_000_000_000_000, quota: 250, ..State::default() }));
        let task = tokio::spawn(accept(listener, Arc::clone(&state)));
        Ok(Self { url, state, task })
    }

    /// Spoils the next request whose method and path begin so: `POST /me/threads_publish`.
    pub fn fail(&self, prefix: &str, fault: Fault) {
        self.lock().faults.push((prefix.to_owned(), fault));
    }

    /// The next answers to questions about a container, before it is as it is.
    pub fn say_of_containers(&self, statuses: &[&str]) {
        self.lock().statuses = statuses.iter().rev().map(|status| (*status).to_owned()).collect();
    }

    /// How many posts there may be.
    pub fn set_quota(&self, quota: u64) {
        self.lock().quota = quota;
    }

    /// What comes late from now on is done right after a refused repetition of it.
    pub fn do_late_with_the_repetition(&self) {
        self.lock().late_is_due = true;
    }

    /// The posts that are there, oldest first.
    pub fn posts(&self) -> Vec<Post> {
        self.lock().posts.clone()
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Recorded> {
        self.lock().recorded.clone()
    }

    /// How many requests began so: `POST /me/threads_publish`.
    pub fn count(&self, prefix: &str) -> usize {
        self.lock().recorded.iter().filter(|request| request.line().starts_with(prefix)).count()
    }

    /// Holds every request against the collection.
    ///
    /// # Errors
    /// Every fault.
    pub fn check(&self, collection: &Postman) -> Result<(), Faults> {
        let check = |request: Recorded| {
            collection.check(&request.method, &request.path, &request.query, &request.body).err().unwrap_or_default()
        };
        let faults: Faults = self.requests().into_iter().flat_map(check).collect();
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recorded {
    fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        connections.spawn(async move {
            let service = service_fn(move |request| serve(Arc::clone(&state), request));
            let _ended = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// The error closes the connection without an answer.
async fn serve(state: Arc<Mutex<State>>, request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let recorded = Recorded {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        body,
    };
    let fault = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.recorded.push(recorded.clone());
        let line = recorded.line();
        let planned = state.faults.iter().position(|(prefix, _)| line.starts_with(prefix.as_str()));
        planned.map(|index| state.faults.remove(index).1)
    };
    let gone = || Err(io::Error::from(io::ErrorKind::ConnectionAborted));
    match fault {
        Some(Fault::Answer(status, body)) => {
            let late = {
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                if state.late_is_due { std::mem::take(&mut state.late) } else { Vec::new() }
            };
            for request in late {
                let _unheard = api::answer(&state, &request).await;
            }
            Ok(api::json(status, body))
        }
        Some(Fault::Dropped) => gone(),
        Some(Fault::Late) => {
            state.lock().unwrap_or_else(PoisonError::into_inner).late.push(recorded);
            gone()
        }
        fault => {
            let answer: Result<_, Infallible> = Ok(api::answer(&state, &recorded).await);
            if fault.is_some() { gone() } else { answer.map_err(|never| match never {}) }
        }
    }
}
