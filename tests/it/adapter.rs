//! A hostile adapter in a running gateway: what callers and operators are told, and that nobody else suffers.

use sample_network::Running as Network;
use serde_json::{Value, json};
use tests::harness::{Gate, network, problem};
use tests::plugins;

use crate::samples::post;

/// The account `acme-hostile` is spoken for by the hostile adapter, `acme-mastodon` by an ordinary one.
fn plan(net: &Network) -> Gate {
    let secrets = vec![("token".to_owned(), "a-token".to_owned())];
    let plan = Gate::new().account("acme-mastodon", net);
    plan.account_on("hostile", "acme/snacks", "acme-hostile", &net.url, "token", secrets)
}

#[tokio::test]
async fn an_adapter_that_describes_itself_badly_keeps_the_gateway_from_starting_and_is_named() {
    let net = network().await;
    let folder = tempfile::tempdir().expect("a folder");
    for entry in std::fs::read_dir(plugins::folder()).expect("components") {
        let path = entry.expect("an entry").path();
        std::fs::copy(&path, folder.path().join(path.file_name().expect("a name"))).expect("copied");
    }
    let mut wasm = plugins::plugin("hostile");
    let at = wasm.windows(11).position(|bytes| bytes == b"post.create").expect("the action's name");
    wasm[at + 10] = b'X';
    std::fs::write(folder.path().join("hostile.wasm"), wasm).expect("written");
    let plan = plan(&net).setting("plugins.dir", &format!("{:?}", folder.path().display().to_string()));
    let started = tokio::spawn(plan.start()).await;
    let panic = started.err().expect("no start").into_panic();
    let told = panic.downcast_ref::<String>().expect("a text");
    assert!(told.contains("hostile") && told.contains("`post.creatX` is not in the gateway's list"), "{told}");
}

/// What the caller of a post with this text is told.
async fn told(gate: &tests::harness::Running, text: &str, expected: &str) -> Value {
    let answer = gate.publish(&post("acme-hostile", text)).await;
    let told = problem(&answer, expected);
    assert_eq!(told["retry"], json!(false), "{text}: {told}");
    told
}

#[tokio::test]
async fn what_an_adapter_may_not_do_is_its_own_fault_whatever_it_says_of_the_network() {
    let net = network().await;
    let gate = plan(&net).start().await;
    for (text, what) in [
        ("get https://evil.example/", "https://evil.example"),
        ("get /oauth/token", "this method on this path"),
        ("credential other", "no credential of this label"),
        ("twice", "already sent"),
    ] {
        let told = told(&gate, text, "plugin-failed").await;
        let detail = told["detail"].as_str().expect("a detail");
        assert!(detail.contains("`hostile 0.1.0`") && detail.contains(what), "{detail}");
        assert!(!detail.contains("network of"), "{detail}");
        assert_eq!((&told["blame"], &told["status"]), (&json!("plugin"), &json!(502)));
        let attempt = &told["post"]["targets"][0]["attempts"][0];
        assert_eq!((&attempt["code"], &attempt["state"]), (&json!("told"), &json!("failed")), "{attempt}");
    }
    gate.publish(&post("acme-mastodon", "meanwhile")).await.expect(201);
}

#[tokio::test]
async fn what_an_adapter_does_wrong_again_and_again_is_not_worth_a_retry() {
    let net = network().await;
    let gate = plan(&net).start().await;
    for text in ["panic", "other-text", "no-id", "nobody-sent", "spin", "eat-memory"] {
        told(&gate, text, "plugin-failed").await;
    }
    // A no of the adapter's own that no denial led to: final, and no word of the network's.
    let told = told(&gate, "state", "platform-refused").await;
    assert!(
        told["detail"].as_str().is_some_and(|it| it.starts_with("The adapter `hostile 0.1.0` could not")),
        "{told}"
    );
}
