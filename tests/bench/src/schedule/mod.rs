//! A million posts that wait for their time: how long the program takes to start with them, and how late those are that are due in
//! one minute, beside calls that are published at once.

mod fill;

use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use jiff::{SignedDuration, Timestamp};
use pressgate::clock::{Clock, SystemClock};
use pressgate::model::PostId;
use sample_network::Config;
use serde_json::{Value, json};
use tests::harness::{Caller, Gate, GateProcess, network_with, until};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::cases;
use crate::figure::{Bar, Figure};
use crate::load::App;
use crate::publish::{BRANDS, SEGMENT_BYTES};
use crate::rounds::{at, sorted};

/// Posts that wait; `PRESSGATE_BENCH_POSTS` says otherwise.
const WAITING: u64 = 1_000_000;
/// Those of them that are due in the minute that is measured.
const DUE: usize = 5_000;
/// That minute.
const MINUTE: SignedDuration = SignedDuration::from_mins(1);
/// Between the first request for one of these and the minute: they are planned, and the program is started, within it.
const LEAD: SignedDuration = SignedDuration::from_secs(30);
/// Connections that plan them.
const PLANNERS: usize = 64;
const STARTS: usize = 3;
/// Calls beside them.
const CALLS_PER_S: f64 = 200.0;
const CONNECTIONS: usize = 32;
/// The calls begin before the minute, and end after it.
const BEFORE: Duration = Duration::from_secs(3);
const AFTER: Duration = Duration::from_secs(2);
/// What is not out after this is lost.
const PATIENCE: Duration = Duration::from_secs(600);
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// The account of the calls, and that of the posts that wait. Each has a network of its own, so that nothing is counted for the other.
const CALLED: &str = "acme-mastodon";
const PLANNED: &str = "planned-mastodon";
const STATUSES: &str = "/api/v1/statuses";
/// How each text ends. Before it stands the number of a post that is due.
const SIGNED: &str = " Váš Acme";

/// What was measured.
struct Measured {
    start_s: Vec<f64>,
    late_s: Vec<f64>,
    calls: (f64, f64),
}

/// The figures of scheduled posts.
///
/// # Panics
/// A post that was due went out early, twice or not at all, or a call beside them was refused.
pub fn measure() -> Vec<Figure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let Measured { start_s, late_s, calls: (published_per_s, calls_p99_ms) } = runtime.block_on(run());
    vec![
        Figure::of_rounds("schedule_start_s", &start_s, "s").bar(Bar::AtMost(2.0)),
        Figure::once("schedule_lateness_p99_s", at(&late_s, 0.99), "s").bar(Bar::AtMost(1.0)),
        Figure::once("schedule_lateness_p50_s", at(&late_s, 0.5), "s"),
        Figure::once("schedule_lateness_max_s", at(&late_s, 1.0), "s"),
        Figure::once("schedule_calls_per_s", published_per_s, "calls/s"),
        Figure::once("schedule_calls_p99_ms", calls_p99_ms, "ms"),
    ]
}

async fn run() -> Measured {
    let folder = crate::summary::path().with_file_name("data");
    std::fs::create_dir_all(&folder).expect("a folder for the data");
    let called = network_with(Config { rate_limit: u32::MAX, ..Config::default() }).await;
    let planned = network_with(Config { rate_limit: u32::MAX, ..Config::default() }).await;
    let mut gate = Gate::new()
        .within(&folder)
        .account(CALLED, &called)
        .account(PLANNED, &planned)
        .guidelines(&cases::guidelines())
        .govern(|governance| {
            governance.file("brands.toml", BRANDS);
        })
        .setting("audit.segment_bytes", SEGMENT_BYTES)
        .spawn()
        .await;
    let template = fill::template(&gate).await;
    end(&mut gate).await;
    fill::copies(&gate, &template, waiting().saturating_sub(DUE as u64 + 1));
    gate.restart().await;

    let first = whole_ms(SystemClock.now() + LEAD);
    plan(&gate, first).await;
    let mut start_s = Vec::new();
    for _ in 0..STARTS {
        end(&mut gate).await;
        start_s.push(start(&mut gate).await);
    }
    let calls = calls(&gate, first).await;
    out(&planned).await;
    let late_s = lateness_s(&planned.timeline().await, first);
    assert_eq!(planned.count("POST", STATUSES).await, DUE as u64, "each is asked for once");
    end(&mut gate).await;
    Measured { start_s, late_s: sorted(&late_s), calls }
}

fn waiting() -> u64 {
    std::env::var("PRESSGATE_BENCH_POSTS").ok().and_then(|text| text.parse().ok()).unwrap_or(WAITING)
}

/// The network tells milliseconds.
fn whole_ms(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).expect("a time")
}

/// When the post with this number is due: they are spread over the minute.
fn due(first: Timestamp, number: usize) -> Timestamp {
    let after_ms = MINUTE.as_millis() * number as i128 / DUE as i128;
    first + SignedDuration::from_millis(i64::try_from(after_ms).expect("within a minute"))
}

/// A scheduled post, as an app asks for it.
async fn schedule(caller: &Caller, text: &str, times: &Value) -> PostId {
    let content = json!({ "text": text, "language": "cs" });
    let body = json!({
        "accounts": [PLANNED], "content": content, "labels": ["launch"], "campaign": "spring", "schedule": times,
    });
    let made = caller.post("/v1/posts", &body).await.expect(202);
    assert_eq!(made["state"], "scheduled", "{made}");
    PostId::new(made["id"].as_str().expect("an id"))
}

/// Schedules what is due in the minute that begins at `first`.
async fn plan(gate: &GateProcess, first: Timestamp) {
    let texts = Arc::new(cases::posts());
    let mut running = JoinSet::new();
    for planner in 0..PLANNERS {
        let (caller, texts) = (gate.caller("app:newsroom"), Arc::clone(&texts));
        running.spawn(async move {
            for number in (planner..DUE).step_by(PLANNERS) {
                let text = &texts[number % texts.len()];
                let text = text.replacen(SIGNED, &format!(" {number:x}{SIGNED}"), 1);
                schedule(&caller, &text, &json!({ "at": due(first, number).to_string() })).await;
            }
        });
    }
    running.join_all().await;
}

/// Starts the program, and gives the seconds until it is ready.
async fn start(gate: &mut GateProcess) -> f64 {
    let start = Instant::now();
    gate.restart().await;
    let ready = format!("{}/readyz", gate.url);
    until("the program is ready", || async { (tests::http::get(&ready, "").await.status == 200).then_some(()) }).await;
    start.elapsed().as_secs_f64()
}

/// Calls for the whole minute; gives how many a second were published within their time, and the 99th percentile of these times.
async fn calls(gate: &GateProcess, first: Timestamp) -> (f64, f64) {
    let ahead = first.duration_since(SystemClock.now());
    assert!(ahead > SignedDuration::ZERO, "the machine is too slow: the minute began before the program was started");
    sleep(ahead.unsigned_abs().saturating_sub(BEFORE)).await;
    let address = gate.url.trim_start_matches("http://").parse().expect("an address");
    let app = Arc::new(App::new(address, gate.site.key("app:newsroom"), CALLED, cases::posts()));
    let time = BEFORE + MINUTE.unsigned_abs() + AFTER;
    let round = app.post_at(CALLS_PER_S, time, CONNECTIONS).await;
    if let Some((status, body, count)) = &round.others {
        assert_eq!(*status, StatusCode::ACCEPTED, "{count} calls were refused; the first: {body}");
        println!("{count} calls were answered before they were published; the first: {body}");
    }
    let published_per_s = round.published as f64 / time.as_secs_f64();
    (published_per_s, at(&sorted(&round.times_us), 0.99) / 1_000.0)
}

/// Waits until as many posts are out as were due.
async fn out(planned: &sample_network::Running) {
    let start = Instant::now();
    while planned.count("POST", STATUSES).await < DUE as u64 && start.elapsed() < PATIENCE {
        sleep(LOOK_EVERY).await;
    }
    // Whatever would come a second time comes now.
    sleep(AFTER).await;
}

/// How late each was when the network had it, in seconds.
fn lateness_s(timeline: &[Value], first: Timestamp) -> Vec<f64> {
    let mut late_s: Vec<Option<f64>> = vec![None; DUE];
    for status in timeline {
        let text = status["text"].as_str().expect("a text");
        let number =
            text.split_once(SIGNED).and_then(|(said, _)| usize::from_str_radix(said.rsplit(' ').next()?, 16).ok());
        let number = number.unwrap_or_else(|| panic!("it was not due: {text}"));
        let sent: Timestamp = status["created_at"].as_str().expect("a time").parse().expect("a time");
        let late = sent.duration_since(due(first, number)).as_secs_f64();
        assert!(late >= 0.0, "post {number} was {} s early", -late);
        assert_eq!(late_s[number].replace(late), None, "post {number} went out twice");
    }
    let lost = late_s.iter().filter(|late| late.is_none()).count();
    assert_eq!(lost, 0, "posts were due and are not out");
    late_s.into_iter().flatten().collect()
}

async fn end(gate: &mut GateProcess) {
    assert_eq!(gate.terminate().await, Some(0), "the program ends well");
}
