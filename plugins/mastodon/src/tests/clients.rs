//! Clients of the network's own API: what only asks, and logins.

use super::*;

#[test]
fn what_only_asks_is_known_by_its_path() {
    for (path, action) in [
        ("/api/v1/instance/", "profile.read"),
        ("/api/v1/accounts/verify_credentials", "profile.read"),
        ("/api/v1/accounts/7/statuses?limit=2&exclude_replies=true", "timeline.read"),
        ("/api/v1/timelines/home?since_id=9", "timeline.read"),
        ("/api/v1/timelines/tag/snacks", "timeline.read"),
        ("/api/v1/notifications?types[]=mention", "inbox.read"),
        ("/api/v1/notifications/9", "inbox.read"),
        ("/api/v1/statuses/9/context", "post.read"),
        ("/api/v1/media/9", "post.read"),
    ] {
        let Classification::Act(act) = classify(&Request::get(path)) else { panic!("{path} is refused") };
        assert_eq!((act.action.as_str(), act.text.as_str(), act.target), (action, "", None), "{path}");
    }
    for path in [
        "/api/v1/conversations",
        "/api/v1/accounts/../statuses",
        "/api/v1/streaming/user",
        "/api/v1/timelines/direct",
        "/api/v1/statuses/9/source",
        "/api/v1/push/subscription",
        "/oauth/authorize",
        "/api/v1/timelines//home",
        "//evil.example/api/v1/timelines/home",
    ] {
        assert!(matches!(classify(&Request::get(path)), Classification::Refuse(_)), "{path}");
    }
}

#[test]
fn logins_are_the_gateways() {
    let form = |path: &str, body: &str| {
        let body = Body::Bytes(body.as_bytes().to_vec());
        Request { body, ..Request::post(path).header("content-type", "application/x-www-form-urlencoded") }
    };
    let asked = form("/oauth/token", "grant_type=password&username=me&scope=read+write");
    assert_eq!(classify(&asked), Classification::Login(Login::OpenLasting));
    assert_eq!(classify(&form("/oauth/revoke", "client_id=a")), Classification::Login(Login::End));
    for refused in [
        form("/api/v1/apps", "client_name=a"),
        form("/api/v1/push/subscription", "a=b"),
        form("/oauth/token/", "a=b"),
        Request::get("/oauth/token"),
        Request::get("/oauth/authorize?client_id=a"),
        form("/oauth/token?x=1", "a=b"),
    ] {
        assert!(matches!(classify(&refused), Classification::Refuse(_)), "{refused:?}");
    }
    let session = Session {
        access: Some("a.b.c".into()),
        refresh: None,
        created_at_ms: 1_700_000_000_123,
        expires_at_ms: 0,
        facts: None,
        extra: Vec::new(),
    };
    let answer = |login, request: &Request| {
        let answer = Mastodon::render_session(&account(), login, &session, request);
        serde_json::from_slice::<Value>(&answer.body).unwrap()
    };
    let opened = answer(Login::OpenLasting, &asked);
    assert_eq!(
        opened,
        json!({ "access_token": "a.b.c", "token_type": "Bearer", "scope": "read write", "created_at": 1_700_000_000 })
    );
    let json = Request::post("/oauth/token").json(r#"{"scope":"<script>"}"#);
    assert_eq!(answer(Login::OpenLasting, &json)["scope"], "read", "what is no scope is not repeated");
    assert_eq!(answer(Login::End, &asked), json!({}));
}
