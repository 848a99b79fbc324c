//! Server-sent events that follow the audit log.
//!
//! The log is the buffer: each stream reads it at the pace of its own reader, and keeps no more than a few blocks in memory.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http_body::Frame;
use tokio::{
    sync::mpsc::{Receiver, Sender, channel},
    time::Instant,
};

use crate::{audit::LogReader, gateway::Gateway};

/// How often a stream that has shown everything looks for more.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A stream that has nothing to show says that it is alive.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(10);
/// Blocks that wait for a slow reader.
const BLOCKS_MAX: usize = 2;
/// What a client waits before it connects again, in milliseconds.
const RETRY_MS: u32 = 2_000;

/// What a stream shows, and to whom.
pub(super) trait Feed: Send {
    /// What stands before the index of a leaf in an event's id.
    const ID: &'static str;

    /// May its reader still read it? Asked where there is nothing new; [`Feed::read`] asks for itself.
    fn may_go_on(&self) -> bool;

    /// Reads some leaves from `next` on, and not beyond `until`.
    ///
    /// # Errors
    /// Why the stream ends: the right is gone, or the log can't be read.
    fn read(&mut self, reader: LogReader, next: u64, until: u64) -> impl Future<Output = Result<Block, End>> + Send;
}

/// What was read at once.
pub(super) struct Block {
    /// Goes on behind it.
    pub(super) reader: LogReader,
    /// The events, as they are sent; empty where nothing was for this reader.
    pub(super) text: String,
    /// How many they are.
    pub(super) shown: u64,
    /// The next index to look at.
    pub(super) next: u64,
}

/// Why a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The reader went away.
    Gone,
    /// The key or the right is no longer there.
    Revoked,
    /// The gateway stops.
    Stopping,
    /// Log or records can't be read.
    Failed,
}

impl End {
    /// As the reader is told.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Revoked => "revoked",
            Self::Stopping => "stopping",
            Self::Failed => "failed",
        }
    }
}

/// One stream, on its way through the log.
pub(super) struct Stream {
    gateway: Arc<Gateway>,
    sender: Sender<Bytes>,
    /// The next index to look at.
    next: u64,
    /// Events that were sent.
    shown: u64,
}

/// Opens a stream that begins at an index, and the answer that carries it.
pub(super) fn open(gateway: &Arc<Gateway>, start: u64) -> (Stream, Response) {
    let (sender, receiver) = channel(BLOCKS_MAX);
    let mut response = Body::new(Events(receiver)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    (Stream { gateway: Arc::clone(gateway), sender, next: start, shown: 0 }, response)
}

impl Stream {
    /// Shows what there is and what comes, until the reader goes, may not read any more, or the gateway stops.
    pub(super) async fn run(&mut self, feed: &mut impl Feed) -> End {
        let (gateway, gone) = (Arc::clone(&self.gateway), self.sender.clone());
        tokio::select! {
            end = self.follow(feed) => end,
            () = gone.closed() => End::Gone,
            () = gateway.stopping.wait() => End::Stopping,
        }
    }

    /// How many events were sent.
    pub(super) fn shown(&self) -> u64 {
        self.shown
    }

    /// Says why it ends. Who no longer listens, or has no room, sees the connection end.
    pub(super) fn end(self, end: End) {
        let why = end.as_str();
        let _ = self.sender.try_send(Bytes::from(format!("event: end\ndata: {{\"why\":\"{why}\"}}\n\n")));
    }

    async fn follow<F: Feed>(&mut self, feed: &mut F) -> End {
        let mut reader = self.gateway.audit.reader(self.next);
        let mut said = Instant::now();
        if self.say(format!("retry: {RETRY_MS}\n\n")).await.is_err() {
            return End::Gone;
        }
        loop {
            let until = self.gateway.audit.next_index();
            if self.next < until {
                let block = match feed.read(reader, self.next, until).await {
                    Ok(block) => block,
                    Err(end) => return end,
                };
                reader = block.reader;
                let moved = block.next > self.next;
                if !block.text.is_empty() {
                    // Where the reader is slow, this waits, and nobody else does.
                    if self.say(block.text).await.is_err() {
                        return End::Gone;
                    }
                    said = Instant::now();
                }
                (self.next, self.shown) = (block.next, self.shown.saturating_add(block.shown));
                if moved {
                    continue;
                }
            } else if !feed.may_go_on() {
                return End::Revoked;
            }
            if said.elapsed() >= KEEP_ALIVE_EVERY {
                // The bare id tells a client where to go on, though nothing of what was read was for it.
                let id = self.next.checked_sub(1).map(|last| format!("id: {}{last}\n", F::ID)).unwrap_or_default();
                if self.say(format!(": alive\n{id}\n")).await.is_err() {
                    return End::Gone;
                }
                said = Instant::now();
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn say(&self, text: String) -> Result<(), ()> {
        self.sender.send(Bytes::from(text)).await.map_err(drop)
    }
}

/// The body of an answer that is made while it is sent.
struct Events(Receiver<Bytes>);

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|block| block.map(|block| Ok(Frame::data(block))))
    }
}
