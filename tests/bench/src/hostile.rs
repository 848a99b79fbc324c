//! What good calls feel of plugins that misbehave in every way beside them: the same load alone and beside them, in turns.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use sample_network::Config;
use serde_json::json;
use tests::harness::{Caller, Gate, network_with};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::cases;
use crate::figure::{Bar, Figure};
use crate::load::{App, Round};
use crate::publish::{BRANDS, SEGMENT_BYTES};
use crate::rounds::{at, seconds, sorted};

const CALLS_PER_S: f64 = if cfg!(debug_assertions) { 20.0 } else { 200.0 };
const CONNECTIONS: usize = 16;
const SECONDS: u64 = 10;
const WARM_UP: Duration = Duration::from_secs(3);
const ROUNDS: usize = 5;
/// Callers of what misbehaves, each with one call at a time, and how often each of them calls.
const BESIDE: usize = 4;
const BESIDE_EVERY: Duration = Duration::from_millis(200);
const GOOD: &str = "acme-mastodon";
const BAD: &str = "acme-hostile";
/// What the guest is told to do; see `tests/guests/hostile`. None of it may be published. So few different ones don't open the breaker: all of
/// them are done, each time.
const DEEDS: [&str; 7] = ["spin", "spin-in-host-calls", "eat-memory", "descend", "gigabyte", "panic", "many"];

/// The figures of good calls beside hostile ones.
///
/// # Panics
/// A good call fails.
pub fn measure() -> Vec<Figure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(run())
}

async fn run() -> Vec<Figure> {
    let folder = crate::summary::path().with_file_name("data");
    std::fs::create_dir_all(&folder).expect("a folder for the data");
    let network = async || network_with(Config { rate_limit: u32::MAX, ..Config::default() }).await;
    let (good, bad) = (network().await, network().await);
    let secrets = vec![("token".to_owned(), "hostile-token".to_owned())];
    let mut gate = Gate::new()
        .within(&folder)
        .account(GOOD, &good)
        .account_on("hostile", "acme/snacks", BAD, &bad.url, "token", secrets)
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
    let app = Arc::new(App::new(address, gate.site.key("app:newsroom"), GOOD, cases::posts()));
    let p99_ms = async |time: Duration| {
        let Round { times_us, others, .. } = app.post_at(CALLS_PER_S, time, CONNECTIONS).await;
        assert!(others.is_none(), "a good call failed: {others:?}");
        at(&sorted(&times_us), 0.99) / 1_000.0
    };
    p99_ms(WARM_UP).await;
    let (mut alone, mut beside, mut calls, time) = (Vec::new(), Vec::new(), Vec::new(), seconds(SECONDS));
    let numbers = Arc::new(AtomicU64::new(0));
    for _ in 0..ROUNDS {
        alone.push(p99_ms(time).await);
        let over = Arc::new(AtomicBool::new(false));
        let mut misbehaving = JoinSet::new();
        for _ in 0..BESIDE {
            misbehaving.spawn(misbehave(gate.caller("app:newsroom"), Arc::clone(&numbers), Arc::clone(&over)));
        }
        let before = numbers.load(Relaxed);
        beside.push(p99_ms(time).await);
        calls.push((numbers.load(Relaxed) - before) as f64 / time.as_secs_f64());
        over.store(true, Relaxed);
        misbehaving.join_all().await;
    }
    assert_eq!(gate.terminate().await, Some(0), "the program ends well");
    let ratios: Vec<f64> = beside.iter().zip(&alone).map(|(beside, alone)| beside / alone).collect();
    vec![
        Figure::of_rounds("hostile_alone_p99_ms", &alone, "ms"),
        Figure::of_rounds("hostile_beside_p99_ms", &beside, "ms"),
        Figure::of_rounds("hostile_calls_per_s", &calls, "calls/s"),
        Figure::of_rounds("hostile_p99_ratio", &ratios, "×").bar(Bar::Below(1.1)),
    ]
}

/// Has the guest do one deed after the other.
async fn misbehave(newsroom: Caller, numbers: Arc<AtomicU64>, over: Arc<AtomicBool>) {
    let mut pace = tokio::time::interval(BESIDE_EVERY);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !over.load(Relaxed) {
        pace.tick().await;
        let number = numbers.fetch_add(1, Relaxed);
        let deed = DEEDS[usize::try_from(number).unwrap_or(0) % DEEDS.len()];
        let body = json!({"accounts": [BAD], "content": {"text": deed}});
        let answer = newsroom.post("/v1/posts", &body).await;
        assert!(answer.status != 201, "{deed} was published: {}", answer.text());
    }
}
