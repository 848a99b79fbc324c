//! The states of the log as callers, operators and readers of the log see them; heartbeats and measurements.

use std::time::Duration;

use pressgate::audit::{Event, Fault, FaultyDisk, Leaf, Space, leaf};
use serde_json::json;
use tests::harness::{Gate, GateProcess, Running, network, problem, until};
use tests::http;

use crate::samples::{STATUSES, id, post, texts};

/// The changes of state that the log tells.
fn states(leaves: &[Leaf]) -> Vec<leaf::State> {
    let told = leaves.iter().filter_map(|leaf| match &leaf.event {
        Event::State(state) => Some(state.clone()),
        _ => None,
    });
    told.collect()
}

async fn until_ready(gate: &Running, state: &str) {
    until(&format!("the log is {state}"), || async {
        let ready = http::get(&format!("{}/readyz", gate.url), "").await;
        (ready.json::<serde_json::Value>()["audit"] == state).then_some(())
    })
    .await;
}

async fn until_told(gate: &Running, wanted: &[(&str, &str, &str)]) -> Vec<leaf::State> {
    until(&format!("the log tells {wanted:?}"), || async {
        let told = states(&gate.leaves());
        let same = told.len() == wanted.len()
            && told.iter().zip(wanted).all(|(told, (before, state, code))| {
                told.before == *before && told.state == *state && told.code == *code && told.since_ms > 0
            });
        same.then_some(told)
    })
    .await
}

fn room(free_mib: u64) -> Option<Space> {
    Some(Space { free_bytes: free_mib << 20, total_bytes: 1000 << 20 })
}

#[tokio::test]
async fn a_slow_log_puts_off_who_only_asks_and_sends_all_the_same() {
    let net = network().await;
    let disk = FaultyDisk::new();
    let gate = Gate::new().account("acme-mastodon", &net).disk(&disk).setting("audit.slow_ms", "50").start().await;
    disk.set(Fault::Slow);
    gate.publish(&post("acme-mastodon", "one")).await.expect(201);
    until_ready(&gate, "slow").await;
    let leaves = gate.leaves().len();
    let told = gate.post("/v1/validate", &post("acme-mastodon", "may I?")).await;
    let body = problem(&told, "audit-slow");
    assert_eq!((told.status, &body["retry"], told.header("retry-after")), (503, &json!(true), Some("10")));
    let mut dry = post("acme-mastodon", "may I?");
    dry["dry_run"] = json!(true);
    problem(&gate.publish(&dry).await, "audit-slow");
    assert!(gate.leaves().len() <= leaves + 1, "what is put off makes no leaf; the state may have");
    gate.publish(&post("acme-mastodon", "two")).await.expect(201);
    gate.get("/v1/posts").await.expect(200);
    let ready = http::get(&format!("{}/readyz", gate.url), "").await.expect(200);
    assert_eq!(ready["ready"], true, "it is slow, and works");
    let page = gate.gateway().metrics.render();
    assert!(page.contains("pressgate_audit_state{state=\"slow\"} 1\n"), "{page}");
    assert!(page.contains("\npressgate_reads_shed_total 2\n"), "{page}");
    disk.set(Fault::None);
    until_ready(&gate, "ready").await;
    gate.post("/v1/validate", &post("acme-mastodon", "may I now?")).await.expect(200);
    until_told(&gate, &[("normal", "slow", "commit-slow"), ("slow", "normal", "recovered")]).await;
    assert_eq!(texts(&net).await, ["one", "two"]);
}

#[tokio::test]
async fn a_low_disk_stops_what_leaves_and_records_the_rest() {
    let net = network().await;
    let disk = FaultyDisk::new();
    disk.set_space(room(500));
    let rule = json!({"forbidden": [{"phrase": "cheap", "outcome": "hold"}]});
    let mut gate = Gate::new()
        .account("acme-mastodon", &net)
        .guidelines(&rule)
        .disk(&disk)
        .setting("audit.low_disk_percent", "5")
        .start()
        .await;
    let before = gate.publish(&post("acme-mastodon", "before")).await.expect(201);
    let held = gate.publish(&post("acme-mastodon", "cheap")).await.expect(202);
    let other = gate.publish(&post("acme-mastodon", "cheap too")).await.expect(202);
    disk.set_space(room(49));
    until_ready(&gate, "low-disk").await;
    http::get(&format!("{}/readyz", gate.url), "").await.expect(200);
    let sent = net.counts().await;

    // What would leave.
    let refused = gate.publish(&post("acme-mastodon", "during")).await;
    problem(&refused, "audit-unavailable");
    assert_eq!(refused.header("retry-after"), Some("30"));
    problem(&gate.delete(&format!("/v1/posts/{}", id(&before))).await, "audit-unavailable");
    let picture = gate.send("POST", "/v1/media", &[("content-type", "image/png")], crate::samples::PNG).await;
    problem(&picture, "audit-unavailable");
    // What is recorded: refusals, holds, votes, withdrawals, what operators do.
    let leaves = gate.leaves().len();
    problem(&gate.publish(&post("nobody", "x")).await, "unknown-account");
    gate.publish(&post("acme-mastodon", "cheap as well")).await.expect(202);
    let chief = gate.caller("person:chief-1");
    chief.vote(&id(&held), "approve").await.expect(200);
    chief.vote(&id(&other), "reject").await.expect(200);
    let governance = gate.governance.clone();
    gate.apply(governance).await;
    gate.get("/v1/posts").await.expect(200);
    assert!(gate.leaves().len() >= leaves + 4);
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert_eq!(net.counts().await, sent, "an approved post waits for room");

    disk.set_space(room(500));
    until_ready(&gate, "ready").await;
    // What was put off is tried again within a minute at most.
    gate.publish(&post("acme-mastodon", "after")).await.expect(201);
    until_told(&gate, &[("normal", "low-disk", "space-low"), ("low-disk", "normal", "recovered")]).await;
    let page = gate.gateway().metrics.render();
    assert!(page.contains(&format!("pressgate_audit_disk_free_bytes {}\n", 500 << 20)), "{page}");
}

#[tokio::test]
async fn a_disk_that_hangs_refuses_within_the_bound_and_says_so_afterwards() {
    let net = network().await;
    let disk = FaultyDisk::new();
    let gate = Gate::new().account("acme-mastodon", &net).disk(&disk).setting("audit.blocked_ms", "400").start().await;
    gate.publish(&post("acme-mastodon", "before")).await.expect(201);
    disk.set(Fault::Hang);
    let since = tokio::time::Instant::now();
    let all = (0..10).map(|number| {
        let gate = &gate;
        async move { gate.publish(&post("acme-mastodon", &format!("during {number}"))).await }
    });
    for answer in futures(all).await {
        problem(&answer, "audit-unavailable");
    }
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    until_ready(&gate, "blocked").await;
    http::get(&format!("{}/readyz", gate.url), "").await.expect(503);
    assert_eq!(net.count("POST", STATUSES).await, 1, "the network's counter");
    disk.set(Fault::None);
    until_ready(&gate, "ready").await;
    gate.publish(&post("acme-mastodon", "after")).await.expect(201);
    let told = until_told(&gate, &[("normal", "blocked", "disk-hangs"), ("blocked", "normal", "recovered")]).await;
    assert!(told[0].since_ms < told[1].since_ms, "a blocked log says so afterwards, with when it began");
    assert_eq!(texts(&net).await, ["before", "after"]);
    let intents = tests::harness::intents(&gate.leaves());
    assert_eq!(intents.len(), 2, "an intent that was refused is not in the log");
}

async fn futures<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut all: Vec<_> = all.map(Box::pin).collect();
    let mut done = Vec::new();
    std::future::poll_fn(|context| {
        all.retain_mut(|one| match one.as_mut().poll(context) {
            std::task::Poll::Ready(value) => {
                done.push(value);
                false
            }
            std::task::Poll::Pending => true,
        });
        if all.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done
}

/// What the leaves of one run say, in the words of a heartbeat.
fn counted(leaves: &[Leaf]) -> leaf::Heartbeat {
    let mut found = leaf::Heartbeat::default();
    for leaf in leaves {
        match &leaf.event {
            Event::Lifecycle(lifecycle) if lifecycle.event == leaf::LifecycleEvent::Start => {
                found = leaf::Heartbeat { started_ms: leaf.at_ms, ..leaf::Heartbeat::default() };
            }
            Event::Intent(_) => found.sent += 1,
            Event::Outcome(outcome) => {
                found.accepted += u64::from(outcome.target_state.is_some());
                let good = outcome.result == leaf::OutcomeResult::Answered
                    && outcome.status.is_some_and(|status| (200..300).contains(&status));
                found.failed += u64::from(!good);
            }
            Event::Finished(_) => found.accepted += 1,
            Event::Refused(refused) => found.denied += refused.count.unwrap_or(1),
            Event::Unauthenticated(sum) => found.denied += sum.count,
            _ => {}
        }
    }
    found
}

/// Something of everything.
async fn a_busy_day(gate: &GateProcess, net: &sample_network::Running) {
    let published = gate.publish(&post("acme-mastodon", "one")).await.expect(201);
    let thread = json!({"accounts": ["acme-mastodon"], "content": {"text": "1", "thread": [{"text": "2"}]}});
    gate.publish(&thread).await.expect(201);
    gate.delete(&format!("/v1/posts/{}", id(&published))).await.expect(200);
    problem(&gate.publish(&post("nobody", "x")).await, "unknown-account");
    problem(&gate.caller("app:careers").publish(&post("acme-mastodon", "x")).await, "no-grant");
    for _ in 0..5 {
        problem(&http::get(&format!("{}/v1/me", gate.url), "nonsense").await, "unauthenticated");
    }
    net.set_fault(sample_network::Plan::next(
        1,
        "POST",
        STATUSES,
        sample_network::Fault::Status { status: 422, stored: false },
    ))
    .await;
    problem(&gate.publish(&post("acme-mastodon", "no")).await, "platform-refused");
    net.set_fault(sample_network::Plan::next(
        1,
        "POST",
        STATUSES,
        sample_network::Fault::NoAnswer { stored: true, how: sample_network::Silence::Close },
    ))
    .await;
    let silent = gate.publish(&post("acme-mastodon", "silent")).await.expect(201);
    gate.until_state(&id(&silent), "published").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heartbeats_say_what_the_other_leaves_say() {
    let net = network().await;
    let mut gate = Gate::new().account("acme-mastodon", &net).setting("audit.heartbeat_seconds", "1").spawn().await;
    a_busy_day(&gate, &net).await;
    tokio::time::sleep(Duration::from_millis(2_300)).await;
    assert_eq!(gate.terminate().await, Some(0));
    for run in 0..2 {
        let leaves = gate.leaves();
        let beats: Vec<usize> =
            (0..leaves.len()).filter(|at| matches!(leaves[*at].event, Event::Heartbeat(_))).collect();
        for at in &beats {
            let Event::Heartbeat(beat) = &leaves[*at].event else { panic!() };
            let before = counted(&leaves[..*at]);
            assert_eq!(beat.started_ms, before.started_ms, "it counts from the start before it");
            assert!(beat.sent <= before.sent, "nothing was sent that is not in the log before: {beat:?} {before:?}");
        }
        // The stop is the last leaf, and the heartbeat before it has everything.
        let [.., beat, stop] = leaves.as_slice() else { panic!("{leaves:?}") };
        assert!(matches!(&stop.event, Event::Lifecycle(l) if l.event == leaf::LifecycleEvent::Stop), "{stop:?}");
        let Event::Heartbeat(beat) = &beat.event else { panic!("{beat:?}") };
        let before = counted(&leaves);
        assert_eq!(*beat, before, "run {run}");
        if run == 0 {
            assert!(beats.len() >= 3, "one each second: {}", beats.len());
            assert!(beat.sent >= 6 && beat.denied >= 7 && beat.failed >= 2 && beat.accepted >= 5, "{beat:?}");
            // And the network's own count: what it got is what the log says was sent.
            let got: u64 = net.counts().await.iter().filter(|(name, _)| !name.starts_with("GET")).map(|(_, n)| n).sum();
            assert_eq!(got, beat.sent);
            gate.restart().await;
            gate.publish(&post("acme-mastodon", "another day")).await.expect(201);
            assert_eq!(gate.terminate().await, Some(0));
        } else {
            assert_eq!((beat.accepted, beat.sent), (1, 1), "a start begins at nothing");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn measurements_are_read_on_the_operators_listener_only() {
    let net = network().await;
    let gate = Gate::new().account("acme-mastodon", &net).spawn().await;
    gate.publish(&post("acme-mastodon", "one")).await.expect(201);
    problem(&gate.publish(&post("nobody", "x")).await, "unknown-account");
    let operators = std::fs::read_to_string(gate.log_file()).expect("a log");
    let address = operators.lines().find_map(|line| line.strip_prefix("operator listens on ")).expect("an address");
    let page = http::get(&format!("{address}/metrics"), "").await;
    assert_eq!((page.status, page.header("cache-control")), (200, Some("no-store")));
    assert_eq!(page.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = page.text();
    let samples = samples(&text);
    let value = |name: &str| *samples.get(name).unwrap_or_else(|| panic!("no {name} in {text}"));
    for state in ["normal", "slow", "low-disk", "blocked"] {
        let expected = f64::from(u8::from(state == "normal"));
        assert_eq!(value(&format!("pressgate_audit_state{{state=\"{state}\"}}")), expected, "{state}");
    }
    assert_eq!(value("pressgate_calls_total{result=\"accepted\"}"), 1.0);
    assert_eq!(value("pressgate_calls_total{result=\"denied\"}"), 1.0);
    assert_eq!((value("pressgate_requests_sent_total"), value("pressgate_requests_failed_total")), (1.0, 0.0));
    let leaves = value("pressgate_audit_leaves_total");
    assert!(leaves >= 4.0 && value("pressgate_audit_next_index") >= leaves);
    assert_eq!(value("pressgate_audit_commit_leaves_sum"), leaves, "each leaf is in one commit");
    let commits = value("pressgate_audit_commit_duration_seconds_count");
    assert!(commits >= 3.0 && commits <= leaves);
    assert_eq!(value("pressgate_audit_commit_duration_seconds_bucket{le=\"+Inf\"}"), commits);
    assert!(value("pressgate_audit_disk_free_bytes") <= value("pressgate_audit_disk_size_bytes"));
    assert_eq!(value("pressgate_audit_queue_appends"), 0.0);
    assert!(text.contains("plugin=\"mastodon 0.1.0\""), "what each plugin used up: {text}");
    // No key, so no names of anybody: neither accounts nor people nor apps.
    for name in ["acme", "newsroom", "chief"] {
        assert!(!text.contains(name), "{name} in {text}");
    }
    problem(&http::get(&format!("{}/metrics", gate.url), "").await, "not-found");
    let ready = http::get(&format!("{address}/readyz"), "").await.expect(200);
    assert_eq!((&ready["ready"], &ready["audit"]), (&json!(true), &json!("ready")));
}

/// Reads a page as Prometheus does: every sample has its `# TYPE` before it, names stand together, values are numbers.
fn samples(page: &str) -> std::collections::BTreeMap<String, f64> {
    let mut samples = std::collections::BTreeMap::new();
    let (mut family, mut seen) = (String::new(), std::collections::BTreeSet::new());
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            family = rest.split(' ').next().expect("a name").to_owned();
            assert!(seen.insert(family.clone()), "{family} twice");
        } else if !line.starts_with('#') {
            let (name, value) = line.rsplit_once(' ').expect("a value");
            let bare = name.split('{').next().expect("a name");
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| bare.strip_suffix(end));
            assert!(bare == family || base == Some(&family), "{line} does not belong to {family}");
            let value = value.parse().unwrap_or_else(|_| panic!("{line}"));
            assert!(samples.insert(name.to_owned(), value).is_none(), "{name} twice");
        }
    }
    assert!(page.ends_with('\n') && !samples.is_empty());
    samples
}
