//! Clients of the network's own API: what only asks, and logins.

use super::*;

pub(super) fn timeline() -> Request {
    Request::get("/xrpc/app.bsky.feed.getTimeline?limit=2")
}

#[test]
fn what_only_asks_is_known_by_its_method() {
    for (address, action) in [
        ("app.bsky.feed.getTimeline?limit=2", "timeline.read"),
        ("app.bsky.feed.getPosts?uris=at%3A%2F%2Fx", "post.read"),
        ("app.bsky.notification.listNotifications", "inbox.read"),
        ("com.atproto.identity.resolveHandle?handle=acme.test", "profile.read"),
    ] {
        assert_eq!(classified(&Request::get(format!("/xrpc/{address}"))).action, action, "{address}");
    }
    let viewed = timeline().header("atproto-proxy", "did:web:api.bsky.app#bsky_appview");
    assert_eq!(classified(&viewed).action, "timeline.read");
}

#[test]
fn logins_are_the_gateways() {
    for (request, login) in [
        (xrpc("com.atproto.server.createSession", r#"{"identifier":"acme.test"}"#), Login::Open),
        (Request::post("/xrpc/com.atproto.server.refreshSession"), Login::Renew),
        (Request::post("/xrpc/com.atproto.server.deleteSession"), Login::End),
        (Request::get("/xrpc/com.atproto.server.getSession"), Login::Look),
    ] {
        assert_eq!(Bluesky::classify(&account(), &request), Classification::Login(login));
    }
    let facts = Facts::new(json!({ "did": DID, "handle": "acme.test" }).to_string(), 60);
    let session = |facts| Session {
        access: Some("a.b.c".into()),
        refresh: Some("d.e.f".into()),
        created_at_ms: 0,
        expires_at_ms: 0,
        facts,
        extra: Vec::new(),
    };
    let answer = |login, facts| Bluesky::render_session(&account(), login, &session(facts), &Request::get("/"));
    let opened = answer(Login::Open, Some(facts.clone()));
    let body: Value = serde_json::from_slice(&opened.body).unwrap();
    assert_eq!(
        body,
        json!({ "did": DID, "handle": "acme.test", "active": true, "accessJwt": "a.b.c", "refreshJwt": "d.e.f" })
    );
    let ended = answer(Login::End, None);
    assert_eq!((ended.status, ended.body.len()), (200, 0));
    assert_eq!(answer(Login::Open, None).status, 502, "nobody knows yet who it is");
}

#[test]
fn a_request_that_a_draft_could_say_says_so() {
    let draft = |record: Value| {
        let classified = classified(&write(&post(&record)));
        (classified.language, classified.options)
    };
    let said =
        |language: Option<&str>, options: Option<&str>| (language.map(str::to_owned), options.map(str::to_owned));
    assert_eq!(draft(json!({})), said(None, Some("{}")));
    assert_eq!(draft(json!({ "langs": ["cs"] })), said(Some("cs"), Some("{}")));
    assert_eq!(draft(json!({ "langs": ["cs", "en"] })), said(None, None), "a draft has one language");
}
