//! A thousand changes of what serves, good and bad, beside calls that go on: none may fail, none may be done twice, and the
//! memory of the program may not grow.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use sample_network::Config;
use serde_json::{Value, json};
use tests::harness::{Caller, Gate, network_with};
use tests::made;
use tests::plugins::plugin;
use tokio::time::Instant;

use crate::figure::{Bar, Figure};
use crate::load::{App, Round};
use crate::publish::{BRANDS, SEGMENT_BYTES};
use crate::rounds::{at, sorted};
use crate::{cases, machine};

const CHANGES: usize = if cfg!(debug_assertions) { 60 } else { 1_000 };
/// The memory over the first so many changes is held against that over the last.
const EDGE: usize = CHANGES / 10;
/// Of so many changes one installs a new release, and one tries a bad one.
const EVERY: usize = 20;
const CALLS_PER_S: f64 = 200.0;
const CONNECTIONS: usize = 16;
/// The load begins again so often; what is late then is not made up for.
const TURN: Duration = Duration::from_secs(5);
/// How long the memory is looked at while nothing is changed, and how often.
const CONTROL: Duration = Duration::from_secs(60);
/// Caches fill at first. The storm begins when the same load alone takes less than this in addition, in MiB a minute, or after so many
/// minutes.
const LEVEL_MIB_PER_MIN: f64 = 1.0;
const LEVEL_MIN: usize = if cfg!(debug_assertions) { 6 } else { 12 };
const LOOK_EVERY: Duration = Duration::from_millis(100);
const STATUSES: &str = "/api/v1/statuses";
const ACCOUNT: &str = "acme-mastodon";
const WASM: [(&str, &str); 1] = [("content-type", "application/wasm")];
/// Where releases are put, and of which plugin.
const SLOTS: [(&str, &str); 2] = [("network:mastodon", "mastodon"), ("policy:house-rules", "guidelines")];
/// Makes the compiler work for some seconds.
const INSTRUCTIONS: usize = 400_000;

/// What was tried, and how it went.
#[derive(Debug, Default)]
struct Told {
    activated: usize,
    rejected: usize,
    slow: usize,
    memory_bytes: Vec<f64>,
    change_ms: Vec<f64>,
}

/// The figures of the storm.
///
/// # Panics
/// A change goes otherwise than it should.
pub fn measure() -> Vec<Figure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(run())
}

async fn run() -> Vec<Figure> {
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
        .setting("limits.calls_per_minute", "6000000")
        .setting("limits.burst", "1000000")
        .spawn()
        .await;
    let address = gate.url.trim_start_matches("http://").parse().expect("an address");
    let app = Arc::new(App::new(address, gate.site.key("app:newsroom"), ACCOUNT, cases::posts()));
    let over = Arc::new(AtomicBool::new(false));
    let (caller, stop) = (Arc::clone(&app), Arc::clone(&over));
    let load = tokio::spawn(async move {
        let mut all = Round::default();
        while !stop.load(Relaxed) {
            let turn = caller.post_at(CALLS_PER_S, TURN, CONNECTIONS).await;
            all.time += turn.time;
            all.add(turn);
        }
        all
    });
    let alone = level(gate.process_id()).await;
    let start = Instant::now();
    let told = storm(&gate.operations("person:ops-1"), gate.process_id()).await;
    let minutes = start.elapsed().as_secs_f64() / 60.0;
    over.store(true, Relaxed);
    let all = load.await.expect("the load goes on");
    let calls_per_s = all.published as f64 / all.time.as_secs_f64();
    let times_us = sorted(&all.times_us);
    if let Some((status, body, count)) = &all.others {
        println!("storm: {count} calls were not published; the first: {status} {body}");
    }
    let failed = all.others.as_ref().map_or(0, |(_, _, count)| *count);
    // Each text is another one.
    let timeline = network.timeline().await;
    let texts: HashSet<&str> = timeline.iter().filter_map(|status| status["text"].as_str()).collect();
    let sent = network.count("POST", STATUSES).await;
    let twice = (timeline.len() - texts.len()) as u64 + sent.saturating_sub(all.published + failed);
    assert!(sent >= all.published, "the network counted {sent} posts, and the apps were told of {}", all.published);
    assert_eq!(gate.terminate().await, Some(0), "the program ends well");
    println!("storm: {} activated, {} rejected, {} slow to compile", told.activated, told.rejected, told.slow);
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let mib = |part: &[f64]| format!("{:.1}", mean(part) / f64::from(1 << 20));
    println!("storm: MiB, tenth by tenth: {}", told.memory_bytes.chunks(EDGE).map(mib).collect::<Vec<_>>().join(" "));
    let (first, last) = (mean(&told.memory_bytes[..EDGE]), mean(&told.memory_bytes[told.memory_bytes.len() - EDGE..]));
    vec![
        Figure::once("swap_changes", told.memory_bytes.len() as f64, "changes"),
        Figure::once("swap_failed", failed as f64, "calls").bar(Bar::AtMost(0.0)),
        Figure::once("swap_duplicated", twice as f64, "calls").bar(Bar::AtMost(0.0)),
        Figure::once("swap_rss_growth_pct", (last / first - 1.0) * 100.0, "%").bar(Bar::AtMost(2.0)),
        Figure::once("swap_rss_growth_mib_per_min", (last - first) / f64::from(1 << 20) / (minutes * 0.9), "MiB/min"),
        Figure::once("swap_rss_growth_alone_mib_per_min", alone, "MiB/min"),
        Figure::once("swap_rss_mib", last / f64::from(1 << 20), "MiB"),
        Figure::once("swap_change_p50_ms", at(&sorted(&told.change_ms), 0.5), "ms"),
        Figure::once("swap_calls_per_s", calls_per_s, "calls/s"),
        Figure::once("swap_call_p99_ms", at(&times_us, 0.99) / 1_000.0, "ms"),
    ]
}

/// Waits until the caches are full; how much memory the load alone took more of in the last minute, in MiB.
async fn level(process_id: u32) -> f64 {
    let mut alone = f64::INFINITY;
    for minute in 1..=LEVEL_MIN {
        alone = unchanged(process_id).await;
        let kinds = machine::memory_kinds(process_id).unwrap_or_default();
        println!("storm: minute {minute} of the load alone: {alone:.1} MiB/min; {kinds}");
        if alone < LEVEL_MIB_PER_MIN {
            break;
        }
    }
    alone
}

/// How much memory the same load takes more of in a minute in which nothing is changed, in MiB.
async fn unchanged(process_id: u32) -> f64 {
    let mut memory = Vec::new();
    let start = Instant::now();
    while start.elapsed() < CONTROL {
        memory.push(machine::memory_bytes(process_id).expect("the memory of a process"));
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let edge = memory.len() / 10;
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let grown = mean(&memory[memory.len() - edge..]) - mean(&memory[..edge]);
    grown / f64::from(1 << 20) / (CONTROL.as_secs_f64() / 60.0 * 0.9)
}

/// One change after the other, as fast as they are answered.
async fn storm(ops: &Caller, process_id: u32) -> Told {
    let mut told = Told::default();
    let mut known: [Vec<String>; SLOTS.len()] = Default::default();
    for number in 0..SLOTS.len() * 2 {
        let slot = number % SLOTS.len();
        known[slot].push(install(ops, good(slot, number)).await.expect("a good release"));
    }
    let routing = ops.get("/operator/plugins").await.expect(200);
    let mut version = routing["version"].as_u64().expect("a version");
    for number in 0..CHANGES {
        // Which release of which slot comes next takes turns that never repeat what serves already.
        let slot = (number + number / EVERY) % SLOTS.len();
        match number % EVERY {
            3 => {
                let release = install(ops, good(slot, 1_000 + number)).await.expect("a good release");
                known[slot].rotate_left(1);
                known[slot].pop();
                known[slot].push(release);
            }
            13 => match (number / EVERY) % 5 {
                4 => {
                    let slow = made::slow_to_compile(&good(slot, 1_000 + number), INSTRUCTIONS);
                    let slow = install(ops, slow).await.expect("slow, and good");
                    known[slot].pop();
                    known[slot].push(slow);
                    told.slow += 1;
                }
                kind => {
                    let why = install(ops, bad(kind, number)).await.expect_err("a bad release");
                    assert!(["verify", "instantiate", "self-test"].iter().any(|step| why.contains(step)), "{why}");
                    told.rejected += 1;
                }
            },
            _ => {}
        }
        known[slot].rotate_left(1);
        let wish = json!({"slot": SLOTS[slot].0, "version": version, "release": known[slot][0]});
        let start = Instant::now();
        let answer: Value = ops.post("/operator/plugins/activations", &wish).await.expect(200);
        told.change_ms.push(start.elapsed().as_secs_f64() * 1_000.0);
        version = answer["version"].as_u64().expect("a version");
        told.activated += 1;
        told.memory_bytes.push(machine::memory_bytes(process_id).expect("the memory of a process"));
    }
    told
}

/// The digest of the release, or why there is none.
async fn install(ops: &Caller, component: Vec<u8>) -> Result<String, String> {
    let answer = ops.send("POST", "/operator/plugins/releases", &WASM, component).await;
    match answer.status {
        201 => Ok(answer.json::<Value>()["release"].as_str().expect("a digest").to_owned()),
        _ => Err(answer.text()),
    }
}

fn good(slot: usize, number: usize) -> Vec<u8> {
    made::another(&plugin(SLOTS[slot].1), &number.to_string())
}

/// A release that must never serve: one that crashes or never ends as it is asked what it is, one that answers otherwise than it says, and
/// half a file.
fn bad(kind: usize, number: usize) -> Vec<u8> {
    let (mark, adapter) = (number.to_string(), plugin("mastodon"));
    let named = |plan: u8| {
        let crashing = made::with_plan(&plugin("hostile"), plan);
        made::with_manifest(&crashing, |manifest| manifest["plugin"]["name"] = json!("mastodon"))
    };
    match kind {
        0 => made::another(&named(b'd'), &mark),
        1 => made::another(&named(b's'), &mark),
        2 => {
            let vector = json!({"vectors": [{"name": "lies", "check": {"text": "hello"}, "expect": {"findings": ["no-such-code"]}}]});
            made::another(&made::with_section(&adapter, "pressgate:self-test", vector.to_string().as_bytes()), &mark)
        }
        _ => adapter[..adapter.len() / 2].to_vec(),
    }
}
