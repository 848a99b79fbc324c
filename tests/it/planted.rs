//! The published API as a judge of the Mastodon adapter: each kind of request that it makes is fine, and with one field of it
//! wrong (its name, its type, a value that is none of the allowed) it is not.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;
use sample_network::{Config, Fault, Plan, Recorded, Silence};
use serde_json::{Map, Value, json};
use tests::harness::{Gate, gate, network_with};
use tests::http::multipart;
use tests::networks::sample::check_requests;
use tests::specs::form::{self, FormField};
use tests::specs::{OpenApi, assert_fine, specs};

use crate::samples::{PNG, STATUSES, id, post};

/// The requests that the adapter makes for the gateway. A new one needs its place in [`every_request`].
const KINDS: [&str; 7] = [
    "DELETE /api/v1/statuses/{id}",
    "GET /api/v1/accounts/verify_credentials",
    "GET /api/v1/accounts/{id}/statuses",
    "GET /api/v1/media/{id}",
    "GET /api/v2/instance",
    "POST /api/v1/statuses",
    "POST /api/v2/media",
];
/// What the adapter can write into a status.
const STATUS_FIELDS: [&str; 7] =
    ["in_reply_to_id", "language", "media_ids", "sensitive", "spoiler_text", "status", "visibility"];
/// Needs no token.
const OPEN: &str = "/api/v2/instance";

/// What the adapter sends for a post with everything that is taken back, an answer to it, and a post whose request was not
/// answered and is looked for when its key has run out.
async fn every_request() -> Vec<Recorded> {
    let net = network_with(Config { media_polls: 1, ..Default::default() }).await;
    let clock = gate::clock();
    let plan = Gate::new().account("acme-mastodon", &net).clock(&clock).setting("egress.timeout_ms", "1500");
    let gate = plan.start().await;
    let medium = gate.upload("image/png", PNG).await;
    let body = json!({"accounts": ["acme-mastodon"],
        "content": {"text": "Ahoj", "language": "cs", "media": [{"id": medium, "alt": "Bod"}], "thread": [{"text": "dál"}]},
        "options": {"mastodon": {"visibility": "unlisted", "content_warning": "pozor", "sensitive": true}}});
    let whole = gate.publish(&body).await.expect(201);
    let reply = json!({"accounts": ["acme-mastodon"], "content": {"text": "díky"},
        "reply_to": {"account": "acme-mastodon", "ref": whole["targets"][0]["platform_id"]}});
    gate.publish(&reply).await.expect(201);

    gate.delete(&format!("/v1/posts/{}", id(&whole))).await.expect(200);
    let fault = Fault::NoAnswer { stored: true, how: Silence::Close };
    net.set_fault(Plan::next(1, "POST", STATUSES, fault)).await;
    let lost = gate.post("/v1/posts", &post("acme-mastodon", "x")).await.expect(202);
    gate.until_state(&id(&lost), "unknown").await;
    let hours = 2 * 3600;
    clock.advance(SignedDuration::from_secs(hours));
    net.advance_clock(Duration::from_secs(hours.unsigned_abs())).await;
    gate.until_state(&id(&lost), "published").await;
    net.requests().await
}

/// Method and path, without what differs from one to the next: numbers after the name of the API.
fn kind(request: &Recorded) -> String {
    let template = |(at, segment): (usize, &str)| {
        let number = at > 3 && segment.starts_with(|first: char| first.is_ascii_digit());
        if number { "{id}".to_owned() } else { segment.to_owned() }
    };
    let path: Vec<String> = request.path.split('/').enumerate().map(template).collect();
    format!("{} {}", request.method, path.join("/"))
}

fn kinds(recorded: &[Recorded]) -> BTreeSet<String> {
    recorded.iter().map(kind).collect()
}

/// A request with one thing wrong in it, and what that is.
type Planted = (String, Recorded);

#[tokio::test]
async fn one_wrong_field_in_any_request_of_the_adapter_is_found() {
    let Some(specs) = specs() else { return };
    let api = specs.mastodon();
    let recorded = every_request().await;
    assert_eq!(kinds(&recorded), KINDS.map(str::to_owned).into());
    assert_fine("a request of the adapter", check_requests(&api, &recorded));
    let (mut wrong, mut unseen) = (BTreeSet::new(), Vec::new());
    for request in &recorded {
        for (what, planted) in planted(request) {
            let what = format!("{}: {what}", kind(request));
            if is_fine(&api, &planted) {
                unseen.push(format!("{what} in {}", String::from_utf8_lossy(&request.body)));
            }
            wrong.insert(what);
        }
    }
    assert!(unseen.is_empty(), "{} of {} were not found:\n{}", unseen.len(), wrong.len(), unseen.join("\n"));
    for kind in KINDS {
        let of_it = wrong.iter().filter(|what| what.starts_with(&format!("{kind}: "))).count();
        assert!(of_it >= 3, "{kind}: {of_it} in {wrong:#?}");
    }
    for name in STATUS_FIELDS {
        for how in ["is misspelt", "has another type"] {
            let what = format!("POST {STATUSES}: `{name}` {how}");
            assert!(wrong.contains(&what), "nobody tried: {what}");
        }
    }
    println!("{} wrong fields, each found", wrong.len());
}

fn is_fine(api: &OpenApi, request: &Recorded) -> bool {
    check_requests(api, std::slice::from_ref(request)).is_ok()
}

/// The request with each thing wrong in turn.
fn planted(request: &Recorded) -> Vec<Planted> {
    let mut all = Vec::new();
    let mut plant = |what: &str, change: &dyn Fn(&mut Recorded)| {
        let mut planted = request.clone();
        change(&mut planted);
        all.push((what.to_owned(), planted));
    };
    plant("another version of the API", &|wrong| wrong.path = wrong.path.replacen("/v", "/v9", 1));
    plant("another method", &|wrong| wrong.method = "PATCH".to_owned());
    plant("the path is misspelt", &|wrong| {
        let mut path: Vec<String> = wrong.path.split('/').map(str::to_owned).collect();
        path[3].push('x');
        wrong.path = path.join("/");
    });
    plant("a query parameter that there is not", &|wrong| wrong.query.push_str("&expand=true"));
    if request.path != OPEN {
        plant("no token", &|wrong| wrong.headers.retain(|(name, _)| name != "authorization"));
    }
    if request.header("idempotency-key").is_some() {
        plant("the key's header is misspelt", &|wrong| {
            for (name, _) in &mut wrong.headers {
                *name = name.replace("idempotency-key", "idempotence-key");
            }
        });
    }
    all.extend(queries(request));
    let content_type = request.header("content-type").unwrap_or("").to_owned();
    match serde_json::from_slice(&request.body) {
        Ok(Value::Object(body)) => all.extend(members(request, &body)),
        _ if content_type.starts_with("multipart/") => all.extend(parts(request, &content_type)),
        _ => assert!(request.body.is_empty(), "{content_type}"),
    }
    all
}

fn queries(request: &Recorded) -> Vec<Planted> {
    let mut all = Vec::new();
    for parameter in request.query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').expect("a name and a value");
        let mut plant = |what: &str, wrong: String| {
            let query = request.query.replacen(parameter, &wrong, 1);
            all.push((format!("`{name}` {what}"), Recorded { query, ..request.clone() }));
        };
        plant("is misspelt", format!("{name}s={value}"));
        // In an address everything is text; what is meant to be text can't have another type.
        if value == "true" || name == "limit" {
            plant("has another type", format!("{name}=many"));
        }
    }
    all
}

fn members(request: &Recorded, body: &Map<String, Value>) -> Vec<Planted> {
    let mut all = Vec::new();
    let mut plant = |what: String, body: Map<String, Value>| {
        let body = Value::Object(body).to_string().into();
        all.push((what, Recorded { body, ..request.clone() }));
    };
    for (name, value) in body {
        let mut renamed = body.clone();
        renamed.remove(name);
        renamed.insert(format!("{name}s"), value.clone());
        plant(format!("`{name}` is misspelt"), renamed);
        let others: &[Value] = match value {
            Value::String(_) => &[json!(7), json!(true), json!(["x"]), json!({"x": "y"})],
            Value::Bool(_) => &[json!("perhaps"), json!(1), json!(null)],
            Value::Array(_) => &[json!("7"), json!([7]), json!({"0": "7"})],
            _ => panic!("nobody thought of {value}"),
        };
        for other in others {
            let mut retyped = body.clone();
            retyped.insert(name.clone(), other.clone());
            plant(format!("`{name}` has another type"), retyped);
        }
        if name == "visibility" {
            let mut unknown = body.clone();
            unknown.insert(name.clone(), json!("everybody"));
            plant(format!("`{name}` is none of the allowed"), unknown);
        }
    }
    all
}

fn parts(request: &Recorded, content_type: &str) -> Vec<Planted> {
    let fields = form::multipart(content_type, &request.body).expect("a form");
    let mut all = Vec::new();
    let mut plant = |what: String, fields: &[FormField]| {
        let file = |field: &FormField| {
            let media_type = field.media_type.clone().unwrap_or_else(|| "text/plain".to_owned());
            field.file_name.clone().map(|name| (name, media_type))
        };
        let files: Vec<Option<(String, String)>> = fields.iter().map(file).collect();
        let parts: Vec<_> = fields
            .iter()
            .zip(&files)
            .map(|(field, file)| {
                let file = file.as_ref().map(|(name, media_type)| (name.as_str(), media_type.as_str()));
                (field.name.as_str(), file, field.value.as_slice())
            })
            .collect();
        let (content_type, body) = multipart(&parts);
        let mut planted = Recorded { body: body.into(), ..request.clone() };
        planted.headers.retain(|(name, _)| name != "content-type");
        planted.headers.push(("content-type".to_owned(), content_type));
        all.push((what, planted));
    };
    for (at, field) in fields.iter().enumerate() {
        let name = &field.name;
        let mut change = |what: &str, change: &dyn Fn(&mut FormField)| {
            let mut fields = fields.clone();
            change(&mut fields[at]);
            plant(format!("`{name}` {what}"), &fields);
        };
        change("is misspelt", &|field| field.name.push('s'));
        change("has another type", &|field| {
            field.file_name = if field.file_name.is_some() { None } else { Some("a.txt".to_owned()) };
        });
        plant(format!("`{name}` is there twice"), &[fields.clone(), vec![field.clone()]].concat());
    }
    assert!(fields.len() == 2, "a file and its description");
    all
}
