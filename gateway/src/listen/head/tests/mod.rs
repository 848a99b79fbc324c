//! Heads, bodies and whole connections, whole and in parts.

mod corpus;
mod oracle;

use proptest::prelude::*;

use self::oracle::{LIMITS, agree, checker, follow, library};
use super::{Fault, Follower, HeadLimits};

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

fn fault(text: &str) -> Option<Fault> {
    agree(text.as_bytes()).fault
}

/// A request with these lines after its own Host.
fn post(lines: &str) -> String {
    format!("POST /a?b=c HTTP/1.1\r\nhost: a\r\n{lines}\r\n")
}

#[test]
fn what_is_well_formed_passes_and_is_read_alike() {
    for text in [
        GET.to_owned(),
        format!("\r\n{GET}\r\n{GET}"),
        post("content-length: 3\r\n") + "abc" + GET,
        post("content-length:\t 3 \r\n") + "abc",
        post("Transfer-Encoding: ChunKed\r\n") + "3;a=\"b\"\r\nabc\r\n000\r\nx-sum: 1\r\n\r\n" + GET,
        post("transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n") + "A\r\n0123456789\r\n0\r\n\r\n",
        "GET http://A:80/x?y HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(),
        "GET https://a HTTP/1.1\r\nhost: a:443\r\n\r\n".to_owned(),
        "OPTIONS * HTTP/1.1\r\nhost: [::1]:80\r\n\r\n".to_owned(),
        "GET / HTTP/1.0\r\n\r\n".to_owned(),
        "DELETE /a HTTP/1.1\r\nhost: a_b.c\r\ncontent-length: 0\r\nx-empty:\r\nx: \u{e4}\r\n\r\n".to_owned(),
    ] {
        let verdict = agree(text.as_bytes());
        assert_eq!((verdict.fault, verdict.pass), (None, text.len()), "{text}");
    }
}

type Case = (Fault, String);

/// Request lines, and the lines themselves.
fn starts() -> Vec<Case> {
    use Fault as F;
    let start = |line: &str| format!("{line}\r\nhost: a\r\n\r\n");
    vec![
        (F::BareLf, "GET / HTTP/1.1\nhost: a\n\n".to_owned()),
        (F::BareLf, "GET / HTTP/1.1\r\nhost: a\r\n\n".to_owned()),
        (F::EmptyLines, format!("\r\n\r\n{GET}")),
        (F::RequestLine, start("GET  / HTTP/1.1")),
        (F::RequestLine, start("GET / HTTP/1.1 ")),
        (F::RequestLine, start("GET /a b HTTP/1.1")),
        (F::RequestLine, start("GET\t/ HTTP/1.1")),
        (F::RequestLine, start(" GET / HTTP/1.1")),
        (F::RequestLine, start("G(T / HTTP/1.1")),
        (F::RequestLine, start("GET /")),
        (F::Version, start("GET / HTTP/1.2")),
        (F::Version, start("GET / HTTP/2.0")),
        (F::Version, start("GET / http/1.1")),
        (F::Version, start("PRI * HTTP/2.0")),
        (F::Tunnel, start("CONNECT a:443 HTTP/1.1")),
        (F::Target, start("GET a HTTP/1.1")),
        (F::Target, start("GET * HTTP/1.1")),
        (F::Target, start("GET /#a HTTP/1.1")),
        (F::Target, start("GET /<a> HTTP/1.1")),
        (F::Target, start("GET /?a>b HTTP/1.1")),
        (F::Target, start("GET /\0 HTTP/1.1")),
        (F::Target, start("GET ftp://a/ HTTP/1.1")),
        (F::Target, start("GET http://u@a/ HTTP/1.1")),
        (F::Target, start("GET http:///a HTTP/1.1")),
        (F::Host, start("GET http://b/ HTTP/1.1")),
        (F::Host, start("GET http://a:81/ HTTP/1.1")),
    ]
}

/// Hosts, names and values.
fn fields() -> Vec<Case> {
    use Fault as F;
    vec![
        (F::Host, "GET / HTTP/1.1\r\n\r\n".to_owned()),
        (F::Host, post("host: a\r\n")),
        (F::Host, post("Host: b\r\n")),
        (F::Host, "GET / HTTP/1.1\r\nhost: a,b\r\n\r\n".to_owned()),
        (F::Host, "GET / HTTP/1.1\r\nhost:\r\n\r\n".to_owned()),
        (F::Host, "GET / HTTP/1.1\r\nhost: a:b\r\n\r\n".to_owned()),
        (F::Folded, post("x: a\r\n b\r\n")),
        (F::Folded, post("x: a\r\n\tcontent-length: 1\r\n")),
        (F::FieldName, post("content-length : 1\r\n")),
        (F::FieldName, post("content-length\t: 1\r\n")),
        (F::FieldName, post(": 1\r\n")),
        (F::FieldName, post("nothing\r\n")),
        (F::FieldName, post("x\0y: 1\r\n")),
        (F::FieldValue, post("x: a\0\r\n")),
        (F::FieldValue, post("x: a\rcontent-length: 1\r\n")),
        (F::FieldValue, post("x: \x7f\r\n")),
        (F::LookAlike, post("content_length: 1\r\n")),
        (F::LookAlike, post("Transfer_Encoding: chunked\r\n")),
        (F::LookAlike, post("Transfer--Encoding: chunked\r\n")),
        (F::LookAlike, post("contentlength: 1\r\n")),
    ]
}

/// What says how long the body is.
fn lengths() -> Vec<Case> {
    use Fault as F;
    vec![
        (F::ContentLength, post("content-length: +1\r\n")),
        (F::ContentLength, post("content-length: 1,1\r\n")),
        (F::ContentLength, post("content-length: 0x1\r\n")),
        (F::ContentLength, post("content-length:\r\n")),
        (F::ContentLength, post("content-length: 1\r\ncontent-length: 1\r\n")),
        (F::ContentLength, post("content-length: 18446744073709551616\r\n")),
        (F::TwoLengths, post("content-length: 1\r\ntransfer-encoding: chunked\r\n")),
        (F::TwoLengths, post("transfer-encoding: chunked\r\ncontent-length: 0\r\n")),
        (F::TransferEncoding, post("transfer-encoding: gzip\r\n")),
        (F::TransferEncoding, post("transfer-encoding: chunked, gzip\r\n")),
        (F::TransferEncoding, post("transfer-encoding: chunked, chunked\r\n")),
        (F::TransferEncoding, post("transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n")),
        (F::TransferEncoding, post("transfer-encoding: xchunked\r\n")),
        (F::TransferEncoding, post("transfer-encoding: chunked;q=1\r\n")),
        (F::TransferEncoding, post("transfer-encoding: \"chunked\"\r\n")),
        (F::TransferEncoding, post("transfer-encoding:\r\n")),
        (F::TransferEncoding, "POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n".to_owned()),
        (F::Body, "GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\n".to_owned()),
        (F::Body, "HEAD / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n".to_owned()),
    ]
}

/// Chunks and what follows the last one; and too much of anything.
fn bodies() -> Vec<Case> {
    use Fault as F;
    let chunks = |body: &str| post("transfer-encoding: chunked\r\n") + body;
    vec![
        (F::Chunk, chunks("g\r\n")),
        (F::Chunk, chunks("\r\n")),
        (F::Chunk, chunks("-1\r\n")),
        (F::Chunk, chunks("0x1\r\na\r\n")),
        (F::Chunk, chunks("1 \r\na\r\n")),
        (F::Chunk, chunks("1\na\r\n")),
        (F::Chunk, chunks("1;a\nb\r\na\r\n")),
        (F::Chunk, chunks("1;a\rb\r\na\r\n")),
        (F::Chunk, chunks("1\r\nab\r\n")),
        (F::Chunk, chunks("1\r\na\n")),
        (F::Chunk, chunks("ffffffffffffffff\r\n")),
        (F::Chunk, chunks("0000000000000001\r\n")),
        (F::Chunk, chunks(&format!("1;{}\r\n", "x".repeat(5000)))),
        (F::Trailer, chunks("0\r\ncontent-length: 1\r\n\r\n")),
        (F::Trailer, chunks("0\r\nTransfer_Encoding: 1\r\n\r\n")),
        (F::Trailer, chunks("0\r\nhost: b\r\n\r\n")),
        (F::Trailer, chunks("0\r\n x: b\r\n\r\n")),
        (F::Trailer, chunks("0\r\nx : b\r\n\r\n")),
        (F::Trailer, chunks("0\r\nx: b\n\r\n")),
        (F::Trailer, chunks(&format!("0\r\n{}\r\n", "x: y\r\n".repeat(17)))),
        (F::Trailer, chunks(&format!("0\r\nx: {}\r\n\r\n", "y".repeat(9000)))),
        (F::TooManyFields, post(&"x: y\r\n".repeat(30))),
        (F::HeadTooLong, post(&format!("x: {}\r\n", "y".repeat(4096)))),
        (F::HeadTooLong, "G".repeat(4097)),
    ]
}

#[test]
fn what_is_not_ends_the_connection() {
    let cases = [starts(), fields(), lengths(), bodies()].concat();
    for (expected, text) in &cases {
        assert_eq!(fault(text), Some(*expected), "{text}");
        // Behind a request that is fine, too, and that one passes.
        let second = format!("{GET}{text}");
        assert_eq!(fault(&second), Some(*expected), "{text}");
        assert!(checker(second.as_bytes()).first().is_some_and(|seen| seen.method == "GET"));
    }
    let met: Vec<Fault> = cases.iter().map(|(fault, _)| *fault).collect();
    for fault in Fault::ALL {
        assert!(met.contains(&fault), "{fault:?} has no case");
        assert_eq!(Fault::ALL[fault.place()], fault);
    }
}

#[test]
fn the_limits_are_exact() {
    let head = |bytes: usize| {
        let empty = post("x: \r\n").len();
        post(&format!("x: {}\r\n", "y".repeat(bytes - empty)))
    };
    assert_eq!(fault(&head(LIMITS.bytes_max)), None);
    assert_eq!(fault(&head(LIMITS.bytes_max + 1)), Some(Fault::HeadTooLong));
    assert_eq!(fault(&post(&"x: y\r\n".repeat(29))), None);
}

#[test]
fn http2_passes_by_where_it_is_spoken() {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let limits = HeadLimits { bytes_max: 4096, fields_max: 30 };
    for split in 1..preface.len() {
        let mut follower = Follower::new(limits, true);
        let first = follower.follow(&preface[..split]);
        assert_eq!(first.pass, if split < 24 { 0 } else { split });
        let rest = follower.follow(&preface[first.pass..]);
        assert_eq!((rest.fault, first.pass + rest.pass), (None, preface.len()));
        assert!(follower.is_http2());
    }
    let mut follower = Follower::new(limits, true);
    assert_eq!(follower.follow(b"PRI * HTTP/2.0\r\n\r\nSX").fault, Some(Fault::Version));
    assert_eq!(Follower::new(limits, false).follow(preface).fault, Some(Fault::Version));
}

/// Lines that a head may have, good and bad, and whole pieces of streams.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("GET / HTTP/1.1\r\n".to_owned()),
        Just("POST /x?y=z HTTP/1.1\r\n".to_owned()),
        Just("PUT http://a/ HTTP/1.1\r\n".to_owned()),
        Just("HEAD / HTTP/1.0\r\n".to_owned()),
        Just("host: a\r\n".to_owned()),
        Just("\r\n".to_owned()),
        (0..20u32).prop_map(|n| format!("content-length: {n}\r\n")),
        Just("transfer-encoding: chunked\r\n".to_owned()),
        Just("transfer-encoding: gzip\r\n".to_owned()),
        Just("connection: close\r\n".to_owned()),
        Just("connection: keep-alive\r\n".to_owned()),
        Just("expect: 100-continue\r\n".to_owned()),
        Just("upgrade: h2c\r\n".to_owned()),
        (1..9usize).prop_map(|n| format!("{n:x}\r\n{}\r\n", "z".repeat(n))),
        Just("0\r\n".to_owned()),
        "[a-zA-Z_ -]{1,18}: ?[ -~\t]{0,12}\r\n",
        "[ -~\r\n\t\0]{0,6}",
        Just(GET.to_owned()),
        Just(post("content-length: 4\r\n") + "abcd"),
        Just(post("transfer-encoding: chunked\r\n") + "4;x\r\nabcd\r\n0\r\ny: z\r\n\r\n"),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 3000 } else { 30_000 }))]

    #[test]
    fn both_readers_find_the_same_requests(pieces in prop::collection::vec(piece(), 1..14)) {
        agree(pieces.concat().as_bytes());
    }

    #[test]
    fn one_changed_byte_makes_no_second_reading(
        pieces in prop::collection::vec(piece(), 1..10), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut bytes = pieces.concat().into_bytes();
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        agree(&bytes);
    }

    #[test]
    fn parts_make_no_difference(
        pieces in prop::collection::vec(piece(), 1..14), parts in prop::collection::vec(1..40usize, 0..40),
    ) {
        let bytes = pieces.concat().into_bytes();
        prop_assert_eq!(follow(&bytes, parts), follow(&bytes, []));
    }
}

#[test]
fn the_library_alone_would_repair_some() {
    // What this module is for: were these refused by the library, nobody would need it.
    let (found, _) = library(b"GET / HTTP/1.1\nhost: a\n\n");
    assert_eq!(found.len(), 1);
    let (found, _) =
        library(post("content-length: 1\r\ncontent-length: 1\r\n").replace("\r\n\r\n", "\r\n\r\nx").as_bytes());
    assert_eq!(found.len(), 1);
}

#[test]
fn the_seeds_of_the_fuzzer_hold() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fuzz/seeds");
    let seeds: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(seeds.len() >= 6);
    for seed in seeds {
        agree(&std::fs::read(seed).unwrap());
    }
}
