//! Answers: read within the limit, decoded, and freed of secrets before anybody sees them.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use http::{HeaderMap, Response, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::{
    scrub::{BLANK, Scrubber},
    types::{OutResponse, SendFailure},
};

/// First bytes of a gzip stream.
pub(super) const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b, 0x08];

/// Headers that never reach a plugin, besides those that `Connection` names and those that start with `proxy-`.
const DROPPED: &[&str] = &[
    "connection",
    "content-encoding",
    "content-length",
    "keep-alive",
    "set-cookie",
    "set-cookie2",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A whole, decoded answer that may still hold secrets; only egress sees one, and it can't be printed.
pub(super) struct RawAnswer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl RawAnswer {
    /// Reads an answer to its end.
    pub(super) async fn read(response: Response<Incoming>, body_bytes_max: usize) -> Result<Self, SendFailure> {
        let (head, mut incoming) = response.into_parts();
        if head.status.is_informational() {
            return Err(SendFailure::Unanswered(format!("the network answered {}", head.status.as_u16())));
        }
        let mut body = Vec::new();
        while let Some(frame) = incoming.frame().await {
            let frame = frame.map_err(|_| SendFailure::Unanswered("the answer broke off".into()))?;
            let Ok(data) = frame.into_data() else { continue };
            if data.len() > body_bytes_max.saturating_sub(body.len()) {
                return Err(SendFailure::TooLarge);
            }
            body.extend_from_slice(&data);
        }
        if is_gzip(&head.headers)? && !body.is_empty() {
            body = gunzip(&body, body_bytes_max)?;
        }
        Ok(Self { status: head.status.as_u16(), headers: head.headers, body })
    }

    /// The answer for the plugin.
    pub(super) fn scrubbed(self, scrubber: &Scrubber, body_bytes_max: usize) -> OutResponse {
        let headers = clean_headers(&self.headers, scrubber);
        OutResponse { status: self.status, headers, body: clean_body(self.body, scrubber, body_bytes_max) }
    }
}

/// The headers that a plugin or client may see, without secrets.
pub(super) fn clean_headers(all: &HeaderMap, scrubber: &Scrubber) -> Vec<(String, String)> {
    let named = hop_names(all);
    let mut headers = Vec::with_capacity(all.len());
    for (name, value) in all {
        let name = name.as_str();
        let dropped = DROPPED.contains(&name) || name.starts_with("proxy-") || named.iter().any(|hop| hop == name);
        if dropped || scrubber.finds_any(name.as_bytes()) {
            continue;
        }
        let clean = scrubber.scrub(value.as_bytes());
        let value = clean.as_deref().unwrap_or(value.as_bytes());
        headers.push((name.to_owned(), String::from_utf8_lossy(value).into_owned()));
    }
    headers
}

/// A whole body without secrets.
pub(super) fn clean_body(body: Vec<u8>, scrubber: &Scrubber, body_bytes_max: usize) -> Vec<u8> {
    match scrubber.scrub(&body) {
        Some(clean) => clean,
        // A stream that does not say that it is compressed.
        None if body.starts_with(GZIP_MAGIC) && hides_secret(&body, scrubber, body_bytes_max) => BLANK.to_vec(),
        None => body,
    }
}

/// Whether the body is compressed; an error where it is so in a way that can't be read.
pub(super) fn is_gzip(headers: &HeaderMap) -> Result<bool, SendFailure> {
    let mut gzip = false;
    for value in headers.get_all(header::CONTENT_ENCODING) {
        for coding in value.to_str().unwrap_or("?").split(',') {
            match coding.trim().to_ascii_lowercase().as_str() {
                "" | "identity" => {}
                "gzip" | "x-gzip" if !gzip => gzip = true,
                _ => {
                    return Err(SendFailure::Unanswered("the answer is compressed in a way that can't be read".into()));
                }
            }
        }
    }
    Ok(gzip)
}

fn gunzip(body: &[u8], body_bytes_max: usize) -> Result<Vec<u8>, SendFailure> {
    let limit = u64::try_from(body_bytes_max).unwrap_or(u64::MAX);
    let mut plain = Vec::new();
    let mut decoder = MultiGzDecoder::new(body).take(limit.saturating_add(1));
    let read = decoder.read_to_end(&mut plain);
    if plain.len() > body_bytes_max {
        return Err(SendFailure::TooLarge);
    }
    read.map_err(|_| SendFailure::Unanswered("the answer's gzip stream is broken".into()))?;
    Ok(plain)
}

/// Looks into a stream as far as it can be decoded.
fn hides_secret(body: &[u8], scrubber: &Scrubber, body_bytes_max: usize) -> bool {
    let limit = u64::try_from(body_bytes_max).unwrap_or(u64::MAX);
    let mut plain = Vec::new();
    // What came before an error counts too.
    let _ = MultiGzDecoder::new(body).take(limit).read_to_end(&mut plain);
    scrubber.finds_any(&plain)
}

fn hop_names(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|name| name.trim().to_ascii_lowercase()).collect()
}
