//! Connections: reads each request whole, writes it down, lets the network answer and a fault spoil the answer.
//!
//! This is hyper and not axum's own server, because a service that fails closes the connection without an answer.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::answer::{self, Outcome};
use crate::journal::{Answered, Recorded};
use crate::state::Network;
use crate::{api, control};

/// Largest request: the largest video and what multipart adds.
const REQUEST_BYTES_MAX: usize = 104 * 1024 * 1024;
/// Pause after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Serves connections until it is dropped, and ends them with itself.
pub(crate) async fn accept(listener: TcpListener, network: Arc<Network>) {
    let site = Arc::new(Site {
        api: api::router(Arc::clone(&network)),
        control: control::router(Arc::clone(&network)),
        network,
    });
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(connections.spawn(serve(stream, Arc::clone(&site)))),
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

struct Site {
    api: Router,
    control: Router,
    network: Arc<Network>,
}

async fn serve(stream: TcpStream, site: Arc<Site>) {
    let _unneeded = stream.set_nodelay(true);
    let service = service_fn(move |request| answer_one(request, Arc::clone(&site)));
    // A broken connection is the client's affair or a fault that was asked for.
    let _ended = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
}

/// The error closes the connection without an answer.
async fn answer_one(request: Request<Incoming>, site: Arc<Site>) -> io::Result<Response<Body>> {
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, REQUEST_BYTES_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            let mut response = Response::new(Body::from(r#"{"error":"The request is too large"}"#));
            *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
            return Ok(response);
        }
        Err(_) => return Err(io::Error::from(io::ErrorKind::ConnectionAborted)),
    };
    let path = head.uri.path().to_owned();
    let request = Request::from_parts(head.clone(), Body::from(body.clone()));
    if !path.starts_with("/api/") {
        return Ok(infallible(site.control.clone().oneshot(request).await));
    }

    let network = &site.network;
    let number = network.journal.arrived(recorded(&head, body));
    let fault = network.faults.take(head.method.as_str(), &path);
    if let Some(fault) = &fault {
        network.journal.spoiled(number, format!("{fault:?}"));
    }
    let mut answer = None;
    if fault.as_ref().is_none_or(crate::Fault::carried_out) {
        let made = collected(infallible(site.api.clone().oneshot(request).await)).await;
        network.journal.answered(number, made.clone());
        answer = Some(made);
    }
    match (fault, answer) {
        (None, Some(made)) => Ok(answer::right(made)),
        (None, None) => Err(io::Error::other("a request without a fault is always carried out")),
        (Some(fault), answer) => match answer::spoil(fault, &head.headers, answer).await {
            Outcome::Answer(response) => Ok(response),
            Outcome::Close => Err(io::Error::from(io::ErrorKind::ConnectionReset)),
        },
    }
}

fn recorded(head: &axum::http::request::Parts, body: Bytes) -> Recorded {
    Recorded {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or("").to_owned(),
        headers: listed(&head.headers),
        body,
        answer: None,
        fault: None,
    }
}

async fn collected(response: Response<Body>) -> Answered {
    let (head, body) = response.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    Answered { status: head.status.as_u16(), headers: listed(&head.headers), body }
}

fn listed(headers: &axum::http::HeaderMap) -> Vec<(String, String)> {
    let text = |value: &axum::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}

fn infallible<T>(result: Result<T, Infallible>) -> T {
    match result {
        Ok(value) => value,
        Err(never) => match never {},
    }
}
