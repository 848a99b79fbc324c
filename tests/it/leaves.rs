//! Exactly which leaves each thing writes, and in which order.

use serde_json::json;
use tests::harness::{Gate, Running, intents, network, problem, story};

use crate::samples::{STATUSES, id, post};

/// How many leaves every log begins with: the first governance, a leaf for each plugin, the start.
fn begun(told: &[String]) -> usize {
    let start = told.iter().position(|line| line == "lifecycle start").expect("a start");
    assert_eq!(told[0], "change governance apply");
    assert!(told[1..start].iter().all(|line| line == "change plugin load"), "{told:?}");
    start + 1
}

fn after_start(gate: &Running) -> Vec<String> {
    let told = story(&gate.leaves());
    told[begun(&told)..].to_vec()
}

#[tokio::test]
async fn a_success_is_an_intent_and_an_outcome() {
    let net = network().await;
    let rule = json!({"forbidden": [{"phrase": "miracle cure"}]});
    let gate = Gate::new().account("acme-mastodon", &net).guidelines(&rule).start().await;
    let made = gate.publish(&post("acme-mastodon", "x")).await.expect(201);
    assert_eq!(
        after_start(&gate),
        ["intent acme-mastodon post.create part-0 #1", "outcome part-0 answered 200 -> published"]
    );
    let (index, intent) = intents(&gate.leaves()).remove(0);
    let before = begun(&story(&gate.leaves()));
    assert_eq!((before, index, intent.post.as_str()), (4, 4, id(&made).as_str()), "an adapter and a policy");
    assert_eq!(
        (intent.app.as_deref(), intent.person.as_deref(), intent.grant.as_str()),
        (Some("newsroom"), None, "newsroom-all")
    );
    assert!(intent.adapter.starts_with("mastodon") && intent.safety == "native-key:3600", "{intent:?}");
    assert_eq!((intent.content_digest.len(), intent.request_digest.len(), intent.adapter_digest.len()), (64, 64, 64));
    let verdicts: Vec<_> = intent.verdicts.iter().map(|note| (note.policy.as_str(), note.outcome.as_str())).collect();
    assert_eq!(verdicts, [("house-rules", "allow")]);
    let key = gate.site.key("app:newsroom");
    assert!(key.contains(&intent.key) && intent.key.len() == 12, "the public part of the key");
}

#[tokio::test]
async fn a_thread_of_three_is_three_intents_and_three_outcomes() {
    let net = network().await;
    let gate = Gate::new().account("acme-mastodon", &net).start().await;
    let body =
        json!({"accounts": ["acme-mastodon"], "content": {"text": "1", "thread": [{"text": "2"}, {"text": "3"}]}});
    gate.publish(&body).await.expect(201);
    let expected = [
        "intent acme-mastodon post.create part-0 #1",
        "outcome part-0 answered 200",
        "intent acme-mastodon post.create part-1 #1",
        "outcome part-1 answered 200",
        "intent acme-mastodon post.create part-2 #1",
        "outcome part-2 answered 200 -> published",
    ];
    assert_eq!(after_start(&gate), expected);
    let digests: std::collections::BTreeSet<_> =
        intents(&gate.leaves()).into_iter().map(|(_, intent)| intent.request_digest).collect();
    assert_eq!(digests.len(), 3, "each request has a digest of its own");
}

#[tokio::test]
async fn refusals_write_one_leaf_for_each_account() {
    let net = network().await;
    let rule = json!({"forbidden": [{"phrase": "miracle cure"}]});
    let gate = Gate::new().account("acme-one", &net).account("acme-two", &net).guidelines(&rule).start().await;
    problem(&gate.caller("app:careers").publish(&post("acme-one", "x")).await, "no-grant");
    let both = json!({"accounts": ["acme-one", "acme-two"], "content": {"text": "a miracle cure"}});
    problem(&gate.publish(&both).await, "policy-denied");
    problem(&gate.publish(&post("nobody", "x")).await, "unknown-account");
    let expected = [
        "refused authorise no-grant acme-one",
        "refused review policy-denied acme-one",
        "refused review policy-denied acme-two",
        "refused classify unknown-account",
    ];
    assert_eq!(after_start(&gate), expected);
    let text = format!("{:?}", gate.leaves());
    assert!(!text.contains("miracle") && !text.contains("nobody"), "no text of a caller stands in the log: {text}");
    assert_eq!(net.count("POST", STATUSES).await, 0);
}

#[tokio::test]
async fn a_hold_and_a_vote_stand_before_what_they_let_out() {
    let net = network().await;
    let rule = json!({"forbidden": [{"phrase": "cheap", "outcome": "hold"}]});
    let gate = Gate::new().account("acme-mastodon", &net).guidelines(&rule).start().await;
    let held = gate.publish(&post("acme-mastodon", "cheap")).await.expect(202);
    gate.caller("person:chief-1").vote(&id(&held), "approve").await.expect(200);
    gate.until_state(&id(&held), "published").await;
    let expected = [
        "held acme-mastodon",
        "vote chief-1 approve",
        "approved 1",
        "released 1",
        "intent acme-mastodon post.create part-0 #1",
        "outcome part-0 answered 200 -> published",
    ];
    assert_eq!(after_start(&gate), expected);
    assert_eq!(intents(&gate.leaves())[0].1.approvals, ["chief-1"]);
}

#[tokio::test]
async fn a_recall_and_an_upload_are_effects_of_their_own() {
    let net = network().await;
    let gate = Gate::new().account("acme-mastodon", &net).start().await;
    let medium = gate.upload("image/png", crate::samples::PNG).await;
    let body = json!({"accounts": ["acme-mastodon"], "content": {"text": "x", "media": [{"id": medium, "alt": "a"}]}});
    let made = gate.publish(&body).await.expect(201);
    gate.delete(&format!("/v1/posts/{}", id(&made))).await.expect(200);
    let expected = [
        "intent acme-mastodon post.create part-0-media-0 #1",
        "outcome part-0-media-0 answered 202",
        "intent acme-mastodon post.create part-0 #1",
        "outcome part-0 answered 200 -> published",
        "intent acme-mastodon post.delete delete-0 #2",
        "outcome delete-0 answered 200 -> recalled",
    ];
    assert_eq!(after_start(&gate), expected);
}

#[tokio::test]
async fn a_start_reads_the_log_that_a_stop_left() {
    let net = network().await;
    let mut gate = Gate::new().account("acme-mastodon", &net).start().await;
    let made = gate.publish(&post("acme-mastodon", "x")).await.expect(201);
    let before = gate.leaves();
    gate.restart().await;
    let leaves = gate.leaves();
    assert_eq!(leaves[..before.len()], before, "what was written stays as it was");
    assert_eq!(story(&leaves).last().map(String::as_str), Some("lifecycle start"));
    assert!(!story(&leaves[before.len()..]).iter().any(|line| line.starts_with("outcome")), "nothing was open");
    assert_eq!(gate.read(&id(&made)).await, made);
    assert_eq!(net.count("POST", STATUSES).await, 1);
}
