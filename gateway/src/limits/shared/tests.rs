//! The shared ledger against the one in memory, and with its server stopped, dead and back.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::{
    clock::ManualClock,
    limits::engine::{
        Rule, Window,
        suite::{Dice, agrees, draws_all_or_nothing, soak},
    },
};

/// A server of its own for a test; ends with it.
struct Server {
    process: Child,
    dir: tempfile::TempDir,
}

impl Server {
    /// None where there is none to start and that may be.
    async fn start() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let process = Self::spawn(dir.path())?;
        let server = Self { process, dir };
        server.answers().await;
        Some(server)
    }

    fn spawn(dir: &Path) -> Option<Child> {
        let spawned = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
            .arg(dir.join("socket"))
            .arg("--dir")
            .arg(dir)
            .stdout(Stdio::null())
            .spawn();
        let forbidden = std::env::var("PRESSGATE_NO_SKIP").is_ok_and(|value| value == "1");
        assert!(
            spawned.is_ok() || !forbidden,
            "nothing may be skipped (PRESSGATE_NO_SKIP=1), but there is no redis-server"
        );
        spawned.inspect_err(|_| println!("skipped: there is no redis-server")).ok()
    }

    async fn answers(&self) {
        for _ in 0..500 {
            if Redis::connect(&self.url(), Duration::from_secs(1)).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("redis-server does not answer");
    }

    fn url(&self) -> String {
        format!("unix://{}", self.dir.path().join("socket").display())
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.process.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    async fn start_again(&mut self) {
        self.process.wait().unwrap();
        self.process = Self::spawn(self.dir.path()).unwrap();
        self.answers().await;
    }

    async fn redis(&self) -> Redis {
        Redis::connect(&self.url(), Duration::from_secs(5)).await.unwrap()
    }

    fn node(&self, nodes: u32) -> Shared {
        let place = Place { url: self.url(), nodes, patience: Duration::from_millis(100) };
        Shared::new(Arc::new(crate::clock::SystemClock), Some(place))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

#[tokio::test]
async fn counted_redis_decides_as_memory_does() {
    let Some(server) = Server::start().await else { return };
    let mut dice = Dice::seeded("ledgers");
    agrees(&server.redis().await, soak(60_000), &mut dice).await;
}

#[tokio::test]
async fn redis_draws_all_or_nothing() {
    let Some(server) = Server::start().await else { return };
    draws_all_or_nothing(&server.redis().await, "app:all").await;
}

#[tokio::test]
async fn redis_counts_by_its_own_time() {
    let Some(server) = Server::start().await else { return };
    let redis = server.redis().await;
    let window = Window::of_seconds(1, 1);
    let draw = [Draw { key: Key::new("account:x", "api"), rule: Rule::Window(window), cost: 1 }];
    let first = redis.decide(&draw, None).await.unwrap();
    assert!(first.taken);
    redis.settle(&first.hold, Outcome::Sent, None).await.unwrap();
    let second = redis.decide(&draw, None).await.unwrap();
    let (_, wait_us) = second.wait().unwrap();
    assert!((900_000..1_100_000).contains(&wait_us), "{wait_us}");
    tokio::time::sleep(Duration::from_micros(wait_us)).await;
    assert!(redis.decide(&draw, None).await.unwrap().taken);
}

/// A window of 300 in an hour.
fn draw() -> [Draw; 1] {
    [Draw { key: Key::new("account:x", "api"), rule: Rule::Window(Window::of_seconds(300, 3_600)), cost: 1 }]
}

/// How many of `count` calls at once get through.
async fn calls(node: &Arc<Shared>, count: usize) -> usize {
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..count {
        let node = Arc::clone(node);
        all.spawn(async move {
            let (decision, held) = node.decide(&draw()).await;
            tokio::task::yield_now().await;
            if decision.taken {
                node.settle(&held, Outcome::Sent).await;
            }
            decision.taken
        });
    }
    all.join_all().await.into_iter().filter(|taken| *taken).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_redis_is_stopped_or_dead_each_node_has_its_share_and_no_more() {
    let Some(mut server) = Server::start().await else { return };
    let nodes = [Arc::new(server.node(2)), Arc::new(server.node(2))];
    for node in &nodes {
        node.connect().await;
        assert!(node.is_whole());
    }
    // Together they have the whole, and one may have more of it than the other.
    assert_eq!((calls(&nodes[0], 120).await, calls(&nodes[1], 30).await), (120, 30));
    let load = tokio::join!(calls(&nodes[0], 20), calls(&nodes[1], 20), async { server.signal("STOP") });
    let mut drawn = [120 + load.0, 30 + load.1];
    for (node, drawn) in nodes.iter().zip(&mut drawn) {
        *drawn += calls(node, 1_000).await;
        assert!(!node.is_whole());
    }
    assert_eq!(drawn, [150, 150], "a share is half, with what was drawn before");
    server.signal("KILL");
    for node in &nodes {
        assert_eq!(calls(node, 500).await, 0, "its end changes nothing");
    }
    // It is back, and has forgotten everything; the gateways have not.
    server.start_again().await;
    for node in &nodes {
        for _ in 0..200 {
            if node.is_whole() {
                break;
            }
            node.decide(&draw()).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(node.is_whole(), "it is found again");
    }
    assert_eq!((calls(&nodes[0], 200).await, calls(&nodes[1], 200).await), (0, 0));
}

#[tokio::test]
async fn a_gateway_that_never_finds_redis_has_its_share() {
    let clock = Arc::new(ManualClock::at(Timestamp::from_second(1_800_000_000).unwrap()));
    let place = Place { url: "unix:///nowhere/at/all".into(), nodes: 3, patience: Duration::from_millis(20) };
    let node = Arc::new(Shared::new(Arc::clone(&clock) as Arc<dyn Clock>, Some(place)));
    node.connect().await;
    assert_eq!((node.is_whole(), calls(&node, 1_000).await), (false, 100));
    clock.advance(SignedDuration::from_hours(2));
    assert_eq!(calls(&node, 1_000).await, 100);
}

#[tokio::test]
async fn what_was_drawn_alone_is_told_when_redis_is_back() {
    let Some(server) = Server::start().await else { return };
    let (alone, other) = (Arc::new(server.node(2)), Arc::new(server.node(2)));
    alone.connect().await;
    other.connect().await;
    server.signal("STOP");
    assert_eq!(calls(&alone, 1_000).await, 150);
    server.signal("CONT");
    for _ in 0..200 {
        alone.decide(&draw()).await;
        if alone.is_whole() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(alone.is_whole());
    let rest = calls(&other, 1_000).await;
    assert!((140..=150).contains(&rest), "{rest}");
}
