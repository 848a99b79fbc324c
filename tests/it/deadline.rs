//! An adapter's deadline cuts off a call in the middle of a step: what was sent is not forgotten.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use pressgate::audit::{Fault as DiskFault, FaultyDisk};
use pressgate::clock::ManualClock;
use sample_network::{Fault, Plan, Silence};
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::harness::{Gate, built, gate, network, story, until};

use crate::samples::{STATUSES, id, post, texts};

/// The adapter may take this long here; its own manifest says two minutes.
const WALL_MS: u64 = 1200;

/// Leaves that the start writes, before the call's own.
const BEFORE: usize = 3;

/// The adapter with a short deadline, and nothing else.
fn hasty_adapter() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let mut wasm = std::fs::read(built::plugins().join("mastodon.wasm")).expect("the adapter");
    let from = br#""wall_ms":120000"#;
    let to = format!("{:<1$}", format!(r#""wall_ms":{WALL_MS}"#), from.len());
    let at = wasm.windows(from.len()).rposition(|window| window == from).expect("the manifest");
    wasm[at..at + from.len()].copy_from_slice(to.as_bytes());
    std::fs::write(folder.path().join("mastodon.wasm"), wasm).expect("written");
    folder
}

/// A gateway whose adapter has less time than an answer.
fn plan(net: &sample_network::Running, adapter: &TempDir, clock: &Arc<ManualClock>) -> Gate {
    Gate::new()
        .account("acme-mastodon", net)
        .clock(clock)
        .setting("egress.timeout_ms", "600000")
        .setting("plugins.dir", &format!("{:?}", adapter.path().display().to_string()))
}

fn thread() -> Value {
    json!({"accounts": ["acme-mastodon"], "content": {"text": "1", "thread": [{"text": "2"}]}})
}

fn silence(skip: u32, stored: bool) -> Plan {
    Plan { skip, ..Plan::next(1, "POST", STATUSES, Fault::NoAnswer { stored, how: Silence::Hang }) }
}

#[tokio::test]
async fn an_effect_without_an_answer_is_unknown_and_has_its_outcome() {
    for stored in [false, true] {
        let (net, adapter, clock) = (network().await, hasty_adapter(), gate::clock());
        let gate = plan(&net, &adapter, &clock).start().await;
        net.set_fault(silence(0, stored)).await;
        let made = gate.post("/v1/posts", &post("acme-mastodon", "x")).await.expect(202);
        let ended = until("the attempt has ended", || async {
            let view = gate.read(&id(&made)).await;
            (!view["targets"][0]["attempts"].as_array().expect("attempts").is_empty()).then_some(view)
        });
        let ended = ended.await;
        assert_eq!(
            (&ended["state"], &ended["targets"][0]["attempts"][0]["code"]),
            (&json!("unknown"), &json!("unanswered"))
        );
        assert_eq!(
            story(&gate.leaves())[BEFORE..],
            ["intent acme-mastodon post.create part-0 #1", "outcome part-0 unanswered -> unknown"]
        );
        clock.advance(SignedDuration::from_secs(1));
        gate.until_state(&id(&made), "published").await;
        assert_eq!(texts(&net).await, ["x"], "stored: {stored}");
    }
}

#[tokio::test]
async fn the_second_part_of_a_thread_is_not_sent_again_before_it_was_settled() {
    for stored in [false, true] {
        let (net, adapter, clock) = (network().await, hasty_adapter(), gate::clock());
        let gate = plan(&net, &adapter, &clock).start().await;
        net.set_fault(silence(1, stored)).await;
        let made = gate.post("/v1/posts", &thread()).await.expect(202);
        gate.until_state(&id(&made), "unknown").await;
        assert_eq!(
            story(&gate.leaves())[BEFORE..],
            [
                "intent acme-mastodon post.create part-0 #1",
                "outcome part-0 answered 200",
                "intent acme-mastodon post.create part-1 #1",
                "outcome part-1 unanswered -> unknown"
            ]
        );
        // Past the window of the network's keys a repetition would be a second entry.
        let hours = 2 * 3600;
        clock.advance(SignedDuration::from_secs(hours));
        net.advance_clock(Duration::from_secs(hours.unsigned_abs())).await;
        until("the network was looked at", || async {
            let requests = net.requests().await;
            requests.iter().any(|r| r.method == "GET" && r.path.ends_with("/statuses")).then_some(())
        })
        .await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        // What is there is found, what is not is sent.
        assert_eq!(texts(&net).await, ["1", "2"], "stored: {stored}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_intent_that_was_being_written_is_closed_as_not_sent() {
    let (net, adapter, clock, disk) = (network().await, hasty_adapter(), gate::clock(), FaultyDisk::new());
    let gate = plan(&net, &adapter, &clock).disk(&disk).start().await;
    // The disk hangs while the answer to the first part is on its way, so it takes the second part's intent too late.
    net.set_fault(Plan::next(1, "POST", STATUSES, Fault::Late { ms: 500 })).await;
    let made = gate.post("/v1/posts", &thread()).await.expect(202);
    until("the first part was sent", || async { (net.count("POST", STATUSES).await == 1).then_some(()) }).await;
    disk.set(DiskFault::Hang);
    tokio::time::sleep(Duration::from_millis(WALL_MS + 800)).await;
    disk.set(DiskFault::None);
    let told = until("the attempt is in the log", || async {
        let told = story(&gate.leaves());
        told.iter().any(|line| line.contains("publishing")).then_some(told)
    });
    assert_eq!(
        told.await[BEFORE..],
        [
            "intent acme-mastodon post.create part-0 #1",
            "outcome part-0 answered 200",
            "intent acme-mastodon post.create part-1 #1",
            "outcome part-1 not-sent -> publishing"
        ]
    );
    clock.advance(SignedDuration::from_secs(1));
    gate.until_state(&id(&made), "published").await;
    assert_eq!(texts(&net).await, ["1", "2"]);
    assert_eq!(net.count("POST", STATUSES).await, 2, "the first part was answered from the journal");
}

#[tokio::test]
async fn an_attempt_that_outlasts_its_lease_is_not_begun_a_second_time() {
    let (net, clock) = (network().await, gate::clock());
    let gate = Gate::new().account("acme-mastodon", &net).clock(&clock).start().await;
    net.set_fault(Plan::next(1, "POST", STATUSES, Fault::Late { ms: 2500 })).await;
    let made = gate.post("/v1/posts", &post("acme-mastodon", "x")).await.expect(202);
    until("it was sent", || async { (net.count("POST", STATUSES).await == 1).then_some(()) }).await;
    clock.advance(SignedDuration::from_mins(30));
    let published = gate.until_state(&id(&made), "published").await;
    assert_eq!(published["targets"][0]["attempts"].as_array().map(Vec::len), Some(1), "{published}");
    assert_eq!(net.count("POST", STATUSES).await, 1);
}
