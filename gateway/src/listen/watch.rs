//! Watches a connection: who holds one and says nothing, or takes no answer, gives it back.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use http_body::{Body, Frame, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::Notify,
    time::Instant,
};

/// In place of a time: there is nothing of the kind.
const NEVER: u64 = u64::MAX;
/// How often a stop looks whether a head is whole.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Requests of one connection that the client may take back before they were answered. A peer that opens streams and resets
/// them at once (HTTP/2 rapid reset) costs work without end; nobody else comes near.
const ABANDONED_MAX: u32 = 200;

/// What moved on a connection, and when. Times are milliseconds after `since`.
pub(super) struct Activity {
    since: Instant,
    last_ms: AtomicU64,
    /// When the last request ended.
    served_ms: AtomicU64,
    /// When the head began that is not whole yet.
    head_ms: AtomicU64,
    serving: AtomicUsize,
    /// Answers of which more may come.
    answering: AtomicUsize,
    /// Since when the peer takes nothing of what is there for it.
    stalled_ms: AtomicU64,
    begun: AtomicBool,
    abandoned: AtomicU32,
    ended: Notify,
}

/// A request that is being served; ends when it is dropped.
pub(super) struct Serving {
    activity: Arc<Activity>,
    answered: bool,
}

impl Activity {
    pub(super) fn new() -> Self {
        Self {
            since: Instant::now(),
            last_ms: AtomicU64::new(0),
            served_ms: AtomicU64::new(0),
            head_ms: AtomicU64::new(NEVER),
            serving: AtomicUsize::new(0),
            answering: AtomicUsize::new(0),
            stalled_ms: AtomicU64::new(NEVER),
            begun: AtomicBool::new(false),
            abandoned: AtomicU32::new(0),
            ended: Notify::new(),
        }
    }

    /// Begins a request.
    pub(super) fn serve(self: &Arc<Self>) -> Serving {
        self.begun.store(true, Ordering::Relaxed);
        self.serving.fetch_add(1, Ordering::Relaxed);
        Serving { activity: Arc::clone(self), answered: false }
    }

    /// The first bytes of a head are there, and not all of them.
    pub(super) fn head_begins(&self) {
        // Only the first part sets the clock.
        let _ = self.head_ms.compare_exchange(NEVER, self.now_ms(), Ordering::Relaxed, Ordering::Relaxed);
    }

    /// The head is whole.
    pub(super) fn head_ends(&self) {
        self.head_ms.store(NEVER, Ordering::Relaxed);
    }

    /// Returns once no head is under way.
    pub(super) async fn no_head(&self) {
        while self.head_ms.load(Ordering::Relaxed) != NEVER {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Returns once the connection has been silent for too long: no request within `head` of its beginning, no whole head
    /// within `head` of its first byte, or neither a request that is being served nor a byte that moved within `idle`.
    pub(super) async fn silent(&self, head: Duration, idle: Duration) {
        loop {
            let left = self.patience(head, idle);
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
    }

    fn patience(&self, head: Duration, idle: Duration) -> Duration {
        if self.serving.load(Ordering::Relaxed) > 0 {
            return idle;
        }
        let served_ms = self.served_ms.load(Ordering::Relaxed);
        match self.head_ms.load(Ordering::Relaxed) {
            NEVER if self.begun.load(Ordering::Relaxed) => {
                idle.saturating_sub(self.after(self.last_ms.load(Ordering::Relaxed)))
            }
            NEVER => head.saturating_sub(self.since.elapsed()),
            // Nobody reads while a request is served: a client that sends the next one early is not slow.
            head_ms => head.saturating_sub(self.after(head_ms.max(served_ms))),
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

    /// Begins the part of an answer that comes after its head.
    pub(super) fn answer(self: &Arc<Self>) -> Answering {
        self.answering.fetch_add(1, Ordering::Relaxed);
        Answering { activity: Arc::clone(self) }
    }

    /// Of how little use it is, and for how long. None while a request is served.
    pub(super) fn unused(&self) -> Option<(Use, Duration)> {
        if self.serving.load(Ordering::Relaxed) > 0 {
            return None;
        }
        if self.answering.load(Ordering::Relaxed) > 0 {
            return Some(match self.stalled_ms.load(Ordering::Relaxed) {
                NEVER => (Use::Answers, self.after(self.last_ms.load(Ordering::Relaxed))),
                stalled_ms => (Use::Stalls, self.after(stalled_ms)),
            });
        }
        let kind = if self.begun.load(Ordering::Relaxed) { Use::Served } else { Use::Never };
        Some((kind, self.after(self.served_ms.load(Ordering::Relaxed))))
    }

    /// Ends the connection, whatever it does.
    pub(super) fn end(&self) {
        self.ended.notify_one();
    }

    /// Returns once the connection was ended.
    pub(super) async fn ended(&self) {
        self.ended.notified().await;
    }

    fn after(&self, ms: u64) -> Duration {
        self.since.elapsed().saturating_sub(Duration::from_millis(ms))
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX - 1)
    }

    /// Whether the peer takes what is there for it.
    fn takes(&self, takes: bool) {
        if takes {
            self.stalled_ms.store(NEVER, Ordering::Relaxed);
        } else {
            // Only the first time sets the clock.
            let _ = self.stalled_ms.compare_exchange(NEVER, self.now_ms(), Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    fn moved(&self) {
        self.last_ms.store(self.now_ms(), Ordering::Relaxed);
    }
}

impl Serving {
    /// The answer is there.
    pub(super) fn answered(&mut self) {
        self.answered = true;
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let activity = &self.activity;
        activity.moved();
        activity.served_ms.store(activity.now_ms(), Ordering::Relaxed);
        activity.serving.fetch_sub(1, Ordering::Relaxed);
        if !self.answered && activity.abandoned.fetch_add(1, Ordering::Relaxed) >= ABANDONED_MAX {
            activity.end();
        }
    }
}

/// Of how little use a connection is, the most useful first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Use {
    /// An answer comes, and its client takes what there is.
    Answers,
    /// An answer comes, and its client takes nothing.
    Stalls,
    /// It served something before.
    Served,
    /// It never did.
    Never,
}

/// An answer whose head is out; ends when it is dropped.
pub(super) struct Answering {
    activity: Arc<Activity>,
}

impl Drop for Answering {
    fn drop(&mut self) {
        let activity = &self.activity;
        activity.served_ms.store(activity.now_ms(), Ordering::Relaxed);
        activity.answering.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The body of an answer that may take its time. While it is there, its connection is of use.
pub(super) struct Answer<B> {
    body: B,
    _answering: Answering,
}

impl<B> Answer<B> {
    pub(super) fn new(body: B, answering: Answering) -> Self {
        Self { body, _answering: answering }
    }
}

impl<B: Body + Unpin> Body for Answer<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
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
        self.activity.takes(moved.is_ready());
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
