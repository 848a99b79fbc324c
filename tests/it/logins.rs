//! Logins at the native door: sessions of the gateway, which stand for a key at one account and die with it.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use pressgate::audit::Event;
use serde_json::{Value, json};
use tests::harness::caller::JSON;
use tests::harness::{Caller, Gate, Running, TOKEN, gate, intents, network};
use tests::http::Answer;

use crate::samples::{STATUSES, texts};

const ACCOUNT: &str = "acme-mastodon";
const OTHER: &str = "drinks-mastodon";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const ME: &str = "/api/v1/accounts/verify_credentials";

fn plan(net: &sample_network::Running) -> Gate {
    Gate::new().account(ACCOUNT, net).account_of("acme/drinks", OTHER, net).grant(
        "newsroom-reads",
        "app:newsroom",
        "brand:acme",
        &["profile.read"],
    )
}

fn native(path: &str) -> String {
    format!("/native/{ACCOUNT}{path}")
}

async fn login(gate: &Running, fields: &str) -> Answer {
    gate.caller_with("").send("POST", &native("/oauth/token"), &[FORM], fields.to_owned()).await
}

fn token(answer: &Answer) -> String {
    answer.expect(200)["access_token"].as_str().expect("a token").to_owned()
}

/// In the network's own shape.
fn refused(answer: &Answer, status: u16, code: &str) {
    let body = answer.expect(status);
    assert_eq!(body["error_description"], code, "{body}");
}

async fn me(caller: &Caller, account: &str) -> Answer {
    caller.get(&format!("/native/{account}{ME}")).await
}

#[tokio::test]
async fn a_key_opens_a_session_wherever_a_client_puts_it() {
    let net = network().await;
    let gate = plan(&net).start().await;
    let key = gate.site.key("app:newsroom").to_owned();
    let mut sessions = Vec::new();
    for fields in [
        format!("grant_type=password&client_id=a&client_secret=b&username=me&password={key}&scope=read+write"),
        format!("grant_type=client_credentials&client_id=a&client_secret={key}"),
    ] {
        sessions.push(token(&login(&gate, &fields).await));
    }
    let body = json!({"grant_type": "password", "username": "me", "password": key}).to_string();
    let asked = gate.caller_with("").send("POST", &native("/oauth/token"), &[JSON], body).await;
    sessions.push(token(&asked));
    let heard: Vec<_> = net.requests().await.into_iter().map(|request| request.path).collect();
    assert!(heard.iter().all(|path| path == "/api/v2/instance"), "the network hears nothing of a login: {heard:?}");
    for session in &sessions {
        let client = gate.caller_with(session);
        let made = client.post(&native(STATUSES), &json!({"status": "By session"})).await;
        made.expect(200);
        assert!(!session.contains(&key) && !made.text().contains(TOKEN));
        me(&client, ACCOUNT).await.expect(200);
    }
    assert_eq!(texts(&net).await.len(), 3);
    for request in net.requests().await {
        let seen = format!("{request:?}");
        assert!(!seen.contains(&key) && sessions.iter().all(|session| !seen.contains(session.as_str())), "{seen}");
    }
    // Each login names its session, and each call the session that it was made by.
    let leaves = gate.leaves();
    let logins = leaves.iter().filter_map(|leaf| match &leaf.event {
        Event::Read(read) if read.what == "session.open" && read.app.as_deref() == Some("newsroom") => {
            Some(read.session.clone().expect("a session"))
        }
        _ => None,
    });
    let logins: BTreeSet<_> = logins.collect();
    assert_eq!(logins.len(), 3);
    let made = intents(&leaves).into_iter().map(|(_, intent)| intent.session.clone().expect("a session"));
    assert_eq!(made.collect::<BTreeSet<_>>(), logins);
    for leaf in &leaves {
        if let Event::Read(read) = &leaf.event
            && read.what == "profile.read"
        {
            assert!(logins.contains(read.session.as_deref().expect("a session")), "{leaf:?}");
        }
    }
}

#[tokio::test]
async fn a_session_opens_nothing_else_and_dies_with_its_key() {
    let net = network().await;
    let clock = gate::clock();
    let gate = plan(&net).clock(&clock).start().await;
    let (key, id) = gate.fresh_key("newsroom", None).await;
    let session = token(&login(&gate, &format!("grant_type=password&password={key}")).await);
    let client = gate.caller_with(&session);
    me(&client, ACCOUNT).await.expect(200);
    refused(&me(&client, OTHER).await, 401, "unauthenticated");
    assert_eq!(client.get("/v1/me").await.status, 401, "it is for the native door");
    // A session opens no session.
    refused(&login(&gate, &format!("grant_type=password&password={session}")).await, 401, "unauthenticated");
    for forged in ["eyJhbGciOiJub25lIn0.e30.", &format!("{session}x"), "pgk_a", ""] {
        refused(&me(&gate.caller_with(forged), ACCOUNT).await, 401, "unauthenticated");
    }
    // Ended by the client, for good.
    let second = token(&login(&gate, &format!("grant_type=password&password={key}")).await);
    let revoke = format!("client_id=a&client_secret=b&token={second}");
    let ended = gate.caller_with("").send("POST", &native("/oauth/revoke"), &[FORM], revoke).await;
    assert_eq!(ended.expect(200), json!({}));
    refused(&me(&gate.caller_with(&second), ACCOUNT).await, 401, "unauthenticated");
    me(&client, ACCOUNT).await.expect(200);
    // A logout ends the session that it names, whatever it is shown with; a key without one ends nothing.
    let third = token(&login(&gate, &format!("grant_type=password&password={key}")).await);
    let by_key = gate.caller_with(&key);
    by_key.send("POST", &native("/oauth/revoke"), &[FORM], format!("token={third}")).await.expect(200);
    refused(&me(&gate.caller_with(&third), ACCOUNT).await, 401, "unauthenticated");
    refused(&by_key.send("POST", &native("/oauth/revoke"), &[FORM], "client_id=a").await, 401, "unauthenticated");
    let stranger = gate.caller("app:newsroom");
    refused(
        &stranger.send("POST", &native("/oauth/revoke"), &[FORM], format!("token={session}")).await,
        401,
        "unauthenticated",
    );
    me(&client, ACCOUNT).await.expect(200);
    // Too old.
    clock.advance(SignedDuration::from_hours(91 * 24));
    refused(&me(&client, ACCOUNT).await, 401, "session-expired");
    let third = token(&login(&gate, &format!("grant_type=password&password={key}")).await);
    gate.gateway()
        .keys
        .revoke(gate.gateway().records.as_ref(), &id, gate.gateway().clock.now())
        .await
        .expect("revoked");
    refused(&me(&gate.caller_with(&third), ACCOUNT).await, 401, "unauthenticated");
}

#[tokio::test]
async fn what_a_login_must_not_be_is_refused() {
    let net = network().await;
    let gate = plan(&net).start().await;
    let key = gate.site.key("app:newsroom").to_owned();
    refused(&login(&gate, "grant_type=password&username=me&password=hunter2").await, 401, "unauthenticated");
    refused(&login(&gate, "grant_type=password&username=me").await, 401, "unauthenticated");
    refused(&login(&gate, &format!("password={key}&x={}", "y".repeat(70_000))).await, 401, "unauthenticated");
    // Who has no grant there logs in nowhere.
    let stranger = gate.site.key("app:careers").to_owned();
    refused(&login(&gate, &format!("grant_type=password&password={stranger}")).await, 403, "no-grant");
    // The key in a second place would travel on.
    let twice = json!({"status": format!("my key is {key}")});
    refused(&gate.post(&native(STATUSES), &twice).await, 403, "not-classified");
    let twice = gate.get(&native(&format!("{ME}?key={key}"))).await;
    refused(&twice, 403, "not-classified");
    // What mints credentials stays shut, with a key and without.
    for (method, path) in [
        ("POST", "/api/v1/apps"),
        ("GET", "/oauth/authorize?response_type=code"),
        ("POST", "/api/v1/push/subscription"),
        ("POST", "/api/v1/accounts"),
        ("PATCH", "/api/v1/accounts/update_credentials"),
    ] {
        let answer = gate.send(method, &native(path), &[FORM], "a=b").await;
        assert!([400, 403].contains(&answer.status), "{method} {path}: {}", answer.text());
    }
    assert!(
        net.requests().await.iter().all(|request| !request.path.contains("oauth") && !request.path.contains("apps"))
    );
}

#[tokio::test]
async fn what_is_held_is_kept_as_a_draft_where_the_account_says_so() {
    let net = network().await;
    let rule = json!({"forbidden": [{"phrase": "cheap", "outcome": "hold"}]});
    let gate = plan(&net)
        .guidelines(&rule)
        .grant("chief-reads", "person:chief-1", "brand:acme", &["post.read"])
        .govern(|governance| {
            governance.each_account("native_hold = \"draft\"");
        })
        .start()
        .await;
    let once = [JSON, ("idempotency-key", "once")];
    let status = json!({"status": "cheap crisps", "visibility": "unlisted", "language": "en", "spoiler_text": "food"});
    let answer = gate.send("POST", &native(STATUSES), &once, status.to_string()).await;
    refused(&answer, 403, "needs-approval");
    let again = gate.send("POST", &native(STATUSES), &once, status.to_string()).await;
    assert_eq!(again.text(), answer.text(), "one request, one draft");
    let body: Value = answer.json();
    let told = body["error"].as_str().expect("a sentence").to_owned();
    let post = told.split('`').find(|word| word.starts_with("post_")).expect("the held post is named").to_owned();
    assert!(texts(&net).await.is_empty());
    let chief = gate.caller("person:chief-1");
    assert_eq!(chief.get(&format!("/v1/posts/{post}")).await.expect(200)["state"], "held");
    chief.vote(&post, "approve").await.expect(200);
    gate.until_state(&post, "published").await;
    let sent = net.requests().await.into_iter().find(|request| request.method == "POST").expect("it is sent");
    let sent: Value = serde_json::from_slice(&sent.body).expect("JSON");
    assert_eq!(
        (&sent["status"], &sent["visibility"], &sent["language"], &sent["spoiler_text"]),
        (&json!("cheap crisps"), &json!("unlisted"), &json!("en"), &json!("food"))
    );
}
