//! How long a freeze takes to answer under load through every door on two brands; after its answer nothing of the frozen brand reaches
//! the network, and the other brand sees no error.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pressgate::clock::{Clock, SystemClock};
use sample_network::{Config, Fault, Plan, Running};
use serde_json::{Value, json};
use tests::doors::{Client, DOMAIN, DOORS, Door, Listening, NAME};
use tests::harness::{Caller, Gate, GateProcess, TOKEN, network_with};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use crate::cases;
use crate::figure::{Bar, Figure};
use crate::publish::{BRANDS, SEGMENT_BYTES};

const ROUNDS: usize = 10;
/// Load of a round, of which the freeze begins in the middle.
const ROUND: Duration = Duration::from_secs(4);
const FREEZE_AFTER: Duration = Duration::from_secs(2);
/// Calls of each of the two brands: through the doors, and posts that are scheduled.
const THROUGH_DOORS_PER_S: f64 = 490.0;
const SCHEDULED_PER_S: f64 = 10.0;
/// Connections of a brand to each door.
const CONNECTIONS: u32 = 6;
/// When what is scheduled is due, and when what repeats begins.
const DUE_AFTER: SignedDuration = SignedDuration::from_millis(1_500);
/// Posts of the frozen brand that are tried again, in each round.
const RETRIED: usize = 5;
const STATUSES: &str = "/api/v1/statuses";
const FROZEN: &str = "snacks-mastodon";
const SHAKY: &str = "snacks-shaky";
const OTHER: &str = "acme-mastodon";
const SCOPE: &str = "brand:acme/snacks";
const LOCKED: u16 = 423;

/// The time from the answer to a freeze to the first request to lift it.
struct Frozen {
    from: Timestamp,
    until: Timestamp,
}

/// What a brand's clients heard.
#[derive(Default)]
struct Heard {
    good: AtomicU64,
    locked: AtomicU64,
}

/// The gateway, and who calls it.
struct Stand {
    gate: GateProcess,
    ca: String,
    mine: Running,
    shaky: Running,
    theirs: Running,
}

/// The figures of freezes.
///
/// # Panics
/// Something of the frozen brand reached the network after the answer, or a call of the other brand failed.
pub fn measure() -> Vec<Figure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let (times_ms, calls_per_s) = runtime.block_on(run());
    vec![
        Figure::of_rounds("freeze_ms", &times_ms, "ms").bar(Bar::AtMost(100.0)),
        Figure::of_rounds("freeze_calls_per_s", &calls_per_s, "calls/s"),
    ]
}

async fn run() -> (Vec<f64>, Vec<f64>) {
    let mut stand = stand().await;
    let (chief, ops) = (stand.gate.caller("person:chief-1"), stand.gate.caller("person:ops-1"));
    stand.shaky.set_fault(Plan::next(u32::MAX, "POST", STATUSES, Fault::Status { status: 503, stored: false })).await;
    let (mut times_ms, mut calls_per_s, mut times, mut attempts_after) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for round in 0..ROUNDS {
        let (mine, theirs) = (Arc::<Heard>::default(), Arc::<Heard>::default());
        let mut load = JoinSet::new();
        let start = Instant::now();
        stand.begin(FROZEN, &stand.mine, &mine, &mut load, start).await;
        stand.begin(OTHER, &stand.theirs, &theirs, &mut load, start).await;
        stand.wait_in_line(round).await;
        sleep((start + FREEZE_AFTER).saturating_duration_since(Instant::now())).await;
        let passed = mine.good.load(Relaxed) + theirs.good.load(Relaxed);
        calls_per_s.push(passed as f64 / start.elapsed().as_secs_f64());
        assert!(mine.good.load(Relaxed) > 0 && mine.locked.load(Relaxed) == 0, "there was load, and no freeze");

        let (id, time, from) = freeze(&chief).await;
        let attempts = stand.shaky.count("POST", STATUSES).await;
        times_ms.push(time.as_secs_f64() * 1_000.0);
        while let Some(ended) = load.join_next().await {
            ended.expect("the connections hold");
        }
        assert_eq!(theirs.locked.load(Relaxed), 0, "the other brand is not frozen");
        assert!(mine.locked.load(Relaxed) > 0, "the load went on");
        attempts_after += stand.shaky.count("POST", STATUSES).await - attempts;
        times.push(Frozen { from, until: SystemClock.now() });
        lift(&chief, &id, "lift-asked").await;
        lift(&ops, &id, "lifted").await;
    }
    let after: usize = stand.mine.timeline().await.iter().filter(|status| within(status, &times)).count();
    assert_eq!((after, attempts_after), (0, 0), "effects of the frozen brand after the answer");
    assert_eq!(stand.gate.terminate().await, Some(0), "the program ends well");
    (times_ms, calls_per_s)
}

async fn stand() -> Stand {
    let folder = crate::summary::path().with_file_name("data");
    std::fs::create_dir_all(&folder).expect("a folder for the data");
    let network = async || network_with(Config { rate_limit: u32::MAX, ..Config::default() }).await;
    let (mine, shaky, theirs) = (network().await, network().await, network().await);
    let secrets = || vec![("token".to_owned(), TOKEN.to_owned())];
    let named = |net: &Running| net.url.replace("127.0.0.1", NAME);
    let port = "\"127.0.0.1:0\"";
    let gate = Gate::new()
        .within(&folder)
        .account_on("mastodon", "acme/snacks", FROZEN, &named(&mine), "token", secrets())
        .account_on("mastodon", "acme/snacks", SHAKY, &named(&shaky), "token", secrets())
        .account_on("mastodon", "acme", OTHER, &named(&theirs), "token", secrets())
        .guidelines(&cases::guidelines())
        .govern(|governance| {
            governance.file("brands.toml", BRANDS);
        })
        .setting("audit.segment_bytes", SEGMENT_BYTES)
        .setting("limits.calls_per_minute", "6000000")
        .setting("limits.burst", "1000000")
        .setting("native.domain", &format!("{DOMAIN:?}"))
        .setting(&format!("native.listeners.{FROZEN}"), port)
        .setting(&format!("native.listeners.{OTHER}"), port)
        .forward()
        .spawn()
        .await;
    operator(&gate, &["ca", "init"]).await;
    let ca = operator(&gate, &["ca", "export"]).await;
    Stand { gate, ca, mine, shaky, theirs }
}

/// A command with an operator's key.
async fn operator(gate: &GateProcess, line: &[&str]) -> String {
    let run = tokio::process::Command::new(tests::harness::built::program())
        .args(line)
        .env("PRESSGATE_OPERATOR_KEY", gate.site.key("person:ops-1"))
        .current_dir(gate.site.folder())
        .stdin(Stdio::null())
        .output();
    let output = run.await.expect("the program runs");
    assert!(output.status.success(), "{line:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

impl Stand {
    /// The load of one brand, for a round.
    async fn begin(&self, account: &str, net: &Running, heard: &Arc<Heard>, load: &mut JoinSet<()>, start: Instant) {
        let client = Client {
            listening: Listening::read(&self.gate.site.path("data")),
            key: self.gate.site.key("app:newsroom").to_owned(),
            account: account.to_owned(),
            network: net.url.replace("http://127.0.0.1", NAME),
            ca: self.ca.clone(),
        };
        let connections = CONNECTIONS * u32::try_from(DOORS.len()).expect("a few");
        let every = Duration::from_secs_f64(f64::from(connections) / THROUGH_DOORS_PER_S);
        for number in 0..connections {
            let door = DOORS[number as usize % DOORS.len()];
            let mut connection = client.connect(door).await;
            let heard = Arc::clone(heard);
            load.spawn(async move {
                // The connections take turns; who is late does not catch up in a burst.
                let mut pace = interval_at(start + every * number / connections, every);
                pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
                for call in 0.. {
                    pace.tick().await;
                    if start.elapsed() > ROUND {
                        return;
                    }
                    let text = format!("Nové chipsy z Vysočiny jsou v obchodech. {door:?} {number}.{call} Váš Acme");
                    let (status, body) = connection.say(&text).await;
                    heard.of(status, door, &body);
                }
            });
        }
        let (newsroom, heard, account) = (self.gate.caller("app:newsroom"), Arc::clone(heard), account.to_owned());
        load.spawn(async move { schedule(&newsroom, &account, &heard, start).await });
    }

    /// Posts that are tried again and again, and one that repeats on each brand.
    async fn wait_in_line(&self, round: usize) {
        let newsroom = self.gate.caller("app:newsroom");
        for number in 0..RETRIED {
            let body = json!({"accounts": [SHAKY], "content": {"text": format!("Znovu {round}.{number} Váš Acme"), "language": "cs"}});
            newsroom.post("/v1/posts", &body).await.expect(202);
        }
        for account in [FROZEN, OTHER] {
            let local = (SystemClock.now() + DUE_AFTER).strftime("%Y-%m-%dT%H:%M:%S").to_string();
            let text = format!("Dobré ráno {round} Váš Acme");
            let mut body = json!({"accounts": [account], "content": {"text": text, "language": "cs"}});
            body["schedule"] = json!({"local": local, "zone": "UTC", "rule": "FREQ=DAILY;COUNT=2"});
            newsroom.post("/v1/posts", &body).await.expect(202);
        }
    }
}

impl Heard {
    fn of(&self, status: u16, door: Door, body: &[u8]) {
        match status {
            200..=202 => self.good.fetch_add(1, Relaxed),
            LOCKED => self.locked.fetch_add(1, Relaxed),
            _ => panic!("{door:?}: {status} {}", String::from_utf8_lossy(body)),
        };
    }
}

async fn schedule(newsroom: &Caller, account: &str, heard: &Heard, start: Instant) {
    let mut pace = interval_at(start, Duration::from_secs_f64(1.0 / SCHEDULED_PER_S));
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 0.. {
        pace.tick().await;
        if start.elapsed() > ROUND {
            return;
        }
        let at = (SystemClock.now() + DUE_AFTER).to_string();
        let text = format!("Podle plánu {number} Váš Acme");
        let body = json!({"accounts": [account], "content": {"text": text, "language": "cs"}, "schedule": {"at": at}});
        let made = newsroom.post("/v1/posts", &body).await;
        heard.of(made.status, Door::Posts, &made.body);
    }
}

/// Freezes under load; gives the freeze, how long its answer took, and when it was there.
async fn freeze(chief: &Caller) -> (String, Duration, Timestamp) {
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
