//! The Standard Webhooks library of another language verifies what the program delivers, and refuses what is not of it.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tests::harness::{GateProcess, network, until};
use tests::networks::siem::{Delivery, Siem};
use tests::skip::skipped;

use super::{event_of, holding, receiver};
use crate::cli::run_as;
use crate::samples::post;

const UNSIGNED: Option<&str> = Some("No matching signature found");
const TOO_OLD: Option<&str> = Some("Message timestamp too old");
/// What each post here is told of: it is about to be published, and is.
const EVENTS_OF_POST: usize = 2;

/// A delivery for the library, and what it must say of it; none where it must take it.
struct Case {
    what: String,
    expected: Option<&'static str>,
    delivery: Value,
}

/// What the library says of each. None, with a line that says so, where it is not installed.
fn judged(deliveries: &[&Value]) -> Option<Vec<Option<String>>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("webhooks");
    let python = folder.join("venv/bin/python");
    if !python.is_file() {
        skipped("the Standard Webhooks library for Python is not installed; run `make deps`");
        return None;
    }
    let mut child = Command::new(python)
        .arg(folder.join("judge.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    // It reads all before it writes.
    child.stdin.take().expect("piped").write_all(json!(deliveries).to_string().as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "the library failed otherwise than by refusing");
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
}

/// A delivery as it came, with some headers and its body as they are given here.
fn shown(secret: &str, delivery: &Delivery, headers: &[(&str, String)], body: &[u8]) -> Value {
    let text = |value: &hyper::header::HeaderValue| json!(value.to_str().expect("ASCII"));
    let mut all: Map<String, Value> =
        delivery.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    all.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
    json!({"secret": secret, "headers": all, "body": STANDARD.encode(body)})
}

/// The same delivery as one who has the secret would sign it so many seconds ago.
fn signed_before(secret: &str, delivery: &Delivery, seconds: i64) -> Value {
    let at = Timestamp::now().as_second() - seconds;
    let id = delivery.headers["webhook-id"].to_str().expect("ASCII");
    let signature =
        standardwebhooks::Webhook::new(secret).and_then(|key| key.sign(id, at, &delivery.body)).expect("signed");
    let headers = [("webhook-timestamp", at.to_string()), ("webhook-signature", signature)];
    shown(secret, delivery, &headers, &delivery.body)
}

/// All that is asked of the library about one delivery that `secrets` have signed, and `strangers` have not.
fn cases(number: usize, delivery: &Delivery, secrets: &[&str], strangers: &[&str]) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut case = |what: &str, expected, delivery| {
        cases.push(Case { what: format!("delivery {number}, {what}"), expected, delivery });
    };
    let body = &delivery.body;
    for secret in strangers {
        case("another secret", UNSIGNED, shown(secret, delivery, &[], body));
    }
    let at: i64 = delivery.headers["webhook-timestamp"].to_str().ok().and_then(|at| at.parse().ok()).expect("a time");
    for secret in secrets {
        case("as it came", None, shown(secret, delivery, &[], body));
        let middle = body.len() / 2;
        for place in [0, middle, body.len() - 1] {
            let mut changed = body.to_vec();
            changed[place] ^= 1;
            case(&format!("byte {place} changed"), UNSIGNED, shown(secret, delivery, &[], &changed));
        }
        let later = [("webhook-timestamp", (at - 1).to_string())];
        case("another time", UNSIGNED, shown(secret, delivery, &later, body));
        case("another id", UNSIGNED, shown(secret, delivery, &[("webhook-id", "evt_0".to_owned())], body));
        case("signed a minute ago", None, signed_before(secret, delivery, 60));
        case("signed six minutes ago", TOO_OLD, signed_before(secret, delivery, 6 * 60));
    }
    cases
}

fn rotate(gate: &GateProcess) -> String {
    let rotated = run_as(gate, "person:ops-1", "webhook secret rotate crm --json", "").json(0);
    rotated["secret"].as_str().expect("a secret").to_owned()
}

async fn publish(gate: &GateProcess, siem: &Siem, text: &str) {
    let before = siem.taken().len();
    let mut body = post("snacks", text);
    // Not only ASCII is signed.
    body["campaign"] = json!("jaro – žluťoučký 🌷");
    gate.publish(&body).await.expect(201);
    until("both events came", || async { (siem.taken().len() == before + EVENTS_OF_POST).then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_library_of_another_language_takes_what_was_signed_and_nothing_else() {
    let (net, siem) = (network().await, Siem::good().await);
    let gate = holding(&net)
        .govern(|it| {
            it.file("events.toml", &receiver(&siem, ""));
        })
        .spawn()
        .await;
    let first = rotate(&gate);
    until("the line has its secret", || async {
        // Its exit code says that one needs a person, as long as there is no secret.
        let listed = run_as(&gate, "person:ops-1", "webhook list --json", "").out;
        (serde_json::from_str::<Value>(&listed).expect("JSON")[0]["state"] == "ready").then_some(())
    })
    .await;
    publish(&gate, &siem, "signed by one").await;
    let second = rotate(&gate);
    publish(&gate, &siem, "signed by both").await;
    let third = rotate(&gate);
    publish(&gate, &siem, "signed by the last two").await;
    let another = format!("whsec_{}", STANDARD.encode([7; 32]));

    let [first, second, third, another] = [&first, &second, &third, &another].map(String::as_str);
    let mut all = Vec::new();
    for (number, delivery) in siem.taken().iter().enumerate() {
        let (secrets, strangers): (&[&str], &[&str]) = match number / EVENTS_OF_POST {
            0 => (&[first], &[second, third, another]),
            1 => (&[first, second], &[third, another]),
            _ => (&[second, third], &[first, another]),
        };
        let signatures = delivery.headers["webhook-signature"].to_str().expect("ASCII").split(' ').count();
        assert_eq!(signatures, secrets.len(), "delivery {number}");
        assert_eq!(event_of(delivery)["campaign"], "jaro – žluťoučký 🌷");
        all.extend(cases(number, delivery, secrets, strangers));
    }
    let deliveries: Vec<&Value> = all.iter().map(|case| &case.delivery).collect();
    let Some(answers) = judged(&deliveries) else { return };
    assert_eq!((answers.len(), siem.taken().len()), (all.len(), 3 * EVENTS_OF_POST));
    for (case, answer) in all.iter().zip(&answers) {
        assert_eq!(answer.as_deref(), case.expected, "{}", case.what);
    }
    let taken = answers.iter().filter(|answer| answer.is_none()).count();
    println!("{} deliveries as {} cases: {taken} taken, {} refused", 3 * EVENTS_OF_POST, all.len(), all.len() - taken);
}
