//! Posts that wait for a person.

use serde_json::{Value, json};
use tests::harness::{Gate, Running, network, problem, story};

use crate::samples::{STATUSES, id, post, texts};

/// A gateway that holds what is `cheap`, with editors who may publish.
async fn holding(net: &sample_network::Running) -> Running {
    let rule = json!({"forbidden": [{"phrase": "cheap", "outcome": "hold"}]});
    Gate::new()
        .account("acme-mastodon", net)
        .account_of("acme/drinks", "drinks-mastodon", net)
        .guidelines(&rule)
        .govern(|governance| {
            let actions = ["post.create", "post.read"];
            governance.grant("chief-writes", "person:chief-1", "brand:acme", &actions);
            governance.grant("editor-writes", "person:editor-7", "brand:acme", &actions);
            governance.grant_until(
                "agency-for-chief",
                "app:agency",
                "brand:acme",
                &actions,
                tests::harness::governance::FAR,
                &["chief-1"],
            );
        })
        .start()
        .await
}

#[tokio::test]
async fn an_approved_post_goes_out_and_says_who_agreed() {
    let net = network().await;
    let gate = holding(&net).await;
    let held = gate.publish(&post("acme-mastodon", "cheap crisps")).await.expect(202);
    assert_eq!((&held["state"], &held["targets"][0]["state"]), (&json!("held"), &json!("held")));
    assert_eq!(held["verdicts"][0]["findings"][0]["code"], "forbidden-phrase");
    assert_eq!(net.count("POST", STATUSES).await, 0);
    let chief = gate.caller("person:chief-1");
    let seen = chief.get(&format!("/v1/posts/{}", id(&held))).await.expect(200);
    let vote = json!({"decision": "approve", "digest": seen["digest"], "note": "fine by me"});
    let voted = chief.post(&format!("/v1/posts/{}/votes", id(&held)), &vote).await.expect(200);
    let approval = &voted["approvals"][0];
    assert_eq!(
        (&approval["person"], &approval["decision"], &approval["note"]),
        (&json!("chief-1"), &json!("approve"), &json!("fine by me"))
    );
    let published = gate.until_state(&id(&held), "published").await;
    assert_eq!(published["approvals"].as_array().map(Vec::len), Some(1));
    assert_eq!(texts(&net).await, ["cheap crisps"]);
    problem(&chief.vote(&id(&held), "approve").await, "not-held");
    problem(&chief.vote(&id(&held), "reject").await, "not-held");
    assert_eq!(net.count("POST", STATUSES).await, 1, "a second vote sends nothing");
}

#[tokio::test]
async fn a_rejected_post_never_goes_out() {
    let net = network().await;
    let gate = holding(&net).await;
    let held = gate.publish(&post("acme-mastodon", "cheap")).await.expect(202);
    let chief = gate.caller("person:chief-1");
    assert_eq!(chief.vote(&id(&held), "reject").await.expect(200)["state"], "rejected");
    problem(&chief.vote(&id(&held), "approve").await, "not-held");
    tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
    assert_eq!(
        (gate.read(&id(&held)).await["state"].clone(), net.count("POST", STATUSES).await),
        (json!("rejected"), 0)
    );
}

#[tokio::test]
async fn nobody_approves_their_own_and_no_app_approves() {
    let net = network().await;
    let gate = holding(&net).await;
    let chief = gate.caller("person:chief-1");
    let own = chief.publish(&post("acme-mastodon", "cheap")).await.expect(202);
    let told = problem(&chief.vote(&id(&own), "approve").await, "own-post");
    assert_eq!((&told["status"], &told["stage"]), (&json!(403), &json!("approve")));
    let mut body = post("acme-mastodon", "cheap too");
    body["on_behalf_of"] = json!("chief-1");
    let for_chief = gate.caller("app:agency").publish(&body).await.expect(202);
    problem(&chief.vote(&id(&for_chief), "approve").await, "own-post");
    let of_app = gate.publish(&post("acme-mastodon", "cheap as well")).await.expect(202);
    problem(&gate.vote(&id(&of_app), "approve").await, "no-grant");
    problem(&gate.caller("app:careers").vote(&id(&of_app), "approve").await, "no-grant");
    // Who has no say there is not even told that it exists.
    problem(&gate.caller("person:chief-drinks").vote(&id(&of_app), "approve").await, "not-found");
    problem(&gate.caller("person:editor-7").vote(&id(&of_app), "approve").await, "not-found");
    problem(&chief.vote("post_unknown", "approve").await, "not-found");
    for post in [&own, &for_chief, &of_app] {
        let seen: Value = chief.get(&format!("/v1/posts/{}", id(post))).await.expect(200);
        assert_eq!((&seen["state"], &seen["approvals"]), (&json!("held"), &json!([])));
    }
    assert_eq!(net.count("POST", STATUSES).await, 0);
    assert!(!story(&gate.leaves()).iter().any(|line| line.starts_with("vote")), "no refused vote is a vote");
}

#[tokio::test]
async fn a_vote_is_for_the_content_that_was_seen() {
    let net = network().await;
    let gate = holding(&net).await;
    let held = gate.publish(&post("acme-mastodon", "cheap")).await.expect(202);
    let chief = gate.caller("person:chief-1");
    let path = format!("/v1/posts/{}/votes", id(&held));
    let other = json!({"decision": "approve", "digest": "0".repeat(64)});
    problem(&chief.post(&path, &other).await, "not-held");
    for bad in [json!({"decision": "maybe"}), json!({}), json!({"decision": "approve", "colour": 1})] {
        problem(&chief.post(&path, &bad).await, "invalid-request");
    }
    assert_eq!(gate.read(&id(&held)).await["state"], "held");
    assert_eq!(net.count("POST", STATUSES).await, 0);
}

#[tokio::test]
async fn a_hold_on_one_account_holds_all_and_needs_rights_for_all() {
    let net = network().await;
    let gate = holding(&net).await;
    let body = json!({"accounts": ["acme-mastodon", "drinks-mastodon"], "content": {"text": "fine"},
        "variants": {"drinks-mastodon": {"text": "cheap drinks"}}});
    let held = gate.publish(&body).await.expect(202);
    assert_eq!(held["state"], "held");
    problem(&gate.caller("person:chief-drinks").vote(&id(&held), "approve").await, "no-grant");
    assert_eq!(net.count("POST", STATUSES).await, 0);
    gate.caller("person:chief-1").vote(&id(&held), "approve").await.expect(200);
    gate.until_state(&id(&held), "published").await;
    let mut sent = texts(&net).await;
    sent.sort();
    assert_eq!(sent, ["cheap drinks", "fine"]);
}

#[tokio::test]
async fn a_held_post_outlives_a_restart() {
    let net = network().await;
    let mut gate = holding(&net).await;
    let held = gate.publish(&post("acme-mastodon", "cheap")).await.expect(202);
    gate.restart().await;
    assert_eq!(gate.read(&id(&held)).await["state"], "held");
    gate.caller("person:chief-1").vote(&id(&held), "approve").await.expect(200);
    gate.until_state(&id(&held), "published").await;
    assert_eq!(texts(&net).await, ["cheap"]);
}
