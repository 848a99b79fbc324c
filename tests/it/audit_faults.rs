//! The log's disk fails: nothing is sent, the answer says so, and it goes on when the disk does.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use pressgate::audit::{Fault, FaultyDisk};
use serde_json::json;
use tests::harness::{Gate, network, problem, story, until};
use tests::skip::skipped;

use crate::samples::{STATUSES, id, post, texts};

const FAULTS: [Fault; 4] = [Fault::Full, Fault::ReadOnly, Fault::WriteError, Fault::SyncError];

#[tokio::test]
async fn nothing_is_sent_while_the_log_cant_be_written() {
    for fault in FAULTS {
        let net = network().await;
        let disk = FaultyDisk::new();
        let gate = Gate::new().account("acme-mastodon", &net).disk(&disk).start().await;
        gate.publish(&post("acme-mastodon", "before")).await.expect(201);
        let leaves = gate.leaves().len();
        disk.set(fault);
        // Whatever is asked: to publish, to be refused, to vote, to take back.
        let mut refused = 0;
        for body in [post("acme-mastodon", "during"), post("nobody", "x"), json!({"colour": 1})] {
            let answer = gate.publish(&body).await;
            refused += usize::from(answer.status == 503);
            let told = problem(&answer, "audit-unavailable");
            assert_eq!((&told["retry"], answer.header("retry-after")), (&json!(true), Some("1")), "{fault:?}");
        }
        assert_eq!(refused, 3, "{fault:?}");
        let first = gate.get("/v1/posts").await.expect(200)["posts"]
            .as_array()
            .expect("posts")
            .last()
            .cloned()
            .expect("a post");
        problem(&gate.delete(&format!("/v1/posts/{}", id(&first))).await, "audit-unavailable");
        assert_eq!(
            (net.count("POST", STATUSES).await, net.timeline().await.len()),
            (1, 1),
            "{fault:?}: the network's counter"
        );
        gate.assert_alive().await;
        let ready = tests::http::get(&format!("{}/readyz", gate.url), "").await.expect(503);
        assert_eq!((&ready["ready"], &ready["audit"]), (&json!(false), &json!("blocked")), "{fault:?}");

        disk.set(Fault::None);
        let again = || async {
            Some(gate.publish(&post("acme-mastodon", "after")).await).filter(|answer| answer.status == 201)
        };
        until(&format!("{fault:?} is over"), again).await;
        assert_eq!(texts(&net).await, ["before", "after"], "{fault:?}: without a restart");
        tests::http::get(&format!("{}/readyz", gate.url), "").await.expect(200);
        let told = story(&gate.leaves());
        assert!(told.len() > leaves && told.last().is_some_and(|line| line.ends_with("published")), "{told:?}");
    }
}

#[tokio::test]
async fn what_was_under_way_is_settled_when_the_disk_is_back() {
    for fault in FAULTS {
        let net = network().await;
        let disk = FaultyDisk::new();
        let mut gate = Gate::new().account("acme-mastodon", &net).disk(&disk).start().await;
        net.set_fault(sample_network::Plan::next(1, "POST", STATUSES, sample_network::Fault::Late { ms: 700 })).await;
        let made = gate.post("/v1/posts", &post("acme-mastodon", "x")).await.expect(202);
        until("the request is at the network", || async { (net.count("POST", STATUSES).await == 1).then_some(()) })
            .await;
        // The answer comes to a gateway that can't write its outcome down.
        disk.set(fault);
        tokio::time::sleep(Duration::from_millis(1200)).await;
        disk.set(Fault::None);
        gate.until_state(&id(&made), "published").await;
        assert_eq!(texts(&net).await, ["x"], "{fault:?}");
        gate.restart().await;
        assert_eq!(gate.read(&id(&made)).await["state"], "published", "{fault:?}: and after a start");
        assert_eq!(texts(&net).await, ["x"], "{fault:?}: a repetition went out under its key, if at all");
    }
}

#[tokio::test]
async fn a_thread_stops_at_the_part_that_cant_be_recorded() {
    let net = network().await;
    let disk = FaultyDisk::new();
    let gate = Gate::new().account("acme-mastodon", &net).disk(&disk).start().await;
    net.set_fault(sample_network::Plan::next(1, "POST", STATUSES, sample_network::Fault::Late { ms: 500 })).await;
    let body = json!({"accounts": ["acme-mastodon"], "content": {"text": "1", "thread": [{"text": "2"}]}});
    let made = gate.post("/v1/posts", &body).await.expect(202);
    until("part one is at the network", || async { (net.count("POST", STATUSES).await == 1).then_some(()) }).await;
    disk.set(Fault::WriteError);
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(texts(&net).await, ["1"], "part two has no intent, so it was not sent");
    disk.set(Fault::None);
    gate.until_state(&id(&made), "published").await;
    assert_eq!(texts(&net).await, ["1", "2"]);
    assert_eq!(net.count("POST", STATUSES).await, 2);
}

#[tokio::test]
async fn a_key_whose_post_came_to_nothing_works_again() {
    for fault in FAULTS {
        let net = network().await;
        let disk = FaultyDisk::new();
        let gate = Gate::new().account("acme-mastodon", &net).disk(&disk).start().await;
        gate.publish(&post("acme-mastodon", "before")).await.expect(201);
        disk.set(fault);
        // The first finds out that the log fails, in the middle of its way; the second is stopped at the door.
        for text in ["first", "second"] {
            problem(&gate.publish_once(text, &post("acme-mastodon", text)).await, "audit-unavailable");
        }
        disk.set(Fault::None);
        for text in ["first", "second"] {
            let again = || async {
                let answer = gate.publish_once(text, &post("acme-mastodon", text)).await;
                (answer.status == 201).then_some(())
            };
            until(&format!("{fault:?}: the same request goes through"), again).await;
        }
        assert_eq!(texts(&net).await, ["before", "first", "second"], "{fault:?}: once each");
    }
}

/// A small file system of its own, gone when this is dropped.
struct Tmpfs(PathBuf);

impl Tmpfs {
    /// Mounts it; none where this process may not.
    fn mount(dir: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(dir).expect("made");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size},mode=700"), "pressgate-test"])
            .arg(dir)
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(dir.to_owned())),
            Ok(output) => {
                skipped(&format!(
                    "a file system can't be mounted here: {}",
                    String::from_utf8_lossy(&output.stderr).trim()
                ));
                None
            }
            Err(error) => {
                skipped(&format!("`mount` can't be run: {error}"));
                None
            }
        }
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _gone = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test]
async fn heavy_a_real_file_system_fills_up_and_is_freed() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("audit");
    let Some(disk) = Tmpfs::mount(&dir, "16m") else { return };
    let net = network().await;
    let gate = Gate::new()
        .account("acme-mastodon", &net)
        .setting("audit.dir", &format!("{:?}", dir.display().to_string()))
        .spawn()
        .await;
    gate.publish(&post("acme-mastodon", "before")).await.expect(201);
    // Full for whatever needs room. What was made ahead is still written, until it is used up.
    let hog = dir.join("hog");
    let filled = Command::new("dd")
        .args(["if=/dev/zero", "bs=64k"])
        .arg(format!("of={}", hog.display()))
        .output()
        .expect("dd runs");
    assert!(!filled.status.success(), "the file system is full");
    let state = || async {
        let ready = tests::http::get(&format!("{}/readyz", gate.url), "").await;
        ready.json::<serde_json::Value>()["audit"].as_str().map(str::to_owned)
    };
    until("it is known", || async { (state().await.as_deref() == Some("low-disk")).then_some(()) }).await;
    let refused = gate.publish(&post("acme-mastodon", "low")).await;
    problem(&refused, "audit-unavailable");
    assert_eq!(refused.header("retry-after"), Some("30"));
    // Refusals fill what was made ahead, and then the emergency reserve: each is a leaf.
    let nonsense = json!({"colour": 1});
    let mut leaves = 0;
    while gate.publish(&nonsense).await.status != 503 {
        leaves += 1;
        assert!(leaves < 40_000, "the reserve is used up some time");
    }
    assert!(leaves > 512, "more than the segment at hand and the one made ahead take: {leaves}");
    assert!(!dir.join("emergency-reserve").exists(), "it was given up");
    assert_eq!(state().await.as_deref(), Some("blocked"));
    for _ in 0..3 {
        problem(&gate.publish(&post("acme-mastodon", "during")).await, "audit-unavailable");
    }
    assert_eq!(net.count("POST", STATUSES).await, 1, "the network's counter");
    std::fs::remove_file(&hog).expect("freed");
    let again =
        || async { Some(gate.publish(&post("acme-mastodon", "after")).await).filter(|answer| answer.status == 201) };
    until("the log goes on", again).await;
    assert_eq!(texts(&net).await, ["before", "after"]);
    until("the reserve is back", || async { dir.join("emergency-reserve").exists().then_some(()) }).await;
    let told = || async {
        let leaves = gate.leaves();
        let states = leaves.iter().filter_map(|leaf| match &leaf.event {
            pressgate::audit::Event::State(state) => Some(state.state.clone()),
            _ => None,
        });
        let states: Vec<_> = states.collect();
        (states.last().map(String::as_str) == Some("normal")).then_some(states)
    };
    let states = until("the log tells of it", told).await;
    assert_eq!(states.first().map(String::as_str), Some("low-disk"));
    assert!(states.iter().any(|state| state == "blocked"), "{states:?}");
    drop(gate);
    drop(disk);
}
