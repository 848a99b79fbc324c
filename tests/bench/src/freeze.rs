//! How long a freeze takes to answer under load on two brands; after its answer nothing of the frozen brand reaches the network, and
//! the other brand sees no error.

use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use jiff::Timestamp;
use pressgate::clock::{Clock, SystemClock};
use sample_network::Config;
use serde_json::{Value, json};
use tests::harness::{Caller, Gate, GateProcess, network_with};
use tokio::time::{Instant, sleep};

use crate::cases;
use crate::figure::{Bar, Figure};
use crate::load::App;
use crate::publish::{BRANDS, SEGMENT_BYTES};

const ROUNDS: usize = 10;
/// Load of a round, of which the freeze begins in the middle.
const ROUND: Duration = Duration::from_secs(3);
const FREEZE_AFTER: Duration = Duration::from_millis(1_500);
/// Calls of each of the two brands.
const CALLS_PER_S: f64 = 100.0;
const CONNECTIONS: usize = 16;
const FROZEN: &str = "snacks-mastodon";
const OTHER: &str = "acme-mastodon";
const SCOPE: &str = "brand:acme/snacks";

/// The time from the answer to a freeze to the first request to lift it.
struct Frozen {
    from: Timestamp,
    until: Timestamp,
}

/// The figure of freezes.
///
/// # Panics
/// Something of the frozen brand reached the network after the answer, or a call of the other brand was not published.
pub fn measure() -> Vec<Figure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let times_ms = runtime.block_on(run());
    vec![Figure::of_rounds("freeze_ms", &times_ms, "ms").bar(Bar::AtMost(100.0))]
}

async fn run() -> Vec<f64> {
    let folder = crate::summary::path().with_file_name("data");
    std::fs::create_dir_all(&folder).expect("a folder for the data");
    let mine = network_with(Config { rate_limit: u32::MAX, ..Config::default() }).await;
    let theirs = network_with(Config { rate_limit: u32::MAX, ..Config::default() }).await;
    let mut gate = Gate::new()
        .within(&folder)
        .account_of("acme/snacks", FROZEN, &mine)
        .account_of("acme", OTHER, &theirs)
        .guidelines(&cases::guidelines())
        .govern(|governance| {
            governance.file("brands.toml", BRANDS);
        })
        .setting("audit.segment_bytes", SEGMENT_BYTES)
        .spawn()
        .await;
    let (frozen, other) = (app(&gate, FROZEN), app(&gate, OTHER));
    let (chief, ops) = (gate.caller("person:chief-1"), gate.caller("person:ops-1"));
    let (mut times_ms, mut times) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (stopped, passed, (id, time, from)) = tokio::join!(
            frozen.post_at(CALLS_PER_S, ROUND, CONNECTIONS),
            other.post_at(CALLS_PER_S, ROUND, CONNECTIONS),
            freeze(&chief),
        );
        times_ms.push(time.as_secs_f64() * 1_000.0);
        assert!(passed.others.is_none(), "the other brand: {:?}", passed.others);
        assert!(passed.published > 0 && stopped.published > 0, "there was load");
        let (status, body, count) = stopped.others.expect("what came after the freeze was not published");
        // What was on its way is stopped too, and its caller hears that it waits.
        assert!([StatusCode::LOCKED, StatusCode::ACCEPTED].contains(&status), "{count}: {status} {body}");
        times.push(Frozen { from, until: SystemClock.now() });
        lift(&chief, &id, "lift-asked").await;
        lift(&ops, &id, "lifted").await;
    }
    let after: usize = mine.timeline().await.iter().filter(|status| within(status, &times)).count();
    assert_eq!(after, 0, "effects of the frozen brand after the answer");
    assert_eq!(gate.terminate().await, Some(0), "the program ends well");
    times_ms
}

fn app(gate: &GateProcess, account: &str) -> Arc<App> {
    let address = gate.url.trim_start_matches("http://").parse().expect("an address");
    Arc::new(App::new(address, gate.site.key("app:newsroom"), account, cases::posts()))
}

/// Freezes under load; gives the freeze, how long its answer took, and when it was there.
async fn freeze(chief: &Caller) -> (String, Duration, Timestamp) {
    sleep(FREEZE_AFTER).await;
    let start = Instant::now();
    let answer = chief.post("/v1/freezes", &json!({ "scope": SCOPE, "reason": "data-leak" })).await;
    let (time, from) = (start.elapsed(), SystemClock.now());
    let freeze = answer.expect(201);
    assert_eq!(freeze["under_way"], 0, "what had left was answered: {freeze}");
    (freeze["id"].as_str().expect("an id").to_owned(), time, from)
}

async fn lift(person: &Caller, id: &str, state: &str) {
    let lifted = person.post(&format!("/v1/freezes/{id}/lift"), &json!({})).await.expect(200);
    assert_eq!(lifted["state"], state, "{lifted}");
}

/// True for a status that was made during a freeze.
fn within(status: &Value, times: &[Frozen]) -> bool {
    let made: Timestamp = status["created_at"].as_str().expect("a time").parse().expect("a time");
    times.iter().any(|frozen| made > frozen.from && made < frozen.until)
}
