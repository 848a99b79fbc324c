//! Where connections go, and when a new one is made.

use std::{
    collections::VecDeque,
    future::Future,
    io,
    net::IpAddr,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::SignedDuration;
use tokio::io::AsyncWriteExt;

use super::{
    Bench, request, rule, scope_for,
    server::{self, Got, answer, read_head},
};
use crate::egress::*;

/// Answers each look-up with the next of its answers, and the last one for ever.
pub(super) struct Liar(Mutex<VecDeque<Vec<IpAddr>>>);

impl Liar {
    pub(super) fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |addresses: &&[&str]| addresses.iter().map(|text| text.parse().expect("an address")).collect();
        Arc::new(Self(Mutex::new(answers.iter().map(parse).collect())))
    }
}

impl Resolver for Liar {
    fn resolve<'a>(&'a self, _: &'a str) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>> {
        let mut answers = self.0.lock().expect("whole");
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        Box::pin(async move { Ok(answer.unwrap_or_default()) })
    }
}

fn public(origin: &str) -> Scope {
    let mut scope = scope_for(origin);
    scope.origins[0].private = false;
    scope
}

#[tokio::test]
async fn a_name_with_any_address_that_is_not_global_is_refused() {
    let server = server::http(|_| async { answer(200, "") }).await;
    for addresses in [
        &["127.0.0.1"][..],
        &["8.8.8.8", "127.0.0.1"],
        &["8.8.8.8", "2606:4700::1111", "10.0.0.1"],
        &["::1"],
        &["::ffff:127.0.0.1"],
        &["::ffff:8.8.8.8"],
        &["64:ff9b::7f00:1"],
        &["169.254.169.254"],
        &["fd00::1"],
        &["100.64.0.1"],
        &["2002:7f00:1::"],
        &["0.0.0.0"],
        &["::"],
        &["224.0.0.1"],
        &["fe80::1"],
    ] {
        let bench = Bench::with(EgressOptions::default(), Liar::new(&[addresses])).await;
        let scope = public(&format!("https://rebound.example:{}", server.port));
        let got = bench.get(&scope, "/").await;
        assert!(matches!(got, Err(SendFailure::Denied(_))), "{addresses:?}: {got:?}");
    }
    // The same for addresses that stand in the URL.
    let bench = Bench::new().await;
    for host in ["127.0.0.1", "[::1]", "[::ffff:7f00:1]", "10.1.2.3", "169.254.169.254"] {
        let got = bench.get(&public(&format!("https://{host}:{}", server.port)), "/").await;
        assert!(matches!(got, Err(SendFailure::Denied(_))), "{host}: {got:?}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn the_name_is_checked_again_for_every_new_connection() {
    // The resolver is honest once (nothing listens there), then answers with this machine.
    let server = server::http(|_| async { answer(200, "") }).await;
    let options = EgressOptions { connect_timeout: Duration::from_millis(200), ..EgressOptions::default() };
    let bench = Bench::with(options, Liar::new(&[&["192.88.98.1"], &["127.0.0.1"]])).await;
    let scope = public(&format!("https://rebound.example:{}", server.port));
    let first = bench.get(&scope, "/").await;
    assert!(matches!(first, Err(SendFailure::NotSent(_))), "{first:?}");
    let second = bench.get(&scope, "/").await;
    assert!(matches!(second, Err(SendFailure::Denied(_))), "{second:?}");
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_connection_lasts_and_does_not_follow_the_name() {
    let server =
        server::http(|request: Got| async move { answer(200, request.headers()["host"].as_bytes().to_vec()) }).await;
    // Permitted, since private; the name then points to where nothing listens.
    let bench =
        Bench::with(EgressOptions::default(), Liar::new(&[&["127.0.0.1"], &["127.0.0.2"], &["127.0.0.1"]])).await;
    let origin = format!("http://inner.example:{}", server.port);
    let scope = scope_for(&origin);
    for _ in 0..3 {
        let got = bench.get(&scope, "/").await.expect("answered");
        assert_eq!(String::from_utf8_lossy(&got.body), format!("inner.example:{}", server.port));
    }
    assert_eq!(server.connections(), 1);
    // Idle for too long: a new connection, and a new look-up.
    bench.fixture.clock.advance(SignedDuration::from_secs(5));
    assert!(matches!(bench.get(&scope, "/").await, Err(SendFailure::NotSent(_))));
    assert_eq!(bench.get(&scope, "/").await.expect("answered").status, 200);
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn credentials_and_accounts_share_no_connection() {
    let server = server::http(|_| async { answer(200, "") }).await;
    let bench = Bench::new().await;
    bench.fixture.set_for(&server.origin, "a", &[("token", "secret-a")]).await;
    bench.fixture.set_for(&server.origin, "b", &[("token", "secret-b")]).await;
    let mut scope = scope_for(&server.origin);
    scope.credentials =
        vec![rule("a", CredentialScheme::Bearer, &["token"]), rule("b", CredentialScheme::Bearer, &["token"])];
    for round in 0..2 {
        for label in [None, Some("a"), Some("b")] {
            let mut out = request("GET", "/");
            out.credential = label.map(str::to_owned);
            bench.egress.send(&scope, out).await.expect("answered");
        }
        let mut other = scope.clone();
        other.account = crate::model::AccountId::new("other");
        bench.get(&other, "/").await.expect("answered");
        assert_eq!(server.connections(), 4, "round {round}");
    }
}

#[tokio::test]
async fn no_connection_is_not_sent() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    let bench = Bench::new().await;
    let got = bench.get(&scope_for(&format!("http://127.0.0.1:{port}")), "/").await;
    assert!(matches!(got, Err(SendFailure::NotSent(_))), "{got:?}");
    // Connects, but never agrees on TLS.
    let silent = server::raw(|stream| async move {
        let _stream = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let mut scope = scope_for(&format!("https://127.0.0.1:{}", silent.port));
    scope.timeout = Duration::from_millis(200);
    let got = bench.get(&scope, "/").await;
    assert!(matches!(got, Err(SendFailure::NotSent(_))), "{got:?}");
    // A name without address.
    let bench = Bench::with(EgressOptions::default(), Liar::new(&[&[]])).await;
    let got = bench.get(&scope_for("http://nowhere.example"), "/").await;
    assert!(matches!(got, Err(SendFailure::NotSent(_))), "{got:?}");
}

#[tokio::test]
async fn a_kept_connection_that_the_server_closed_is_not_used() {
    let server = server::raw(|mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    })
    .await;
    let bench = Bench::new().await;
    let scope = scope_for(&server.origin);
    for round in 1..=3 {
        let got = bench.egress.send(&scope, request("POST", "/")).await;
        assert_eq!(got.expect("answered").status, 200, "round {round}");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    assert_eq!(server.connections(), 3);
}

#[tokio::test]
async fn a_kept_connection_that_breaks_on_a_request_is_unanswered() {
    let server = server::raw(|mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        read_head(&mut stream).await;
    })
    .await;
    let bench = Bench::new().await;
    let scope = scope_for(&server.origin);
    assert_eq!(bench.egress.send(&scope, request("POST", "/")).await.expect("answered").status, 200);
    let got = bench.egress.send(&scope, request("POST", "/")).await;
    assert!(matches!(got, Err(SendFailure::Unanswered(_))), "{got:?}");
    assert_eq!(server.connections(), 1, "not repeated");
}

#[tokio::test]
async fn parallel_requests_are_all_answered() {
    let server = server::http(|request: Got| async move {
        tokio::time::sleep(Duration::from_millis(5)).await;
        answer(200, request.uri().path().as_bytes().to_vec())
    })
    .await;
    let bench = Arc::new(Bench::new().await);
    let scope = Arc::new(scope_for(&server.origin));
    let mut running = tokio::task::JoinSet::new();
    for index in 0..300 {
        let (bench, scope) = (Arc::clone(&bench), Arc::clone(&scope));
        running.spawn(async move {
            let path = format!("/{index}");
            let got = bench.get(&scope, &path).await.expect("answered");
            assert_eq!(got.body, path.as_bytes());
        });
    }
    while let Some(done) = running.join_next().await {
        done.expect("answered");
    }
    assert!(server.connections() <= 256, "{}", server.connections());
}
