//! One `Idempotency-Key` is one post, whatever happens around it.

use std::collections::BTreeMap;

use serde_json::Value;
use tests::harness::{Caller, Gate, GateProcess, network, problem};

use crate::samples::{STATUSES, id, post, statuses, texts};

const TOGETHER: usize = 50;

/// Sends the same request on so many connections at once; gives each status with the id in its answer.
async fn together(url: &str, key: &str, once: &str, body: &Value) -> Vec<(u16, String)> {
    let mut tasks = tokio::task::JoinSet::new();
    let gate = std::sync::Arc::new(tokio::sync::Barrier::new(TOGETHER));
    for _ in 0..TOGETHER {
        let (caller, once, body, gate) = (Caller::new(url, key), once.to_owned(), body.clone(), gate.clone());
        tasks.spawn(async move {
            gate.wait().await;
            let answer = caller.publish_once(&once, &body).await;
            let told: Value = answer.json();
            let post = if answer.status == 409 { &told["post"] } else { &told };
            if answer.status == 409 {
                problem(&answer, "in-flight");
                assert_eq!(answer.header("retry-after"), Some("1"));
            }
            (answer.status, id(post))
        });
    }
    tasks.join_all().await
}

fn check(answers: &[(u16, String)]) {
    let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
    for (status, post) in answers {
        *statuses.entry(*status).or_default() += 1;
        assert_eq!(post, &answers[0].1, "every answer is about the same post");
    }
    let made = statuses.get(&201).or(statuses.get(&202)).copied().unwrap_or(0);
    assert!(made >= 1, "{statuses:?}");
    assert!(statuses.keys().all(|status| [201, 202, 409].contains(status)), "{statuses:?}");
}

#[tokio::test]
async fn fifty_at_once_are_one_post_before_and_after_a_restart() {
    let net = network().await;
    let mut gate = Gate::new().account("acme-mastodon", &net).start().await;
    // Late, so that the others really meet the first at work.
    net.set_fault(sample_network::Plan::next(1, "POST", STATUSES, sample_network::Fault::Late { ms: 300 })).await;
    let key = gate.site.key("app:newsroom").to_owned();
    let body = post("acme-mastodon", "once");
    let answers = together(&gate.url, &key, "launch-1", &body).await;
    check(&answers);
    assert!(answers.iter().any(|(status, _)| *status == 409), "some met the first at work");
    assert_eq!((net.count("POST", STATUSES).await, texts(&net).await), (1, vec!["once".to_owned()]));

    let again = gate.publish_once("launch-1", &body).await;
    assert_eq!(id(&again.expect(201)), answers[0].1);
    assert_eq!(again.header("location"), Some(format!("/v1/posts/{}", answers[0].1).as_str()));
    let told = problem(&gate.publish_once("launch-1", &post("acme-mastodon", "other")).await, "idempotency-mismatch");
    assert_eq!(told["status"], 422);

    gate.restart().await;
    let answers_after = together(&gate.url, &key, "launch-1", &body).await;
    assert!(
        answers_after.iter().all(|answer| *answer == (201, answers[0].1.clone())),
        "the same answer: {answers_after:?}"
    );
    problem(&gate.publish_once("launch-1", &post("acme-mastodon", "other")).await, "idempotency-mismatch");
    check(&together(&gate.url, &key, "launch-2", &post("acme-mastodon", "after")).await);
    assert_eq!(texts(&net).await, ["once", "after"]);
    assert_eq!(net.count("POST", STATUSES).await, 2);
}

#[tokio::test]
async fn a_key_is_the_callers_own_and_a_failure_is_kept_like_a_success() {
    let net = network().await;
    let gate = Gate::new()
        .account("acme-mastodon", &net)
        .grant("careers-too", "app:careers", "brand:acme", &["post.create", "post.read"])
        .start()
        .await;
    let body = post("acme-mastodon", "x");
    let mine = id(&gate.publish_once("k", &body).await.expect(201));
    let theirs = id(&gate.caller("app:careers").publish_once("k", &body).await.expect(201));
    assert_ne!(mine, theirs);

    let no =
        sample_network::Plan::next(1, "POST", STATUSES, sample_network::Fault::Status { status: 422, stored: false });
    net.set_fault(no).await;
    let failed = gate.publish_once("f", &body).await;
    problem(&failed, "platform-refused");
    let repeated = gate.publish_once("f", &body).await;
    assert_eq!((repeated.status, repeated.body), (failed.status, failed.body), "byte for byte");
    assert_eq!(statuses(&net, "POST").await, 3, "a refused post is not sent again by a repetition");

    // A refusal makes no post, so its key is free for the mended request.
    problem(&gate.publish_once("r", &post("acme-mastodon", &"x".repeat(501))).await, "content-invalid");
    gate.publish_once("r", &body).await.expect(201);
    // The same JSON in other bytes is another request.
    let spaced = body.to_string().replace(':', ": ");
    let headers = [tests::harness::caller::JSON, ("idempotency-key", "r")];
    problem(&gate.send("POST", "/v1/posts", &headers, spaced).await, "idempotency-mismatch");
}

#[tokio::test]
async fn heavy_fifty_at_once_survive_a_kill() {
    let net = network().await;
    let mut gate: GateProcess = Gate::new().account("acme-mastodon", &net).spawn().await;
    net.set_fault(sample_network::Plan::next(1, "POST", STATUSES, sample_network::Fault::Late { ms: 3000 })).await;
    let key = gate.site.key("app:newsroom").to_owned();
    let body = post("acme-mastodon", "once");
    let (url, held) = (gate.url.clone(), body.clone());
    let before = {
        let key = key.clone();
        tokio::spawn(async move {
            let mut answers = Vec::new();
            let caller = Caller::new(&url, &key);
            while let Ok(answer) = caller
                .try_send(
                    "POST",
                    "/v1/posts",
                    &[tests::harness::caller::JSON, ("idempotency-key", "k")],
                    held.to_string(),
                )
                .await
            {
                answers.push((answer.status, answer.text()));
            }
            answers
        })
    };
    tests::harness::until("the request is at the network", || async {
        (net.count("POST", STATUSES).await == 1).then_some(())
    })
    .await;
    gate.kill9().await;
    let before = before.await.expect("no panic");
    assert!(before.iter().all(|(status, _)| [201, 202, 409].contains(status)), "{before:?}");
    gate.restart().await;
    let answers = together(&gate.url, &key, "k", &body).await;
    check(&answers);
    gate.until_state(&answers[0].1, "published").await;
    problem(&gate.publish_once("k", &post("acme-mastodon", "other")).await, "idempotency-mismatch");
    assert_eq!(texts(&net).await, ["once"]);
}
