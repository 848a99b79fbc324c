//! Strangers knock: the log keeps one leaf for each source and second, and none of them is lost in the sum.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};

use pressgate::audit::{Event, leaf};
use tests::harness::{Gate, network, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::time::Instant;

/// All knocks together.
const KNOCKS: u64 = 100_000;
/// Where they come from: 127.0.2.1 and so on, each a network of its own.
const SOURCES: u8 = 8;
/// Connections of each source, kept open.
const CONNECTIONS: u64 = 2;
/// Requests that are written before their answers are read.
const PIPELINE: u64 = 50;

/// The ways not to have a key.
const REQUESTS: [&str; 4] = [
    "GET /v1/me HTTP/1.1\r\nhost: x\r\n\r\n",
    "GET /v1/me HTTP/1.1\r\nhost: x\r\nauthorization: Bearer pgk_nonsense\r\n\r\n",
    "POST /v1/posts HTTP/1.1\r\nhost: x\r\nauthorization: Basic b3BzOm9wcw==\r\ncontent-length: 0\r\n\r\n",
    "GET /v1/posts HTTP/1.1\r\nhost: x\r\nauthorization: Bearer\r\n\r\n",
];

/// Sends so many requests over one connection, and counts the answers that say 401.
async fn knock(from: Ipv4Addr, to: SocketAddr, requests: u64) -> u64 {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind((from, 0).into()).expect("an address of this machine");
    let mut stream = socket.connect(to).await.expect("connected");
    let (mut refused, mut sent, mut bytes) = (0, 0, vec![0; 64 * 1024]);
    let mut tail = Vec::new();
    while sent < requests {
        let some = PIPELINE.min(requests - sent);
        let batch: String = (sent..sent + some).map(|number| REQUESTS[(number % 4) as usize]).collect();
        stream.write_all(batch.as_bytes()).await.expect("written");
        sent += some;
        while refused < sent {
            let read = stream.read(&mut bytes).await.expect("answers");
            assert!(read > 0, "the connection ended after {refused} answers");
            tail.extend_from_slice(&bytes[..read]);
            const STATUS: &[u8] = b"HTTP/1.1 ";
            let mut at = 0;
            while let Some(found) = tail[at..].windows(STATUS.len() + 3).position(|bytes| bytes.starts_with(STATUS)) {
                let status = &tail[at + found + STATUS.len()..at + found + STATUS.len() + 3];
                assert_eq!(status, b"401", "{}", String::from_utf8_lossy(&tail));
                refused += 1;
                at += found + STATUS.len() + 3;
            }
            // What may be the beginning of a status line is kept.
            let keep = tail.len().saturating_sub(STATUS.len() + 2).max(at);
            tail.drain(..keep);
        }
    }
    refused
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_a_flood_of_strangers_makes_one_leaf_for_each_source_and_second() {
    let net = network().await;
    let mut gate = Gate::new().account("acme-mastodon", &net).spawn().await;
    let to: SocketAddr = gate.url.trim_start_matches("http://").parse().expect("an address");
    let before = gate.leaves().len();
    let since = Instant::now();
    let each = KNOCKS / u64::from(SOURCES) / CONNECTIONS;
    let knocking: Vec<_> = (0..SOURCES)
        .flat_map(|source| (0..CONNECTIONS).map(move |_| Ipv4Addr::new(127, 0, 2 + source, 1)))
        .map(|from| tokio::spawn(knock(from, to, each)))
        .collect();
    // Who has a key is served meanwhile.
    gate.get("/v1/me").await.expect(200);
    let mut refused = 0;
    for one in knocking {
        refused += one.await.expect("answered");
    }
    assert_eq!(refused, KNOCKS);
    let seconds = since.elapsed().as_secs_f64();
    println!("{KNOCKS} refused in {seconds:.1} s");
    let sums = |leaves: &[pressgate::audit::Leaf]| -> Vec<leaf::Unauthenticated> {
        let sums = leaves.iter().filter_map(|leaf| match &leaf.event {
            Event::Unauthenticated(sum) => Some(sum.clone()),
            _ => None,
        });
        sums.collect()
    };
    // Without a stop: what is summed is written when its second is over.
    let all = || async {
        let counted: u64 = sums(&gate.leaves()).iter().map(|sum| sum.count).sum();
        (counted == KNOCKS).then_some(())
    };
    until("every knock is in the log", all).await;
    let leaves = gate.leaves();
    let found = sums(&leaves);
    let places: BTreeSet<_> = found.iter().map(|sum| (sum.source.clone(), sum.second_ms)).collect();
    assert_eq!(places.len(), found.len(), "a second of a source has one leaf");
    let mut by_source = BTreeMap::new();
    for sum in &found {
        assert_eq!(sum.second_ms % 1000, 0);
        *by_source.entry(sum.source.clone()).or_insert(0) += sum.count;
    }
    let expected: BTreeMap<_, _> =
        (0..SOURCES).map(|source| (format!("127.0.{}.0/24", 2 + source), KNOCKS / u64::from(SOURCES))).collect();
    assert_eq!(by_source, expected, "each knock is counted for whoever knocked");
    // The second in which it began and that in which it ended count whole.
    let most = f64::from(SOURCES) * (seconds.ceil() + 1.0);
    assert!(found.len() as f64 <= most, "{} leaves in {seconds:.1} s", found.len());
    println!("{} leaves of {}", found.len(), leaves.len() - before);
    assert_eq!(gate.terminate().await, Some(0));
    let counted: u64 = sums(&gate.leaves()).iter().map(|sum| sum.count).sum();
    assert_eq!(counted, KNOCKS, "and none twice at the stop");
}
