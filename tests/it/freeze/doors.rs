//! A freeze under load that comes by every way at once. What left is told by the networks' own records.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::Method;
use jiff::Timestamp;
use pressgate::clock::{Clock, SystemClock};
use sample_network::{Fault, Plan, Recorded};
use serde_json::{Value, json};
use tests::doors::{Client, DOMAIN, DOORS, Door, Listening, NAME};
use tests::harness::{Caller, Gate, GateProcess, TOKEN, network, until};
use tokio::task::JoinSet;

use super::{FROZEN, OTHER, labelled};
use crate::samples::{STATUSES, id, post};

/// Posts on these are answered with 503 at first, so that they are tried again.
const FROZEN_SHAKY: &str = "snacks-shaky";
const OTHER_SHAKY: &str = "drinks-shaky";
/// Posts that are tried again, for each brand.
const RETRIED: u32 = 6;
/// Posts that repeat, for each brand: each begins two seconds after the one before.
const RECURRING: i64 = 12;
/// Between two posts that are scheduled.
const SCHEDULE_EVERY: Duration = Duration::from_millis(150);
/// What is said by way of the scheduler.
const DUE: &str = "due";
const AGAIN: &str = "again";
/// Label of a statement that a person approves.
const STATEMENT: &str = "statement";
const READS: [&str; 3] = ["timeline.read", "inbox.read", "profile.read"];
const RULE: &str =
    "[[rule]]\nname = \"statements\"\nlabels = [\"statement\"]\nstages = [{ n = 1, people = [\"chief-1\"] }]\n";

/// One brand's side: its network, its posts, and what its clients hear.
struct Side {
    account: &'static str,
    shaky: &'static str,
    network: sample_network::Running,
    shaky_network: sample_network::Running,
}

/// What clients of a side heard.
#[derive(Default)]
struct Heard {
    stop: AtomicBool,
    refused: AtomicUsize,
    errors: Mutex<Vec<String>>,
    /// Posts that wait for their time or for another attempt.
    waiting: Mutex<Vec<String>>,
}

impl Side {
    async fn new(account: &'static str, shaky: &'static str) -> Self {
        Self { account, shaky, network: network().await, shaky_network: network().await }
    }

    fn add_to(&self, gate: Gate, brand: &str) -> Gate {
        let secrets = || vec![("token".to_owned(), TOKEN.to_owned())];
        let named = |net: &sample_network::Running| net.url.replace("127.0.0.1", NAME);
        gate.account_on("mastodon", brand, self.account, &named(&self.network), "token", secrets())
            .account_on("mastodon", brand, self.shaky, &named(&self.shaky_network), "token", secrets())
            .setting(&format!("native.listeners.{}", self.account), "\"127.0.0.1:0\"")
    }

    fn client(&self, gate: &GateProcess, ca: &str) -> Client {
        Client {
            listening: Listening::read(&gate.site.path("data")),
            key: gate.site.key("app:newsroom").to_owned(),
            account: self.account.to_owned(),
            network: self.network.url.replace("http://127.0.0.1", NAME),
            ca: ca.to_owned(),
        }
    }

    /// How many texts stand on the network, by the way that they came.
    async fn by_way(&self) -> BTreeMap<String, usize> {
        let mut ways = BTreeMap::new();
        for status in self.network.timeline().await {
            let way = status["text"].as_str().expect("a text").split(' ').next().expect("a word").to_owned();
            *ways.entry(way).or_default() += 1;
        }
        ways
    }

    /// Waits until so many more than before came by each door and by the scheduler, and one that repeats.
    async fn until_more(&self, before: &BTreeMap<String, usize>, more: usize) {
        let ways: Vec<_> = DOORS.iter().map(|door| format!("{door:?}")).chain([DUE.to_owned()]).collect();
        let what = format!("{}: {more} more by each of {ways:?}, and one that repeats", self.account);
        until(&what, || async {
            let now = self.by_way().await;
            let count = |ways: &BTreeMap<String, usize>, way: &str| ways.get(way).copied().unwrap_or_default();
            let came = |way: &str| count(&now, way) - count(before, way);
            (ways.iter().all(|way| came(way) >= more) && came(AGAIN) >= 1).then_some(())
        })
        .await;
    }
}

impl Heard {
    fn of(&self, status: u16, what: &str, body: &[u8]) {
        match status {
            200..=202 => {}
            423 => drop(self.refused.fetch_add(1, Relaxed)),
            _ => {
                let text = format!("{what}: {status} {}", String::from_utf8_lossy(body));
                self.errors.lock().expect("no panic").push(text);
            }
        }
    }

    fn waits(&self, post: &Value) {
        self.waiting.lock().expect("no panic").push(id(post));
    }

    fn waiting(&self) -> Vec<String> {
        self.waiting.lock().expect("no panic").clone()
    }

    fn errors(&self) -> Vec<String> {
        self.errors.lock().expect("no panic").clone()
    }
}

fn after(seconds: i64) -> Timestamp {
    Timestamp::from_second(SystemClock.now().as_second() + seconds).expect("a time")
}

/// Everything that is sent for a side until it is told to stop.
async fn begin(gate: &GateProcess, side: &Side, ca: &str, tasks: &mut JoinSet<()>) -> Arc<Heard> {
    let heard = Arc::new(Heard::default());
    let client = side.client(gate, ca);
    for door in DOORS {
        let (client, heard) = (client.clone(), Arc::clone(&heard));
        tasks.spawn(async move {
            let mut connection = client.connect(door).await;
            for call in 0.. {
                if heard.stop.load(Relaxed) {
                    return;
                }
                let (status, body) = connection.say(&format!("{door:?} {call}")).await;
                heard.of(status, &format!("{door:?}"), &body);
            }
        });
    }
    let newsroom = gate.caller("app:newsroom");
    for number in 0..RETRIED {
        let made = newsroom.post("/v1/posts", &post(side.shaky, &format!("shaky {number}"))).await.expect(202);
        heard.waits(&made);
    }
    for number in 1..=RECURRING {
        let local = after(2 * number).strftime("%Y-%m-%dT%H:%M:%S").to_string();
        let mut body = post(side.account, &format!("{AGAIN} {number}"));
        body["schedule"] = json!({"local": local, "zone": "UTC", "rule": "FREQ=DAILY;COUNT=2"});
        newsroom.post("/v1/posts", &body).await.expect(202);
    }
    let (account, heard_due) = (side.account, Arc::clone(&heard));
    tasks.spawn(async move { schedule(&newsroom, account, &heard_due).await });
    heard
}

async fn schedule(newsroom: &Caller, account: &str, heard: &Heard) {
    for number in 0.. {
        if heard.stop.load(Relaxed) {
            return;
        }
        let mut body = post(account, &format!("{DUE} {number}"));
        body["schedule"] = json!({"at": after(2).to_string()});
        let made = newsroom.post("/v1/posts", &body).await;
        heard.of(made.status, DUE, &made.body);
        if made.status == 202 {
            heard.waits(&made.json());
        }
        tokio::time::sleep(SCHEDULE_EVERY).await;
    }
}

async fn command(gate: &GateProcess, line: &str) -> String {
    let mut arguments: Vec<&str> = line.split(' ').collect();
    arguments.extend(["--key-file", "ops"]);
    let (code, out, err) = gate.command(&arguments).await;
    assert_eq!(code, Some(0), "{line}: {err}");
    out
}

async fn open(mine: &Side, theirs: &Side) -> (GateProcess, String) {
    let gate = theirs.add_to(mine.add_to(Gate::new(), "acme/snacks"), "acme/drinks");
    let gate = gate
        .grant("newsroom-reads", "app:newsroom", "brand:acme", &READS)
        .grant("careers-too", "app:careers", "brand:acme", &["post.create", "post.read"])
        .setting("limits.calls_per_minute", "6000000")
        .setting("limits.burst", "1000000")
        .setting("native.domain", &format!("{DOMAIN:?}"))
        .forward()
        .govern(|governance| {
            let limits = governance.files()["limits.toml"].clone();
            let urgent = "[urgent]\npercent = 10\nlabels = [\"holding\"]\napps = [\"newsroom\"]\n";
            governance.file("limits.toml", &format!("{limits}\n{urgent}"));
            governance.file("approvals.toml", RULE);
        })
        .spawn()
        .await;
    let file = gate.site.path("ops");
    std::fs::write(&file, gate.site.key("person:ops-1")).expect("written");
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("set");
    command(&gate, "ca init").await;
    let ca = command(&gate, "ca export").await;
    (gate, ca)
}

/// What a request would change: its method, and the text that it would publish.
fn effect(request: &Recorded) -> Option<(String, String)> {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let text = body["status"].as_str().unwrap_or_default().to_owned();
    (request.method != "GET").then(|| (request.method.clone(), text))
}

/// Before the freeze: something to delete by two doors, and a statement that was approved.
async fn prepare(gate: &GateProcess) -> (Value, Value, String) {
    let old = gate.publish(&post(FROZEN, "old")).await.expect(201);
    let native = format!("/native/{FROZEN}{STATUSES}");
    let older = gate.post(&native, &json!({"status": "older"})).await.expect(200);
    let mut prepared = post(FROZEN, "prepared");
    prepared["labels"] = json!([STATEMENT]);
    prepared["schedule"] = json!({
        "at": after(1_800).to_string(), "earliest": after(0).to_string(), "latest": after(3_600).to_string(),
    });
    let prepared = id(&gate.caller("app:careers").post("/v1/posts", &prepared).await.expect(202));
    gate.caller("person:chief-1").vote(&prepared, "approve").await.expect(200);
    (old, older, prepared)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_a_frozen_brand_leaves_by_any_way_once_the_command_has_answered() {
    let (mine, theirs) = (Side::new(FROZEN, FROZEN_SHAKY).await, Side::new(OTHER, OTHER_SHAKY).await);
    let unavailable = |times| Plan::next(times, "POST", STATUSES, Fault::Status { status: 503, stored: false });
    mine.shaky_network.set_fault(unavailable(u32::MAX)).await;
    theirs.shaky_network.set_fault(unavailable(RETRIED)).await;
    let (gate, ca) = open(&mine, &theirs).await;

    let (old, older, prepared) = prepare(&gate).await;
    let mut tasks = JoinSet::new();
    let heard = begin(&gate, &mine, &ca, &mut tasks).await;
    let other_heard = begin(&gate, &theirs, &ca, &mut tasks).await;
    for side in [&mine, &theirs] {
        side.until_more(&BTreeMap::new(), 5).await;
    }
    until("a further attempt", || async {
        (mine.shaky_network.count("POST", STATUSES).await > u64::from(RETRIED)).then_some(())
    })
    .await;

    let line = "freeze begin --brand acme/snacks --reason drill --permit-label holding --permit-label statement --json";
    let frozen: Value = serde_json::from_str(&command(&gate, line).await).expect("JSON");
    let (seen, shaky_seen) = (mine.network.requests().await.len(), mine.shaky_network.requests().await.len());
    assert_eq!(frozen["under_way"], 0, "what had left was answered: {frozen}");
    let others_at = theirs.by_way().await;

    passes(&gate, &mine.client(&gate, &ca), (&old, &older), &prepared).await;
    // The other brand goes on by every way, for long enough that what came due or was to be tried again here would have left.
    theirs.until_more(&others_at, 15).await;
    heard.stop.store(true, Relaxed);
    other_heard.stop.store(true, Relaxed);
    while let Some(ended) = tasks.join_next().await {
        ended.expect("connections hold");
    }
    until("what was to be sent is frozen", || async {
        let mut states = Vec::new();
        for post in heard.waiting() {
            states.push(gate.read(&post).await["state"].as_str().expect("a state").to_owned());
        }
        let over = states.iter().all(|state| ["published", "frozen"].contains(&state.as_str()));
        (over && states.iter().filter(|state| *state == "frozen").count() > RETRIED as usize).then_some(())
    })
    .await;

    // The networks' own records.
    let requests = mine.network.requests().await;
    let effects: Vec<_> = requests.iter().skip(seen).filter_map(effect).collect();
    let statement = |text: &str| ("POST".to_owned(), text.to_owned());
    let deletion = || ("DELETE".to_owned(), String::new());
    assert_eq!(effects, [deletion(), deletion(), statement("holding"), statement("prepared")]);
    let shaky: Vec<_> = mine.shaky_network.requests().await.iter().skip(shaky_seen).filter_map(effect).collect();
    assert_eq!(shaky, [], "no further attempts");

    assert!(heard.refused.load(Relaxed) >= DOORS.len(), "every door says that it is frozen");
    assert_eq!(heard.errors(), [""; 0], "the frozen brand hears nothing but that it is frozen");
    assert_eq!(other_heard.errors(), [""; 0], "the other brand sees no error");
    assert_eq!(other_heard.refused.load(Relaxed), 0);
    for post in other_heard.waiting() {
        gate.until_state(&post, "published").await;
    }
}

/// Reads, deletions and statements of the frozen brand.
async fn passes(gate: &GateProcess, client: &Client, (old, older): (&Value, &Value), prepared: &str) {
    let of_network = older["id"].as_str().expect("an id");
    for door in DOORS {
        let path = match door {
            Door::Posts => format!("/v1/posts/{}", id(old)),
            _ => format!("{STATUSES}/{of_network}"),
        };
        let (status, body) = client.connect(door).await.send(Method::GET, &path, String::new()).await;
        assert_eq!(status, 200, "{door:?}: {}", String::from_utf8_lossy(&body));
    }
    gate.delete(&format!("/v1/posts/{}", id(old))).await.expect(200);
    let mut tunnel = client.connect(Door::Forward).await;
    let (status, body) = tunnel.send(Method::DELETE, &format!("{STATUSES}/{of_network}"), String::new()).await;
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    gate.publish(&labelled(FROZEN, "holding")).await.expect(201);
    let at = json!({"schedule": {"at": after(1).to_string()}});
    gate.caller("app:careers").post(&format!("/v1/posts/{prepared}/schedule"), &at).await.expect(200);
    gate.until_state(prepared, "published").await;
    // Whoever puts the label on now is stopped.
    let late = gate.caller("app:careers").publish(&labelled(FROZEN, "me too")).await;
    assert_eq!(late.status, 423, "{}", late.text());
}
