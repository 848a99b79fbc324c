//! Posts that wait for their time while one of their accounts is taken away.

use jiff::SignedDuration;
use serde_json::{Value, json};
use tests::harness::{Gate, gate, network, problem};

use crate::samples::{after, id, post, step, texts};

const STAYS: &str = "acme-mastodon";
const GOES: &str = "tmp-mastodon";

fn target<'a>(view: &'a Value, account: &str) -> &'a Value {
    let targets = view["targets"].as_array().expect("targets");
    targets.iter().find(|target| target["account"] == account).expect("the account's target")
}

#[tokio::test]
async fn an_account_that_is_gone_when_a_post_is_due_fails_alone() {
    let (stays, goes, clock) = (network().await, network().await, gate::clock());
    let gate = Gate::new().account(STAYS, &stays).account(GOES, &goes).clock(&clock);
    let mut gate = gate.start().await;
    let mut body = post(STAYS, "for two");
    body["accounts"] = json!([STAYS, GOES]);
    body["schedule"] = json!({"at": after(&gate, 600)});
    let post = id(&gate.publish(&body).await.expect(202));
    let all = gate.governance.clone();
    let mut fewer = all.clone();
    fewer.without_account(GOES);
    gate.apply(fewer).await;
    clock.advance(SignedDuration::from_secs(601));
    let shown = gate.until_state(&post, "partial").await;
    assert_eq!(texts(&stays).await, ["for two"], "the other goes out");
    assert_eq!(target(&shown, STAYS)["failure"], Value::Null);
    assert_eq!(target(&shown, GOES)["failure"], "account-gone", "{shown}");
    let told = gate.get(&format!("/v1/posts/{post}/explain")).await.expect(200);
    assert_eq!((told["failed"].as_array().map(Vec::len), &told["failed"][0]["account"]), (Some(1), &json!(GOES)));
    assert!(told["failed"][0]["why"].as_str().expect("a text").contains("no such account"), "{told}");
    for body in [json!({}), json!({"account": GOES})] {
        let refused = step(&gate, &post, "retry", body).await;
        let told = problem(&refused, "unknown-account");
        assert!(told["detail"].as_str().expect("a text").contains(GOES), "{told}");
    }
    // Where the governance has it again, somebody's word is enough.
    gate.apply(all).await;
    step(&gate, &post, "retry", json!({"account": GOES})).await.expect(200);
    let shown = gate.until_state(&post, "published").await;
    assert_eq!((texts(&goes).await.len(), &target(&shown, GOES)["failure"]), (1, &Value::Null));
}
