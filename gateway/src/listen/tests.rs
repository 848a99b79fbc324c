//! Connections that are held and not used, and answers to clients that write all before they read.

use axum::{body::Bytes, extract::DefaultBodyLimit, http::StatusCode, response::IntoResponse, routing::post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{connection::STOP_GRACE, *};

const SHORT: Duration = Duration::from_millis(800);
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
    let door = Door { limits, refuse, meter: Arc::default(), tls: None, tunnels: None };
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

#[tokio::test]
async fn an_answer_to_a_bad_head_reaches_who_writes_on() {
    let (address, ..) = running(LIMITS).await;
    let mut stream = connect(address).await;
    let head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![b'x'; 100_000]).await.expect("nobody hangs up while the client writes");
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("both Content-Length"), "{answer}");
}

#[tokio::test]
async fn a_body_that_is_framed_badly_breaks_for_its_handler_and_ends_the_connection() {
    let (address, ..) = running(LIMITS).await;
    let mut stream = connect(address).await;
    let head = "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(format!("{head}3\r\nabc\r\n1;\nx\r\n0\r\n\r\n{head}").as_bytes()).await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
}

/// A frame of HTTP/2 (RFC 9113 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The preface, and settings that say nothing.
fn hello() -> Vec<u8> {
    [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(4, 0, 0, &[])].concat()
}

/// `GET http://a/`, by the static table of HPACK (RFC 7541).
const GET: &[u8] = &[0x82, 0x86, 0x84, 0x41, 1, b'a'];

/// Writes until the other side ends the connection, and gives how much it took.
async fn write_on(address: std::net::SocketAddr, mut piece: impl FnMut(u32) -> Vec<u8>, most: u32) -> usize {
    let (mut reader, mut writer) = connect(address).await.into_split();
    let drained = tokio::spawn(async move { tokio::io::copy(&mut reader, &mut tokio::io::sink()).await });
    let mut bytes = 0;
    let writing = async {
        writer.write_all(&hello()).await?;
        for number in 0..most {
            let piece = piece(number);
            writer.write_all(&piece).await?;
            bytes += piece.len();
        }
        Ok::<_, std::io::Error>(())
    };
    let written = tokio::time::timeout(Duration::from_secs(10), writing).await.expect("not held up");
    let ended = tokio::time::timeout(Duration::from_secs(5), drained).await;
    assert!(ended.is_ok() || written.is_err(), "the connection lives on after {bytes} bytes");
    bytes
}

#[tokio::test]
async fn streams_that_are_reset_at_once_end_the_connection() {
    let (begun, app) = (Arc::new(std::sync::atomic::AtomicU32::new(0)), Router::new());
    let count = Arc::clone(&begun);
    let app = app.fallback(move || {
        count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        std::future::pending::<()>()
    });
    let limits = Limits { idle_timeout: Duration::from_secs(60), head_timeout: Duration::from_secs(60), ..LIMITS };
    #[allow(clippy::disallowed_methods, reason = "the test's own listener")]
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let door = Door { limits, refuse, meter: Arc::default(), tls: None, tunnels: None };
    tokio::spawn(serve(listener, app, door, Arc::default()));
    let reset = |number: u32| {
        let stream = number * 2 + 1;
        [frame(1, 5, stream, GET), frame(3, 0, stream, &8u32.to_be_bytes())].concat()
    };
    write_on(address, reset, 20_000).await;
    let begun = begun.load(std::sync::atomic::Ordering::Relaxed);
    assert!(begun < 1000, "{begun} requests were begun");
}

#[tokio::test]
async fn a_head_that_goes_on_without_end_ends_the_connection() {
    let limits = Limits { idle_timeout: Duration::from_secs(60), head_timeout: Duration::from_secs(60), ..LIMITS };
    let (address, ..) = running(limits).await;
    // HEADERS without END_HEADERS, then CONTINUATION after CONTINUATION: a field without index, name `x`, value of 100.
    let field = [&[0, 1, b'x', 100][..], &[b'y'; 100]].concat();
    let piece = |number: u32| if number == 0 { frame(1, 1, 1, GET) } else { frame(9, 0, 1, &field) };
    let bytes = write_on(address, piece, 200_000).await;
    assert!(bytes < 8 * 1024 * 1024, "{bytes} bytes were taken");
    // Over HTTP/1 it is a 431.
    let mut stream = connect(address).await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n").await.unwrap();
    for _ in 0..200 {
        if stream.write_all(&[&b"x: "[..], &[b'y'; 100], b"\r\n"].concat()).await.is_err() {
            break;
        }
    }
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn a_head_that_is_under_way_at_a_stop_is_answered() {
    let (address, stop, served) = running(Limits { head_timeout: Duration::from_secs(60), ..LIMITS }).await;
    let mut stream = connect(address).await;
    stream.write_all(b"POST / HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    stop.set();
    tokio::time::sleep(Duration::from_millis(100)).await;
    stream.write_all(b"content-length: 2\r\n\r\nab").await.unwrap();
    assert!(rest(&mut stream).await.ends_with("\r\n\r\n2"));
    served.await.unwrap();
}
