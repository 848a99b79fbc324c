//! Posts that wait for a person.

use pressgate::audit::Event;
use serde_json::{Value, json};
use tests::harness::{Gate, Running, network, problem, story, until};

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
    // One digest leads from what the API shows to the hold, the vote and what was sent; and all of it is of the brand.
    let digests = gate.leaves().into_iter().filter_map(|leaf| match leaf.event {
        Event::Held(held) => Some(("held", Some(held.content_digest), held.brand)),
        Event::Vote(vote) => Some(("vote", Some(vote.content_digest), vote.brand)),
        Event::Intent(intent) => Some(("intent", intent.post_digest, intent.brand)),
        _ => None,
    });
    let digest = seen["digest"].as_str().map(str::to_owned);
    let snacks = Some("acme/snacks".to_owned());
    let expected = ["held", "vote", "intent"].map(|kind| (kind, digest.clone(), snacks.clone()));
    assert_eq!(digests.collect::<Vec<_>>(), expected);
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
    // Who may read it is told why not.
    problem(&gate.caller("person:editor-7").vote(&id(&of_app), "approve").await, "no-grant");
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
    problem(&chief.post(&path, &other).await, "content-changed");
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

#[tokio::test]
async fn an_approver_reads_what_is_approved() {
    let net = network().await;
    let gate = holding(&net).await;
    let medium = gate.upload("image/png", crate::samples::PNG).await;
    let body = json!({"accounts": ["acme-mastodon", "drinks-mastodon"],
        "content": {"text": "cheap", "language": "en", "media": [{"id": medium, "alt": "a bag"}], "thread": [{"text": "two"}]},
        "variants": {"drinks-mastodon": {"text": "cheap drinks"}},
        "options": {"mastodon": {"visibility": "unlisted"}}, "labels": ["launch"], "campaign": "spring"});
    let held = gate.publish(&body).await.expect(202);
    let chief = gate.caller("person:chief-1");
    let seen: Value = chief.get(&format!("/v1/posts/{}", id(&held))).await.expect(200);
    assert_eq!(seen["author"], json!({"app": "newsroom", "person": null, "on_behalf_of": null}));
    assert_eq!((&seen["campaign"], &seen["labels"]), (&json!("spring"), &json!(["launch"])));
    let (one, two) = (&seen["targets"][0]["content"], &seen["targets"][1]["content"]);
    assert_eq!(one["parts"][0]["text"], "cheap");
    assert_eq!(one["parts"][1], json!({"text": "two", "media": []}));
    let shown = &one["parts"][0]["media"][0];
    assert_eq!(
        (&shown["id"], &shown["alt"], &shown["media_type"]),
        (&json!(medium), &json!("a bag"), &json!("image/png"))
    );
    assert_eq!(shown["sha256"].as_str().map(str::len), Some(64));
    assert_eq!((&one["language"], &one["options"]["visibility"]), (&json!("en"), &json!("unlisted")));
    assert_eq!(two["parts"][0]["text"], "cheap drinks");
    // Who sees one brand only sees what is said there only.
    let drinks: Value = gate.caller("person:chief-drinks").get(&format!("/v1/posts/{}", id(&held))).await.expect(200);
    assert_eq!(drinks["targets"].as_array().map(Vec::len), Some(1));
    assert_eq!(drinks["targets"][0]["account"], "drinks-mastodon");
}

#[tokio::test]
async fn who_can_use_the_apps_key_does_not_approve() {
    let net = network().await;
    let gate = Gate::new()
        .account("acme-mastodon", &net)
        .guidelines(&json!({"forbidden": [{"phrase": "cheap", "outcome": "hold"}]}))
        .govern(|governance| {
            // The cast's owner of every app has approval rights.
            let people = ["ops-1", "chief-1"].map(|id| {
                format!("[[person]]\nid = {id:?}\nroles = [\"operator\", \"approver\"]\napproves = [\"acme\"]\n")
            });
            governance.file("people.toml", &people.concat());
        })
        .start()
        .await;
    let held = gate.publish(&post("acme-mastodon", "cheap")).await.expect(202);
    let told = problem(&gate.caller("person:ops-1").vote(&id(&held), "approve").await, "own-post");
    assert_eq!(told["detail"], "You can use the key that the post was made with; another person must vote.");
    gate.caller("person:chief-1").vote(&id(&held), "approve").await.expect(200);
    gate.until_state(&id(&held), "published").await;
}

#[tokio::test]
async fn a_held_post_can_be_withdrawn() {
    let net = network().await;
    let gate = holding(&net).await;
    let chief = gate.caller("person:chief-1");
    let held = gate.publish(&post("acme-mastodon", "cheap")).await.expect(202);
    let path = format!("/v1/posts/{}", id(&held));
    // Neither by who may only read it, nor in part.
    problem(&chief.delete(&path).await, "no-grant");
    problem(&gate.delete(&format!("{path}?account=acme-mastodon")).await, "not-recallable");
    assert_eq!(gate.delete(&path).await.expect(200)["state"], "cancelled");
    problem(&chief.vote(&id(&held), "approve").await, "not-held");
    problem(&gate.delete(&path).await, "not-recallable");
    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    assert_eq!(net.count("POST", STATUSES).await, 0);
    assert!(story(&gate.leaves()).contains(&"withdrawal newsroom".to_owned()));
}

#[tokio::test]
async fn what_was_made_with_a_revoked_key_is_not_sent() {
    let net = network().await;
    let gate = holding(&net).await;
    let (key, key_id) = gate.fresh_key("newsroom", None).await;
    let held = gate.caller_with(&key).publish(&post("acme-mastodon", "cheap")).await.expect(202);
    let gateway = gate.gateway();
    gateway.keys.revoke(gateway.records.as_ref(), &key_id, gateway.clock.now()).await.expect("revoked");
    let chief = gate.caller("person:chief-1");
    chief.vote(&id(&held), "approve").await.expect(200);
    let path = format!("/v1/posts/{}", id(&held));
    let failed = tests::harness::until("the post is given up", || async {
        let post: Value = chief.get(&path).await.expect(200);
        (post["state"] == "failed").then_some(post)
    })
    .await;
    assert_eq!(failed["targets"][0]["attempts"][0]["code"], "key-revoked");
    assert_eq!(net.count("POST", STATUSES).await, 0);
}

#[tokio::test]
async fn a_hold_that_nobody_saw_is_not_agreed_to() {
    let net = network().await;
    let mut gate = holding(&net).await;
    let held = gate.publish(&post("acme-mastodon", "cheap and legal")).await.expect(202);
    let rule = json!({"forbidden": [{"phrase": "legal", "outcome": "hold"}]});
    let mut governance = gate.governance.clone();
    governance.policy("legal", "guidelines", &rule);
    gate.apply(governance).await;
    let chief = gate.caller("person:chief-1");
    chief.vote(&id(&held), "approve").await.expect(200);
    let path = format!("/v1/posts/{}/explain", id(&held));
    until("it waits again", || async {
        let told = gate.get(&path).await.expect(200);
        let by = told["held_by"].as_array().is_some_and(|names| names.contains(&json!("legal")));
        (told["state"] == "held" && by).then_some(())
    })
    .await;
    assert_eq!(net.count("POST", STATUSES).await, 0);
    assert_eq!(gate.get(&path).await.expect(200)["rules"][0]["stages"][0]["counted"], json!([]), "the vote is void");
    chief.vote(&id(&held), "approve").await.expect(200);
    gate.until_state(&id(&held), "published").await;
    assert_eq!(net.count("POST", STATUSES).await, 1);
}
