//! The bytes of a post's media, for whoever may see the post.

use std::io;

use axum::{
    body::Body,
    http::{
        HeaderValue,
        header::{
            CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
            X_CONTENT_TYPE_OPTIONS,
        },
    },
    response::Response,
};
use bytes::BytesMut;
use futures_util::stream::try_unfold;
use tokio::{fs::File, io::AsyncReadExt};

use crate::{gateway::Gateway, media::TYPES, records::PostRecord};

/// Bytes of one read.
const BLOCK_BYTES: usize = 64 * 1024;

/// A medium that the post uses as it is now; none where it uses no such one, or its bytes are gone.
pub(super) async fn medium(gateway: &Gateway, post: &PostRecord, id: &str) -> Option<Response> {
    let mut media = post.targets.iter().flat_map(|target| &target.draft.parts).flat_map(|part| &part.media);
    let medium = media.find(|medium| medium.id.as_str() == id)?;
    // Only what was found in the bytes, so that no browser takes it for a page.
    let kind = TYPES.iter().find(|kind| **kind == medium.media_type)?;
    let file = File::open(gateway.media.path(&medium.id)).await.ok()?;
    let blocks = try_unfold(file, |mut file| async move {
        let mut block = BytesMut::with_capacity(BLOCK_BYTES);
        let read = file.read_buf(&mut block).await?;
        Ok::<_, io::Error>((read > 0).then(|| (block.freeze(), file)))
    });
    let mut response = Response::new(Body::from_stream(blocks));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(medium.size_bytes));
    for (name, value) in [
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox; frame-ancestors 'none'"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Some(response)
}
