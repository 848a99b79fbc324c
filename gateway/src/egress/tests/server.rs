//! Servers for tests: one that speaks HTTP through a closure, one that writes bytes as told.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{rt::TokioExecutor, rt::TokioIo, server::conn::auto};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// A running server; it ends with the test's runtime.
pub(super) struct Server {
    pub(super) origin: String,
    pub(super) port: u16,
    pub(super) connections: Arc<AtomicUsize>,
}

impl Server {
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// A request with its body read.
pub(super) type Got = Request<Bytes>;

/// Answers each request with what `respond` makes of it.
pub(super) async fn http<F, R>(respond: F) -> Server
where
    F: Fn(Got) -> R + Send + Sync + 'static,
    R: Future<Output = Response<Bytes>> + Send + 'static,
{
    let respond = Arc::new(respond);
    raw(move |stream| serve(stream, Arc::clone(&respond))).await
}

/// Speaks HTTP on one connection.
pub(super) async fn serve<S, F, R>(stream: S, respond: Arc<F>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Fn(Got) -> R + Send + Sync + 'static,
    R: Future<Output = Response<Bytes>> + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let respond = Arc::clone(&respond);
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
            Ok::<_, Infallible>(respond(Request::from_parts(head, body)).await.map(Full::new))
        }
    });
    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

/// Hands each connection to `act`.
pub(super) async fn raw<F, R>(act: F) -> Server
where
    F: Fn(TcpStream) -> R + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let port = listener.local_addr().expect("an address").port();
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::SeqCst);
            let _ = stream.set_nodelay(true);
            tokio::spawn(act(stream));
        }
    });
    Server { origin: format!("http://127.0.0.1:{port}"), port, connections }
}

/// Reads one request's head and the rest that came with it.
pub(super) async fn read_head(stream: &mut TcpStream) -> String {
    let mut got = Vec::new();
    let mut byte = [0];
    while !got.ends_with(b"\r\n\r\n") && stream.read(&mut byte).await.is_ok_and(|read| read == 1) {
        got.push(byte[0]);
    }
    String::from_utf8_lossy(&got).into_owned()
}

/// Writes in pieces of one to three bytes, each in a packet of its own.
pub(super) async fn write_tiny(stream: &mut TcpStream, bytes: &[u8]) {
    let mut rest = bytes;
    let mut size = 1;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(size.min(rest.len()));
        let _ = stream.write_all(piece).await;
        let _ = stream.flush().await;
        rest = after;
        size = size % 3 + 1;
    }
}

pub(super) fn answer(status: u16, body: impl Into<Bytes>) -> Response<Bytes> {
    Response::builder().status(status).body(body.into()).expect("an answer")
}
