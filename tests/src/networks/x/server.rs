//! Connections: reads each request whole, checks who signed it, counts it, answers it, and makes the trouble that was asked for.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use sample_network::{Answered, Recorded};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::answers::{Asked, answer};
use super::state::{Counted, State};
use super::{KEYS, Trouble, signature};

type Shared = Arc<Mutex<State>>;

pub(super) async fn accept(listener: TcpListener, state: Shared) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        let service = service_fn(move |request| one(request, Arc::clone(&state)));
        connections.spawn(async move {
            // A broken connection is the client's affair or a trouble that was asked for.
            let _ended = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

fn lock(state: &Shared) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The error closes the connection without an answer.
async fn one(request: Request<Incoming>, state: Shared) -> io::Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let (path, query) = (head.uri.path().to_owned(), head.uri.query().unwrap_or_default().to_owned());
    let method = head.method.as_str().to_owned();
    let headers = listed(&head.headers);
    let (made, trouble) = {
        let mut state = lock(&state);
        let trouble = state.trouble(&method, &path);
        let carried_out = !matches!(trouble, Some(Trouble::NoAnswer { stored: false } | Trouble::Status(_)));
        let recorded = Recorded {
            method: method.clone(),
            path: path.clone(),
            query: query.clone(),
            headers: headers.clone(),
            body: body.clone(),
            answer: None,
            fault: trouble.map(|trouble| format!("{trouble:?}")),
        };
        state.recorded.push(recorded);
        let at = state.recorded.len() - 1;
        let made = carried_out.then(|| made(&mut state, &method, &path, &query, &headers, &body));
        state.recorded[at].answer.clone_from(&made);
        (made, trouble)
    };
    match trouble {
        Some(Trouble::NoAnswer { .. }) => return Err(io::Error::from(io::ErrorKind::ConnectionReset)),
        Some(Trouble::Status(status)) => return Ok(response(&plain(status, "It went wrong.", &[]))),
        Some(Trouble::Garbage) => return Ok(response(&plain(200, "<html>hello</html>", &[]))),
        Some(Trouble::Late(by)) => tokio::time::sleep(by).await,
        None => {}
    }
    made.map(|made| response(&made)).ok_or_else(|| io::Error::other("what has no trouble is carried out"))
}

fn made(
    state: &mut State,
    method: &str,
    path: &str,
    query: &str,
    headers: &[(String, String)],
    body: &[u8],
) -> Answered {
    let header = |name: &str| headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str());
    if !is_signed(state, method, path, query, &header) {
        return said(401, &json!({ "code": 32, "message": "Could not authenticate you." }), &[]);
    }
    let now_s = state.now().as_second();
    let counted = state.windows.count(method, path, now_s);
    let limits = told(counted);
    if counted.over {
        state.over += 1;
        return said(429, &json!({ "code": 88, "message": "Rate limit exceeded" }), &limits);
    }
    let asked = Asked { method, path, query, content_type: header("content-type"), body };
    let (status, body) = answer(state, &asked);
    said(status, &body, &limits)
}

fn told(counted: Counted) -> Vec<(String, String)> {
    [
        ("x-rate-limit-limit", counted.limit.to_string()),
        ("x-rate-limit-remaining", counted.remaining.to_string()),
        ("x-rate-limit-reset", counted.reset_s.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

/// Bodies are JSON or forms with media, so only the query's parameters are signed.
fn is_signed<'a>(state: &mut State, method: &str, path: &str, query: &str, header: &impl Fn(&str) -> &'a str) -> bool {
    let Some(mut own) = signature::parameters(header("authorization")) else { return false };
    let value = |name: &str| KEYS.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| *value);
    let Some(claimed) = own.remove("oauth_signature") else { return false };
    let ours = own.get("oauth_consumer_key").is_some_and(|key| key == value("consumer_key"))
        && own.get("oauth_token").is_some_and(|token| token == value("access_token"));
    let at: i64 = own.get("oauth_timestamp").and_then(|at| at.parse().ok()).unwrap_or_default();
    let near = (state.now().as_second() - at).abs() < 24 * 60 * 60;
    let fresh = own.get("oauth_nonce").is_some_and(|nonce| state.is_fresh(nonce));
    let mut given: Vec<(String, String)> = own.into_iter().collect();
    given.extend(signature::pairs(query));
    let address = format!("http://{}{path}", header("host"));
    let secrets = (value("consumer_secret"), value("access_token_secret"));
    ours && near && fresh && signature::signature(method, &address, &given, secrets) == claimed
}

fn said(status: u16, body: &Value, more: &[(String, String)]) -> Answered {
    let kind = if body["type"].is_string() { "application/problem+json" } else { "application/json" };
    let mut headers = vec![("content-type".to_owned(), kind.to_owned())];
    headers.extend_from_slice(more);
    Answered { status, headers, body: Bytes::from(body.to_string()) }
}

fn plain(status: u16, text: &'static str, headers: &[(String, String)]) -> Answered {
    Answered { status, headers: headers.to_vec(), body: Bytes::from_static(text.as_bytes()) }
}

fn response(answered: &Answered) -> Response<Full<Bytes>> {
    let mut response = Response::builder().status(answered.status);
    for (name, value) in &answered.headers {
        response = response.header(name, value);
    }
    response.body(Full::new(answered.body.clone())).expect("a response")
}

fn listed(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect()
}
