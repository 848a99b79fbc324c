//! What apps are told of posts: by a stream, and by signed webhooks.

mod library;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::SignedDuration;
use pressgate::events::{self, WebhookView};
use serde_json::{Value, json};
use tests::harness::{EventStream, Gate, Running, gate, network, problem, until};
use tests::networks::siem::{Delivery, Mood, Siem};

use crate::samples::{id, post};

/// Who may read what of which brand.
const READS: [&str; 1] = ["post.read"];

/// A gateway that holds what is `cheap`, with an account of each of two brands. `careers` reads posts of `acme/snacks`.
fn holding(net: &sample_network::Running) -> Gate {
    let rule = json!({"forbidden": [{"phrase": "cheap", "outcome": "hold"}]});
    Gate::new()
        .account_of("acme/snacks", "snacks", net)
        .account_of("acme/drinks", "drinks", net)
        .guidelines(&rule)
        .grant("careers-reads", "app:careers", "brand:acme/snacks", &READS)
}

async fn open(gate: &Running, who: &str, query: &str, last: Option<&str>) -> EventStream {
    EventStream::open(gate, who, &format!("/v1/events{query}"), last).await
}

/// The next events.
async fn take(stream: &mut EventStream, count: usize) -> Vec<Value> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let shown = stream.next().await;
        assert_eq!(
            (Some(shown.id.as_str()), Some(shown.kind.as_str())),
            (shown.data["id"].as_str(), shown.data["type"].as_str())
        );
        taken.push(shown.data);
    }
    taken
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().expect("a type")).collect()
}

const LIFE: [&str; 6] =
    ["post.held", "post.voted", "post.approved", "post.released", "target.publishing", "target.published"];

#[tokio::test]
async fn a_post_s_life_is_told_in_order_and_a_stream_goes_on_where_it_broke_off() {
    let net = network().await;
    let gate = holding(&net).start().await;
    let mut stream = open(&gate, "app:newsroom", "", None).await;
    let mut body = post("snacks", "cheap crisps");
    body["campaign"] = json!("spring");
    let held = gate.publish(&body).await.expect(202);
    gate.caller("person:chief-1").vote(&id(&held), "approve").await.expect(200);
    gate.until_state(&id(&held), "published").await;
    let told = take(&mut stream, LIFE.len()).await;
    assert_eq!(types(&told), LIFE);
    for event in &told {
        assert_eq!(
            (&event["post"], &event["brand"], &event["campaign"]),
            (&json!(id(&held)), &json!("acme/snacks"), &json!("spring")),
            "{event}"
        );
        let about = [&event["account"], &event["data"]["accounts"][0]];
        assert!(about.contains(&&json!("snacks")), "{event}");
        let text = event.to_string();
        assert!(!text.contains("crisps") && !text.contains("chief"), "no content, nobody's name: {text}");
    }
    assert_eq!(told[0]["data"]["verdicts"][0]["codes"], json!(["forbidden-phrase"]));
    assert_eq!(told[1]["data"]["decision"], "approve");
    assert!(told[5]["data"]["platform_ids"][0].is_string(), "{}", told[5]);
    let last = told[1]["id"].as_str().expect("an id");
    let again = take(&mut open(&gate, "app:newsroom", "", Some(last)).await, 4).await;
    assert_eq!(again, told[2..], "each event is the same whenever it is read");
    let query = format!("?post={}&account=snacks&type=post.voted,target.published", id(&held));
    let some = take(&mut open(&gate, "app:newsroom", &query, Some("evt_0")).await, 2).await;
    assert_eq!(types(&some), ["post.voted", "target.published"]);
    gate.delete(&format!("/v1/posts/{}", id(&held))).await;
    assert_eq!(types(&take(&mut stream, 2).await), ["target.recalling", "target.recalled"]);
}

#[tokio::test]
async fn who_may_read_an_account_hears_of_it_and_of_no_other() {
    let net = network().await;
    let mut gate = holding(&net).start().await;
    let mut stream = open(&gate, "app:careers", "", None).await;
    gate.publish(&post("drinks", "juice")).await.expect(201);
    let both = json!({"accounts": ["drinks", "snacks"], "content": {"text": "cheap"}});
    let both = gate.publish(&both).await.expect(202);
    gate.publish(&post("snacks", "crisps")).await.expect(201);
    let told = take(&mut stream, 3).await;
    assert_eq!(types(&told), ["post.held", "target.publishing", "target.published"]);
    assert_eq!((&told[0]["post"], &told[0]["data"]["accounts"]), (&json!(id(&both)), &json!(["snacks"])));
    assert!(told[0].get("account").is_none(), "it is about more than the caller may see: {}", told[0]);
    // Another account's events are not there to be asked for.
    let mut other = open(&gate, "app:careers", "?account=drinks", Some("evt_0")).await;
    let mut governance = gate.governance.clone();
    governance.revoke("careers-reads");
    gate.apply(governance).await;
    gate.publish(&post("snacks", "more crisps")).await.expect(201);
    for stream in [&mut stream, &mut other] {
        let rest = stream.rest().await;
        assert!(rest.contains("\"why\":\"revoked\"") && !rest.contains("evt_"), "{rest}");
    }
}

#[tokio::test]
async fn a_refusal_has_the_brand_of_the_account() {
    let net = network().await;
    let gate = holding(&net).start().await;
    let mut stream = open(&gate, "app:careers", "?type=post.refused", None).await;
    let out = gate.publish(&post("snacks", "crisps")).await.expect(201);
    problem(&gate.caller("person:chief-1").vote(&id(&out), "approve").await, "not-held");
    let told = take(&mut stream, 1).await.remove(0);
    assert_eq!((&told["account"], &told["brand"]), (&json!("snacks"), &json!("acme/snacks")), "{told}");
}

#[tokio::test]
async fn what_means_nothing_is_named_and_streams_are_bounded() {
    let net = network().await;
    let gate = holding(&net).start().await;
    for path in ["?type=post.hold", "?colour=red"] {
        problem(&gate.get(&format!("/v1/events{path}")).await, "invalid-request");
    }
    for last in ["evt_999999", "post_1", "-1"] {
        let headers = [("last-event-id", last)];
        problem(&gate.send("GET", "/v1/events", &headers, "").await, "invalid-request");
    }
    let mut streams = Vec::new();
    for _ in 0..4 {
        streams.push(open(&gate, "app:newsroom", "", None).await);
    }
    problem(&gate.get("/v1/events").await, "rate-limited");
    drop(streams);
    until("a place is free", || async {
        gate.gateway()
            .readings
            .events(&pressgate::model::Principal::App(pressgate::model::AppId::new("newsroom")))
            .map(drop)
    })
    .await;
}

/// `events.toml` with one receiver.
fn receiver(siem: &Siem, more: &str) -> String {
    let url = format!("{}/in?x=1", siem.url);
    format!("[[webhook]]\nid = \"crm\"\nurl = {url:?}\nprivate_endpoint = true\nowner = \"ops-1\"\n{more}")
}

/// A fresh secret of the receiver.
async fn rotate(gate: &Running) -> String {
    gate.gateway().vault.rotate_webhook_secret("crm").await.expect("kept").to_string()
}

fn event_of(delivery: &Delivery) -> Value {
    serde_json::from_slice(&delivery.body).expect("JSON")
}

/// The ids of what came, post by post.
fn by_post(events: impl Iterator<Item = (String, String)>) -> BTreeMap<String, Vec<String>> {
    let mut posts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (post, id) in events {
        posts.entry(post).or_default().push(id);
    }
    posts
}

/// What the log says that there is to tell.
fn logged(gate: &Running) -> BTreeMap<String, Vec<String>> {
    let events = (0..).zip(gate.leaves()).filter_map(|(index, leaf)| events::of(index, &leaf));
    by_post(events.map(|event| (event.post.clone(), event.id())))
}

fn came(siem: &Siem) -> BTreeMap<String, Vec<String>> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    by_post(siem.taken().iter().map(event_of).map(|event| (text(&event["post"]), text(&event["id"]))))
}

async fn view(gate: &Running) -> WebhookView {
    gate.gateway().webhooks.list(gate.gateway()).await.expect("readable").remove(0)
}

async fn until_all_came(gate: &Running, siem: &Siem) {
    until("everything came", || async { (came(siem) == logged(gate)).then_some(()) }).await;
}

#[tokio::test]
async fn deliveries_are_signed_and_after_a_rotation_by_both_secrets() {
    let (net, siem) = (network().await, Siem::good().await);
    let gate = holding(&net).govern(|it| {
        it.file("events.toml", &receiver(&siem, "brands = [\"acme/snacks\"]\n"));
    });
    let gate = gate.start().await;
    until("it says what it needs", || async { (view(&gate).await.state == "no-secret").then_some(()) }).await;
    let first = rotate(&gate).await;
    gate.publish(&post("drinks", "juice")).await.expect(201);
    gate.publish(&post("snacks", "crisps")).await.expect(201);
    until("both came", || async { (siem.taken().len() >= 2).then_some(()) }).await;
    let second = rotate(&gate).await;
    gate.publish(&post("snacks", "more")).await.expect(201);
    until("all came", || async { (siem.taken().len() >= 4).then_some(()) }).await;
    let judge = |secret: &str| standardwebhooks::Webhook::new(secret).expect("a secret");
    for (at, delivery) in siem.taken().iter().enumerate() {
        assert_eq!(delivery.headers["webhook-id"], event_of(delivery)["id"].as_str().expect("an id"));
        assert_eq!((delivery.path.as_str(), &event_of(delivery)["account"]), ("/in?x=1", &json!("snacks")));
        judge(&first).verify(&delivery.body, &delivery.headers).expect("signed");
        assert_eq!(judge(&second).verify(&delivery.body, &delivery.headers).is_ok(), at >= 2, "{at}");
        let mut forged = delivery.body.to_vec();
        forged[5] ^= 1;
        assert!(judge(&first).verify(&forged, &delivery.headers).is_err(), "the judge can say no");
    }
    assert_eq!((view(&gate).await.state, view(&gate).await.secrets), ("ready".to_owned(), 2));
}

#[tokio::test]
async fn a_day_s_outage_loses_nothing_and_keeps_the_order_of_each_post() {
    let (net, siem, clock) = (network().await, Siem::start(Mood::Drop).await, gate::clock());
    let events = receiver(&siem, "");
    let gate = holding(&net).clock(&clock).govern(|it| {
        it.file("events.toml", &events);
    });
    let mut gate = gate.start().await;
    rotate(&gate).await;
    until("the line began", || async { (view(&gate).await.secrets == 1).then_some(()) }).await;
    let held = gate.publish(&post("snacks", "cheap")).await.expect(202);
    until("it was tried", || async { (siem.tried() >= 1).then_some(()) }).await;
    for hour in 0..25 {
        let mood = match hour {
            0..8 => Mood::Refuse(503, Vec::new()),
            // What is refused one by one waits one by one.
            8..16 => Mood::Refuse(500, Vec::new()),
            _ => Mood::Drop,
        };
        siem.set(mood);
        if hour % 6 == 0 {
            gate.publish(&post("drinks", &format!("juice {hour}"))).await.expect(201);
        }
        if hour == 10 {
            gate.caller("person:chief-1").vote(&id(&held), "approve").await.expect(200);
            gate.until_state(&id(&held), "published").await;
        }
        if hour == 12 {
            gate.restart().await;
        }
        clock.advance(SignedDuration::from_hours(1));
        tokio::time::sleep(Duration::from_millis(450)).await;
    }
    let tried = siem.tried();
    assert!((5..500).contains(&tried), "{tried} attempts in a day: neither none nor a flood");
    assert!(siem.taken().is_empty());
    let waits = view(&gate).await;
    assert_eq!((waits.dead, waits.state.as_str()), (0, "down"), "{waits:?}");
    assert!(waits.waiting > 0 || waits.lag_leaves > 0, "{waits:?}");
    siem.set(Mood::Good(String::new()));
    clock.advance(SignedDuration::from_hours(2));
    until_all_came(&gate, &siem).await;
    assert_eq!(logged(&gate)[&id(&held)].len(), LIFE.len());
}

#[tokio::test]
async fn what_is_refused_for_three_days_is_given_up_listed_and_replayed() {
    let (net, siem, clock) = (network().await, Siem::start(Mood::Refuse(422, Vec::new())).await, gate::clock());
    let events = receiver(&siem, "types = [\"target.published\"]\n");
    let gate = holding(&net).clock(&clock).govern(|it| {
        it.file("events.toml", &events);
    });
    let gate = gate.start().await;
    rotate(&gate).await;
    until("the line began", || async { (view(&gate).await.secrets == 1).then_some(()) }).await;
    let sent = gate.publish(&post("snacks", "crisps")).await.expect(201);
    until("it waits", || async { (view(&gate).await.waiting == 1).then_some(()) }).await;
    clock.advance(SignedDuration::from_hours(73));
    until("it is given up", || async { (view(&gate).await.dead == 1).then_some(()) }).await;
    let webhooks = &gate.gateway().webhooks;
    let dead = webhooks.dead(gate.gateway(), "crm").await.expect("readable").expect("a receiver");
    assert_eq!((dead[0].post.as_str(), dead[0].why.as_str()), (id(&sent).as_str(), "the receiver answered 422"));
    // One that says that it is gone is asked no more, until a person says so.
    siem.set(Mood::Refuse(410, Vec::new()));
    gate.publish(&post("snacks", "more")).await.expect(201);
    until("it is disabled", || async { (view(&gate).await.state == "disabled").then_some(()) }).await;
    let tried = siem.tried();
    clock.advance(SignedDuration::from_hours(2));
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(siem.tried(), tried);
    let alarms =
        || tests::harness::story(&gate.leaves()).into_iter().filter(|line| line.starts_with("alarm webhook")).count();
    assert_eq!(alarms(), 2, "one for what was given up, one for the receiver");
    siem.set(Mood::Good(String::new()));
    assert_eq!(webhooks.replay(gate.gateway(), "crm", None).await, Ok(Some(1)));
    until("both came", || async { (siem.taken().len() == 2).then_some(()) }).await;
    assert_eq!((view(&gate).await.state.as_str(), view(&gate).await.dead, alarms()), ("ready", 0, 4));
    assert_eq!(webhooks.replay(gate.gateway(), "none", None).await, Ok(None));
    let from = dead[0].leaf;
    assert!(webhooks.replay(gate.gateway(), "crm", Some(from)).await.expect("kept") > Some(0));
    until("both came again", || async { (siem.taken().len() == 4).then_some(()) }).await;
    assert!(came(&siem).values().all(|ids| ids.len() == 2 && ids[0] == ids[1]), "a repetition has the same id");
}
