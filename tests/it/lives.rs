//! The life of a post before it is out: drafts, edits, votes by rules, times, and what stops a post that waited.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pressgate::operator::wire::TrainingRequest;
use pressgate::operator::{By, Ops};
use serde_json::json;
use tests::harness::governance::FAR;
use tests::harness::{Caller, Gate, Running, gate, network, problem, until};

use crate::samples::{STATUSES, TWO, after, edit, id, launch, post, step, texts};

const ACCOUNT: &str = "acme-mastodon";
/// Time within which the worker looks for what is due.
const A_WHILE: Duration = Duration::from_millis(900);
async fn events(caller: &Caller, post: &str) -> Vec<String> {
    let told = caller.get(&format!("/v1/posts/{post}/history")).await.expect(200);
    let events = told["events"].as_array().expect("events").clone();
    events.iter().map(|event| event["event"].as_str().expect("a name").to_owned()).collect()
}

#[tokio::test]
async fn a_vote_is_told_as_one_for_the_version_it_named_however_quickly_an_edit_follows() {
    let net = network().await;
    let gate = Gate::new().account(ACCOUNT, &net).govern(|it| {
        it.file("approvals.toml", TWO);
    });
    let gate = gate.start().await;
    let chief = gate.caller("person:chief-1");
    for number in 0..15 {
        let post = id(&gate.publish(&launch(ACCOUNT, &format!("post {number}"))).await.expect(202));
        problem(&step(&chief, &post, "approve", json!({})).await, "version-needed");
        let voted = step(&chief, &post, "approve", json!({"version": 1})).await.expect(200);
        assert_eq!(voted["approvals"][0]["counts"], true);
        let edited = edit(&gate, &post, 1, &json!({"content": {"text": format!("other {number}")}})).await.expect(200);
        let vote = &edited["approvals"][0];
        assert_eq!((&vote["version"], &vote["counts"]), (&json!(1), &json!(false)), "{edited}");
    }
}

#[tokio::test]
async fn a_draft_is_edited_submitted_and_approved_by_two_who_saw_the_same_version() {
    let net = network().await;
    let gate = Gate::new().account(ACCOUNT, &net).govern(|it| {
        it.file("approvals.toml", TWO);
    });
    let gate = gate.start().await;
    let mut body = launch(ACCOUNT, "frist");
    body["draft"] = json!(true);
    let draft = gate.publish(&body).await.expect(202);
    assert_eq!((&draft["state"], &draft["version"]), (&json!("draft"), &json!(1)));
    let post = id(&draft);
    let edited = edit(&gate, &post, 1, &json!({"content": {"text": "first"}})).await;
    assert_eq!(edited.header("etag"), Some("\"2\""));
    assert_eq!(edited.expect(200)["targets"][0]["content"]["parts"][0]["text"], "first");
    problem(&edit(&gate, &post, 1, &json!({"labels": []})).await, "version-mismatch");
    assert_eq!(step(&gate, &post, "submit", json!({})).await.expect(200)["state"], "held");
    let chief = gate.caller("person:chief-1");
    let mine = chief.get("/v1/approvals").await.expect(200);
    assert_eq!((&mine["waiting"][0]["post"]["id"], &mine["waiting"][0]["rules"]), (&json!(post), &json!(["launch"])));
    let others = gate.caller("person:editor-7").get("/v1/approvals").await.expect(200);
    assert_eq!(others["waiting"], json!([]));
    problem(&gate.get("/v1/approvals").await, "no-grant");
    for who in ["person:chief-1", "person:chief-drinks"] {
        step(&gate.caller(who), &post, "approve", json!({"version": 2})).await.expect(200);
    }
    gate.until_state(&post, "published").await;
    assert_eq!(texts(&net).await, ["first"]);
}

#[tokio::test]
async fn an_edit_voids_what_was_approved_and_a_stale_vote_is_told() {
    let net = network().await;
    let gate = Gate::new().account(ACCOUNT, &net).govern(|it| {
        it.file("approvals.toml", TWO);
    });
    let gate = gate.start().await;
    let held = gate.publish(&launch(ACCOUNT, "one")).await.expect(202);
    let post = id(&held);
    let (chief, other) = (gate.caller("person:chief-1"), gate.caller("person:chief-drinks"));
    problem(&step(&gate.caller("person:ops-1"), &post, "approve", json!({"version": 1})).await, "own-post");
    step(&chief, &post, "approve", json!({"version": 1})).await.expect(200);
    edit(&gate, &post, 1, &json!({"content": {"text": "two"}})).await.expect(200);
    problem(&step(&other, &post, "approve", json!({"version": 1})).await, "content-changed");
    step(&other, &post, "approve", json!({"version": 2})).await.expect(200);
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(net.count("POST", STATUSES).await, 0, "the first vote was for another content");
    let told = chief.get(&format!("/v1/posts/{post}/explain")).await.expect(200);
    let stage = &told["rules"][0]["stages"][0];
    assert_eq!((&told["rules"][0]["rule"], &stage["wanted"]), (&json!("launch"), &json!(2)));
    assert_eq!(stage["counted"], json!([{"voter": "chief-drinks", "in_place_of": null}]));
    assert_eq!(stage["can_vote"], json!(["chief-1"]));
    step(&chief, &post, "comment", json!({"text": "better"})).await.expect(200);
    step(&chief, &post, "approve", json!({"version": 2})).await.expect(200);
    gate.until_state(&post, "published").await;
    assert_eq!(texts(&net).await, ["two"]);
    let names = events(&gate, &post).await;
    let expected = [
        "created",
        "submitted",
        "reviewed",
        "held",
        "voted",
        "edited",
        "reviewed",
        "held",
        "voted",
        "commented",
        "voted",
        "approved",
        "released",
        "claimed",
        "published",
    ];
    assert_eq!(names, expected);
}

#[tokio::test]
async fn a_no_needs_a_reason_ends_the_wait_and_the_author_writes_anew() {
    let net = network().await;
    let gate = Gate::new().account(ACCOUNT, &net).govern(|it| {
        it.file("approvals.toml", TWO);
    });
    let gate = gate.start().await;
    let post = id(&gate.publish(&launch(ACCOUNT, "one")).await.expect(202));
    let chief = gate.caller("person:chief-1");
    problem(&step(&chief, &post, "reject", json!({})).await, "invalid-request");
    let told = step(&chief, &post, "reject", json!({"note": "too loud"})).await.expect(200);
    assert_eq!(told["state"], "rejected");
    let history = gate.get(&format!("/v1/posts/{post}/history")).await.expect(200);
    assert!(history.to_string().contains("too loud"));
    step(&gate, &post, "reopen", json!({})).await.expect(200);
    edit(&gate, &post, 1, &json!({"content": {"text": "softer"}})).await.expect(200);
    assert_eq!(step(&gate, &post, "submit", json!({})).await.expect(200)["state"], "held");
    for who in ["person:chief-1", "person:chief-drinks"] {
        step(&gate.caller(who), &post, "approve", json!({"version": 2})).await.expect(200);
    }
    gate.until_state(&post, "published").await;
    assert_eq!(texts(&net).await, ["softer"]);
}

#[tokio::test]
async fn a_post_goes_out_at_its_time_and_is_moved_within_its_window() {
    let (net, clock) = (network().await, gate::clock());
    let gate = Gate::new().account(ACCOUNT, &net).clock(&clock).govern(|it| {
        it.file("approvals.toml", TWO);
    });
    let gate = gate.start().await;
    let mut body = launch(ACCOUNT, "on time");
    body["schedule"] =
        json!({"at": after(&gate, 3_600), "earliest": after(&gate, 1_800), "latest": after(&gate, 7_200)});
    let post = id(&gate.publish(&body).await.expect(202));
    for who in ["person:chief-1", "person:chief-drinks"] {
        step(&gate.caller(who), &post, "approve", json!({"version": 1})).await.expect(200);
    }
    assert_eq!(gate.read(&post).await["state"], "scheduled");
    let at = after(&gate, 5_400);
    let moved = step(&gate, &post, "schedule", json!({"schedule": {"at": at}})).await.expect(200);
    assert_eq!((&moved["state"], &moved["version"], &moved["due_at"]), (&json!("scheduled"), &json!(1), &json!(at)));
    clock.advance(SignedDuration::from_secs(3_601));
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(net.count("POST", STATUSES).await, 0, "not at the time before");
    clock.advance(SignedDuration::from_secs(1_800));
    gate.until_state(&post, "published").await;
    // Clocks that go back, and on again, change nothing for what is out.
    clock.advance(SignedDuration::from_hours(-1));
    tokio::time::sleep(A_WHILE).await;
    clock.advance(SignedDuration::from_hours(25));
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(texts(&net).await, ["on time"]);
}

#[tokio::test]
async fn another_time_than_was_approved_is_another_version() {
    let (net, clock) = (network().await, gate::clock());
    let gate = Gate::new().account(ACCOUNT, &net).clock(&clock).govern(|it| {
        it.file("approvals.toml", TWO);
    });
    let gate = gate.start().await;
    let mut body = launch(ACCOUNT, "on time");
    body["schedule"] = json!({"at": after(&gate, 3_600)});
    let post = id(&gate.publish(&body).await.expect(202));
    for who in ["person:chief-1", "person:chief-drinks"] {
        step(&gate.caller(who), &post, "approve", json!({"version": 1})).await.expect(200);
    }
    let late = json!({"schedule": {"at": after(&gate, 90_000)}});
    let moved = step(&gate, &post, "schedule", late).await.expect(200);
    assert_eq!((&moved["state"], &moved["version"]), (&json!("held"), &json!(2)));
    clock.advance(SignedDuration::from_secs(90_001));
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(net.count("POST", STATUSES).await, 0);
    assert_eq!(step(&gate, &post, "cancel", json!({"note": "over"})).await.expect(200)["state"], "cancelled");
}

#[tokio::test]
async fn a_recurring_post_goes_out_each_time_once() {
    let (net, clock) = (network().await, gate::clock());
    let mut gate = Gate::new().account(ACCOUNT, &net).clock(&clock).start().await;
    let start = gate.gateway().clock.now().to_zoned(jiff::tz::TimeZone::UTC).datetime();
    let first = start.checked_add(SignedDuration::from_secs(3_600)).expect("a time");
    let local = first.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let mut body = post(ACCOUNT, "good morning");
    body["schedule"] = json!({"local": local, "zone": "UTC", "rule": "FREQ=DAILY;COUNT=3"});
    let post = id(&gate.publish(&body).await.expect(202));
    for number in 1..=3 {
        clock.advance(SignedDuration::from_hours(if number == 1 { 1 } else { 24 }) + SignedDuration::from_secs(2));
        let goal = format!("it is out for the {number}. time");
        until(&goal, || async { (net.count("POST", STATUSES).await == number).then_some(()) }).await;
        if number == 2 {
            gate.until_state(&post, "scheduled").await;
            gate.restart().await;
        }
    }
    gate.until_state(&post, "published").await;
    clock.advance(SignedDuration::from_hours(48));
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(texts(&net).await, ["good morning"; 3]);
    let names = events(&gate, &post).await;
    assert_eq!(names.iter().filter(|name| *name == "rearmed").count(), 2, "{names:?}");
}

/// However long ago it was accepted.
#[tokio::test]
async fn a_post_that_waited_for_its_time_is_tried_again_as_any_other() {
    let (net, clock) = (network().await, gate::clock());
    let gate = Gate::new().account(ACCOUNT, &net).clock(&clock).start().await;
    let mut body = post(ACCOUNT, "in two days");
    body["schedule"] = json!({"at": after(&gate, 2 * 86_400)});
    let post = id(&gate.publish(&body).await.expect(202));
    let busy = sample_network::Fault::Status { status: 503, stored: false };
    net.set_fault(sample_network::Plan::next(2, "POST", STATUSES, busy)).await;
    clock.advance(SignedDuration::from_hours(48) + SignedDuration::from_secs(1));
    for attempts in 1..=2 {
        until("an attempt ended", || async {
            let view = gate.read(&post).await;
            (view["targets"][0]["attempts"].as_array().map(Vec::len) == Some(attempts)).then_some(())
        })
        .await;
        assert_eq!(gate.read(&post).await["state"], "publishing");
        clock.advance(SignedDuration::from_secs(5));
    }
    gate.until_state(&post, "published").await;
}

#[tokio::test]
async fn what_is_late_waits_for_a_person() {
    let (net, clock) = (network().await, gate::clock());
    let mut gate = Gate::new().account(ACCOUNT, &net).clock(&clock).start().await;
    let mut posts = Vec::new();
    for (text, late_max_s) in [("patient", 100_000), ("strict", 60)] {
        let mut body = post(ACCOUNT, text);
        body["schedule"] = json!({"at": after(&gate, 600), "late_max_s": late_max_s});
        posts.push(id(&gate.publish(&body).await.expect(202)));
    }
    gate.stop().await;
    clock.advance(SignedDuration::from_hours(3));
    gate.restart().await;
    gate.until_state(&posts[0], "published").await;
    let held = gate.until_state(&posts[1], "held").await;
    assert_eq!(held["targets"][0]["waits_for"], "overdue");
    assert_eq!(texts(&net).await, ["patient"]);
    problem(&step(&gate, &posts[1], "approve", json!({"version": 1})).await, "no-grant");
    step(&gate.caller("person:chief-1"), &posts[1], "approve", json!({"version": 1})).await.expect(200);
    gate.until_state(&posts[1], "published").await;
    assert_eq!(texts(&net).await, ["patient", "strict"]);
}

#[tokio::test]
async fn who_lapsed_before_friday_is_told_and_the_post_waits() {
    let (net, clock) = (network().await, gate::clock());
    let gate = Gate::new().account(ACCOUNT, &net).clock(&clock).govern(|it| {
        let actions = ["post.create", "post.read"];
        it.grant_until("editor-writes", "person:editor-7", "brand:acme", &actions, FAR, &[]);
        let grants = it.files()["grants.toml"].clone();
        let head = "id = \"editor-writes\"\n";
        it.file("grants.toml", &grants.replace(head, &format!("{head}training = [\"social-basics\"]\n")));
        it.file("approvals.toml", TWO);
    });
    let mut gate: Running = gate.start().await;
    let monday = gate.gateway().clock.now();
    let wednesday = Timestamp::from_second(monday.as_second() + 2 * 86_400).expect("a time");
    let csv = format!(
        "person,course,passed_at,expires_at\neditor-7,social-basics,{},{wednesday}\n",
        Timestamp::from_second(monday.as_second()).expect("a time")
    );
    train(&gate, &csv).await;
    let editor = gate.caller("person:editor-7");
    let mut body = launch(ACCOUNT, "friday");
    body["schedule"] = json!({"at": after(&gate, 4 * 86_400)});
    let post = id(&editor.publish(&body).await.expect(202));
    for who in ["person:chief-1", "person:chief-drinks"] {
        step(&gate.caller(who), &post, "approve", json!({"version": 1})).await.expect(200);
    }
    gate.until_state(&post, "scheduled").await;
    gate.restart().await;
    clock.advance(SignedDuration::from_hours(4 * 24) + SignedDuration::from_secs(1));
    // Delivery sets it aside, and its life follows.
    until("it waits for somebody", || async {
        (gate.read(&post).await["targets"][0]["waits_for"] == "attention").then_some(())
    })
    .await;
    assert_eq!(net.count("POST", STATUSES).await, 0);
    let told = gate.caller("person:chief-1").get(&format!("/v1/posts/{post}/explain")).await.expect(200);
    assert_eq!(told["waits"][0]["waits_for"], "attention");
    let why = told["waits"][0]["why"].as_str().expect("a reason");
    assert!(why.contains("`social-basics`") && why.contains("lapsed"), "{why}");
    // The course passed again, somebody says that it goes.
    let now = gate.gateway().clock.now();
    let csv = format!(
        "person,course,passed_at,expires_at\neditor-7,social-basics,{},\n",
        Timestamp::from_second(now.as_second()).expect("a time")
    );
    train(&gate, &csv).await;
    step(&gate.caller("person:chief-1"), &post, "approve", json!({"version": 1})).await.expect(200);
    gate.until_state(&post, "published").await;
}

async fn train(gate: &Running, csv: &str) {
    let gateway = gate.gateway();
    let wish = TrainingRequest { csv: Some(csv.to_owned()), records: None };
    let by = By::Person(pressgate::model::PersonId::new("ops-1"));
    let governance = gateway.governance.load_full();
    let (_, records) = Ops::running(gateway).import_training(&by, &governance, wish).await.expect("imported");
    gateway.people.training.add(records);
}

#[tokio::test]
async fn a_queue_gives_the_next_free_slot_and_a_blackout_the_next_free_instant() {
    let (net, clock) = (network().await, gate::clock());
    let gate = Gate::new().account(ACCOUNT, &net).clock(&clock).govern(|it| {
        it.file(
            "calendars.toml",
            "[account.acme-mastodon]\nzone = \"UTC\"\nslots = [\"daily 09:00\", \"daily 15:00\"]\n",
        );
    });
    let gate = gate.start().await;
    let mut due = Vec::new();
    for text in ["one", "two", "three"] {
        let mut body = post(ACCOUNT, text);
        body["schedule"] = json!({"queue": true});
        let made = gate.publish(&body).await.expect(202);
        let at: Timestamp = made["due_at"].as_str().expect("a time").parse().expect("RFC 3339");
        due.push(at);
    }
    let gaps: Vec<i64> = due.windows(2).map(|pair| pair[1].as_second() - pair[0].as_second()).collect();
    assert!(gaps == [6 * 3_600, 18 * 3_600] || gaps == [18 * 3_600, 6 * 3_600], "{due:?}");
    let planned = gate.get("/v1/calendar").await.expect(200);
    assert_eq!(planned["posts"].as_array().map(Vec::len), Some(3));
    let feed = gate.get("/v1/calendar.ics").await;
    assert_eq!(feed.header("content-type"), Some("text/calendar; charset=utf-8"));
    let read =
        pressgate_calendar::ics::read(feed.text().as_bytes(), &pressgate_calendar::Zone::utc()).expect("a calendar");
    assert_eq!(read.events.len(), 3);
}

#[tokio::test]
async fn nothing_is_published_in_a_blackout_and_the_next_free_instant_is_told() {
    let (net, clock) = (network().await, gate::clock());
    let now = clock_now(&clock);
    let day = |hours: i64| (now + SignedDuration::from_hours(hours)).strftime("%Y%m%dT%H%M%SZ").to_string();
    let calendar = format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//t//EN\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20270101T000000Z\r\n\
         SUMMARY:Quiet day\r\nDTSTART:{}\r\nDTEND:{}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        day(2),
        day(4)
    );
    let gate = Gate::new().account(ACCOUNT, &net).clock(&clock).govern(|it| {
        it.file(
            "calendars.toml",
            "[[blackout]]\nname = \"quiet\"\nfile = \"calendars/quiet.ics\"\nbrands = [\"acme\"]\n",
        );
        it.file("calendars/quiet.ics", &calendar);
    });
    let gate = gate.start().await;
    let mut body = post(ACCOUNT, "loud");
    body["schedule"] = json!({"at": after(&gate, 3 * 3_600)});
    let told = problem(&gate.publish(&body).await, "time-invalid");
    let detail = told["detail"].as_str().expect("a detail");
    assert!(detail.contains("Quiet day") && detail.contains("the next free instant is"), "{detail}");
    body["schedule"] = json!({"at": after(&gate, 3_600)});
    gate.publish(&body).await.expect(202);
    let native = |path: &str| format!("/native/{ACCOUNT}{path}");
    let made = gate.post(&native(STATUSES), &json!({"status": "before it"})).await.expect(200);
    clock.advance(SignedDuration::from_hours(3));
    problem(&gate.publish(&post(ACCOUNT, "now")).await, "time-invalid");
    // A client of the network's own API hears it in the network's shape; what publishes nothing passes.
    let refused = gate.post(&native(STATUSES), &json!({"status": "by an SDK"})).await.expect(422);
    assert_eq!(refused["error_description"], "time-invalid", "{refused}");
    assert!(refused["error"].as_str().is_some_and(|text| text.contains("Quiet day")), "{refused}");
    assert_eq!(texts(&net).await, ["before it"]);
    let path = native(&format!("{STATUSES}/{}", id(&made)));
    gate.get(&path).await.expect(200);
    gate.send("DELETE", &path, &[], "").await.expect(200);
}

fn clock_now(clock: &pressgate::clock::ManualClock) -> Timestamp {
    use pressgate::clock::Clock;
    clock.now()
}

#[tokio::test]
async fn three_hundred_posts_due_in_one_second_go_out_once_each() {
    let (net, clock) = (network().await, gate::clock());
    let gate = Gate::new().account(ACCOUNT, &net).clock(&clock).start().await;
    let at = after(&gate, 3_600);
    let mut posts = Vec::new();
    for number in 0..300 {
        let mut body = post(ACCOUNT, &format!("post {number}"));
        body["schedule"] = json!({"at": at});
        posts.push(id(&gate.publish(&body).await.expect(202)));
    }
    clock.advance(SignedDuration::from_secs(3_600));
    for post in &posts {
        gate.until_state(post, "published").await;
    }
    let mut said = texts(&net).await;
    assert_eq!(said.len(), 300);
    said.sort();
    said.dedup();
    assert_eq!(said.len(), 300, "each once");
}
