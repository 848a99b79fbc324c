//! Canaries, and releases that are taken back by themselves.

use std::collections::BTreeSet;

use pressgate::operator::releases::change::{ChangeRequest, Kind};
use serde_json::json;
use tests::harness::{Gate, Running, intents, network, slug, until};
use tests::made;
use tests::plugins::plugin;

use super::{MASTODON, activated, asked, installed, stands, told, wish};
use crate::samples::post;

const RULES: &str = "policy:house-rules";

async fn gate(net: &sample_network::Running) -> Running {
    let plan = Gate::new().account("acme-mastodon", net);
    plan.govern(|all| {
        all.policy("house-rules", "hostile-policy", &json!({"phrases": ["risk-free"]}));
    })
    .start()
    .await
}

async fn canary(gate: &Running, slot: &str, release: &str, share_percent: f64) {
    let wish = ChangeRequest { share_percent: Some(share_percent), ..wish(gate, slot, release).await };
    asked(gate, Kind::Canary, wish).await.unwrap_or_else(|error| panic!("no canary: {error}"));
}

/// Publishes until something is so; how many were refused because the plugin failed.
async fn publish_until<F: Future<Output = bool>>(gate: &Running, mut so: impl FnMut() -> F) -> usize {
    let mut failed = 0;
    for number in 0..3_000 {
        if so().await {
            return failed;
        }
        let answer = gate.publish(&post("acme-mastodon", &format!("call {number}"))).await;
        if answer.status != 201 {
            assert_eq!(slug(&answer), "plugin-failed", "{}", answer.text());
            failed += 1;
        }
    }
    panic!("not within 3,000 calls");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_gets_its_share_and_is_promoted() {
    let net = network().await;
    let gate = Gate::new().account("acme-mastodon", &net).start().await;
    let two = installed(&gate, made::another(&plugin("mastodon"), "2")).await.release;
    canary(&gate, MASTODON, &two, 25.0).await;
    for number in 0..60 {
        gate.publish(&post("acme-mastodon", &format!("call {number}"))).await.expect(201);
    }
    let sent = intents(&gate.leaves());
    let share = sent.iter().filter(|(_, intent)| intent.adapter_digest == two).count();
    assert!((5..=28).contains(&share), "{share} of {}", sent.len());
    let slot = stands(&gate).await.slots.remove(0);
    let counted = slot.functions.iter().find(|counted| counted.release == two && counted.function == "perform");
    assert_eq!(counted.map(|counted| counted.calls), Some(share as u64), "the canary's own calls are counted");
    let promote = ChangeRequest { release: None, ..wish(&gate, MASTODON, "").await };
    let now = asked(&gate, Kind::Promote, promote).await.expect("promoted").slots.remove(0);
    assert!(now.active.release == two && now.canary.is_none() && now.parked.is_some());
    gate.publish(&post("acme-mastodon", "all")).await.expect(201);
    assert_eq!(intents(&gate.leaves()).pop().expect("an intent").1.adapter_digest, two);
    let leaves = told(gate.leaves());
    assert!(
        leaves.iter().any(|(action, subject, _)| action == "canary" && subject.contains("for 25 % of the calls")),
        "{leaves:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_traps_on_every_third_call_is_taken_back() {
    let net = network().await;
    let gate = gate(&net).await;
    let good = stands(&gate)
        .await
        .releases
        .iter()
        .find(|release| release.name == "hostile-policy")
        .expect("it")
        .release
        .clone();
    let bad = installed(&gate, made::with_plan(&plugin("hostile-policy"), b'3')).await.release;
    canary(&gate, RULES, &bad, 50.0).await;
    let gone = || async { stands(&gate).await.slots[0].canary.is_none() };
    let failed = publish_until(&gate, gone).await;
    assert!((2..60).contains(&failed), "{failed} calls failed");
    let slot = stands(&gate).await.slots.remove(0);
    assert_eq!(slot.active.release, good);
    let why = slot.why.unwrap_or_default();
    assert!(why.contains("`review` failed"), "{why}");
    for number in 0..30 {
        gate.publish(&post("acme-mastodon", &format!("after {number}"))).await.expect(201);
    }
    let (action, subject, by) = told(gate.leaves()).pop().expect("a leaf");
    assert_eq!((action.as_str(), by.as_str()), ("rollback", "pressgate"), "{subject}");
    assert!(subject.contains("at policy:house-rules") && subject.contains("failed"), "{subject}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_fails_right_after_it_came_is_taken_back_and_stays_away() {
    let net = network().await;
    let mut gate = gate(&net).await;
    for number in 0..50 {
        gate.publish(&post("acme-mastodon", &format!("before {number}"))).await.expect(201);
    }
    let bad = installed(&gate, made::with_plan(&plugin("hostile-policy"), b'3')).await.release;
    activated(&gate, RULES, &bad).await;
    let gone = || async { stands(&gate).await.slots[0].active.release != bad };
    publish_until(&gate, gone).await;
    let slot = stands(&gate).await.slots.remove(0);
    assert!(slot.parked.is_some_and(|parked| parked.release == bad) && !slot.watched, "and is not watched to and fro");
    gate.restart().await;
    for number in 0..30 {
        gate.publish(&post("acme-mastodon", &format!("after {number}"))).await.expect(201);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_canary_is_not_blamed_for_what_fails_for_all() {
    let net = network().await;
    let gate = gate(&net).await;
    let good = installed(&gate, made::another(&plugin("hostile-policy"), "2")).await.release;
    canary(&gate, RULES, &good, 50.0).await;
    for _ in 0..12 {
        // Both crash on this text, in turns with what goes well.
        assert_eq!(slug(&gate.publish(&post("acme-mastodon", "panic")).await), "plugin-failed");
        for number in 0..4 {
            gate.publish(&post("acme-mastodon", &format!("fine {number}"))).await.expect(201);
        }
    }
    assert!(stands(&gate).await.slots[0].canary.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_fails_again_and_again_is_left_alone_and_tried_again() {
    let net = network().await;
    let gate = gate(&net).await;
    let gate = &gate;
    let crash = |text: String| async move { slug(&gate.publish(&post("acme-mastodon", &text)).await) };
    for _ in 0..30 {
        assert_eq!(crash("panic".to_owned()).await, "plugin-failed");
    }
    gate.publish(&post("acme-mastodon", "one input takes it from nobody")).await.expect(201);
    for number in 0..11 {
        assert_eq!(crash(format!("panic {number}")).await, "plugin-failed");
    }
    let closed = gate.publish(&post("acme-mastodon", "fine")).await;
    assert_eq!(slug(&closed), "plugin-failed", "fails closed");
    assert!(closed.text().contains("failed too often") && closed.header("retry-after").is_some(), "{}", closed.text());
    let texts: BTreeSet<String> = crate::samples::texts(&net).await.into_iter().collect();
    assert!(!texts.contains("fine"), "nothing passes a policy that can't be asked");
    let open = || async { (gate.publish(&post("acme-mastodon", "fine again")).await.status == 201).then_some(()) };
    until("a probe goes well", open).await;
    gate.publish(&post("acme-mastodon", "and on")).await.expect(201);
}
