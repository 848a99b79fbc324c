//! Every problem type that the document lists is provoked through HTTP, and no other is met.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use jiff::SignedDuration;
use pressgate::audit::{self, FaultyDisk};
use pressgate::model::PersonId;
use pressgate::operator::By;
use pressgate::operator::authority::{AuthorityRequest, init};
use pressgate::operator::releases::change::{ChangeRequest, Kind, change};
use pressgate::refusal::Refusal;
use rusqlite::{Connection, OpenFlags};
use sample_network::{Fault, Plan};
use serde_json::{Value, json};
use tests::harness::caller::JSON;
use tests::harness::{Gate, Running, TOKEN, gate, network, problem, until};
use tests::http::Answer;
use tests::networks::x::{KEYS, XNetwork};
use tests::specs::{OpenApi, assert_fine};
use tests::tunnel;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::samples::{PNG, STATUSES, id, post, texts};

/// Time within which the worker looks for what is due.
const LOOK: Duration = Duration::from_millis(700);

/// Calls that a plugin may work on at once where its manifest says nothing.
const PLACES: usize = 64;

/// Holds each problem against the document, and remembers its type.
struct Judge {
    api: OpenApi,
    /// By type.
    listed: BTreeMap<String, Value>,
    seen: Mutex<BTreeSet<String>>,
}

impl Judge {
    async fn new() -> Self {
        let gate = Gate::new().start().await;
        let document = tests::http::get(&format!("{}/v1/openapi.json", gate.url), "").await.expect(200);
        let listed = document["x-problem-types"].as_array().expect("a list").clone();
        let kind = |entry: &Value| entry["type"].as_str().expect("a type").to_owned();
        let listed = listed.into_iter().map(|entry| (kind(&entry), entry)).collect();
        let api = OpenApi::new(document.as_object().expect("an object").clone());
        Self { api, listed, seen: Mutex::default() }
    }

    /// The answer is this problem, as the document describes it.
    fn saw(&self, expected: &str, answer: &Answer) -> Value {
        let told = problem(answer, expected);
        let kind = format!("/problems/{expected}");
        let listed = self.listed.get(&kind).unwrap_or_else(|| panic!("{kind} is not listed"));
        for field in ["status", "title", "retry"] {
            assert_eq!(told[field], listed[field], "{expected}: {field}");
        }
        assert_fine(expected, self.api.check_value("Problem", &told));
        let wait = answer.header("retry-after").map(|wait| wait.parse::<u64>().expect("seconds"));
        let must_say = ["rate-limited", "account-busy", "plugin-busy"].contains(&expected);
        assert!(wait.is_some_and(|wait| wait > 0) || wait.is_none() && !must_say, "{expected}: {wait:?}");
        self.seen.lock().expect("no thread died").insert(kind);
        told
    }
}

#[tokio::test]
async fn every_problem_type_that_is_listed_is_met() {
    let judge = &Judge::new().await;
    tokio::join!(
        door(judge),
        tunnels(judge),
        slow_and_much(judge),
        rights(judge),
        content(judge),
        posts(judge),
        lives(judge),
        networks(judge),
        slow(judge),
        plugins(judge),
        log(judge),
        records(judge),
        tampered(judge),
        index(judge),
        issuers(judge),
    );
    stopping(judge).await;
    let seen = judge.seen.lock().expect("no thread died").clone();
    assert_eq!(seen, judge.listed.keys().cloned().collect());
}

/// The log, without a right on it and without an index.
async fn index(judge: &Judge) {
    let mut gate = Gate::new()
        .govern(|governance| {
            governance.auditor("soc", "app:agency", &["audit:read"], None);
        })
        .start()
        .await;
    let told = judge.saw("no-audit-right", &gate.caller("person:ops-1").get("/v1/audit").await);
    assert!(told["detail"].as_str().is_some_and(|detail| detail.contains("`audit:read`")), "{told}");
    gate.stop().await;
    let file = gate.data().join("audit-index.sqlite");
    std::fs::remove_file(&file).expect("an index");
    std::fs::create_dir(&file).expect("in its place");
    gate.restart().await;
    judge.saw("index-unavailable", &gate.caller("app:agency").get("/v1/audit").await);
    gate.caller("app:agency").get("/v1/audit/0").await.expect(200);
}

/// A token of an issuer that does not answer.
async fn issuers(judge: &Judge) {
    let token =
        "[app.token.x]\nissuer = \"http://127.0.0.1:1\"\nprivate_issuer = true\naudience = \"x\"\nsubject = \"x\"\n";
    let gate = Gate::new()
        .govern(|governance| {
            let apps = governance.files()["apps.toml"].clone();
            governance.file("apps.toml", &format!("{apps}\n{token}"));
        })
        .start()
        .await;
    // {"alg":"RS256","kid":"a"}, {"iss":"http://127.0.0.1:1"}
    let shown = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ.eyJpc3MiOiJodHRwOi8vMTI3LjAuMC4xOjEifQ.eA";
    judge.saw("issuer-unavailable", &gate.caller_with(shown).get("/v1/me").await);
}

/// What is no request of ours, or no valid one.
async fn door(judge: &Judge) {
    let net = network().await;
    let gate = Gate::new().account("acme-mastodon", &net).start().await;
    let send = |body: String| gate.send("POST", "/v1/posts", &[JSON], body);
    let valid = post("acme-mastodon", "x").to_string();
    judge.saw("malformed-request", &send(format!("{valid},")).await);
    judge.saw("invalid-request", &send(valid.replace("accounts", "account")).await);
    judge.saw("too-large", &send(format!("\"{}\"", "x".repeat(2 << 20))).await);
    let plain = gate.send("POST", "/v1/posts", &[("content-type", "text/plain")], valid.clone()).await;
    judge.saw("unsupported-media-type", &plain);
    judge.saw("method-not-allowed", &gate.send("PUT", "/v1/posts", &[JSON], valid).await);
    judge.saw("sign-in-unavailable", &gate.get("/.well-known/oauth-authorization-server").await);
    judge.saw("not-found", &gate.get("/v1/posts/post_unknown").await);
    let mut later = post("acme-mastodon", "x");
    later["schedule"] = json!({"local": "2027-03-28T02:30", "zone": "Europe/Prague"});
    judge.saw("time-invalid", &gate.publish(&later).await);
    judge.saw("unauthenticated", &gate.caller_with("pgk_nonsense").get("/v1/me").await);
    assert!(net.timeline().await.is_empty());
}

/// What the forward door refuses, in a CONNECT and in a tunnel.
async fn tunnels(judge: &Judge) {
    let net = network().await;
    let target = net.url.replace("http://127.0.0.1", "localhost");
    let secrets = vec![("token".to_owned(), TOKEN.to_owned())];
    let gate = Gate::new()
        .account_on("mastodon", "acme/snacks", "acme-mastodon", &format!("http://{target}"), "token", secrets)
        .forward()
        .start()
        .await;
    let (proxy, key) = (gate.proxy.as_deref().expect("a forward door"), gate.site.key("app:newsroom"));
    let refused = async |target: &str, key: &str| {
        let connect = tunnel::connect_head(target, "acme-mastodon", key);
        told(&tunnel::refusal(proxy, connect.as_bytes()).await.1)
    };
    judge.saw("proxy-unauthenticated", &refused(&target, "pgk_nobody").await);
    judge.saw("host-not-declared", &refused("bank.example:443", key).await);
    judge.saw("tunnel-unavailable", &refused(&target, key).await);
    let by = By::Person(PersonId::new("ops-1"));
    let ca = init(gate.gateway(), &by, AuthorityRequest::default()).await.expect("made").certificate;
    let trust = tunnel::Trust { ca: &ca, name: "localhost", speaks: "http/1.1" };
    let connect = tunnel::connect_head(&target, "acme-mastodon", key);
    let mut stream = tunnel::tunnel(proxy, &connect, trust).await.expect("TLS");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: bank.example\r\n\r\n").await.expect("written");
    judge.saw("misdirected-request", &told(&tunnel::rest(stream).await));
}

/// An answer from its bytes.
fn told(text: &str) -> Answer {
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status");
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Answer { status, headers, body: body.to_owned().into() }
}

/// A body that does not come, and media that nobody uses.
async fn slow_and_much(judge: &Judge) {
    let net = network().await;
    let gate = Gate::new()
        .account("acme-mastodon", &net)
        .setting("limits.body_timeout_ms", "200")
        .setting("limits.media_unused_bytes_max", "1024")
        .start()
        .await;
    let upload = async || gate.send("POST", "/v1/media", &[("content-type", "image/png")], PNG).await;
    upload().await.expect(201);
    judge.saw("media-quota", &upload().await);
    let mut stream = TcpStream::connect(gate.url.trim_start_matches("http://")).await.expect("connected");
    let key = gate.site.key("app:newsroom");
    let head = format!("POST /v1/posts HTTP/1.1\r\nhost: gate\r\nauthorization: Bearer {key}\r\n");
    let rest = "connection: close\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{";
    stream.write_all(format!("{head}{rest}").as_bytes()).await.expect("sent");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.expect("an answer, and the end");
    judge.saw("request-timeout", &read(&bytes));
    let mut stream = TcpStream::connect(gate.url.trim_start_matches("http://")).await.expect("connected");
    let long = format!("GET /v1/me HTTP/1.1\r\nhost: gate\r\nx: {}\r\n\r\n", "y".repeat(40_000));
    stream.write_all(long.as_bytes()).await.expect("sent");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.expect("an answer, and the end");
    judge.saw("head-too-large", &read(&bytes));
}

/// Who may do what, and how often.
async fn rights(judge: &Judge) {
    let net = network().await;
    let gate = Gate::new()
        .account("acme-mastodon", &net)
        .account("acme-poor", &net)
        .without_credential("acme-poor")
        .grant("careers-too", "app:careers", "brand:acme", &["post.create"])
        .grant("agency-too", "app:agency", "brand:acme", &["post.create"])
        .govern(|governance| {
            governance.deny("not-careers", "app:careers", "brand:acme/snacks", &[]);
            governance.file("limits.toml", "[app.agency]\ncalls_per_minute = 1\nburst = 1\n");
            governance.grant("trained", "person:editor-8", "brand:acme", &["post.create"]);
            governance.grant("reads", "person:chief-drinks", "brand:acme", &["post.create"]);
            let grants = governance.files()["grants.toml"].clone();
            let asks = "id = \"trained\"\ntraining = [\"social-basics\"]\n";
            let grants = grants.replace("id = \"trained\"\n", asks);
            let reads = "id = \"reads\"\nguidelines = [\"acme\"]\n";
            governance.file("grants.toml", &grants.replace("id = \"reads\"\n", reads));
            let text = "+++\ntitle = \"Tone\"\nbrand = \"acme\"\nlanguage = \"en\"\nversion = \"1\"\neffective = 2020-01-01\n+++\nKind.\n";
            governance.file("guidelines/acme.md", text);
        })
        .start()
        .await;
    let valid = post("acme-mastodon", "x");
    judge.saw("no-grant", &gate.caller("person:editor-7").publish(&valid).await);
    judge.saw("training-required", &gate.caller("person:editor-8").publish(&valid).await);
    judge.saw("guidelines-required", &gate.caller("person:chief-drinks").publish(&valid).await);
    judge.saw("denied", &gate.caller("app:careers").publish(&valid).await);
    let agency = gate.caller("app:agency");
    agency.publish(&valid).await.expect(201);
    judge.saw("rate-limited", &agency.publish(&valid).await);
    judge.saw("credential-missing", &gate.publish(&post("acme-poor", "x")).await);
    let freeze = json!({"scope": "brand:acme", "reason": "drill"});
    gate.caller("person:chief-1").post("/v1/freezes", &freeze).await.expect(201);
    judge.saw("frozen", &gate.publish(&valid).await);
    assert_eq!(texts(&net).await, ["x"], "the one call that was allowed");
}

/// What may not be said, there or at all.
async fn content(judge: &Judge) {
    let net = network().await;
    let rules = json!({"forbidden": [{"phrase": "miracle cure"}]});
    let gate = Gate::new().account("acme-mastodon", &net).guidelines(&rules).start().await;
    judge.saw("unknown-account", &gate.publish(&post("nobody", "x")).await);
    let long = judge.saw("content-invalid", &gate.publish(&post("acme-mastodon", &"x".repeat(501))).await);
    assert_eq!((&long["errors"][0]["measured"], &long["errors"][0]["allowed"]), (&json!(501), &json!(500)));
    let denied = judge.saw("policy-denied", &gate.publish(&post("acme-mastodon", "a miracle cure")).await);
    assert_eq!(denied["verdicts"][0]["outcome"], "deny");
    let mut shown = post("acme-mastodon", "x");
    shown["content"]["media"] = json!([{"id": "media_0"}]);
    judge.saw("media-unknown", &gate.publish(&shown).await);
    assert!(net.timeline().await.is_empty());
}

/// What only the native door says, and says in the network's own shape.
async fn native(judge: &Judge, gate: &Running) {
    let address = "/native/acme-mastodon/api/v1/statuses";
    let end = gate.gateway().clock.now() + SignedDuration::from_secs(2);
    let (key, _) = gate.fresh_key("newsroom", Some(end)).await;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let login = format!("grant_type=password&password={key}");
    let opened = gate.caller_with("").send("POST", "/native/acme-mastodon/oauth/token", &form, login).await.expect(200);
    let session = gate.caller_with(opened["access_token"].as_str().expect("a token"));
    let told = until("the session has expired", || async {
        let told = session.get("/native/acme-mastodon/api/v1/accounts/verify_credentials").await;
        (told.status == 401).then(|| told.expect(401))
    })
    .await;
    assert_eq!(told["error_description"], "session-expired");
    judge.seen.lock().expect("no thread died").insert("/problems/session-expired".to_owned());
    for (kind, body) in [("needs-approval", json!({"status": "cheap"})), ("not-classified", json!({"poll": {}}))] {
        let told = gate.post(address, &body).await.expect(403);
        assert_eq!(told["error_description"], kind);
        judge.seen.lock().expect("no thread died").insert(format!("/problems/{kind}"));
    }
}

/// What a post is too far for, or not far enough.
async fn posts(judge: &Judge) {
    let net = network().await;
    let rules = json!({"forbidden": [{"phrase": "cheap", "outcome": "hold"}]});
    let gate = Gate::new()
        .account("acme-mastodon", &net)
        .guidelines(&rules)
        .grant("chief-writes", "person:chief-1", "brand:acme", &["post.create"])
        .start()
        .await;
    native(judge, &gate).await;
    let chief = gate.caller("person:chief-1");
    let own = id(&chief.publish(&post("acme-mastodon", "cheap")).await.expect(202));
    judge.saw("own-post", &chief.vote(&own, "approve").await);
    gate.delete(&format!("/v1/posts/{own}")).await.expect(200);
    judge.saw("not-recallable", &gate.delete(&format!("/v1/posts/{own}")).await);
    revoked(judge, &gate).await;
    let out = id(&gate.publish_once("once", &post("acme-mastodon", "out")).await.expect(201));
    judge.saw("not-held", &chief.vote(&out, "approve").await);
    judge.saw("idempotency-mismatch", &gate.publish_once("once", &post("acme-mastodon", "other")).await);
    net.set_fault(Plan::next(1, "POST", STATUSES, Fault::Late { ms: 3000 })).await;
    let slow = post("acme-mastodon", "slow");
    let again = async {
        until("the first is at the network", || async { (net.count("POST", STATUSES).await == 2).then_some(()) }).await;
        gate.publish_once("slow", &slow).await
    };
    let (first, second) = tokio::join!(gate.publish_once("slow", &slow), again);
    let told = judge.saw("in-flight", &second);
    assert_eq!(id(&told["post"]), id(&first.expect(201)), "it shows the post that is on its way");
    assert_eq!(texts(&net).await, ["out", "slow"]);
}

/// Edits and votes that come at another time than they may.
async fn lives(judge: &Judge) {
    let net = network().await;
    let rule = "[[rule]]\nname = \"two\"\nlabels = [\"launch\"]\nstages = [{ n = 2, people = [\"chief-1\", \"chief-drinks\"] }, \
                { n = 1, people = [\"editor-7\"] }]\n";
    let gate = Gate::new().account("acme-mastodon", &net).govern(|it| {
        it.file("approvals.toml", rule);
    });
    let gate = gate.start().await;
    let mut body = post("acme-mastodon", "soon");
    body["labels"] = json!(["launch"]);
    let held = id(&gate.publish(&body).await.expect(202));
    let path = format!("/v1/posts/{held}");
    let chief = gate.caller("person:chief-1");
    chief.post(&format!("{path}/approve"), &json!({"version": 1})).await.expect(200);
    judge.saw("already-voted", &chief.post(&format!("{path}/approve"), &json!({"version": 1})).await);
    judge.saw(
        "not-your-turn",
        &gate.caller("person:editor-7").post(&format!("{path}/approve"), &json!({"version": 1})).await,
    );
    judge.saw("wrong-state", &gate.post(&format!("{path}/submit"), &json!({})).await);
    let edit = json!({"content": {"text": "later"}}).to_string();
    judge.saw("version-needed", &gate.send("PATCH", &path, &[JSON], edit.clone()).await);
    judge.saw("version-mismatch", &gate.send("PATCH", &path, &[JSON, ("if-match", "\"7\"")], edit).await);
}

/// A held post whose key is revoked before it is out, and a vote on another content than it has.
async fn revoked(judge: &Judge, gate: &Running) {
    let (key, key_id) = gate.fresh_key("newsroom", None).await;
    let body = post("acme-mastodon", "cheap too");
    let held = id(&gate.caller_with(&key).publish_once("held", &body).await.expect(202));
    let chief = gate.caller("person:chief-1");
    let other = json!({"decision": "approve", "digest": "0".repeat(64)});
    judge.saw("content-changed", &chief.post(&format!("/v1/posts/{held}/votes"), &other).await);
    let gateway = gate.gateway();
    gateway.keys.revoke(gateway.records.as_ref(), &key_id, gateway.clock.now()).await.expect("revoked");
    chief.vote(&held, "approve").await.expect(200);
    gate.until_state(&held, "failed").await;
    judge.saw("key-revoked", &gate.publish_once("held", &body).await);
}

/// A network that refuses, asks for a pause, or is down.
async fn networks(judge: &Judge) {
    let (net, busy, down) = (network().await, network().await, network().await);
    let clock = gate::clock();
    let plan = Gate::new().account("acme-one", &net).account("acme-busy", &busy).account("acme-down", &down);
    let gate = plan.clock(&clock).start().await;
    let fail = |fault: Fault| Plan::next(1000, "POST", STATUSES, fault);
    net.set_fault(fail(Fault::Status { status: 422, stored: false })).await;
    let refused = judge.saw("platform-refused", &gate.publish(&post("acme-one", "x")).await);
    assert_eq!(refused["post"]["targets"][0]["attempts"][0]["status"], 422);
    net.clear_faults().await;
    net.set_fault(fail(Fault::Status { status: 401, stored: false })).await;
    judge.saw("credential-refused", &gate.publish(&post("acme-one", "y")).await);
    busy.set_fault(fail(Fault::RateLimited { retry_after_s: Some(90) })).await;
    let made = id(&gate.post("/v1/posts", &post("acme-busy", "x")).await.expect(202));
    first_attempt(&gate, &made).await;
    judge.saw("account-busy", &gate.publish(&post("acme-busy", "y")).await);
    down.set_fault(fail(Fault::Status { status: 503, stored: false })).await;
    let body = post("acme-down", "x");
    let (given_up, ()) = tokio::join!(gate.publish(&body), async {
        until("the first attempt", || async { (down.count("POST", STATUSES).await == 1).then_some(()) }).await;
        // Past the time in which a post may be tried, so that the second attempt is the last.
        tokio::time::sleep(LOOK).await;
        clock.advance(SignedDuration::from_hours(2));
    });
    let told = judge.saw("platform-unavailable", &given_up);
    assert_eq!((&told["post"]["state"], down.count("POST", STATUSES).await), (&json!("failed"), 2));
}

/// A network that never comes to an end with a medium.
async fn slow(judge: &Judge) {
    let net = XNetwork::start().await;
    net.very_slow_media(u32::MAX, 90);
    let clock = gate::clock();
    let keys = KEYS.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let plan = Gate::new().account_on("x", "acme/snacks", "acme-slow", &net.url, "keys", keys);
    let gate = plan.clock(&clock).start().await;
    let medium = gate.upload("image/png", PNG).await;
    let body = json!({"accounts": ["acme-slow"], "content": {"text": "x", "media": [{"id": medium}]}});
    let polled = || async { (net.count("GET", "/2/media/upload") == 1).then_some(()) };
    let (given_up, ()) = tokio::join!(gate.publish(&body), async {
        until("the first attempt", polled).await;
        tokio::time::sleep(LOOK).await;
        clock.advance(SignedDuration::from_hours(7));
    });
    let told = judge.saw("not-ready", &given_up);
    assert_eq!((&told["post"]["state"], net.posts().len()), (&json!("failed"), 0));
}

/// An adapter that can't do what is asked, misbehaves, or works on as many calls as it may have at once.
async fn plugins(judge: &Judge) {
    let (hostile, net) = (silent().await, network().await);
    let secrets = vec![("token".to_owned(), "hostile-token".to_owned())];
    let gate = Gate::new()
        .account_on("hostile", "acme/snacks", "acme-hostile", &hostile, "token", secrets)
        .account("acme-mastodon", &net)
        .setting("egress.timeout_ms", "10000")
        .start()
        .await;
    let stale = ChangeRequest { slot: "network:mastodon".into(), version: 7, ..ChangeRequest::default() };
    let by = By::Person(PersonId::new("ops-1"));
    let late = change(gate.gateway(), &by, Kind::Rollback, stale).await.expect_err("nobody changed anything yet");
    let late = format!("/problems/{}", Refusal::from(late).problem.slug);
    assert_eq!(late, "/problems/routing-changed");
    judge.seen.lock().expect("no thread died").insert(late);
    let mut reply = post("acme-hostile", "x");
    reply["reply_to"] = json!({"account": "acme-hostile", "ref": "1"});
    judge.saw("unsupported-action", &gate.publish(&reply).await);
    let spun = judge.saw("plugin-failed", &gate.publish(&post("acme-hostile", "spin")).await);
    assert!(spun["detail"].as_str().is_some_and(|detail| detail.contains("hostile")), "{spun}");
    // Each of these waits for the network, and takes one of the places that the plugin has.
    let mut waiting = 0;
    let busy = loop {
        let answer = gate.post("/v1/posts", &post("acme-hostile", "x")).await;
        if answer.status != 202 {
            break answer;
        }
        waiting += 1;
        // A few more than it has places: an accepted call takes its place a moment later.
        assert!(waiting < 2 * PLACES, "the plugin takes more calls at once than it may");
    };
    judge.saw("plugin-busy", &busy);
    assert!(waiting >= PLACES, "busy after {waiting}");
    gate.publish(&post("acme-mastodon", "meanwhile")).await.expect(201);
}

/// A network that tells its limits and says nothing else.
async fn silent() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = vec![0; 4096];
                let read = stream.read(&mut request).await.unwrap_or(0);
                if request[..read].starts_with(b"GET /api/limits ") {
                    let _gone =
                        stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}").await;
                } else {
                    // Until the gateway gives up and closes.
                    while stream.read(&mut request).await.is_ok_and(|read| read > 0) {}
                }
            });
        }
    });
    url
}

/// The log's disk is full.
async fn log(judge: &Judge) {
    let net = network().await;
    let disk = FaultyDisk::new();
    let gate = Gate::new().account("acme-mastodon", &net).disk(&disk).setting("audit.slow_ms", "50").start().await;
    disk.set(audit::Fault::Slow);
    let slow = || async {
        let answer = gate.post("/v1/validate", &post("acme-mastodon", "x")).await;
        problem(&gate.publish(&post("nobody", "x")).await, "unknown-account");
        (answer.status == 503).then_some(answer)
    };
    judge.saw("audit-slow", &until("the log is slow", slow).await);
    disk.set(audit::Fault::Full);
    judge.saw("audit-unavailable", &gate.publish(&post("acme-mastodon", "x")).await);
    disk.set(audit::Fault::None);
    assert!(net.timeline().await.is_empty());
}

/// Another program holds the record store's lock for longer than the gateway waits.
async fn records(judge: &Judge) {
    let net = network().await;
    let gate = Gate::new().account("acme-mastodon", &net).start().await;
    let lock = store(&gate);
    lock.execute_batch("BEGIN IMMEDIATE").expect("locked");
    judge.saw("state-unavailable", &gate.publish(&post("acme-mastodon", "x")).await);
    assert!(net.timeline().await.is_empty(), "nothing was sent");
    lock.execute_batch("ROLLBACK").expect("free again");
    let again =
        || async { Some(gate.publish(&post("acme-mastodon", "y")).await).filter(|answer| answer.status == 201) };
    until("the store is back", again).await;
}

/// Somebody changes a held post in the store: what was approved is not what lies there, and nothing of it is sent.
async fn tampered(judge: &Judge) {
    let net = network().await;
    let clock = gate::clock();
    let rules = json!({"forbidden": [{"phrase": "cheap", "outcome": "hold"}]});
    let gate = Gate::new().account("acme-mastodon", &net).guidelines(&rules).clock(&clock).start().await;
    let body = post("acme-mastodon", "cheap crisps");
    let held = id(&gate.publish_once("once", &body).await.expect(202));
    let changed = store(&gate)
        .execute("UPDATE targets SET draft = replace(draft, 'cheap', 'other') WHERE post = ?1", [&held])
        .expect("changed");
    assert_eq!(changed, 1);
    gate.caller("person:chief-1").vote(&held, "approve").await.expect(200);
    let failed = || async {
        clock.advance(SignedDuration::from_secs(61));
        tokio::time::sleep(LOOK).await;
        (gate.read(&held).await["state"] == "failed").then_some(())
    };
    until("it is given up", failed).await;
    // Who asks again hears why.
    let told = judge.saw("internal", &gate.publish_once("once", &body).await);
    assert_eq!(id(&told["post"]), held);
    assert!(net.timeline().await.is_empty(), "nothing was sent");
}

/// A request whose head was under way when the stop began.
async fn stopping(judge: &Judge) {
    let mut gate = Gate::new().start().await;
    let mut stream = TcpStream::connect(gate.url.trim_start_matches("http://")).await.expect("connected");
    let head =
        format!("GET /v1/me HTTP/1.1\r\nhost: gate\r\nauthorization: Bearer {}\r\n", gate.site.key("app:newsroom"));
    stream.write_all(head.as_bytes()).await.expect("sent");
    tokio::time::sleep(Duration::from_millis(500)).await;
    gate.gateway().stopping.set();
    tokio::time::sleep(Duration::from_millis(100)).await;
    stream.write_all(b"\r\n").await.expect("sent");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.expect("an answer, and the end");
    judge.saw("shutting-down", &read(&bytes));
    gate.stop().await;
}

/// An answer of HTTP/1.1 whose body goes to the end of the connection.
fn read(bytes: &[u8]) -> Answer {
    let text = std::str::from_utf8(bytes).expect("text");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head in {text:?}"));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
    let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    Answer {
        status: status.expect("a status"),
        headers: lines.filter_map(header).collect(),
        body: body.to_owned().into(),
    }
}

/// The gateway's record store, opened as another program would.
fn store(gate: &Running) -> Connection {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
    Connection::open_with_flags(gate.site.config().records_dir(), flags).expect("opened")
}

async fn first_attempt(gate: &Running, post: &str) {
    let look = || async { gate.read(post).await["targets"][0]["attempts"][0].is_object().then_some(()) };
    until("the first attempt", look).await;
}
