//! Connections that are held and not used, and answers to clients that write all before they read.

use axum::{body::Bytes, extract::DefaultBodyLimit, http::StatusCode, response::IntoResponse, routing::post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{connection::STOP_GRACE, *};

const SHORT: Duration = Duration::from_millis(300);
const LIMITS: Limits = Limits {
    connections_max: 4,
    connections_per_source_max: 100,
    head_timeout: SHORT,
    idle_timeout: SHORT,
    head_bytes_max: 16 * 1024,
    head_fields_max: 100,
    http2: true,
    streams_max: 10,
};

fn refuse(fault: Fault) -> Response {
    (StatusCode::from_u16(fault.status()).unwrap(), fault.to_string()).into_response()
}

#[allow(clippy::disallowed_methods, reason = "the test's own listener")]
async fn running(limits: Limits) -> (std::net::SocketAddr, Arc<Stop>, tokio::task::JoinHandle<()>) {
    let app = Router::new().route("/", post(|body: Bytes| async move { body.len().to_string() }));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = Arc::new(Stop::default());
    let app = app.layer(DefaultBodyLimit::max(1000));
    let door = Door { limits, refuse, meter: Arc::default(), tls: None };
    (address, Arc::clone(&stop), tokio::spawn(serve(listener, app, door, stop)))
}

#[allow(clippy::disallowed_methods, reason = "the test's own client")]
async fn connect(address: std::net::SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

async fn rest(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut all)).await;
    read.expect("the connection is closed").expect("and not reset");
    String::from_utf8(all).unwrap()
}

#[tokio::test]
async fn who_says_nothing_or_little_gives_the_place_back() {
    let (address, ..) = running(LIMITS).await;
    for begun in [&b""[..], b"P", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"POST / HTTP/1.1\r\nhost: x\r\n"] {
        // As many as there are places, twice: the second ones come in when the first have gone.
        let mut held = Vec::new();
        for _ in 0..8 {
            let mut stream = connect(address).await;
            stream.write_all(begun).await.unwrap();
            held.push(stream);
        }
        let mut stream = connect(address).await;
        stream.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nab").await.unwrap();
        assert!(rest(&mut stream).await.ends_with("\r\n\r\n2"), "then kept alive, then closed for silence");
    }
}

#[tokio::test]
async fn an_answer_reaches_who_writes_all_before_reading() {
    let (address, ..) = running(Limits { idle_timeout: Duration::from_secs(30), ..LIMITS }).await;
    let mut stream = connect(address).await;
    let body = vec![b'x'; 10_000_000];
    stream
        .write_all(b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 10000000\r\n\r\n")
        .await
        .unwrap();
    stream.write_all(&body).await.expect("nobody hangs up while the client writes");
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 413 "));
}

#[tokio::test]
async fn a_stop_does_not_wait_for_who_says_nothing() {
    let (address, stop, served) = running(Limits { head_timeout: Duration::from_secs(60), ..LIMITS }).await;
    let mut halves = Vec::new();
    for begun in [&b""[..], b"P", b"POST / HTTP/1.1\r\nhost: x\r\n"] {
        let mut stream = connect(address).await;
        stream.write_all(begun).await.unwrap();
        halves.push(stream);
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    stop.set();
    tokio::time::timeout(STOP_GRACE * 2, served).await.expect("it ends").unwrap();
}
