//! Reading the audit log: who may, what they see, and what the log says of it.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;
use pressgate::audit::{Event, leaf};
use pressgate::clock::Clock;
use serde_json::{Value, json};
use tests::harness::{EventStream, Gate, Running, gate, network, problem, until};
use tests::http::Answer;

use crate::cli::run_as;
use crate::samples::{id, post, reasons};

/// How long a post may take while nobody reads.
const PATIENCE: Duration = Duration::from_secs(20);

/// A gateway with two accounts of two brands; `agency` reads the whole log, `careers` that of `acme/snacks`.
async fn two_brands(net: &sample_network::Running) -> Running {
    Gate::new()
        .account_of("acme/snacks", "snacks", net)
        .account_of("acme/drinks", "drinks", net)
        .govern(|governance| {
            governance.auditor("whole", "app:agency", &["audit:read"], None);
            governance.auditor("snacks-only", "app:careers", &["audit:read"], Some("acme/snacks"));
            governance.auditor("exporter", "person:chief-1", &["audit:export", "audit:reveal"], None);
        })
        .start()
        .await
}

async fn open(gate: &Running, who: &str, query: &str, last: Option<u64>) -> EventStream {
    let last = last.map(|last| last.to_string());
    EventStream::open(gate, who, &format!("/v1/audit/stream{query}"), last.as_deref()).await
}

/// The indices of the next leaves.
async fn take(stream: &mut EventStream, count: usize) -> Vec<u64> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let shown = stream.next().await;
        assert_eq!((shown.kind.as_str(), &json!(shown.id.parse::<u64>().ok())), ("leaf", &shown.data["index"]));
        taken.extend(shown.id.parse::<u64>());
    }
    taken
}

fn items(answer: &Answer) -> Vec<Value> {
    answer.expect(200)["items"].as_array().expect("a list").clone()
}

fn indices(items: &[Value]) -> Vec<u64> {
    items.iter().map(|item| item["index"].as_u64().expect("an index")).collect()
}

/// The reads in the log, with their indices.
fn reads(gate: &Running) -> Vec<(u64, leaf::Read)> {
    let read = |(index, leaf): (u64, pressgate::audit::Leaf)| match leaf.event {
        Event::Read(read) => Some((index, *read)),
        _ => None,
    };
    (0..).zip(gate.leaves()).filter_map(read).collect()
}

/// Waits until the index has what the log has now.
async fn indexed(gate: &Running) {
    let end = gate.gateway().audit.next_index();
    until("the index is there", || async { gate.gateway().index.mark().filter(|mark| *mark >= end) }).await;
}

#[tokio::test]
async fn no_role_gives_a_right_and_no_right_gives_another() {
    let net = network().await;
    let gate = two_brands(&net).await;
    for who in ["person:ops-1", "person:chief-1", "app:newsroom"] {
        for path in ["/v1/audit", "/v1/audit/0", "/v1/audit/stream"] {
            let told = problem(&gate.caller(who).get(path).await, "no-audit-right");
            assert_eq!((&told["status"], &told["blame"]), (&json!(403), &json!("rule")));
            assert!(told["detail"].as_str().is_some_and(|detail| detail.contains("`audit:read`")), "{who} {told}");
        }
    }
    assert!(reads(&gate).is_empty());
    let me = gate.caller("app:careers").get("/v1/me").await.expect(200);
    assert_eq!(
        (&me["audits"][0]["brand"], &me["audits"][0]["rights"]),
        (&json!("acme/snacks"), &json!(["audit:read"]))
    );
    assert_eq!(gate.caller("person:ops-1").get("/v1/me").await.expect(200)["audits"], json!([]));
}

#[tokio::test]
async fn a_right_ends_with_its_entry() {
    let clock = gate::clock();
    let expires = clock.now() + SignedDuration::from_secs(60);
    let mut gate = Gate::new()
        .clock(&clock)
        .govern(|governance| {
            governance.auditor_until("short", "app:agency", &["audit:read"], None, &expires.to_string());
            governance.auditor("long", "app:careers", &["audit:read"], None);
        })
        .start()
        .await;
    gate.caller("app:agency").get("/v1/audit/0").await.expect(200);
    clock.advance(SignedDuration::from_secs(60));
    let told = problem(&gate.caller("app:agency").get("/v1/audit/0").await, "no-audit-right");
    assert!(told["detail"].as_str().is_some_and(|detail| detail.contains("`short`")), "{told}");
    gate.caller("app:careers").get("/v1/audit/0").await.expect(200);
    let mut governance = gate.governance.clone();
    governance.revoke("short").revoke("long");
    gate.apply(governance).await;
    problem(&gate.caller("app:careers").get("/v1/audit/0").await, "no-audit-right");
}

#[tokio::test]
async fn a_brand_s_auditor_sees_its_leaves_and_no_others() {
    let net = network().await;
    let gate = two_brands(&net).await;
    gate.publish(&post("snacks", "crisps")).await.expect(201);
    gate.publish(&post("drinks", "juice")).await.expect(201);
    indexed(&gate).await;
    let (whole, brand) = (gate.caller("app:agency"), gate.caller("app:careers"));
    let seen = items(&brand.get("/v1/audit?limit=200").await);
    assert!(seen.iter().any(|item| item["leaf"]["kind"] == "intent"), "{seen:?}");
    assert!(seen.iter().all(|item| item["leaf"]["brand"] == "acme/snacks"), "{seen:?}");
    assert!(items(&brand.get("/v1/audit?account=drinks").await).is_empty());
    assert!(items(&brand.get("/v1/audit?brand=acme/drinks").await).is_empty());
    let all = items(&whole.get("/v1/audit?limit=200").await);
    assert!(all.iter().any(|item| item["leaf"]["kind"] == "lifecycle"), "leaves without a brand");
    let (seen, all) = (indices(&seen), indices(&all));
    for index in &all {
        let expected = if seen.contains(index) { 200 } else { 404 };
        assert_eq!(brand.get(&format!("/v1/audit/{index}")).await.status, expected, "{index}");
        whole.get(&format!("/v1/audit/{index}")).await.expect(200);
    }
    problem(&brand.get("/v1/audit/999999").await, "not-found");
    problem(&whole.get("/v1/audit/x").await, "not-found");
    let mut stream = open(&gate, "app:careers", "?cursor=0", None).await;
    let shown: BTreeSet<u64> = take(&mut stream, seen.len()).await.into_iter().collect();
    assert_eq!(shown, seen.into_iter().collect(), "and the stream shows the same");
}

#[tokio::test]
async fn what_is_asked_for_is_found_and_what_means_nothing_is_named() {
    let net = network().await;
    let gate = two_brands(&net).await;
    let sent = gate.publish(&post("snacks", "crisps")).await.expect(201);
    gate.caller("app:careers").publish(&post("snacks", "no")).await.expect(403);
    indexed(&gate).await;
    let auditor = gate.caller("app:agency");
    let find = async |query: &str| items(&auditor.get(&format!("/v1/audit?{query}")).await);
    let of_post = find(&format!("text={}", id(&sent))).await;
    let kinds: BTreeSet<&str> = of_post.iter().filter_map(|item| item["leaf"]["kind"].as_str()).collect();
    assert_eq!(kinds, BTreeSet::from(["intent", "outcome"]));
    // The digest that the API shows finds it too, though nobody had to approve it.
    let digest = sent["digest"].as_str().expect("a digest");
    let found = find(&format!("text={digest}")).await;
    assert_eq!((found.len(), &found[0]["leaf"]["post"]), (1, &sent["id"]), "{found:?}");
    let refused = find("actor=app:careers&outcome=refused").await;
    assert_eq!((refused.len(), &refused[0]["leaf"]["problem"]), (1, &json!("no-grant")));
    assert_eq!(find("text=no-grant&kind=refused").await, refused);
    assert_eq!(find("actor=newsroom&action=post.create&account=snacks&outcome=sent").await.len(), 1);
    assert!(find("from=2999-01-01T00:00:00Z").await.is_empty());
    assert!(find("to=1999-01-01T00:00:00Z").await.is_empty());
    let (newest, oldest) = (indices(&find("limit=2").await), indices(&find("order=oldest&limit=2").await));
    assert!(newest[0] > newest[1] && oldest == [0, 1], "{newest:?} {oldest:?}");
    // The leaf is what was logged, and its hash that of the tree.
    let stored = gate.leaves();
    let index = of_post[0]["index"].as_u64().expect("an index");
    let logged = stored[usize::try_from(index).expect("small")].to_bytes().expect("bytes");
    assert_eq!(of_post[0]["leaf"].to_string().into_bytes(), logged);
    for (query, code) in [
        ("actor=a%20b", "parameter-actor"),
        ("outcome=fine", "parameter-outcome"),
        ("kind=x", "parameter-kind"),
        ("from=today", "parameter-from"),
        ("limit=0", "parameter-limit"),
        ("cursor=-1", "parameter-cursor"),
        ("cursor=999999", "parameter-cursor"),
        ("order=up", "parameter-order"),
        ("text=%20", "parameter-text"),
        ("brand=//", "parameter-brand"),
    ] {
        assert_eq!(reasons(&problem(&auditor.get(&format!("/v1/audit?{query}")).await, "invalid-request")), [code]);
    }
    problem(&auditor.get("/v1/audit?colour=red").await, "invalid-request");
    let slip = problem(&auditor.get("/v1/audit?acton=post.create").await, "invalid-request");
    assert!(slip["detail"].as_str().is_some_and(|text| text.contains("did you mean `action`")), "{slip}");
    let behind = problem(&auditor.get("/v1/audit/stream?cursor=999999").await, "invalid-request");
    assert!(behind["detail"].as_str().is_some_and(|text| text.contains("the log ends at leaf ")), "{behind}");
    problem(&auditor.get("/v1/audit/stream?to=2030-01-01T00:00:00Z").await, "invalid-request");
}

#[tokio::test]
async fn each_use_is_a_leaf_that_is_there_before_the_answer() {
    let net = network().await;
    let gate = two_brands(&net).await;
    indexed(&gate).await;
    let auditor = gate.caller("app:agency");
    let found = items(&auditor.get("/v1/audit?kind=lifecycle&text=start+Secret-Word*&actor=ada").await);
    assert!(found.is_empty());
    let page = items(&auditor.get("/v1/audit?limit=2&order=oldest").await);
    auditor.get("/v1/audit/1").await.expect(200);
    let reads = reads(&gate);
    let [(_, search), (_, paged), (_, read)] = reads.as_slice() else { panic!("{reads:?}") };
    assert_eq!(
        (search.what.as_str(), search.app.as_deref(), search.grant.as_deref()),
        ("audit.search", Some("agency"), Some("whole"))
    );
    let filter = search.filter.as_deref().expect("the filters");
    assert!(filter.contains("kind=lifecycle") && filter.contains("text=sha256:"), "{filter}");
    assert!(!filter.to_lowercase().contains("secret"), "{filter}");
    assert_eq!((search.count, search.from), (Some(0), None));
    assert_eq!((paged.count, paged.from), (Some(2), Some(page[0]["index"].as_u64().expect("an index"))));
    assert_eq!((read.what.as_str(), read.from, read.count), ("audit.read", Some(1), Some(1)));
    assert!(search.key.is_some());
}

#[tokio::test]
async fn a_stream_that_is_taken_up_again_loses_and_repeats_nothing() {
    let net = network().await;
    let gate = two_brands(&net).await;
    let mut seen = Vec::new();
    let mut last = None;
    for round in 0..5 {
        gate.publish(&post("snacks", &format!("round {round}"))).await.expect(201);
        let mut stream = open(&gate, "app:agency", "?cursor=0", last).await;
        // It breaks off in the middle of what there is, each time elsewhere.
        seen.extend(take(&mut stream, 2 + round).await);
        last = seen.last().copied();
        drop(stream);
        gate.publish(&post("drinks", &format!("meanwhile {round}"))).await.expect(201);
    }
    let end = gate.gateway().audit.next_index();
    let mut stream = open(&gate, "app:agency", "", last).await;
    while seen.last().is_none_or(|last| *last + 1 < end) {
        seen.extend(take(&mut stream, 1).await);
    }
    // From the leaf after the cursor on, each in its order.
    assert_eq!(seen, (1..1 + seen.len() as u64).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_stream_begins_with_the_present_and_says_so_once() {
    let net = network().await;
    let gate = two_brands(&net).await;
    gate.publish(&post("snacks", "before")).await.expect(201);
    let mut stream = open(&gate, "app:agency", "?kind=intent", None).await;
    let opened = reads(&gate);
    assert_eq!(opened.len(), 1, "durable before the first event");
    let sent = gate.publish(&post("snacks", "after")).await.expect(201);
    let shown = take(&mut stream, 1).await;
    let leaf = &gate.leaves()[usize::try_from(shown[0]).expect("small")];
    assert!(matches!(&leaf.event, Event::Intent(intent) if intent.post == id(&sent)), "{leaf:?}");
    assert!(shown[0] > opened[0].0);
    drop(stream);
    let ended = until("its end is in the log", || async { reads(&gate).into_iter().nth(1) }).await.1;
    assert_eq!((ended.what.as_str(), ended.count), ("audit.stream.end", Some(1)));
    assert_eq!(ended.filter.as_deref(), Some(format!("opened={}&why=gone", opened[0].0).as_str()));
    assert_eq!(reads(&gate).len(), 2, "and none for what it showed");
}

#[tokio::test]
async fn streams_end_with_the_right_and_have_their_places() {
    let net = network().await;
    let mut gate = two_brands(&net).await;
    let mut streams = Vec::new();
    for _ in 0..4 {
        streams.push(open(&gate, "app:agency", "", None).await);
    }
    problem(&gate.caller("app:agency").get("/v1/audit/stream").await, "rate-limited");
    let mut other = open(&gate, "app:careers", "", None).await;
    let mut governance = gate.governance.clone();
    governance.revoke("whole");
    gate.apply(governance).await;
    let revoked = gate.gateway().audit.next_index();
    gate.publish(&post("snacks", "later")).await.expect(201);
    for stream in &mut streams {
        let rest = stream.rest().await;
        assert!(rest.contains("event: end\ndata: {\"why\":\"revoked\"}"), "{rest}");
        let shown: Vec<u64> = rest.lines().filter_map(|line| line.strip_prefix("id: ")?.parse().ok()).collect();
        assert!(shown.iter().all(|index| *index < revoked), "nothing after the right was gone: {shown:?}");
    }
    assert_eq!(take(&mut other, 1).await.len(), 1, "who still has the right reads on");
    gate.stop().await;
    assert!(other.rest().await.contains("\"why\":\"stopping\""));
}

#[tokio::test]
async fn a_reader_that_does_not_read_slows_nobody() {
    let net = network().await;
    let gate = two_brands(&net).await;
    for number in 0..60 {
        gate.caller("app:careers").publish(&post("snacks", &format!("{number}"))).await.expect(403);
    }
    // Opened, and never read: what it is owed stays in the log.
    let streams =
        [open(&gate, "app:agency", "?cursor=0", None).await, open(&gate, "app:agency", "?cursor=0", None).await];
    for number in 0..20 {
        let sent = tokio::time::timeout(PATIENCE, gate.publish(&post("snacks", &format!("n{number}")))).await;
        sent.expect("in time").expect(201);
    }
    drop(streams);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_searches_and_follows() {
    let net = network().await;
    let gate = Gate::new()
        .account("acme-mastodon", &net)
        .govern(|governance| {
            governance.auditor("soc", "app:agency", &["audit:read"], None);
        })
        .spawn()
        .await;
    let sent = gate.publish(&post("acme-mastodon", "hello")).await.expect(201);
    let line = format!("audit search --kind intent --text {} --json", id(&sent));
    let found = until("it is indexed", || async {
        let found = run_as(&gate, "app:agency", &line, "").json(0);
        found["items"].as_array().is_some_and(|items| items.len() == 1).then_some(found)
    });
    let found = found.await;
    assert_eq!(found["items"][0]["leaf"]["account"], "acme-mastodon");
    let table = run_as(&gate, "app:agency", "audit search --actor newsroom --limit 1", "");
    assert!(table.text(0).contains("outcome") || table.text(0).contains("intent"), "{table:?}");
    assert!(table.text(0).contains("there may be more: --cursor "), "{table:?}");
    let tail = run_as(&gate, "app:agency", "audit tail -n 3", "");
    assert_eq!(tail.text(0).lines().count(), 4, "{tail:?}");
    let refused = run_as(&gate, "person:ops-1", "audit tail --follow", "");
    assert!(refused.text(1).contains("`audit:read`"), "{refused:?}");
    let wrong = run_as(&gate, "app:agency", "audit search --outcome fine", "");
    assert_eq!(wrong.text(1).matches("`fine` is no outcome").count(), 1, "{wrong:?}");
    // What the searches before wrote is found by then: nothing is behind.
    assert!(!table.out.contains("not searched yet"), "{table:?}");
}
