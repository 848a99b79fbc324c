//! SIGTERM under load. Failed is every call that was begun and got no 201. A client that finds its connection closed before a byte of
//! the answer sends the same request again on a new one: HTTP allows that, since the Idempotency-Key makes it safe (RFC 9110 9.2.2). Where
//! nobody listens any more before anything was sent, no call was begun.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, client::conn::http1};
use hyper_util::rt::TokioIo;
use tests::harness::{Gate, network, until};
use tests::http;
use tokio::net::TcpStream;

use crate::samples::post;

const CALLERS: usize = 8;

type Sender = http1::SendRequest<Full<Bytes>>;

/// A connection; none where nobody listens.
async fn connect(address: &str) -> Option<Sender> {
    let stream = match TcpStream::connect(address).await {
        Ok(stream) => stream,
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => return None,
        Err(error) => panic!("{error}"),
    };
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("a connection");
    tokio::spawn(connection);
    Some(sender)
}

/// Calls until nobody listens any more; how many were answered with 201, and on how many connections.
async fn load(address: String, key: String, caller: usize, done: Arc<AtomicUsize>) -> (usize, usize) {
    let (mut calls, mut connections) = (0, 0);
    let mut sender: Option<Sender> = None;
    loop {
        let text = format!("{caller} {calls}");
        let mut begun = false;
        loop {
            if sender.as_mut().is_none_or(|sender| sender.is_closed()) {
                sender = connect(&address).await;
                connections += 1;
            }
            let Some(open) = &mut sender else {
                assert!(!begun, "call {text} was begun and nobody is left to answer it");
                return (calls, connections - 1);
            };
            if open.ready().await.is_err() {
                sender = None;
                continue;
            }
            let request = Request::post("/v1/posts")
                .header("host", "gate")
                .header("authorization", format!("Bearer {key}"))
                .header("content-type", "application/json")
                .header("prefer", "wait=30")
                .header("idempotency-key", format!("drain-{caller}-{calls}"))
                .body(Full::from(post("acme-mastodon", &text).to_string()))
                .expect("a request");
            begun = true;
            match open.send_request(request).await {
                Ok(answer) => {
                    let status = answer.status();
                    let body = answer.into_body().collect().await.expect("a whole answer").to_bytes();
                    assert_eq!(status, 201, "call {text}: {}", String::from_utf8_lossy(&body));
                    break;
                }
                Err(_) => sender = None,
            }
        }
        calls += 1;
        done.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_under_load_fails_no_call() {
    let net = network().await;
    let mut gate = Gate::new()
        .account("acme-mastodon", &net)
        .setting("limits.calls_per_minute", "1000000")
        .setting("limits.burst", "100000")
        .setting("listen.stop_announced_ms", "700")
        .spawn()
        .await;
    let address = gate.url.trim_start_matches("http://").to_owned();
    let done = Arc::new(AtomicUsize::new(0));
    let key = gate.site.key("app:newsroom").to_owned();
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| tokio::spawn(load(address.clone(), key.clone(), caller, Arc::clone(&done))))
        .collect();
    until("the load runs", || async { (done.load(Ordering::Relaxed) > 100).then_some(()) }).await;
    let before = done.load(Ordering::Relaxed);
    let url = format!("{}/readyz", gate.url);
    let unready = tokio::spawn(async move {
        until("it says that it stops", || async {
            let answer = http::try_call("GET", &url, &[], "", Duration::from_secs(5)).await.ok()?;
            (answer.status == 503 && answer.text().contains("\"stopping\":true")).then_some(())
        })
        .await;
    });
    assert_eq!(gate.terminate().await, Some(0));
    unready.await.expect("seen while it still served");
    let (mut calls, mut connections) = (0, 0);
    for caller in callers {
        let (some, opened) = caller.await.expect("no call failed");
        calls += some;
        connections += opened;
    }
    assert!(calls > before, "calls went on after the signal: {before}, {calls}");
    assert!(connections > CALLERS, "they were asked to use other connections: {connections}");
    assert_eq!(net.timeline().await.len(), calls, "each was sent, once");
}
