//! The log's tree as others get it: by HTTP as static files, and after old entries were dropped; and the key that signs it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use pressgate::audit::{Event, Leaf, leaf};
use pressgate::clock::ManualClock;
use pressgate::retention;
use pressgate_audit::RealDisk;
use pressgate_audit::leaf::Commitment;
use pressgate_audit::note::{Checkpoint, Note, Signer, Verifier};
use pressgate_audit::tile::Tile;
use pressgate_audit::verify::{VerifyOptions, verify};
use serde_json::{Value, json};
use tests::harness::{Gate, Running, network, problem, until};

use crate::samples::post;

async fn gate_with_readers() -> (Running, sample_network::Running) {
    gate_at(&tests::harness::gate::clock()).await
}

async fn gate_at(clock: &Arc<ManualClock>) -> (Running, sample_network::Running) {
    let net = network().await;
    let gate = Gate::new()
        .clock(clock)
        .account("acme-mastodon", &net)
        .govern(|governance| {
            governance.auditor("whole", "app:agency", &["audit:read"], None);
            governance.auditor("snacks-only", "app:careers", &["audit:read"], Some("acme/snacks"));
        })
        .start()
        .await;
    (gate, net)
}

/// The key that the log of a gateway is signed with.
pub fn key(gate: &Running) -> Verifier {
    let text = std::fs::read_to_string(gate.data().join("audit-key")).expect("the key");
    Signer::parse(&text).expect("a key").verifier().clone()
}

/// Waits until a checkpoint covers all that is durable now.
pub async fn covered(gate: &Running) -> u64 {
    let end = gate.gateway().audit.next_index();
    until("a checkpoint", || async {
        let tree = gate.gateway().audit.tree().expect("a tree");
        let size = tree.borrow().published.as_ref().map_or(0, |published| published.checkpoint.size);
        (size >= end).then_some(size)
    })
    .await
}

/// Leaves of another day, straight into the log.
pub async fn append(gate: &Running, count: u64, days_ago: i64) {
    let at_ms = gate.gateway().clock.now().as_millisecond() - days_ago * 24 * 3_600_000;
    for from in (0..count).step_by(100) {
        let leaves = (from..count.min(from + 100)).map(|number| {
            let event =
                leaf::Unauthenticated { source: format!("192.0.2.0/{number}"), second_ms: at_ms, count: number };
            Leaf::new(at_ms, event)
        });
        gate.gateway().audit.append_all(leaves.collect()).await.expect("durable");
    }
}

fn options(gate: &Running) -> VerifyOptions {
    VerifyOptions::new(key(gate))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_over_http_is_a_tree_that_verifies() {
    let (gate, _net) = gate_with_readers().await;
    gate.publish(&post("acme-mastodon", "one")).await.expect(201);
    append(&gate, 700, 0).await;
    covered(&gate).await;
    let reader = gate.caller("app:agency");
    let answer = reader.get("/v1/audit/tree/checkpoint").await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")));
    let text = answer.text();
    let (checkpoint, _) = Checkpoint::open(text.as_bytes(), &key(&gate)).expect("signed");
    let mirror = tempfile::tempdir().expect("a folder");
    std::fs::write(mirror.path().join("checkpoint"), &text).expect("written");
    for tile in Tile::all(checkpoint.size) {
        let answer = reader.get(&format!("/v1/audit/tree/{}", tile.path())).await;
        assert_eq!(answer.status, 200, "{}", tile.path());
        assert!(answer.header("cache-control").is_some_and(|kept| kept.contains("immutable")));
        let file = mirror.path().join(tile.path());
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        std::fs::write(file, &answer.body).expect("written");
    }
    let report = verify(&RealDisk, mirror.path(), &options(&gate)).expect("it verifies");
    assert_eq!(report.checkpoint, checkpoint);
    // Who took leaves away is in the log; who took hashes is not.
    let taken: BTreeSet<String> = gate
        .leaves()
        .into_iter()
        .filter_map(|leaf| match leaf.event {
            Event::Read(read) if read.what == "audit.tree" => read.filter,
            _ => None,
        })
        .collect();
    assert_eq!(taken.len(), checkpoint.size.div_ceil(256) as usize, "{taken:?}");
    assert!(taken.iter().all(|path| path.starts_with("path=tile/entries/")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tree_is_for_readers_of_the_whole_log_and_has_no_other_files() {
    let (gate, _net) = gate_with_readers().await;
    covered(&gate).await;
    for who in ["app:careers", "person:ops-1", "app:newsroom"] {
        for path in ["checkpoint", "tile/0/000.p/1", "tile/entries/000.p/1", "../audit-key"] {
            problem(&gate.caller(who).get(&format!("/v1/audit/tree/{path}")).await, "no-audit-right");
        }
    }
    let reader = gate.caller("app:agency");
    for path in [
        "tile/0/001",
        "tile/0/000",
        "tile/9/000",
        "tile/0/0",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/entries/x000/000",
        "tile/entries/000.p/255",
        "entries-from",
        "tile/0/%2e%2e/%2e%2e/checkpoint",
        "checkpoint.new",
        "tile/0/-01",
    ] {
        problem(&reader.get(&format!("/v1/audit/tree/{path}")).await, "not-found");
    }
}

fn files(dir: &Path) -> usize {
    std::fs::read_dir(dir)
        .map_or(0, |entries| entries.filter(|entry| entry.as_ref().expect("an entry").path().is_file()).count())
}

#[tokio::test(flavor = "multi_thread")]
async fn old_entries_go_and_every_proof_still_holds() {
    let clock = tests::harness::gate::clock();
    let (mut gate, _net) = gate_at(&clock).await;
    gate.publish(&post("acme-mastodon", "of then")).await.expect(201);
    problem(&gate.caller("app:careers").publish(&post("acme-mastodon", "refused then")).await, "no-grant");
    append(&gate, 1_000, 0).await;
    clock.advance(jiff::SignedDuration::from_hours(24 * 400));
    append(&gate, 300, 10).await;
    gate.publish(&post("acme-mastodon", "of now")).await.expect(201);
    // What the leaves of then and of now commit to can be opened.
    let committed: Vec<Vec<[u8; 32]>> = gate
        .leaves()
        .iter()
        .filter(|leaf| !leaf.event.commitments().is_empty())
        .map(|leaf| leaf.event.commitments().iter().filter_map(Commitment::bytes).collect())
        .collect();
    let opened = async |gate: &Running| {
        let mut opened = Vec::new();
        for commitments in &committed {
            gate.gateway().openings.settle().await.expect("settled");
            opened.push(gate.gateway().records.openings(commitments.clone()).await.expect("openings").len());
        }
        opened
    };
    assert_eq!(opened(&gate).await, [2, 2, 2], "an intent, a refusal, an intent: each text and source");
    covered(&gate).await;
    let entries = gate.data().join("audit/tree/tile/entries");
    let before = verify(&RealDisk, &gate.data().join("audit"), &options(&gate)).expect("it verifies");
    let kept_note = std::fs::read(gate.data().join("audit/tree/checkpoint")).expect("a checkpoint");
    assert_eq!(retention::drop_older(gate.gateway(), 500).await, Ok(0), "nothing is so old");
    let below = retention::drop_older(gate.gateway(), 30).await.expect("dropped");
    assert!((768..=1_024).contains(&below) && below % 256 == 0, "{below}");
    assert_eq!(opened(&gate).await, [0, 0, 2], "with a leaf goes what it commits to");
    assert_eq!(retention::drop_older(gate.gateway(), 30).await, Ok(0), "it is done once");
    assert!(!entries.join("000").exists() && files(&entries) > 0);
    let last = gate.leaves().into_iter().filter_map(|leaf| match leaf.event {
        Event::Retention(retention) => Some(retention),
        _ => None,
    });
    assert_eq!(last.collect::<Vec<_>>(), [leaf::Retention { below, bundles: below / 256 }]);
    // What is left verifies, goes on from what was before, and says what is not there.
    let mut options = options(&gate);
    options.since = Some(kept_note);
    covered(&gate).await;
    let after = verify(&RealDisk, &gate.data().join("audit"), &options).expect("it still verifies");
    assert_eq!((after.pruned_bundles, after.since), (below / 256, Some(before.checkpoint.size)));
    // Readers pass over it: a search, one leaf, a new start, a new index.
    let reader = gate.caller("app:agency");
    problem(&reader.get("/v1/audit/3").await, "not-found");
    gate.stop().await;
    std::fs::remove_file(gate.data().join("audit-index.sqlite")).expect("the index");
    gate.restart().await;
    let end = gate.gateway().audit.next_index();
    until("the index", || async { gate.gateway().index.mark().filter(|mark| *mark >= end) }).await;
    let found: Value = gate.caller("app:agency").get("/v1/audit?order=oldest&limit=1").await.expect(200);
    assert_eq!(found["items"][0]["index"], json!(below));
    problem(&gate.caller("app:agency").get("/v1/audit/3").await, "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_changes_the_signing_key_and_both_keys_verify() {
    let net = network().await;
    let gate = Gate::new().account("acme-mastodon", &net).spawn().await;
    let (code, told, error) = gate.command(&["audit", "key"]).await;
    assert_eq!(code, Some(0), "{error}");
    let old = Verifier::parse(&told).expect("a verifier key");
    let ran = crate::cli::run_as(&gate, "person:ops-1", "audit key --rotate", "");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let new = Verifier::parse(ran.out.lines().next().expect("a line")).expect("a verifier key");
    assert_ne!(old, new);
    let data = gate.site.config().data;
    until("the handover", || async { (!data.join("audit-key.previous").exists()).then_some(()) }).await;
    let disk: Arc<dyn pressgate_audit::Disk> = Arc::new(RealDisk);
    until("a checkpoint of the new key alone", || async {
        let bytes = std::fs::read(data.join("audit/tree/checkpoint")).expect("a checkpoint");
        let note = Note::parse(&bytes).expect("a note");
        (note.verify(&new).is_ok() && note.verify(&old).is_err()).then_some(())
    })
    .await;
    for key in [&new, &old] {
        let report = verify(&*disk, &data.join("audit"), &VerifyOptions::new(key.clone())).expect("it verifies");
        assert_eq!(report.key, new);
    }
    let stranger = Signer::generate(old.name(), pressgate_audit::note::Algorithm::Ed25519).expect("a key");
    assert!(verify(&*disk, &data.join("audit"), &VerifyOptions::new(stranger.verifier().clone())).is_err());
}
