//! A network that repeats: every answer holds the headers and the body of its request and every secret that the network was
//! ever told by this account or gave to it, in every form.

use std::io::{self, Write};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use tests::harness::Endpoint;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::needles::repeated;

/// Size of a chunk where an answer is split: shorter than any secret.
const CHUNK_BYTES: usize = 7;
/// Members of a request's or an answer's JSON whose values are secret.
const SECRET_MEMBERS: [&str; 3] = ["password", "accessJwt", "refreshJwt"];

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    /// `POST`.
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// Query without the question mark; empty where there was none.
    pub query: String,
    /// Headers in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, with marks in place of what is not UTF-8.
    pub body: String,
    /// Whether the answer was wrapped as planned by [`Echo::wrap`].
    pub wrapped: bool,
}

impl Asked {
    /// The token that it carries; empty where it carries none.
    pub fn bearer(&self) -> &str {
        let value = self.headers.iter().find(|(name, _)| name == "authorization").map(|(_, value)| value.as_str());
        value.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or("")
    }

    /// A text in the JSON of its body.
    pub fn text(&self, member: &str) -> Option<String> {
        serde_json::from_str::<Value>(&self.body).ok()?[member].as_str().map(str::to_owned)
    }
}

/// What the network would answer if it repeated nothing.
type Answer = Box<dyn Fn(&Asked) -> (u16, Value) + Send + Sync>;

/// The running network on 127.0.0.1. It ends when this is dropped.
pub struct Echo {
    url: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    answer: Answer,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    plans: Vec<Plan>,
    asked: Vec<Asked>,
    /// Whose, and what.
    secrets: Vec<(String, String)>,
}

/// How an answer is wrapped: status (none for what it would be anyway), gzip, in chunks.
type Wrapping = (Option<u16>, bool, bool);

struct Plan {
    method: String,
    path: String,
    wrapping: Wrapping,
}

impl Echo {
    /// Starts a network that answers so. `answer` is called when a request has come, before anything is answered.
    pub async fn start(answer: impl Fn(&Asked) -> (u16, Value) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let shared = Arc::new(Shared { answer: Box::new(answer), state: Mutex::default() });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { url, shared, task }
    }

    /// Wraps the next success for this method and a path that begins so; all other answers are plain.
    pub fn wrap(&self, method: &str, path: &str, wrapping: Wrapping) {
        let plan = Plan { method: method.to_owned(), path: path.to_owned(), wrapping };
        self.shared.lock().plans.push(plan);
    }

    /// Repeats from now on nothing that was said before.
    pub fn forget(&self) {
        self.shared.lock().secrets.clear();
    }

    /// Every request in order of arrival.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.lock().asked.clone()
    }
}

impl Endpoint for Echo {
    fn address(&self) -> &str {
        &self.url
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answered(&self, mut asked: Asked) -> Response<Chunks> {
        let (mut status, mut body) = (self.answer)(&asked);
        let mut state = self.lock();
        let planned = |plan: &Plan| status < 400 && asked.method == plan.method && asked.path.starts_with(&plan.path);
        let wrapping = state.plans.iter().position(planned).map(|at| state.plans.remove(at).wrapping);
        asked.wrapped = wrapping.is_some();
        let headers: Vec<String> = asked.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let (error, gzip, chunks) = wrapping.unwrap_or((None, false, false));
        if let Some(error) = error {
            let sentence = format!("Cannot do that with {}; {}", headers.join("; "), asked.body);
            (status, body) = (error, json!({"error": sentence, "message": sentence}));
        }
        let told: Vec<String> = learn(&mut state.secrets, &asked, &body).flat_map(repeated).collect();
        if let Some(object) = body.as_object_mut() {
            let headers: Map<_, _> = asked.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
            object.insert("echo".to_owned(), json!({"headers": headers, "body": asked.body, "told": told}));
        }
        let mut response = Response::builder().status(status).header("content-type", "application/json");
        for (name, value) in &asked.headers {
            response = response.header(format!("x-echo-{name}"), value);
        }
        let mut bytes = body.to_string().into_bytes();
        if gzip {
            bytes = zipped(&bytes);
            response = response.header("content-encoding", "gzip");
        }
        if !chunks {
            response = response.header("content-length", bytes.len());
        }
        state.asked.push(asked);
        let size = if chunks { CHUNK_BYTES } else { bytes.len().max(1) };
        response.body(Chunks { left: bytes.into(), size }).expect("an answer")
    }
}

/// Takes down what is secret in a request and its answer; gives all that is known of this account.
fn learn<'a>(
    secrets: &'a mut Vec<(String, String)>,
    asked: &Asked,
    answer: &Value,
) -> impl Iterator<Item = &'a str> + use<'a> {
    let known = secrets.iter().find(|(_, secret)| secret == asked.bearer()).map(|(whose, _)| whose.clone());
    let whose = asked.text("identifier").or(known).unwrap_or_else(|| asked.bearer().to_owned());
    let sent: Value = serde_json::from_str(&asked.body).unwrap_or_default();
    let members = SECRET_MEMBERS.iter().flat_map(|member| [&sent[*member], &answer[*member]]).filter_map(Value::as_str);
    for secret in members.chain([asked.bearer()]).filter(|secret| !secret.is_empty()) {
        let new = (whose.clone(), secret.to_owned());
        if !secrets.contains(&new) {
            secrets.push(new);
        }
    }
    secrets.iter().filter(move |(account, _)| *account == whose).map(|(_, secret)| secret.as_str())
}

fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("zipped");
    encoder.finish().expect("zipped")
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, Arc::clone(&shared)));
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let _unneeded = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(request, Arc::clone(&shared)));
    let _ended = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> io::Result<Response<Chunks>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Ok(shared.answered(Asked {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or("").to_owned(),
        headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: String::from_utf8_lossy(&body).into_owned(),
        wrapped: false,
    }))
}

/// A body that is sent in pieces; without a length each becomes a chunk.
struct Chunks {
    left: Bytes,
    size: usize,
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let size = self.size.min(self.left.len());
        let piece = self.left.split_to(size);
        Poll::Ready((!piece.is_empty()).then_some(Ok(Frame::data(piece))))
    }
}
