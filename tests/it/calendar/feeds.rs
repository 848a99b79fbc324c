//! Feeds for calendar programs: read without a key, as their maker may read at that moment, until they are revoked or end.

use std::sync::Arc;

use bytes::Bytes;
use jiff::SignedDuration;
use pressgate::audit::{Event, leaf};
use pressgate::clock::{Clock, ManualClock};
use pressgate::model::KeyId;
use pressgate_calendar::{Zone, ics};
use serde_json::{Value, json};
use tests::harness::{Gate, GateProcess, Running, gate, network, problem};
use tests::http::{self, Answer};

use crate::samples::{id, post};

const ACCOUNT: &str = "acme-mastodon";
const FEEDS: &str = "/v1/calendar/feeds";
const READER: &str = "person:editor-8";
const GRANT: &str = "reader-reads";

async fn open(net: &sample_network::Running) -> (Running, Arc<ManualClock>) {
    let clock = gate::clock();
    let plan = Gate::new().account(ACCOUNT, net).clock(&clock);
    (plan.grant(GRANT, READER, "brand:acme", &["post.read"]).start().await, clock)
}

/// A post of the newsroom's that is due in an hour.
async fn planned(gate: &Running, text: &str) -> String {
    let mut body = post(ACCOUNT, text);
    body["schedule"] = json!({"at": (gate.gateway().clock.now() + SignedDuration::from_hours(1)).to_string()});
    id(&gate.publish(&body).await.expect(202))
}

async fn feed(gate: &Running, who: &str, wish: Value) -> (String, String) {
    let made = gate.caller(who).post(FEEDS, &wish).await;
    assert_eq!(made.header("cache-control"), Some("no-store"));
    parts(&made.expect(201))
}

/// Id and path of a new feed.
fn parts(made: &Value) -> (String, String) {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    (text(&made["feed"]["id"]), text(&made["url"]))
}

/// As a calendar program reads: without a key.
async fn read(gate: &Running, path: &str) -> Answer {
    http::call("GET", &format!("{}{path}", gate.url), &[], Bytes::new()).await
}

#[track_caller]
fn events(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("text/calendar; charset=utf-8"));
    let read = ics::read(answer.text().as_bytes(), &Zone::utc()).expect("a calendar");
    read.events.into_iter().map(|event| event.summary).collect()
}

/// All that opens nothing is answered alike; gives the answer.
#[track_caller]
fn nothing(answer: &Answer) -> (Vec<(String, String)>, Bytes) {
    problem(answer, "not-found");
    let headers = answer.headers.iter().filter(|(name, _)| name != "date").cloned().collect();
    (headers, answer.body.clone())
}

fn changes(leaves: Vec<leaf::Leaf>) -> Vec<(String, String, String)> {
    let change = |event| match event {
        Event::Change(leaf::Change { what: leaf::Changed::Feed, action, subject, by, .. }) => {
            Some((action, subject, by))
        }
        _ => None,
    };
    leaves.into_iter().filter_map(|leaf| change(leaf.event)).collect()
}

#[tokio::test]
async fn a_program_without_a_key_reads_what_the_maker_reads_until_it_is_revoked() {
    let net = network().await;
    let (gate, clock) = open(&net).await;
    planned(&gate, "launch").await;
    let (id, path) = feed(&gate, READER, json!({})).await;
    let secret = path.strip_prefix("/calendar/").and_then(|rest| rest.strip_suffix(".ics")).expect("an address");
    assert!(secret.len() == 43 && secret.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{secret}");
    let before = gate.leaves().len();
    let answer = read(&gate, &path).await;
    assert_eq!(events(&answer), ["launch (scheduled)"]);
    let with_key = gate.caller(READER).get("/v1/calendar.ics").await;
    assert_eq!(answer.body, with_key.body, "the same as with a key");
    for (name, value) in [
        ("cache-control", "private, no-cache"),
        ("referrer-policy", "no-referrer"),
        ("x-robots-tag", "noindex"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(answer.header(name), Some(value));
    }
    let url = format!("{}{path}", gate.url);
    let head = http::call("HEAD", &url, &[], "").await;
    assert_eq!((head.status, head.body.len(), head.header("etag")), (200, 0, answer.header("etag")));
    // What did not change is not sent again; what did is.
    let tag = answer.header("etag").expect("a tag").to_owned();
    assert!(tag.starts_with('"'), "strong: {tag}");
    let same = http::call("GET", &url, &[("if-none-match", &tag)], "").await;
    assert_eq!((same.status, same.body.len(), same.header("etag")), (304, 0, Some(tag.as_str())));
    planned(&gate, "another").await;
    let changed = http::call("GET", &url, &[("if-none-match", &tag)], "").await;
    assert_eq!(events(&changed).len(), 2);
    // It reads, and nothing else.
    for method in ["POST", "PUT", "DELETE"] {
        problem(&http::call(method, &url, &[], "").await, "method-not-allowed");
    }
    problem(&gate.caller_with(secret).get("/v1/calendar").await, "unauthenticated");
    let read_leaves = gate.leaves().into_iter().skip(before).filter(|leaf| matches!(leaf.event, Event::Refused(_)));
    assert_eq!(read_leaves.count(), 0, "reads are counted, not logged");
    assert_eq!(gate.gateway().counters.feeds_served.get(), 4);
    // Its last use is kept by the hour.
    let hour = |seconds: i64| seconds - seconds % 3_600;
    let used = |listed: &Value| -> i64 {
        let at: jiff::Timestamp = listed["feeds"][0]["last_used_at"].as_str().expect("a time").parse().expect("a time");
        at.as_second()
    };
    let first = used(&gate.caller(READER).get(FEEDS).await.expect(200));
    assert_eq!(first, hour(clock.now().as_second()));
    clock.advance(SignedDuration::from_hours(2));
    read(&gate, &path).await;
    assert_eq!(used(&gate.caller(READER).get(FEEDS).await.expect(200)), first + 7_200);
    gate.caller(READER).delete(&format!("{FEEDS}/{id}")).await.expect(200);
    let unknown = nothing(&read(&gate, &format!("/calendar/{}.ics", "a".repeat(43))).await);
    assert_eq!(nothing(&read(&gate, &path).await), unknown, "nobody can tell it from one that never was");
    let change = |action: &str| (action.to_owned(), format!("{READER}/{id}"), "editor-8".to_owned());
    assert_eq!(changes(gate.leaves()), [change("create"), change("revoke")]);
}

#[tokio::test]
async fn a_feed_is_its_makers_alone() {
    let net = network().await;
    let (gate, _clock) = open(&net).await;
    let (id, path) = feed(&gate, READER, json!({"name": "At home", "account": ACCOUNT, "expires_in_days": 7})).await;
    let own = gate.caller(READER).get(FEEDS).await.expect(200);
    let [shown] = own["feeds"].as_array().expect("feeds").as_slice() else { panic!("{own}") };
    assert_eq!((&shown["id"], &shown["name"], &shown["account"]), (&json!(id), &json!("At home"), &json!(ACCOUNT)));
    assert!(!own.to_string().contains("/calendar/"), "its address is told once");
    for other in ["app:newsroom", "person:editor-7", "person:ops-1"] {
        let other = gate.caller(other);
        assert_eq!(other.get(FEEDS).await.expect(200)["feeds"], json!([]));
        problem(&other.delete(&format!("{FEEDS}/{id}")).await, "not-found");
    }
    for path in [FEEDS.to_owned(), format!("{FEEDS}/{id}")] {
        let method = if path == FEEDS { "GET" } else { "DELETE" };
        problem(&http::call(method, &format!("{}{path}", gate.url), &[], "").await, "unauthenticated");
    }
    assert_eq!(events(&read(&gate, &path).await), Vec::<String>::new());
    assert!(read(&gate, &path).await.text().contains("X-WR-CALNAME:At home\r\n"));
    // An app has feeds of its own.
    planned(&gate, "ours").await;
    let (_, ours) = feed(&gate, "app:newsroom", json!({"account": ACCOUNT})).await;
    assert_eq!(events(&read(&gate, &ours).await), ["ours (scheduled)"]);
}

#[tokio::test]
async fn a_wish_that_can_not_be_is_refused_and_there_are_at_most_twenty() {
    let net = network().await;
    let (gate, clock) = open(&net).await;
    for (bad, pointer) in [
        (json!({"account": "nobody"}), "/account"),
        (json!({"name": "<b>"}), "/name"),
        (json!({"name": ""}), "/name"),
        (json!({"expires_in_days": 0}), "/expires_in_days"),
        (json!({"expires_in_days": 366}), "/expires_in_days"),
    ] {
        let told = problem(&gate.caller(READER).post(FEEDS, &bad).await, "invalid-request");
        assert_eq!(told["errors"][0]["pointer"], pointer);
    }
    // Who neither reads nor writes there learns nothing of an account.
    let told = problem(&gate.caller("person:ops-1").post(FEEDS, &json!({"account": ACCOUNT})).await, "invalid-request");
    assert_eq!(told["errors"][0]["code"], "unknown-account");
    for _ in 0..20 {
        feed(&gate, READER, json!({"expires_in_days": 1})).await;
    }
    problem(&gate.caller(READER).post(FEEDS, &json!({})).await, "invalid-request");
    clock.advance(SignedDuration::from_hours(24));
    feed(&gate, READER, json!({})).await;
    assert_eq!(gate.caller(READER).get(FEEDS).await.expect(200)["feeds"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn what_the_maker_loses_the_feed_loses() {
    let net = network().await;
    let (mut gate, _clock) = open(&net).await;
    planned(&gate, "launch").await;
    let (_, path) = feed(&gate, READER, json!({})).await;
    assert_eq!(events(&read(&gate, &path).await).len(), 1);
    let whole = gate.governance.clone();
    let mut less = whole.clone();
    less.revoke(GRANT);
    gate.apply(less).await;
    assert_eq!(events(&read(&gate, &path).await), Vec::<String>::new(), "no grant, nothing shown");
    gate.apply(whole.clone()).await;
    assert_eq!(events(&read(&gate, &path).await).len(), 1);
    // Who left the company reads nothing, and gets no calendar either.
    let mut without = whole.clone();
    let people = whole.files()["people.toml"].replace("[[person]]\nid = \"editor-8\"\nroles = [\"author\"]\n", "");
    without.revoke(GRANT).file("people.toml", &people);
    gate.apply(without).await;
    nothing(&read(&gate, &path).await);
}

#[tokio::test]
async fn a_feed_ends_after_a_year_or_when_its_maker_said() {
    let net = network().await;
    let (gate, clock) = open(&net).await;
    let (_, path) = feed(&gate, "app:newsroom", json!({})).await;
    let (_, brief) = feed(&gate, "app:newsroom", json!({"expires_in_days": 1})).await;
    clock.advance(SignedDuration::from_hours(24) - SignedDuration::from_secs(1));
    assert_eq!(read(&gate, &brief).await.status, 200);
    clock.advance(SignedDuration::from_secs(1));
    nothing(&read(&gate, &brief).await);
    clock.advance(SignedDuration::from_hours(24 * 364) - SignedDuration::from_secs(1));
    assert_eq!(read(&gate, &path).await.status, 200);
    clock.advance(SignedDuration::from_secs(1));
    nothing(&read(&gate, &path).await);
}

#[tokio::test]
async fn a_feed_ends_with_its_key() {
    let net = network().await;
    let (gate, clock) = open(&net).await;
    let now = clock.now();
    // An operator's end of a key is that of its feeds.
    let end = now + SignedDuration::from_hours(24 * 30);
    let (key, key_id) = gate.fresh_key("newsroom", Some(end)).await;
    let made = gate.caller_with(&key).post(FEEDS, &json!({})).await.expect(201);
    assert_eq!(made["feed"]["expires_at"], end.to_string());
    let (_, path) = parts(&made);
    assert_eq!(read(&gate, &path).await.status, 200);
    revoke(&gate, &key_id).await;
    nothing(&read(&gate, &path).await);
}

async fn revoke(gate: &Running, key: &KeyId) {
    let gateway = gate.gateway();
    let revoked = gateway.keys.revoke(gateway.records.as_ref(), key, gateway.clock.now()).await;
    assert!(revoked.expect("revoked"));
}

#[tokio::test]
async fn a_wrong_address_opens_nothing_and_who_tries_many_waits() {
    let net = network().await;
    let (gate, clock) = open(&net).await;
    let (id, path) = feed(&gate, READER, json!({})).await;
    let bare = path.strip_suffix(".ics").expect("an address").to_owned();
    let mut bad: Vec<String> = ["x", "%00", "%ff", "..%2f..", "a'%20OR%20'1'='1", ".ics", "%F0%9F%90%8E.ics"]
        .iter()
        .map(|text| format!("/calendar/{text}"))
        .collect();
    bad.extend([
        bare.clone(),
        format!("{bare}.ICS"),
        format!("{bare}.ics.ics"),
        path.to_uppercase().replace("/CALENDAR", "/calendar"),
    ]);
    bad.extend([format!("/calendar/{id}.ics"), format!("/calendar/{}.ics", "a".repeat(6_000)), format!("{bare}x.ics")]);
    let first = nothing(&read(&gate, &format!("/calendar/{}.ics", "b".repeat(43))).await);
    for bad in &bad {
        assert_eq!(nothing(&read(&gate, bad).await), first, "{bad}");
    }
    assert_eq!(read(&gate, &path).await.status, 200, "a few wrong ones keep nobody out");
    for _ in bad.len() + 1..30 {
        nothing(&read(&gate, "/calendar/x.ics").await);
    }
    let wait = read(&gate, &path).await;
    problem(&wait, "rate-limited");
    assert_eq!(wait.header("retry-after"), Some("60"));
    assert_eq!(read(&gate, "/approve/x").await.status, 404, "who waits for a calendar still approves");
    clock.advance(SignedDuration::from_mins(1));
    assert_eq!(read(&gate, &path).await.status, 200);
}

#[tokio::test]
async fn whoever_has_the_address_takes_nothing_from_the_makers_allowance() {
    let net = network().await;
    let (plan, clock) = (Gate::new().account(ACCOUNT, &net), gate::clock());
    let plan = plan.setting("limits.calls_per_minute", "60").setting("limits.burst", "3").clock(&clock);
    let gate = plan.start().await;
    let (_, path) = feed(&gate, READER, json!({})).await;
    for _ in 0..3 {
        assert_eq!(read(&gate, &path).await.status, 200);
    }
    let told = read(&gate, &path).await;
    problem(&told, "rate-limited");
    assert!(told.header("retry-after").is_some());
    gate.caller(READER).get("/v1/calendar").await.expect(200);
    clock.advance(SignedDuration::from_secs(1));
    assert_eq!(read(&gate, &path).await.status, 200);
}

/// Runs a command of somebody's with the program.
fn run(gate: &GateProcess, who: &str, line: &str) -> Value {
    let output = std::process::Command::new(tests::harness::built::program())
        .args(line.split(' '))
        .arg("--json")
        .current_dir(gate.site.folder())
        .env_remove("PRESSGATE_OPERATOR_KEY")
        .env("PRESSGATE_KEY", gate.site.key(who))
        .output()
        .expect("the program runs");
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_makes_lists_and_revokes_and_the_secret_lies_nowhere() {
    let net = network().await;
    let gate = Gate::new().account(ACCOUNT, &net).setting("log.filter", "\"trace\"").spawn().await;
    let made = run(&gate, READER, "calendar feed create --name home --expires-in-days 30");
    let (id, path) = parts(&made);
    let url = format!("{}{path}", gate.url);
    let answer = http::call("GET", &url, &[], "").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(http::call("POST", &url, &[], "").await.status, 405);
    assert_eq!(http::call("GET", &format!("{url}/more"), &[], "").await.status, 404);
    let listed = run(&gate, READER, "calendar feed list");
    assert_eq!((&listed["feeds"][0]["id"], &listed["feeds"][0]["name"]), (&json!(id), &json!("home")));
    // While it works, so that nothing has gone yet; the log file has all that it wrote.
    let secret = path.split('/').next_back().and_then(|file| file.strip_suffix(".ics")).expect("a secret").as_bytes();
    let mut looked = 0;
    let mut folders = vec![gate.site.folder().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if let Ok(bytes) = std::fs::read(&entry) {
                assert!(!bytes.windows(secret.len()).any(|part| part == secret), "in {}", entry.display());
                looked += usize::from(bytes.windows(id.len()).any(|part| part == id.as_bytes()));
            }
        }
    }
    assert!(looked >= 2, "its id is in the records and in the log of audits");
    assert!(gate.log_file().exists());
    run(&gate, READER, &format!("calendar feed revoke {id}"));
    assert_eq!(http::call("GET", &url, &[], "").await.status, 404);
}
