//! A connection whose bytes are looked at on the way in.
//!
//! What is well formed goes straight into the reader's buffer. Only a head that came in parts, or begins behind a body, is
//! kept here until it is whole.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use super::{Fault, Followed, Follower, HeadLimits};
use crate::listen::watch::Activity;

/// Read at once into the stack, while a head is kept.
const SCRATCH_BYTES: usize = 4 * 1024;
/// A reader with less room gets its bytes by way of the scratch.
const ROOM_BYTES: usize = 1024;
/// A request of our own that stands for the one at fault: it makes the library answer in its turn, and close.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nhost: fault\r\nconnection: close\r\n\r\n";
/// After the answer to a fault the client may write so much, and for so long: a connection that is closed under its hands is
/// reset, and the answer lost.
const LINGER_BYTES: usize = 256 * 1024;
const LINGER: Duration = Duration::from_secs(1);

/// What was found on a connection, for whoever serves it.
#[derive(Debug, Default)]
pub(in crate::listen) struct Found {
    fault: OnceLock<(u64, Fault)>,
}

impl Found {
    /// The fault that the request stands for: the first one is number 0.
    pub(in crate::listen) fn fault_of(&self, request: u64) -> Option<Fault> {
        self.fault.get().filter(|(number, _)| *number == request).map(|(_, fault)| *fault)
    }

    /// The fault that ended the connection.
    pub(in crate::listen) fn fault(&self) -> Option<Fault> {
        self.fault.get().map(|(_, fault)| *fault)
    }
}

/// A stream that lets only well-formed HTTP/1, or HTTP/2, pass to its reader.
pub(in crate::listen) struct Checked<T> {
    stream: T,
    follower: Follower,
    /// Bytes that came and did not pass yet.
    held: Vec<u8>,
    /// So many of them may.
    ready: usize,
    found: Arc<Found>,
    activity: Arc<Activity>,
    broken: bool,
    closing: Option<Pin<Box<Sleep>>>,
    lingered: usize,
}

impl<T> Checked<T> {
    pub(in crate::listen) fn new(
        stream: T,
        limits: HeadLimits,
        http2: bool,
        found: Arc<Found>,
        activity: Arc<Activity>,
    ) -> Self {
        let follower = Follower::new(limits, http2);
        let (held, ready, broken, closing, lingered) = (Vec::new(), 0, false, None, 0);
        Self { stream, follower, held, ready, found, activity, broken, closing, lingered }
    }

    /// Follows, and tells the watch whether a head is under way.
    fn followed(follower: &mut Follower, activity: &Activity, bytes: &[u8]) -> Followed {
        let heads = follower.heads();
        let followed = follower.follow(bytes);
        if follower.heads() != heads {
            activity.head_ends();
        }
        if followed.fault.is_none() && followed.pass < bytes.len() {
            activity.head_begins();
        }
        followed
    }

    /// Ends the connection: nothing after what is ready passes any more.
    fn fault(&mut self, fault: Fault) {
        tracing::debug!(%fault, "a request is refused for its form");
        self.held.truncate(self.ready);
        self.broken = true;
        // Within a body the request has begun: its handler hears that the body broke, and answers.
        let number = if self.follower.in_body() { u64::MAX } else { self.follower.heads() };
        if number != u64::MAX {
            self.held.extend_from_slice(STAND_IN);
            self.ready = self.held.len();
        }
        // The first fault is the only one.
        let _ = self.found.fault.set((number, fault));
    }

    /// Gives the reader what is ready.
    fn hand_over(&mut self, buffer: &mut ReadBuf<'_>) {
        let some = self.ready.min(buffer.remaining());
        buffer.put_slice(self.held.get(..some).unwrap_or_default());
        self.ready -= some;
        if some == self.held.len() {
            // An idle connection keeps no memory.
            self.held = Vec::new();
        } else {
            self.held.drain(..some);
        }
    }

    /// Looks at what was read into the reader's own buffer after `before`, and takes back what must not pass.
    fn look(&mut self, buffer: &mut ReadBuf<'_>, before: usize) {
        let new = buffer.filled().get(before..).unwrap_or_default();
        let followed = Self::followed(&mut self.follower, &self.activity, new);
        let kept = new.get(followed.pass..).unwrap_or_default();
        if !kept.is_empty() && followed.fault.is_none() {
            self.held.extend_from_slice(kept);
        }
        buffer.set_filled(before.saturating_add(followed.pass));
        if let Some(fault) = followed.fault {
            self.fault(fault);
        }
    }
}

impl<T: AsyncRead + Unpin> Checked<T> {
    /// Reads into the store of what is held. False at the end of the stream.
    fn poll_hold(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut scratch = [0; SCRATCH_BYTES];
        let mut read = ReadBuf::new(&mut scratch);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))?;
        if read.filled().is_empty() {
            return Poll::Ready(Ok(false));
        }
        self.held.extend_from_slice(read.filled());
        let followed = Self::followed(&mut self.follower, &self.activity, &self.held);
        self.ready = followed.pass;
        if let Some(fault) = followed.fault {
            self.fault(fault);
        }
        Poll::Ready(Ok(true))
    }

    /// Reads and drops what the client still writes, until it ends, for a while.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let closing = self.closing.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        let mut scratch = [0; SCRATCH_BYTES];
        while closing.as_mut().poll(cx).is_pending() && self.lingered < LINGER_BYTES {
            let mut read = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read)) {
                Ok(()) if !read.filled().is_empty() => self.lingered += read.filled().len(),
                _ => break,
            }
        }
        Poll::Ready(())
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Checked<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        loop {
            if this.ready > 0 {
                this.hand_over(buffer);
                return Poll::Ready(Ok(()));
            }
            if this.broken {
                return match this.found.fault_of(u64::MAX) {
                    Some(fault) => Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, fault))),
                    // The stand-in closes; whoever serves it is at work on that.
                    None => Poll::Pending,
                };
            }
            if !this.held.is_empty() || buffer.remaining() < ROOM_BYTES {
                if buffer.remaining() == 0 || !ready!(this.poll_hold(cx))? {
                    return Poll::Ready(Ok(()));
                }
                continue;
            }
            ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
            if buffer.filled().len() == before {
                return Poll::Ready(Ok(()));
            }
            this.look(buffer, before);
            if buffer.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Checked<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.closing.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        }
        if this.broken {
            ready!(this.poll_linger(cx));
        }
        Poll::Ready(Ok(()))
    }
}
