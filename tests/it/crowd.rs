//! A crowd at the door: idle connections, more than there are places for, and slow ones, beside calls that must all succeed.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use tests::harness::{Gate, network};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

use crate::samples::post;

/// Connections that say nothing; the gateway has 8,192 places.
const IDLE: usize = 10_000;
/// Connections that send a byte now and then: half of them in a head, half in a body.
const SLOW: usize = 500;
/// Calls that must succeed, and how many at once.
const GOOD: usize = 200;
const AT_ONCE: usize = 8;
/// The crowd comes from so many addresses.
const SOURCES: usize = 5;

async fn connect(number: usize, to: SocketAddr) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().expect("a socket");
    let last = u8::try_from(number % SOURCES + 2).expect("small");
    socket.bind((Ipv4Addr::new(127, 0, 3, last), 0).into()).expect("an address of this machine");
    tokio::time::timeout(Duration::from_secs(5), socket.connect(to)).await.ok()?.ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_and_slow_connections_keep_nobody_out() {
    let net = network().await;
    let gate = Gate::new()
        .account("acme-mastodon", &net)
        .setting("limits.calls_per_minute", "100000")
        .setting("limits.burst", "1000")
        .spawn()
        .await;
    let address: SocketAddr = gate.url.trim_start_matches("http://").parse().expect("an address");
    let mut idle = Vec::new();
    for number in 0..IDLE {
        idle.extend(connect(number, address).await);
    }
    assert!(idle.len() > IDLE * 9 / 10, "{} connections were taken", idle.len());
    let key = gate.site.key("app:newsroom").to_owned();
    let mut slow = Vec::new();
    for number in 0..SLOW {
        let Some(mut stream) = connect(number, address).await else { continue };
        let key = key.clone();
        slow.push(tokio::spawn(async move {
            let head = format!("POST /v1/posts HTTP/1.1\r\nhost: gate\r\nauthorization: Bearer {key}\r\n");
            let more =
                if number % 2 == 0 { "x: " } else { "content-type: application/json\r\ncontent-length: 999\r\n\r\n" };
            let mut sent = stream.write_all(format!("{head}{more}").as_bytes()).await;
            while sent.is_ok() {
                tokio::time::sleep(Duration::from_millis(250)).await;
                sent = stream.write_all(b"y").await;
            }
        }));
    }
    assert!(slow.len() > SLOW * 9 / 10, "{}", slow.len());
    let begun = Instant::now();
    let callers = (0..AT_ONCE).map(|caller| {
        let client = gate.caller("app:newsroom");
        async move {
            for call in 0..GOOD / AT_ONCE {
                client.publish(&post("acme-mastodon", &format!("{caller} {call}"))).await.expect(201);
            }
        }
    });
    let callers: Vec<_> = callers.collect();
    let all = async {
        let mut set = tokio::task::JoinSet::new();
        for caller in callers {
            set.spawn(caller);
        }
        set.join_all().await;
    };
    tokio::time::timeout(Duration::from_secs(60), all).await.expect("all calls, in time");
    assert_eq!(net.timeline().await.len(), GOOD, "{:?}", begun.elapsed());
    slow.iter().for_each(tokio::task::JoinHandle::abort);
    drop(idle);
}
