//! A network that misbehaves: what becomes of the post, what is sent again and when, and that nobody else suffers.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pressgate::clock::{Clock, ManualClock};
use pressgate::vault::Origins;
use sample_network::{Config, Fault, Garbage, Plan, Silence};
use serde_json::{Value, json};
use tests::harness::{Gate, Running, gate, network, network_with, problem, story, until};

use crate::samples::{STATUSES, id, post, texts};

/// Time within which a retry that is not due would have come: the worker looks twice a second.
const QUIET: Duration = Duration::from_millis(1500);

/// A gateway with the account `acme-mastodon` on `net` and `acme-other` on a network of its own, on a clock.
async fn gate_and_clock(net: &sample_network::Running, other: &sample_network::Running) -> (Running, Arc<ManualClock>) {
    let clock = gate::clock();
    let plan = Gate::new().account("acme-mastodon", net).account("acme-other", other);
    (plan.clock(&clock).setting("egress.timeout_ms", "1500").start().await, clock)
}

fn target(post: &Value) -> &Value {
    &post["targets"][0]
}

async fn sent(net: &sample_network::Running) -> u64 {
    net.count("POST", STATUSES).await
}

/// Lets the next requests fail.
async fn fail(net: &sample_network::Running, times: u32, fault: Fault) {
    net.set_fault(Plan::next(times, "POST", STATUSES, fault)).await;
}

async fn others_are_fine(gate: &Running) {
    gate.publish(&post("acme-other", "meanwhile")).await.expect(201);
}

#[tokio::test]
async fn a_no_is_final_and_kept_with_its_reason() {
    let (net, other) = (network().await, network().await);
    let (gate, clock) = gate_and_clock(&net, &other).await;
    for (status, state) in [(302, "failed"), (403, "failed"), (404, "failed"), (422, "failed")] {
        let before = sent(&net).await;
        fail(&net, 1, Fault::Status { status, stored: false }).await;
        let answer = gate.publish(&post("acme-mastodon", "x")).await;
        let told = problem(&answer, "platform-refused");
        assert_eq!((answer.status, &told["retry"]), (502, &json!(false)));
        let redirect = told["detail"].as_str().is_some_and(|detail| detail.contains("answered with a redirect (302)"));
        assert_eq!(redirect, status == 302, "{told}");
        let failed = &told["post"];
        let attempt = &target(failed)["attempts"][0];
        assert_eq!(
            (&failed["state"], &attempt["state"], &attempt["status"]),
            (&json!(state), &json!(state), &json!(status))
        );
        assert!(attempt["code"].is_string() && attempt["message"].is_string(), "{attempt}");
        clock.advance(SignedDuration::from_hours(1));
        tokio::time::sleep(QUIET).await;
        assert_eq!(sent(&net).await, before + 1, "{status} is not tried again");
        assert_eq!(gate.read(&id(failed)).await["state"], state);
    }
    others_are_fine(&gate).await;
    assert!(net.timeline().await.is_empty());
}

#[tokio::test]
async fn a_refused_credential_is_told_and_used_no_more_until_another_is_set() {
    let (net, other) = (network().await, network().await);
    let (gate, _clock) = gate_and_clock(&net, &other).await;
    let published = gate.publish(&post("acme-mastodon", "before")).await.expect(201);
    fail(&net, 1, Fault::Status { status: 401, stored: false }).await;
    let answer = gate.publish(&post("acme-mastodon", "x")).await;
    let told = problem(&answer, "credential-refused");
    assert_eq!((&told["blame"], &told["retry"], &told["stage"]), (&json!("operator"), &json!(false), &json!("send")));
    assert!(
        told["detail"].as_str().is_some_and(|it| it.contains("`pressgate credential set acme-mastodon`")),
        "{told}"
    );
    let attempt = &target(&told["post"])["attempts"][0];
    assert_eq!((&attempt["status"], &attempt["code"]), (&json!(401), &json!("unauthorized")), "{attempt}");
    assert_eq!(attempt["problem"], "/problems/credential-refused", "{attempt}");

    // The network would take it now, and is not asked: neither for a post nor for a recall nor for its limits.
    let asked = net.requests().await.len();
    let again = problem(&gate.publish(&post("acme-mastodon", "y")).await, "credential-refused");
    assert_eq!(again["stage"], "clear", "{again}");
    problem(&gate.delete(&format!("/v1/posts/{}", id(&published))).await, "credential-refused");
    assert_eq!(net.requests().await.len(), asked);
    let health = || async {
        let accounts = gate.get("/v1/accounts").await.expect(200);
        let of = |account: &Value| (account["id"].clone(), account["health"].clone());
        accounts["accounts"].as_array().expect("accounts").iter().map(of).collect::<Vec<_>>()
    };
    let said = |state: &str| vec![(json!("acme-mastodon"), json!(state)), (json!("acme-other"), json!("ready"))];
    others_are_fine(&gate).await;
    assert_eq!(health().await, said("reconnect"));

    // The same value set anew is another chance: one bad answer of the network locks no account for ever.
    let secrets = [("token".to_owned(), tests::harness::TOKEN.to_owned().into())].into();
    let account = pressgate::model::AccountId::new("acme-mastodon");
    let gateway = gate.gateway();
    let origins = Origins::new(&gateway.governance.load().accounts[&account].endpoint, []);
    gateway.vault.set_credential(&account, "token", &origins, secrets).await.expect("kept");
    assert_eq!(health().await, said("ready"));
    gate.publish(&post("acme-mastodon", "z")).await.expect(201);
    assert_eq!(texts(&net).await, ["before", "z"]);
}

#[tokio::test]
async fn a_credential_that_no_request_can_carry_is_no_word_of_the_network() {
    let net = network().await;
    let secrets = vec![("token".to_owned(), "to\nken".to_owned())];
    let gate =
        Gate::new().account_on("mastodon", "acme/snacks", "acme-mastodon", &net.url, "token", secrets).start().await;
    let told = problem(&gate.publish(&post("acme-mastodon", "x")).await, "credential-refused");
    let detail = told["detail"].as_str().expect("a detail");
    assert!(detail.contains("no header can carry") && !detail.contains("network"), "{detail}");
    assert_eq!(sent(&net).await, 0);
}

#[tokio::test]
async fn a_recall_during_a_pause_is_told_when_to_come_back() {
    let (net, other) = (network().await, network().await);
    let (gate, clock) = gate_and_clock(&net, &other).await;
    let published = gate.publish(&post("acme-mastodon", "x")).await.expect(201);
    let path = format!("/v1/posts/{}", id(&published));
    // The pause begins with the recall itself: whoever waits hears of it.
    net.set_fault(Plan::next(1, "DELETE", STATUSES, Fault::RateLimited { retry_after_s: Some(90) })).await;
    let busy = gate.delete(&path).await;
    let told = problem(&busy, "account-busy");
    assert_eq!(
        (busy.status, busy.header("retry-after"), &told["post"]["state"]),
        (429, Some("90"), &json!("published"))
    );
    // While it lasts nothing is claimed and nothing sent.
    let asked = net.requests().await.len();
    for answer in [gate.delete(&path).await, gate.send("DELETE", &path, &[], "").await] {
        assert_eq!(problem(&answer, "account-busy")["stage"], "clear");
        assert_eq!(answer.header("retry-after"), Some("90"));
    }
    let view = gate.read(&id(&published)).await;
    assert_eq!(target(&view)["attempts"].as_array().map(Vec::len), Some(2), "{view}");
    assert_eq!(net.requests().await.len(), asked);
    clock.advance(SignedDuration::from_secs(91));
    gate.delete(&path).await.expect(200);
    assert!(net.timeline().await.is_empty());
}

#[tokio::test]
async fn a_429_is_tried_again_when_the_network_said() {
    let (net, other) = (network().await, network().await);
    let (gate, clock) = gate_and_clock(&net, &other).await;
    fail(&net, 1, Fault::RateLimited { retry_after_s: Some(90) }).await;
    let begun = clock.now();
    let waiting = gate
        .send(
            "POST",
            "/v1/posts",
            &[tests::harness::caller::JSON, ("prefer", "wait=2")],
            post("acme-mastodon", "x").to_string(),
        )
        .await;
    let waiting = waiting.expect(202);
    assert_eq!((&waiting["state"], &target(&waiting)["attempts"][0]["status"]), (&json!("publishing"), &json!(429)));
    let due: Timestamp = target(&waiting)["retry_at"].as_str().expect("a time").parse().expect("a time");
    assert_eq!(due.duration_since(begun), SignedDuration::from_secs(90));
    // Until then nothing is sent to this account, whatever it is; other accounts are not concerned.
    let busy = gate.publish(&post("acme-mastodon", "another")).await;
    problem(&busy, "account-busy");
    assert_eq!(busy.header("retry-after"), Some("90"));
    others_are_fine(&gate).await;
    clock.advance(SignedDuration::from_secs(89));
    tokio::time::sleep(QUIET).await;
    assert_eq!(sent(&net).await, 1, "a second too early");
    clock.advance(SignedDuration::from_secs(1));
    let published = gate.until_state(&id(&waiting), "published").await;
    let attempts: Vec<_> = target(&published)["attempts"]
        .as_array()
        .expect("attempts")
        .iter()
        .map(|a| (a["number"].clone(), a["state"].clone()))
        .collect();
    assert_eq!(attempts, [(json!(1), json!("publishing")), (json!(2), json!("published"))]);
    assert_eq!((sent(&net).await, texts(&net).await), (2, vec!["x".to_owned()]));
    assert_eq!(busy.header("content-type"), Some("application/problem+json"));
}

#[tokio::test]
async fn a_used_up_window_is_a_pause_before_anything_fails() {
    let net = network_with(Config { rate_limit: 2, ..Config::default() }).await;
    let other = network().await;
    let (gate, clock) = gate_and_clock(&net, &other).await;
    // One request asks for the limits, one publishes; the answer to that says that nothing is left.
    gate.publish(&post("acme-mastodon", "x")).await.expect(201);
    let busy = gate.publish(&post("acme-mastodon", "y")).await;
    problem(&busy, "account-busy");
    assert_eq!(sent(&net).await, 1, "the gateway did not run into the limit");
    others_are_fine(&gate).await;
    net.advance_clock(Duration::from_secs(301)).await;
    clock.advance(SignedDuration::from_secs(301));
    gate.publish(&post("acme-mastodon", "y")).await.expect(201);
}

#[tokio::test]
async fn a_500_is_repeated_under_its_key_and_appears_once() {
    for stored in [false, true] {
        let (net, other) = (network().await, network().await);
        let (gate, clock) = gate_and_clock(&net, &other).await;
        fail(&net, 2, Fault::Status { status: 500, stored }).await;
        let waiting = gate.post("/v1/posts", &post("acme-mastodon", "x")).await.expect(202);
        let attempts = |wanted: usize| {
            let (gate, waiting) = (&gate, &waiting);
            until("the attempt", move || async move {
                let view = gate.read(&id(waiting)).await;
                (target(&view)["attempts"].as_array().map(Vec::len) == Some(wanted)).then_some(view)
            })
        };
        let first = attempts(1).await;
        assert_eq!((&first["state"], &target(&first)["attempts"][0]["status"]), (&json!("publishing"), &json!(500)));
        clock.advance(SignedDuration::from_secs(1));
        attempts(2).await;
        clock.advance(SignedDuration::from_secs(3));
        tokio::time::sleep(QUIET).await;
        assert_eq!(sent(&net).await, 2, "the second wait is longer than the first");
        clock.advance(SignedDuration::from_secs(1));
        gate.until_state(&id(&waiting), "published").await;
        assert_eq!((sent(&net).await, texts(&net).await), (3, vec!["x".to_owned()]), "stored: {stored}");
        let keys: std::collections::BTreeSet<_> =
            net.requests().await.iter().filter_map(|r| r.header("idempotency-key").map(str::to_owned)).collect();
        assert_eq!(keys.len(), 1, "the same key each time");
        others_are_fine(&gate).await;
    }
}

#[tokio::test]
async fn no_answer_is_unknown_until_the_network_is_asked_again() {
    for how in [Silence::Close, Silence::Hang] {
        for stored in [false, true] {
            let (net, other) = (network().await, network().await);
            let (gate, clock) = gate_and_clock(&net, &other).await;
            fail(&net, 1, Fault::NoAnswer { stored, how }).await;
            let made = gate.post("/v1/posts", &post("acme-mastodon", "x")).await.expect(202);
            let unknown = gate.until_state(&id(&made), "unknown").await;
            assert_eq!(target(&unknown)["attempts"][0]["code"], "unanswered", "{unknown}");
            others_are_fine(&gate).await;
            assert_eq!(sent(&net).await, 1, "nothing is repeated at once");
            clock.advance(SignedDuration::from_secs(1));
            gate.until_state(&id(&made), "published").await;
            assert_eq!(texts(&net).await, ["x"], "{how:?}, stored: {stored}");
            let told = story(&gate.leaves());
            let of_it: Vec<_> =
                told.iter().filter(|line| line.contains("part-0") && !line.contains("acme-other")).collect();
            assert!(of_it.iter().any(|line| line.contains("unanswered")), "{told:?}");
        }
    }
}

#[tokio::test]
async fn after_the_keys_window_the_network_is_looked_at_before_anything_is_sent() {
    for stored in [false, true] {
        let (net, other) = (network().await, network().await);
        let (gate, clock) = gate_and_clock(&net, &other).await;
        fail(&net, 1, Fault::NoAnswer { stored, how: Silence::Close }).await;
        let made = gate.post("/v1/posts", &post("acme-mastodon", "x")).await.expect(202);
        gate.until_state(&id(&made), "unknown").await;
        let hours = 2 * 3600;
        clock.advance(SignedDuration::from_secs(hours));
        net.advance_clock(Duration::from_secs(hours.unsigned_abs())).await;
        let settled = until("it is settled", || async {
            let view = gate.read(&id(&made)).await;
            (view["state"] != "unknown" && view["state"] != "publishing").then_some(view)
        })
        .await;
        // What is there is found. What is not there is not sent two hours late without being asked.
        let looked =
            net.requests().await.iter().any(|request| request.method == "GET" && request.path.ends_with("/statuses"));
        assert!(looked, "the account's statuses were looked at");
        assert!(texts(&net).await.len() <= 1, "never twice");
        if stored {
            assert_eq!((&settled["state"], sent(&net).await), (&json!("published"), 1));
            assert_eq!(target(&settled)["platform_id"], net.timeline().await[0]["id"]);
        }
        let kept = target(&settled)["state"].clone();
        assert_eq!(kept == "published", texts(&net).await.len() == 1, "what is said is what is: {settled}");
    }
}

#[tokio::test]
async fn garbage_is_no_success_and_no_reason_to_post_twice() {
    for how in [Garbage::NotJson, Garbage::CutJson, Garbage::CutBody] {
        let (net, other) = (network().await, network().await);
        let (gate, clock) = gate_and_clock(&net, &other).await;
        fail(&net, 1, Fault::Garbage { how }).await;
        let made = gate.post("/v1/posts", &post("acme-mastodon", "x")).await.expect(202);
        let first = until("the first attempt", || async {
            let view = gate.read(&id(&made)).await;
            target(&view)["attempts"][0].is_object().then_some(view)
        })
        .await;
        assert_ne!(first["state"], "published", "{how:?}: success without an id is not success");
        others_are_fine(&gate).await;
        let mut view = first;
        for _ in 0..6 {
            if view["state"] == "published" || view["state"] == "failed" {
                break;
            }
            clock.advance(SignedDuration::from_secs(61));
            tokio::time::sleep(QUIET).await;
            view = gate.read(&id(&made)).await;
        }
        assert_eq!(texts(&net).await, ["x"], "{how:?}: it stands once");
        assert_eq!(view["state"], "published", "{how:?}: and that is found out: {view}");
    }
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    // A server that answers a status with more than the adapter's manifest allows to read.
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                use tokio::io::{AsyncReadExt, AsyncWriteExt};
                let mut request = [0; 4096];
                let _read = stream.read(&mut request).await;
                let _head = stream
                    .write_all(
                        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
                    )
                    .await;
                let piece = [b"10000\r\n".as_slice(), &[b' '; 65536], b"\r\n"].concat();
                // 64 MiB at most, so that a gateway that reads all of it is found out and not waited for.
                for _ in 0..1024 {
                    if stream.write_all(&piece).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    let (net, other) = (url, network().await);
    let clock = gate::clock();
    let gate = Gate::new().account("acme-mastodon", &net).account("acme-other", &other).clock(&clock).start().await;
    let made = gate.post("/v1/posts", &post("acme-mastodon", "x")).await.expect(202);
    let view = until("the first attempt", || async {
        let view = gate.read(&id(&made)).await;
        target(&view)["attempts"][0].is_object().then_some(view)
    })
    .await;
    assert_eq!(view["state"], "unknown", "nobody knows what the network did: {view}");
    assert!(
        view.to_string().contains("answer was longer than the adapter may read"),
        "and the author is told why: {view}"
    );
    others_are_fine(&gate).await;
}

#[tokio::test]
async fn a_network_that_is_not_there_is_tried_again_and_nothing_is_unknown() {
    let other = network().await;
    let (address, gone) = {
        let net = network().await;
        (net.address, net.url.clone())
    };
    let clock = gate::clock();
    let gate = Gate::new().account("acme-mastodon", &gone).account("acme-other", &other).clock(&clock).start().await;
    let made = gate.post("/v1/posts", &post("acme-mastodon", "x")).await.expect(202);
    let view = until("the first attempt", || async {
        let view = gate.read(&id(&made)).await;
        target(&view)["attempts"][0].is_object().then_some(view)
    })
    .await;
    assert_eq!(view["state"], "publishing", "no byte left, so it is no question: {view}");
    let told = story(&gate.leaves());
    assert!(told.iter().any(|line| line.starts_with("outcome part-0 not-sent")), "{told:?}");
    others_are_fine(&gate).await;
    let config = Config { port: address.port(), token: tests::harness::TOKEN.to_owned(), ..Config::default() };
    let back = sample_network::SampleNetwork::start(config).await.expect("the port is free again");
    clock.advance(SignedDuration::from_secs(5));
    gate.until_state(&id(&made), "published").await;
    assert_eq!(texts(&back).await, ["x"]);
}

#[tokio::test]
async fn a_thread_goes_on_where_it_broke_off() {
    let (net, other) = (network().await, network().await);
    let (gate, clock) = gate_and_clock(&net, &other).await;
    net.set_fault(Plan {
        skip: 1,
        ..Plan::next(1, "POST", STATUSES, Fault::NoAnswer { stored: true, how: Silence::Close })
    })
    .await;
    let body =
        json!({"accounts": ["acme-mastodon"], "content": {"text": "1", "thread": [{"text": "2"}, {"text": "3"}]}});
    let made = gate.post("/v1/posts", &body).await.expect(202);
    gate.until_state(&id(&made), "unknown").await;
    assert_eq!(texts(&net).await, ["1", "2"]);
    clock.advance(SignedDuration::from_secs(1));
    gate.until_state(&id(&made), "published").await;
    assert_eq!(texts(&net).await, ["1", "2", "3"]);
    assert_eq!(sent(&net).await, 4, "the first part was not sent again");
    let stands = net.timeline().await;
    assert_eq!((&stands[1]["in_reply_to_id"], &stands[2]["in_reply_to_id"]), (&stands[0]["id"], &stands[1]["id"]));
}

#[tokio::test]
async fn what_never_works_is_given_up_and_says_so() {
    let (net, other) = (network().await, network().await);
    let (gate, clock) = gate_and_clock(&net, &other).await;
    fail(&net, 1000, Fault::Status { status: 503, stored: false }).await;
    let made = gate.post("/v1/posts", &post("acme-mastodon", "x")).await.expect(202);
    let failed = until("it is given up", || async {
        clock.advance(SignedDuration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(100)).await;
        let view = gate.read(&id(&made)).await;
        (view["state"] == "failed").then_some(view)
    })
    .await;
    let attempts = target(&failed)["attempts"].as_array().map_or(0, Vec::len);
    assert!((2..=8).contains(&attempts), "{failed}");
    assert_eq!(sent(&net).await, attempts as u64);
    clock.advance(SignedDuration::from_hours(3));
    tokio::time::sleep(QUIET).await;
    assert_eq!(sent(&net).await, attempts as u64, "given up is given up");
    others_are_fine(&gate).await;
}
