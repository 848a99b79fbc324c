//! Whatever fails, and whatever is asked meanwhile: no request that changes something reaches a network without an intent that is
//! in the log by then. Each row of the matrix is a gateway with a fault, each column something that is asked of it.
//!
//! Between gateway and network stands a line that counts: at each request that changes something it reads the log's files and looks
//! whether there are as many intents as requests. After each cell the log is read again, when the fault is over: an intent that was
//! only seen in passing, and then taken back by the log, is found missing.

mod act;
mod line;
mod trouble;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use pressgate::audit::{Event, FaultyDisk, LogReader, RealDisk, Space, leaf};
use serde_json::json;
use tests::harness::{Gate, Running, network, until};
use tokio::sync::Semaphore;

use act::{ACTS, Act};
use line::Line;
use trouble::{TROUBLES, Trouble};

/// Rows that run at the same time.
const ROWS_AT_ONCE: usize = 6;
/// How long a disk may hang here.
const BLOCKED_MS: u64 = 1_000;
/// At least so many cells.
const CELLS_LEAST: usize = 60;

/// A gateway, its line to the network, and what can go wrong with them.
struct Bench {
    gate: Running,
    net: sample_network::Running,
    line: Line,
    disk: FaultyDisk,
}

/// What the log's files say.
#[derive(Debug, Default, Clone, Copy)]
struct Told {
    intents: u64,
    /// Intents whose request certainly never left.
    not_sent: u64,
}

/// What one cell came to.
#[derive(Debug)]
struct Cell {
    trouble: Trouble,
    act: Act,
    /// Status of the answer to what was asked.
    answer: u16,
    /// Requests that change something, from the beginning of the fault to its end.
    during: u64,
    /// The same until everything that was accepted has come to its end.
    after: u64,
    /// Intents in the log by then, and those of them whose request never left.
    told: Told,
    /// Requests for which no intent was in the log when they came.
    early: u64,
}

fn told(dir: &std::path::Path) -> Told {
    let mut reader = LogReader::new(Arc::new(RealDisk), dir, 0);
    let mut told = Told::default();
    while let Some((_, leaf)) = reader.next_leaf().expect("a readable log") {
        match leaf.event {
            Event::Intent(_) => told.intents += 1,
            Event::Outcome(outcome) if outcome.result == leaf::OutcomeResult::NotSent => told.not_sent += 1,
            _ => {}
        }
    }
    told
}

impl Bench {
    async fn start() -> Self {
        let net = network().await;
        let line = Line::start(net.address).await;
        let disk = FaultyDisk::new();
        let gate = Gate::new()
            .account("acme-mastodon", &line.url)
            .guidelines(&json!({"forbidden": [{"phrase": "cheap", "outcome": "hold"}]}))
            .disk(&disk)
            .setting("audit.blocked_ms", &BLOCKED_MS.to_string())
            .setting("audit.low_disk_percent", "5")
            .start()
            .await;
        line.watch(&gate.site.config().audit.dir);
        disk.set_space(ROOMY);
        Self { gate, net, line, disk }
    }

    /// Waits until everything that was accepted has come to an end, and the log is in order.
    async fn settle(&self) {
        until("the log is in order", || async {
            (self.gate.gateway().audit.health().word() == "normal").then_some(())
        })
        .await;
        let ended = || async {
            let posts = self.gate.get("/v1/posts?limit=200").await;
            let posts = if posts.status == 200 { posts.expect(200) } else { return None };
            let at_work = ["accepted", "publishing", "recalling", "unknown", "partial"];
            let ended = |post: &serde_json::Value| !at_work.contains(&post["state"].as_str().unwrap_or_default());
            posts["posts"].as_array()?.iter().all(ended).then_some(())
        };
        until("what was accepted has ended", ended).await;
    }

    async fn cell(&self, trouble: Trouble, act: Act) -> Cell {
        let dir = self.gate.site.config().audit.dir.clone();
        let ready = act.prepare(self).await;
        self.settle().await;
        let (sent, early, before) = (self.line.changes(), self.line.early(), told(&dir));
        let relief = trouble.begin(self).await;
        let answer = act.act(self, ready).await;
        // Whoever was asked may still be at it.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let during = self.line.changes() - sent;
        relief.end(self).await;
        self.settle().await;
        let now = told(&dir);
        let told = Told { intents: now.intents - before.intents, not_sent: now.not_sent - before.not_sent };
        let after = self.line.changes() - sent;
        Cell { trouble, act, answer, during, after, told, early: self.line.early() - early }
    }
}

/// A disk with room.
const ROOMY: Option<Space> = Some(Space { free_bytes: 500 << 20, total_bytes: 1000 << 20 });

impl Cell {
    /// What is wrong with it; nothing where all is well.
    fn fault(&self) -> Option<String> {
        let Self { trouble, act, during, after, told, early, answer } = self;
        let left = told.intents - told.not_sent;
        if *early > 0 {
            return Some(format!("{early} requests came before their intent was in the log"));
        }
        if after > &told.intents {
            return Some(format!("{after} requests and {} intents", told.intents));
        }
        if *after != left {
            return Some(format!("{after} requests, but {left} of {} intents say that they left", told.intents));
        }
        if trouble.stops_all() && *during > 0 {
            return Some(format!("{during} requests while nothing may leave"));
        }
        if !act.changes() && *after > 0 {
            return Some(format!("{after} requests though nothing was to be sent"));
        }
        if *trouble == Trouble::None && act.changes() && *after == 0 {
            return Some(format!("nothing was sent though nothing was wrong (answer {answer})"));
        }
        None
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_no_request_leaves_without_its_intent_whatever_fails() {
    let at_once = Arc::new(Semaphore::new(ROWS_AT_ONCE));
    let rows: Vec<_> = TROUBLES
        .into_iter()
        .map(|trouble| {
            let at_once = Arc::clone(&at_once);
            tokio::spawn(async move {
                let _turn = at_once.acquire_owned().await.expect("open");
                let bench = Bench::start().await;
                let mut cells = Vec::new();
                for act in ACTS {
                    cells.push(bench.cell(trouble, act).await);
                }
                cells
            })
        })
        .collect();
    let mut cells = Vec::new();
    for row in rows {
        cells.extend(row.await.expect("a row"));
    }
    println!("{}", table(&cells));
    let faults: Vec<_> = cells
        .iter()
        .filter_map(|cell| Some(format!("{:?} x {:?}: {}", cell.trouble, cell.act, cell.fault()?)))
        .collect();
    assert!(faults.is_empty(), "{}\n{}", faults.join("\n"), table(&cells));
    assert!(cells.len() >= CELLS_LEAST, "{} cells", cells.len());
}

/// Each cell as `answer:requests/intents`.
fn table(cells: &[Cell]) -> String {
    let mut text = format!("{} cells, each: answer:requests/intents\n{:<16}", cells.len(), "");
    for act in ACTS {
        let _ = write!(text, "{:>12}", format!("{act:?}"));
    }
    for row in cells.chunks(ACTS.len()) {
        let _ = write!(text, "\n{:<16}", row.first().map(|cell| format!("{:?}", cell.trouble)).unwrap_or_default());
        for cell in row {
            let _ = write!(text, "{:>12}", format!("{}:{}/{}", cell.answer, cell.after, cell.told.intents));
        }
    }
    let requests: u64 = cells.iter().map(|cell| cell.after).sum();
    let intents: u64 = cells.iter().map(|cell| cell.told.intents).sum();
    let early: u64 = cells.iter().map(|cell| cell.early).sum();
    let _ = write!(text, "\n{requests} requests, {intents} intents, {early} requests without a durable intent");
    text
}

/// What the killed program leaves behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_no_request_leaves_without_its_intent_when_the_program_is_killed() {
    let net = network().await;
    let line = Line::start(net.address).await;
    let mut gate = Gate::new().account("acme-mastodon", &line.url).spawn().await;
    let dir = gate.site.config().audit.dir.clone();
    line.watch(&dir);
    let mut cells = 0;
    for act in [Act::Single, Act::Thread, Act::Media, Act::Reply, Act::Recall] {
        for (point, wait) in [("at once", None), ("at the network", Some(1)), ("at the second request", Some(2))] {
            let ready = act.prepare_with(&gate).await;
            let sent = line.changes();
            let late = sample_network::Fault::Late { ms: 400 };
            net.set_fault(sample_network::Plan::next(2, "*", "/api/", late)).await;
            let caller = gate.caller("app:newsroom");
            let asking = tokio::spawn(async move { act.ask(&caller, ready).await });
            match wait {
                Some(requests) => {
                    let until = tokio::time::Instant::now() + Duration::from_millis(1_500);
                    while line.changes() < sent + requests && tokio::time::Instant::now() < until {
                        tokio::time::sleep(Duration::from_millis(2)).await;
                    }
                }
                None => tokio::time::sleep(Duration::from_millis(15)).await,
            }
            gate.kill9().await;
            asking.abort();
            net.clear_faults().await;
            let left = line.changes();
            let after_kill = told(&dir);
            assert!(left <= after_kill.intents, "{act:?} killed {point}: {left} requests, {after_kill:?}");
            gate.restart().await;
            let ended = || async {
                let posts = gate.get("/v1/posts?limit=200").await.expect(200);
                let at_work = ["accepted", "publishing", "recalling", "unknown", "partial"];
                let all = posts["posts"].as_array().cloned().unwrap_or_default();
                all.iter().all(|post| !at_work.contains(&post["state"].as_str().unwrap_or_default())).then_some(())
            };
            until("what was accepted has ended", ended).await;
            let now = told(&dir);
            println!("{act:?} killed {point}: {} requests, {} intents", line.changes() - sent, now.intents);
            assert!(line.changes() <= now.intents, "{act:?} killed {point}: {} requests, {now:?}", line.changes());
            cells += 1;
        }
    }
    assert_eq!((cells, line.early()), (15, 0));
}
