//! Does a crowd at the door slow good calls down? 200 connections call once a second each, alone and beside 10,000 idle connections
//! and 500 that send a byte now and then, in rounds by turns on one gateway.
#![allow(clippy::disallowed_methods, reason = "clients of its own, from addresses of its own")]

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use sample_network::Config;
use serde_json::json;
use tests::harness::{Caller, Gate, network_with};
use tests::skip::skipped;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::figure::{Bar, Figure};
use crate::publish::{BRANDS, SEGMENT_BYTES};
use crate::rounds::{at, sorted};
use crate::{cases, machine, rounds};

/// Connections that say nothing.
const IDLE: usize = 10_000;
/// Connections that send a byte now and then: half of them in a head, half in a body.
const SLOW: usize = 500;
/// Good connections.
const GOOD: usize = 200;
/// From one call to the next on a good connection; an unoptimised program does less.
const EVERY: Duration = Duration::from_secs(if cfg!(debug_assertions) { 5 } else { 1 });
/// The crowd comes from so many addresses: no source may have all the places.
const SOURCES: usize = 5;
/// Connections of the crowd that are made at once.
const AT_ONCE: usize = 64;
/// Between two bytes of a slow connection, and before a connection that was closed comes back.
const BYTE_EVERY: Duration = Duration::from_millis(250);
const COME_BACK: Duration = Duration::from_secs(5);
/// How long a look at a crowd that comes or goes takes.
const LOOK: Duration = Duration::from_secs(1);
/// The crowd is there when no more of it come in, which also happens where the gateway has fewer places.
const GATHERING: Duration = Duration::from_secs(30);
/// Both sides need a file for each connection.
const FILES: u64 = 12_000;
const WARM_UP: Duration = Duration::from_secs(3);
/// Seconds of a round, shorter than the idle connections are left alone.
const SECONDS: u64 = 10;
const ROUNDS: usize = 3;
const ACCOUNT: &str = "acme-mastodon";
/// The 99th percentile may grow so much.
const RATIO_BAR: f64 = 2.0;

/// What the rounds told.
#[derive(Default)]
struct Measured {
    alone_ms: Vec<f64>,
    crowded_ms: Vec<f64>,
    connections: Vec<f64>,
}

/// The figures of good calls in a crowd.
///
/// # Panics
/// A good call is not answered 201.
pub fn measure() -> Vec<Figure> {
    if machine::files_max() < FILES {
        skipped("a crowd is not measured: the process may have fewer than 12,000 open files");
        return Vec::new();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let measured = runtime.block_on(run());
    let pairs = measured.crowded_ms.iter().zip(&measured.alone_ms);
    let ratios: Vec<f64> = pairs.map(|(crowded, alone)| crowded / alone).collect();
    vec![
        Figure::of_rounds("uncrowded_p99_ms", &measured.alone_ms, "ms"),
        Figure::of_rounds("crowded_p99_ms", &measured.crowded_ms, "ms"),
        Figure::of_rounds("crowded_connections", &measured.connections, "connections"),
        Figure::of_rounds("crowded_p99_ratio", &ratios, "×").bar(Bar::Below(RATIO_BAR)),
    ]
}

async fn run() -> Measured {
    let folder = crate::summary::path().with_file_name("data");
    std::fs::create_dir_all(&folder).expect("a folder for the data");
    let network = network_with(Config { rate_limit: u32::MAX, ..Config::default() }).await;
    let mut gate = Gate::new()
        .within(&folder)
        .account(ACCOUNT, &network)
        .guidelines(&cases::guidelines())
        .govern(|governance| {
            governance.file("brands.toml", BRANDS);
        })
        .setting("audit.segment_bytes", SEGMENT_BYTES)
        .spawn()
        .await;
    let address: SocketAddr = gate.url.trim_start_matches("http://").parse().expect("an address");
    let key = gate.site.key("app:newsroom").to_owned();
    let callers: Vec<Caller> = (0..GOOD).map(|_| gate.caller("app:newsroom")).collect();
    p99_ms(&callers, WARM_UP).await;
    let time = rounds::seconds(SECONDS).max(EVERY);
    let mut measured = Measured::default();
    for _ in 0..ROUNDS {
        measured.alone_ms.push(p99_ms(&callers, time).await);
        let crowd = Crowd::gather(address, &key).await;
        measured.crowded_ms.push(p99_ms(&callers, time).await);
        measured.connections.push(crowd.open.load(Relaxed) as f64);
        drop(crowd);
        // The gateway has seen all of them go.
        tokio::time::sleep(LOOK).await;
    }
    assert_eq!(gate.terminate().await, Some(0), "the program ends well");
    measured
}

/// The 99th percentile of the good calls of this time.
async fn p99_ms(callers: &[Caller], time: Duration) -> f64 {
    let start = Instant::now();
    let mut running = JoinSet::new();
    for (number, caller) in (0..).zip(callers) {
        // They take turns. A connection that the gateway closed for another's sake is made anew, within the time of the call.
        let first = start + EVERY * number / u32::try_from(GOOD).unwrap_or(1);
        running.spawn(good_calls(caller.clone(), number, first, start + time));
    }
    let times_ms: Vec<f64> = running.join_all().await.concat();
    at(&sorted(&times_ms), 0.99)
}

async fn good_calls(caller: Caller, number: u32, first: Instant, until: Instant) -> Vec<f64> {
    let mut times_ms = Vec::new();
    let mut pace = tokio::time::interval_at(first, EVERY);
    while pace.tick().await < until {
        let text = format!("Nové chipsy z Vysočiny, várka {number}-{}, jsou v obchodech. Váš Acme", times_ms.len());
        let post = json!({ "accounts": [ACCOUNT], "content": { "text": text, "language": "cs" } });
        let start = Instant::now();
        caller.publish(&post).await.expect(201);
        times_ms.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times_ms
}

/// The connections of the crowd; they go when it is dropped. One that the gateway closes comes back.
struct Crowd {
    open: Arc<AtomicUsize>,
    _connections: JoinSet<()>,
}

impl Crowd {
    async fn gather(to: SocketAddr, key: &str) -> Self {
        let (open, turns) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(AT_ONCE)));
        let mut connections = JoinSet::new();
        for number in 0..IDLE + SLOW {
            let begins = (number >= IDLE).then(|| beginning(number, key));
            connections.spawn(stay(number, to, begins, Arc::clone(&open), Arc::clone(&turns)));
        }
        let gathered = async {
            let mut before = 0;
            loop {
                tokio::time::sleep(LOOK).await;
                let now = open.load(Relaxed);
                if now > 0 && now <= before {
                    return;
                }
                before = now;
            }
        };
        let _as_many_as_come = tokio::time::timeout(GATHERING, gathered).await;
        Self { open, _connections: connections }
    }
}

/// What a slow connection sends before it becomes slow: a head without its end, or a head without its body.
fn beginning(number: usize, key: &str) -> String {
    let head = format!("POST /v1/posts HTTP/1.1\r\nhost: gate\r\nauthorization: Bearer {key}\r\n");
    let more =
        if number.is_multiple_of(2) { "x: " } else { "content-type: application/json\r\ncontent-length: 999\r\n\r\n" };
    head + more
}

/// A connection of the crowd, as often as it is closed.
async fn stay(number: usize, to: SocketAddr, begins: Option<String>, open: Arc<AtomicUsize>, turns: Arc<Semaphore>) {
    loop {
        let connected = {
            let _turn = turns.acquire().await;
            connect(number, to).await
        };
        if let Ok(stream) = connected {
            open.fetch_add(1, Relaxed);
            let _closed = hold(stream, begins.as_deref()).await;
            open.fetch_sub(1, Relaxed);
        }
        tokio::time::sleep(COME_BACK).await;
    }
}

async fn connect(number: usize, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    let last = u8::try_from(number % SOURCES + 2).expect("small");
    socket.bind((Ipv4Addr::new(127, 0, 3, last), 0).into())?;
    socket.connect(to).await
}

/// Until the other side closes it.
async fn hold(stream: TcpStream, begins: Option<&str>) -> io::Result<()> {
    let (mut reader, mut writer) = stream.into_split();
    let slowly = async {
        let Some(begins) = begins else { return std::future::pending().await };
        writer.write_all(begins.as_bytes()).await?;
        loop {
            tokio::time::sleep(BYTE_EVERY).await;
            writer.write_all(b"y").await?;
        }
    };
    let closed = async {
        let mut answer = [0; 1024];
        while reader.read(&mut answer).await? > 0 {}
        Ok(())
    };
    tokio::select! {
        ended = slowly => ended,
        ended = closed => ended,
    }
}
