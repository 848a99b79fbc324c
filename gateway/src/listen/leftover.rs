//! What is left of a body after the answer. Many clients write all of a request before they read: a connection that is closed
//! under their hands is reset, and the answer that said why is lost. So a bounded part of the rest is read and dropped.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{body::Body as AnyBody, extract::Request};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::{
    Version,
    body::Incoming,
    header::{CONTENT_LENGTH, EXPECT},
};

use crate::stop::Stop;

/// Bytes that are read and dropped.
const BYTES_MAX: u64 = 16 * 1024 * 1024;
/// How long that may take, and how long the client may pause in it.
const TIMEOUT: Duration = Duration::from_secs(10);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// A request's body; what nobody read of it is read and dropped.
pub(super) struct Drained {
    body: Option<Incoming>,
    /// The client waits for a word before it sends anything.
    waits: bool,
    stop: Arc<Stop>,
}

impl Drained {
    /// Puts the guard around the body of a request. HTTP/2 needs none: there an answer stands on its own.
    pub(super) fn guard(request: hyper::Request<Incoming>, stop: Arc<Stop>) -> Request {
        let headers = request.headers();
        let bodiless =
            headers.get(CONTENT_LENGTH).is_some_and(|length| length == "0") || request.body().is_end_stream();
        if bodiless || request.version() >= Version::HTTP_2 {
            return request.map(AnyBody::new);
        }
        let waits = headers.contains_key(EXPECT);
        request.map(|body| AnyBody::new(Self { body: Some(body), waits, stop }))
    }
}

impl Body for Drained {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        // Being asked for is the word.
        this.waits = false;
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) {
            this.body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Drained {
    fn drop(&mut self) {
        let Some(body) = self.body.take().filter(|body| !self.waits && !body.is_end_stream()) else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let stop = Arc::clone(&self.stop);
            runtime.spawn(async move {
                tokio::select! {
                    _ = tokio::time::timeout(TIMEOUT, drop_rest(body)) => {}
                    () = stop.wait() => {}
                }
            });
        }
    }
}

async fn drop_rest(mut body: Incoming) {
    let mut bytes = 0u64;
    while let Ok(Some(Ok(frame))) = tokio::time::timeout(PAUSE_MAX, body.frame()).await {
        bytes = bytes.saturating_add(frame.data_ref().map_or(0, |data| data.len() as u64));
        if bytes > BYTES_MAX {
            return;
        }
    }
}
