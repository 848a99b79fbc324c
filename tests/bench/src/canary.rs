//! How long a canary that fails 5 % of its calls serves, beside 500 calls a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use pressgate::audit::{Event, leaf};
use sample_network::Config;
use serde_json::{Value, json};
use tests::harness::{Caller, Gate, GateProcess, network_with};
use tests::made;
use tests::plugins::plugin;
use tokio::time::Instant;

use crate::cases;
use crate::figure::{Bar, Figure};
use crate::load::{App, Round};
use crate::publish::SEGMENT_BYTES;

const CALLS_PER_S: f64 = if cfg!(debug_assertions) { 40.0 } else { 500.0 };
const CONNECTIONS: usize = 32;
const TURN: Duration = Duration::from_secs(5);
/// So that the release that serves has a past.
const WARM_UP: Duration = Duration::from_secs(5);
const ROUNDS: usize = 10;
/// Shares of the calls, and the names of their figures.
const SHARES: [(f64, &str); 2] = [(10.0, "canary_10_rollback_s"), (50.0, "canary_rollback_s")];
/// The guest's plan that fails one text of twenty.
const FAILS_5_PERCENT: u8 = b't';
const LOOK_EVERY: Duration = Duration::from_millis(10);
const GIVEN_UP_AFTER: Duration = Duration::from_secs(120);
const SLOT: &str = "policy:house-rules";
const ACCOUNT: &str = "acme-mastodon";

/// The figures of canaries.
///
/// # Panics
/// A call fails that no canary had, or the log does not tell each rollback.
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
        .govern(|all| {
            all.policy("house-rules", "hostile-policy", &json!({"phrases": ["risk-free"]}));
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
    tokio::time::sleep(WARM_UP).await;
    let ops = gate.operations("person:ops-1");
    let mut figures = Vec::new();
    for (share, name) in SHARES {
        let mut times_s = Vec::new();
        for round in 0..ROUNDS {
            let bad = made::with_plan(&plugin("hostile-policy"), FAILS_5_PERCENT);
            times_s.push(rolled_back_after(&ops, share, made::another(&bad, &format!("{share} {round}"))).await);
        }
        let figure = Figure::of_rounds(name, &times_s, "s");
        figures.push(if share > 10.0 { figure.bar(Bar::Below(2.0)) } else { figure });
    }
    over.store(true, Relaxed);
    let all = load.await.expect("the load goes on");
    let failed = all.others.as_ref().map_or(0, |(_, body, count)| {
        assert!(body.contains("plugin-failed"), "{body}");
        *count
    });
    assert_eq!(gate.terminate().await, Some(0), "the program ends well");
    assert_eq!(told(&gate), SHARES.len() * ROUNDS, "the log tells each rollback, and why");
    figures.push(Figure::once("canary_failed_calls_each", failed as f64 / (SHARES.len() * ROUNDS) as f64, "calls"));
    figures.push(Figure::once("canary_calls_per_s", all.published as f64 / all.time.as_secs_f64(), "calls/s"));
    figures
}

/// Makes a release the canary; how long it is one, in seconds.
async fn rolled_back_after(ops: &Caller, share_percent: f64, component: Vec<u8>) -> f64 {
    let wasm = [("content-type", "application/wasm")];
    let release = ops.send("POST", "/operator/plugins/releases", &wasm, component).await.expect(201);
    let stands: Value = ops.get("/operator/plugins").await.expect(200);
    let wish = json!({
        "slot": SLOT, "version": stands["version"], "release": release["release"], "share_percent": share_percent
    });
    ops.post("/operator/plugins/canaries", &wish).await.expect(200);
    let start = Instant::now();
    while start.elapsed() < GIVEN_UP_AFTER {
        tokio::time::sleep(LOOK_EVERY).await;
        let time = start.elapsed();
        let stands: Value = ops.get("/operator/plugins").await.expect(200);
        if stands["slots"][0]["canary"].is_null() {
            return time.as_secs_f64();
        }
    }
    panic!("the canary still serves");
}

/// Rollbacks by the gateway itself in the log, with the function that failed and the counts.
fn told(gate: &GateProcess) -> usize {
    let by_itself = |event: &Event| match event {
        Event::Change(leaf::Change { what: leaf::Changed::Plugin, action, subject, by, .. }) => {
            action == "rollback" && by == "pressgate" && subject.contains("`review` failed")
        }
        _ => false,
    };
    gate.leaves().iter().filter(|leaf| by_itself(&leaf.event)).count()
}
