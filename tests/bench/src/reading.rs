//! How long a search of a log of a million records takes, by actor and time, through the API of the program itself, while it
//! publishes 1,000 posts a second; and how fast the index is made of that log.

use std::sync::Arc;
use std::time::Duration;

use pressgate::audit::{Leaf, leaf};
use pressgate::clock::{Clock, SystemClock};
use sample_network::Config;
use serde_json::Value;
use tests::harness::{Caller, Gate, GateProcess, network_with};
use tokio::time::Instant;

use crate::cases;
use crate::figure::{Bar, Figure};
use crate::load::App;
use crate::rounds::{at, sorted};

/// Records of the log.
const RECORDS: u64 = 1_000_000;
/// Records of one commit: under the 1 MiB that a batch takes.
const BATCH: u64 = 1_000;
/// Time between two records, in milliseconds: the log is of about eleven days.
const APART_MS: i64 = 1_000;
const ACTORS: u64 = 200;
const ACCOUNTS: u64 = 50;
/// What is written meanwhile.
const CALLS_PER_S: f64 = 1_000.0;
const CONNECTIONS: usize = 64;
const WARM_UP: Duration = Duration::from_secs(3);
/// Before anything is written.
const QUIET: Duration = Duration::from_secs(5);
const TIME: Duration = Duration::from_secs(20);
/// Between two searches.
const PAUSE: Duration = Duration::from_millis(20);
/// The window of time that is searched, in milliseconds: a day.
const WINDOW_MS: i64 = 24 * 3_600 * 1_000;
const ACCOUNT: &str = "acme-mastodon";

/// The figures of reading the log.
///
/// # Panics
/// An answer is not what it should be.
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
        .govern(|governance| {
            governance.auditor("soc", "app:agency", &["audit:read"], None);
        })
        .setting("audit.segment_bytes", "67108864")
        .spawn()
        .await;
    assert_eq!(gate.terminate().await, Some(0), "the program ends well");
    let begin_ms = SystemClock.now().as_millisecond() - i64::try_from(RECORDS).unwrap_or(0) * APART_MS;
    let end = fill(&gate, begin_ms).await;

    let verify_s = verified(&gate).await;
    let start = Instant::now();
    gate.restart().await;
    let restart_s = start.elapsed().as_secs_f64();
    let auditor = gate.caller("app:agency");
    let start = Instant::now();
    let already = reached(&auditor).await;
    while reached(&auditor).await < end {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let index_per_s = end.saturating_sub(already) as f64 / start.elapsed().as_secs_f64();
    println!("{RECORDS} records: the program answers after {restart_s:.1} s, the index takes {index_per_s:.0}/s");

    let address = gate.url.trim_start_matches("http://").parse().expect("an address");
    let app = Arc::new(App::new(address, gate.site.key("app:newsroom"), ACCOUNT, cases::posts()));
    let (quiet_ms, _) = search_until(&auditor, begin_ms, Instant::now() + QUIET).await;
    app.post_at(CALLS_PER_S, WARM_UP, CONNECTIONS).await;
    let load = tokio::spawn({
        let app = Arc::clone(&app);
        async move { app.post_at(CALLS_PER_S, TIME, CONNECTIONS).await }
    });
    let (times_ms, lag_most) = search_until(&auditor, begin_ms, Instant::now() + TIME).await;
    let round = load.await.expect("the load ends");
    if let Some((status, body, count)) = &round.others {
        println!("{count} calls were not published; the first: {status} {body}");
    }
    let calls_per_s = round.published as f64 / round.time.as_secs_f64();
    println!(
        "{} searches beside {calls_per_s:.0} calls/s; the index was at most {lag_most} leaves behind",
        times_ms.len()
    );
    assert_eq!(gate.terminate().await, Some(0), "the program ends well");
    let times_ms = sorted(&times_ms);
    vec![
        Figure::once("audit_search_p99_ms", at(&times_ms, 0.99), "ms").bar(Bar::Below(100.0)),
        Figure::once("audit_search_p50_ms", at(&times_ms, 0.5), "ms"),
        Figure::once("audit_search_quiet_p99_ms", at(&sorted(&quiet_ms), 0.99), "ms"),
        Figure::once("audit_search_beside_calls_per_s", calls_per_s, "calls/s").bar(Bar::AtLeast(CALLS_PER_S * 0.99)),
        Figure::once("audit_restart_1m_s", restart_s, "s").bar(Bar::Below(1.0)),
        Figure::once("audit_verify_1m_s", verify_s, "s").bar(Bar::Below(6.0)),
        Figure::once("audit_index_leaves_per_s", index_per_s, "leaves/s").bar(Bar::AtLeast(5_000.0)),
    ]
}

/// Writes the log through the log's own writer, as if the records knew of it.
async fn fill(gate: &GateProcess, begin_ms: i64) -> u64 {
    let stores = gate.site.stores().await;
    let first = stores.audit.next_index();
    for batch in 0..RECORDS / BATCH {
        let numbers = batch * BATCH..(batch + 1) * BATCH;
        let leaves = numbers.map(|number| record(first, number, begin_ms)).collect();
        stores.audit.append_all(leaves).await.expect("written");
    }
    let end = stores.audit.next_index();
    stores.records.apply_leaves(end, Vec::new()).await.expect("noted");
    stores.audit.close();
    end
}

/// How long the program's own verification of the log takes, in seconds.
async fn verified(gate: &GateProcess) -> f64 {
    let config = gate.site.config();
    let key = std::fs::read_to_string(&config.audit.signing_key).expect("the key");
    let key = pressgate_audit::note::Signer::parse(&key).expect("a key").verifier().to_string();
    let dir = config.audit.dir.to_string_lossy().into_owned();
    let start = Instant::now();
    let (code, _, told) = gate.command(&["audit", "verify", &dir, "--key", &key]).await;
    let time_s = start.elapsed().as_secs_f64();
    assert_eq!(code, Some(0), "{told}");
    time_s
}

/// Who does what in a record.
struct Deed {
    number: u64,
    app: String,
    editor: String,
    key: String,
    account: String,
    brand: String,
    post: String,
    digest: String,
}

/// Nine of twenty an intent, the next its outcome; two refusals.
fn record(first: u64, number: u64, begin_ms: i64) -> Leaf {
    // Numbers that follow each other are of different actors, and of the same in an intent and its outcome.
    let mixed = (number / 2).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let (actor, account) = (mixed % ACTORS, (mixed / ACTORS) % ACCOUNTS);
    let deed = Deed {
        number,
        app: format!("app-{actor:03}"),
        editor: format!("editor-{}", mixed % 30),
        key: format!("K{actor:011}"),
        account: format!("account-{account:02}"),
        brand: format!("acme/b{}", account % 10),
        post: format!("post_{mixed:032x}"),
        digest: format!("{:064x}", mixed.wrapping_mul(0x0123_4567_89ab_cdef)),
    };
    let at_ms = begin_ms + i64::try_from(number).unwrap_or(0) * APART_MS;
    match number % 20 {
        18 | 19 => Leaf::new(at_ms, deed.refused()),
        even if even % 2 == 0 => Leaf::new(at_ms, deed.intent()),
        _ => Leaf::new(at_ms, deed.outcome(first + number - 1)),
    }
}

impl Deed {
    fn refused(self) -> leaf::Refused {
        leaf::Refused {
            stage: "authorise".into(),
            problem: "no-grant".into(),
            app: Some(self.app),
            key: Some(self.key),
            account: Some(self.account),
            brand: Some(self.brand),
            action: Some("post.create".into()),
            ..leaf::Refused::default()
        }
    }

    fn intent(self) -> leaf::Intent {
        let verdict = leaf::VerdictNote {
            policy: "house-rules".into(),
            plugin: "guidelines 0.1.0".into(),
            plugin_digest: self.digest.clone(),
            outcome: "allow".into(),
            codes: Vec::new(),
        };
        leaf::Intent {
            post: self.post,
            account: self.account,
            action: "post.create".into(),
            step: "part-0".into(),
            attempt: 1,
            effect_kind: leaf::EffectKind::Effect,
            safety: "native-key".into(),
            app: Some(self.app),
            person: None,
            on_behalf_of: Some(self.editor),
            key: self.key,
            grant: "newsroom-all".into(),
            content_digest: self.digest.clone(),
            post_digest: Some(self.digest.clone()),
            request_digest: self.digest.clone(),
            brand: Some(self.brand),
            door: Some("publish".into()),
            session: None,
            commitments: Vec::new(),
            adapter: "mastodon 0.1.0".into(),
            adapter_digest: self.digest,
            verdicts: vec![verdict],
            approvals: Vec::new(),
        }
    }

    fn outcome(self, intent: u64) -> leaf::Outcome {
        leaf::Outcome {
            intent,
            post: self.post,
            account: self.account,
            brand: Some(self.brand),
            action: Some("post.create".into()),
            step: "part-0".into(),
            result: leaf::OutcomeResult::Answered,
            status: Some(200),
            response_digest: Some(self.digest),
            target_state: Some("published".into()),
            platform_ids: vec![(110_000_000_000_000_000 + self.number).to_string()],
            recovered: false,
        }
    }
}

/// So many leaves can be found.
async fn reached(auditor: &Caller) -> u64 {
    let answer = auditor.get("/v1/audit?limit=1&kind=recovery").await;
    if answer.status == 503 {
        return 0;
    }
    answer.expect(200)["indexed_through"].as_u64().map_or(0, |last| last + 1)
}

/// Searches for another actor in another day each time; milliseconds of each, and the most that the index was behind.
async fn search_until(auditor: &Caller, begin_ms: i64, until: Instant) -> (Vec<f64>, u64) {
    let days = (i64::try_from(RECORDS).unwrap_or(0) * APART_MS - WINDOW_MS) / 1_000;
    let (mut times_ms, mut lag_most) = (Vec::new(), 0);
    for number in 0_u64.. {
        if Instant::now() >= until {
            break;
        }
        let from_ms = begin_ms + i64::try_from(number * 7_919).unwrap_or(0) % days * 1_000;
        let time = |at_ms| jiff::Timestamp::from_millisecond(at_ms).expect("a time");
        let (from, to) = (time(from_ms), time(from_ms + WINDOW_MS));
        let path = format!("/v1/audit?actor=app:app-{:03}&from={from}&to={to}&limit=50", number * 13 % ACTORS);
        let start = Instant::now();
        let page: Value = auditor.get(&path).await.expect(200);
        times_ms.push(start.elapsed().as_secs_f64() * 1_000.0);
        let found = page["items"].as_array().map_or(0, Vec::len);
        assert_eq!(found, 50, "a day of an actor has more than a page: {path}");
        let last = |name: &str| page[name].as_u64().unwrap_or(0);
        lag_most = lag_most.max(last("logged_through").saturating_sub(last("indexed_through")));
        tokio::time::sleep(PAUSE).await;
    }
    (times_ms, lag_most)
}
