//! The cases of `http_desync_guardian` against a whole listener: see `tests/cases/desync`.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::Request,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use http_body_util::BodyExt;
use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::{Fault, oracle::library};
use crate::{
    listen::{Door, Limits, Meter, serve},
    stop::Stop,
};

const CASES: &str = include_str!("../../../../../tests/cases/desync/cases.json");

/// Cases that the corpus calls compliant by RFC 7230, and that RFC 9112 and 3986 do not allow: parameters of `chunked` (RFC 9112 7.1),
/// an address with a fragment and angle brackets (RFC 3986 2), and no address at all (RFC 9112 3.2).
const NOT_ANY_MORE: [(&str, Fault); 4] = [
    ("TE with custom parameters OK", Fault::TransferEncoding),
    ("Transfer-Encoding with a param: chunked;custom_param", Fault::TransferEncoding),
    ("Compliant URL", Fault::Target),
    ("Empty URI", Fault::RequestLine),
];

#[derive(Deserialize)]
struct Case {
    name: String,
    method: String,
    uri: String,
    version: String,
    headers: Vec<(String, String)>,
    tier: String,
}

impl Case {
    /// Its bytes, with the Host that the corpus leaves out, so that nothing is refused for want of it, and a body of the
    /// length that the head says, where it says one.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {}", self.method, self.uri).into_bytes();
        if !self.version.is_empty() {
            bytes.extend_from_slice(format!(" {}", self.version).as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            bytes.extend_from_slice(b"Host: localhost\r\n");
        }
        for (name, value) in &self.headers {
            bytes.extend_from_slice(format!("{name}:{value}\r\n").as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes
    }

    fn body(&self) -> Vec<u8> {
        let says = |wanted: &str| self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        match (says("transfer-encoding"), says("content-length")) {
            (Some(_), _) => b"5\r\nhello\r\n0\r\n\r\n".to_vec(),
            (None, Some((_, length))) => vec![b'x'; length.trim().parse().unwrap_or_default()],
            (None, None) => Vec::new(),
        }
    }
}

fn refuse(fault: Fault) -> Response {
    (StatusCode::from_u16(fault.status()).unwrap(), format!("fault {}", fault.word())).into_response()
}

/// A listener whose application counts requests and answers with the bytes of their bodies.
#[allow(clippy::disallowed_methods, reason = "the test's own listener")]
async fn counting() -> (SocketAddr, Arc<AtomicUsize>, Arc<Stop>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let app = Router::new().fallback(move |request: Request| {
        counted.fetch_add(1, Ordering::Relaxed);
        async move {
            let body: Bytes = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            format!("body {}", body.len())
        }
    });
    let limits = Limits {
        connections_max: 100,
        connections_per_source_max: 100,
        head_timeout: Duration::from_secs(5),
        idle_timeout: Duration::from_secs(5),
        head_bytes_max: 16 * 1024,
        head_fields_max: 100,
        http2: true,
        streams_max: 10,
    };
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), Arc::new(Stop::default()));
    let door = Door { limits, refuse, meter: Arc::new(Meter::default()), tls: None, tunnels: None };
    tokio::spawn(serve(listener, app, door, Arc::clone(&stop)));
    (address, count, stop)
}

/// Everything that comes back until the connection ends.
#[allow(clippy::disallowed_methods, reason = "the test's own client")]
async fn exchange(address: SocketAddr, bytes: &[u8], half_close: bool) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    if half_close {
        stream.shutdown().await.unwrap();
    }
    let mut all = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(4), stream.read_to_end(&mut all)).await;
    read.expect("the connection ends").expect("and is not reset");
    String::from_utf8(all).unwrap()
}

#[tokio::test]
async fn severe_and_ambiguous_cases_end_the_connection_and_reach_nobody() {
    let cases: Vec<Case> = serde_json::from_str(CASES).unwrap();
    assert_eq!(cases.len(), 159);
    let (address, count, _stop) = counting().await;
    let bad: Vec<&Case> = cases.iter().filter(|case| ["Severe", "Ambiguous"].contains(&case.tier.as_str())).collect();
    assert_eq!(bad.len(), 116);
    for case in bad {
        // What a smuggler would put behind it, whichever way the head is read.
        let mut bytes = case.bytes();
        bytes.extend_from_slice(b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let answer = exchange(address, &bytes, false).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{}: {answer}", case.name);
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{}: {answer}", case.name);
        assert!(answer.contains("connection: close") && answer.contains("fault "), "{}: {answer}", case.name);
        assert_eq!(count.load(Ordering::Relaxed), 0, "{} was served", case.name);
    }
    // In one connection, behind a request that is served.
    let first = b"POST /first HTTP/1.1\r\nHost: localhost\r\ncontent-length: 2\r\n\r\nok";
    for (number, case) in cases.iter().filter(|case| ["Severe", "Ambiguous"].contains(&case.tier.as_str())).enumerate()
    {
        let answer = exchange(address, &[&first[..], &case.bytes()].concat(), false).await;
        assert!(
            answer.starts_with("HTTP/1.1 200 ") && answer.contains("body 2HTTP/1.1 400 "),
            "{}: {answer}",
            case.name
        );
        assert_eq!(count.load(Ordering::Relaxed), number + 1, "{}", case.name);
    }
}

#[test]
fn the_library_alone_would_serve_some_of_them() {
    let cases: Vec<Case> = serde_json::from_str(CASES).unwrap();
    let bad = cases.iter().filter(|case| ["Severe", "Ambiguous"].contains(&case.tier.as_str()));
    let served = bad.filter(|case| !library(&case.bytes()).0.is_empty()).count();
    assert!(served >= 10, "{served}");
}

#[tokio::test]
async fn compliant_cases_pass() {
    let cases: Vec<Case> = serde_json::from_str(CASES).unwrap();
    let (address, count, _stop) = counting().await;
    let good: Vec<&Case> = cases.iter().filter(|case| case.tier == "Compliant").collect();
    assert_eq!(good.len(), 28);
    let mut refused = 0;
    for case in good {
        let before = count.load(Ordering::Relaxed);
        let last = b"GET /last HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let answer = exchange(address, &[&case.bytes()[..], &case.body(), last].concat(), false).await;
        let served = count.load(Ordering::Relaxed) - before;
        if let Some((_, fault)) = NOT_ANY_MORE.iter().find(|(name, _)| *name == case.name) {
            assert!(answer.starts_with("HTTP/1.1 400 ") && answer.ends_with(fault.word()), "{}: {answer}", case.name);
            assert_eq!(served, 0, "{}", case.name);
            refused += 1;
            continue;
        }
        let body = if case.body().starts_with(b"5\r\n") { 5 } else { case.body().len() };
        assert!(answer.contains(&format!("body {body}HTTP/1.1 200")), "{}: {answer}", case.name);
        assert_eq!(served, 2, "{}", case.name);
    }
    assert_eq!(refused, NOT_ANY_MORE.len());
}
