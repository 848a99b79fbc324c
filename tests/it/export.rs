//! Receivers of the exported log that hang, refuse and break off: calls go on, and nothing is missing afterwards, whatever
//! becomes of the gateway meanwhile.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pressgate::audit::{Event, LogReader, RealDisk, leaf::Changed};
use pressgate::export::ocsf;
use serde_json::{Value, json};
use tests::harness::caller::JSON;
use tests::harness::{Gate, GateProcess, network, until};
use tests::networks::siem::{Delivery, Mood, Siem};
use tests::specs::specs;

use crate::samples::{STATUSES, post};

/// The secret of every webhook here.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// The header of the OTLP receiver.
const TOKEN: &str = "Bearer otel-token-81c2";

/// A folder with the secrets.
fn secrets() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in [("webhook", SECRET), ("otlp", TOKEN)] {
        let path = folder.path().join(name);
        std::fs::write(&path, format!("{text}\n")).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("private");
    }
    folder
}

/// A line of `export = [ … ]`.
fn export(name: &str, kind: &str, url: &str, secrets: &Path, more: &str) -> String {
    let secret = secrets.join(kind).display().to_string();
    format!(
        "{{ name = {name:?}, kind = {kind:?}, url = {url:?}, secret = {{ file = {secret:?} }}, timeout_ms = 400, {more} }}"
    )
}

fn setting(exports: &[String]) -> String {
    format!("[{}]", exports.join(", "))
}

const PRIVATE: &str = "private_endpoint = true";

/// The events of a webhook's body.
fn of_webhook(delivery: &Delivery) -> Vec<Value> {
    let body: Value = serde_json::from_slice(&delivery.body).expect("JSON");
    body.as_array().expect("an array").clone()
}

/// The events of an OTLP request.
fn of_otlp(delivery: &Delivery) -> Vec<Value> {
    let body: Value = serde_json::from_slice(&delivery.body).expect("JSON");
    let records = body["resourceLogs"][0]["scopeLogs"][0]["logRecords"].as_array().expect("records");
    let uid = |record: &Value| record["attributes"][0]["value"]["stringValue"].clone();
    records
        .iter()
        .map(|record| {
            let event = plain(&record["body"]);
            assert_eq!(
                (&record["attributes"][0]["key"], &uid(record)),
                (&json!("log.record.uid"), &event["metadata"]["uid"])
            );
            let nanos: i64 = record["timeUnixNano"].as_str().expect("a text").parse().expect("a number");
            assert_eq!(Some(nanos / 1_000_000), event["time"].as_i64());
            event
        })
        .collect()
}

/// An `AnyValue` of OpenTelemetry as JSON.
fn plain(any: &Value) -> Value {
    let (kind, value) = any.as_object().expect("an object").iter().next().expect("one member");
    match kind.as_str() {
        "intValue" => json!(value.as_str().expect("a text").parse::<i64>().expect("a number")),
        "arrayValue" => value["values"].as_array().expect("values").iter().map(plain).collect(),
        "kvlistValue" => {
            let fields = value["values"].as_array().expect("fields");
            Value::Object(
                fields
                    .iter()
                    .map(|field| (field["key"].as_str().expect("a key").to_owned(), plain(&field["value"])))
                    .collect(),
            )
        }
        "stringValue" | "boolValue" | "doubleValue" => value.clone(),
        other => panic!("{other}"),
    }
}

fn sequence(event: &Value) -> u64 {
    event["metadata"]["sequence"].as_u64().expect("a number")
}

/// What a sink got, delivery by delivery.
type Got = Vec<Vec<Value>>;

fn got(siem: &Siem, kind: &str) -> Got {
    siem.taken().iter().map(if kind == "otlp" { of_otlp } else { of_webhook }).collect()
}

fn of_file(path: &Path) -> Got {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| vec![serde_json::from_str(line).expect("each line is JSON")]).collect()
}

/// How many leaves are there without a gap from the first.
fn reached(got: &Got) -> u64 {
    let mut next = 0;
    for event in got.iter().flatten() {
        next = next.max(if sequence(event) == next { next + 1 } else { next });
    }
    next
}

/// Every leaf is there, in order but for repetitions, and each event is what the leaf in the log says.
fn check(what: &str, got: &Got, gate: &GateProcess) -> u64 {
    let mut leaves = LogReader::new(Arc::new(RealDisk), &gate.site.config().audit.dir, 0);
    let mut expected = Vec::new();
    let uid = got[0][0]["metadata"]["uid"].as_str().expect("a text").to_owned();
    let origin = uid.split('#').next().expect("an origin");
    while let Some((index, leaf)) = leaves.next_bytes().expect("a readable log") {
        expected.push(ocsf::event(origin, index, &leaf));
    }
    let (mut next, mut repeated) = (0, 0);
    for delivery in got {
        for pair in delivery.windows(2) {
            assert_eq!(sequence(&pair[0]) + 1, sequence(&pair[1]), "{what}: a gap within a delivery");
        }
        for event in delivery {
            let index = sequence(event);
            assert!(index <= next, "{what}: leaf {index} came before leaf {next}");
            assert_eq!(*event, expected[usize::try_from(index).expect("small")], "{what}: leaf {index}");
            repeated += u64::from(index < next);
            next = next.max(index + 1);
        }
    }
    assert_eq!(next, expected.len() as u64, "{what}: the end is missing");
    repeated
}

/// Posts until so many were acknowledged as published.
async fn publish(gate: &GateProcess, name: &str, count: usize) {
    for number in 0..count {
        let made = gate.publish(&post("acme-mastodon", &format!("{name} {number}"))).await.expect(201);
        assert_eq!(made["state"], "published", "{made}");
    }
}

/// Kills the gateway while an app posts, and waits until the app has noticed.
async fn kill_under_load(gate: &mut GateProcess) {
    let caller = gate.caller("app:newsroom");
    let load = tokio::spawn(async move {
        for number in 0.. {
            let body = post("acme-mastodon", &format!("load {number}")).to_string();
            if caller.try_send("POST", "/v1/posts", &[JSON], body).await.is_err() {
                break;
            }
        }
    });
    tokio::time::sleep(Duration::from_millis(700)).await;
    gate.kill9().await;
    load.await.expect("the load ends");
}

/// The process's own log says what is wrong, and no secret.
fn told(gate: &GateProcess) {
    let log = std::fs::read_to_string(gate.log_file()).expect("a log");
    assert!(log.contains("private_endpoint"), "the operator is told why");
    assert!(!log.contains(&SECRET[6..]) && !log.contains("otel-token"), "no secret in the process's log");
}

/// Another implementation finds each delivery signed, and a forged one not.
fn signed(name: &str, siem: &Siem) {
    let judge = standardwebhooks::Webhook::new(SECRET).expect("a secret");
    for delivery in siem.taken() {
        judge.verify(&delivery.body, &delivery.headers).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut forged = delivery.body.to_vec();
        forged[5] ^= 1;
        assert!(judge.verify(&forged, &delivery.headers).is_err(), "the judge can say no");
        assert_eq!(
            (delivery.path.as_str(), &delivery.headers["content-type"]),
            ("/in?x=1", &"application/json".parse().expect("a value"))
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_a_siem_that_fails_stops_no_call_and_misses_nothing_afterwards() {
    let secrets = secrets();
    let refuse = Mood::Refuse(500, vec![("retry-after".to_owned(), "1".to_owned())]);
    let bad = [Siem::start(Mood::Hang).await, Siem::start(refuse).await, Siem::start(Mood::Drop).await];
    let (good, otel, walled) = (Siem::good().await, Siem::good().await, Siem::good().await);
    let file = secrets.path().join("events.jsonl");
    let hook =
        |name: &str, siem: &Siem| export(name, "webhook", &format!("{}/in?x=1", siem.url), secrets.path(), PRIVATE);
    let exports = [
        hook("hangs", &bad[0]),
        hook("answers-500", &bad[1]),
        hook("breaks-off", &bad[2]),
        hook("good", &good),
        export("otel", "otlp", &otel.url, secrets.path(), PRIVATE),
        // The address is not public, and nobody permitted that.
        export("walled", "webhook", &walled.url.replace("http:", "https:"), secrets.path(), ""),
        format!("{{ name = \"disk\", kind = \"file\", path = {:?} }}", file.display().to_string()),
    ];
    let net = network().await;
    let mut gate = Gate::new().account("acme-mastodon", &net).setting("export", &setting(&exports)).spawn().await;
    publish(&gate, "before", 12).await;
    until("the bad ones were tried", || async { bad.iter().all(|siem| siem.tried() > 1).then_some(()) }).await;
    publish(&gate, "during", 12).await;
    assert_eq!(net.count("POST", STATUSES).await, 24, "each call went out once");
    let leaves = gate.leaves().len() as u64;
    for (what, siem, kind) in [("good", &good, "webhook"), ("otel", &otel, "otlp")] {
        until(&format!("{what} has all"), || async { (reached(&got(siem, kind)) >= leaves).then_some(()) }).await;
    }
    assert!(bad.iter().all(|siem| siem.taken().is_empty()), "nothing was taken by who takes nothing");

    // Killed under load; then the receivers come back, one of them so that it takes and its answers are lost.
    kill_under_load(&mut gate).await;
    gate.restart().await;
    bad[2].set(Mood::Forget);
    until("an answer was lost", || async { (bad[2].taken().len() > 1).then_some(()) }).await;
    bad.iter().for_each(|siem| siem.set(Mood::Good("taken".to_owned())));
    publish(&gate, "after", 6).await;

    let hooks = [("hangs", &bad[0]), ("answers-500", &bad[1]), ("breaks-off", &bad[2]), ("good", &good)];
    until("every sink has every leaf", || async {
        let leaves = gate.leaves().len() as u64;
        let hooked = hooks.iter().all(|(_, siem)| reached(&got(siem, "webhook")) >= leaves);
        (hooked && reached(&got(&otel, "otlp")) >= leaves && reached(&of_file(&file)) >= leaves).then_some(())
    })
    .await;
    for (name, siem) in hooks {
        let repeated = check(name, &got(siem, "webhook"), &gate);
        println!("{name}: {} deliveries, {repeated} events came again", siem.taken().len());
        signed(name, siem);
    }
    assert!(check("breaks-off", &got(&bad[2], "webhook"), &gate) > 0, "what was taken without an answer came again");
    let ids = |delivery: &Delivery| delivery.headers["webhook-id"].clone();
    assert_eq!(ids(&bad[2].taken()[0]), ids(&bad[2].taken()[1]), "the same batch again has the same id");
    check("otel", &got(&otel, "otlp"), &gate);
    assert!(
        otel.taken().iter().all(|delivery| delivery.path == "/v1/logs" && delivery.headers["authorization"] == TOKEN)
    );
    check("disk", &of_file(&file), &gate);
    assert_eq!(walled.tried(), 0, "an address that is not public was reached");
    if let Some(specs) = specs() {
        let schema = specs.ocsf();
        got(&good, "webhook")
            .iter()
            .flatten()
            .for_each(|event| tests::specs::assert_fine("an event", schema.check(event)));
    }
    told(&gate);
    assert_eq!(gate.terminate().await, Some(0), "exports do not hold up a stop");
}

/// What the log says of alarms: code, subject, raised.
fn alarms(gate: &GateProcess) -> Vec<(String, String, bool)> {
    let alarm = |leaf: &pressgate::audit::Leaf| match &leaf.event {
        Event::Alarm(alarm) => Some((alarm.code.clone(), alarm.subject.clone(), alarm.raised)),
        _ => None,
    };
    gate.leaves().iter().filter_map(alarm).collect()
}

/// What the log says of exports: action and name, and the digest of each.
fn changes(gate: &GateProcess) -> Vec<String> {
    let change = |leaf: &pressgate::audit::Leaf| match &leaf.event {
        Event::Change(change) if change.what == Changed::Setting => {
            assert_eq!((change.digest.is_some(), change.by.as_str()), (change.action != "remove", "start"));
            Some(format!("{} {}", change.action, change.subject))
        }
        _ => None,
    };
    gate.leaves().iter().filter_map(change).collect()
}

/// Changes `pressgate.toml` of a gateway that does not run.
fn reconfigure(gate: &GateProcess, exports: &[String]) {
    let path = gate.site.path("pressgate.toml");
    let mut all: BTreeMap<String, String> = std::fs::read_to_string(&path)
        .expect("a file")
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    all.insert("export".to_owned(), setting(exports));
    let text: String = all.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
    std::fs::write(path, text).expect("written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_lag_is_an_alarm_in_the_log_and_each_change_of_the_exports_too() {
    let secrets = secrets();
    let (slow, partial) = (Siem::start(Mood::Hang).await, Siem::good().await);
    let rejected = json!({"partialSuccess": {"rejectedLogRecords": "2", "errorMessage": "too old"}});
    partial.set(Mood::Good(rejected.to_string()));
    let slow_line = |more: &str| {
        export("slow", "webhook", &slow.url, secrets.path(), &format!("{PRIVATE}, lag_alarm_ms = 1000{more}"))
    };
    let otel = export("otel", "otlp", &partial.url, secrets.path(), &format!("{PRIVATE}, from = \"now\""));
    let net = network().await;
    let mut gate = Gate::new()
        .account("acme-mastodon", &net)
        .setting("export", &setting(&[slow_line(""), otel.clone()]))
        .spawn()
        .await;
    publish(&gate, "x", 2).await;
    assert_eq!(changes(&gate), ["add export/otel", "add export/slow"]);
    let raised = |code: &str, name: &str| (code.to_owned(), name.to_owned(), true);
    let ended = |code: &str, name: &str| (code.to_owned(), name.to_owned(), false);
    until("the lag is told", || async { alarms(&gate).contains(&raised("export-lag", "slow")).then_some(()) }).await;
    until("the refused records are told", || async {
        alarms(&gate).contains(&raised("export-rejected", "otel")).then_some(())
    })
    .await;
    // A restart forgets neither the alarm nor the cursor.
    gate.kill9().await;
    gate.restart().await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let lagging = |all: &[(String, String, bool)]| {
        all.iter().filter(|alarm| alarm.0 == "export-lag").cloned().collect::<Vec<_>>()
    };
    assert_eq!(lagging(&alarms(&gate)), [raised("export-lag", "slow")], "it is told once");
    slow.set(Mood::Good(String::new()));
    until("the end of the lag is told", || async {
        (lagging(&alarms(&gate)) == [raised("export-lag", "slow"), ended("export-lag", "slow")]).then_some(())
    })
    .await;
    let began = sequence(&got(&partial, "otlp")[0][0]);
    let added = gate
        .leaves()
        .iter()
        .position(|leaf| matches!(&leaf.event, Event::Change(change) if change.subject == "export/otel"));
    assert_eq!(Some(began), added.map(|index| index as u64), "`now` begins with the leaf that says so");
    assert_eq!(changes(&gate).len(), 2, "nothing was changed by a restart");

    assert_eq!(gate.terminate().await, Some(0));
    reconfigure(&gate, &[slow_line(", from = \"now\"")]);
    gate.restart().await;
    assert_eq!(changes(&gate)[2..], ["change export/slow", "remove export/otel"]);
    // A secret that others can read is no secret.
    gate.terminate().await;
    std::fs::set_permissions(secrets.path().join("webhook"), std::fs::Permissions::from_mode(0o644)).expect("changed");
    let (code, _, said) = gate.command(&["serve"]).await;
    assert!(code != Some(0) && said.contains("chmod 600"), "{said}");
    let (code, said, _) = gate.command(&["doctor"]).await;
    assert!(code != Some(0) && said.contains("export slow") && said.contains("chmod 600"), "{said}");
}
