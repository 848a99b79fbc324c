//! What somebody exchanged behind the gateway's back: an address, a picture, a plugin, half of the rules.

use std::path::PathBuf;

use pressgate::audit::{Event, leaf};
use serde_json::json;
use tests::harness::{Gate, GateProcess, Governance, TOKEN, built, intents, network, problem, until};

use crate::cli::{run, run_as, signal};
use crate::samples::{PNG, STATUSES, id, post};

/// Writes the governance with `from` in place of `to` in one file.
fn rewrite(gate: &GateProcess, name: &str, from: &str, to: &str) -> Governance {
    let mut governance = gate.governance.clone();
    let text = governance.files()[name].replace(from, to);
    assert_ne!(text, governance.files()[name]);
    governance.file(name, &text);
    gate.site.write_governance(&governance.files());
    governance
}

fn changes(gate: &GateProcess, what: leaf::Changed) -> Vec<leaf::Change> {
    let of = |event| match event {
        Event::Change(change) if change.what == what => Some(change),
        _ => None,
    };
    gate.leaves().into_iter().filter_map(|leaf| of(leaf.event)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_pointed_elsewhere_takes_no_credential_along() {
    let (net, other) = (network().await, network().await);
    let gate = Gate::new().account("acme-mastodon", &net).spawn().await;
    gate.publish(&post("acme-mastodon", "before")).await.expect(201);
    rewrite(&gate, "accounts.toml", &net.url, &other.url);
    let shown = run_as(&gate, "person:ops-1", "apply --dry-run", "");
    assert!(shown.text(0).contains("An operator must set it again"), "{shown:?}");
    // A signal needs no key at all.
    signal(&gate, "-HUP");
    // A post that comes while the rules change is put off, and its caller waits for a minute.
    let applied =
        || async { run_as(&gate, "person:ops-1", "apply --dry-run", "").out.contains("applied already").then_some(()) };
    until("the rules are applied", applied).await;
    let moved =
        || async { Some(gate.publish(&post("acme-mastodon", "after")).await).filter(|answer| answer.status >= 400) };
    let refused = until("the account moved", moved).await;
    let told = problem(&refused, "credential-missing");
    let text = told.to_string();
    assert!(text.contains(&net.url) && text.contains(&other.url), "{text}");
    for request in other.requests().await {
        assert_eq!(request.header("authorization"), None, "{} {}", request.method, request.path);
    }
    assert_eq!(other.count("POST", STATUSES).await, 0);
    let list = run_as(&gate, "person:ops-1", "credential list --json", "").json(0);
    assert_eq!((&list[0]["origin"], &list[0]["again"]), (&json!(net.url), &json!(true)));
    let set = run_as(&gate, "person:ops-1", "credential set acme-mastodon --json", TOKEN).json(0);
    assert_eq!((&set["generation"], &set["origin"], &set["again"]), (&json!(2), &json!(other.url), &json!(false)));
    gate.publish(&post("acme-mastodon", "again")).await.expect(201);
    assert_eq!(other.count("POST", STATUSES).await, 1, "with the credential that was set for it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_that_was_exchanged_after_the_approval_is_not_sent() {
    let net = network().await;
    let rule = json!({"forbidden": [{"phrase": "cheap", "outcome": "hold"}]});
    let gate = Gate::new().account("acme-mastodon", &net).guidelines(&rule).spawn().await;
    let stored = gate.send("POST", "/v1/media", &[("content-type", "image/png")], PNG).await.expect(201);
    let medium = id(&stored);
    let body =
        json!({"accounts": ["acme-mastodon"], "content": {"text": "cheap", "media": [{"id": medium, "alt": "a dot"}]}});
    let held = id(&gate.publish(&body).await.expect(202));
    let path = gate.site.path(&format!("data/media/{medium}"));
    let mut bytes = std::fs::read(&path).expect("the medium");
    *bytes.last_mut().expect("a byte") ^= 1;
    std::fs::write(&path, &bytes).expect("exchanged, as long as before");
    run_as(&gate, "person:chief-1", &format!("post approve {held} --saw 1"), "").text(0);
    gate.until_state(&held, "failed").await;
    assert_eq!((net.count("POST", "/api/v2/media").await, net.count("POST", STATUSES).await), (0, 0));
    let told = run_as(&gate, "person:chief-1", &format!("post show {held}"), "");
    assert!(told.text(0).contains("not the one that was reviewed"), "{told:?}");
}

/// A component with one more section that nobody reads: another digest, and the same plugin.
fn another(component: &[u8]) -> Vec<u8> {
    let section = [&b"\x04more"[..], b"x"].concat();
    [component, &[0, u8::try_from(section.len()).expect("short")], &section].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_component_under_the_same_name_is_told() {
    let net = network().await;
    let folder = tempfile::tempdir().expect("a folder");
    let place = |name: &str| -> PathBuf { folder.path().join(name) };
    for name in ["mastodon.wasm", "guidelines.wasm"] {
        std::fs::copy(built::plugins().join(name), place(name)).expect("copied");
    }
    let dir = format!("{:?}", folder.path().display().to_string());
    let rule = json!({"forbidden": [{"phrase": "cheap"}]});
    let gate = Gate::new().account("acme-mastodon", &net).guidelines(&rule).setting("plugins.dir", &dir);
    let mut gate = gate.spawn().await;
    gate.publish(&post("acme-mastodon", "one")).await.expect(201);
    let loaded = changes(&gate, leaf::Changed::Plugin);
    let told: Vec<_> = loaded.iter().map(|change| (change.action.as_str(), change.by.as_str())).collect();
    assert_eq!(told, [("load", "start"); 2], "{loaded:?}");
    let (_, intent) = intents(&gate.leaves()).pop().expect("an intent");
    let of = |name: &str| {
        loaded.iter().find(|change| change.subject.starts_with(name)).and_then(|change| change.digest.clone())
    };
    assert_eq!(Some(&intent.verdicts[0].plugin_digest), of("guidelines").as_ref());
    assert_eq!(Some(&intent.adapter_digest), of("mastodon").as_ref());
    assert!(run_as(&gate, "person:ops-1", "doctor", "").out.contains("what runs is what lies in the plugin folder"));

    assert_eq!(gate.terminate().await, Some(0));
    gate.restart().await;
    assert_eq!(changes(&gate, leaf::Changed::Plugin).len(), 2, "the same components are no news");

    let guidelines = std::fs::read(place("guidelines.wasm")).expect("a component");
    std::fs::write(place("guidelines.wasm"), another(&guidelines)).expect("exchanged");
    let shown = run_as(&gate, "person:ops-1", "apply --dry-run", "");
    assert!(shown.text(0).contains("`guidelines` in the plugin folder is not what runs"), "{shown:?}");
    let doctor = run_as(&gate, "person:ops-1", "doctor", "");
    assert!(doctor.code == Some(1) && (doctor.out + &doctor.err).contains("is not what runs"));
    assert_eq!(gate.terminate().await, Some(0));
    gate.restart().await;
    gate.publish(&post("acme-mastodon", "two")).await.expect(201);
    let now = changes(&gate, leaf::Changed::Plugin).pop().expect("a leaf");
    assert_eq!((now.action.as_str(), now.digest != of("guidelines")), ("replace", true), "{now:?}");
    let (_, intent) = intents(&gate.leaves()).pop().expect("an intent");
    assert_eq!(Some(&intent.verdicts[0].plugin_digest), now.digest.as_ref());
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_a_broken_save_lost_stay_in_force() {
    let net = network().await;
    let rule = json!({"forbidden": [{"phrase": "cheap"}]});
    let gate = Gate::new().account("acme-mastodon", &net).guidelines(&rule).spawn().await;
    let denied = async || problem(&gate.publish(&post("acme-mastodon", "cheap")).await, "policy-denied");
    denied().await;
    std::fs::write(gate.site.path("governance/policies.toml"), "\n").expect("half a save");
    signal(&gate, "-HUP");
    let told =
        || async { std::fs::read_to_string(gate.log_file()).ok().filter(|log| log.contains("policies.toml is empty")) };
    until("the signal is refused", told).await;
    denied().await;
    let shown = run_as(&gate, "person:ops-1", "apply --yes", "");
    assert_eq!(shown.code, Some(1), "{shown:?}");
    for word in
        ["- policy house-rules", "policies.toml is empty", "account acme-mastodon has no policy", "--allow-removal"]
    {
        assert!((shown.out.clone() + &shown.err).contains(word), "{word}: {shown:?}");
    }
    let checked = run(gate.site.folder(), "check", "");
    assert!(checked.text(0).contains("account acme-mastodon has no policy"), "{checked:?}");
    denied().await;
    std::fs::remove_file(gate.site.path("governance/policies.toml")).expect("gone");
    let shown = run_as(&gate, "person:ops-1", "apply --yes", "");
    assert!(
        shown.code == Some(1) && (shown.out.clone() + &shown.err).contains("policies.toml is missing"),
        "{shown:?}"
    );
    denied().await;
    run_as(&gate, "person:ops-1", "apply --yes --allow-removal", "").text(0);
    gate.publish(&post("acme-mastodon", "cheap")).await.expect(201);

    // Nor can the last operator be taken away.
    rewrite(&gate, "people.toml", "\"operator\"", "\"author\"");
    let refused = run_as(&gate, "person:ops-1", "apply --yes --allow-removal", "");
    assert!(refused.code == Some(1) && refused.err.contains("operator"), "{refused:?}");
    run_as(&gate, "person:ops-1", "key list", "").text(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_ends_with_its_holder_and_does_not_come_back_with_the_name() {
    let net = network().await;
    let gate = Gate::new().account("acme-mastodon", &net).spawn().await;
    let editor = gate.caller("person:editor-8");
    editor.get("/v1/me").await.expect(200);
    rewrite(&gate, "people.toml", "[[person]]\nid = \"editor-8\"\nroles = [\"author\"]\n", "");
    let applied = run_as(&gate, "person:ops-1", "apply --yes", "");
    assert!(applied.text(0).contains("of person:editor-8 is revoked"), "{applied:?}");
    problem(&editor.get("/v1/me").await, "unauthenticated");
    let keys = changes(&gate, leaf::Changed::Key);
    assert!(keys.len() == 1 && keys[0].action == "revoke" && keys[0].by == "ops-1", "{keys:?}");
    assert!(keys[0].subject.starts_with("person:editor-8/"), "{keys:?}");
    gate.site.write_governance(&gate.governance.files());
    run_as(&gate, "person:ops-1", "apply --yes", "").text(0);
    problem(&editor.get("/v1/me").await, "unauthenticated");
    gate.caller("person:editor-7").get("/v1/me").await.expect(200);
}
