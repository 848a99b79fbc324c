//! Events reach other systems by connectors: once where that can be told, honestly unknown where it can't, and nothing is lost.

mod tickets;

use std::os::unix::fs::PermissionsExt as _;

use jiff::SignedDuration;
use pressgate::audit::Event;
use pressgate::audit::leaf::DeliveryResult;
use pressgate::connectors::ConnectorView;
use serde_json::{Value, json};
use tests::harness::{Gate, GateProcess, Running, gate, network, until};
use tests::networks::siem::{Mood, Siem};

use crate::samples::{id, post};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A gateway that holds what is `cheap` and hands its events to `siem` by the connector `webhook`.
fn handing(net: &sample_network::Running, siem: &Siem, more: &str) -> Gate {
    let rule = json!({"forbidden": [{"phrase": "cheap", "outcome": "hold"}]});
    let connectors = format!(
        "[[connector]]\nid = \"desk\"\nplugin = \"webhook\"\nendpoint = {:?}\nprivate_endpoint = true\nowner = \"ops-1\"\n{more}\n",
        siem.url
    );
    let gate = Gate::new().account_of("acme/snacks", "snacks", net).account_of("acme/drinks", "drinks", net);
    gate.guidelines(&rule).credential("desk", "secret", &[("secret", SECRET)]).govern(|it| {
        it.file("connectors.toml", &connectors);
    })
}

async fn view(gate: &Running) -> ConnectorView {
    gate.gateway().connectors.list(gate.gateway()).await.expect("readable").remove(0)
}

fn event_of(body: &[u8]) -> Value {
    serde_json::from_slice(body).expect("JSON")
}

/// What the log says of deliveries: event's leaf, kind, result.
fn told(leaves: Vec<pressgate_audit::Leaf>) -> Vec<(u64, String, DeliveryResult)> {
    let of = |event| match event {
        Event::Delivery(told) => Some((told.event, told.event_kind.clone(), told.result)),
        _ => None,
    };
    leaves.into_iter().filter_map(|leaf| of(leaf.event)).collect()
}

/// Runs a command as an operator does.
async fn command(gate: &GateProcess, arguments: &[&str]) -> (Option<i32>, String, String) {
    let key = gate.site.path("ops-1.key");
    std::fs::write(&key, gate.site.key("person:ops-1")).expect("written");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("set");
    gate.command(&[arguments, &["--key-file", "ops-1.key"]].concat()).await
}

#[tokio::test]
async fn events_are_posted_signed_and_told_in_the_log() {
    let (net, siem) = (network().await, Siem::good().await);
    let more = "brands = [\"acme/snacks\"]\ntypes = [\"post.held\", \"target.published\"]\n\
                config = { path = \"/in/{kind}\", body = { text = \"{kind} of {post}\", all = \"{event}\" } }";
    let gate = handing(&net, &siem, more).start().await;
    gate.publish(&post("drinks", "juice")).await.expect(201);
    let held = gate.publish(&post("snacks", "cheap")).await.expect(202);
    gate.publish(&post("snacks", "crisps")).await.expect(201);
    until("both came", || async { (siem.taken().len() == 2).then_some(()) }).await;
    let taken = siem.taken();
    let first = event_of(&taken[0].body);
    assert_eq!(taken[0].path, "/in/post.held");
    assert_eq!(first["text"], format!("post.held of {}", id(&held)));
    assert_eq!(first["all"]["type"], "post.held");
    let judge = standardwebhooks::Webhook::new(SECRET).expect("a secret");
    for delivery in &taken {
        judge.verify(&delivery.body, &delivery.headers).expect("signed");
        assert!(judge.verify(b"{}", &delivery.headers).is_err(), "the judge can say no");
    }
    assert_eq!(taken[0].headers["webhook-id"], first["all"]["id"].as_str().expect("an id"));
    until("the log has both", || async { (told(gate.leaves()).len() == 2).then_some(()) }).await;
    let in_log = told(gate.leaves());
    assert_eq!(format!("evt_{}", in_log[0].0), first["all"]["id"]);
    assert!(in_log.iter().all(|(.., result)| *result == DeliveryResult::Delivered), "{in_log:?}");
    let log = format!("{:?}", gate.leaves());
    assert!(!log.contains("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), "no secret in the log");
    let shown = view(&gate).await;
    assert_eq!((shown.state.as_str(), shown.plugin.as_str(), shown.delivered), ("ready", "webhook 0.1.0", 2));
}

#[tokio::test]
async fn an_outage_and_a_restart_lose_nothing() {
    let (net, siem, clock) = (network().await, Siem::start(Mood::Drop).await, gate::clock());
    let more = "types = [\"target.published\"]\nconfig = { path = \"/\" }";
    let mut gate = handing(&net, &siem, more).clock(&clock).start().await;
    for number in 0..3 {
        gate.publish(&post("snacks", &format!("crisps {number}"))).await.expect(201);
    }
    until("it was tried", || async { (siem.tried() >= 1).then_some(()) }).await;
    assert_eq!(view(&gate).await.state, "down");
    gate.restart().await;
    siem.set(Mood::Refuse(503, Vec::new()));
    clock.advance(SignedDuration::from_hours(2));
    let tried = siem.tried();
    until("it was tried again", || async { (siem.tried() > tried).then_some(()) }).await;
    siem.set(Mood::Good(String::new()));
    clock.advance(SignedDuration::from_hours(2));
    until("all came", || async { (siem.taken().len() >= 3).then_some(()) }).await;
    let mut ids: Vec<String> = siem.taken().iter().map(|one| event_of(&one.body)["id"].to_string()).collect();
    ids.dedup();
    assert_eq!(ids.len(), 3, "each came, none twice in a row: {ids:?}");
}

#[tokio::test]
async fn what_nothing_protects_is_unknown_and_not_sent_again_unless_a_person_says_so() {
    let (net, siem, clock) = (network().await, Siem::start(Mood::Forget).await, gate::clock());
    let more = "types = [\"target.published\"]\nconfig = { path = \"/\", repeats = \"unsafe\" }";
    let gate = handing(&net, &siem, more).clock(&clock).start().await;
    gate.publish(&post("snacks", "crisps")).await.expect(201);
    until("it is given up", || async { (view(&gate).await.dead == 1).then_some(()) }).await;
    let connectors = &gate.gateway().connectors;
    let dead = connectors.dead(gate.gateway(), "desk").await.expect("readable").expect("a connector").remove(0);
    assert!(dead.unknown, "{dead:?}");
    siem.set(Mood::Good(String::new()));
    clock.advance(SignedDuration::from_hours(80));
    let all = connectors.retry(gate.gateway(), "desk", &[]).await.expect("kept").expect("a connector");
    assert_eq!(all, Ok(0), "without its name it is left alone");
    // Others go on meanwhile.
    gate.publish(&post("snacks", "more")).await.expect(201);
    until("the next came", || async { (siem.taken().len() == 2).then_some(()) }).await;
    let named = connectors.retry(gate.gateway(), "desk", &[dead.leaf]).await.expect("kept").expect("a connector");
    assert_eq!(named, Ok(1));
    until("it came again", || async { (siem.taken().len() == 3).then_some(()) }).await;
    let ids: Vec<Value> = siem.taken().iter().map(|one| event_of(&one.body)["id"].clone()).collect();
    assert!(ids[0] == ids[2] && ids[0] != ids[1], "{ids:?}");
    let results: Vec<DeliveryResult> = told(gate.leaves()).into_iter().map(|(.., result)| result).collect();
    assert_eq!(results[0], DeliveryResult::Unknown);
}

#[tokio::test]
async fn what_is_refused_is_listed_and_retried_by_the_command() {
    let (net, siem) = (network().await, Siem::start(Mood::Refuse(422, Vec::new())).await);
    let more = "types = [\"target.published\"]\nconfig = { path = \"/\" }";
    let gate = handing(&net, &siem, more).spawn().await;
    gate.publish(&post("snacks", "crisps")).await.expect(201);
    gate.publish(&post("snacks", "more")).await.expect(201);
    let event = until("both are given up", || async {
        let (_, out, _) = command(&gate, &["connector", "status", "desk", "--json"]).await;
        let shown: Value = serde_json::from_str(&out).ok()?;
        let dead = shown["dead"].as_array()?;
        (dead.len() == 2).then(|| dead[0]["id"].as_str().expect("an id").to_owned())
    })
    .await;
    let (code, out, _) = command(&gate, &["connector", "list"]).await;
    assert_eq!(code, Some(1), "somebody must look: {out}");
    assert!(out.contains("desk") && out.contains("422"), "{out}");
    assert_eq!(siem.tried(), 2, "a refusal is not repeated by itself");
    let (code, out, error) = command(&gate, &["connector", "close", "desk", &event]).await;
    assert_eq!(code, Some(0), "{out} {error}");
    let (code, _, error) = command(&gate, &["connector", "retry", "desk", &event]).await;
    assert!(code != Some(0) && error.contains("not among"), "{error}");
    siem.set(Mood::Good(String::new()));
    let (code, out, _) = command(&gate, &["connector", "retry", "desk"]).await;
    assert!(code == Some(0) && out.contains('1'), "{out}");
    until("it came", || async { (siem.taken().len() == 1).then_some(()) }).await;
    until("all is well", || async { (command(&gate, &["connector", "list"]).await.0 == Some(0)).then_some(()) }).await;
}
