//! Requests as bytes: what HTTP leaves open, bodies that are too long or too slow, and clients that write before they read.

use std::time::{Duration, Instant};

use serde_json::json;
use tests::harness::caller::{JSON, WAIT};
use tests::harness::{Gate, Running, network, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::samples::{STATUSES, id, post};

async fn connect(gate: &Running) -> TcpStream {
    TcpStream::connect(gate.url.trim_start_matches("http://")).await.expect("connected")
}

fn head(gate: &Running, method: &str, path: &str, more: &str) -> String {
    let key = gate.site.key("app:newsroom");
    format!("{method} {path} HTTP/1.1\r\nhost: gate\r\nauthorization: Bearer {key}\r\nconnection: close\r\n{more}\r\n")
}

/// All that comes back until the connection ends.
async fn rest(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut all)).await;
    read.expect("an end").expect("and no reset");
    String::from_utf8(all).expect("text")
}

async fn raw(gate: &Running, request: &str) -> String {
    let mut stream = connect(gate).await;
    stream.write_all(request.as_bytes()).await.expect("sent");
    rest(&mut stream).await
}

#[tokio::test]
async fn a_body_that_is_too_long_is_answered_to_who_writes_all_first_and_to_who_waits() {
    let net = network().await;
    let gate = Gate::new().account("acme-mastodon", &net).setting("limits.media_bytes_max", "2048").start().await;
    let body = vec![b'x'; 10_000_000];
    for (path, framing) in [
        ("/v1/posts", "content-length: 10000000\r\ncontent-type: application/json\r\n"),
        ("/v1/media", "content-length: 10000000\r\n"),
        ("/v1/nothing", "content-length: 10000000\r\n"),
    ] {
        let mut stream = connect(&gate).await;
        stream.write_all(head(&gate, "POST", path, framing).as_bytes()).await.expect("sent");
        stream
            .write_all(&body)
            .await
            .unwrap_or_else(|error| panic!("{path}: hung up under the client's hands: {error}"));
        let answer = rest(&mut stream).await;
        let expected = if path == "/v1/nothing" { "HTTP/1.1 404" } else { "HTTP/1.1 413" };
        assert!(answer.starts_with(expected), "{path}: {answer}");
        assert!(path != "/v1/posts" || answer.contains("1048576 bytes"), "{answer}");
    }
    // In chunks, so that nobody knows the length before.
    let mut stream = connect(&gate).await;
    let framing = "transfer-encoding: chunked\r\ncontent-type: application/json\r\n";
    stream.write_all(head(&gate, "POST", "/v1/posts", framing).as_bytes()).await.expect("sent");
    for _ in 0..10 {
        stream.write_all(b"f4240\r\n").await.expect("sent");
        stream.write_all(&body[..1_000_000]).await.expect("sent");
        stream.write_all(b"\r\n").await.expect("sent");
    }
    stream.write_all(b"0\r\n\r\n").await.expect("sent");
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 413"));
    // Who announces it and waits hears at once, without a byte of the body.
    for more in ["", "expect: 100-continue\r\n"] {
        let begun = Instant::now();
        let framing = format!("content-length: 10000000\r\ncontent-type: application/json\r\n{more}");
        let answer = raw(&gate, &head(&gate, "POST", "/v1/posts", &framing)).await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
        assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    }
    gate.assert_alive().await;
}

#[tokio::test]
async fn a_body_that_does_not_come_is_given_up() {
    let net = network().await;
    let gate = Gate::new().account("acme-mastodon", &net).setting("limits.body_timeout_ms", "400").start().await;
    for path in ["/v1/posts", "/v1/media"] {
        let more = "content-length: 500\r\ncontent-type: application/json\r\n";
        let answer = raw(&gate, &format!("{}{{", head(&gate, "POST", path, more))).await;
        assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("/problems/request-timeout"), "{path}: {answer}");
    }
    // An upload may take as long as it likes, if it goes on.
    let mut stream = connect(&gate).await;
    let more = format!("content-length: {}\r\n", crate::samples::PNG.len());
    stream.write_all(head(&gate, "POST", "/v1/media", &more).as_bytes()).await.expect("sent");
    for chunk in crate::samples::PNG.chunks(12) {
        tokio::time::sleep(Duration::from_millis(150)).await;
        stream.write_all(chunk).await.expect("sent");
    }
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 201"));
}

#[tokio::test]
async fn a_stalled_upload_does_not_hold_a_stop_up() {
    let net = network().await;
    let mut gate = Gate::new().account("acme-mastodon", &net).start().await;
    let mut stalled = Vec::new();
    for (path, sent) in [("/v1/media", "x"), ("/v1/posts", "{")] {
        let mut stream = connect(&gate).await;
        let more = "content-length: 500\r\ncontent-type: application/json\r\n";
        stream.write_all(format!("{}{sent}", head(&gate, "POST", path, more)).as_bytes()).await.expect("sent");
        stalled.push(stream);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let begun = Instant::now();
    gate.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    for mut stream in stalled {
        assert!(rest(&mut stream).await.starts_with("HTTP/1.1 503"));
    }
}

#[tokio::test]
async fn what_two_readers_could_understand_differently_is_refused() {
    let gate = Gate::new().start().await;
    let key = gate.site.key("app:newsroom");
    let bearer = format!("authorization: Bearer {key}\r\nconnection: close\r\n");
    for (start, headers, status) in [
        ("GET /v1/me", "host: a\r\n".to_owned() + &bearer, "200"),
        ("GET http://a/v1/me", "host: a\r\n".to_owned() + &bearer, "200"),
        ("GET /v1/me", "host: a\r\nhost: a\r\n".to_owned() + &bearer, "400"),
        ("GET /v1/me", bearer.clone(), "400"),
        ("GET http://a/v1/me", "host: b\r\n".to_owned() + &bearer, "400"),
        ("GET /v1/me", "host: a\r\nauthorization: Bearer x\r\n".to_owned() + &bearer, "400"),
        ("POST /v1/posts", "host: a\r\ncontent-encoding: gzip\r\ncontent-length: 0\r\n".to_owned() + &bearer, "415"),
    ] {
        let answer = raw(&gate, &format!("{start} HTTP/1.1\r\n{headers}\r\n")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{start} {headers}: {answer}");
        assert!(answer.contains("cache-control: no-store"), "{answer}");
        assert_eq!(answer.contains("application/problem+json"), status != "200", "{answer}");
    }
}

#[tokio::test]
async fn a_wait_that_is_granted_is_named_and_a_202_is_told_anew() {
    let net = network().await;
    let gate = Gate::new().account("acme-mastodon", &net).start().await;
    let body = post("acme-mastodon", "x");
    let once = [JSON, ("idempotency-key", "k")];
    net.set_fault(sample_network::Plan::next(1, "POST", STATUSES, sample_network::Fault::Late { ms: 300 })).await;
    let first = gate.send("POST", "/v1/posts", &once, body.to_string()).await;
    assert_eq!(first.expect(202)["state"], "publishing");
    assert_eq!(first.header("preference-applied"), None);
    let made = id(&first.expect(202));
    gate.until_state(&made, "published").await;
    // The first answer was true when it was given; whoever asks again hears what came of it.
    let again = gate.send("POST", "/v1/posts", &[once[0], once[1], WAIT], body.to_string()).await;
    let told = again.expect(201);
    assert_eq!((id(&told), &told["state"]), (made, &json!("published")));
    assert_eq!(again.header("preference-applied"), Some("wait=60"));
    let third = gate.send("POST", "/v1/posts", &once, body.to_string()).await;
    assert_eq!(third.expect(201)["state"], "published");
    let ignored = gate.send("POST", "/v1/posts", &[JSON, ("prefer", "wait=abc")], body.to_string()).await;
    assert_eq!((ignored.status, ignored.header("preference-applied")), (202, None));
    until("both are out", || async { (net.timeline().await.len() == 2).then_some(()) }).await;
}
