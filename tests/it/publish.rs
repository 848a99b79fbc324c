//! Publishing through the door: what reaches the network, and what the app hears.

use serde_json::{Value, json};
use tests::harness::{Gate, network, network_with, problem, story};
use tests::networks::sample::{check_answers, check_requests};
use tests::specs::{assert_fine, specs};

use crate::samples::{PNG, STATUSES, reasons, statuses, texts};

#[tokio::test]
async fn a_post_appears_with_its_id_and_address() {
    let net = network().await;
    let gate = Gate::new().account("acme-mastodon", &net).start().await;
    let body = json!({"accounts": ["acme-mastodon"], "content": {"text": "Hello from the newsroom", "language": "en"}});
    let answer = gate.publish(&body).await;
    let post = answer.expect(201);
    let stands = net.timeline().await;
    assert_eq!(texts(&net).await, ["Hello from the newsroom"]);
    let target = &post["targets"][0];
    assert_eq!((&target["account"], &target["state"]), (&json!("acme-mastodon"), &json!("published")));
    assert_eq!((&target["platform_id"], &target["url"]), (&stands[0]["id"], &stands[0]["url"]));
    assert_eq!(target["parts"].as_array().map(Vec::len), Some(1));
    assert_eq!((&post["state"], &target["attempts"][0]["number"]), (&json!("published"), &json!(1)));
    let id = post["id"].as_str().expect("an id");
    assert_eq!(answer.header("location"), Some(format!("/v1/posts/{id}").as_str()));
    assert_eq!(gate.read(id).await, post, "what was answered is what is kept");
    assert_eq!(net.count("POST", STATUSES).await, 1);
}

#[tokio::test]
async fn without_prefer_the_answer_comes_before_the_outcome() {
    let net = network().await;
    let gate = Gate::new().account("acme-mastodon", &net).start().await;
    let late = sample_network::Plan::next(1, "POST", STATUSES, sample_network::Fault::Late { ms: 400 });
    net.set_fault(late).await;
    let post =
        gate.post("/v1/posts", &json!({"accounts": ["acme-mastodon"], "content": {"text": "x"}})).await.expect(202);
    assert_eq!((&post["state"], &post["targets"][0]["attempts"]), (&json!("publishing"), &json!([])));
    gate.until_state(post["id"].as_str().expect("an id"), "published").await;
    assert_eq!(texts(&net).await, ["x"]);
}

#[tokio::test]
async fn a_rehearsal_sends_and_keeps_nothing() {
    let net = network().await;
    let rule = json!({"forbidden": [{"phrase": "miracle cure"}, {"phrase": "cheap", "outcome": "hold"}]});
    let gate = Gate::new().account("acme-mastodon", &net).guidelines(&rule).start().await;
    let body = |text: &str| json!({"accounts": ["acme-mastodon"], "content": {"text": text}});
    let mut dry = body("fine");
    dry["dry_run"] = json!(true);
    let would = gate.post("/v1/posts", &dry).await.expect(200);
    assert_eq!((&would["state"], &would["verdicts"][0]["outcome"]), (&json!("publishing"), &json!("allow")));
    assert_eq!(gate.post("/v1/validate", &body("fine")).await.expect(200)["state"], "publishing");
    assert_eq!(gate.post("/v1/validate", &body("cheap")).await.expect(200)["state"], "held");
    problem(&gate.post("/v1/validate", &body("a miracle cure")).await, "policy-denied");
    problem(&gate.post("/v1/validate", &body(&"x".repeat(501))).await, "content-invalid");
    assert_eq!(net.counts().await.keys().filter(|name| !name.starts_with("GET ")).count(), 0);
    assert_eq!(gate.get("/v1/posts").await.expect(200)["posts"], json!([]));
}

#[tokio::test]
async fn variants_go_to_their_account_over_their_network() {
    let net = network().await;
    let other = network().await;
    let gate = Gate::new().account("acme-one", &net).account("acme-two", &other).start().await;
    let body = json!({"accounts": ["acme-one", "acme-two"], "content": {"text": "common"},
        "variants": {"mastodon": {"text": "for the network"}, "acme-two": {"text": "for the account", "language": "cs"}}});
    let post = gate.publish(&body).await.expect(201);
    let order: Vec<_> = post["targets"].as_array().expect("targets").iter().map(|t| t["account"].clone()).collect();
    assert_eq!(order, ["acme-one", "acme-two"], "in the caller's order");
    assert_eq!(
        (texts(&net).await, texts(&other).await),
        (vec!["for the network".into()], vec!["for the account".into()])
    );
    assert_eq!(other.timeline().await[0]["language"], "cs");
}

#[tokio::test]
async fn a_text_over_the_limit_of_one_of_three_is_sent_to_none() {
    let (one, two) = (network().await, network().await);
    let short = network_with(sample_network::Config { text_limit: 100, ..Default::default() }).await;
    let gate =
        Gate::new().account("acme-one", &one).account("acme-short", &short).account("acme-two", &two).start().await;
    let body = json!({"accounts": ["acme-one", "acme-short", "acme-two"], "content": {"text": "x".repeat(140)}});
    let refused = problem(&gate.publish(&body).await, "content-invalid");
    let errors = refused["errors"].as_array().expect("errors");
    assert_eq!(errors.len(), 1, "{refused}");
    assert_eq!((&errors[0]["account"], &errors[0]["code"]), (&json!("acme-short"), &json!("text-too-long")));
    assert_eq!((&errors[0]["measured"], &errors[0]["allowed"]), (&json!(140), &json!(100)));
    for net in [&one, &short, &two] {
        assert_eq!(net.count("POST", STATUSES).await, 0);
    }
    let told = story(&gate.leaves());
    assert_eq!(told[told.len() - 2..], ["lifecycle start", "refused review content-invalid acme-short"]);
    assert_eq!(gate.get("/v1/posts").await.expect(200)["posts"], json!([]), "nothing was made");
    // One character over is over, and at the limit is not.
    let at = |length: usize| json!({"accounts": ["acme-short"], "content": {"text": "é".repeat(length)}});
    problem(&gate.publish(&at(101)).await, "content-invalid");
    gate.publish(&at(100)).await.expect(201);
}

#[tokio::test]
async fn several_accounts_stand_alone_once_they_are_on_their_way() {
    let (good, bad) = (network().await, network().await);
    let gate = Gate::new().account("acme-good", &good).account("acme-bad", &bad).start().await;
    let no =
        sample_network::Plan::next(1, "POST", STATUSES, sample_network::Fault::Status { status: 422, stored: false });
    bad.set_fault(no).await;
    let body = json!({"accounts": ["acme-good", "acme-bad"], "content": {"text": "x"}});
    let post = gate.publish(&body).await.expect(201);
    assert_eq!(post["state"], "partial");
    let states: Vec<_> = post["targets"].as_array().expect("targets").iter().map(|t| t["state"].clone()).collect();
    assert_eq!(states, ["published", "failed"]);
    assert_eq!((good.timeline().await.len(), bad.timeline().await.len()), (1, 0));
}

#[tokio::test]
async fn a_thread_answers_itself_in_order() {
    let net = network().await;
    let gate = Gate::new().account("acme-mastodon", &net).start().await;
    let body = json!({"accounts": ["acme-mastodon"], "content": {"text": "one", "thread": [{"text": "two"}, {"text": "three"}]}});
    let post = gate.publish(&body).await.expect(201);
    let stands = net.timeline().await;
    assert_eq!(texts(&net).await, ["one", "two", "three"]);
    assert_eq!(stands[0]["in_reply_to_id"], Value::Null);
    assert_eq!((&stands[1]["in_reply_to_id"], &stands[2]["in_reply_to_id"]), (&stands[0]["id"], &stands[1]["id"]));
    let parts = post["targets"][0]["parts"].as_array().expect("parts");
    let ids: Vec<_> = parts.iter().map(|part| &part["platform_id"]).collect();
    assert_eq!(ids, stands.iter().map(|status| &status["id"]).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_reply_is_a_comment_under_what_it_answers() {
    let net = network().await;
    let gate = Gate::new().account("acme-mastodon", &net).start().await;
    let root = gate.publish(&json!({"accounts": ["acme-mastodon"], "content": {"text": "root"}})).await.expect(201);
    let root_id = root["targets"][0]["platform_id"].clone();
    let reply = json!({"accounts": ["acme-mastodon"], "content": {"text": "thanks"},
        "reply_to": {"account": "acme-mastodon", "ref": root_id}});
    gate.publish(&reply).await.expect(201);
    let stands = net.timeline().await;
    assert_eq!((&stands[1]["text"], &stands[1]["in_reply_to_id"]), (&json!("thanks"), &root_id));
    assert!(story(&gate.leaves()).contains(&"intent acme-mastodon comment.create part-0 #1".to_owned()));
}

#[tokio::test]
async fn media_wait_until_the_network_has_processed_them() {
    let net = network_with(sample_network::Config { media_polls: 3, ..Default::default() }).await;
    let gate = Gate::new().account("acme-mastodon", &net).start().await;
    let stored = gate.send("POST", "/v1/media", &[("content-type", "image/png")], PNG).await.expect(201);
    assert_eq!(
        (&stored["media_type"], &stored["width"], &stored["height"]),
        (&json!("image/png"), &json!(1), &json!(1))
    );
    assert_eq!((&stored["size_bytes"], stored["digest"].as_str().map(str::len)), (&json!(PNG.len()), Some(64)));
    let body = json!({"accounts": ["acme-mastodon"],
        "content": {"text": "a picture", "media": [{"id": stored["id"], "alt": "One žlutý pixel"}]}});
    gate.publish(&body).await.expect(201);
    let stands = net.timeline().await;
    assert_eq!(stands[0]["media_attachments"][0]["description"], "One žlutý pixel");
    let polls: Vec<_> = net
        .requests()
        .await
        .iter()
        .filter(|r| r.path.starts_with("/api/v1/media/"))
        .map(|r| r.answer.as_ref().map(|a| a.status))
        .collect();
    assert_eq!(polls, [Some(206), Some(206), Some(206), Some(200)]);
    let address = stands[0]["media_attachments"][0]["url"].as_str().expect("an address");
    assert_eq!(tests::http::get(address, "").await.body, PNG, "byte for byte");
}

#[tokio::test]
async fn options_language_and_everything_follow_the_published_api() {
    let net = network_with(sample_network::Config { media_polls: 1, ..Default::default() }).await;
    let gate = Gate::new().account("acme-mastodon", &net).start().await;
    let medium = gate.upload("image/png", PNG).await;
    let body = json!({"accounts": ["acme-mastodon"],
        "content": {"text": "Ahoj", "language": "cs", "media": [{"id": medium, "alt": "Bod"}], "thread": [{"text": "dál"}]},
        "options": {"mastodon": {"visibility": "unlisted", "content_warning": "pozor", "sensitive": true}}});
    let post = gate.publish(&body).await.expect(201);
    for stands in &net.timeline().await {
        assert_eq!((&stands["visibility"], &stands["spoiler_text"]), (&json!("unlisted"), &json!("pozor")));
        assert_eq!((&stands["language"], &stands["sensitive"]), (&json!("cs"), &json!(true)));
    }
    let wrong = json!({"accounts": ["acme-mastodon"], "content": {"text": "x"}, "options": {"mastodon": {"visibility": "everyone"}}});
    assert_eq!(reasons(&problem(&gate.publish(&wrong).await, "invalid-request")), ["option-invalid"]);
    gate.delete(&format!("/v1/posts/{}", post["id"].as_str().expect("an id"))).await.expect(200);
    assert!(net.timeline().await.is_empty());

    let Some(specs) = specs() else { return };
    let recorded = net.requests().await;
    let written = |method: &str| recorded.iter().filter(|request| request.method == method).count();
    assert_eq!((written("POST"), written("DELETE")), (3, 2), "an upload, two statuses; two deletions");
    assert_fine("a request of the adapter", check_requests(&specs.mastodon(), &recorded));
    assert_fine("an answer of the sample network", check_answers(&specs.mastodon(), &recorded));
}

#[tokio::test]
async fn a_post_is_taken_back_once() {
    let (one, two) = (network().await, network().await);
    let gate = Gate::new().account("acme-one", &one).account("acme-two", &two).start().await;
    let body = json!({"accounts": ["acme-one", "acme-two"], "content": {"text": "x", "thread": [{"text": "y"}]}});
    let post = gate.publish(&body).await.expect(201);
    let path = format!("/v1/posts/{}", post["id"].as_str().expect("an id"));
    let partly = gate.delete(&format!("{path}?account=acme-two")).await;
    assert_eq!(partly.json::<Value>()["state"], "partial", "{}", partly.text());
    assert_eq!((one.timeline().await.len(), two.timeline().await.len()), (2, 0));
    assert_eq!(gate.delete(&path).await.expect(200)["state"], "recalled");
    assert!(one.timeline().await.is_empty());
    problem(&gate.delete(&path).await, "not-recallable");
    assert_eq!(statuses(&one, "DELETE").await + statuses(&two, "DELETE").await, 4, "each entry was deleted once");
    problem(&gate.delete("/v1/posts/post_0").await, "not-found");
}

#[tokio::test]
async fn an_account_without_a_credential_is_told_and_nothing_is_sent() {
    let net = network().await;
    let gate =
        Gate::new().account("acme-one", &net).account("acme-two", &net).without_credential("acme-two").start().await;
    let body = json!({"accounts": ["acme-one", "acme-two"], "content": {"text": "x"}});
    problem(&gate.publish(&body).await, "credential-missing");
    assert_eq!(net.count("POST", STATUSES).await, 0);
    gate.publish(&json!({"accounts": ["acme-one"], "content": {"text": "x"}})).await.expect(201);
    let accounts = gate.get("/v1/accounts").await.expect(200);
    let health: Vec<_> =
        accounts["accounts"].as_array().expect("accounts").iter().map(|a| a["health"].clone()).collect();
    assert_eq!(health, ["ready", "no-credential"]);
}

#[tokio::test]
async fn a_fault_points_at_what_the_caller_wrote() {
    let net = network().await;
    let rules = json!({"forbidden": [{"phrase": "cheap"}]});
    let gate = Gate::new().account("acme-mastodon", &net).guidelines(&rules).start().await;
    let medium = gate.upload("image/png", PNG).await;
    let (long, shown) = ("x".repeat(501), |alt: &str| json!([{"id": medium, "alt": alt}]));
    let content = |content: Value| json!({"content": content});
    let variant = |name: &str, variant: Value| json!({"content": {"text": "x"}, "variants": {name: variant}});
    let cases = [
        (content(json!({"text": long})), "/content/text"),
        (content(json!({"text": "x", "thread": [{"text": "y"}, {"text": long}]})), "/content/thread/1/text"),
        (variant("mastodon", json!({"text": long})), "/variants/mastodon/text"),
        (
            variant("acme-mastodon", json!({"thread": [{"text": "y"}, {"text": long}]})),
            "/variants/acme-mastodon/thread/1/text",
        ),
        (content(json!({"text": "x", "media": vec![shown("")[0].clone(); 5]})), "/content/media"),
        (content(json!({"text": "x", "media": shown(&"x".repeat(1501))})), "/content/media/0/alt"),
        (variant("mastodon", json!({"media": shown(&"x".repeat(1501))})), "/variants/mastodon/media/0/alt"),
        (content(json!({"text": "x", "media": shown("a cheap thing")})), "/content/media/0/alt"),
        (
            content(json!({"text": "x", "thread": [{"text": "y", "media": shown("cheap")}]})),
            "/content/thread/0/media/0/alt",
        ),
        (
            json!({"content": {"text": "x"}, "options": {"mastodon": {"content_warning": "cheap"}}}),
            "/options/mastodon/content_warning",
        ),
    ];
    for (mut body, pointer) in cases {
        body["accounts"] = json!(["acme-mastodon"]);
        let answer = gate.publish(&body).await;
        let told: Value = answer.json();
        let pointers: Vec<_> =
            told["errors"].as_array().into_iter().flatten().map(|it| it["pointer"].clone()).collect();
        assert_eq!(pointers, [json!(pointer)], "{told}");
        assert!(body.pointer(pointer).is_some(), "{pointer} is in the request");
    }
    assert!(texts(&net).await.is_empty());
}
