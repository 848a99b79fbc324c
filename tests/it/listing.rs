//! Reading: lists, pages, filters, and who sees what.

use serde_json::{Value, json};
use tests::harness::{Gate, network, problem};

use crate::samples::{id, post};

fn ids(page: &Value) -> Vec<String> {
    page["posts"].as_array().expect("posts").iter().map(id).collect()
}

#[tokio::test]
async fn pages_hold_every_post_once_newest_first() {
    let net = network().await;
    let gate = Gate::new().account("acme-mastodon", &net).start().await;
    let mut made = Vec::new();
    for number in 0..7 {
        made.push(id(&gate.publish(&post("acme-mastodon", &number.to_string())).await.expect(201)));
    }
    made.reverse();
    assert_eq!(ids(&gate.get("/v1/posts").await.expect(200)), made);
    let (mut seen, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = gate.get(&format!("/v1/posts?limit=3{cursor}")).await.expect(200);
        assert!(ids(&page).len() <= 3);
        seen.extend(ids(&page));
        pages += 1;
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!((seen, pages), (made, 3));
}

#[tokio::test]
async fn filters_are_by_account_state_and_campaign() {
    let net = network().await;
    let rule = json!({"forbidden": [{"phrase": "cheap", "outcome": "hold"}]});
    let gate = Gate::new().account("acme-one", &net).account("acme-two", &net).guidelines(&rule).start().await;
    let one = id(&gate.publish(&post("acme-one", "1")).await.expect(201));
    let held = id(&gate.publish(&post("acme-two", "cheap")).await.expect(202));
    let mut spring = post("acme-two", "3");
    spring["campaign"] = json!("spring");
    let spring = id(&gate.publish(&spring).await.expect(201));
    let both = json!({"accounts": ["acme-one", "acme-two"], "content": {"text": "4"}});
    let both = id(&gate.publish(&both).await.expect(201));
    for (query, expected) in [
        ("account=acme-one", vec![&both, &one]),
        ("account=acme-two", vec![&both, &spring, &held]),
        ("account=acme-two&state=published", vec![&both, &spring]),
        ("state=held", vec![&held]),
        ("campaign=spring", vec![&spring]),
        ("campaign=autumn", vec![]),
        ("account=nobody", vec![]),
    ] {
        let page = gate.get(&format!("/v1/posts?{query}")).await.expect(200);
        assert_eq!(ids(&page).iter().collect::<Vec<_>>(), expected, "{query}");
    }
}

#[tokio::test]
async fn nobody_sees_posts_of_accounts_that_are_not_theirs() {
    let net = network().await;
    let gate = Gate::new()
        .account("acme-mastodon", &net)
        .account_of("acme/drinks", "drinks-mastodon", &net)
        .grant("careers-drinks", "app:careers", "brand:acme/drinks", &["post.read"])
        .grant("editor-snacks", "person:editor-7", "account:acme-mastodon", &["post.read"])
        .start()
        .await;
    let snacks = id(&gate.publish(&post("acme-mastodon", "1")).await.expect(201));
    let both = json!({"accounts": ["acme-mastodon", "drinks-mastodon"], "content": {"text": "2"}});
    let both = id(&gate.publish(&both).await.expect(201));
    let careers = gate.caller("app:careers");
    let page = careers.get("/v1/posts").await.expect(200);
    assert_eq!(ids(&page), [both.as_str()]);
    let targets: Vec<_> =
        page["posts"][0]["targets"].as_array().expect("targets").iter().map(|t| t["account"].clone()).collect();
    assert_eq!(targets, ["drinks-mastodon"], "of a shared post only its own part");
    problem(&careers.get(&format!("/v1/posts/{snacks}")).await, "not-found");
    problem(&careers.delete(&format!("/v1/posts/{snacks}")).await, "not-found");
    assert_eq!(careers.get("/v1/posts?account=acme-mastodon").await.expect(200)["posts"], json!([]));
    assert_eq!(ids(&gate.caller("person:editor-7").get("/v1/posts").await.expect(200)), [both.as_str(), &snacks]);
    assert_eq!(gate.caller("app:agency").get("/v1/posts").await.expect(200)["posts"], json!([]));
    // Who may approve sees what there is to approve.
    assert_eq!(ids(&gate.caller("person:chief-drinks").get("/v1/posts").await.expect(200)), [both.as_str()]);
    assert_eq!(net.timeline().await.len(), 3);
}

#[tokio::test]
async fn a_caller_learns_who_it_is_and_what_its_accounts_can_do() {
    let net = network().await;
    let gate = Gate::new()
        .account("acme-mastodon", &net)
        .account_of("acme/drinks", "drinks-mastodon", &net)
        .grant("careers-drinks", "app:careers", "account:drinks-mastodon", &["post.create", "post.read"])
        .start()
        .await;
    let careers = gate.caller("app:careers");
    let me = careers.get("/v1/me").await.expect(200);
    assert_eq!((&me["principal"], me["grants"].as_array().map(Vec::len)), (&json!("app:careers"), Some(1)));
    let grant = &me["grants"][0];
    assert_eq!(
        (&grant["id"], &grant["account"], &grant["owner"]),
        (&json!("careers-drinks"), &json!("drinks-mastodon"), &json!("chief-1"))
    );
    assert!(!me.to_string().contains(gate.site.key("app:careers")), "the key itself is not repeated");
    let accounts = careers.get("/v1/accounts").await.expect(200);
    assert_eq!(accounts["accounts"].as_array().map(Vec::len), Some(1));
    let account = &accounts["accounts"][0];
    assert_eq!(
        (&account["id"], &account["network"], &account["health"]),
        (&json!("drinks-mastodon"), &json!("mastodon"), &json!("ready"))
    );
    assert_eq!(account["actions"], json!(["post.create", "post.read"]), "what it may do, of what the network can");
    assert!(account["option_schema"]["properties"]["visibility"].is_object(), "{account}");
    careers.publish(&post("drinks-mastodon", "x")).await.expect(201);
    let accounts = careers.get("/v1/accounts").await.expect(200);
    assert_eq!(accounts["accounts"][0]["limits"]["characters_max"], 500, "what the network said of itself");
    let approver = gate.caller("person:chief-drinks").get("/v1/me").await.expect(200);
    assert_eq!((&approver["approves"], &approver["grants"]), (&json!(["acme/drinks"]), &json!([])));
}

#[tokio::test]
async fn the_description_of_the_api_names_every_route_and_problem() {
    let net = network().await;
    let gate = Gate::new().account("acme-mastodon", &net).start().await;
    let document: Value = tests::http::get(&format!("{}/v1/openapi.json", gate.url), "").await.expect(200);
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
    let paths = document["paths"].as_object().expect("paths");
    for (path, methods) in [
        ("/v1/posts", vec!["get", "post"]),
        ("/v1/posts/{id}", vec!["get", "delete"]),
        ("/v1/posts/{id}/votes", vec!["post"]),
        ("/v1/validate", vec!["post"]),
        ("/v1/media", vec!["post"]),
        ("/v1/me", vec!["get"]),
        ("/v1/audit/reveals", vec!["post"]),
        ("/v1/audit/reveals/{id}", vec!["get"]),
        ("/v1/audit/reveals/{id}/confirmations", vec!["post"]),
        ("/v1/accounts", vec!["get"]),
    ] {
        let known = paths.get(path).unwrap_or_else(|| panic!("{path} is not described"));
        for method in methods {
            assert!(known[method]["operationId"].is_string(), "{method} {path}");
        }
    }
    let text = document.to_string();
    for known in pressgate::refusal::problem::ALL {
        assert!(text.contains(known.slug), "the problem {} is not described", known.slug);
    }
}
