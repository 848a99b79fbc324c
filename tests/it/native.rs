//! The native door: clients of a network's own API, with a Pressgate key where the network's token would be.

use pressgate::audit::{Event, leaf};
use serde_json::{Value, json};
use tests::harness::caller::JSON;
use tests::harness::{Caller, Gate, Running, TOKEN, intents, network};
use tests::http::{Answer, multipart};

use crate::samples::{PNG, STATUSES, texts};

const ACCOUNT: &str = "acme-mastodon";
/// `careers` may only read.
const READER: &str = "app:careers";
const READS: [&str; 4] = ["profile.read", "timeline.read", "inbox.read", "post.read"];
const DOMAIN: &str = "social.gate.example";

async fn gate(net: &sample_network::Running) -> Running {
    let rules = json!({"forbidden": [{"phrase": "miracle cure"}]});
    Gate::new()
        .account(ACCOUNT, net)
        .guidelines(&rules)
        .grant("readers", READER, "brand:acme", &READS)
        .grant("newsroom-reads", "app:newsroom", "brand:acme", &READS)
        .setting("native.domain", &format!("{DOMAIN:?}"))
        .start()
        .await
}

fn native(path: &str) -> String {
    format!("/native/{ACCOUNT}{path}")
}

async fn say(caller: &Caller, body: &Value) -> Answer {
    caller.post(&native(STATUSES), body).await
}

/// In the network's own shape, which its SDKs read.
fn refused(answer: &Answer, status: u16, code: &str) {
    let body = answer.expect(status);
    assert_eq!(body["error_description"], code, "{body}");
    assert!(body["error"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
}

#[tokio::test]
async fn a_clients_request_goes_on_with_the_accounts_credential() {
    let net = network().await;
    let gate = gate(&net).await;
    let made = say(&gate, &json!({"status": "From the SDK", "spoiler_text": "food"})).await;
    let body = made.expect(200);
    assert!(body["id"].is_string());
    assert_eq!(texts(&net).await, ["From the SDK"]);
    // The key stays here, the token there.
    let key = gate.site.key("app:newsroom").to_owned();
    for request in net.requests().await {
        let seen = format!("{request:?}");
        assert!(!seen.contains(&key) && !seen.contains("/native"), "{seen}");
        assert_eq!(request.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    }
    assert!(!made.text().contains(TOKEN) && made.headers.iter().all(|(_, value)| !value.contains(TOKEN)));
    // Intent and outcome are in the log.
    let leaves = gate.leaves();
    let [(_, intent)] = &intents(&leaves)[..] else { panic!("one intent") };
    assert_eq!(
        (intent.door.as_deref(), intent.action.as_str(), intent.app.as_deref()),
        (Some("native"), "post.create", Some("newsroom"))
    );
    assert_eq!(intent.verdicts.len(), 1);
    let outcome = leaves.iter().find_map(|leaf| match &leaf.event {
        Event::Outcome(outcome) if outcome.post == intent.post => Some(outcome),
        _ => None,
    });
    let outcome = outcome.expect("an outcome");
    assert_eq!((outcome.result, outcome.status), (leaf::OutcomeResult::Answered, Some(200)));
    // It is taken back the same way.
    let id = body["id"].as_str().expect("an id");
    gate.delete(&native(&format!("{STATUSES}/{id}"))).await.expect(200);
    assert!(texts(&net).await.is_empty());
}

#[tokio::test]
async fn what_may_not_pass_is_refused_in_the_networks_own_words() {
    let net = network().await;
    let gate = gate(&net).await;
    let before = net.requests().await.len();
    refused(&say(&gate, &json!({"status": "Our miracle cure"})).await, 403, "policy-denied");
    refused(&say(&gate.caller(READER), &json!({"status": "hello"})).await, 403, "no-grant");
    refused(&say(&gate.caller_with("pgk_nobody"), &json!({"status": "hello"})).await, 401, "unauthenticated");
    for (method, path, body) in [
        ("POST", STATUSES, r#"{"status":"x","poll":{"options":["a","b"]}}"#),
        ("POST", STATUSES, r#"{"status":"x","status":"y"}"#),
        ("POST", "/api/v1/apps", r#"{"client_name":"a"}"#),
        ("POST", "/api/v1/push/subscription", "{}"),
        ("POST", "/api/v1/accounts/../statuses", r#"{"status":"x"}"#),
        ("POST", "/api/v1/%73tatuses", r#"{"status":"x"}"#),
        ("PUT", STATUSES, r#"{"status":"x"}"#),
        ("GET", "/api/v1/conversations", ""),
        ("GET", "/api/v1/timelines/home%2f..%2f..%2faccounts", ""),
        ("POST", "//evil.example/api/v1/statuses", r#"{"status":"x"}"#),
    ] {
        let answer = gate.send(method, &native(path), &[JSON], body).await;
        assert!([400, 403].contains(&answer.status), "{method} {path}: {} {}", answer.status, answer.text());
        assert!(answer.json::<Value>()["error"].is_string(), "{method} {path}: {}", answer.text());
    }
    // A body that says one thing at first and another later.
    let padding = " ".repeat(200_000);
    let later = format!(r#"{{"status":"fine",{padding}"spoiler_text":"miracle cure"}}"#);
    refused(&gate.send("POST", &native(STATUSES), &[JSON], later).await, 403, "policy-denied");
    let twice = format!(r#"{{"status":"fine",{padding}"status":"miracle cure"}}"#);
    refused(&gate.send("POST", &native(STATUSES), &[JSON], twice).await, 400, "malformed-request");
    let long = format!(r#"{{"status":"{}"}}"#, "x".repeat(2 << 20));
    refused(&gate.send("POST", &native(STATUSES), &[JSON], long).await, 413, "too-large");
    // Of what nobody knows the log has method and path, as far as it is the API's.
    let asked: Vec<_> = gate
        .leaves()
        .into_iter()
        .filter_map(|leaf| match leaf.event {
            Event::Refused(refused) if refused.problem == "not-classified" => Some((refused.method, refused.path)),
            Event::Refused(refused) => {
                assert_eq!((&refused.method, &refused.path), (&None, &None), "{}", refused.problem);
                None
            }
            _ => None,
        })
        .collect();
    for (method, path) in [
        ("POST", STATUSES),
        ("POST", "/api/v1/apps"),
        ("POST", "/api/v1/push/…"),
        ("POST", "/api/v1/accounts/…"),
        ("POST", "/api/v1/…"),
        ("PUT", STATUSES),
        ("GET", "/api/v1/conversations"),
        ("GET", "/api/v1/timelines/…"),
        ("POST", "/…"),
    ] {
        let wanted = (Some(method.to_owned()), Some(path.to_owned()));
        assert!(asked.contains(&wanted), "{method} {path} in {asked:?}");
    }
    let effects: Vec<_> =
        net.requests().await.split_off(before).into_iter().filter(|request| request.method != "GET").collect();
    assert!(effects.is_empty(), "{effects:?}");
    assert!(intents(&gate.leaves()).is_empty());
    // Who shows a key hears that there is no such account; who shows none does not.
    assert_eq!(gate.get("/native/nothing/api/v1/statuses/1").await.status, 404);
    assert_eq!(gate.caller_with("").get("/native/nothing/api/v1/statuses/1").await.status, 401);
}

#[tokio::test]
async fn no_key_and_no_header_of_the_company_travels_on() {
    let net = network().await;
    let gate = gate(&net).await;
    let key = gate.site.key("app:newsroom").to_owned();
    let other = gate.site.key(READER).to_owned();
    let form = ("content-type", "application/x-www-form-urlencoded");
    let escaped = key.replacen('p', "\\u0070", 1);
    for (kind, body) in [
        (form, format!("status=my+key+%70{}", &key[1..])),
        (form, format!("status={other}")),
        (JSON, format!(r#"{{"status":"{escaped}"}}"#)),
        (JSON, format!(r#"{{"status":"x","spoiler_text":"{other}"}}"#)),
    ] {
        refused(&gate.send("POST", &native(STATUSES), &[kind], body).await, 403, "not-classified");
    }
    let utf16 = ("content-type", "application/json; charset=utf-16");
    let answer = gate.send("POST", &native(STATUSES), &[utf16], r#"{"status":"x"}"#).await;
    refused(&answer, 415, "unsupported-media-type");
    refused(&gate.get(&native("/api/v1/timelines/home?_method=delete")).await, 403, "not-classified");
    assert!(texts(&net).await.is_empty());
    // What would mean something else to what stands before the network.
    let strange = [
        JSON,
        ("x-http-method-override", "DELETE"),
        ("x-original-url", "/api/v1/conversations"),
        ("x-forwarded-user", "ceo"),
        ("accept-language", "cs"),
    ];
    gate.send("POST", &native(STATUSES), &strange, r#"{"status":"Fine"}"#).await.expect(200);
    let sent = net.requests().await.into_iter().find(|request| request.method == "POST").expect("it is sent");
    assert_eq!(sent.header("accept-language"), Some("cs"));
    let found: Vec<_> = strange[1..4].iter().filter(|(name, _)| sent.header(name).is_some()).collect();
    assert!(found.is_empty(), "{found:?}");
}

#[tokio::test]
async fn reads_pass_and_are_in_the_log() {
    let net = network().await;
    let gate = gate(&net).await;
    let reader = gate.caller(READER);
    let me = reader.get(&native("/api/v1/accounts/verify_credentials")).await.expect(200);
    let id = me["id"].as_str().expect("an id");
    reader.get(&native(&format!("/api/v1/accounts/{id}/statuses?limit=2"))).await.expect(200);
    let leaves = gate.leaves();
    let read: Vec<_> = leaves
        .iter()
        .filter_map(|leaf| match &leaf.event {
            Event::Read(read) if read.account.as_deref() == Some(ACCOUNT) => Some((leaf, read)),
            _ => None,
        })
        .collect();
    assert_eq!(read.iter().map(|(_, read)| read.what.as_str()).collect::<Vec<_>>(), ["profile.read", "timeline.read"]);
    // By which door, and from where: the address itself is beside the log.
    for (leaf, read) in read {
        assert_eq!((read.door.as_deref(), read.session.as_deref()), (Some("native"), None));
        let [source] = leaf.event.commitments() else { panic!("one commitment: {leaf:?}") };
        assert_eq!((source.field.as_str(), leaf.event.subject().as_deref()), ("source", Some(READER)));
        assert!(!format!("{leaf:?}").contains("127.0.0.1"));
        let opened = gate.gateway().openings.open(leaf.event.call(), leaf.event.commitments()).await.expect("kept");
        let [opened] = &opened[..] else { panic!("one opening") };
        assert_eq!(opened.value.as_ref().map(|(_, value)| value.as_str()), Some("127.0.0.1"));
    }
    assert!(net.requests().await.iter().any(|request| request.path.ends_with("/statuses")));
}

#[tokio::test]
async fn a_medium_is_judged_with_the_post_that_shows_it() {
    let net = network().await;
    let gate = gate(&net).await;
    let (kind, form) = multipart(&[("file", Some(("a.png", "image/png")), PNG), ("description", None, b"a red dot")]);
    let headers = [("content-type", kind.as_str())];
    let uploaded = gate.send("POST", &native("/api/v2/media"), &headers, form.clone()).await;
    assert!([200, 202].contains(&uploaded.status), "{}", uploaded.text());
    let medium = uploaded.json::<Value>()["id"].as_str().expect("an id").to_owned();
    tests::harness::until("the network is done with it", || async {
        (gate.get(&native(&format!("/api/v1/media/{medium}"))).await.status == 200).then_some(())
    })
    .await;
    say(&gate, &json!({"status": "With a picture", "media_ids": [medium]})).await.expect(200);
    let intents = intents(&gate.leaves());
    assert_eq!((intents[0].1.action.as_str(), intents[0].1.effect_kind), ("media.upload", leaf::EffectKind::Prepare));
    assert_eq!(intents[1].1.action, "post.create");
    // What nobody uploaded here nobody judged.
    refused(&say(&gate, &json!({"status": "Another", "media_ids": ["4711"]})).await, 422, "media-unknown");
    // A description is judged as well, and a file that is no medium does not pass.
    let (kind, bad) = multipart(&[("file", Some(("a.png", "image/png")), b"<html>")]);
    refused(
        &gate.send("POST", &native("/api/v2/media"), &[("content-type", kind.as_str())], bad).await,
        415,
        "unsupported-media-type",
    );
    let (kind, cure) =
        multipart(&[("description", None, b"miracle cure"), ("file", Some(("a.png", "image/png")), PNG)]);
    refused(
        &gate.send("POST", &native("/api/v2/media"), &[("content-type", kind.as_str())], cure).await,
        403,
        "policy-denied",
    );
    // Who may not upload fills no disk.
    let reader = gate.caller(READER);
    refused(&reader.send("POST", &native("/api/v2/media"), &headers, form).await, 403, "no-grant");
}

#[tokio::test]
async fn an_account_has_a_host_name_of_its_own() {
    let net = network().await;
    let gate = gate(&net).await;
    let host = format!("{ACCOUNT}.{DOMAIN}");
    let body = json!({"status": "By host"}).to_string();
    gate.send("POST", STATUSES, &[JSON, ("host", &host)], body).await.expect(200);
    assert_eq!(texts(&net).await, ["By host"]);
    // The gate's own paths are the network's there.
    let hidden = gate.send("GET", "/v1/me", &[("host", &host)], "").await;
    assert_eq!(hidden.status, 403, "{}", hidden.text());
}

/// The log alone tells of a client's requests: a start finds nothing amiss, and closes what a crash left open.
#[tokio::test]
async fn a_start_after_a_crash_closes_what_was_open() {
    let net = network().await;
    let mut gate = Gate::new().account(ACCOUNT, &net).spawn().await;
    let answered = gate.post(&native(STATUSES), &json!({"status": "one"})).await;
    answered.expect(200);
    net.set_fault(sample_network::Plan::next(1, "POST", STATUSES, sample_network::Fault::Late { ms: 20_000 })).await;
    let (key, url) = (gate.site.key("app:newsroom").to_owned(), gate.url.clone());
    let hanging = tokio::spawn(async move {
        let caller = Caller::new(&url, &key);
        caller.try_send("POST", &native(STATUSES), &[JSON], json!({"status": "two"}).to_string()).await
    });
    tests::harness::until("the intent is there", || async { (intents(&gate.leaves()).len() == 2).then_some(()) }).await;
    gate.kill9().await;
    let _ = hanging.await;
    gate.restart().await;
    let leaves = gate.leaves();
    let (_, open) = &intents(&leaves)[1];
    let closed = leaves.iter().any(|leaf| {
        matches!(&leaf.event, Event::Outcome(outcome) if outcome.post == open.post && outcome.recovered && outcome.result == leaf::OutcomeResult::Unknown)
    });
    assert!(closed, "unknown, and says so");
    assert_eq!(gate.terminate().await, Some(0));
}
