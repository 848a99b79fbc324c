//! Telemetry, at a real collector: one trace for a call, nothing of what it says, and no call that waits for it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::collector::{Arrived, Collector};
use tests::harness::caller::JSON;
use tests::harness::{Gate, GateProcess, TOKEN, network, until};
use tests::http::{self, multipart};
use tokio::net::TcpListener;

use crate::samples::{PNG, STATUSES, id, post};

const ACCOUNT: &str = "acme-mastodon";
const READS: [&str; 4] = ["profile.read", "timeline.read", "inbox.read", "post.read"];
/// The trace of an app, as the standard's example has it.
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";
/// The stages in their order, as the spans of a call begin.
const STAGES: [&str; 9] =
    ["authenticate", "classify", "authorise", "admit", "review", "approve", "clear", "record", "send"];

fn plan(net: &sample_network::Running, url: &str) -> Gate {
    Gate::new()
        .account(ACCOUNT, net)
        .guidelines(&json!({"forbidden": [{"phrase": "miracle cure"}]}))
        .grant("newsroom-reads", "app:newsroom", "brand:acme", &READS)
        .setting("telemetry.otlp", &format!("{url:?}"))
        .setting("telemetry.private_endpoint", "true")
        .setting("telemetry.metrics_seconds", "1")
}

fn traceparent() -> String {
    format!("00-{TRACE}-{PARENT}-01")
}

fn native(path: &str) -> String {
    format!("/native/{ACCOUNT}{path}")
}

/// Waits for a trace that has a door, so that all of it has ended, and gives its spans as they began.
async fn trace_of(collector: &Collector, trace: &str, last: &str) -> Vec<Arrived> {
    let look = || async {
        let mut spans: Vec<_> = collector.spans().into_iter().filter(|span| span.trace == trace).collect();
        spans.sort_by_key(|span| span.whole["startTimeUnixNano"].as_str().and_then(|at| at.parse::<u64>().ok()));
        let whole = spans.iter().any(|span| span.name == "door") && spans.iter().any(|span| span.name == last);
        whole.then_some(spans)
    };
    until(&format!("the trace {trace} arrives"), look).await
}

fn one<'a>(spans: &'a [Arrived], name: &str) -> &'a Arrived {
    let found: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
    assert!(!found.is_empty(), "no `{name}` in {:?}", spans.iter().map(|span| &span.name).collect::<Vec<_>>());
    found[0]
}

fn guests<'a>(spans: &'a [Arrived], function: &str) -> Vec<&'a Arrived> {
    let is = |span: &&Arrived| span.attribute("pressgate.plugin.function").as_deref() == Some(function);
    spans.iter().filter(|span| span.name == "guest").filter(is).collect()
}

#[tokio::test]
async fn a_native_call_is_one_trace() {
    let Some(collector) = Collector::start().await else { return };
    let net = network().await;
    let gate = plan(&net, &collector.url).spawn().await;
    let parent = traceparent();
    let headers = [JSON, ("traceparent", parent.as_str()), ("tracestate", "vendor=x"), ("baggage", "user=anna")];
    gate.send("POST", &native(STATUSES), &headers, json!({"status": "hello"}).to_string()).await.expect(200);
    let spans = trace_of(&collector, TRACE, "send").await;

    let door = one(&spans, "door");
    assert_eq!((door.parent.as_str(), door.kind), (PARENT, 2), "{door:?}");
    assert_eq!(door.whole["traceState"], "vendor=x");
    let told = |span: &Arrived, name: &str| span.attribute(name).unwrap_or_else(|| panic!("no {name} in {span:?}"));
    assert_eq!(told(door, "pressgate.door"), "native");
    assert_eq!(told(door, "http.request.method"), "POST");
    assert_eq!(told(door, "http.response.status_code"), "200");
    let mut begun = Vec::new();
    for span in &spans {
        if STAGES.contains(&span.name.as_str()) && !begun.contains(&span.name.as_str()) {
            assert_eq!(span.parent, door.id, "{span:?}");
            begun.push(&span.name);
        }
    }
    // The allowance of a client is looked at before its body is read.
    begun.sort_by_key(|name| STAGES.iter().position(|stage| stage == name));
    assert_eq!(begun, STAGES);
    let authorise = one(&spans, "authorise");
    assert_eq!(told(authorise, "pressgate.app"), "newsroom");
    assert_eq!(told(authorise, "pressgate.account"), ACCOUNT);
    assert_eq!(told(authorise, "pressgate.brand"), "acme/snacks");
    assert_eq!(told(authorise, "pressgate.action"), "post.create");
    assert!(!told(authorise, "pressgate.grant").is_empty() && !told(authorise, "pressgate.post").is_empty());
    assert_eq!(told(one(&spans, "review"), "pressgate.outcome"), "allow");
    for (function, stage, plugin) in [("classify", "classify", "mastodon"), ("review", "review", "guidelines")] {
        let [guest] = guests(&spans, function)[..] else { panic!("one call of {function}") };
        assert_eq!(guest.parent, one(&spans, stage).id);
        assert_eq!(told(guest, "pressgate.plugin"), plugin);
        assert!(!told(guest, "pressgate.plugin.version").is_empty());
        assert_eq!(told(guest, "pressgate.plugin.digest").len(), 64);
    }
    let platform = one(&spans, "platform");
    assert_eq!((platform.parent.as_str(), platform.kind), (one(&spans, "send").id.as_str(), 3));
    assert_eq!(told(platform, "pressgate.network"), "mastodon");
    assert_eq!(told(platform, "http.request.method"), "POST");
    assert_eq!(told(platform, "server.address"), "127.0.0.1");
    assert_eq!(told(platform, "http.response.status_code"), "200");
    // None of it goes on.
    for request in net.requests().await {
        for name in ["traceparent", "tracestate", "baggage"] {
            assert!(request.header(name).is_none(), "{request:?}");
        }
    }
}

#[tokio::test]
async fn a_post_is_one_trace_too_and_a_refusal_says_its_problem() {
    let Some(collector) = Collector::start().await else { return };
    let net = network().await;
    let gate = plan(&net, &collector.url).spawn().await;
    let parent = traceparent();
    let headers = [JSON, ("traceparent", parent.as_str())];
    let made = gate.send("POST", "/v1/posts", &headers, post(ACCOUNT, "hello").to_string()).await;
    let made = id(&made.expect(202));
    gate.until_state(&made, "published").await;
    let spans = trace_of(&collector, TRACE, "attempt").await;
    let door = one(&spans, "door");
    assert_eq!(door.attribute("http.route").as_deref(), Some("/v1/posts"));
    assert_eq!(door.attribute("pressgate.door").as_deref(), Some("publish"));
    let attempt = one(&spans, "attempt");
    assert_eq!(attempt.parent, door.id);
    assert_eq!(attempt.attribute("pressgate.post"), Some(made));
    assert_eq!(attempt.attribute("pressgate.state").as_deref(), Some("published"));
    for stage in STAGES {
        let parent = if ["record", "send"].contains(&stage) { attempt } else { door };
        assert_eq!(one(&spans, stage).parent, parent.id, "{stage}");
    }
    let [perform] = guests(&spans, "perform")[..] else { panic!("one perform") };
    assert_eq!(perform.parent, one(&spans, "send").id);
    let sent = spans.iter().find(|span| span.name == "platform" && span.parent == perform.id);
    assert_eq!(sent.expect("a request").attribute("http.request.method").as_deref(), Some("POST"));

    let other = "1af7651916cd43dd8448eb211c80319c";
    let parent = parent.replace(TRACE, other);
    let body = post(ACCOUNT, "Our miracle cure").to_string();
    gate.send("POST", "/v1/posts", &[JSON, ("traceparent", parent.as_str())], body).await.expect(403);
    let spans = trace_of(&collector, other, "review").await;
    assert_eq!(one(&spans, "door").attribute("error.type").as_deref(), Some("policy-denied"));
    assert_eq!(one(&spans, "review").attribute("pressgate.outcome").as_deref(), Some("deny"));
    assert!(
        spans
            .iter()
            .all(|span| span.name != "platform" || span.attribute("http.request.method").as_deref() == Some("GET"))
    );
}

#[tokio::test]
async fn what_is_no_parent_begins_a_new_trace() {
    let Some(collector) = Collector::start().await else { return };
    let net = network().await;
    let gate = plan(&net, &collector.url).spawn().await;
    let good = traceparent();
    let bad = [
        good.to_uppercase(),
        good.replacen("00", "ff", 1),
        format!("{good}-00"),
        good.replace(TRACE, &"0".repeat(32)),
        good.replace(PARENT, &"0".repeat(16)),
        good.replace(PARENT, &PARENT[1..]),
        good.replace("-01", "-0x"),
        good.replace("-01", ""),
        "x".repeat(4_000),
    ];
    for bad in &bad {
        gate.send("GET", "/v1/me", &[("traceparent", bad.as_str())], "").await.expect(200);
    }
    gate.send("GET", "/v1/me", &[("traceparent", &good), ("traceparent", &good)], "").await.expect(200);
    let doors = until("all arrive", || async {
        let doors: Vec<_> = collector.spans().into_iter().filter(|span| span.name == "door").collect();
        (doors.len() > bad.len()).then_some(doors)
    })
    .await;
    let mut traces: Vec<_> = doors.iter().map(|door| door.trace.as_str()).collect();
    assert!(doors.iter().all(|door| door.parent.is_empty() && door.trace != TRACE), "{doors:?}");
    traces.sort_unstable();
    traces.dedup();
    assert_eq!(traces.len(), doors.len());
}

#[tokio::test]
async fn a_network_gets_a_parent_where_the_configuration_says_so() {
    let Some(collector) = Collector::start().await else { return };
    let net = network().await;
    let gate = plan(&net, &collector.url).setting("telemetry.send_traceparent", "true").spawn().await;
    let parent = traceparent();
    let headers = [JSON, ("traceparent", parent.as_str()), ("tracestate", "vendor=x"), ("baggage", "user=anna")];
    gate.send("POST", &native(STATUSES), &headers, json!({"status": "hello"}).to_string()).await.expect(200);
    let spans = trace_of(&collector, TRACE, "send").await;
    let requests = net.requests().await;
    let sent = requests.iter().find(|request| request.method == "POST").expect("a request");
    let child = format!("00-{TRACE}-{}-01", one(&spans, "platform").id);
    assert_eq!(sent.header("traceparent"), Some(child.as_str()));
    assert!(sent.header("baggage").is_none() && sent.header("tracestate").is_none());
}

/// Texts that must stay here, in every place that a caller or a network can put one.
const TEXT: &str = "Canary-text-5f1c";
const ALT: &str = "Canary-alt-77a0";
const QUERY: &str = "canary-query-90bd";
const STRAY: &str = "canary-stray-key-31ce";

async fn say_canaries(gate: &GateProcess) {
    let parent = traceparent();
    let state = format!("vendor={QUERY}");
    let baggage = format!("user={STRAY}");
    let headers = [JSON, ("traceparent", parent.as_str()), ("baggage", baggage.as_str()), ("x-own", STRAY)];
    let medium = gate.upload("image/png", PNG).await;
    let body = json!({"accounts": [ACCOUNT], "content": {"text": TEXT, "media": [{"id": medium, "alt": ALT}]}});
    let made = gate.send("POST", "/v1/posts", &headers, body.to_string()).await;
    gate.until_state(&id(&made.expect(202)), "published").await;
    let refused = post(ACCOUNT, &format!("{TEXT}: a miracle cure"));
    gate.send("POST", "/v1/posts", &headers, refused.to_string()).await.expect(403);
    gate.send("POST", "/v1/posts", &headers, json!({TEXT: ALT}).to_string()).await;
    gate.send("POST", "/v1/posts", &headers, post(QUERY, TEXT).to_string()).await;
    gate.send("POST", &native(STATUSES), &headers, json!({"status": TEXT}).to_string()).await.expect(200);
    let (kind, body) = multipart(&[("file", Some(("x.png", "image/png")), PNG), ("description", None, ALT.as_bytes())]);
    gate.send("POST", &native("/api/v2/media"), &[("content-type", kind.as_str())], body).await;
    let read = native(&format!("/api/v1/timelines/home?max_id={QUERY}&since_id={TEXT}"));
    gate.send("GET", &read, &[("tracestate", state.as_str())], "").await;
    gate.send("GET", &format!("/v1/posts?cursor={QUERY}"), &headers, "").await;
    gate.send("GET", &format!("/{STRAY}/{TEXT}?{QUERY}"), &headers, "").await;
    let form = format!("grant_type=password&username=a&password={STRAY}");
    let kind = [("content-type", "application/x-www-form-urlencoded")];
    gate.send("POST", &native("/oauth/token"), &kind, form).await;
    let key = format!("Bearer {STRAY}");
    http::call("GET", &format!("{}/v1/me", gate.url), &[("authorization", key.as_str())], "").await;
}

#[tokio::test]
async fn nothing_that_is_said_or_secret_is_in_what_the_collector_gets() {
    let Some(collector) = Collector::start().await else { return };
    let net = network().await;
    let mut gate = plan(&net, &collector.url)
        .setting("log.filter", "\"trace\"")
        .setting("telemetry.secret", "{ env = \"PATH\" }")
        .spawn()
        .await;
    say_canaries(&gate).await;
    // The network repeats what it was told.
    for status in [400, 500] {
        let fault = sample_network::Fault::Echo { status: Some(status), gzip: false, chunks: false };
        net.set_fault(sample_network::Plan::next(1, "POST", STATUSES, fault)).await;
        gate.post(&native(STATUSES), &json!({"status": TEXT})).await;
    }
    net.set_fault(sample_network::Plan::next(
        1,
        "POST",
        STATUSES,
        sample_network::Fault::Echo { status: Some(400), gzip: false, chunks: false },
    ))
    .await;
    gate.publish(&post(ACCOUNT, TEXT)).await;
    until("metrics and logs arrive", || async {
        let all = !collector.metrics().is_empty() && !collector.records().is_empty() && collector.spans().len() > 50;
        all.then_some(())
    })
    .await;
    let key = gate.site.key("app:newsroom").to_owned();
    assert_eq!(gate.terminate().await, Some(0));
    let (spans, records) = (collector.spans(), collector.records());
    assert!(records.iter().any(|record| record["body"]["stringValue"] == "stopped"), "{records:?}");
    let traced =
        |record: &&Value| record["traceId"].as_str().is_some_and(|trace| spans.iter().any(|span| span.trace == trace));
    assert!(records.iter().any(|record| traced(&record)), "no record of a trace: {records:?}");
    let named = |name: &str| collector.metrics().iter().any(|metric| metric["name"] == name);
    assert!(named("pressgate_calls_total") && named("pressgate_telemetry_dropped_total"));
    let bytes = collector.bytes();
    let lines = collector.lines().iter().map(Value::to_string).collect::<String>();
    for canary in [TEXT, ALT, STRAY, TOKEN, key.as_str(), "miracle cure"] {
        let there = bytes.windows(canary.len()).any(|window| window.eq_ignore_ascii_case(canary.as_bytes()));
        assert!(!there && !lines.contains(canary), "{canary} reached the collector");
    }
    // Only the trace state that the app itself sends to collectors has it.
    let query = spans.iter().filter(|span| span.whole.to_string().contains(QUERY));
    assert_eq!(query.filter(|span| span.whole["traceState"] == "").count(), 0);
    assert!(records.iter().all(|record| !record.to_string().contains(QUERY)));
}

/// How long calls take, in the middle.
async fn median(gate: &GateProcess) -> Duration {
    let mut all = Vec::new();
    for number in 0..60 {
        let begun = Instant::now();
        gate.post(&native(STATUSES), &json!({"status": format!("number {number}")})).await.expect(200);
        all.push(begun.elapsed());
    }
    all.sort_unstable();
    all[all.len() / 2]
}

async fn dropped(gate: &GateProcess) -> u64 {
    let listening: Value =
        serde_json::from_slice(&std::fs::read(gate.site.path("data/listening.json")).expect("the word")).expect("JSON");
    let operator = listening["operator"].as_str().expect("an address");
    let page = http::call("GET", &format!("http://{operator}/metrics"), &[], "").await.text();
    let lines = page.lines().filter(|line| line.starts_with("pressgate_telemetry_dropped_total{"));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

#[tokio::test]
async fn calls_go_on_where_the_collector_is_down_or_hangs() {
    let net = network().await;
    let off = plan(&net, "http://127.0.0.1:9").setting("telemetry.traces", "false").setting("telemetry.logs", "false");
    let usual = median(&off.setting("telemetry.metrics", "false").spawn().await).await;
    let down = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", down.local_addr().expect("an address"));
    drop(down);
    let hangs = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let silent = format!("http://{}", hangs.local_addr().expect("an address"));
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((line, _)) = hangs.accept().await {
            held.push(line);
        }
    });
    for url in [url, silent] {
        let mut gate = plan(&net, &url).spawn().await;
        let took = median(&gate).await;
        assert!(took < usual * 5 + Duration::from_millis(20), "{took:?} beside {usual:?}");
        let count =
            until("drops are counted", || async { Some(dropped(&gate).await).filter(|count| *count > 0) }).await;
        assert!(count > 0);
        let begun = Instant::now();
        assert_eq!(gate.terminate().await, Some(0));
        assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn the_ratio_and_the_parent_decide_what_is_traced() {
    let Some(collector) = Collector::start().await else { return };
    let net = network().await;
    let gate = plan(&net, &collector.url)
        .setting("telemetry.traces_ratio", "0")
        .setting("telemetry.logs", "false")
        .setting("telemetry.metrics", "false")
        .spawn()
        .await;
    let say = |parent: Option<String>| {
        let gate = &gate;
        async move {
            let headers: Vec<_> = parent.iter().map(|parent| ("traceparent", parent.as_str())).chain([JSON]).collect();
            let body = json!({"status": format!("{parent:?}")}).to_string();
            gate.send("POST", &native(STATUSES), &headers, body).await.expect(200);
        }
    };
    say(None).await;
    say(Some(traceparent().replace("-01", "-00"))).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(collector.bytes().is_empty(), "{:?}", collector.lines());
    // A sampled parent decides.
    let sampled = "2af7651916cd43dd8448eb211c80319c";
    say(Some(traceparent().replace(TRACE, sampled))).await;
    trace_of(&collector, sampled, "send").await;
    assert!(collector.spans().iter().all(|span| span.trace == sampled));
}

#[tokio::test]
async fn both_listeners_say_that_they_are_alive() {
    let net = network().await;
    let gate = Gate::new().account(ACCOUNT, &net).start().await;
    for path in ["/healthz", "/livez"] {
        let answer = http::get(&format!("{}{path}", gate.url), "").await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "alive\n"));
    }
}
