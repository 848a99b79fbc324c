//! The operator listener: who may come in, and what becomes of bad requests.

use bytes::Bytes;
use pressgate::audit::{Event, leaf};
use serde_json::{Value, json};
use tests::harness::leaves::refusals;
use tests::harness::{Caller, Gate, GateProcess, network, problem};
use tests::http::{self, Answer};

use crate::samples::post;

/// Every route that wants an operator: method, path, a body that is taken.
const ROUTES: &[(&str, &str, &str)] = &[
    ("GET", "/operator/status", ""),
    ("GET", "/operator/diff", ""),
    ("POST", "/operator/apply", "{}"),
    ("GET", "/operator/keys", ""),
    ("POST", "/operator/keys", r#"{"app":"newsroom"}"#),
    ("DELETE", "/operator/keys/none", ""),
    ("GET", "/operator/training", ""),
    ("GET", "/operator/guidelines", ""),
    ("GET", "/operator/guidelines/acknowledgements", ""),
    (
        "POST",
        "/operator/training",
        r#"{"records":[{"person":"editor-7","course":"a","passed_at":"2020-01-01T00:00:00Z"}]}"#,
    ),
    ("GET", "/operator/notices", ""),
    ("GET", "/operator/connectors", ""),
    ("GET", "/operator/connectors/none/dead", ""),
    ("POST", "/operator/connectors/none/retries", "{}"),
    ("POST", "/operator/connectors/none/closings", r#"{"events":["evt_1"]}"#),
    ("GET", "/operator/webhooks", ""),
    ("GET", "/operator/webhooks/none/dead", ""),
    ("POST", "/operator/webhooks/none/replays", "{}"),
    ("PUT", "/operator/webhooks/none/secret", r#"{"secret":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}"#),
    ("POST", "/operator/webhooks/none/secret/rotations", "{}"),
    ("GET", "/operator/freezes", ""),
    ("POST", "/operator/freezes", r#"{"scope":"campaign:none","reason":"drill"}"#),
    ("POST", "/operator/freezes/none/lift", "{}"),
    ("POST", "/operator/erasures", r#"{"subject":"editor-7","basis":"gdpr-art-17"}"#),
    ("GET", "/operator/erasures/none", ""),
    ("POST", "/operator/erasures/none/confirmations", r#"{"subject":"editor-7","basis":"gdpr-art-17"}"#),
    ("GET", "/operator/access", ""),
    ("POST", "/operator/backups", r#"{"id":"backup_00000000000000000000000000000000"}"#),
    ("POST", "/operator/backups/none/seals", r#"{"digest":"none"}"#),
    ("GET", "/operator/credentials", ""),
    ("PUT", "/operator/credentials/acme-mastodon/app", r#"{"secrets":{"token":"x"}}"#),
    ("DELETE", "/operator/credentials/acme-mastodon/none", ""),
    ("POST", "/operator/credentials/acme-mastodon/token/connections", r#"{"redirect_uri":"x"}"#),
    ("GET", "/operator/connections/none", ""),
];

/// The operator listener's address.
fn address(gate: &GateProcess) -> String {
    let text = std::fs::read(gate.site.path("data/listening.json")).expect("a word where it listens");
    let told: Value = serde_json::from_slice(&text).expect("JSON");
    format!("http://{}", told["operator"].as_str().expect("an address"))
}

async fn send(
    gate: &GateProcess,
    authorization: Option<&str>,
    method: &str,
    path: &str,
    body: impl Into<Bytes>,
) -> Answer {
    let headers: Vec<(&str, &str)> = authorization.map(|value| ("authorization", value)).into_iter().collect();
    http::call(method, &format!("{}{path}", address(gate)), &headers, body).await
}

async fn as_operator(gate: &GateProcess, method: &str, path: &str, body: impl Into<Bytes>) -> Answer {
    let key = format!("Bearer {}", gate.site.key("person:ops-1"));
    send(gate, Some(&key), method, path, body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_operators_key_opens_any_route() {
    let net = network().await;
    let mut gate = Gate::new().account("acme-mastodon", &net).spawn().await;
    let bearer = |holder: &str| format!("Bearer {}", gate.site.key(holder));
    let holders = ["app:newsroom", "person:editor-7", "person:chief-1"].map(bearer);
    for (method, path, body) in ROUTES {
        let strangers = [None, Some("Bearer pgk_nonsense"), Some("Basic b3BzOm9wcw=="), Some("")];
        for stranger in strangers {
            problem(&send(&gate, stranger, method, path, *body).await, "unauthenticated");
        }
        for holder in &holders {
            problem(&send(&gate, Some(holder), method, path, *body).await, "no-grant");
        }
        let answer = as_operator(&gate, method, path, *body).await;
        assert!(!matches!(answer.status, 401 | 403 | 405) && answer.status < 500, "{method} {path}: {}", answer.text());
        assert_eq!(answer.header("cache-control").or((answer.status == 204).then_some("no-store")), Some("no-store"));
    }
    for path in ["/livez", "/healthz", "/readyz"] {
        assert_eq!(send(&gate, None, "GET", path, "").await.status, 200, "{path}");
    }
    problem(&as_operator(&gate, "GET", "/v1/me", "").await, "not-found");
    problem(&as_operator(&gate, "PATCH", "/operator/keys", "").await, "method-not-allowed");
    let on_the_public_door = Caller::new(&gate.url, gate.site.key("person:ops-1")).get("/operator/keys").await;
    problem(&on_the_public_door, "not-found");
    assert_eq!(gate.terminate().await, Some(0));
    let leaves = gate.leaves();
    let turned_away = refusals(&leaves);
    assert_eq!(turned_away.len(), ROUTES.len() * holders.len(), "a leaf for each key that was turned away");
    assert!(
        turned_away.iter().all(|leaf| leaf.problem == "no-grant" && leaf.stage == "authorise" && leaf.key.is_some())
    );
    let strangers: u64 = leaves
        .iter()
        .filter_map(|leaf| match &leaf.event {
            Event::Unauthenticated(leaf::Unauthenticated { count, .. }) => Some(*count),
            _ => None,
        })
        .sum();
    assert_eq!(strangers, ROUTES.len() as u64 * 4, "strangers are summed");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_loses_the_role_loses_the_listener() {
    let net = network().await;
    let gate = Gate::new().account("acme-mastodon", &net).spawn().await;
    // Somebody must stay an operator.
    let people = gate.governance.files()["people.toml"].replace("\"operator\"", "\"author\"");
    let people = people + "[[person]]\nid = \"ops-2\"\nroles = [\"operator\"]\n";
    let mut governance = gate.governance.clone();
    gate.site.write_governance(&governance.file("people.toml", &people).files());
    as_operator(&gate, "POST", "/operator/apply", "").await.expect(200);
    problem(&as_operator(&gate, "GET", "/operator/keys", "").await, "no-grant");
    gate.caller("person:ops-1").get("/v1/me").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_told_apart_and_change_nothing() {
    let net = network().await;
    let gate = Gate::new().account("acme-mastodon", &net).spawn().await;
    let before = gate.leaves().len();
    let keys = "/operator/keys";
    let credential = "/operator/credentials/acme-mastodon/token";
    let large = format!("{{\"app\":\"{}\"}}", "x".repeat(700 * 1024));
    let cases: Vec<(&str, &str, Bytes, &str)> = vec![
        ("POST", keys, "{".into(), "malformed-request"),
        ("POST", keys, "{} {}".into(), "malformed-request"),
        ("POST", keys, Bytes::from_static(b"{\"app\":\"\xff\"}"), "malformed-request"),
        ("POST", keys, "[]".into(), "invalid-request"),
        ("POST", keys, "{}".into(), "invalid-request"),
        ("POST", keys, r#"{"app":7}"#.into(), "invalid-request"),
        ("POST", keys, r#"{"app":"newsroom","app":"newsroom"}"#.into(), "invalid-request"),
        ("POST", keys, r#"{"app":"newsroom","person":"ops-1"}"#.into(), "invalid-request"),
        ("POST", keys, r#"{"app":"newsroom","more":1}"#.into(), "invalid-request"),
        ("POST", keys, r#"{"app":"newsroom","expires_at":"2020-01-01T00:00:00Z"}"#.into(), "invalid-request"),
        ("POST", keys, r#"{"app":"nobody"}"#.into(), "not-found"),
        ("POST", keys, large.into(), "too-large"),
        ("DELETE", "/operator/keys/%00%ff", "".into(), "not-found"),
        ("PUT", credential, r#"{"secrets":{}}"#.into(), "invalid-request"),
        ("PUT", credential, r#"{"secrets":{"token":"canary-1"},"x":"canary-2"}"#.into(), "invalid-request"),
        ("PUT", credential, r#"{"secrets":{"token":"canary-1","token":"canary-2"}}"#.into(), "invalid-request"),
        ("PUT", credential, r#"{"secrets":{"token":["canary-1"]}}"#.into(), "invalid-request"),
        ("PUT", credential, r#"{"secrets":{"other":"canary-1"}}"#.into(), "invalid-request"),
        ("PUT", "/operator/credentials/nobody/token", r#"{"secrets":{"token":"canary-1"}}"#.into(), "not-found"),
        ("POST", "/operator/apply", r#"{"expected_digest":"00"}"#.into(), "invalid-request"),
    ];
    for (method, path, body, expected) in cases {
        let shown: String = String::from_utf8_lossy(&body).chars().take(80).collect();
        let answer = as_operator(&gate, method, path, body).await;
        assert!(!answer.text().contains("canary"), "{shown}: {}", answer.text());
        let slug = tests::harness::slug(&answer);
        assert_eq!(slug, expected, "{method} {path} {shown}: {}", answer.text());
    }
    assert_eq!(gate.leaves().len(), before, "nothing was changed, so nothing is in the log");
    let log = std::fs::read_to_string(gate.log_file()).expect("a log");
    assert!(!log.contains("canary"));
    gate.publish(&post("acme-mastodon", "alive")).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_names_every_fault_and_applies_what_was_shown() {
    let net = network().await;
    let gate = Gate::new().account("acme-mastodon", &net).spawn().await;
    let status = as_operator(&gate, "GET", "/operator/status", "").await.expect(200);
    assert_eq!((&status["ready"], &status["unapplied"]), (&json!(true), &json!(false)));
    assert!(status["plugins"][0].as_str().is_some_and(|plugin| plugin.starts_with("mastodon ")), "{status}");

    let mut governance = gate.governance.clone();
    governance.file("apps.toml", "[[app]]\nid = \"newsroom\"\n").file("grants.toml", "[[grant]]\nid = \"g\"\n");
    gate.site.write_governance(&governance.files());
    let refused = as_operator(&gate, "POST", "/operator/apply", "").await;
    let messages = problem(&refused, "invalid-request")["errors"].clone();
    let messages: Vec<&str> =
        messages.as_array().into_iter().flatten().filter_map(|error| error["message"].as_str()).collect();
    for place in ["apps.toml:1: ", "grants.toml:1: "] {
        assert!(messages.iter().any(|message| message.starts_with(place)), "{place}: {messages:?}");
    }

    let mut governance = gate.governance.clone();
    gate.site.write_governance(&governance.revoke("newsroom-all").files());
    let diff = as_operator(&gate, "GET", "/operator/diff", "").await.expect(200);
    assert_eq!(diff["changes"][0]["kind"], "removed");
    assert_eq!(diff["applied"], status["governance"]);
    // The folder changes after it was shown.
    gate.site.write_governance(&governance.file("limits.toml", "[app.newsroom]\ncalls_per_minute = 6\n").files());
    let wish = json!({ "expected_digest": diff["folder"] }).to_string();
    problem(&as_operator(&gate, "POST", "/operator/apply", wish).await, "invalid-request");
    gate.publish(&post("acme-mastodon", "still allowed")).await.expect(201);
    let applied = as_operator(&gate, "POST", "/operator/apply", "").await.expect(200);
    let changed = |what: &str, id: &str| {
        let mut all = applied["changes"].as_array().into_iter().flatten();
        all.any(|change| change["what"] == what && change["id"] == id)
    };
    assert!(changed("grant", "newsroom-all") && changed("limit", "newsroom"), "{applied}");
    problem(&gate.publish(&post("acme-mastodon", "not any more")).await, "no-grant");
    let now = as_operator(&gate, "GET", "/operator/status", "").await.expect(200);
    assert_eq!(now["governance"], applied["digest"]);
}
