//! No secret comes back, however the network writes it.

use std::io::Write;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use tokio::io::AsyncWriteExt;

use super::{
    Bench, request, rule, scope_for,
    server::{self, Got, read_head, write_tiny},
};
use crate::egress::{scrub::Needles, *};

/// A token with characters that each encoding treats in its own way.
const CANARY: &str = "tk/9+Zq\"x&y<z>=ÿ~Canary'\\_40 end";
const HEADER_CANARY: &str = "tk/9+Zq\"x&y<z>=~Canary'\\_40-end";

/// The characters of base64 that stay the same whatever stands around the secret.
fn stable_base64(secret: &[u8], shift: usize, url: bool) -> String {
    let encode = |fill: u8| {
        let text = [vec![fill; shift], secret.to_vec(), vec![fill; 6]].concat();
        if url { URL_SAFE.encode(text) } else { STANDARD.encode(text) }
    };
    let (low, high) = (encode(0), encode(0xff));
    let stable = |pair: &(char, char)| pair.0 == pair.1;
    low.chars().zip(high.chars()).skip_while(|pair| !stable(pair)).take_while(stable).map(|(one, _)| one).collect()
}

fn percent(secret: &str, upper: bool, all: bool) -> String {
    let escape = |byte: u8| if upper { format!("%{byte:02X}") } else { format!("%{byte:02x}") };
    secret
        .bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() && !all { (byte as char).to_string() } else { escape(byte) })
        .collect()
}

fn hex(secret: &str) -> String {
    secret.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn unicode_escaped(secret: &str) -> String {
    secret.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect()
}

fn json(secret: &str) -> String {
    let quoted = serde_json::to_string(secret).expect("JSON");
    quoted[1..quoted.len() - 1].to_owned()
}

/// Every way of writing that is searched for.
fn forms(secret: &str) -> Vec<(&'static str, String)> {
    let bytes = secret.as_bytes();
    let mut forms = vec![
        ("raw", secret.to_owned()),
        ("percent", percent(secret, true, false)),
        ("percent, lower", percent(secret, false, false)),
        ("percent, all", percent(secret, true, true)),
        ("form", url::form_urlencoded::byte_serialize(bytes).collect()),
        ("hex", hex(secret)),
        ("hex, upper", hex(secret).to_uppercase()),
        ("JSON", json(secret)),
        ("JSON in JSON", json(&json(secret))),
        ("JSON, slashes", json(secret).replace('/', "\\/")),
        ("JSON, all", unicode_escaped(secret)),
        ("HTML", secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")),
    ];
    for shift in 0..3 {
        forms.push(("base64", stable_base64(bytes, shift, false)));
        forms.push(("base64url", stable_base64(bytes, shift, true)));
    }
    forms
}

fn assert_clean(what: &str, got: &[u8], secret: &str) {
    for (form, text) in forms(secret) {
        let found = got.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(!found, "{what}: {form} in {}", String::from_utf8_lossy(got));
    }
}

fn all_of(response: &OutResponse) -> Vec<u8> {
    [format!("{:?}\n", response.headers).into_bytes(), response.body.clone()].concat()
}

/// What an indiscreet server makes of a request: everything it saw, in every way of writing, at every alignment.
fn echo(saw: &str) -> Vec<u8> {
    let mut told = saw.to_owned();
    for shift in 0..3 {
        let padded = format!("{}{saw}", "#".repeat(shift));
        told.push_str(&format!("\n{}\n{}", STANDARD.encode(&padded), URL_SAFE.encode(&padded)));
    }
    for (_, form) in forms(saw) {
        told.push('\n');
        told.push_str(&form);
    }
    told.into_bytes()
}

fn saw(request: &Got) -> String {
    let headers =
        request.headers().iter().map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())));
    format!("{} {}", request.uri(), headers.collect::<Vec<_>>().join(" "))
}

fn schemes() -> Vec<(CredentialScheme, Vec<&'static str>)> {
    vec![
        (CredentialScheme::Bearer, vec!["token"]),
        (CredentialScheme::Basic, vec!["user", "token"]),
        (CredentialScheme::Header("X-Api-Key".into()), vec!["token"]),
        (CredentialScheme::Header("Authorization".into()), vec!["token"]),
        (CredentialScheme::Query("key".into()), vec!["token"]),
    ]
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain).expect("written");
    encoder.finish().expect("finished")
}

#[tokio::test]
async fn an_echo_shows_no_secret_in_any_scheme_and_encoding() {
    let server = server::http(|request: Got| async move {
        let told = echo(&saw(&request));
        let mut answer = server::answer(200, told.clone());
        for name in ["authorization", "x-api-key"] {
            if let Some(value) = request.headers().get(name) {
                answer.headers_mut().insert("x-echo", value.clone());
            }
        }
        answer.headers_mut().insert("set-cookie", http::HeaderValue::from_static("planted"));
        if request.uri().path() == "/gzip" {
            *answer.body_mut() = Bytes::from(gzip(&told));
            answer.headers_mut().insert("content-encoding", http::HeaderValue::from_static("gzip"));
        }
        if request.uri().path() == "/silent-gzip" {
            *answer.body_mut() = Bytes::from(gzip(&told));
        }
        answer
    })
    .await;
    let bench = Bench::new().await;
    bench.fixture.set_for(&server.origin, "key", &[("user", "acme"), ("token", HEADER_CANARY)]).await;
    bench.fixture.set_for(&server.origin, "spare", &[("token", "another-secret-of-the-account")]).await;
    for (scheme, names) in schemes() {
        let mut scope = scope_for(&server.origin);
        scope.credentials =
            vec![rule("key", scheme.clone(), &names), rule("spare", CredentialScheme::Bearer, &["token"])];
        for path in ["/plain", "/gzip", "/silent-gzip"] {
            let mut out = request("GET", path);
            out.credential = Some("key".into());
            out.headers = vec![("x-plugin".into(), "another-secret-of-the-account".into())];
            out.headers.push(("authorization".into(), "planted-by-the-plugin".into()));
            let got = bench.egress.send(&scope, out).await.expect("answered");
            let all = all_of(&got);
            let what = format!("{scheme:?} {path}");
            assert_clean(&what, &all, HEADER_CANARY);
            assert_clean(&what, &all, &format!("acme:{HEADER_CANARY}"));
            assert_clean(&what, &all, "another-secret-of-the-account");
            assert!(!String::from_utf8_lossy(&all).contains("planted"), "{what}");
            assert!(String::from_utf8_lossy(&all).contains("[redacted]"), "{what}: the server saw the credential");
        }
    }
}

#[tokio::test]
async fn an_echo_in_tiny_pieces_shows_no_secret() {
    let server = server::raw(|mut stream| async move {
        let head = read_head(&mut stream).await;
        let compressed = head.starts_with("GET /gzip");
        let told = if compressed { gzip(&echo(&head)) } else { echo(&head)[..4096].to_vec() };
        let coding = if compressed { "content-encoding: gzip\r\n" } else { "" };
        let start = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n{coding}\r\n");
        let _ = stream.write_all(start.as_bytes()).await;
        for chunk in told.chunks(7) {
            let chunk = [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat();
            write_tiny(&mut stream, &chunk).await;
        }
        let _ = stream.write_all(b"0\r\n\r\n").await;
    })
    .await;
    let bench = Bench::new().await;
    bench.fixture.set_for(&server.origin, "key", &[("token", HEADER_CANARY)]).await;
    let mut scope = scope_for(&server.origin);
    scope.timeout = std::time::Duration::from_secs(20);
    scope.credentials = vec![rule("key", CredentialScheme::Bearer, &["token"])];
    for path in ["/plain", "/gzip"] {
        let mut out = request("GET", path);
        out.credential = Some("key".into());
        let got = bench.egress.send(&scope, out).await.expect("answered");
        assert!(String::from_utf8_lossy(&got.body).contains("[redacted]"));
        assert_clean(path, &all_of(&got), HEADER_CANARY);
    }
}

#[test]
fn values_that_are_no_secret_and_texts_without_any_stay() {
    let needles = Needles::default();
    let secrets = ["abc".into(), CANARY.into()];
    let scrubber = needles.scrubber(&secrets).expect("built");
    assert_eq!(scrubber.scrub("abc tk/9 Canary".as_bytes()), None);
    assert_eq!(scrubber.scrub(b""), None);
    let text = format!("a{CANARY}b{CANARY}{CANARY}c");
    assert_eq!(scrubber.scrub(text.as_bytes()).expect("found"), b"a[redacted]b[redacted]c");
    assert_eq!(scrubber.scrub(CANARY.as_bytes()).expect("found"), b"[redacted]");
    // An escape at the end goes as a whole, so that JSON stays JSON.
    for secret in ["ends with \\", "ends with \"", "ends with &", "ends with %", "ends with é"] {
        let scrubber = needles.scrubber([&secret.into()]).expect("built");
        for (form, text) in forms(secret).into_iter().filter(|(form, _)| !form.starts_with("base64")) {
            let clean = scrubber.scrub(format!("<{text}>").as_bytes()).expect("found");
            assert_eq!(String::from_utf8_lossy(&clean), "<[redacted]>", "{form}");
        }
    }
}

#[test]
fn long_secrets_are_found_whole_and_in_part() {
    // Letters without a period, from a linear congruential generator.
    let mut state = 1_u32;
    let mut letter = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'a' + (state >> 24) as u8 % 26)
    };
    let secret: String = (0..4000).map(|_| letter()).collect();
    let secrets = [secret.as_str().into()];
    let scrubber = Needles::default().scrubber(&secrets).expect("built");
    let clean = scrubber.scrub(format!("<{secret}>").as_bytes()).expect("found");
    assert_eq!(clean, b"<[redacted]>");
    let encoded = STANDARD.encode(format!("x{secret}"));
    let clean = scrubber.scrub(encoded.as_bytes()).expect("found");
    assert!(!String::from_utf8_lossy(&clean).contains(&encoded[100..160]));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_secret_and_its_surroundings(
        secret in "[ -Z^-~éřא😀\\\\]{8,40}",
        before in prop::collection::vec(any::<u8>(), 0..9),
        after in prop::collection::vec(any::<u8>(), 0..9),
        form in 0_usize..18,
    ) {
        let secrets = [secret.as_str().into()];
        let scrubber = Needles::default().scrubber(&secrets).expect("built");
        let (name, written) = forms(&secret).swap_remove(form);
        let text = [&before, written.as_bytes(), &after].concat();
        let clean = scrubber.scrub(&text);
        let clean = clean.as_deref().unwrap_or(&text);
        prop_assert!(!clean.windows(written.len()).any(|window| window == written.as_bytes()), "{}: {}", name, written);
        // As a server would write it: encoded together with what stands around it.
        let whole = [&before, secret.as_bytes(), &after].concat();
        for encoded in [STANDARD.encode(&whole), URL_SAFE.encode(&whole)] {
            let clean = scrubber.scrub(encoded.as_bytes()).expect("found");
            for shift in 0..3 {
                for url in [false, true] {
                    let stable = stable_base64(secret.as_bytes(), shift, url);
                    prop_assert!(!clean.windows(stable.len()).any(|window| window == stable.as_bytes()));
                }
            }
        }
    }
}
