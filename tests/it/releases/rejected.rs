//! What is no release, and what may not serve: told with the step and the reason, and nothing is changed.

use pressgate::operator::releases::change::{ChangeRequest, Kind};
use pressgate::operator::releases::install::install;
use pressgate::records::ReleaseState;
use serde_json::{Value, json};
use tests::harness::{Gate, Running, network};
use tests::made;
use tests::plugins::plugin;

use super::{MASTODON, activated, asked, installed, ops, stands, told, wish};
use crate::samples::post;

async fn gate() -> (sample_network::Running, Running) {
    let net = network().await;
    let gate = Gate::new().account("acme-mastodon", &net).start().await;
    (net, gate)
}

/// The step at which it was rejected, and why.
async fn failed(gate: &Running, component: Vec<u8>) -> (String, String) {
    let view = installed(gate, component).await;
    assert_eq!(view.state, ReleaseState::Rejected, "{view:?}");
    let last = view.steps.into_iter().last().expect("a step");
    assert!(!last.passed);
    let refused = wish(gate, MASTODON, &view.release).await;
    let error = asked(gate, Kind::Activate, refused).await.expect_err("it may not serve").to_string();
    assert!(error.contains("was rejected at"), "{error}");
    assert!(!gate.data().join(format!("releases/{}.wasm", view.release)).exists(), "its component is not kept");
    (last.step, last.note)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_plugin_leaves_nothing() {
    let (_net, gate) = gate().await;
    let good = plugin("mastodon");
    let core = b"\0asm\x01\0\0\0".to_vec();
    let bare = b"\0asm\x0d\0\x01\0".to_vec();
    let large = made::with_section(&good, "more", &vec![0; 200 << 20]);
    let lying = made::with_manifest(&good, |manifest| manifest["http"][0]["origin"] = json!("https://a@evil.example"));
    for (component, why) in [
        (b"not wasm".to_vec(), "not a WebAssembly component"),
        (Vec::new(), "not a WebAssembly component"),
        (core, "not a WebAssembly component"),
        (good[..good.len() / 2].to_vec(), "not a WebAssembly component"),
        (bare, "carries no manifest"),
        (large, "a plugin has at most"),
        (lying, "manifest"),
    ] {
        let error = install(gate.gateway(), &ops(), component).await.expect_err(why).to_string();
        assert!(
            error.starts_with("verify: ") && error.contains(why) && error.contains("nothing was installed"),
            "{error}"
        );
    }
    assert_eq!(stands(&gate).await.releases.len(), 1, "what the configuration names");
    assert!(told(gate.leaves()).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_step_says_why() {
    let (_net, gate) = gate().await;
    let (good, policy) = (plugin("mastodon"), plugin("guidelines"));
    let changed = |change: fn(&mut Value)| made::with_manifest(&plugin("mastodon"), change);
    let named =
        |component: &[u8]| made::with_manifest(component, |manifest| manifest["plugin"]["name"] = json!("mastodon"));
    let of_kind = made::with_manifest(&named(&policy), |manifest| {
        manifest["plugin"]["kind"] = json!("adapter");
        manifest["plugin"]["networks"] = json!(["mastodon"]);
        for only_of_policies in ["match", "config"] {
            manifest.as_object_mut().expect("an object").remove(only_of_policies);
        }
    });
    let crashing = named(&made::with_plan(&plugin("hostile"), b'd'));
    let spinning = named(&made::with_plan(&plugin("hostile"), b's'));
    let nonsense = made::with_section(&good, "pressgate:self-test", b"{");
    let vector = json!({"vectors": [{"name": "a status", "classify": {"method": "POST", "path": "/api/v1/statuses",
        "headers": [["content-type", "application/json"]], "body": "{\"status\":\"Hello\"}"},
        "expect": {"action": "post.create", "text": "Bye"}}]});
    let wrong = made::with_section(&good, "pressgate:self-test", vector.to_string().as_bytes());
    for (component, step, why) in [
        (changed(|manifest| manifest["plugin"]["wit"] = json!("9.9.9")), "contract", "9.9.9"),
        (of_kind, "contract", "adapter-api"),
        (importing("wasi:cli/environment@0.2.0"), "contract", "wasi:cli/environment@0.2.0"),
        (changed(|manifest| manifest["limits"]["memory_bytes"] = json!(65_536)), "fit", "bytes of memory"),
        (crashing, "instantiate", "crashed"),
        (spinning, "instantiate", "computed for more than"),
        (nonsense, "self-test", "self-test"),
        (wrong, "self-test", "text should be `Bye` and is `Hello`"),
    ] {
        let (at, note) = failed(&gate, component).await;
        assert!(at == step && note.contains(why), "{step} ({why}): {at}: {note}");
    }
    let leaves = told(gate.leaves());
    assert!(leaves.len() == 8 && leaves.iter().all(|(action, ..)| action == "install-failed"), "{leaves:?}");
    let right = vector.to_string().replace("Bye", "Hello");
    let view = installed(&gate, made::with_section(&good, "pressgate:self-test", right.as_bytes())).await;
    assert_eq!((view.state, view.steps[5].note.as_str()), (ReleaseState::Ready, "1 vector answered as it says"));
}

/// A component of an adapter that imports one function of that name and exports nothing.
fn importing(name: &str) -> Vec<u8> {
    let mut section = vec![1, 0, u8::try_from(name.len()).expect("short")];
    section.extend_from_slice(name.as_bytes());
    section.extend_from_slice(&[1, 0]);
    let mut component = b"\0asm\x0d\0\x01\0\x07\x05\x01\x40\0\x01\0\x0a".to_vec();
    component.push(u8::try_from(section.len()).expect("short"));
    component.append(&mut section);
    let json =
        pressgate::host::manifest::extract(&plugin("mastodon")).expect("a component").expect("a manifest").to_vec();
    pressgate::host::manifest::embed(&mut component, &String::from_utf8(json).expect("JSON"));
    component
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_what_serves_waits_for_a_person() {
    let (net, gate) = gate().await;
    let wider = made::with_manifest(&plugin("mastodon"), |manifest| {
        let cdn = json!({"origin": "https://cdn.example", "methods": ["GET"], "path_prefixes": ["/media"]});
        manifest["http"].as_array_mut().expect("rules").push(cdn);
        manifest["limits"]["guest_ms"] = json!(150);
    });
    let wider = installed(&gate, wider).await.release;
    let asking = wish(&gate, MASTODON, &wider).await;
    let error = asked(&gate, Kind::Activate, asking.clone()).await.expect_err("it waits").to_string();
    for line in ["GET https://cdn.example/media", "limit guest_ms 150 (100 before)", "--accept-capabilities"] {
        assert!(error.contains(line), "{error}");
    }
    assert_eq!(stands(&gate).await.version, 0);
    let step = |release: pressgate::operator::releases::view::ReleaseView| {
        release.steps.into_iter().find(|step| step.step == "capabilities").expect("a step")
    };
    let of = |view: pressgate::operator::releases::view::RoutingView| {
        view.releases.into_iter().find(|release| release.release == wider).expect("the release")
    };
    assert!(!step(of(stands(&gate).await)).passed);
    asked(&gate, Kind::Activate, ChangeRequest { accept_capabilities: true, ..asking }).await.expect("activated");
    let view = of(stands(&gate).await);
    assert_eq!(view.accepted, ["GET https://cdn.example/media", "limit guest_ms 150 (100 before)"]);
    assert!(step(view).note.starts_with("ops-1 accepted: "));
    let (action, subject, by) = told(gate.leaves()).into_iter().nth(1).expect("a leaf");
    assert_eq!((action.as_str(), by.as_str()), ("accept-capabilities", "ops-1"));
    assert!(subject.contains("https://cdn.example/media"), "{subject}");
    gate.publish(&post("acme-mastodon", "hello")).await.expect(201);
    assert_eq!(net.timeline().await.len(), 1);
    // What was accepted once is not asked for again by the next release.
    let next = made::with_manifest(&plugin("mastodon"), |manifest| {
        let cdn = json!({"origin": "https://cdn.example", "methods": ["GET"], "path_prefixes": ["/media"]});
        manifest["http"].as_array_mut().expect("rules").push(cdn);
    });
    let next = installed(&gate, next).await.release;
    activated(&gate, MASTODON, &next).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_serves_only_where_its_plugin_does_and_its_configuration_fits() {
    let net = network().await;
    let rule = json!({"forbidden": [{"phrase": "cheap"}]});
    let gate = Gate::new().account("acme-mastodon", &net).guidelines(&rule).start().await;
    let policy = installed(&gate, made::another(&plugin("guidelines"), "2")).await.release;
    let error = asked(&gate, Kind::Activate, wish(&gate, MASTODON, &policy).await).await.expect_err("no adapter");
    assert!(error.to_string().contains("can't serve there"), "{error}");
    let strict = made::with_manifest(&plugin("guidelines"), |manifest| {
        manifest["config"]["schema"] = json!({"type": "object", "required": ["house"]});
    });
    let strict = installed(&gate, strict).await.release;
    let error =
        asked(&gate, Kind::Activate, wish(&gate, "policy:house-rules", &strict).await).await.expect_err("unfit");
    assert!(error.to_string().starts_with("prewarm: "), "{error}");
    assert_eq!(stands(&gate).await.version, 0);
    gate.publish(&post("acme-mastodon", "cheap")).await.expect(403);
}
