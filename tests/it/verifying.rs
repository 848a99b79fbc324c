//! The log of a gateway, checked offline by the command line: whole, by proof and by receipt; and what it says when it was changed.

use std::path::Path;

use serde_json::{Value, json};
use tests::harness::{Gate, network};

use crate::cli::{Ran, run};
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
