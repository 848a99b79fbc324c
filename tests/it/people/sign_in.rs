//! Signing in, and all the ways in which nobody is.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::SignedDuration;
use pressgate::audit::leaf::Changed;
use serde_json::{Value, json};
use tests::harness::{Gate, network, problem};
use tests::http::{self, Answer};

use super::browser::{Browser, form};
use super::{EDITOR, House, SUBJECT, form as send_form, sign_in};

fn not_signed_in(answer: &Answer, status: u16, part: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert!(answer.text().contains(part), "{}", answer.text());
    assert!(answer.header("set-cookie").is_none_or(|cookie| !cookie.contains("session")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_for_half_a_day() {
    let net = network().await;
    let Some(mut house) = House::open(Gate::new(), &net.url).await else { return };
    let mut browser = Browser::new(&house.gate.url);
    let stranger = browser.open("/people").await;
    assert!(stranger.status == 200 && stranger.text().contains("not signed in"));
    assert_eq!(browser.sign_in(&house.issuer, "/people").await, "/people");
    let home = browser.open("/people").await;
    assert!(home.text().contains("<strong>editor-7</strong>"), "{}", home.text());
    let policy = home.header("content-security-policy").expect("a policy");
    assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert_eq!((home.header("cache-control"), home.header("x-frame-options")), (Some("no-store"), Some("DENY")));
    assert!(!home.text().contains("<script"));
    let signed = (Changed::Person, "sign-in".to_owned(), "person:editor-7".to_owned(), EDITOR.to_owned());
    assert_eq!(house.changes(), [signed]);
    // It outlives a restart, and is another browser's nowhere.
    house.gate.restart().await;
    assert!(browser.open("/people").await.text().contains("editor-7"));
    assert!(Browser::new(&house.gate.url).open("/people").await.text().contains("not signed in"));
    // The cookie itself is not kept: what lies in the records opens nothing.
    let cookie = browser.cookies["pressgate-session"].clone();
    let kept = std::fs::read_dir(house.gate.data()).expect("the data folder");
    for file in kept.filter_map(|entry| std::fs::read(entry.ok()?.path()).ok()) {
        assert!(!file.windows(cookie.len()).any(|part| part == cookie.as_bytes()));
    }
    house.clock.advance(SignedDuration::from_hours(12));
    assert!(browser.open("/people").await.text().contains("not signed in"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_signs_out_or_leaves_is_out() {
    let net = network().await;
    let Some(mut house) = House::open(Gate::new(), &net.url).await else { return };
    let mut browser = Browser::new(&house.gate.url);
    browser.sign_in(&house.issuer, "/people").await;
    let old = browser.clone();
    let home = browser.open("/people").await;
    // A page elsewhere can't sign anybody out, with or without the form's token.
    let (action, fields) = form(&home.text());
    for (fields, origin) in [
        (fields.clone(), "https://evil.example"),
        (fields.clone(), "null"),
        ([("form".to_owned(), "0".repeat(64))].into(), house.gate.url.as_str()),
        ([].into(), house.gate.url.as_str()),
    ] {
        assert_eq!(browser.post_from(&action, &fields, origin).await.status, 403);
    }
    assert!(browser.open("/people").await.text().contains("editor-7"));
    assert_eq!(browser.submit(&home, &[]).await.status, 303);
    assert!(browser.open("/people").await.text().contains("not signed in"));
    assert!(old.clone().open("/people").await.text().contains("not signed in"), "the cookie is worth nothing any more");
    // The person is somebody else at the issuer, or nobody.
    browser.sign_in(&house.issuer, "/people").await;
    let mut other = house.gate.governance.clone();
    let people = other.files()["people.toml"].replace(&format!("subject = {SUBJECT:?}"), "subject = \"another\"");
    other.file("people.toml", &people);
    let before = house.gate.governance.clone();
    house.gate.apply(other).await;
    assert!(browser.open("/people").await.text().contains("not signed in"));
    house.gate.apply(before).await;
    assert!(browser.open("/people").await.text().contains("editor-7"), "the same person again");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_prove_nothing_sign_nobody_in() {
    let net = network().await;
    let Some(house) = House::open(Gate::new(), &net.url).await else { return };
    let (gate, issuer) = (&house.gate.url, &house.issuer);
    let mut browser = Browser::new(gate);
    // No state, another's, a doubled one, a code alone.
    for query in ["", "?code=x", "?state=x&code=y", "?state=x&state=x&code=y", "?error=access_denied"] {
        not_signed_in(&browser.get(&format!("/people/callback{query}")).await, 400, "waits for no such answer");
    }
    // Another browser's answer: nobody is signed in as somebody else by a link.
    let at_issuer = browser.begin("/people").await;
    let callback = issuer.browse(&at_issuer).await;
    let mut victim = Browser::new(gate);
    victim.begin("/people").await;
    not_signed_in(&victim.get(&callback).await, 400, "waits for no such answer");
    // The state is spent by its own browser, once.
    assert_eq!(browser.get(&callback).await.status, 303);
    not_signed_in(&Browser { cookies: browser.cookies.clone(), ..browser.clone() }.get(&callback).await, 400, "waits");
    // Too late.
    let mut late = Browser::new(gate);
    let at_issuer = late.begin("/people").await;
    let callback = issuer.browse(&at_issuer).await;
    house.clock.advance(SignedDuration::from_mins(10));
    not_signed_in(&late.get(&callback).await, 400, "waits for no such answer");
    // Declined; the issuer's own words are not shown.
    issuer.set(&json!({"decline": true})).await;
    let at_issuer = late.begin("/people").await;
    let callback = issuer.browse(&at_issuer).await;
    assert!(callback.contains("error=access_denied"));
    let answer = late.get(&callback).await;
    not_signed_in(&answer, 403, "declined");
    assert!(!answer.text().contains("alert"));
    issuer.set(&json!({"decline": false})).await;
    // Another issuer's name in the answer (RFC 9207).
    let at_issuer = late.begin("/people").await;
    let callback = issuer.browse(&at_issuer).await;
    let (head, _) = callback.split_once("&iss=").expect("it names itself");
    not_signed_in(&late.get(&format!("{head}&iss=https%3A%2F%2Fevil.example")).await, 400, "does not hold");
    // A code of another sign-in, which PKCE ties to that one.
    let (one, other) = (late.begin("/people").await, late.begin("/people").await);
    let (one, other) = (issuer.browse(&one).await, issuer.browse(&other).await);
    let part = |url: &str, name: &str| {
        let url: url::Url = url.parse().expect("an address");
        url.query_pairs().find(|(key, _)| key == name).expect("there").1.into_owned()
    };
    let iss: String = url::form_urlencoded::byte_serialize(part(&one, "iss").as_bytes()).collect();
    let swapped = format!("/people/callback?code={}&state={}&iss={iss}", part(&one, "code"), part(&other, "state"));
    not_signed_in(&late.get(&swapped).await, 400, "does not hold");
    // Somebody whom people.toml does not know.
    issuer.set(&json!({"subject": "stranger"})).await;
    let at_issuer = late.begin("/people").await;
    let callback = issuer.browse(&at_issuer).await;
    let answer = late.get(&callback).await;
    not_signed_in(&answer, 403, "nobody here is you");
    assert!(!answer.text().contains("stranger"));
    assert_eq!(house.changes().len(), 1, "one sign-in in all");
}

#[tokio::test(flavor = "multi_thread")]
async fn identity_tokens_are_checked() {
    let net = network().await;
    let Some(house) = House::open(Gate::new(), &net.url).await else { return };
    let mut browser = Browser::new(&house.gate.url);
    browser.sign_in(&house.issuer, "/people").await;
    let good = house.issuer.id_tokens().await.pop().expect("a token");
    let (head, rest) = good.split_once('.').expect("three parts");
    let (body, signature) = rest.split_once('.').expect("three parts");
    let coded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).expect("base64")).expect("JSON");
    // A good token of another sign-in has another nonce; the others are forged.
    let nonce = "of-the-attempt";
    let mut own = claims.clone();
    own["nonce"] = json!(nonce);
    let symmetric = format!("{}.{}.{signature}", coded(&json!({"alg": "HS256"})), coded(&own));
    for token in [
        good.clone(),
        format!("{}.{body}.", coded(&json!({"alg": "none"}))),
        format!("{}.{}.", coded(&json!({"alg": "none"})), coded(&own)),
        format!("{head}.{}.{signature}", coded(&own)),
        symmetric,
        String::new(),
        "x".repeat(20_000),
    ] {
        let at_issuer = browser.begin("/people").await;
        let callback = house.issuer.browse(&at_issuer).await;
        let body = json!({"access_token": "a", "token_type": "Bearer", "id_token": token}).to_string();
        house.issuer.set(&json!({"token": {"mode": "raw", "status": 200, "body": body}})).await;
        not_signed_in(&browser.get(&callback).await, 400, "does not hold");
        house.issuer.set(&json!({"token": {"mode": "normal"}})).await;
    }
    // Nor is an identity token a key.
    problem(&http::get(&format!("{}/v1/me", house.gate.url), &good).await, "unauthenticated");
    assert_eq!(house.changes().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_is_down_is_told_and_two_tabs_both_work() {
    let net = network().await;
    let Some(house) = House::open(Gate::new(), &net.url).await else { return };
    let mut browser = Browser::new(&house.gate.url);
    let (one, other) = (browser.begin("/people").await, browser.begin("/people/device").await);
    let callback = house.issuer.browse(&one).await;
    assert_eq!(browser.get(&callback).await.header("location"), Some("/people"));
    let callback = house.issuer.browse(&other).await;
    assert_eq!(browser.get(&callback).await.header("location"), Some("/people/device"));
    // In the middle: the token endpoint breaks off, answers nonsense.
    for mode in [json!({"mode": "cut"}), json!({"mode": "raw", "status": 500, "body": "{}"})] {
        let at_issuer = browser.begin("/people").await;
        let callback = house.issuer.browse(&at_issuer).await;
        house.issuer.set(&json!({"token": mode})).await;
        let answer = browser.get(&callback).await;
        assert_eq!(answer.status, 503, "{}", answer.text());
        house.issuer.set(&json!({"token": {"mode": "normal"}})).await;
    }
    // From the beginning, when nothing is known of it any more.
    let House { gate, issuer, clock, .. } = house;
    drop(issuer);
    clock.advance(SignedDuration::from_hours(25));
    let answer = Browser::new(&gate.url).get("/people/sign-in").await;
    assert!(answer.status == 503 && answer.text().contains("Try again"), "{}", answer.text());
    gate.assert_alive().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_leads_nowhere_else() {
    let net = network().await;
    let Some(house) = House::open(Gate::new(), &net.url).await else { return };
    for to in
        ["https://evil.example", "//evil.example", "/\\evil.example", "/people//evil.example", "/v1/me", "javascript:x"]
    {
        let mut browser = Browser::new(&house.gate.url);
        assert_eq!(browser.sign_in(&house.issuer, to).await, "/people", "{to}");
    }
    let mut browser = Browser::new(&house.gate.url);
    assert_eq!(browser.sign_in(&house.issuer, "/people/device?code=WDJB-MJHT").await, "/people/device?code=WDJB-MJHT");
}

#[tokio::test]
async fn without_a_sign_in_there_is_nothing() {
    let mut gate = Gate::new().start().await;
    for path in ["/people", "/people/sign-in", "/people/callback?state=x&code=y", "/people/device"] {
        assert_eq!(http::get(&format!("{}{path}", gate.url), "").await.status, 404, "{path}");
    }
    let metadata = http::get(&format!("{}/.well-known/oauth-authorization-server", gate.url), "").await;
    problem(&metadata, "sign-in-unavailable");
    let fields = [("client_id", "pressgate-cli"), ("device_name", "laptop")];
    problem(&send_form(&gate.url, "/people/device_authorization", &fields).await, "sign-in-unavailable");
    // Who is tied to an issuer that the process does not name can't sign in, and an apply says so.
    let mut governance = gate.governance.clone();
    sign_in(&mut governance, "http://127.0.0.1:1", EDITOR, SUBJECT);
    gate.apply(governance).await;
}
