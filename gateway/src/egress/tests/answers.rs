//! What becomes of answers: whole, half, late, too large, unreadable.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;

use super::{
    Bench, request, rule, scope_for,
    server::{self, Got, answer, read_head},
};
use crate::egress::*;

async fn told(bytes: &'static [u8]) -> (Bench, Scope, server::Server) {
    let server = server::raw(move |mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(bytes).await;
    })
    .await;
    let scope = scope_for(&server.origin);
    (Bench::new().await, scope, server)
}

#[tokio::test]
async fn an_answer_comes_as_it_is_without_hop_headers() {
    let (bench, scope, _server) = told(
        b"HTTP/1.1 207 Odd\r\nX-One: 1\r\nX-ONE: 2\r\nX-Hop: 3\r\nConnection: x-hop, close\r\nKeep-Alive: 5\r\n\
          Proxy-Authenticate: x\r\nSet-Cookie: a=b\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Trailer: 1\r\n\r\n",
    )
    .await;
    let got = bench.get(&scope, "/").await.expect("answered");
    let pairs: Vec<_> = got.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!((got.status, pairs, got.body), (207, vec![("x-one", "1"), ("x-one", "2")], b"abc".to_vec()));
}

#[tokio::test]
async fn redirects_are_answers() {
    let server = server::http(|request: Got| async move {
        assert_eq!(request.uri().path(), "/from");
        let mut answer = answer(302, "");
        answer.headers_mut().insert("location", http::HeaderValue::from_static("/to"));
        answer
    })
    .await;
    let bench = Bench::new().await;
    let got = bench.get(&scope_for(&server.origin), "/from").await.expect("answered");
    assert_eq!(got.status, 302);
    assert!(got.headers.contains(&("location".into(), "/to".into())));
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn half_answers_are_unanswered() {
    for bytes in [
        b"" as &[u8],
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabc",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 5\r\n\r\nabcde",
        b"garbage that is not HTTP at all\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: br\r\ncontent-length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: deflate\r\ncontent-length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip, gzip\r\ncontent-length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc",
    ] {
        let (bench, scope, _server) = told(bytes).await;
        let got = bench.egress.send(&scope, request("POST", "/")).await;
        assert!(matches!(got, Err(SendFailure::Unanswered(_))), "{got:?} for {}", String::from_utf8_lossy(bytes));
    }
}

#[tokio::test]
async fn no_answer_in_time_is_unanswered() {
    let server = server::raw(|mut stream| async move {
        let head = read_head(&mut stream).await;
        if head.contains("/half") {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc").await;
        }
        std::future::pending::<()>().await;
    })
    .await;
    let bench = Bench::new().await;
    let mut scope = scope_for(&server.origin);
    scope.timeout = Duration::from_millis(300);
    for path in ["/never", "/half"] {
        let started = Instant::now();
        let got = bench.get(&scope, path).await;
        assert!(matches!(got, Err(SendFailure::Unanswered(_))), "{got:?}");
        let taken = started.elapsed();
        assert!(taken >= Duration::from_millis(300) && taken < Duration::from_secs(3), "{taken:?}");
    }
}

#[tokio::test]
async fn larger_than_allowed_is_too_large() {
    let server = server::http(|request: Got| async move {
        let plain = vec![b'x'; 2000];
        match request.uri().path() {
            "/gzip" => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
                std::io::Write::write_all(&mut encoder, &vec![b'x'; 50_000_000]).expect("written");
                let mut answer = answer(200, encoder.finish().expect("finished"));
                answer.headers_mut().insert("content-encoding", http::HeaderValue::from_static("gzip"));
                answer
            }
            "/exact" => answer(200, plain[..1000].to_vec()),
            _ => answer(200, plain),
        }
    })
    .await;
    let bench = Bench::new().await;
    let mut scope = scope_for(&server.origin);
    scope.response_bytes_max = 1000;
    assert_eq!(bench.get(&scope, "/exact").await.expect("answered").body.len(), 1000);
    assert_eq!(bench.get(&scope, "/plain").await, Err(SendFailure::TooLarge));
    scope.response_bytes_max = 100_000;
    assert_eq!(bench.get(&scope, "/gzip").await, Err(SendFailure::TooLarge));
}

#[tokio::test]
async fn bodies_arrive_as_described() {
    let server = server::http(|request: Got| async move {
        let header = |name| request.headers().get(name).map_or("-", |value| value.to_str().unwrap_or("?"));
        let told = format!("{} {} {}", header("content-length"), header("content-type"), header("transfer-encoding"));
        answer(200, [told.as_bytes(), b"\n", request.body()].concat())
    })
    .await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("medium");
    let medium: Vec<u8> = (0..300_000_u32).map(|index| (index % 251) as u8).collect();
    std::fs::write(&path, &medium).expect("written");
    let digest = crate::egress::body::sha256_hex(&medium);
    let bench = Bench::new().await;
    let scope = scope_for(&server.origin);
    let file = OutBody::File { path, size_bytes: 300_000, digest, media_type: "video/mp4".into() };
    for (body, told, sent) in [
        (OutBody::None, "0 - -\n", &b""[..]),
        (OutBody::Bytes(bytes::Bytes::new()), "0 text/x -\n", &b""[..]),
        (OutBody::Bytes("žluť".into()), "6 text/x -\n", "žluť".as_bytes()),
        (file, "300000 video/mp4 -\n", &medium),
    ] {
        let mut out = request("POST", "/");
        if matches!(body, OutBody::Bytes(_)) {
            out.headers.push(("content-type".into(), "text/x".into()));
            out.headers.push(("content-length".into(), "999".into()));
            out.headers.push(("transfer-encoding".into(), "chunked".into()));
        }
        out.body = body;
        let got = bench.egress.send(&scope, out).await.expect("answered");
        assert!(got.body == [told.as_bytes(), sent].concat(), "{told}");
    }
}

#[tokio::test]
async fn failures_show_no_secret() {
    let server = server::raw(|mut stream| async move {
        read_head(&mut stream).await;
    })
    .await;
    let bench = Bench::new().await;
    bench.fixture.set_for(&server.origin, "key", &[("token", "query-canary-1234")]).await;
    let mut scope = scope_for(&server.origin);
    scope.credentials = vec![rule("key", CredentialScheme::Query("key".into()), &["token"])];
    let mut out = request("GET", "/x?private=yes");
    out.credential = Some("key".into());
    let got = bench.egress.send(&scope, out.clone()).await;
    let told = format!("{got:?}");
    assert!(matches!(got, Err(SendFailure::Unanswered(_))));
    assert!(!told.contains("canary") && !told.contains("private"), "{told}");
    out.url = "/x?key=mine".into();
    assert!(matches!(bench.egress.send(&scope, out).await, Err(SendFailure::Denied(_))));
    let mut unknown = request("GET", "/x");
    unknown.credential = Some("none".into());
    assert!(matches!(bench.egress.send(&scope, unknown.clone()).await, Err(SendFailure::Denied(_))));
    scope.credentials.push(rule("none", CredentialScheme::Bearer, &["token"]));
    assert!(matches!(bench.egress.send(&scope, unknown).await, Err(SendFailure::NoCredential(_))));
}
