//! Answers to reads go on while they come: events at once, long ones in little memory, and no secret in either.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tests::harness::{Endpoint, Gate, Running, TOKEN};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

const ACCOUNT: &str = "acme-mastodon";
const HOME: &str = "/api/v1/timelines/home";
/// Longer than the adapter's manifest lets a whole answer be.
const LONG_BYTES: usize = 8 << 20;

/// A network that says the next piece when it may.
struct Slow {
    url: String,
    may_go_on: Arc<Semaphore>,
    /// Answers that nobody took to their end.
    cut: Arc<AtomicUsize>,
}

impl Endpoint for Slow {
    fn address(&self) -> &str {
        &self.url
    }
}

async fn slow(head: &'static str, pieces: Vec<Vec<u8>>) -> Slow {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let may_go_on = Arc::new(Semaphore::new(0));
    let cut = Arc::new(AtomicUsize::new(0));
    let cuts = Arc::clone(&cut);
    let (permits, pieces) = (Arc::clone(&may_go_on), Arc::new(pieces));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (cuts, said) = (Arc::clone(&cuts), say(stream, head, Arc::clone(&pieces), Arc::clone(&permits)));
            tokio::spawn(async move {
                if said.await.is_none() {
                    cuts.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    Slow { url, may_go_on, cut }
}

async fn say(stream: TcpStream, head: &str, pieces: Arc<Vec<Vec<u8>>>, may_go_on: Arc<Semaphore>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let mut asked = String::new();
    while !asked.ends_with("\r\n\r\n") {
        if stream.read_line(&mut asked).await.ok()? == 0 {
            return None;
        }
    }
    if !asked.starts_with(&format!("GET {HOME}")) {
        stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n{}").await.ok()?;
        return Some(());
    }
    stream.write_all(format!("HTTP/1.1 200 OK\r\n{head}transfer-encoding: chunked\r\n\r\n").as_bytes()).await.ok()?;
    for piece in pieces.iter() {
        may_go_on.acquire().await.ok()?.forget();
        stream.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).await.ok()?;
        stream.write_all(piece).await.ok()?;
        stream.write_all(b"\r\n").await.ok()?;
    }
    may_go_on.acquire().await.ok()?.forget();
    stream.write_all(b"0\r\n\r\n").await.ok()
}

async fn gate(net: &Slow) -> Running {
    Gate::new().account(ACCOUNT, net).grant("reads", "app:newsroom", "brand:acme", &["timeline.read"]).start().await
}

/// A client that reads as it likes.
async fn read(gate: &Running, key: &str) -> BufReader<TcpStream> {
    let address = gate.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let head = format!(
        "GET /native/{ACCOUNT}{HOME} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    BufReader::new(stream)
}

/// Everything up to such a text.
async fn until(stream: &mut BufReader<TcpStream>, end: &str) -> String {
    let mut heard = Vec::new();
    while !heard.ends_with(end.as_bytes()) {
        match stream.read_u8().await {
            Ok(byte) => heard.push(byte),
            Err(_) => panic!("it ended after {:?}", String::from_utf8_lossy(&heard)),
        }
    }
    String::from_utf8_lossy(&heard).into_owned()
}

#[tokio::test]
async fn each_event_goes_on_before_the_next_is_there() {
    let (first, second) = TOKEN.split_at(7);
    let pieces = [
        "event: update\ndata: one\n\n".to_owned(),
        format!("event: update\ndata: {first}"),
        format!("{second}\n\nevent: update\ndata: three\n\n"),
    ];
    let net = slow("content-type: text/event-stream\r\n", pieces.map(String::into_bytes).to_vec()).await;
    let gate = gate(&net).await;
    let mut stream = read(&gate, gate.site.key("app:newsroom")).await;
    net.may_go_on.add_permits(1);
    let heard = until(&mut stream, "data: one\n\n").await;
    assert!(heard.starts_with("HTTP/1.1 200") && heard.contains("text/event-stream"), "{heard}");
    // The next event is cut in its secret: nothing of it goes on before it is whole.
    net.may_go_on.add_permits(2);
    let heard = until(&mut stream, "data: three\n\n").await;
    assert!(heard.contains("data: [redacted]") && !heard.contains(first) && !heard.contains(second), "{heard}");
    net.may_go_on.add_permits(1);
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.expect("an end");
    assert!(rest.ends_with("0\r\n\r\n"), "{rest:?}");
}

#[tokio::test]
async fn a_long_answer_goes_on_whole() {
    let piece: Vec<u8> = (0..65_536u32).map(|at| b'a' + (at % 23) as u8).collect();
    let pieces = vec![piece.clone(); LONG_BYTES / piece.len()];
    let net = slow("content-type: application/json\r\n", pieces).await;
    let gate = gate(&net).await;
    net.may_go_on.add_permits(10_000);
    let answer = gate.get(&format!("/native/{ACCOUNT}{HOME}")).await;
    assert_eq!((answer.status, answer.body.len()), (200, LONG_BYTES));
    assert!(answer.body.chunks(piece.len()).all(|chunk| chunk == piece.as_slice()));
}

#[tokio::test]
async fn an_answer_ends_with_its_key() {
    let net = slow("content-type: text/event-stream\r\n", vec![b"data: one\n\n".to_vec(); 3]).await;
    let gate = gate(&net).await;
    let (key, id) = gate.fresh_key("newsroom", None).await;
    let mut stream = read(&gate, &key).await;
    net.may_go_on.add_permits(1);
    until(&mut stream, "data: one\n\n").await;
    let gateway = gate.gateway();
    gateway.keys.revoke(gateway.records.as_ref(), &id, gateway.clock.now()).await.expect("revoked");
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(std::time::Duration::from_secs(20), stream.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "the network is silent, and the answer ends all the same");
    assert!(!String::from_utf8_lossy(&rest).ends_with("0\r\n\r\n"), "cut off, not as if that were all");
}

#[tokio::test]
async fn who_takes_nothing_of_an_answer_loses_its_place_and_who_takes_slowly_does_not() {
    let pieces = vec![vec![b'a'; 65_536]; 2 * LONG_BYTES / 65_536];
    let net = slow("content-type: application/json\r\n", pieces).await;
    let reads = ["timeline.read"];
    let gate = Gate::new()
        .account(ACCOUNT, &net)
        .grant("reads", "app:newsroom", "brand:acme", &reads)
        .setting("listen.idle_timeout_ms", "1000")
        .start()
        .await;
    net.may_go_on.add_permits(100_000);
    let before = net.cut.load(Ordering::Relaxed);
    let mut stalls = read(&gate, gate.site.key("app:newsroom")).await;
    until(&mut stalls, "\r\n\r\n").await;
    let mut takes = read(&gate, gate.site.key("app:newsroom")).await;
    let (mut heard, mut piece, mut first) = (0, vec![0; 1 << 20], true);
    loop {
        let some = takes.read(&mut piece).await.expect("it goes on");
        heard += some;
        if some == 0 {
            break;
        }
        // Slower than the other is given time for, but never as long without a byte.
        if first || heard % (4 << 20) < some {
            tokio::time::sleep(Duration::from_millis(500)).await;
            first = false;
        }
    }
    assert!(heard > 2 * LONG_BYTES, "all of it: {heard}");
    // The network is not kept waiting for the one that reads nothing.
    let end = tokio::time::Instant::now() + Duration::from_secs(20);
    while net.cut.load(Ordering::Relaxed) == before {
        assert!(tokio::time::Instant::now() < end, "the stalled answer goes on");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut rest = Vec::new();
    // What was under way is there; the end is not.
    let _ = stalls.read_to_end(&mut rest).await;
    assert!(rest.len() < 2 * LONG_BYTES && !rest.ends_with(b"0\r\n\r\n"));
}
