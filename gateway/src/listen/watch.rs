//! Watches a connection: who holds one and says nothing, or takes no answer, gives it back.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

/// What moved on a connection, and when.
pub(super) struct Activity {
    since: Instant,
    /// Milliseconds after `since`.
    last_ms: AtomicU64,
    serving: AtomicUsize,
    begun: AtomicBool,
}

/// A request that is being served; ends when it is dropped.
pub(super) struct Serving(Arc<Activity>);

impl Activity {
    pub(super) fn new() -> Self {
        let (last_ms, serving, begun) = Default::default();
        Self { since: Instant::now(), last_ms, serving, begun }
    }

    /// Begins a request.
    pub(super) fn serve(self: &Arc<Self>) -> Serving {
        self.begun.store(true, Ordering::Relaxed);
        self.serving.fetch_add(1, Ordering::Relaxed);
        Serving(Arc::clone(self))
    }

    /// Returns once the connection has been silent for too long: no request within `head` of its beginning, or later neither a
    /// request that is being served nor a byte that moved within `idle`.
    pub(super) async fn silent(&self, head: Duration, idle: Duration) {
        loop {
            let left = if self.serving.load(Ordering::Relaxed) > 0 {
                idle
            } else if self.begun.load(Ordering::Relaxed) {
                idle.saturating_sub(self.quiet())
            } else {
                head.saturating_sub(self.since.elapsed())
            };
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
    }

    /// Returns after `grace`, and once no request is being served.
    pub(super) async fn unserved(&self, grace: Duration) {
        loop {
            tokio::time::sleep(grace).await;
            if self.serving.load(Ordering::Relaxed) == 0 {
                return;
            }
        }
    }

    fn quiet(&self) -> Duration {
        self.since.elapsed().saturating_sub(Duration::from_millis(self.last_ms.load(Ordering::Relaxed)))
    }

    fn moved(&self) {
        let now_ms = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(now_ms, Ordering::Relaxed);
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.moved();
        self.0.serving.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A stream that notes each byte that moves.
pub(super) struct Watched<T> {
    stream: T,
    activity: Arc<Activity>,
}

impl<T> Watched<T> {
    pub(super) fn new(stream: T, activity: Arc<Activity>) -> Self {
        Self { stream, activity }
    }

    fn note(&self, moved: &Poll<io::Result<usize>>) {
        if matches!(moved, Poll::Ready(Ok(bytes)) if *bytes > 0) {
            self.activity.moved();
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            this.activity.moved();
        }
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.note(&written);
        written
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, bytes);
        this.note(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
