//! Does a crowd at the door slow good calls down? 200 connections call once a second each, alone and beside 10,000 idle connections
//! and 500 that send a byte now and then, in rounds by turns on one gateway.
#![allow(clippy::disallowed_methods, reason = "clients of its own, from addresses of its own")]

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use sample_network::Config;
use tests::harness::{Gate, network_with};
use tests::skip::skipped;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::figure::{Bar, Figure};
use crate::load::App;
use crate::publish::{BRANDS, SEGMENT_BYTES, checked};
use crate::rounds::{at, sorted};
use crate::{cases, machine};

/// Connections that say nothing.
const IDLE: usize = 10_000;
/// Connections that send a byte now and then: half of them in a head, half in a body.
const SLOW: usize = 500;
/// Good connections, and their calls in a second.
const GOOD: usize = 200;
const CALLS_PER_S: f64 = 200.0;
/// The crowd comes from so many addresses: no source may have all the places.
const SOURCES: usize = 5;
/// Connections of the crowd that are made at once.
const AT_ONCE: usize = 64;
/// Between two bytes of a slow connection, and before a connection that was closed comes back.
const BYTE_EVERY: Duration = Duration::from_millis(250);
const COME_BACK: Duration = Duration::from_secs(1);
/// The crowd is there when so many are connected, or after the time.
const THERE: usize = (IDLE + SLOW) * 95 / 100;
const GATHERING: Duration = Duration::from_secs(30);
/// Both sides need a file for each connection.
const FILES: u64 = 12_000;
const WARM_UP: Duration = Duration::from_secs(3);
const ROUND: Duration = Duration::from_secs(10);
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
    let app = Arc::new(App::new(address, &key, ACCOUNT, cases::posts()));
    checked(app.post_at(CALLS_PER_S, WARM_UP, GOOD).await);
    let mut measured = Measured::default();
    for _ in 0..ROUNDS {
        measured.alone_ms.push(p99_ms(&app).await);
        let crowd = Crowd::gather(address, &key).await;
        measured.crowded_ms.push(p99_ms(&app).await);
        measured.connections.push(crowd.open.load(Relaxed) as f64);
        drop(crowd);
        // The gateway has seen all of them go.
        tokio::time::sleep(COME_BACK).await;
    }
    assert_eq!(gate.terminate().await, Some(0), "the program ends well");
    measured
}

async fn p99_ms(app: &Arc<App>) -> f64 {
    let round = checked(app.post_at(CALLS_PER_S, ROUND, GOOD).await);
    at(&sorted(&round.times_us), 0.99) / 1_000.0
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
            while open.load(Relaxed) < THERE {
                tokio::time::sleep(BYTE_EVERY).await;
            }
        };
        if tokio::time::timeout(GATHERING, gathered).await.is_err() {
            println!("of the crowd only {} are connected", open.load(Relaxed));
        }
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
