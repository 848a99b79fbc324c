//! The sample network as a client meets it, its faults, and the proxy. The PDS has a file of its own.

use std::io::Read;
use std::time::{Duration, Instant};

use sample_network::{Config, Fault, Garbage, Plan, Running, SampleNetwork, Silence};
use serde_json::{Value, json};

use super::proxy::{Proxy, Vanish};
use super::sample::{check_answers, check_requests};
use crate::http::{self, Answer, Client, Failure, call, multipart, try_call};
use crate::specs::{assert_fine, specs};

const TOKEN: &str = "a-token-of-the-test";
const AUTHORIZATION: (&str, &str) = ("authorization", "Bearer a-token-of-the-test");
const JSON: (&str, &str) = ("content-type", "application/json");
const STATUSES: &str = "/api/v1/statuses";
/// How long a client waits for an answer that will not come: long enough for the request to arrive on a busy machine.
const QUIET: Duration = Duration::from_millis(1500);
/// A PNG of one pixel.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\nIDATx\x9cc\
\0\x01\0\0\x05\0\x01\r\n-\xb4\0\0\0\0IEND\xaeB`\x82";

async fn started(config: Config) -> Running {
    SampleNetwork::start(Config { token: TOKEN.to_owned(), ..config }).await.expect("a free port")
}

async fn publish(network: &Running, body: Value) -> Answer {
    http::post(&format!("{}{STATUSES}", network.url), TOKEN, &body).await
}

async fn publish_once(network: &Running, key: &str, body: &Value) -> Answer {
    let headers = [AUTHORIZATION, JSON, ("idempotency-key", key)];
    call("POST", &format!("{}{STATUSES}", network.url), &headers, body.to_string()).await
}

async fn upload(network: &Running, file: (&str, &str), bytes: &[u8], alt: &str) -> Answer {
    let (kind, body) = multipart(&[("file", Some(file), bytes), ("description", None, alt.as_bytes())]);
    let headers = [AUTHORIZATION, ("content-type", kind.as_str())];
    call("POST", &format!("{}/api/v2/media", network.url), &headers, body).await
}

fn id(value: &Value) -> String {
    value["id"].as_str().expect("an id").to_owned()
}

async fn texts(network: &Running) -> Vec<String> {
    network.timeline().await.iter().map(|status| status["text"].as_str().expect("a text").to_owned()).collect()
}

#[tokio::test]
async fn everything_the_network_says_follows_the_published_api() {
    let network = started(Config { media_polls: 3, ..Config::default() }).await;
    let url = &network.url;
    let get = |path: String| async move { http::get(&format!("{url}{path}"), TOKEN).await };

    assert_eq!(get("/api/v2/instance".into()).await.expect(200)["configuration"]["statuses"]["max_characters"], 500);
    assert_eq!(get("/api/v1/instance".into()).await.expect(200)["stats"]["user_count"], 1);
    assert_eq!(get("/api/v1/notifications".into()).await.expect(200), json!([]));
    assert_eq!(get("/api/v1/timelines/home".into()).await.expect(200), json!([]));
    assert_eq!(get("/api/v1/accounts/verify_credentials".into()).await.expect(200)["username"], "acme");

    let medium = id(&upload(&network, ("a.png", "image/png"), PNG, "One pixel").await.expect(202));
    let early = json!({"status": "x", "media_ids": [medium]});
    publish(&network, early).await.expect(422);
    for _ in 0..3 {
        assert_eq!(get(format!("/api/v1/media/{medium}")).await.expect(206)["url"], Value::Null);
    }
    let ready = get(format!("/api/v1/media/{medium}")).await.expect(200);
    assert_eq!(http::get(ready["url"].as_str().expect("an address"), "").await.body, PNG);
    let (kind, body) = multipart(&[("description", None, "Jeden bod".as_bytes())]);
    let headers = [AUTHORIZATION, ("content-type", kind.as_str())];
    call("PUT", &format!("{url}/api/v1/media/{medium}"), &headers, body).await.expect(200);

    let root = publish(&network, json!({"status": "Ahoj <b>& #snack</b> https://a.example"})).await.expect(200);
    let full = json!({"status": "reply", "in_reply_to_id": root["id"], "media_ids": [medium], "spoiler_text": "careful",
        "visibility": "unlisted", "language": "cs"});
    let reply = publish(&network, full).await.expect(200);
    assert_eq!(reply["media_attachments"][0]["description"], "Jeden bod");
    assert_eq!(
        (&reply["sensitive"], &reply["visibility"], &reply["language"]),
        (&json!(true), &json!("unlisted"), &json!("cs"))
    );
    let form = [AUTHORIZATION, ("content-type", "application/x-www-form-urlencoded")];
    let body = format!("status=by+form&in_reply_to_id={}&sensitive=true", id(&root));
    call("POST", &format!("{url}{STATUSES}"), &form, body).await.expect(200);
    assert_eq!(get(format!("{STATUSES}/{}", id(&root))).await.expect(200)["replies_count"], 2);
    let page = get("/api/v1/accounts/1/statuses?limit=2&exclude_reblogs=true".into()).await.expect(200);
    assert_eq!(page.as_array().map(Vec::len), Some(2));
    assert_eq!(page[1]["id"], reply["id"], "newest first");

    let gone = http::delete(&format!("{url}{STATUSES}/{}", id(&reply)), TOKEN).await.expect(200);
    assert_eq!(gone["text"], "reply");
    get(format!("{STATUSES}/{}", id(&reply))).await.expect(404);
    get("/api/v1/accounts/2/statuses".into()).await.expect(404);
    publish(&network, json!({"status": "é".repeat(501)})).await.expect(422);
    publish(&network, json!({"status": "x", "in_reply_to_id": "1"})).await.expect(404);
    upload(&network, ("a.png", "image/png"), b"no picture", "").await.expect(422);
    http::get(&format!("{url}{STATUSES}/1"), "another-token").await.expect(401);
    assert_eq!(texts(&network).await, ["Ahoj <b>& #snack</b> https://a.example", "by form"]);

    let Some(specs) = specs() else { return };
    let api = specs.mastodon();
    let recorded = network.requests().await;
    assert!(recorded.len() > 20 && recorded.iter().all(|request| request.answer.is_some()));
    assert_fine("an answer of the sample network", check_answers(&api, &recorded));
    assert_fine("a request of this test", check_requests(&api, &recorded));
}

#[tokio::test]
async fn what_others_say_to_the_account_is_a_notification_of_a_mention() {
    let network = started(Config::default()).await;
    let url = &network.url;
    let get = |path: String| async move { http::get(&format!("{url}{path}"), TOKEN).await };
    let listed = async |query: &str| -> Vec<String> {
        let told = get(format!("/api/v1/notifications{query}")).await.expect(200);
        told.as_array().expect("a list").iter().map(id).collect()
    };
    assert!(listed("").await.is_empty());
    let own = publish(&network, json!({"status": "Hello"})).await.expect(200);
    publish(&network, json!({"status": "And more.", "in_reply_to_id": own["id"]})).await.expect(200);
    assert!(listed("").await.is_empty(), "nobody is told of what they said themselves");
    let reply = network.hear("friend", "Nice <b>", Some(&id(&own))).await;
    assert_eq!((&reply["type"], &reply["account"]["acct"]), (&json!("mention"), &json!("friend")));
    let status = &reply["status"];
    assert_eq!(
        (&status["in_reply_to_id"], &status["in_reply_to_account_id"], &status["content"]),
        (&own["id"], &json!("1"), &json!("<p>Nice &lt;b&gt;</p>"))
    );
    assert_eq!((&status["account"]["id"], &status["mentions"][0]["acct"]), (&json!("2"), &json!("acme")));
    let body = json!({"from": "other", "text": "Well, @Acme?"});
    let said = async |body: &Value| call("POST", &format!("{url}/sample/mentions"), &[JSON], body.to_string()).await;
    let mention = said(&body).await.expect(201);
    for (body, status) in [
        (json!({"from": "other", "text": "not about you"}), 422),
        (json!({"from": "acme", "text": "@acme"}), 422),
        (json!({"from": "two words", "text": "@acme"}), 422),
        (json!({"from": "other", "text": "a reply", "in_reply_to_id": "1"}), 404),
        (json!({"from": "other", "text": "@acme ".repeat(100)}), 422),
        (json!({"text": "@acme"}), 400),
    ] {
        said(&body).await.expect(status);
    }
    let (first, last) = (id(&reply), id(&mention));
    assert_eq!(listed("").await, [&last, &first].map(Clone::clone), "newest first");
    for (query, found) in [
        ("?limit=1".to_owned(), vec![&last]),
        (format!("?max_id={last}"), vec![&first]),
        (format!("?min_id={first}&types%5B%5D=follow&types%5B%5D=mention"), vec![&last]),
        (format!("?since_id={last}"), vec![]),
        ("?types%5B%5D=follow".to_owned(), vec![]),
        ("?exclude_types%5B%5D=mention".to_owned(), vec![]),
        ("?account_id=2".to_owned(), vec![&first]),
    ] {
        assert_eq!(listed(&query).await.iter().collect::<Vec<_>>(), found, "{query}");
    }
    assert_eq!(get(format!("/api/v1/notifications/{first}")).await.expect(200), reply);
    get("/api/v1/notifications/1".into()).await.expect(404);
    assert_eq!(get(format!("{STATUSES}/{}", id(status))).await.expect(200), *status);
    assert_eq!(get(format!("{STATUSES}/{}", id(&own))).await.expect(200)["replies_count"], 2);
    // What they said is answered, and theirs alone to delete; what it replied to is not.
    let thanks = json!({"status": "Thank you", "in_reply_to_id": status["id"]});
    assert_eq!(publish(&network, thanks).await.expect(200)["in_reply_to_account_id"], "2");
    http::delete(&format!("{url}{STATUSES}/{}", id(status)), TOKEN).await.expect(404);
    http::delete(&format!("{url}{STATUSES}/{}", id(&own)), TOKEN).await.expect(200);
    let told = get(format!("/api/v1/notifications/{first}")).await.expect(200);
    assert_eq!(told["status"]["in_reply_to_id"], Value::Null);
    assert_eq!(texts(&network).await, ["And more.", "Thank you"], "others' statuses are not the account's");

    let Some(specs) = specs() else { return };
    let api = specs.mastodon();
    let recorded = network.requests().await;
    assert_fine("an answer of the sample network", check_answers(&api, &recorded));
    assert_fine("a request of this test", check_requests(&api, &recorded));
}

#[tokio::test]
async fn a_wrong_field_name_is_found_in_what_was_recorded() {
    let Some(specs) = specs() else { return };
    let network = started(Config::default()).await;
    publish(&network, json!({"status": "x", "in_reply_to": "1"})).await.expect(200);
    let faults = check_requests(&specs.mastodon(), &network.requests().await).expect_err("a fault");
    assert!(faults[0].contains("in_reply_to"), "{faults:?}");
}

#[tokio::test]
async fn an_idempotency_key_holds_for_an_hour_of_the_networks_clock() {
    let network = started(Config::default()).await;
    let body = json!({"status": "once"});
    let first = id(&publish_once(&network, "k", &body).await.expect(200));
    let mut together = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (url, body) = (format!("{}{STATUSES}", network.url), body.to_string());
        let headers = [AUTHORIZATION, JSON, ("idempotency-key", "k2")];
        together.spawn(async move { id(&call("POST", &url, &headers, body).await.expect(200)) });
    }
    let mut ids = together.join_all().await;
    ids.dedup();
    assert_eq!(ids.len(), 1, "twenty at once are one");
    network.advance_clock(Duration::from_secs(3599)).await;
    assert_eq!(id(&publish_once(&network, "k", &body).await.expect(200)), first);
    assert_ne!(id(&publish_once(&network, "other", &body).await.expect(200)), first);
    network.advance_clock(Duration::from_secs(2)).await;
    assert_ne!(id(&publish_once(&network, "k", &body).await.expect(200)), first);
    assert_eq!(texts(&network).await.len(), 4);
    assert_eq!(network.count("POST", STATUSES).await, 24);
}

#[tokio::test]
async fn the_rate_limit_counts_down_and_opens_again() {
    let network = started(Config { rate_limit: 2, ..Config::default() }).await;
    let get = || async { http::get(&format!("{}/api/v2/instance", network.url), TOKEN).await };
    let first = get().await;
    assert_eq!((first.header("x-ratelimit-limit"), first.header("x-ratelimit-remaining")), (Some("2"), Some("1")));
    get().await.expect(200);
    let refused = get().await;
    refused.expect(429);
    assert_eq!(refused.header("x-ratelimit-remaining"), Some("0"));
    network.advance_clock(Duration::from_secs(300)).await;
    get().await.expect(200);
}

#[tokio::test]
async fn answers_fail_to_come_and_the_status_is_there_or_not() {
    let network = started(Config::default()).await;
    let url = format!("{}{STATUSES}", network.url);
    let cases = [
        ("stored, hangs", Fault::NoAnswer { stored: true, how: Silence::Hang }, 1),
        ("lost, hangs", Fault::NoAnswer { stored: false, how: Silence::Hang }, 1),
        ("stored, closes", Fault::NoAnswer { stored: true, how: Silence::Close }, 2),
        ("lost, closes", Fault::NoAnswer { stored: false, how: Silence::Close }, 2),
    ];
    for (name, fault, standing) in cases {
        let hangs = matches!(fault, Fault::NoAnswer { how: Silence::Hang, .. });
        network.set_fault(Plan::next(1, "POST", STATUSES, fault)).await;
        let body = json!({"status": name}).to_string();
        let error = try_call("POST", &url, &[AUTHORIZATION, JSON], body, if hangs { QUIET } else { http::TIMEOUT })
            .await
            .expect_err(name);
        assert_eq!(matches!(error, Failure::Timeout(_)), hangs, "{name}: {error}");
        assert_eq!(network.timeline().await.len(), standing, "{name}");
    }
    assert_eq!(network.count("POST", STATUSES).await, 4, "no request was repeated");
    publish(&network, json!({"status": "all is well again"})).await.expect(200);
    let recorded = network.requests().await;
    assert!(recorded[0].fault.is_some() && recorded[0].answer.is_some());
    assert!(recorded[1].fault.is_some() && recorded[1].answer.is_none());
}

#[tokio::test]
async fn answers_come_late_refused_or_spoiled() {
    let network = started(Config::default()).await;
    let next = |fault| Plan::next(1, "POST", STATUSES, fault);
    let post = || publish(&network, json!({"status": "x"}));

    network.set_fault(next(Fault::Late { ms: 200 })).await;
    let begun = Instant::now();
    post().await.expect(200);
    assert!(begun.elapsed() >= Duration::from_millis(200));

    network.set_fault(next(Fault::RateLimited { retry_after_s: Some(7) })).await;
    let limited = post().await;
    limited.expect(429);
    assert_eq!(limited.header("retry-after"), Some("7"));
    network.set_fault(next(Fault::Status { status: 503, stored: false })).await;
    post().await.expect(503);
    assert_eq!(network.timeline().await.len(), 1, "refused is not stored");

    network.set_fault(next(Fault::Garbage { how: Garbage::NotJson })).await;
    assert!(serde_json::from_slice::<Value>(&post().await.body).is_err());
    network.set_fault(next(Fault::Garbage { how: Garbage::CutJson })).await;
    let cut = post().await;
    assert!(cut.text().starts_with('{') && serde_json::from_slice::<Value>(&cut.body).is_err());
    network.set_fault(next(Fault::Garbage { how: Garbage::CutBody })).await;
    let (url, body) = (format!("{}{STATUSES}", network.url), r#"{"status":"x"}"#);
    let broken = try_call("POST", &url, &[AUTHORIZATION, JSON], body, Duration::from_secs(5)).await;
    assert!(matches!(broken, Err(Failure::Broken(_))), "{broken:?}");
    assert_eq!(network.timeline().await.len(), 4, "spoiled is stored");
}

#[tokio::test]
async fn an_echo_repeats_the_token_in_every_wrapping() {
    let network = started(Config::default()).await;
    for (status, gzip, chunks) in
        [(None, false, false), (None, true, false), (None, false, true), (Some(422), true, true)]
    {
        network.set_fault(Plan::next(1, "POST", STATUSES, Fault::Echo { status, gzip, chunks })).await;
        let answer = publish(&network, json!({"status": "x"})).await;
        assert_eq!(answer.header("x-echo-authorization"), Some(AUTHORIZATION.1));
        assert_eq!(answer.header("transfer-encoding") == Some("chunked"), chunks);
        let plain = if gzip {
            assert!(!answer.text().contains(TOKEN), "it is compressed");
            let mut plain = String::new();
            flate2::read::GzDecoder::new(&answer.body[..]).read_to_string(&mut plain).expect("gzip");
            plain
        } else {
            answer.text()
        };
        let body: Value = serde_json::from_str(&plain).expect("JSON");
        assert_eq!(body["echo"]["authorization"], AUTHORIZATION.1);
        let error = body["error"].as_str().unwrap_or("");
        assert_eq!((answer.status, error.contains(TOKEN)), (status.unwrap_or(200), status.is_some()), "{plain}");
        assert_eq!(body["id"].is_string(), status.is_none(), "the right answer is in it");
    }
}

#[tokio::test]
async fn faults_clock_and_counts_can_be_had_over_http() {
    let network = started(Config::default()).await;
    let control = |path: &str| format!("{}/sample/{path}", network.url);
    let fault = json!({"method": "POST", "path": STATUSES, "times": 1, "fault": {"kind": "status", "status": 500}});
    http::post(&control("faults"), "", &fault).await.expect(201);
    assert_eq!(http::get(&control("faults"), "").await.expect(200)[0]["fault"]["status"], 500);
    publish(&network, json!({"status": "x"})).await.expect(500);
    assert_eq!(http::get(&control("faults"), "").await.expect(200), json!([]));
    http::post(&control("faults"), "", &json!({"method": "POST"})).await.expect(400);
    http::post(&control("clock"), "", &json!({"advance_ms": 1000})).await.expect(200);
    publish(&network, json!({"status": "x"})).await.expect(200);
    assert_eq!(http::get(&control("counts"), "").await.expect(200), json!({"POST /api/v1/statuses": 2}));
    assert_eq!(http::get(&control("timeline"), "").await.expect(200)[0]["text"], "x");
}

#[tokio::test]
async fn the_page_shows_threads_warnings_and_no_foreign_html() {
    let network = started(Config { page_title: "Acme's <town>".to_owned(), media_polls: 0, ..Config::default() }).await;
    let page = || async { http::get(&format!("{}/", network.url), "").await.text() };
    assert!(page().await.contains("Nothing has been published yet"));
    let medium = id(&upload(&network, ("a.png", "image/png"), PNG, "a \"dot\"").await.expect(200));
    let root = publish(&network, json!({"status": "<script>alert(1)</script>"})).await.expect(200);
    let reply = json!({"status": "hidden", "spoiler_text": "<i>", "in_reply_to_id": root["id"], "media_ids": [medium]});
    publish(&network, reply).await.expect(200);
    let page = page().await;
    assert!(page.contains("<title>Acme&#39;s &lt;town&gt;</title>"), "{page}");
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script"), "{page}");
    assert!(page.contains("<summary>⚠ &lt;i&gt;</summary>") && page.contains("margin-left:2rem"), "{page}");
    assert!(page.contains("1 medium") && page.contains("alt=\"a &quot;dot&quot;\""), "{page}");
    assert!(network.counts().await.keys().all(|name| name.contains("/api/")));
}

#[tokio::test]
async fn it_keeps_up_with_a_load_of_calls() {
    const CONNECTIONS: usize = 16;
    const CALLS: usize = 50;
    let network = started(Config::default()).await;
    let client = Client::default();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..CONNECTIONS {
        let (client, url) = (client.clone(), format!("{}{STATUSES}", network.url));
        tasks.spawn(async move {
            for call in 0..CALLS {
                let body = json!({"status": format!("{task}.{call}")}).to_string();
                client.send("POST", &url, &[AUTHORIZATION, JSON], body).await.expect("an answer").expect(200);
            }
        });
    }
    tasks.join_all().await;
    let mut texts = texts(&network).await;
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), CONNECTIONS * CALLS);
    assert_eq!(network.count("POST", STATUSES).await, 800);
}

#[tokio::test]
async fn the_proxy_loses_the_answer_that_was_named() {
    let network = started(Config::default()).await;
    let proxy = Proxy::start(&network.url).await.expect("a free port");
    for (how, first) in [(Vanish::Cut, 1), (Vanish::Hold, 4)] {
        proxy.vanish(STATUSES, 2, how);
        for number in first..first + 3 {
            http::get(&format!("{}/api/v2/instance", proxy.url), TOKEN).await.expect(200);
            let body = json!({"status": number.to_string()}).to_string();
            let url = format!("{}{STATUSES}", proxy.url);
            let patience = if (number, how) == (first + 1, Vanish::Hold) { QUIET } else { http::TIMEOUT };
            let answer = try_call("POST", &url, &[AUTHORIZATION, JSON], body, patience).await;
            match answer {
                Ok(answer) => assert_eq!((answer.status, number != first + 1), (200, true)),
                Err(error) => {
                    assert_eq!(number, first + 1);
                    assert_eq!(matches!(error, Failure::Timeout(_)), how == Vanish::Hold, "{error}");
                }
            }
        }
    }
    proxy.until_vanished(2).await;
    assert_eq!(texts(&network).await, ["1", "2", "3", "4", "5", "6"], "each reached the network once");
    assert_eq!(proxy.count(STATUSES), 6);
    let seen = proxy.requests();
    assert_eq!(seen.len(), 12);
    let lost: Vec<_> = seen.iter().filter(|seen| seen.vanished).collect();
    assert_eq!(lost.len(), 2);
    assert!(lost.iter().all(|seen| seen.answer.as_ref().is_some_and(|answer| answer.status == 200)));
}
