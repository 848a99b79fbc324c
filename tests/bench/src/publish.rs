//! How many posts a second go the whole way: the program itself with its log, records, vault, a policy and an adapter, from the
//! request of an app to the status on a network on the same machine.

use std::sync::Arc;
use std::time::Duration;

use sample_network::Config;
use serde_json::Value;
use tests::harness::{Gate, GateProcess, network_with};

use crate::cases;
use crate::disk;
use crate::figure::{Bar, Figure};
use crate::load::{App, Round};
use crate::machine;
use crate::rounds::{at, sorted};

const CONNECTIONS: usize = 64;
const WARM_UP: Duration = Duration::from_secs(3);
const ROUND: Duration = Duration::from_secs(5);
const ROUNDS: usize = 5;
/// What the program takes without a setting; tests take less.
pub const SEGMENT_BYTES: &str = "67108864";
const ACCOUNT: &str = "acme-mastodon";
const STATUSES: &str = "/api/v1/statuses";
/// The brands of the tests, with the languages that they publish in.
pub const BRANDS: &str = r#"
[[brand]]
id = "acme"
languages = ["cs", "en"]

[[brand]]
id = "snacks"
parent = "acme"
languages = ["cs", "en"]

[[brand]]
id = "drinks"
parent = "acme"
languages = ["cs", "en"]
"#;

/// What one round tells.
#[derive(Default)]
struct Measured {
    calls_per_s: Vec<f64>,
    p50_ms: Vec<f64>,
    p99_ms: Vec<f64>,
    cpu_us: Vec<f64>,
    leaves_of_commit: Vec<f64>,
    fdatasync_us: Vec<f64>,
}

/// The figures of publishing.
///
/// # Panics
/// Any answer is not 201, or the network counted another number of posts than the app.
pub fn measure() -> Vec<Figure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let measured = runtime.block_on(run());
    vec![
        Figure::of_rounds("publish_calls_per_s", &measured.calls_per_s, "calls/s").bar(Bar::AtLeast(1_000.0)),
        Figure::of_rounds("publish_p50_ms", &measured.p50_ms, "ms"),
        Figure::of_rounds("publish_p99_ms", &measured.p99_ms, "ms"),
        Figure::of_rounds("publish_gateway_cpu_us", &measured.cpu_us, "µs/call"),
        Figure::of_rounds("publish_leaves_per_commit", &measured.leaves_of_commit, "leaves"),
        Figure::of_rounds("publish_fdatasync_p50_us", &measured.fdatasync_us, "µs"),
    ]
}

async fn run() -> Measured {
    // The data lies on the disk of the checkout: a folder for temporary files may be memory.
    let folder = crate::summary::path().with_file_name("data");
    std::fs::create_dir_all(&folder).expect("a folder for the data");
    let network = network_with(Config { rate_limit: u32::MAX, ..Config::default() }).await;
    let gate = Gate::new()
        .within(&folder)
        .account(ACCOUNT, &network)
        .guidelines(&cases::guidelines())
        .govern(|governance| {
            governance.file("brands.toml", BRANDS);
        })
        .setting("audit.segment_bytes", SEGMENT_BYTES)
        .spawn()
        .await;
    let address = gate.url.trim_start_matches("http://").parse().expect("an address");
    let app = Arc::new(App::new(address, gate.site.key("app:newsroom"), ACCOUNT, cases::posts()));
    let mut published = checked(app.post_for(WARM_UP, CONNECTIONS).await).published;
    let mut measured = Measured::default();
    for _ in 0..ROUNDS {
        measured.fdatasync_us.push(disk::fdatasync_p50_us(&folder).expect("the disk is written to"));
        published += one_round(&gate, &app, &mut measured).await;
    }
    let counted = network.count("POST", STATUSES).await;
    assert_eq!(counted, published, "the network counted other posts than the app was told of");
    end(gate).await;
    measured
}

async fn one_round(gate: &GateProcess, app: &Arc<App>, measured: &mut Measured) -> u64 {
    let (cpu_s, before) = (machine::cpu_s(gate.process_id()), count(gate).await);
    let round = checked(app.post_for(ROUND, CONNECTIONS).await);
    let calls = round.published as f64;
    let times_us = sorted(&round.times_us);
    measured.calls_per_s.push(calls / round.time.as_secs_f64());
    measured.p50_ms.push(at(&times_us, 0.5) / 1_000.0);
    measured.p99_ms.push(at(&times_us, 0.99) / 1_000.0);
    if let Some((from, to)) = cpu_s.zip(machine::cpu_s(gate.process_id())) {
        measured.cpu_us.push((to - from) * 1e6 / calls);
    }
    let after = count(gate).await;
    measured.leaves_of_commit.push((after.1 - before.1) / (after.0 - before.0));
    round.published
}

/// A round in which everything was published.
fn checked(round: Round) -> Round {
    if let Some((status, body, count)) = &round.others {
        panic!("{count} calls were not published; the first: {status} {body}");
    }
    round
}

/// Commits of the program's log, and the leaves in them, as its metrics tell.
pub async fn count(gate: &GateProcess) -> (f64, f64) {
    let log = std::fs::read_to_string(gate.log_file()).expect("the program's output");
    let address = log.lines().find_map(|line| line.strip_prefix("operator listens on ")).expect("an address");
    let text = tests::http::get(&format!("{address}/metrics"), "").await.text();
    let value = |name: &str| {
        let line =
            text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).expect("the metric is there");
        line.parse::<f64>().expect("a number")
    };
    (value("pressgate_audit_commit_leaves_count"), value("pressgate_audit_leaves_total"))
}

/// Ends the program as an operator would, after a look at one of its posts.
async fn end(mut gate: GateProcess) {
    let posts: Value = gate.get("/v1/posts").await.expect(200);
    assert_eq!(posts["posts"][0]["state"], "published", "{posts}");
    assert_eq!(gate.terminate().await, Some(0), "the program ends well");
}
