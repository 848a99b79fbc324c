//! What calls see of a swap.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pressgate::operator::OpsError;
use pressgate::operator::releases::change::{ChangeRequest, Kind};
use sample_network::{Fault, Plan};
use serde_json::json;
use tests::harness::{Gate, Running, gate::clock, intents, network, until};
use tests::made;
use tests::plugins::plugin;

use super::{MASTODON, activated, asked, installed, rolled_back, stands, told, wish};
use crate::samples::{STATUSES, id, post};

/// The releases of the adapter by which things were sent, in order.
fn sent_by(gate: &Running) -> Vec<String> {
    intents(&gate.leaves()).into_iter().map(|(_, intent)| intent.adapter_digest).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_serves_once_it_is_put_in_place_and_the_log_tells_by_whom() {
    let net = network().await;
    let mut gate = Gate::new().account("acme-mastodon", &net).start().await;
    let first = stands(&gate).await;
    assert_eq!((first.version, first.slots.len()), (0, 0));
    let second = installed(&gate, made::another(&plugin("mastodon"), "2")).await;
    let steps: Vec<_> = second.steps.iter().map(|step| (step.step.as_str(), step.passed)).collect();
    let all = ["verify", "contract", "fit", "compile", "instantiate", "self-test"];
    assert_eq!(steps, all.map(|step| (step, true)));
    gate.publish(&post("acme-mastodon", "one")).await.expect(201);
    let now = activated(&gate, MASTODON, &second.release[..8]).await;
    assert_eq!((now.version, now.slots[0].active.release == second.release, now.slots[0].watched), (1, true, true));
    gate.publish(&post("acme-mastodon", "two")).await.expect(201);
    gate.restart().await;
    gate.publish(&post("acme-mastodon", "three")).await.expect(201);
    rolled_back(&gate, MASTODON).await;
    gate.publish(&post("acme-mastodon", "four")).await.expect(201);
    let base = stands(&gate).await.slots[0].active.release.clone();
    assert_eq!(sent_by(&gate), [base.clone(), second.release.clone(), second.release, base]);
    let subject = "mastodon 0.1.0 at network:mastodon".to_owned();
    let by = |action: &str, subject: &str| (action.to_owned(), subject.to_owned(), "ops-1".to_owned());
    let log = told(gate.leaves());
    assert_eq!(log, [by("install", "mastodon 0.1.0"), by("activate", &subject), by("rollback", &subject)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_goes_before_its_network() {
    let net = network().await;
    let gate = Gate::new().account("acme-mastodon", &net).account("other-mastodon", &net).start().await;
    let two = installed(&gate, made::another(&plugin("mastodon"), "2")).await.release;
    let three = installed(&gate, made::another(&plugin("mastodon"), "3")).await.release;
    activated(&gate, MASTODON, &two).await;
    activated(&gate, "account:other-mastodon", &three).await;
    for account in ["acme-mastodon", "other-mastodon"] {
        gate.publish(&post(account, "hello")).await.expect(201);
    }
    assert_eq!(sent_by(&gate), [two, three]);
    for (slot, why) in [("network:bluesky", "has nothing for"), ("policy:none", "has nothing for"), ("x", "is no slot")]
    {
        let wish = wish(&gate, slot, "mastodon@9").await;
        let error = asked(&gate, Kind::Promote, wish).await.expect_err("refused").to_string();
        assert!(error.contains(why), "{slot}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_swap_at_once_one_hears_what_stands() {
    let net = network().await;
    let gate = Gate::new().account("acme-mastodon", &net).start().await;
    let two = installed(&gate, made::another(&plugin("mastodon"), "2")).await.release;
    let three = installed(&gate, made::another(&plugin("mastodon"), "3")).await.release;
    let (one, other) = (wish(&gate, MASTODON, &two).await, wish(&gate, MASTODON, &three).await);
    let answers = tokio::join!(asked(&gate, Kind::Activate, one), asked(&gate, Kind::Activate, other));
    let (won, lost) = match answers {
        (Ok(won), Err(lost)) | (Err(lost), Ok(won)) => (won, lost),
        other => panic!("{other:?}"),
    };
    assert!(matches!(lost, OpsError::Conflict(_)), "{lost:?}");
    let winner = won.slots[0].active.release.clone();
    let text = lost.to_string();
    assert!(text.contains("version 1") && text.contains(&winner[..12]), "{text}");
    assert_eq!(stands(&gate).await.slots[0].active.release, winner);
    assert_eq!(
        told(gate.leaves()).iter().filter(|(action, ..)| action == "activate").count(),
        1,
        "no leaf of the loser"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_that_began_is_finished_by_the_release_that_began_it() {
    let net = network().await;
    let clock = clock();
    let mut gate = Gate::new().account("acme-mastodon", &net).clock(&clock).start().await;
    let two = installed(&gate, made::another(&plugin("mastodon"), "2")).await.release;
    let three = installed(&gate, made::another(&plugin("mastodon"), "3")).await.release;
    activated(&gate, MASTODON, &two).await;
    // The first entry goes out; then the network fails for a while.
    let down = Fault::Status { status: 503, stored: false };
    net.set_fault(Plan { skip: 1, ..Plan::next(1_000, "POST", STATUSES, down) }).await;
    let content = json!({"text": "one", "thread": [{"text": "two"}, {"text": "three"}]});
    let body = json!({"accounts": ["acme-mastodon"], "content": content});
    let answer = gate.send("POST", "/v1/posts", &[("content-type", "application/json")], body.to_string()).await;
    let thread = id(&answer.expect(202));
    let tried = || async { (net.count("POST", STATUSES).await >= 2).then_some(()) };
    until("the second entry is tried", tried).await;
    activated(&gate, MASTODON, &three).await;
    let again = installed(&gate, made::another(&plugin("mastodon"), "4")).await.release;
    activated(&gate, MASTODON, &again).await;
    gate.restart().await;
    net.clear_faults().await;
    let done = || async {
        clock.advance(jiff::SignedDuration::from_secs(120));
        gate.gateway().due.notify_one();
        (gate.read(&thread).await["state"] == "published").then_some(())
    };
    until("the thread is out", done).await;
    let releases = sent_by(&gate);
    assert!(releases.len() >= 4 && releases.iter().all(|release| *release == two), "{two}: {releases:?}");
    gate.publish(&post("acme-mastodon", "new")).await.expect(201);
    assert_eq!(sent_by(&gate).pop(), Some(again), "what is new goes the new way");
}

#[tokio::test(flavor = "multi_thread")]
async fn swaps_under_load_lose_and_repeat_nothing() {
    let net = network().await;
    let gate = Arc::new(Gate::new().account("acme-mastodon", &net).start().await);
    let releases = [
        installed(&gate, made::another(&plugin("mastodon"), "2")).await.release,
        installed(&gate, made::another(&plugin("mastodon"), "3")).await.release,
    ];
    let over = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..4)
        .map(|caller| {
            let (gate, over) = (Arc::clone(&gate), Arc::clone(&over));
            tokio::spawn(async move {
                let mut calls = 0;
                while !over.load(Ordering::Relaxed) {
                    gate.publish(&post("acme-mastodon", &format!("{caller} {calls}"))).await.expect(201);
                    calls += 1;
                }
                calls
            })
        })
        .collect();
    for round in 0..40 {
        activated(&gate, MASTODON, &releases[round % 2]).await;
    }
    over.store(true, Ordering::Relaxed);
    let mut calls = 0;
    for caller in callers {
        calls += caller.await.expect("no call failed");
    }
    assert_eq!(net.count("POST", STATUSES).await, calls, "each once");
    let by = sent_by(&gate);
    assert!(releases.iter().all(|release| by.contains(release)), "both served");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_configuration_compiles_nothing() {
    let net = network().await;
    let rule = |phrase: &str| json!({"forbidden": [{"phrase": phrase}]});
    let mut gate = Gate::new().account("acme-mastodon", &net).guidelines(&rule("cheap")).start().await;
    let two = installed(&gate, made::another(&plugin("guidelines"), "2")).await.release;
    activated(&gate, "policy:house-rules", &two).await;
    let cache = gate.data().join("plugin-cache");
    for entry in std::fs::read_dir(&cache).expect("the cache") {
        std::fs::remove_file(entry.expect("an entry").path()).expect("removed");
    }
    let mut governance = gate.governance.clone();
    governance.file("policies/house-rules.json", &rule("dear").to_string());
    gate.apply(governance).await;
    assert_eq!(std::fs::read_dir(&cache).expect("the cache").count(), 0, "nothing was compiled");
    gate.publish(&post("acme-mastodon", "cheap")).await.expect(201);
    gate.publish(&post("acme-mastodon", "dear")).await.expect(403);
    let (_, intent) = intents(&gate.leaves()).pop().expect("an intent");
    assert_eq!(intent.verdicts[0].plugin_digest, two, "the release that was put in place has the new configuration");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_somebody_changed_on_disk_does_not_serve_again() {
    let net = network().await;
    let mut gate = Gate::new().account("acme-mastodon", &net).start().await;
    let base = stands(&gate).await.releases[0].release.clone();
    let two = installed(&gate, made::another(&plugin("mastodon"), "2")).await.release;
    activated(&gate, MASTODON, &two).await;
    gate.stop().await;
    let path = gate.site.path(&format!("data/releases/{two}.wasm"));
    let mut bytes = std::fs::read(&path).expect("the component");
    *bytes.last_mut().expect("a byte") ^= 1;
    std::fs::write(&path, bytes).expect("changed");
    // Half a file of a writer that was killed.
    let half = gate.site.path(&format!("data/releases/{base}-1-0.part"));
    std::fs::write(&half, b"half").expect("written");
    gate.restart().await;
    assert!(!half.exists());
    gate.publish(&post("acme-mastodon", "hello")).await.expect(201);
    assert_eq!(sent_by(&gate), [base], "what served before");
    let why = stands(&gate).await.slots[0].why.clone().unwrap_or_default();
    assert!(why.contains("can't be loaded"), "{why}");
    let wish = ChangeRequest { release: None, ..wish(&gate, MASTODON, "").await };
    asked(&gate, Kind::Rollback, wish).await.expect("rolled back");
}
