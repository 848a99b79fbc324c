//! Devices: enrolled by a code, used, listed, ended.

use jiff::SignedDuration;
use pressgate::audit::leaf::Changed;
use serde_json::{Value, json};
use tests::harness::{Gate, network, problem};
use tests::http;

use super::browser::{Browser, form as form_of};
use super::{EDITOR, GRANT, House, begin, error, form, poll};

fn key(given: &Value) -> String {
    given["access_token"].as_str().expect("a token").to_owned()
}

/// A person in a browser says yes or no to what a device shows.
async fn decide(house: &House, browser: &mut Browser, started: &Value, decision: &str) -> u16 {
    browser.sign_in(&house.issuer, "/people/device").await;
    let entry = browser.open("/people/device").await;
    let question = browser.submit(&entry, &[("code", started["user_code"].as_str().expect("a code"))]).await;
    assert_eq!(question.status, 200, "{}", question.text());
    browser.submit(&question, &[("decision", decision)]).await.status
}

/// A device of the editor.
async fn enrolled(house: &House, name: &str) -> Value {
    let started = begin(&house.gate.url, name).await;
    assert_eq!(decide(house, &mut Browser::new(&house.gate.url), &started, "approve").await, 200);
    poll(&house.gate.url, &started).await.expect(200)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_enrolled_used_listed_and_ended() {
    let net = network().await;
    let Some(house) = House::open(Gate::new(), &net.url).await else { return };
    let gate = &house.gate;
    let metadata = http::get(&format!("{}/.well-known/oauth-authorization-server", gate.url), "").await.expect(200);
    assert_eq!(metadata["issuer"], gate.url);
    assert_eq!(metadata["grant_types_supported"], json!([GRANT]));
    assert_eq!(metadata["device_authorization_endpoint"], format!("{}/people/device_authorization", gate.url));
    assert_eq!(metadata["token_endpoint"], format!("{}/people/token", gate.url));
    let started = begin(&gate.url, "Jana's laptop").await;
    let code = started["user_code"].as_str().expect("a code");
    assert_eq!((code.len(), &started["expires_in"], &started["interval"]), (9, &json!(600), &json!(5)));
    assert_eq!(error(&poll(&gate.url, &started).await), "authorization_pending");
    assert_eq!(error(&poll(&gate.url, &started).await), "slow_down");
    // The address with the code leads through the sign-in to the field with the code in it, and decides nothing.
    let complete = started["verification_uri_complete"].as_str().expect("an address").to_owned();
    let mut browser = Browser::new(&gate.url);
    let answer = browser.get(&complete).await;
    let to_sign_in = answer.header("location").expect("the sign-in").to_owned();
    let at_issuer = browser.get(&to_sign_in).await.header("location").expect("the issuer").to_owned();
    let callback = house.issuer.browse(&at_issuer).await;
    let entry = browser.open(&callback).await;
    let (_, fields) = form_of(&entry.text());
    assert_eq!(fields["code"], code);
    let question = browser.submit(&entry, &[]).await;
    let text = question.text();
    for part in ["<strong>editor-7</strong>", code, "Jana&#39;s laptop", "127.0.0.1", "Say yes only if you began this"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(browser.submit(&question, &[("decision", "approve")]).await.status, 200);
    house.clock.advance(SignedDuration::from_secs(10));
    let answer = poll(&gate.url, &started).await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let given = answer.expect(200);
    assert_eq!((&given["token_type"], &given["expires_in"]), (&json!("Bearer"), &json!(7_776_000)));
    assert_eq!((&given["person"], &given["device_name"]), (&json!(EDITOR), &json!("Jana's laptop")));
    house.clock.advance(SignedDuration::from_secs(10));
    assert_eq!(error(&poll(&gate.url, &started).await), "invalid_grant", "no code is worth two tokens");
    let device = gate.caller_with(&key(&given));
    assert_eq!(device.get("/v1/me").await.expect(200)["principal"], "person:editor-7");
    let second = enrolled(&house, "phone").await;
    let listed = device.get("/v1/devices").await.expect(200);
    let listed = listed["devices"].as_array().expect("devices");
    let told: Vec<_> = listed.iter().map(|one| (one["name"].as_str(), one["this"].as_bool())).collect();
    assert_eq!(told, [(Some("Jana's laptop"), Some(true)), (Some("phone"), Some(false))]);
    // Nobody ends another's, an app has none, and a key is no device.
    let id = given["device_id"].as_str().expect("an id");
    problem(&gate.caller("person:editor-8").delete(&format!("/v1/devices/{id}")).await, "not-found");
    problem(&gate.caller("app:newsroom").get("/v1/devices").await, "no-grant");
    problem(&device.delete("/v1/devices/nobody").await, "not-found");
    let ended = gate.caller_with(&key(&second)).delete(&format!("/v1/devices/{id}")).await.expect(200);
    assert_eq!(ended["live"], false);
    problem(&device.get("/v1/me").await, "unauthenticated");
    problem(&gate.caller_with(&key(&second)).delete(&format!("/v1/devices/{id}")).await, "not-found");
    // It ends by itself.
    house.clock.advance(SignedDuration::from_hours(90 * 24));
    problem(&gate.caller_with(&key(&second)).get("/v1/me").await, "unauthenticated");
    in_the_log(&house, id, second["device_id"].as_str().expect("an id"), &key(&given));
}

/// Each step is a leaf of opaque ids, and no leaf has what is personal or secret.
fn in_the_log(house: &House, laptop: &str, phone: &str, token: &str) {
    let change = |what, action: &str, subject: String| (what, action.to_owned(), subject, EDITOR.to_owned());
    let person = || "person:editor-7".to_owned();
    let expected = [
        change(Changed::Person, "sign-in", person()),
        change(Changed::Key, "enrol", format!("person:editor-7/{laptop}")),
        change(Changed::Person, "sign-in", person()),
        change(Changed::Key, "enrol", format!("person:editor-7/{phone}")),
        change(Changed::Key, "revoke", format!("person:editor-7/{laptop}")),
    ];
    assert_eq!(house.changes(), expected);
    let log = serde_json::to_string(&house.gate.leaves()).expect("JSON");
    for value in ["Jana", "laptop", token] {
        assert!(!log.contains(value), "`{value}` is in the log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_end_are_denied_and_are_not_guessed() {
    let net = network().await;
    let Some(house) = House::open(Gate::new(), &net.url).await else { return };
    let gate = &house.gate;
    let (denied, late) = (begin(&gate.url, "one").await, begin(&gate.url, "two").await);
    let mut browser = Browser::new(&gate.url);
    assert_eq!(decide(&house, &mut browser, &denied, "deny").await, 200);
    assert_eq!(error(&poll(&gate.url, &denied).await), "access_denied");
    house.clock.advance(SignedDuration::from_mins(10));
    assert_eq!(error(&poll(&gate.url, &late).await), "expired_token");
    let entry = browser.open("/people/device").await;
    let answer = browser.submit(&entry, &[("code", late["user_code"].as_str().expect("a code"))]).await;
    assert!(answer.status == 422 && answer.text().contains("No device waits"), "{}", answer.text());
    // A handful of guesses, then none: the right one neither, by either form.
    let right = begin(&gate.url, "three").await;
    let right = right["user_code"].as_str().expect("a code");
    for _ in 0..4 {
        assert_eq!(browser.submit(&entry, &[("code", "BBBB-BBBB")]).await.status, 422);
    }
    let answer = browser.submit(&entry, &[("code", right)]).await;
    assert_eq!(answer.status, 429, "{}", answer.text());
    let (_, mut fields) = form_of(&entry.text());
    fields.extend([("code".to_owned(), right.to_owned()), ("decision".to_owned(), "approve".to_owned())]);
    assert_eq!(browser.post("/people/device/decision", &fields).await.status, 429);
    house.clock.advance(SignedDuration::from_mins(9));
    assert_eq!(browser.submit(&entry, &[("code", right)]).await.status, 429);
    // Nobody who is signed out, or on a page elsewhere, decides anything.
    assert_eq!(Browser::new(&gate.url).post("/people/device/decision", &fields).await.status, 403);
    assert_eq!(browser.post_from("/people/device/decision", &fields, "https://evil.example").await.status, 403);
    assert_eq!(house.changes().len(), 1, "a sign-in and no device");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_of_a_device_is_refused() {
    let net = network().await;
    let Some(house) = House::open(Gate::new(), &net.url).await else { return };
    let url = &house.gate.url;
    let ask = async |fields: &[(&str, &str)]| error(&form(url, "/people/device_authorization", fields).await);
    assert_eq!(ask(&[("device_name", "laptop")]).await, "invalid_client");
    assert_eq!(ask(&[("client_id", "other"), ("device_name", "laptop")]).await, "invalid_client");
    assert_eq!(ask(&[("client_id", "pressgate-cli")]).await, "invalid_request");
    for name in ["<script>alert(1)</script>", "a\nb", &"x".repeat(41)] {
        assert_eq!(ask(&[("client_id", "pressgate-cli"), ("device_name", name)]).await, "invalid_request");
    }
    let scoped = [("client_id", "pressgate-cli"), ("device_name", "laptop"), ("scope", "all")];
    assert_eq!(ask(&scoped).await, "invalid_scope");
    let twice = [("client_id", "pressgate-cli"), ("client_id", "pressgate-cli"), ("device_name", "laptop")];
    assert_eq!(ask(&twice).await, "invalid_request");
    let token = async |fields: &[(&str, &str)]| error(&form(url, "/people/token", fields).await);
    assert_eq!(token(&[("client_id", "pressgate-cli"), ("grant_type", "password")]).await, "unsupported_grant_type");
    assert_eq!(token(&[("client_id", "x"), ("grant_type", GRANT)]).await, "invalid_client");
    assert_eq!(token(&[("client_id", "pressgate-cli"), ("grant_type", GRANT)]).await, "invalid_grant");
    let json = http::post(&format!("{url}/people/token"), "", &json!({"grant_type": GRANT})).await;
    assert_eq!(error(&json), "invalid_request");
    let big = "x".repeat(20_000);
    assert_eq!(token(&[("client_id", "pressgate-cli"), ("device_code", &big)]).await, "invalid_request");
    // One source begins so many, and no more.
    let mut last = 200;
    for _ in 0..20 {
        let fields = [("client_id", "pressgate-cli"), ("device_name", "laptop")];
        last = form(url, "/people/device_authorization", &fields).await.status;
    }
    assert_eq!(last, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_ends_with_its_person() {
    let net = network().await;
    let plan = Gate::new().account("acme-mastodon", &net).govern(|governance| {
        governance.grant("editor-writes", "person:editor-7", "brand:acme", &["post.create", "post.read"]);
    });
    let Some(mut house) = House::open(plan, &net.url).await else { return };
    let given = enrolled(&house, "laptop").await;
    let device = house.gate.caller_with(&key(&given));
    let post = crate::samples::post("acme-mastodon", "hello");
    device.publish(&post).await.expect(201);
    let before = house.gate.governance.clone();
    // The role and its grant are gone: the device is there, and may nothing.
    let mut poor = before.clone();
    poor.revoke("editor-writes");
    house.gate.apply(poor).await;
    problem(&device.publish(&post).await, "no-grant");
    // The person is somebody else at the issuer: a device of the one before opens nothing.
    for (from, to) in [("subject = \"acme\"", "subject = \"another\""), ("sign_in = ", "# sign_in = ")] {
        let mut other = before.clone();
        other.file("people.toml", &before.files()["people.toml"].replace(from, to));
        house.gate.apply(other).await;
        problem(&device.publish(&post).await, "unauthenticated");
        assert_eq!(house.gate.caller("person:editor-7").get("/v1/me").await.status, 200, "an operator's key goes on");
        house.gate.apply(before.clone()).await;
        assert_eq!(device.get("/v1/me").await.status, 200);
    }
    // A yes that was given before the person changed makes no device.
    let started = begin(&house.gate.url, "late").await;
    assert_eq!(decide(&house, &mut Browser::new(&house.gate.url), &started, "approve").await, 200);
    let mut other = before.clone();
    let people = before.files()["people.toml"].replace("subject = \"acme\"", "subject = \"another\"");
    other.file("people.toml", &people);
    house.gate.apply(other).await;
    assert_eq!(error(&poll(&house.gate.url, &started).await), "access_denied");
    assert_eq!(net.timeline().await.len(), 1);
}
