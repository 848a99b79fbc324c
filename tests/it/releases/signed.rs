//! Whose plugins may run: at an install, at a start from the plugin folder, and at a start with a release whose key was revoked since.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use pressgate::host::manifest::{SIGNATURE_SECTION, append, split};
use pressgate::operator::releases::install::install;
use pressgate::records::ReleaseState;
use pressgate::trust::sign;
use pressgate_audit::note::{Algorithm, Signer};
use tests::harness::{Gate, GateProcess, intents, network};
use tests::made;
use tests::plugins::plugin;

use super::{MASTODON, activated, installed, ops, stands, told};
use crate::cli::{Ran, run, run_as};
use crate::samples::post;

fn signer(name: &str, seed: u8) -> Signer {
    Signer::from_seed(name, Algorithm::Ed25519, [seed; 32].into()).expect("a key")
}

fn signed(component: &[u8], signer: &Signer) -> Vec<u8> {
    sign(component, signer).expect("signed")
}

/// A plugin folder with the adapter, and a gate that trusts these keys.
fn gate(folder: &Path, component: &[u8], keys: &[&Signer]) -> Gate {
    std::fs::write(folder.join("mastodon.wasm"), component).expect("written");
    let keys: Vec<String> = keys.iter().map(|signer| signer.verifier().to_string()).collect();
    Gate::new().setting("plugins.dir", &format!("{folder:?}")).setting("plugins.trusted_keys", &format!("{keys:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_a_trusted_key_signed_is_installed() {
    let (net, folder) = (network().await, tempfile::tempdir().expect("a folder"));
    let (one, narrow, gone, stranger) = (signer("one", 1), signer("narrow", 2), signer("gone", 3), signer("else", 4));
    let good = signed(&plugin("mastodon"), &one);
    let keys = format!(
        "[\"{}\", {{ key = \"{}\", plugins = [\"guidelines\"] }}, \"{}\"]",
        one.verifier(),
        narrow.verifier(),
        gone.verifier()
    );
    let gate = gate(folder.path(), &good, &[&one]).setting("plugins.trusted_keys", &keys);
    let gate = gate.setting("plugins.revoked_keys", &format!("[\"{}\"]", gone.verifier()));
    let gate = gate.account("acme-mastodon", &net).start().await;
    let first = stands(&gate).await.releases.remove(0);
    assert_eq!(first.signed_by, [one.verifier().label()], "what the folder holds is known by its signer too");

    let new = made::another(&plugin("mastodon"), "2");
    let note = split(&good).expect("parts").signature.expect("a signature");
    let with = |component: &[u8], note: &[u8]| made::with_section(component, SIGNATURE_SECTION, note);
    let mut cut = signed(&new, &one);
    cut.truncate(cut.len() - 1);
    let twice = with(&signed(&new, &one), note);
    let lying = made::with_manifest(&plugin("mastodon"), |manifest| manifest["limits"]["guest_ms"] = 150.into());
    let mut nested = plugin("mastodon");
    let mut inner = b"\0asm\x0d\0\x01\0".to_vec();
    append(&mut inner, SIGNATURE_SECTION, note);
    nested.push(4);
    // Two bytes of LEB128: a note has some hundred.
    nested.extend([(inner.len() & 0x7f) as u8 | 0x80, (inner.len() >> 7) as u8]);
    nested.extend(inner);
    for (component, why, word) in [
        (new.clone(), "it is not signed", "not signed"),
        (nested, "it is not signed", "not signed"),
        (signed(&new, &stranger), "does not trust", "unknown key"),
        (signed(&new, &gone), "was revoked", "revoked key"),
        (signed(&new, &narrow), "may not sign `mastodon`, only `guidelines`", "key of another plugin"),
        (with(&new, note), "over other bytes", "signature over other bytes"),
        (with(&lying, note), "over other bytes", "signature over other bytes"),
        (cut, "cut off", "damaged signature"),
        (twice, "two signature sections", "damaged signature"),
        (made::another(&good, "after"), "something follows", "damaged signature"),
    ] {
        let error = install(gate.gateway(), &ops(), component).await.expect_err(why).to_string();
        assert!(error.starts_with("verify: ") && error.contains(why), "{why}: {error}");
        let (action, subject, by) = told(gate.leaves()).pop().expect("a leaf");
        assert_eq!((action.as_str(), by.as_str()), ("install-refused", "ops-1"));
        assert_eq!(subject, format!("a component that is not trusted: {word}"));
    }
    assert_eq!(stands(&gate).await.releases.len(), 1, "nothing is kept of it");

    let label = one.verifier().label();
    // A signature of a stranger beside it is in nobody's way.
    let view = installed(&gate, signed(&signed(&new, &stranger), &one)).await;
    assert_eq!((view.state, view.signed_by.as_slice()), (ReleaseState::Ready, &[label.clone()][..]));
    assert!(view.steps[0].note.ends_with(&format!("signed by {label}")), "{:?}", view.steps[0]);
    let (action, subject, _) = told(gate.leaves()).pop().expect("a leaf");
    assert_eq!((action, subject), ("install".to_owned(), format!("mastodon 0.1.0, signed by {label}")));
    activated(&gate, MASTODON, &view.release).await;
    gate.publish(&post("acme-mastodon", "hello")).await.expect(201);
    assert_eq!(intents(&gate.leaves()).pop().expect("an intent").1.adapter_digest, view.release);
}

fn configured(gate: &GateProcess, more: &str) {
    let path = gate.site.path("pressgate.toml");
    let text = std::fs::read_to_string(&path).expect("a configuration");
    std::fs::write(&path, format!("{more}\n{text}")).expect("written");
}

fn here(gate: &GateProcess, line: &str) -> Ran {
    run(gate.site.folder(), line, "")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_of_a_key_that_was_revoked_since_does_not_come_back() {
    let (net, folder) = (network().await, tempfile::tempdir().expect("a folder"));
    let (one, two) = (signer("one", 1), signer("two", 2));
    let first = signed(&plugin("mastodon"), &one);
    let mut gate = gate(folder.path(), &first, &[&one, &two]).account("acme-mastodon", &net).spawn().await;
    let file = gate.site.path("new.wasm");
    std::fs::write(&file, signed(&made::another(&plugin("mastodon"), "2"), &two)).expect("written");
    let installing = format!("plugin install {} --json", file.display());
    let made = run_as(&gate, "person:ops-1", &installing, "").json(0);
    let release = made[0]["release"].as_str().expect("a digest").to_owned();
    assert_eq!(made[0]["signed_by"][0], two.verifier().label());
    run_as(&gate, "person:ops-1", &format!("plugin activate {release} network:mastodon"), "").text(0);
    let shown = run_as(&gate, "person:ops-1", &format!("plugin show {release}"), "");
    assert!(shown.text(0).contains(&format!("signed by {}", two.verifier().label())), "{shown:?}");
    gate.publish(&post("acme-mastodon", "hello")).await.expect(201);
    assert_eq!(intents(&gate.leaves()).pop().expect("an intent").1.adapter_digest, release);

    gate.kill9().await;
    configured(&gate, &format!("plugins.revoked_keys = [\"{}\"]", two.verifier()));
    gate.restart().await;
    gate.publish(&post("acme-mastodon", "again")).await.expect(201);
    let served = intents(&gate.leaves()).pop().expect("an intent").1.adapter_digest;
    assert_ne!(served, release, "what its key signed serves no more");
    let log = std::fs::read_to_string(gate.log_file()).expect("the process's log");
    assert!(log.contains(&release) && log.contains("was revoked"), "{log}");
    let listed = run_as(&gate, "person:ops-1", "plugin list", "");
    assert!(listed.text(0).contains("this release can't be loaded"), "{listed:?}");
    let again = run_as(&gate, "person:ops-1", installing.trim_end_matches(" --json"), "");
    assert!(again.text(1).contains("was revoked"), "nor is it installed again: {again:?}");
    let tried = run_as(&gate, "person:ops-1", &format!("plugin canary {release} network:mastodon --share 10%"), "");
    assert!(tried.text(1).contains("was revoked"), "nor tried: {tried:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unsigned_plugin_in_the_folder_keeps_a_gateway_from_starting() {
    let (net, folder) = (network().await, tempfile::tempdir().expect("a folder"));
    let one = signer("one", 1);
    let first = signed(&plugin("mastodon"), &one);
    let mut gate = gate(folder.path(), &first, &[&one]).account("acme-mastodon", &net).spawn().await;
    let listed = here(&gate, "plugin list");
    assert!(listed.text(0).contains(&format!("signed by {}", one.verifier().label())), "{listed:?}");
    let doctor = here(&gate, "doctor");
    assert!(doctor.out.contains("1 key trusted, 0 revoked") && !doctor.out.contains("WARN"), "{doctor:?}");
    gate.kill9().await;
    std::fs::write(folder.path().join("mastodon.wasm"), plugin("mastodon")).expect("written");
    for command in ["serve", "check"] {
        let refused = here(&gate, command);
        let said = format!("{}{}", refused.out, refused.err);
        assert!(refused.code != Some(0) && said.contains("it is not signed"), "{command}: {refused:?}");
    }
    assert!(here(&gate, "plugin list").text(0).contains("plugin refused: "));
    let doctor = here(&gate, "doctor");
    assert!(doctor.out.contains("plugin refused: ") && doctor.code == Some(1), "{doctor:?}");
    configured(&gate, "plugins.unsigned = \"allow\"");
    gate.restart().await;
    gate.publish(&post("acme-mastodon", "hello")).await.expect(201);
    let doctor = here(&gate, "doctor");
    assert!(doctor.out.contains("WARN ") && doctor.out.contains("UNSIGNED PLUGINS RUN"), "{doctor:?}");
    let log = std::fs::read_to_string(gate.log_file()).expect("the process's log");
    assert!(log.contains("UNSIGNED PLUGINS RUN"), "{log}");
}

#[test]
fn from_a_key_to_a_signature_on_the_command_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |line: &str| run(folder.path(), line, "");
    let made = at("plugin key --name acme/plugins --out k --json").json(0);
    let public = made["key"].as_str().expect("a key").to_owned();
    let mode = std::fs::metadata(folder.path().join("k")).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let secret = std::fs::read_to_string(folder.path().join("k")).expect("a key");
    let again = at("plugin key --out k");
    assert!(again.text(1).contains("never overwrites"), "{again:?}");
    assert_eq!(std::fs::read_to_string(folder.path().join("k")).expect("a key"), secret);

    let wasm = folder.path().join("p.wasm");
    std::fs::write(&wasm, plugin("mastodon")).expect("written");
    let bare = at(&format!("plugin verify p.wasm --trusted {public}"));
    assert!(bare.code == Some(1) && bare.out.contains("it is not signed"), "{bare:?}");
    let said = at("plugin sign p.wasm --key k");
    assert!(said.text(0).contains("signed mastodon 0.1.0") && !said.out.contains(secret.trim()), "{said:?}");
    let bytes = std::fs::read(&wasm).expect("a component");
    at("plugin sign p.wasm --key k").text(0);
    assert_eq!(std::fs::read(&wasm).expect("a component"), bytes, "once more is the same");
    let good = at(&format!("plugin verify p.wasm --trusted {public} --json")).json(0);
    assert_eq!((&good["holds"], &good["signatures"][0]["worth"]), (&true.into(), &"good, and trusted".into()));
    let unknown = at("plugin verify p.wasm");
    assert!(unknown.code == Some(1) && unknown.out.contains("acme/plugins+"), "{unknown:?}");

    at("plugin key --name two --out k2").text(0);
    at("plugin sign p.wasm --key k2").text(0);
    let both = at(&format!("plugin verify p.wasm --trusted {public}"));
    assert!(both.text(0).contains("not known here") && both.out.contains("good, and trusted"), "{both:?}");
    std::fs::write(folder.path().join("pressgate.toml"), format!("plugins.revoked_keys = [\"{public}\"]\n"))
        .expect("ok");
    let revoked = at(&format!("plugin verify p.wasm --trusted {public}"));
    assert!(revoked.code == Some(1) && revoked.out.contains("REVOKED"), "{revoked:?}");

    let mut other = std::fs::read(&wasm).expect("a component");
    other[100] ^= 1;
    std::fs::write(&wasm, &other).expect("written");
    let tampered = at(&format!("plugin verify p.wasm --trusted {public}"));
    assert!(tampered.code == Some(1), "{tampered:?}");
    assert!(
        at("plugin sign p.wasm --key k").text(1).contains("nothing was signed"),
        "what was changed is not signed anew"
    );
    std::fs::write(folder.path().join("pressgate.toml"), "[plugins]\ntrusted_keys = [\"x\"]\n").expect("ok");
    assert!(at("check").text(1).contains("pressgate.toml:2: plugins.trusted_keys: not a key"));
}
