//! What one caller may use up: requests, the log, the disk; and who may upload.

use jiff::SignedDuration;
use serde_json::{Value, json};
use tests::harness::caller::JSON;
use tests::harness::leaves::refusals;
use tests::harness::{Caller, Gate, gate, network, problem, story, until};
use tests::http::Answer;

use crate::samples::{PNG, id, post};

/// Requests of a kind until they are all made; gives how many were refused for the limit, after a look at each such answer.
async fn limited(count: usize, request: impl AsyncFn(usize) -> Answer) -> usize {
    let mut limited = 0;
    for number in 0..count {
        let answer = request(number).await;
        if answer.status == 429 {
            problem(&answer, "rate-limited");
            let wait = answer.header("retry-after").and_then(|wait| wait.parse::<u64>().ok());
            assert!(wait.is_some_and(|wait| (1..=60).contains(&wait)), "{wait:?}");
            limited += 1;
        }
    }
    limited
}

async fn put(caller: &Caller) -> Answer {
    caller.send("POST", "/v1/media", &[("content-type", "image/png")], PNG).await
}

#[tokio::test]
async fn every_request_counts_and_a_refused_flood_is_one_leaf_a_second() {
    let net = network().await;
    let clock = gate::clock();
    let rules = |governance: &mut tests::harness::Governance| {
        let five = "calls_per_minute = 1\nburst = 5\n";
        governance.file("limits.toml", &format!("[app.newsroom]\n{five}[app.careers]\n{five}[app.agency]\n{five}"));
        governance.grant("agency-uploads", "app:agency", "brand:acme", &["post.create", "media.upload"]);
    };
    let gate = Gate::new().account("acme-mastodon", &net).govern(rules).clock(&clock).start().await;
    // Refused for want of a grant, for its form, and for an unknown field.
    let careers = gate.caller("app:careers");
    let bodies = [post("acme-mastodon", "x").to_string(), "{".to_owned(), "{\"colour\": 1}".to_owned()];
    let refused = async |number: usize| careers.send("POST", "/v1/posts", &[JSON], bodies[number % 3].clone()).await;
    assert_eq!(limited(40, refused).await, 35);
    assert_eq!(refusals(&gate.leaves()).len(), 5, "one for each that was looked at");
    clock.advance(SignedDuration::from_secs(2));
    let summed = || async {
        let leaves = refusals(&gate.leaves());
        leaves.into_iter().find(|leaf| leaf.count.is_some())
    };
    let leaf = until("the rest is summed", summed).await;
    assert_eq!((leaf.problem.as_str(), leaf.stage.as_str(), leaf.count), ("rate-limited", "admit", Some(35)));
    assert_eq!((leaf.app.as_deref(), leaf.key.is_some()), (Some("careers"), true));
    assert_eq!(refusals(&gate.leaves()).len(), 6);
    // Uploads count too, and reads have an allowance of their own, ten times as large.
    let agency = gate.caller("app:agency");
    assert_eq!(limited(20, async |_| put(&agency).await).await, 15);
    let reads = limited(80, async |_| agency.get("/v1/me").await).await;
    assert!((25..=30).contains(&reads), "{reads}: 50 at once, and one more each six seconds");
    // A post for one account is one request and one call, so the burst is what the documents say.
    assert_eq!(limited(8, async |_| gate.publish(&post("acme-mastodon", "x")).await).await, 3);
    assert_eq!(net.timeline().await.len(), 5);
}

#[tokio::test]
async fn a_post_for_three_accounts_is_three_calls() {
    let net = network().await;
    let rules = |governance: &mut tests::harness::Governance| {
        governance.file("limits.toml", "[app.newsroom]\ncalls_per_minute = 1\nburst = 5\n");
    };
    let plan = Gate::new().account("acme-a", &net).account("acme-b", &net).account("acme-c", &net);
    let gate = plan.govern(rules).start().await;
    let three = json!({"accounts": ["acme-a", "acme-b", "acme-c"], "content": {"text": "x"}});
    gate.publish(&three).await.expect(201);
    problem(&gate.publish(&three).await, "rate-limited");
    assert_eq!(net.timeline().await.len(), 3, "all or none");
}

#[tokio::test]
async fn media_that_no_post_uses_have_a_limit() {
    let net = network().await;
    let gate = Gate::new()
        .account("acme-mastodon", &net)
        .setting("limits.media_unused_bytes_max", "8192")
        .grant("careers-too", "app:careers", "brand:acme", &["post.create", "media.upload"])
        .start()
        .await;
    let newsroom = gate.caller("app:newsroom");
    let first = id(&put(&newsroom).await.expect(201));
    put(&newsroom).await.expect(201);
    let full = put(&newsroom).await;
    let told = problem(&full, "media-quota");
    assert_eq!((full.status, &told["stage"]), (507, &json!("admit")));
    assert!(told["detail"].as_str().is_some_and(|detail| detail.contains("8192")), "{told}");
    put(&gate.caller("app:careers")).await.expect(201);
    let files = || std::fs::read_dir(gate.data().join("media")).expect("the folder").count();
    assert_eq!(files(), 3, "what was refused left nothing behind");
    let body = json!({"accounts": ["acme-mastodon"], "content": {"text": "x", "media": [{"id": first}]}});
    gate.publish(&body).await.expect(201);
    put(&newsroom).await.expect(201);
}

#[tokio::test]
async fn who_uploads_needs_the_right_to() {
    let net = network().await;
    let mut gate = Gate::new()
        .account("acme-one", &net)
        .account_of("acme/drinks", "drinks-two", &net)
        .grant("careers-posts", "app:careers", "brand:acme", &["post.create"])
        .grant("agency-posts", "app:agency", "brand:acme", &["post.create"])
        .grant("agency-uploads", "app:agency", "account:acme-one", &["media.upload"])
        .start()
        .await;
    let agency = gate.caller("app:agency");
    let told = problem(&put(&gate.caller("app:careers")).await, "no-grant");
    assert!(told["detail"].as_str().is_some_and(|detail| detail.contains("media.upload")), "{told}");
    let medium = id(&put(&agency).await.expect(201));
    let shown = |account: &str| json!({"accounts": [account], "content": {"text": "x", "media": [{"id": medium}]}});
    let told = problem(&agency.publish(&shown("drinks-two")).await, "no-grant");
    assert!(told["detail"].as_str().is_some_and(|detail| detail.contains("media.upload")), "{told}");
    assert_eq!(told["errors"][0]["account"], "drinks-two");
    agency.publish(&shown("acme-one")).await.expect(201);
    agency.publish(&post("drinks-two", "without")).await.expect(201);

    let mut governance = gate.governance.clone();
    governance.deny("no-media", "everyone", "brand:acme", &["media.upload"]);
    gate.apply(governance).await;
    for holder in ["app:newsroom", "app:agency"] {
        let told = problem(&put(&gate.caller(holder)).await, "denied");
        assert!(told["detail"].as_str().is_some_and(|detail| detail.contains("no-media")), "{told}");
    }
    problem(&gate.caller("app:agency").publish(&shown("acme-one")).await, "denied");
    assert_eq!(net.timeline().await.len(), 2);
    let refused = story(&gate.leaves()).into_iter().filter(|line| line.starts_with("refused authorise")).count();
    assert_eq!(refused, 5);
    // What is out can still be taken back.
    let out = id(&gate.publish(&post("acme-one", "plain")).await.expect(201));
    gate.delete(&format!("/v1/posts/{out}")).await.expect(200);
}

/// The parameters of one item of a header that lists limits.
fn told(answer: &Answer, header: &str, name: &str) -> String {
    let value = answer.header(header).unwrap_or_default().to_owned();
    let item = value.split(", ").find_map(|item| item.strip_prefix(&format!("\"{name}\";")));
    item.unwrap_or_else(|| panic!("`{name}` is not in {header}: {value}")).to_owned()
}

#[tokio::test]
async fn answers_tell_of_the_limits_that_they_touched() {
    let net = network().await;
    let rules = |governance: &mut tests::harness::Governance| {
        let app =
            "[app.newsroom]\ncalls_per_minute = 6\nburst = 5\n[app.newsroom.reply]\ncalls_per_minute = 1\nburst = 1\n";
        let network = "[network.mastodon]\napi = { limit = 20, window_s = 300 }\n";
        governance.file("limits.toml", &format!("{app}{network}"));
    };
    let clock = gate::clock();
    let gate = Gate::new().account("acme-mastodon", &net).govern(rules).clock(&clock).start().await;
    let made = gate.publish(&post("acme-mastodon", "x")).await;
    assert_eq!(told(&made, "ratelimit-policy", "requests"), "q=5;w=50");
    assert_eq!(told(&made, "ratelimit", "requests"), "r=4");
    assert_eq!(told(&made, "ratelimit", "calls"), "r=4");
    assert_eq!(told(&made, "ratelimit-policy", "acme-mastodon.api"), "q=20;w=300");
    assert!(told(&made, "ratelimit", "acme-mastodon.api").starts_with("r=19;t="));
    let out = id(&made.expect(201));
    let seen = gate.get(&format!("/v1/posts/{out}")).await;
    assert_eq!(
        (told(&seen, "ratelimit-policy", "reads"), told(&seen, "ratelimit", "reads")),
        ("q=50;w=50".into(), "r=49".into())
    );
    // Replies have a rule of their own besides; what it refuses takes nothing of the whole.
    let reply = json!({"accounts": ["acme-mastodon"], "content": {"text": "y"}, "reply_to": {"account": "acme-mastodon", "ref": "1"}});
    gate.publish(&reply).await;
    let refused = gate.publish(&reply).await;
    problem(&refused, "rate-limited");
    assert_eq!(told(&refused, "ratelimit", "calls-reply"), "r=0;t=60");
    assert_eq!(told(&refused, "ratelimit", "calls"), "r=3");
}

#[tokio::test]
async fn a_networks_budget_is_reserved_given_back_and_waited_for() {
    let net = network().await;
    let rules = |governance: &mut tests::harness::Governance| {
        let budgets = "[network.mastodon]\napi = { limit = 4, window_s = 300, counts = \"rolling\" }\nmedia = { limit = 30, window_s = 300 }\n";
        governance.file("limits.toml", budgets);
    };
    let clock = gate::clock();
    let gate = Gate::new().account("acme-mastodon", &net).govern(rules).clock(&clock).start().await;
    // What is only rehearsed, and what is refused before anything left, uses up nothing.
    for _ in 0..5 {
        gate.post("/v1/validate", &post("acme-mastodon", "x")).await.expect(200);
    }
    let thread = |entries: usize| {
        let more: Vec<_> = (1..entries).map(|number| json!({"text": format!("part {number}")})).collect();
        json!({"accounts": ["acme-mastodon"], "content": {"text": "x", "thread": more}})
    };
    let never = gate.publish(&thread(5)).await;
    let fault = problem(&never, "content-invalid")["errors"][0].clone();
    assert_eq!((&fault["measured"], &fault["allowed"]), (&json!(5), &json!(4)));
    // Two entries; and the network counts the question for its limits, too.
    gate.publish(&thread(2)).await.expect(201);
    gate.publish(&post("acme-mastodon", "y")).await.expect(201);
    let busy = gate.post("/v1/posts", &post("acme-mastodon", "z")).await;
    let detail = problem(&busy, "account-busy")["detail"].as_str().unwrap_or_default().to_owned();
    assert!(detail.contains("acme-mastodon.api"), "{detail}");
    let wait: u64 = busy.header("retry-after").and_then(|wait| wait.parse().ok()).expect("a number");
    assert!((2..=310).contains(&wait), "{wait}: a window of ours or what is left of the network's");
    assert_eq!(net.timeline().await.len(), 3, "nothing left beyond the budget");
    // Who may wait gets its turn when the window moves on.
    let hopeless = gate.publish(&post("acme-mastodon", "z")).await;
    problem(&hopeless, "account-busy");
    clock.advance(SignedDuration::from_secs(i64::try_from(wait).expect("small") - 2));
    let again = post("acme-mastodon", "z");
    let patient = gate.publish(&again);
    let later = async {
        tokio::time::sleep(std::time::Duration::from_millis(400)).await;
        clock.advance(SignedDuration::from_secs(11));
    };
    let (patient, ()) = tokio::join!(patient, later);
    patient.expect(201);
}

/// A process that ends with its test, whatever comes of that.
struct Ends(std::process::Child);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[tokio::test]
async fn shared_limits_hold_for_two_gateways_and_each_has_its_share_without_them() {
    let dir = tempfile::tempdir().expect("a folder");
    let socket = dir.path().join("socket");
    let command = std::process::Command::new("redis-server")
        .args(["--port", "0", "--save", "", "--unixsocket"])
        .arg(&socket)
        .arg("--dir")
        .arg(dir.path())
        .stdout(std::process::Stdio::null())
        .spawn();
    let Ok(redis) = command else { return tests::skip::skipped("there is no redis-server") };
    let mut redis = Ends(redis);
    let listens = || async { socket.exists().then_some(()) };
    until("Redis listens", listens).await;
    let net = network().await;
    let rules = |governance: &mut tests::harness::Governance| {
        governance.file("limits.toml", "[app.newsroom]\ncalls_per_minute = 2\nburst = 6\n");
    };
    let url = format!("\"unix://{}\"", socket.display());
    let node = || {
        let plan = Gate::new().account("acme-mastodon", &net).govern(rules);
        plan.setting("limits.shared.url", &url).setting("limits.shared.nodes", "2")
    };
    let (one, two) = (node().start().await, node().start().await);
    let calls = async |gate: &tests::harness::Running| {
        limited(6, async |_| gate.publish(&post("acme-mastodon", "x")).await).await
    };
    assert_eq!(calls(&one).await, 0);
    assert_eq!(calls(&two).await, 6, "the other has used up what they share");
    redis.0.kill().expect("it runs");
    redis.0.wait().expect("it ends");
    assert!(calls(&one).await >= 5, "what was drawn before counts");
    let answer = one.get("/v1/me").await;
    assert_eq!(answer.status, 200, "reads have their share");
}

/// What answers carry of limits is in the document, and what the document promises is in answers.
#[tokio::test]
async fn the_document_names_the_headers_of_limits_that_answers_carry() {
    let net = network().await;
    let rules = |governance: &mut tests::harness::Governance| {
        governance.file("limits.toml", "[app.careers]\ncalls_per_minute = 1\nburst = 1\n");
        governance.grant("careers-too", "app:careers", "brand:acme", &["post.create"]);
        governance.auditor("all", "app:newsroom", &["audit:read"], None);
    };
    let gate = Gate::new().account("acme-mastodon", &net).govern(rules).start().await;
    let document: Value = tests::http::get(&format!("{}/v1/openapi.json", gate.url), "").await.expect(200);
    let careers = gate.caller("app:careers");
    let body = post("acme-mastodon", "x");
    let made = gate.publish(&body).await;
    let own = format!("/v1/posts/{}", id(&made.json()));
    let answers = [
        ("/v1/posts", "post", made),
        ("/v1/posts", "post", gate.publish(&json!({"accounts": 1})).await),
        ("/v1/posts", "post", careers.publish(&body).await),
        ("/v1/posts", "post", careers.publish(&body).await),
        ("/v1/posts", "get", gate.get("/v1/posts").await),
        ("/v1/posts/{id}", "get", gate.get(&own).await),
        ("/v1/posts/{id}", "get", gate.get("/v1/posts/post_none").await),
        ("/v1/posts/{id}", "delete", gate.delete(&own).await),
        ("/v1/posts/{id}/votes", "post", gate.vote("post_none", "approve").await),
        ("/v1/validate", "post", gate.post("/v1/validate", &body).await),
        ("/v1/media", "post", put(&gate).await),
        ("/v1/me", "get", gate.get("/v1/me").await),
        ("/v1/me", "get", gate.caller_with("pgk_nobody").get("/v1/me").await),
        ("/v1/accounts", "get", gate.get("/v1/accounts").await),
        ("/v1/audit", "get", gate.get("/v1/audit").await),
        ("/v1/audit/{index}", "get", gate.get("/v1/audit/0").await),
        ("/v1/audit/tree/{path}", "get", gate.get("/v1/audit/tree/checkpoint").await),
    ];
    let (mut good, mut come_back) = (0, 0);
    for (path, method, answer) in answers {
        let responses = &document["paths"][path][method]["responses"];
        let of = &responses[answer.status.to_string()];
        let of = if of.is_object() { of } else { &responses["default"] };
        for name in ["RateLimit-Policy", "RateLimit", "Retry-After"] {
            let carried = answer.header(&name.to_ascii_lowercase()).is_some();
            let named = of["headers"][name].is_object();
            assert!(named || !carried, "{method} {path} {}: the document lacks {name}", answer.status);
            if answer.status < 300 && name != "Retry-After" {
                assert!(carried && named, "{method} {path} {}: {name}", answer.status);
                good += 1;
            }
            come_back += usize::from(carried && name == "Retry-After");
        }
    }
    assert!(good >= 20 && come_back >= 1, "{good} {come_back}");
}
