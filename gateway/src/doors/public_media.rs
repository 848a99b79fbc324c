//! Media for networks that fetch them by their address. Whoever has a good ticket gets the bytes and nothing else; for all that is
//! wrong there is one answer.

use std::{io, sync::Arc};

use axum::{
    body::Body,
    extract::{Path, State},
    http::{
        HeaderMap, HeaderValue, Method, StatusCode,
        header::{
            ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
            IF_RANGE, RANGE, X_CONTENT_TYPE_OPTIONS,
        },
    },
    response::{IntoResponse, Response},
};
use bytes::BytesMut;
use futures_util::stream::try_unfold;
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt, SeekFrom},
};

use crate::{gateway::Gateway, media::TYPES};

/// Bytes of one read.
const BLOCK_BYTES: u64 = 64 * 1024;

/// What of a medium is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Whole,
    /// First byte and number of bytes.
    Part(u64, u64),
    /// Bytes that are not there.
    Beyond,
}

/// Serves a medium.
pub(super) async fn serve(
    State(gateway): State<Arc<Gateway>>,
    method: Method,
    Path(ticket): Path<String>,
    headers: HeaderMap,
) -> Response {
    let served = match method {
        Method::GET | Method::HEAD => medium(&gateway, &ticket, &method, &headers).await,
        _ => None,
    };
    if served.is_some() { &gateway.counters.media_served } else { &gateway.counters.media_refused }.add(1);
    served.unwrap_or_else(|| StatusCode::NOT_FOUND.into_response())
}

async fn medium(gateway: &Gateway, ticket: &str, method: &Method, headers: &HeaderMap) -> Option<Response> {
    let (account, id) = gateway.public_media.open(ticket, gateway.clock.now())?;
    // An account that is gone speaks no more.
    gateway.governance.load().accounts.get(account.as_str())?;
    let record = gateway.records.media(id.clone()).await.ok().flatten()?;
    let kind = TYPES.iter().find(|kind| **kind == record.media_type)?;
    let mut file = File::open(gateway.media.path(&id)).await.ok()?;
    let size = record.size_bytes;
    tracing::debug!(medium = %id, "a network fetches a medium");
    let (status, first, length) = match wanted(headers, size) {
        Wanted::Whole => (StatusCode::OK, 0, size),
        Wanted::Part(first, length) => (StatusCode::PARTIAL_CONTENT, first, length),
        Wanted::Beyond => (StatusCode::RANGE_NOT_SATISFIABLE, 0, 0),
    };
    let body = if *method == Method::HEAD || length == 0 {
        Body::empty()
    } else {
        file.seek(SeekFrom::Start(first)).await.ok()?;
        blocks(file, length)
    };
    let mut response = (status, body).into_response();
    let answer = response.headers_mut();
    answer.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer.insert(CONTENT_LENGTH, HeaderValue::from(length));
    answer.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let range = match status {
        StatusCode::PARTIAL_CONTENT => Some(format!("bytes {first}-{}/{size}", first + length - 1)),
        StatusCode::RANGE_NOT_SATISFIABLE => Some(format!("bytes */{size}")),
        _ => None,
    };
    if let Some(range) = range.and_then(|range| HeaderValue::try_from(range).ok()) {
        answer.insert(CONTENT_RANGE, range);
    }
    for (name, value) in [
        (CACHE_CONTROL, "private, no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
    ] {
        answer.insert(name, HeaderValue::from_static(value));
    }
    answer.insert("x-robots-tag", HeaderValue::from_static("noindex"));
    Some(response)
}

fn blocks(file: File, length: u64) -> Body {
    let blocks = try_unfold((file, length), |(mut file, left)| async move {
        let room = left.min(BLOCK_BYTES);
        if room == 0 {
            return Ok(None);
        }
        let mut block = BytesMut::with_capacity(usize::try_from(room).map_err(io::Error::other)?);
        let read = (&mut file).take(room).read_buf(&mut block).await?;
        if read == 0 {
            // A file that is shorter than it was must not look whole.
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        Ok(Some((block.freeze(), (file, left - read as u64))))
    });
    Body::from_stream(blocks)
}

/// One range of bytes (RFC 9110 section 14.2). Several, or what can't be read, mean the whole; so does `If-Range`, as there is
/// nothing that it could name.
fn wanted(headers: &HeaderMap, size: u64) -> Wanted {
    let asked = headers.get(RANGE).filter(|_| !headers.contains_key(IF_RANGE)).and_then(|range| range.to_str().ok());
    let Some((first, last)) =
        asked.and_then(|range| range.strip_prefix("bytes=")).and_then(|range| range.split_once('-'))
    else {
        return Wanted::Whole;
    };
    match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => part(first, last, size),
        (Ok(first), Err(_)) if last.trim().is_empty() => part(first, u64::MAX, size),
        (Err(_), Ok(length)) if first.trim().is_empty() => match length {
            0 => Wanted::Beyond,
            length => part(size.saturating_sub(length), u64::MAX, size),
        },
        _ => Wanted::Whole,
    }
}

fn part(first: u64, last: u64, size: u64) -> Wanted {
    if first >= size { Wanted::Beyond } else { Wanted::Part(first, last.min(size - 1) - first + 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_read() {
        for (range, expected) in [
            ("bytes=0-9", Wanted::Part(0, 10)),
            ("bytes=10-", Wanted::Part(10, 90)),
            ("bytes=-1", Wanted::Part(99, 1)),
            ("bytes=-500", Wanted::Part(0, 100)),
            ("bytes=90-500", Wanted::Part(90, 10)),
            ("bytes=99-99", Wanted::Part(99, 1)),
            ("bytes=100-", Wanted::Beyond),
            ("bytes=-0", Wanted::Beyond),
            ("bytes=9-0", Wanted::Whole),
            ("bytes=0-1,5-6", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("items=0-1", Wanted::Whole),
        ] {
            let headers = HeaderMap::from_iter([(RANGE, HeaderValue::from_static(range))]);
            assert_eq!(wanted(&headers, 100), expected, "{range}");
        }
        assert_eq!(wanted(&HeaderMap::new(), 100), Wanted::Whole);
        let both = [(RANGE, HeaderValue::from_static("bytes=0-1")), (IF_RANGE, HeaderValue::from_static("x"))];
        assert_eq!(wanted(&HeaderMap::from_iter(both), 100), Wanted::Whole);
    }
}
