//! Bad input: each gets a clear problem and the right leaf, nothing goes to the network, and the gateway lives on.

use jiff::SignedDuration;
use pressgate::clock::Clock;
use serde_json::{Value, json};
use tests::harness::caller::JSON;
use tests::harness::leaves::refusals;
use tests::harness::{Caller, Gate, Running, gate, network, problem, slug, story};
use tests::http::Answer;

use crate::samples::{PNG, STATUSES, post, reasons};

/// What a body gets: a name, the body, the problem, the stage, a pointer or code that must be among the errors.
type Case = (&'static str, Vec<u8>, &'static str, &'static str, &'static str);

fn valid() -> Value {
    post("acme-mastodon", "x")
}

/// The valid post with something else at one place.
fn with(pointer: &str, value: Value) -> Vec<u8> {
    let mut body = valid();
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
    body.pointer_mut(parent).expect("a place")[name] = value;
    body.to_string().into_bytes()
}

fn cases() -> Vec<Case> {
    [fields(), counts(), times(), texts_beside(), syntax(), things(), addressed()].concat()
}

/// Fields and their types.
fn fields() -> Vec<Case> {
    vec![
        ("unknown field", with("/colour", json!("red")), "invalid-request", "door", ""),
        ("unknown field, nested", with("/content/colour", json!("red")), "invalid-request", "door", "/content/colour"),
        ("wrong type of accounts", with("/accounts", json!("acme-mastodon")), "invalid-request", "door", "/accounts"),
        ("wrong type of an account", with("/accounts", json!([7])), "invalid-request", "door", "/accounts/0"),
        ("wrong type of a text", with("/content/text", json!({"en": "x"})), "invalid-request", "door", "/content/text"),
        ("wrong type of dry_run", with("/dry_run", json!("yes")), "invalid-request", "door", "/dry_run"),
    ]
}

/// What fits the types and not the rules.
fn counts() -> Vec<Case> {
    let text = |body: &str| body.as_bytes().to_vec();
    vec![
        ("no account", with("/accounts", json!([])), "invalid-request", "door", "/accounts"),
        (
            "an account twice",
            with("/accounts", json!(["acme-mastodon", "acme-mastodon"])),
            "invalid-request",
            "door",
            "/accounts/1",
        ),
        (
            "51 accounts",
            with("/accounts", json!((0..51).map(|n| format!("a{n}")).collect::<Vec<_>>())),
            "invalid-request",
            "door",
            "/accounts",
        ),
        (
            "51 entries",
            with("/content/thread", json!(vec![json!({"text": "x"}); 50])),
            "invalid-request",
            "door",
            "/content/thread",
        ),
        (
            "a text of a variant that is too long",
            with("/variants", json!({"mastodon": {"thread": [{"text": "x".repeat(140_000)}]}})),
            "invalid-request",
            "door",
            "/variants/mastodon/thread/0/text",
        ),
        (
            "too many media of an entry",
            with("/content/media", json!(vec![json!({"id": "m"}); 51])),
            "invalid-request",
            "door",
            "/content/media",
        ),
        ("content missing", text(r#"{"accounts": ["acme-mastodon"]}"#), "invalid-request", "door", ""),
        (
            "reply elsewhere",
            with("/reply_to", json!({"account": "other", "ref": "1"})),
            "invalid-request",
            "door",
            "/reply_to/account",
        ),
        (
            "empty reference",
            with("/reply_to", json!({"account": "acme-mastodon", "ref": ""})),
            "invalid-request",
            "door",
            "/reply_to/ref",
        ),
    ]
}

/// Times at which nothing can leave.
fn times() -> Vec<Case> {
    vec![
        (
            "an hour that the clocks skip",
            with("/schedule", json!({"local": "2027-03-28T02:30", "zone": "Europe/Prague"})),
            "time-invalid",
            "door",
            "/schedule/local",
        ),
        (
            "a time that is over",
            with("/schedule", json!({"at": "2021-03-01T09:00:00Z"})),
            "time-invalid",
            "door",
            "/schedule/at",
        ),
        (
            "no such zone",
            with("/schedule", json!({"local": "2027-03-28T12:30", "zone": "Europe/Praha"})),
            "time-invalid",
            "door",
            "/schedule/zone",
        ),
        (
            "a recurrence that never ends",
            with("/schedule", json!({"local": "2027-03-28T12:30", "zone": "Europe/Prague", "rule": "FREQ=DAILY"})),
            "time-invalid",
            "door",
            "/schedule/rule",
        ),
        (
            "a queue that nobody made",
            with("/schedule", json!({"queue": true})),
            "time-invalid",
            "door",
            "/schedule/queue",
        ),
    ]
}

/// Texts beside the content that no reader could want.
fn texts_beside() -> Vec<Case> {
    vec![
        (
            "a campaign that is a book",
            with("/campaign", json!("c".repeat(201))),
            "invalid-request",
            "door",
            "/campaign",
        ),
        ("a label of two lines", with("/labels", json!(["a\nb"])), "invalid-request", "door", "/labels/0"),
        (
            "for somebody without end",
            with("/on_behalf_of", json!("p".repeat(70_000))),
            "invalid-request",
            "door",
            "/on_behalf_of",
        ),
    ]
}

/// What is no post, or no JSON.
fn syntax() -> Vec<Case> {
    let text = |body: &str| body.as_bytes().to_vec();
    vec![
        ("an array", text("[]"), "invalid-request", "door", "schema"),
        (
            "a list of the fields",
            text(r#"[["acme-mastodon"], {"text": "x"}, {}, {}, null, [], null, null, null, false]"#),
            "invalid-request",
            "door",
            "schema",
        ),
        ("a list for the content", with("/content", json!(["x", null, [], []])), "invalid-request", "door", "/content"),
        ("null", text("null"), "invalid-request", "door", ""),
        ("a number", text("7"), "invalid-request", "door", ""),
        ("empty", text(""), "malformed-request", "door", ""),
        ("two values", text("{} {}"), "malformed-request", "door", ""),
        (
            "the same key twice",
            text(r#"{"accounts": ["acme-mastodon"], "accounts": ["acme-mastodon"], "content": {"text": "x"}}"#),
            "malformed-request",
            "door",
            "",
        ),
        (
            "the same key twice, nested",
            text(r#"{"accounts": ["acme-mastodon"], "content": {"text": "x", "text": "y"}}"#),
            "malformed-request",
            "door",
            "",
        ),
        (
            "the same key twice, escaped",
            text("{\"accounts\": [\"acme-mastodon\"], \"content\": {\"text\": \"x\", \"te\\u0078t\": \"y\"}}"),
            "malformed-request",
            "door",
            "",
        ),
        (
            "not UTF-8",
            [br#"{"accounts": ["acme-mastodon"], "content": {"text": ""#.as_slice(), b"\xff\"}}"].concat(),
            "malformed-request",
            "door",
            "",
        ),
        (
            "half a surrogate",
            text("{\"accounts\": [\"acme-mastodon\"], \"content\": {\"text\": \"\\ud800\"}}"),
            "malformed-request",
            "door",
            "",
        ),
        ("nested too deep", [vec![b'['; 100_000], vec![b']'; 100_000]].concat(), "malformed-request", "door", ""),
        ("10 MB", with("/content/text", json!("x".repeat(10_000_000))), "too-large", "door", ""),
    ]
}

/// Names of what is not there, and content that fits no network.
fn things() -> Vec<Case> {
    vec![
        ("unknown account", with("/accounts", json!(["nobody"])), "unknown-account", "classify", "unknown-account"),
        (
            "one unknown of two",
            with("/accounts", json!(["acme-mastodon", "no"])),
            "unknown-account",
            "classify",
            "/accounts/1",
        ),
        (
            "missing medium",
            with("/content/media", json!([{"id": "media_0"}])),
            "media-unknown",
            "classify",
            "/content/media/0",
        ),
        (
            "missing medium of a variant",
            with("/variants", json!({"mastodon": {"media": [{"id": "media_0"}]}})),
            "media-unknown",
            "classify",
            "/variants/mastodon/media/0",
        ),
        ("no text, no media", with("/content/text", json!("")), "content-invalid", "review", "empty"),
        (
            "a reply to what can be no id",
            with("/reply_to", json!({"account": "acme-mastodon", "ref": "../1"})),
            "content-invalid",
            "review",
            "target-invalid",
        ),
        ("for somebody unknown", with("/on_behalf_of", json!("nobody")), "no-grant", "authorise", "no-grant"),
    ]
}

/// Options and variants for what is not in the call.
fn addressed() -> Vec<Case> {
    vec![
        (
            "an unknown option",
            with("/options", json!({"mastodon": {"colour": "red"}})),
            "invalid-request",
            "classify",
            "/options/mastodon/colour",
        ),
        (
            "an option's value",
            with("/options", json!({"mastodon": {"visibility": "secret"}})),
            "invalid-request",
            "classify",
            "/options/mastodon/visibility",
        ),
        (
            "options for a network of no account",
            with("/options", json!({"mastodno": {"visibility": "direct"}})),
            "invalid-request",
            "classify",
            "/options/mastodno",
        ),
        (
            "options for a network that exists and that no account is on",
            with("/options", json!({"bluesky": {}})),
            "invalid-request",
            "classify",
            "/options/bluesky",
        ),
        (
            "options by account",
            with("/options", json!({"acme-mastodon": {"visibility": "direct"}})),
            "invalid-request",
            "classify",
            "/options/acme-mastodon",
        ),
        (
            "a variant for nobody",
            with("/variants", json!({"snack2": {"text": "y"}})),
            "invalid-request",
            "classify",
            "/variants/snack2",
        ),
        (
            "a variant for a name with a slash",
            with("/variants", json!({"acme/x~": {"text": "y"}})),
            "invalid-request",
            "classify",
            "/variants/acme~1x~0",
        ),
    ]
}

#[tokio::test]
async fn every_bad_body_gets_its_problem_and_its_leaf() {
    let net = network().await;
    let gate = Gate::new().account("acme-mastodon", &net).start().await;
    for (name, body, expected, stage, place) in cases() {
        let before = gate.leaves().len();
        let answer = gate.send("POST", "/v1/posts", &[JSON, ("prefer", "wait=10")], body).await;
        let told = problem(&answer, expected);
        assert_eq!(told["stage"], stage, "{name}: {told}");
        let errors = told["errors"].as_array().cloned().unwrap_or_default();
        let named = errors.iter().any(|error| error["pointer"] == place || error["code"] == place);
        assert!(place.is_empty() || named, "{name}: `{place}` is not named in {told}");
        let leaves = gate.leaves().split_off(before);
        let refused = refusals(&leaves);
        assert!(!refused.is_empty() && refused.len() == leaves.len(), "{name}: {:?}", story(&leaves));
        for leaf in &refused {
            assert_eq!((leaf.problem.as_str(), leaf.stage.as_str()), (expected, stage), "{name}");
            assert_eq!((leaf.app.as_deref(), leaf.key.is_some()), (Some("newsroom"), true), "{name}");
        }
    }
    nothing_was_sent(&gate, &net).await;
}

#[tokio::test]
async fn what_is_addressed_to_nobody_or_fits_no_schema_is_told_at_once_with_what_would_be_right() {
    let net = network().await;
    let gate = Gate::new().account("acme-mastodon", &net).account("acme-other", &net).start().await;
    let mut body = valid();
    body["options"] = json!({"mastodno": {"visibility": "direct"}, "acme-mastodon": {}, "mastodon": {"visiblity": "direct", "sensitive": 1}});
    body["variants"] = json!({"acme-other": {"text": "y"}, "mastodon": {"text": "z"}});
    let told = problem(&gate.publish(&body).await, "invalid-request");
    let errors = told["errors"].as_array().expect("errors");
    let at = |pointer: &str| {
        let found: Vec<_> = errors.iter().filter(|error| error["pointer"] == pointer).collect();
        assert_eq!(found.len(), 1, "{pointer}: {told}");
        found[0]["message"].as_str().expect("a sentence").to_owned()
    };
    assert!(at("/options/mastodno").contains("Its networks are `mastodon`"), "{told}");
    assert!(at("/options/acme-mastodon").contains("write `mastodon`"), "{told}");
    assert!(at("/options/mastodon/visiblity").contains("there is no option `visiblity`"), "{told}");
    assert!(at("/options/mastodon/visiblity").contains("`visibility`"), "{told}");
    assert!(at("/options/mastodon/sensitive").contains("boolean"), "{told}");
    let variant = at("/variants/acme-other");
    assert!(variant.contains("Its accounts are `acme-mastodon`, its networks `mastodon`"), "{variant}");
    assert_eq!(errors.len(), 5, "{told}");
    nothing_was_sent(&gate, &net).await;
}

#[tokio::test]
async fn many_faults_make_no_long_answer() {
    let net = network().await;
    let gate = Gate::new().account("acme-mastodon", &net).start().await;
    let media = vec![json!({"id": "m"}); 51];
    for (pointer, value) in [
        ("/accounts", json!(vec!["acme-mastodon"; 5000])),
        ("/accounts", json!(vec!["acme-mastodon"; 50])),
        ("/content/thread", json!(vec![json!({"text": "x", "media": media}); 49])),
    ] {
        let answer = gate.send("POST", "/v1/posts", &[JSON], with(pointer, value)).await;
        let told = problem(&answer, "invalid-request");
        assert!(told["detail"].as_str().is_some_and(|detail| detail.len() < 400), "{told}");
        assert!(told["errors"].as_array().is_some_and(|errors| (1..=50).contains(&errors.len())), "{told}");
    }
    nothing_was_sent(&gate, &net).await;
}

#[tokio::test]
async fn json_cut_at_any_byte_is_malformed() {
    let net = network().await;
    let gate = Gate::new().account("acme-mastodon", &net).start().await;
    let sample = json!({"accounts": ["acme-mastodon"], "content": {"text": "Žluť \u{1f600} \"quoted\"", "language": "cs",
        "media": [{"id": "m", "alt": null}], "thread": [{"text": "two"}]}, "labels": ["a", "b"], "dry_run": false});
    let sample = sample.to_string().into_bytes();
    for cut in 0..sample.len() {
        let answer = gate.send("POST", "/v1/posts", &[JSON], sample[..cut].to_vec()).await;
        assert_eq!(slug(&answer), "malformed-request", "cut at {cut}");
        assert_eq!(answer.status, 400);
    }
    assert_eq!(refusals(&gate.leaves()).len(), sample.len(), "a leaf for each");
    nothing_was_sent(&gate, &net).await;
}

#[tokio::test]
async fn a_byte_changed_anywhere_never_breaks_the_gateway() {
    let net = network().await;
    let gate = Gate::new().account("acme-mastodon", &net).start().await;
    // A rehearsal, so that what is still valid sends nothing.
    let sample = json!({"accounts": ["acme-mastodon"], "content": {"text": "x", "thread": [{"text": "y"}]}, "options": {"mastodon": {"visibility": "public"}}});
    let sample = sample.to_string().into_bytes();
    for at in 0..sample.len() {
        for byte in [0x00, 0x80, 0xff, b'"', b'{'] {
            let mut body = sample.clone();
            body[at] = byte;
            let answer = gate.send("POST", "/v1/validate", &[JSON], body).await;
            assert!(answer.status == 200 || (400..500).contains(&answer.status), "{at} {byte}: {}", answer.text());
        }
    }
    nothing_was_sent(&gate, &net).await;
}

#[tokio::test]
async fn keys_that_open_nothing_are_counted_and_not_logged_one_by_one() {
    let net = network().await;
    let clock = gate::clock();
    let gate = Gate::new().account("acme-mastodon", &net).clock(&clock).start().await;
    let soon = clock.now().checked_add(SignedDuration::from_secs(60)).expect("a time");
    let (expiring, _) = gate.fresh_key("newsroom", Some(soon)).await;
    let (revoked, revoked_id) = gate.fresh_key("newsroom", None).await;
    for key in [&expiring, &revoked] {
        gate.caller_with(key).get("/v1/me").await.expect(200);
    }
    clock.advance(SignedDuration::from_secs(61));
    let gateway = gate.gateway();
    let ended = gateway.keys.revoke(gateway.records.as_ref(), &revoked_id, soon).await;
    assert!(ended.expect("kept"));

    let good = gate.site.key("app:newsroom").to_owned();
    let other = if good.ends_with('x') { 'y' } else { 'x' };
    let mistyped = format!("{}{other}", &good[..good.len() - 1]);
    let bad = [expiring.as_str(), &revoked, &mistyped, "pgk_", "", "nonsense", "pgk_AAAAAAAAAAAA_BBBB_CCCCCC"];
    for key in bad {
        let answer = gate.caller_with(key).publish(&valid()).await;
        problem(&answer, "unauthenticated");
        assert_eq!(answer.status, 401, "{key}");
        assert!(answer.header("www-authenticate").is_some_and(|value| value.starts_with("Bearer")), "{key}");
    }
    let none = tests::http::post(&format!("{}/v1/posts", gate.url), "", &valid()).await;
    problem(&none, "unauthenticated");
    let basic = tests::http::call("GET", &format!("{}/v1/me", gate.url), &[("authorization", "Basic eDp5")], "").await;
    problem(&basic, "unauthenticated");
    assert!(refusals(&gate.leaves()).is_empty(), "strangers write no leaf of their own");
    clock.advance(SignedDuration::from_secs(2));
    let counted = || async {
        let told = story(&gate.leaves());
        told.into_iter().find(|line| line.starts_with("unauthenticated"))
    };
    let line = tests::harness::until("the strangers are summed", counted).await;
    assert_eq!(line, format!("unauthenticated {}", bad.len() + 2));
    nothing_was_sent(&gate, &net).await;
}

#[tokio::test]
async fn a_grant_for_a_sister_brand_opens_nothing() {
    let net = network().await;
    let gate = Gate::new()
        .account("acme-mastodon", &net)
        .account_of("acme/drinks", "drinks-mastodon", &net)
        .without_grants()
        .grant("careers-drinks", "app:careers", "brand:acme/drinks", &["post.create", "post.read"])
        .start()
        .await;
    let careers = gate.caller("app:careers");
    let told = problem(&careers.publish(&valid()).await, "no-grant");
    assert_eq!((told["status"].as_u64(), reasons(&told)), (Some(403), vec!["no-grant".to_owned()]));
    let both = json!({"accounts": ["drinks-mastodon", "acme-mastodon"], "content": {"text": "x"}});
    problem(&careers.publish(&both).await, "no-grant");
    assert_eq!(net.count("POST", STATUSES).await, 0, "not even to the one that it may use");
    let lines: Vec<_> = story(&gate.leaves()).into_iter().filter(|line| line.starts_with("refused")).collect();
    assert_eq!(lines, ["refused authorise no-grant acme-mastodon"; 2]);
    careers.publish(&post("drinks-mastodon", "mine")).await.expect(201);
}

#[tokio::test]
async fn media_are_of_their_own_type_and_size_and_owner() {
    let net = network().await;
    let gate = Gate::new()
        .account("acme-mastodon", &net)
        .setting("limits.media_bytes_max", "2048")
        .grant("careers-too", "app:careers", "brand:acme", &["post.create", "post.read", "media.upload"])
        .start()
        .await;
    let put = |caller: Caller, kind: &'static str, bytes: Vec<u8>| async move {
        caller.send("POST", "/v1/media", &[("content-type", kind)], bytes).await
    };
    let newsroom = || gate.caller("app:newsroom");
    // What it is called does not matter; what it is does.
    problem(&put(newsroom(), "image/png", b"<html>hello</html>".to_vec()).await, "unsupported-media-type");
    problem(&put(newsroom(), "image/png", Vec::new()).await, "unsupported-media-type");
    problem(&put(newsroom(), "image/png", [PNG, &[0; 4096]].concat()).await, "too-large");
    problem(&put(gate.caller("app:agency"), "image/png", PNG.to_vec()).await, "no-grant");
    let stored = put(newsroom(), "text/html", PNG.to_vec()).await.expect(201);
    assert_eq!(stored["media_type"], "image/png");
    let body = json!({"accounts": ["acme-mastodon"], "content": {"text": "x", "media": [{"id": stored["id"]}]}});
    problem(&gate.caller("app:careers").publish(&body).await, "media-unknown");
    // The network takes pictures and no Ogg sound; nothing is uploaded to find that out.
    let sound = put(newsroom(), "audio/ogg", b"OggS\0\x02".to_vec()).await.expect(201);
    let body = json!({"accounts": ["acme-mastodon"], "content": {"text": "x", "media": [{"id": sound["id"]}, {"id": stored["id"]}]}});
    problem(&gate.publish(&body).await, "content-invalid");
    nothing_was_sent(&gate, &net).await;
    let lines: Vec<_> = story(&gate.leaves()).into_iter().filter(|line| line.starts_with("refused")).collect();
    assert_eq!(lines.len(), 6, "{lines:?}");
}

#[tokio::test]
async fn paths_methods_and_content_types() {
    let net = network().await;
    let gate = Gate::new().account("acme-mastodon", &net).start().await;
    for path in ["/", "/v1", "/v1/post", "/v2/posts", "/v1/posts/x/y/z", "/v1/posts/../posts/x/y", "/%2e%2e/etc/passwd"]
    {
        problem(&gate.get(path).await, "not-found");
    }
    for (method, path) in [
        ("PUT", "/v1/posts"),
        ("DELETE", "/v1/posts"),
        ("GET", "/v1/media"),
        ("POST", "/v1/me"),
        ("PUT", "/v1/posts/x"),
    ] {
        let answer = gate.send(method, path, &[], "").await;
        problem(&answer, "method-not-allowed");
        assert!(answer.header("allow").is_some(), "{method} {path}: the methods that there are");
    }
    for kind in ["text/plain", "application/x-www-form-urlencoded", ""] {
        problem(
            &gate.send("POST", "/v1/posts", &[("content-type", kind)], valid().to_string()).await,
            "unsupported-media-type",
        );
    }
    gate.send("POST", "/v1/validate", &[("content-type", "Application/JSON; charset=utf-8")], valid().to_string())
        .await
        .expect(200);
    for key in ["", &"k".repeat(256)] {
        problem(&gate.publish_once(key, &valid()).await, "invalid-request");
    }
    for query in
        ["limit=0", "limit=201", "limit=x", "limit=-1", "limit=", "state=gone", "colour=red", "limit=1&limit=2"]
    {
        let told = problem(&gate.get(&format!("/v1/posts?{query}")).await, "invalid-request");
        let name = query.split('=').next().unwrap_or_default();
        assert!(told["detail"].as_str().is_some_and(|detail| detail.contains(name)), "{query}: {told}");
    }
    for cursor in ["garbage", "", "%00", "post_", "post_0123456789ABCDEF0123456789abcdef"] {
        let told = problem(&gate.get(&format!("/v1/posts?cursor={cursor}")).await, "invalid-request");
        assert_eq!(told["errors"][0]["code"], "parameter-cursor", "{cursor}");
    }
    for path in ["/v1/posts/post_unknown", "/v1/posts/%00", "/v1/posts/%ff"] {
        let answer = gate.get(path).await;
        assert!((400..500).contains(&answer.status) && !slug(&answer).is_empty(), "{path}");
    }
    nothing_was_sent(&gate, &net).await;
}

#[tokio::test]
async fn every_problem_type_has_a_page() {
    let net = network().await;
    let gate = Gate::new().account("acme-mastodon", &net).start().await;
    for known in pressgate::refusal::problem::ALL {
        let page: Answer = tests::http::get(&format!("{}/problems/{}", gate.url, known.slug), "").await;
        assert_eq!(page.status, 200, "{}", known.slug);
        assert!(page.header("content-type").is_some_and(|kind| kind.starts_with("text/html")));
        assert!(page.text().contains(known.slug), "{}", page.text());
    }
    assert_eq!(tests::http::get(&format!("{}/problems/none", gate.url), "").await.status, 404);
}

async fn nothing_was_sent(gate: &Running, net: &sample_network::Running) {
    let sent: Vec<_> = net.counts().await.into_keys().filter(|name| !name.starts_with("GET ")).collect();
    assert!(sent.is_empty(), "{sent:?}");
    assert!(!story(&gate.leaves()).iter().any(|line| line.starts_with("intent")));
    gate.assert_alive().await;
    gate.publish(&post("acme-mastodon", "all is well")).await.expect(201);
}
