//! A grant is revoked under load: when `apply` has answered, no call starts under it any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use jiff::SignedDuration;
use pressgate::audit::Event;
use sample_network::{Fault, Plan};
use tests::harness::{Gate, Running, gate, intents, network, problem, until};

use crate::samples::{STATUSES, id, post};

const ROUNDS: u64 = 5;
const CONNECTIONS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_starts_under_a_grant_that_apply_revoked() {
    for round in 0..ROUNDS {
        let net = network().await;
        let actions = ["post.create", "post.read"];
        let mut gate = Gate::new()
            .account("acme-mastodon", &net)
            .grant("doomed", "app:careers", "brand:acme", &actions)
            .start()
            .await;
        let stop = Arc::new(AtomicBool::new(false));
        let refused = Arc::new(AtomicUsize::new(0));
        let mut load = tokio::task::JoinSet::new();
        for connection in 0..CONNECTIONS {
            let who = if connection % 2 == 0 { "app:careers" } else { "app:newsroom" };
            let (caller, stop, refused) = (gate.caller(who), Arc::clone(&stop), Arc::clone(&refused));
            load.spawn(async move {
                let mut number = 0;
                while !stop.load(Ordering::Relaxed) {
                    number += 1;
                    let body = post("acme-mastodon", &format!("{connection}.{number}"));
                    // Without waiting, so that many are on their way.
                    let answer = caller.post("/v1/posts", &body).await;
                    match answer.status {
                        201 | 202 => {}
                        403 if who == "app:careers" => {
                            problem(&answer, "no-grant");
                            refused.fetch_add(1, Ordering::Relaxed);
                        }
                        other => panic!("{who}: {other}: {}", answer.text()),
                    }
                }
            });
        }
        // At another moment each round, with calls on their way.
        let doomed = || intents(&gate.leaves()).iter().filter(|(_, intent)| intent.grant == "doomed").count();
        until("there is a load under it", || async { (doomed() >= 5).then_some(()) }).await;
        tokio::time::sleep(Duration::from_millis(40 * round)).await;
        let mut governance = gate.governance.clone();
        governance.revoke("doomed");
        gate.apply(governance).await;
        let answered = gate.leaves().len() as u64;
        until("calls are refused", || async { (refused.load(Ordering::Relaxed) >= 5).then_some(()) }).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        stop.store(true, Ordering::Relaxed);
        load.join_all().await;
        tokio::time::sleep(Duration::from_millis(300)).await;

        let leaves = gate.leaves();
        let changes =
            (0..).zip(&leaves).filter(|(_, leaf)| matches!(&leaf.event, Event::Change(_))).map(|(index, _)| index);
        let change: u64 = changes.last().expect("a change");
        assert!(change > 1 && change < answered, "the change stands in the log before apply has answered");
        let (doomed, others): (Vec<_>, Vec<_>) =
            intents(&leaves).into_iter().partition(|(_, intent)| intent.grant == "doomed");
        let late: Vec<_> = doomed.iter().filter(|(index, _)| *index > change).collect();
        assert!(
            late.is_empty(),
            "{} calls began under the revoked grant, the first at {} after {change}",
            late.len(),
            late[0].0
        );
        assert!(others.iter().any(|(index, _)| *index > change), "the others went on");
        assert_eq!(net.count("POST", STATUSES).await, (doomed.len() + others.len()) as u64);
    }
}

#[tokio::test]
async fn a_post_that_waits_for_the_network_does_not_go_out_under_a_revoked_grant() {
    let net = network().await;
    let clock = gate::clock();
    let actions = ["post.create", "post.read"];
    let plan = Gate::new().account("acme-mastodon", &net).grant("doomed", "app:careers", "brand:acme", &actions);
    let mut gate: Running = plan.clock(&clock).start().await;
    net.set_fault(Plan::next(1, "POST", STATUSES, Fault::RateLimited { retry_after_s: Some(60) })).await;
    let waiting = gate.caller("app:careers").post("/v1/posts", &post("acme-mastodon", "x")).await.expect(202);
    until("the first attempt", || async {
        (gate.read(&id(&waiting)).await["targets"][0]["attempts"][0]["status"] == 429).then_some(())
    })
    .await;
    let mut governance = gate.governance.clone();
    governance.revoke("doomed");
    gate.apply(governance).await;
    clock.advance(SignedDuration::from_secs(61));
    let failed = gate.until_state(&id(&waiting), "failed").await;
    assert_eq!(failed["targets"][0]["attempts"][1]["code"], "no-grant", "{failed}");
    assert_eq!(net.count("POST", STATUSES).await, 1);
}

#[tokio::test]
async fn a_folder_with_a_fault_changes_nothing() {
    let net = network().await;
    let mut gate = Gate::new().account("acme-mastodon", &net).start().await;
    let before = gate.leaves().len();
    let mut governance = gate.governance.clone();
    governance.file("grants.toml", "[[grant]]\nid = \"x\"\napp = \"nobody\"\n");
    let told = gate.try_apply(governance).await.expect_err("a fault");
    assert!(told.contains("grants.toml"), "{told}");
    assert_eq!(gate.leaves().len(), before);
    gate.publish(&post("acme-mastodon", "as before")).await.expect(201);
}
