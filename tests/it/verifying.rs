//! The log of a gateway, checked offline by the command line: whole, by proof and by receipt; and what it says when it was changed.

use std::path::Path;

use pressgate_audit::note::{Algorithm, Signer};
use serde_json::{Value, json};
use tests::harness::{Gate, network, until};

use crate::cli::{Ran, run, run_as};
use crate::samples::{id, post};

fn audit(folder: &Path, line: &str) -> Ran {
    run(folder, &format!("audit {line}"), "")
}

#[tokio::test]
async fn a_log_is_verified_offline_and_a_changed_one_is_not() {
    let net = network().await;
    let mut gate = Gate::new().account("acme-m", &net).spawn().await;
    let made = gate.caller("app:newsroom").post("/v1/posts", &post("acme-m", "to be proven")).await;
    let post = id(&made.expect(202));
    gate.until_state(&post, "published").await;
    gate.terminate().await;
    let folder = gate.site.folder();
    let dir = gate.site.config().audit.dir;
    let key = audit(folder, "key").text(0).trim().to_owned();

    let found = audit(folder, &format!("verify {} --key {key} --json", dir.display())).json(0);
    let size = found["size"].as_u64().expect("a size");
    assert_eq!((&found["holds"], &found["segments"]["until"]), (&json!(true), &json!(size)), "{found}");
    let told = audit(folder, &format!("verify {} --key {key}", dir.display()));
    assert!(told.text(0).contains("not shown: that nobody with the signing key rolled it back"), "{told:?}");
    let second = gate.site.config().audit.second_checkpoint;
    let checkpoint = dir.join("tree/checkpoint");
    let all = format!(
        "verify {} --key {key} --since {} --second {} --json",
        dir.display(),
        checkpoint.display(),
        second.display()
    );
    let found = audit(folder, &all).json(0);
    assert_eq!((found["since"].as_u64(), found["second"].as_u64()), (Some(size), Some(size)));

    let proof = audit(folder, "prove 0");
    assert!(proof.text(0).starts_with("c2sp.org/tlog-proof@v1\nindex 0\n"), "{proof:?}");
    assert_eq!(audit(folder, "prove 99999999").code, Some(1));

    let receipt = audit(folder, &format!("receipt {post}")).json(0);
    let (effect, file) = (&receipt["says"]["effects"][0], folder.join("receipt.json"));
    assert_eq!((&effect["app"], &effect["account"]), (&json!("newsroom"), &json!("acme-m")), "{receipt:#}");
    assert!(effect["outcome"]["platform_ids"][0].is_string(), "{receipt:#}");
    std::fs::write(&file, receipt.to_string()).expect("written");
    let held = audit(folder, &format!("verify-receipt {} --key {key}", file.display()));
    assert!(held.text(0).contains("newsroom"), "{held:?}");
    let mut edited = receipt.clone();
    edited["says"]["effects"][0]["grant"] = json!("another");
    std::fs::write(&file, edited.to_string()).expect("written");
    let refused: Value = audit(folder, &format!("verify-receipt {} --key {key} --json", file.display())).json(1);
    assert!(refused["error"].as_str().is_some_and(|error| error.contains("says.effects[0].grant")), "{refused}");
    assert_eq!(audit(folder, "receipt post_none").code, Some(1));

    // Somebody edits a leaf of the published log.
    let bundle = dir.join(format!("tree/tile/entries/000.p/{size}"));
    let mut bytes = std::fs::read(&bundle).expect("the bundle");
    bytes[2] ^= 1;
    std::fs::write(&bundle, bytes).expect("written");
    let refused = audit(folder, &format!("verify {} --key {key} --json", dir.display())).json(1);
    assert_eq!((&refused["holds"], &refused["first_bad_index"]), (&json!(false), &json!(0)), "{refused}");
    assert_eq!(refused["file"], json!(bundle.display().to_string()));
    assert_eq!(audit(folder, &format!("verify {} --key nonsense", dir.display())).code, Some(2));
}

#[tokio::test]
async fn a_proof_is_checked_with_the_leaf_and_without_the_log() {
    let net = network().await;
    let mut gate = Gate::new().account("acme-m", &net).spawn().await;
    let made = gate.caller("app:newsroom").post("/v1/posts", &post("acme-m", "to be proven")).await;
    gate.until_state(&id(&made.expect(202)), "published").await;
    gate.terminate().await;
    let folder = gate.site.folder();
    let shown = audit(folder, "key --json").json(0);
    assert_eq!(shown["log"], json!(shown["key"].as_str().expect("a key").split_once('+').expect("three parts").0));
    let key = shown["key"].as_str().expect("a key").to_owned();

    let proof = audit(folder, "prove 1 --leaf-to leaf.json");
    std::fs::write(folder.join("leaf.proof"), proof.text(0)).expect("written");
    let line = format!("verify-proof leaf.proof --leaf leaf.json --key {key}");
    let held = audit(folder, &format!("{line} --json")).json(0);
    assert_eq!((&held["holds"], &held["index"]), (&json!(true), &json!(1)), "{held}");
    // The leaf is what its hash is over: its text, and nothing after it.
    let leaf = std::fs::read(folder.join("leaf.json")).expect("written");
    assert!(serde_json::from_slice::<Value>(&leaf).is_ok() && !leaf.ends_with(b"\n"));
    std::fs::write(folder.join("leaf.json"), [leaf.as_slice(), b"\n"].concat()).expect("written");
    let refused = audit(folder, &line);
    assert!(refused.code == Some(1) && refused.out.contains("ends in a newline"), "{refused:?}");
    assert_eq!(audit(folder, &format!("{line} --json")).json(1)["holds"], json!(false));
    assert_eq!(audit(folder, "prove 1 --leaf-to leaf.json").code, Some(1), "nothing is written over");
    assert_eq!(audit(folder, "verify-proof leaf.proof --leaf leaf.json --key nonsense").code, Some(2));

    let beyond = audit(folder, "prove 99999999");
    assert!(beyond.text(1).contains("there is no leaf 99999999 yet: the newest checkpoint covers"), "{beyond:?}");
}

#[tokio::test]
async fn what_cannot_be_read_does_not_hold_and_a_wrong_command_line_is_told_apart() {
    let net = network().await;
    let mut gate = Gate::new().account("acme-m", &net).spawn().await;
    gate.terminate().await;
    let folder = gate.site.folder();
    let dir = gate.site.config().audit.dir;
    let key = audit(folder, "key").text(0).trim().to_owned();
    // Nobody runs: what needs a gateway can't reach one.
    for line in ["erase --subject editor-7 --basis gdpr-art-17", "key --rotate"] {
        assert!(audit(folder, line).text(3).contains("pressgate serve"), "{line}");
    }
    // A bundle that is a folder can't be read by anybody, root included.
    let entries = dir.join("tree/tile/entries/000.p");
    let bundle = std::fs::read_dir(&entries).expect("a folder").next().expect("a bundle").expect("an entry").path();
    std::fs::remove_file(&bundle).expect("gone");
    std::fs::create_dir(&bundle).expect("made");
    let told = audit(folder, &format!("verify {} --key {key} --json", dir.display())).json(1);
    assert_eq!((&told["holds"], &told["code"]), (&json!(false), &json!("disk")), "{told}");
    let loops = folder.join("loop");
    std::fs::create_dir(&loops).expect("made");
    std::os::unix::fs::symlink("checkpoint", loops.join("checkpoint")).expect("a link to itself");
    let told = audit(folder, &format!("verify loop --key {key} --json")).json(1);
    assert_eq!((&told["holds"], &told["code"]), (&json!(false), &json!("disk")), "{told}");

    std::fs::write(folder.join("empty"), "").expect("written");
    for wrong in ["nonsense", "empty"] {
        assert_eq!(audit(folder, &format!("verify {} --key {wrong}", dir.display())).code, Some(2), "{wrong}");
    }
    let witness = "witness --listen 127.0.0.1:0 --key-file k --state s --log xx";
    assert!(audit(folder, witness).text(2).contains("--log: not a key"), "{:?}", audit(folder, witness));
    // The key of another log is not shown as this one's.
    let signing = gate.site.config().audit.signing_key;
    let other = Signer::generate("pressgate/audit/another", Algorithm::Ed25519).expect("a key");
    std::fs::write(&signing, other.secret_text().as_bytes()).expect("written");
    assert!(audit(folder, "key").text(1).contains("`pressgate/audit/another`"), "{:?}", audit(folder, "key"));
}

/// `NAME+ID` of a verifier key `NAME+ID+BASE64`; a plus may stand in the base64 too.
fn signer_of(key: &str) -> &str {
    let (at, _) = key.match_indices('+').nth(1).expect("three parts");
    &key[..at]
}

#[tokio::test]
async fn who_holds_the_old_key_checks_what_was_made_after_a_change_of_it() {
    let net = network().await;
    let mut gate = Gate::new().account("acme-m", &net).spawn().await;
    let made = gate.caller("app:newsroom").post("/v1/posts", &post("acme-m", "to be proven")).await;
    let post = id(&made.expect(202));
    gate.until_state(&post, "published").await;
    run_as(&gate, "person:ops-1", "backup b", "").text(0);
    let folder = gate.site.folder().to_owned();
    let old = audit(&folder, "key").text(0).trim().to_owned();
    run_as(&gate, "person:ops-1", "audit key --rotate", "").text(0);
    let data = gate.site.config().data;
    until("the handover", || async { (!data.join("audit-key.previous").exists()).then_some(()) }).await;
    gate.terminate().await;
    let new = audit(&folder, "key").text(0).trim().to_owned();
    let stranger = Signer::generate(old.split('+').next().expect("a name"), Algorithm::Ed25519).expect("a key");
    let stranger = stranger.verifier().to_string();

    let receipt = audit(&folder, &format!("receipt {post}"));
    std::fs::write(folder.join("receipt.json"), receipt.text(0)).expect("written");
    for (key, handovers) in [(&old, 1), (&new, 0)] {
        let held = audit(&folder, &format!("verify-receipt receipt.json --key {key} --json")).json(0);
        let steps = held["handovers"].as_array().expect("a list").len();
        assert_eq!((&held["key"], steps), (&json!(new), handovers), "{held}");
    }
    let refused = audit(&folder, &format!("verify-receipt receipt.json --key {stranger}"));
    let named = signer_of(&new);
    assert!(refused.out.contains("Ask whoever gave you your key") && refused.out.contains(named), "{refused:?}");

    // The whole log too, with a checkpoint of after the change.
    std::fs::copy(data.join("audit/tree/checkpoint"), folder.join("kept")).expect("kept");
    for key in [&old, &new] {
        audit(&folder, &format!("verify data/audit --key {key} --since kept")).text(0);
    }
    let refused = audit(&folder, &format!("verify data/audit --key {stranger}"));
    assert!(
        refused.code == Some(1) && refused.out.contains(&format!("ask whoever gave you yours for that of {named}"))
    );
    // The log of before the change knows nothing of the new key: it is older than what was kept.
    let refused = audit(&folder, &format!("verify b/log --key {old} --since kept"));
    assert!(refused.code == Some(1) && refused.out.contains("the copy is older than it"), "{refused:?}");

    // A backup of before the change is not broken: another key is needed.
    for line in ["restore b --check", "restore b"] {
        let told = run(&folder, line, "");
        let by = signer_of(&old);
        assert!(told.text(1).contains(&format!("is signed with the key {by}")), "{told:?}");
        assert!(
            told.err.contains(&new) && told.err.contains("--key") && !told.err.contains("does not hold"),
            "{told:?}"
        );
    }
    std::fs::write(folder.join("old.vkey"), format!("{old}\n")).expect("written");
    std::fs::write(folder.join("empty"), "").expect("written");
    for (key, code) in [(old.as_str(), 0), ("old.vkey", 0), ("nonsense", 2), ("empty", 2)] {
        let told = run(&folder, &format!("restore b --check --key {key}"), "");
        assert_eq!(told.code, Some(code), "{key}: {told:?}");
    }
    let told = run(&folder, "restore b --key old.vkey", "");
    assert!(told.text(1).contains("put the signing key of its time in the place of"), "{told:?}");
}
