//! Who shows no live key can't tell an account that there is from one that there is not, however they ask.

use serde_json::json;
use tests::harness::caller::JSON;
use tests::harness::{Caller, Gate, Running, network};
use tests::http::Answer;

use crate::samples::STATUSES;

const ACCOUNT: &str = "acme-mastodon";
const OF_ANOTHER_NETWORK: &str = "acme-bluesky";
/// There are no such accounts.
const NONE: [&str; 2] = ["nothing", "acme-mastodo"];
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
/// Says that it is an access token of this gateway's, and is signed by nobody.
const FORGED: &str = "eyJhbGciOiJIUzI1NiIsImtpZCI6ImEifQ.eyJpc3MiOiJwcmVzc2dhdGUifQ.eA";

/// Method, path, headers and body.
type Asked<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str);

async fn gate(net: &sample_network::Running) -> Running {
    let secrets = vec![("identifier".to_owned(), "me".to_owned()), ("password".to_owned(), "word".to_owned())];
    Gate::new()
        .account(ACCOUNT, net)
        .account_on("bluesky", "acme/snacks", OF_ANOTHER_NETWORK, &net.url, "session", secrets)
        .start()
        .await
}

/// All of an answer that a stranger sees, but for the clock.
fn seen(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let headers = answer.headers.iter().filter(|(name, _)| name != "date");
    (answer.status, headers.cloned().collect(), answer.text())
}

#[tokio::test]
async fn a_stranger_hears_the_same_of_every_account_and_of_none() {
    let net = network().await;
    let gate = gate(&net).await;
    let long = format!("grant_type=password&password={}", "x".repeat(70_000));
    let requests: [Asked<'_>; 12] = [
        ("GET", "/api/v1/accounts/verify_credentials", &[], ""),
        ("GET", "/api/v1/timelines/home?access_token=pgk_nobody", &[], ""),
        ("POST", STATUSES, &[JSON], r#"{"status":"hello"}"#),
        ("POST", STATUSES, &[JSON], r#"{"status":"#),
        ("POST", "/oauth/token", &[FORM], "grant_type=password&password=hunter2"),
        ("POST", "/oauth/token", &[FORM], &long),
        ("POST", "/oauth/token", &[("content-type", "application/json; charset=utf-16")], "{}"),
        ("POST", "/xrpc/com.atproto.server.createSession", &[JSON], r#"{"identifier":"a","password":"b"}"#),
        ("GET", "/xrpc/app.bsky.feed.getTimeline", &[], ""),
        ("GET", "/", &[], ""),
        ("GET", "/graphql", &[], ""),
        ("DELETE", "//evil.example/%2e%2e/api", &[], ""),
    ];
    for shown in ["", "pgk_nobody", FORGED, "Basic"] {
        let stranger = gate.caller_with(shown);
        for (method, path, headers, body) in requests {
            let ask = async |account: &str| {
                let path = format!("/native/{account}{path}");
                seen(&stranger.send(method, &path, headers, body.to_owned()).await)
            };
            let known = ask(ACCOUNT).await;
            assert_eq!(known.0, 401, "{method} {path}: {known:?}");
            for account in [OF_ANOTHER_NETWORK, NONE[0], NONE[1]] {
                assert_eq!(ask(account).await, known, "{shown:?} {method} {path} of {account}");
            }
        }
    }
    assert!(net.requests().await.iter().all(|request| request.method == "GET"), "nothing but facts is asked for");
}

#[tokio::test]
async fn the_answer_has_the_shape_of_the_network_whose_api_it_is() {
    let net = network().await;
    let gate = gate(&net).await;
    let nobody: Caller = gate.caller_with("pgk_nobody");
    for account in [ACCOUNT, OF_ANOTHER_NETWORK, NONE[0]] {
        let one = nobody.get(&format!("/native/{account}/api/v1/statuses/1")).await;
        assert_eq!(one.expect(401)["error_description"], "unauthenticated");
        let login = nobody.send("POST", &format!("/native/{account}/oauth/token"), &[FORM], "password=x").await;
        assert_eq!(login.expect(401)["error_description"], "unauthenticated");
        let other = nobody.get(&format!("/native/{account}/xrpc/app.bsky.feed.getTimeline")).await;
        assert!(other.expect(401)["message"].is_string() && other.header("content-type") == one.header("content-type"));
        let plain = nobody.get(&format!("/native/{account}/graphql")).await;
        assert_eq!(plain.expect(401)["type"], "/problems/unauthenticated");
    }
    // Who has a key hears that there is no such account, in the same shape; so does a key in a body.
    let none = gate.get(&format!("/native/{}/api/v1/statuses/1", NONE[0])).await;
    assert_eq!(none.expect(404)["error_description"], "not-found");
    let key = gate.site.key("app:newsroom").to_owned();
    let login = json!({"identifier": "a", "password": key}).to_string();
    let path = format!("/native/{}/xrpc/com.atproto.server.createSession", NONE[0]);
    let none = gate.caller_with("").send("POST", &path, &[JSON], login).await;
    assert_eq!(none.expect(404)["error"], "NotFound");
}
