//! From what the network would say to what it does say: each fault's own way to spoil an answer.

use std::convert::Infallible;
use std::future::Future;
use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body::Frame;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, Sleep};

use crate::fault::{Fault, Garbage, Silence};
use crate::journal::Answered;

/// Size of a piece where an answer is split: shorter than any secret.
const PIECE_BYTES: usize = 7;
/// Pause between pieces, so that each leaves alone.
const PIECE_PAUSE: Duration = Duration::from_millis(1);
/// Pause before a connection breaks, so that what was written has left.
const BREAK_PAUSE: Duration = Duration::from_millis(50);

const WEB_PAGE: &str = "<!doctype html><title>502</title><h1>Bad gateway</h1><p>Have you tried it again?";

/// What the client gets.
pub(crate) enum Outcome {
    /// An answer, right or wrong.
    Answer(Response<Body>),
    /// The connection closes without one.
    Close,
}

impl Fault {
    /// Whether the request is carried out under this fault.
    pub(crate) fn carried_out(&self) -> bool {
        match self {
            Self::NoAnswer { stored, .. } | Self::Status { stored, .. } => *stored,
            Self::Late { .. } | Self::Garbage { .. } => true,
            Self::RateLimited { .. } => false,
            Self::Echo { status, .. } => status.is_none(),
        }
    }
}

/// The answer as it is.
pub(crate) fn right(answer: Answered) -> Response<Body> {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = status(answer.status);
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// Applies a fault. `answer` is what the network made of the request, where it was carried out.
pub(crate) async fn spoil(fault: Fault, request: &HeaderMap, answer: Option<Answered>) -> Outcome {
    let answer = answer.unwrap_or_else(|| Answered { status: 500, headers: Vec::new(), body: Bytes::new() });
    match fault {
        Fault::NoAnswer { how: Silence::Close, .. } => Outcome::Close,
        Fault::NoAnswer { how: Silence::Hang, .. } => match std::future::pending::<Infallible>().await {},
        Fault::Late { ms } => {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            Outcome::Answer(right(answer))
        }
        Fault::RateLimited { retry_after_s } => {
            let mut response = error(429, "Too many requests");
            if let Some(seconds) = retry_after_s {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            Outcome::Answer(response)
        }
        Fault::Status { status, .. } => Outcome::Answer(error(status, "Something went wrong on our end")),
        Fault::Garbage { how } => Outcome::Answer(garbage(how, answer)),
        Fault::Echo { status, gzip, chunks } => Outcome::Answer(echo(request, answer, status, gzip, chunks)),
    }
}

fn garbage(how: Garbage, mut answer: Answered) -> Response<Body> {
    let whole = answer.body.len();
    let half = answer.body.slice(..whole / 2);
    match how {
        Garbage::NotJson => {
            let mut response = Response::new(Body::from(WEB_PAGE));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
            response
        }
        Garbage::CutJson => {
            answer.body = half;
            answer.headers.retain(|(name, _)| name != "content-length");
            right(answer)
        }
        Garbage::CutBody => {
            let mut response = right(answer);
            response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(whole));
            let size = half.len().max(1);
            *response.body_mut() = Body::new(Pieces::new(half, size, BREAK_PAUSE, true));
            response
        }
    }
}

fn echo(request: &HeaderMap, mut answer: Answered, status: Option<u16>, gzip: bool, chunks: bool) -> Response<Body> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let echoed: Map<String, Value> =
        request.iter().map(|(name, value)| (name.to_string(), text(value).into())).collect();
    let mut body = match status {
        Some(status) => {
            let all: Vec<String> = request.iter().map(|(name, value)| format!("{name}: {}", text(value))).collect();
            answer.status = status;
            json!({ "error": format!("Cannot do that with {}", all.join("; ")) })
        }
        None => serde_json::from_slice(&answer.body).unwrap_or_else(|_| json!({})),
    };
    if let Some(object) = body.as_object_mut() {
        object.insert("echo".to_owned(), Value::Object(echoed));
    }
    let mut bytes = body.to_string().into_bytes();
    answer.headers.retain(|(name, _)| name != "content-length" && name != "content-type");
    answer.headers.push(("content-type".to_owned(), "application/json; charset=utf-8".to_owned()));
    for (name, value) in request {
        answer.headers.push((format!("x-echo-{name}"), text(value)));
    }
    if gzip {
        bytes = zipped(&bytes);
        answer.headers.push(("content-encoding".to_owned(), "gzip".to_owned()));
    }
    answer.body = Bytes::from(bytes);
    let body = answer.body.clone();
    let mut response = right(answer);
    if chunks {
        *response.body_mut() = Body::new(Pieces::new(body, PIECE_BYTES, PIECE_PAUSE, false));
    }
    response
}

/// The `Error` entity.
fn error(code: u16, message: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(json!({ "error": message }).to_string()));
    *response.status_mut() = status(code);
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing to memory does not fail; were it to, the empty body would be seen by the test that asked for it.
    encoder.write_all(bytes).and_then(|()| encoder.finish()).unwrap_or_default()
}

/// A body that comes piece by piece, and may end in a broken connection.
struct Pieces {
    left: Bytes,
    size: usize,
    pause: Duration,
    sleep: Pin<Box<Sleep>>,
    breaks: bool,
}

impl Pieces {
    fn new(bytes: Bytes, size: usize, pause: Duration, breaks: bool) -> Self {
        Self { left: bytes, size, pause, sleep: Box::pin(tokio::time::sleep(Duration::ZERO)), breaks }
    }
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.sleep.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        if self.left.is_empty() {
            let broken = std::mem::take(&mut self.breaks);
            return Poll::Ready(broken.then(|| Err(io::Error::from(io::ErrorKind::ConnectionReset))));
        }
        let size = self.size.min(self.left.len());
        let piece = self.left.split_to(size);
        let next = Instant::now() + self.pause;
        self.sleep.as_mut().reset(next);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}
