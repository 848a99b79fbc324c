//! One connection, from its first byte to its end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, HttpBody},
    extract::Request,
    http::{HeaderValue, Version, header::CONNECTION},
    response::Response,
};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::Notify,
};
use tower::ServiceExt;

use super::{
    Door, Limits, Source,
    head::{Checked, Found, HeadLimits},
    leftover::Drained,
    tls::Peer,
    tunnel::LastAnswer,
    watch::{Activity, Answer, Watched},
};
use crate::stop::{Phase, Stop};

/// A stop waits this long for a connection on which no request is being served.
pub(super) const STOP_GRACE: Duration = Duration::from_secs(5);
/// Who is connected when the listener closes may still send one request for so long: it may be on its way.
const LAST_CALL: Duration = Duration::from_millis(500);
/// How often a peer that speaks HTTP/2 is asked whether it is still there, and how long it may take to say so.
const PING_EVERY: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// HTTP/2 streams that a peer may reset before anything looked at them, and that we may have to reset for its faults.
const RESET_STREAMS_MAX: usize = 20;
const FAULTY_STREAMS_MAX: usize = 100;

/// An answer of so many bytes is out as soon as it is there.
const SHORT_BYTES: u64 = 64 * 1024;

/// What a connection needs besides its bytes.
pub(super) struct Connection {
    pub(super) door: Arc<Door>,
    pub(super) app: Router,
    pub(super) source: Source,
    /// Who the client is by its certificate.
    pub(super) peer: Option<Peer>,
    pub(super) activity: Arc<Activity>,
    pub(super) stop: Arc<Stop>,
}

impl Connection {
    /// Shakes hands, where the listener speaks TLS, and serves it to its end.
    pub(super) async fn begin(mut self, stream: TcpStream) {
        if let Some(tunnels) = self.door.tunnels.clone() {
            return self.tunnel(stream, tunnels).await;
        }
        let Some(tls) = self.door.tls.clone() else { return self.serve(stream).await };
        let greeted = tokio::select! {
            greeted = tokio::time::timeout(self.door.limits.head_timeout, tls.accept(stream)) => greeted,
            () = self.activity.ended() => return,
            () = self.stop.wait() => return,
        };
        match greeted {
            Ok(Ok((stream, peer))) => {
                self.peer = peer;
                self.serve(stream).await;
            }
            Ok(Err(error)) => {
                self.door.meter.tls_failed.add(1);
                tracing::debug!(%error, "no TLS with a client");
            }
            Err(_) => {
                self.door.meter.tls_failed.add(1);
                tracing::debug!("a client was too slow in TLS");
            }
        }
    }

    /// Serves it to its end.
    pub(super) async fn serve<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: T) {
        let Self { door, app, source, peer, activity, stop } = self;
        let limits = door.limits;
        let found = Arc::new(Found::default());
        let requests = Arc::new(AtomicU64::new(0));
        let last = Arc::new(Notify::new());
        let (seen, busy, ending, ways, told) =
            (Arc::clone(&found), Arc::clone(&activity), Arc::clone(&stop), Arc::clone(&door), Arc::clone(&last));
        let answering = Arc::clone(&activity);
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let mut serving = busy.serve();
            let fault = seen.fault_of(requests.fetch_add(1, Ordering::Relaxed));
            let (app, stop, peer, refuse, last, activity) = (
                app.clone(),
                Arc::clone(&ending),
                peer.clone(),
                ways.refuse,
                Arc::clone(&told),
                Arc::clone(&answering),
            );
            async move {
                let old = request.version() < Version::HTTP_2;
                let answer = match fault {
                    Some(fault) => Ok(refuse(fault)),
                    None => app.oneshot(known(Drained::guard(request, Arc::clone(&stop)), source, peer)).await,
                };
                serving.answered();
                answer.map(|answer| {
                    let mut answer = under_way(answer, &activity);
                    let ends = LastAnswer::take(&mut answer);
                    if ends {
                        last.notify_one();
                    }
                    if old { farewell(answer, ends || stop.has_reached(Phase::Announced)) } else { answer }
                })
            }
        });
        let checked =
            Checked::new(stream, head_limits(&limits), limits.http2, Arc::clone(&found), Arc::clone(&activity));
        let builder = builder(&limits);
        let connection = builder.serve_connection(TokioIo::new(Watched::new(checked, Arc::clone(&activity))), service);
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = activity.silent(limits.head_timeout, limits.idle_timeout) => {
                door.meter.silent.add(1);
                tracing::debug!("a silent connection is closed");
                return;
            }
            () = activity.ended() => {
                tracing::debug!("a connection is closed to make place, or for what it abandoned");
                return;
            }
            () = async { tokio::select! { () = last_call(&stop, &activity) => {}, () = last.notified() => {} } } => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = connection.as_mut() => ended,
                    () = activity.unserved(STOP_GRACE) => return,
                }
            }
        };
        if let Some(fault) = found.fault() {
            door.meter.fault(fault);
        } else if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended badly");
        }
    }
}

/// Notes on a request where it came from.
fn known(mut request: Request, source: Source, peer: Option<Peer>) -> Request {
    request.extensions_mut().insert(source);
    if let Some(peer) = peer {
        request.extensions_mut().insert(peer);
    }
    request
}

/// What is long or of no known length takes its time: the connection is of use until it is out.
fn under_way(answer: Response, activity: &Arc<Activity>) -> Response {
    if answer.body().size_hint().exact().is_some_and(|bytes| bytes <= SHORT_BYTES) {
        return answer;
    }
    let answering = activity.answer();
    answer.map(|body| Body::new(Answer::new(body, answering)))
}

/// Returns when a connection that does nothing should end: a while after the listener closed, or at the stop. A head that is
/// under way is waited for, since the library has seen nothing of it and would hang up.
async fn last_call(stop: &Stop, activity: &Activity) {
    let closing = async {
        stop.reached(Phase::Closing).await;
        tokio::time::sleep(LAST_CALL).await;
    };
    tokio::select! {
        () = closing => {}
        () = stop.wait() => {}
    }
    // Who is too slow is let go.
    let _ = tokio::time::timeout(STOP_GRACE, activity.no_head()).await;
}

/// Once a stop is announced, each answer is the last one of its connection (RFC 9112 9.6).
fn farewell(mut answer: Response, last: bool) -> Response {
    if last {
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}

fn head_limits(limits: &Limits) -> HeadLimits {
    HeadLimits { bytes_max: size(limits.head_bytes_max), fields_max: size(limits.head_fields_max) }
}

fn size(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn builder(limits: &Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    if !limits.http2 {
        builder = builder.http1_only();
    }
    // Slow heads are the watch's business: it sees their bytes, and the library only whole heads.
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_headers(size(limits.head_fields_max))
        .max_buf_size(size(limits.head_bytes_max).max(BUFFER_BYTES));
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT)
        .max_concurrent_streams(limits.streams_max)
        .max_pending_accept_reset_streams(RESET_STREAMS_MAX)
        .max_local_error_reset_streams(FAULTY_STREAMS_MAX)
        .max_header_list_size(limits.head_bytes_max);
    builder
}

/// What the library reads at once; a head that passed must fit in, and what follows it may.
const BUFFER_BYTES: usize = 64 * 1024;
