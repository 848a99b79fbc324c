//! A part of the log to take away: who may, what they get, and what the log says of it.

use pressgate::audit::{Event, leaf};
use pressgate::export::ocsf;
use serde_json::{Value, json};
use tests::harness::{Gate, Running, network, problem, until};
use tests::http::Answer;
use tests::specs::{assert_fine, specs};

use crate::cli::run_as;
use crate::samples::{STATUSES, post};

fn plan(net: &sample_network::Running) -> Gate {
    Gate::new().account_of("acme/snacks", "snacks", net).account_of("acme/drinks", "drinks", net).govern(|governance| {
        governance.auditor("reads", "person:ops-1", &["audit:read", "audit:reveal"], None);
        governance.auditor("takes", "app:agency", &["audit:export"], None);
        governance.auditor("takes-snacks", "app:careers", &["audit:export"], Some("acme/snacks"));
    })
}

fn lines(answer: &Answer) -> Vec<Value> {
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("application/x-ndjson")),
        "{}",
        answer.text()
    );
    answer.text().lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

fn reads(gate: &Running) -> Vec<leaf::Read> {
    let read = |leaf: pressgate::audit::Leaf| match leaf.event {
        Event::Read(read) => Some(*read),
        _ => None,
    };
    gate.leaves().into_iter().filter_map(read).collect()
}

#[tokio::test]
async fn who_may_export_gets_every_leaf_and_the_log_says_so() {
    let net = network().await;
    let gate = plan(&net).start().await;
    for account in ["snacks", "drinks"] {
        gate.publish(&post(account, "x")).await.expect(201);
    }
    for who in ["person:ops-1", "person:chief-1", "app:newsroom"] {
        let told = problem(&gate.caller(who).get("/v1/audit/export").await, "no-audit-right");
        assert!(told["detail"].as_str().is_some_and(|detail| detail.contains("`audit:export`")), "{who} {told}");
    }
    assert!(reads(&gate).is_empty(), "a refusal is no reading");
    let before = gate.leaves();
    let agency = gate.caller("app:agency");
    let events = lines(&agency.get("/v1/audit/export").await);
    assert_eq!(events.len(), before.len(), "up to the leaf that says that the export began");
    let origin = gate.gateway().audit.origin().to_owned();
    let mut reader = gate.gateway().audit.reader(0);
    for event in &events {
        let (index, leaf) = reader.next_bytes().expect("a readable log").expect("a leaf");
        assert_eq!(*event, ocsf::event(&origin, index, &leaf));
    }
    if let Some(specs) = specs() {
        let schema = specs.ocsf();
        events.iter().for_each(|event| assert_fine("an event", schema.check(event)));
    }
    until("the end is in the log", || async { (reads(&gate).len() == 2).then_some(()) }).await;
    let told = reads(&gate);
    assert_eq!(
        (told[0].what.as_str(), told[0].grant.as_deref(), told[0].from),
        ("audit.export", Some("takes"), Some(0))
    );
    assert_eq!((told[0].app.as_deref(), told[0].filter.as_deref()), (Some("agency"), None));
    let opened = format!("opened={}&why=done", before.len());
    assert_eq!((told[1].what.as_str(), told[1].filter.as_deref()), ("audit.export.end", Some(opened.as_str())));
    assert_eq!(told[1].count, Some(before.len() as u64));

    let leaves = lines(&agency.get("/v1/audit/export?format=leaf&cursor=2").await);
    assert_eq!(leaves[0]["index"], 3);
    assert_eq!(leaves[0]["hash"], events[3]["unmapped"]["leaf_hash"], "both forms lead to the same place in the tree");
    assert_eq!(leaves[0]["leaf"]["kind"], events[3]["metadata"]["event_code"]);
    let snacks = lines(&gate.caller("app:careers").get("/v1/audit/export?format=leaf").await);
    assert!(snacks.len() >= 2 && snacks.iter().all(|line| line["leaf"]["brand"] == "acme/snacks"), "{snacks:?}");
    let none = lines(&agency.get("/v1/audit/export?from=2999-01-01T00:00:00Z").await);
    assert!(none.is_empty());
    for bad in ["format=csv", "from=yesterday", "cursor=x", "cursor=999999", "colour=red", "format=ocsf&format=leaf"] {
        problem(&agency.get(&format!("/v1/audit/export?{bad}")).await, "invalid-request");
    }
    assert_eq!(net.count("POST", STATUSES).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_the_command_writes_a_whole_file_or_none() {
    let net = network().await;
    let gate = plan(&net).spawn().await;
    for number in 0..20 {
        gate.publish(&post("snacks", &format!("{number}"))).await.expect(201);
    }
    let file = gate.site.path("part.jsonl");
    let told = run_as(&gate, "app:agency", &format!("audit export --json {}", file.display()), "").json(0);
    let text = std::fs::read_to_string(&file).expect("a file");
    assert_eq!(told["lines"], json!(text.lines().count()));
    assert!(text.lines().count() > 40 && text.ends_with('\n'));
    for (place, line) in text.lines().enumerate() {
        let event: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(event["metadata"]["sequence"], json!(place));
    }
    let again = run_as(&gate, "app:agency", &format!("audit export {}", file.display()), "");
    assert!(again.code != Some(0) && again.err.contains("there already"), "{again:?}");
    let denied = gate.site.path("denied.jsonl");
    let refused = run_as(&gate, "person:ops-1", &format!("audit export {}", denied.display()), "");
    assert!(refused.code != Some(0) && refused.err.contains("audit:export"), "{refused:?}");
    assert!(!denied.exists() && !gate.site.path("denied.jsonl.part").exists());
    let shown = run_as(&gate, "app:agency", "audit export --format leaf --cursor 3", "");
    assert_eq!(serde_json::from_str::<Value>(shown.out.lines().next().expect("a line")).expect("JSON")["index"], 4);
}
