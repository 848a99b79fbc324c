//! Two readers of the same bytes, the checker and the HTTP library, and whether they found the same requests.

use std::{
    ops::Range,
    sync::{Arc, Mutex},
};

use http_body_util::{BodyExt, Empty};
use hyper::{Request, Response, Version, body::Incoming, header::CONNECTION, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;

use super::{Fault, Follower, HeadLimits};

/// What a listener bears, but smaller.
pub(crate) const LIMITS: HeadLimits = HeadLimits { bytes_max: 4096, fields_max: 30 };

/// A request as one of the two read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) fields: usize,
    /// None where the bytes ended within it.
    pub(crate) body: Option<usize>,
    closes: bool,
}

/// What became of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) pass: usize,
    pub(crate) fault: Option<Fault>,
    pub(crate) heads: u64,
}

/// Follows the stream in parts of these lengths, and what is left of it in one.
pub(crate) fn follow(bytes: &[u8], parts: impl IntoIterator<Item = usize>) -> Verdict {
    let mut follower = Follower::new(LIMITS, false);
    let (mut pass, mut end) = (0, 0);
    for part in parts.into_iter().chain([bytes.len()]) {
        end = (end + part.max(1)).min(bytes.len());
        let followed = follower.follow(&bytes[pass..end]);
        pass += followed.pass;
        if followed.fault.is_some() || end == bytes.len() {
            return Verdict { pass, fault: followed.fault, heads: follower.heads() };
        }
    }
    unreachable!("the last part ends it")
}

/// The requests as the checker sees them, byte by byte.
pub(crate) fn checker(bytes: &[u8]) -> Vec<Seen> {
    let mut follower = Follower::new(LIMITS, false);
    let mut pass = 0;
    let mut found: Vec<(Range<usize>, Range<usize>, bool)> = Vec::new();
    for end in 1..=bytes.len() {
        let (heads, from) = (follower.heads(), pass);
        let followed = follower.follow(&bytes[pass..end]);
        pass += followed.pass;
        if follower.heads() > heads {
            found.push((from..pass, pass..pass, !follower.in_body()));
        } else if let Some((_, body, whole)) = found.last_mut().filter(|(.., whole)| !whole) {
            body.end = pass;
            *whole = !follower.in_body();
        }
        if followed.fault.is_some() {
            break;
        }
    }
    found.into_iter().map(|(head, body, whole)| seen(&bytes[head], &bytes[body], whole)).collect()
}

fn seen(head: &[u8], body: &[u8], whole: bool) -> Seen {
    let text = String::from_utf8_lossy(head).trim_start_matches("\r\n").to_owned();
    let mut lines = text.split("\r\n").filter(|line| !line.is_empty());
    let mut start = lines.next().unwrap_or_default().split(' ');
    let (method, path) = (start.next().unwrap_or_default().to_owned(), start.next().unwrap_or_default().to_owned());
    let fields: Vec<String> = lines.map(str::to_ascii_lowercase).collect();
    let chunked = fields.iter().any(|field| field.starts_with("transfer-encoding:"));
    let body = whole.then(|| if chunked { unchunked(body) } else { body.len() });
    Seen { method, path, fields: fields.len(), body, closes: false }
}

/// Bytes within chunks of a body that is well framed.
fn unchunked(mut body: &[u8]) -> usize {
    let mut bytes = 0;
    loop {
        let line = body.iter().position(|byte| *byte == b'\r').expect("a size");
        let text = String::from_utf8_lossy(&body[..line]);
        let size = usize::from_str_radix(text.split(';').next().expect("one"), 16).expect("a size");
        if size == 0 {
            return bytes;
        }
        bytes += size;
        body = &body[line + 2 + size + 2..];
    }
}

/// The requests as the library reads them, and what it did not like.
pub(crate) fn library(bytes: &[u8]) -> (Vec<Seen>, Option<String>) {
    let found = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&found);
    let service = service_fn(move |request: Request<Incoming>| {
        let noted = Arc::clone(&noted);
        async move {
            let close = request.headers().get_all(CONNECTION).iter().any(|value| {
                value.to_str().is_ok_and(|text| text.split(',').any(|word| word.trim().eq_ignore_ascii_case("close")))
            });
            let closes = close || request.version() == Version::HTTP_10;
            let (method, path) = (request.method().to_string(), request.uri().to_string());
            let fields = request.headers().len();
            let body = request.into_body().collect().await.ok().map(|body| body.to_bytes().len());
            noted.lock().unwrap().push(Seen { method, path, fields, body, closes });
            Ok::<_, std::convert::Infallible>(Response::new(Empty::<&[u8]>::new()))
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let stream = TokioIo::new(tokio::io::join(bytes, tokio::io::sink()));
    let mut builder = http1::Builder::new();
    builder.half_close(true).max_headers(LIMITS.fields_max);
    let ended = runtime.block_on(builder.serve_connection(stream, service));
    let found = found.lock().unwrap().clone();
    (found, ended.err().map(|error| error.to_string()))
}

/// Holds the two against each other.
///
/// # Panics
/// Where they differ.
pub(crate) fn agree(bytes: &[u8]) -> Verdict {
    let whole = follow(bytes, []);
    let single = follow(bytes, std::iter::repeat_n(1, bytes.len()));
    assert_eq!(whole, single, "parts make a difference");
    let passed = &bytes[..whole.pass];
    let ours = checker(passed);
    assert_eq!(ours.len() as u64, whole.heads);
    let (theirs, error) = library(passed);
    for (number, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
        assert_eq!((&ours.method, ours.fields), (&theirs.method, theirs.fields), "request {number}");
        assert!(same_path(&ours.path, &theirs.path), "request {number}: {} and {}", ours.path, theirs.path);
        assert_eq!(ours.body, theirs.body, "request {number}");
    }
    assert!(theirs.len() <= ours.len(), "the library found more: {theirs:?}");
    let unread = theirs.last().is_some_and(|last| last.closes || last.body.is_none());
    assert!(theirs.len() == ours.len() || unread, "the library stopped at {}: {error:?} {ours:?}", theirs.len());
    whole
}

/// The library writes an absolute address with a slash where it has no path.
fn same_path(ours: &str, theirs: &str) -> bool {
    let plain = |text: &str| text.to_ascii_lowercase().replacen("/?", "?", 1).trim_end_matches('/').to_owned();
    ours == theirs || plain(ours) == plain(theirs)
}
