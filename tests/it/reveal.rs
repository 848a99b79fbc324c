//! Commitments in leaves, and opening them: two people, a reason, a while.

use pressgate::audit::{Event, Leaf, leaf};
use pressgate_audit::leaf::{Commitment, Place};
use serde_json::{Value, json};
use tests::harness::{Gate, Running, network, problem};

use crate::erasure::cast;
use crate::samples::{id, post};

/// Who may open what: two people everything, one person what one brand said.
pub const AUDITORS: &str = r#"
[[auditor]]
id = "sec-all"
person = "chief-1"
rights = ["audit:reveal"]
owner = "ops-1"
expires = 2099-01-01T00:00:00Z

[[auditor]]
id = "sec-second"
person = "editor-8"
rights = ["audit:reveal", "audit:read"]
owner = "ops-1"
expires = 2099-01-01T00:00:00Z

[[auditor]]
id = "sec-drinks"
person = "chief-drinks"
brand = "acme/drinks"
rights = ["audit:reveal"]
owner = "ops-1"
expires = 2099-01-01T00:00:00Z

[[auditor]]
id = "siem"
app = "careers"
rights = ["audit:read"]
owner = "ops-1"
expires = 2099-01-01T00:00:00Z
"#;

/// The values of a leaf, as two people see them.
pub async fn reveal(gate: &Running, leaf: u64) -> Value {
    let (chief, second) = (gate.caller("person:chief-1"), gate.caller("person:editor-8"));
    let asked = chief.post("/v1/audit/reveals", &json!({"leaf": leaf, "reason": "incident 7"})).await.expect(201);
    let path = format!("/v1/audit/reveals/{}", id(&asked));
    assert_eq!((&asked["state"], &asked["values"]), (&json!("waits"), &Value::Null));
    second.post(&format!("{path}/confirmations"), &json!({})).await.expect(200);
    chief.get(&path).await.expect(200)
}

/// Every leaf that commits to something, with its index.
fn committing(gate: &Running) -> Vec<(u64, Leaf)> {
    (0..).zip(gate.leaves()).filter(|(_, leaf)| !leaf.event.commitments().is_empty()).collect()
}

/// Checks each value against the leaf's commitment as anybody can, and gives them by field.
fn checked(shown: &Value, leaf: &Leaf) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("no text in {shown}")).to_owned();
    assert_eq!(text(&shown["call"]), leaf.event.call());
    let values = shown["values"].as_array().expect("values");
    let all = values.iter().map(|value| {
        let (field, hmac) = (text(&value["field"]), text(&value["hmac"]));
        let commitment = Commitment { field: field.clone(), hmac };
        assert!(leaf.event.commitments().contains(&commitment));
        let digits = text(&value["salt"]);
        let salt: Vec<u8> =
            (0..32).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).expect("hexadecimal")).collect();
        let origin = text(&shown["origin"]);
        let place = Place { origin: &origin, call: leaf.event.call(), field: &field };
        let said = text(&value["value"]);
        assert!(commitment.opens(place, &salt.try_into().expect("32 bytes"), said.as_bytes()), "{field}");
        assert_eq!(value["state"], "opened");
        (field, said)
    });
    all.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn leaves_commit_to_what_was_said_and_from_where() {
    let net = network().await;
    let mut gate = Gate::new().account("acme-mastodon", &net).govern(cast).start().await;
    let body = json!({"accounts": ["acme-mastodon"], "content": {"text": "first", "thread": [{"text": "second"}]},
        "options": {"mastodon": {"content_warning": "careful"}}});
    let made = gate.publish(&body).await.expect(201);
    let reference = made["targets"][0]["platform_id"].as_str().expect("published");
    let reply = json!({"accounts": ["acme-mastodon"], "content": {"text": "third"},
        "reply_to": {"account": "acme-mastodon", "ref": reference}});
    gate.publish(&reply).await.expect(201);
    gate.delete(&format!("/v1/posts/{}", id(&made))).await.expect(200);
    problem(&gate.caller("app:careers").publish(&post("acme-mastodon", "not allowed")).await, "no-grant");
    // What is kept opens after a restart too.
    gate.restart().await;
    let mut seen = Vec::new();
    for (index, leaf) in committing(&gate) {
        let values = checked(&reveal(&gate, index).await, &leaf);
        let of = |field: &str| values.iter().find(|(name, _)| name == field).map(|(_, value)| value.clone());
        assert_eq!(of("source").as_deref(), Some("127.0.0.1"), "{leaf:?}");
        let (name, door) = match &leaf.event {
            Event::Intent(intent) => (format!("{} {}", intent.action, intent.step), intent.door.clone()),
            Event::Refused(refused) => (refused.problem.clone(), refused.door.clone()),
            other => panic!("{other:?}"),
        };
        assert_eq!(door.as_deref(), Some("publish"));
        let text = of("text").unwrap_or_default();
        let words: Vec<&str> = ["first", "second", "careful", "third", "not allowed"]
            .into_iter()
            .filter(|word| text.contains(word))
            .collect();
        seen.push((name.split(' ').next().expect("a name").to_owned(), words.join(","), of("reply-to")));
    }
    let seen: Vec<_> = seen.iter().map(|(name, words, to)| (name.as_str(), words.as_str(), to.as_deref())).collect();
    let thread = ("post.create", "first,second,careful", None);
    assert_eq!(
        seen,
        [
            thread,
            thread,
            ("comment.create", "third", Some(reference)),
            ("post.delete", "", None),
            ("post.delete", "", None),
            ("no-grant", "not allowed", None),
        ]
    );
}

/// What is refused before anybody is asked to confirm it.
async fn asking_is_for_few(gate: &Running, index: u64, ask: &Value) {
    let (reveals, chief) = ("/v1/audit/reveals", gate.caller("person:chief-1"));
    // No right, no person, no reach, no reason, no such thing.
    for holder in ["person:ops-1", "person:editor-7", "app:newsroom", "app:careers"] {
        problem(&gate.caller(holder).post(reveals, ask).await, "no-grant");
    }
    problem(&gate.caller("person:chief-drinks").post(reveals, ask).await, "not-found");
    for (leaf, fields, reason, slug) in [
        (index, json!(["text"]), "  ", "invalid-request"),
        (index, json!(["text"]), &*"x".repeat(501), "invalid-request"),
        (index, json!(["password"]), "r", "invalid-request"),
        (0, json!([]), "r", "invalid-request"),
        (1_000_000, json!([]), "r", "not-found"),
    ] {
        let body = json!({"leaf": leaf, "fields": fields, "reason": reason});
        problem(&chief.post(reveals, &body).await, slug);
    }
    problem(&chief.post(reveals, &json!({"leaf": index, "reason": "r", "more": 1})).await, "invalid-request");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_with_the_right_and_a_reason() {
    let net = network().await;
    let clock = tests::harness::gate::clock();
    let gate = Gate::new().account("acme-mastodon", &net).govern(cast).clock(&clock).start().await;
    gate.publish(&post("acme-mastodon", "secret words")).await.expect(201);
    let (index, _) = committing(&gate).remove(0);
    let (chief, second) = (gate.caller("person:chief-1"), gate.caller("person:editor-8"));
    let ask = json!({"leaf": index, "fields": ["text"], "reason": "incident 7"});
    let reveals = "/v1/audit/reveals";
    asking_is_for_few(&gate, index, &ask).await;
    let asked = chief.post(reveals, &ask).await.expect(201);
    let path = format!("{reveals}/{}", id(&asked));
    let confirmations = format!("{path}/confirmations");
    // One person alone sees nothing, not even with another key.
    assert_eq!(chief.get(&path).await.expect(200)["values"], Value::Null);
    problem(&chief.post(&confirmations, &json!({})).await, "no-grant");
    let gateway = gate.gateway();
    let holder = pressgate::model::Principal::Person(pressgate::model::PersonId::new("chief-1"));
    let key = gateway.keys.create(gateway.records.as_ref(), holder, None, "second".into(), gateway.clock.now()).await;
    let again = gate.caller_with(pressgate::keys::reveal(&key.expect("made").0));
    problem(&again.post(&confirmations, &json!({})).await, "no-grant");
    problem(&gate.caller("person:chief-drinks").post(&confirmations, &json!({})).await, "not-found");
    problem(&gate.caller("person:ops-1").get(&path).await, "no-grant");
    problem(&second.post(&format!("{reveals}/none/confirmations"), &json!({})).await, "not-found");
    assert_eq!(second.get(&path).await.expect(200)["reason"], "incident 7");
    assert_eq!(second.post(&confirmations, &json!({})).await.expect(200)["state"], "confirmed");
    for caller in [&chief, &second] {
        let shown: Value = caller.get(&path).await.expect(200);
        assert_eq!(shown["values"].as_array().map(Vec::len), Some(1), "only what was asked for");
        assert!(shown["values"][0]["value"].as_str().is_some_and(|text| text.contains("secret words")), "{shown}");
    }
    clock.advance(jiff::SignedDuration::from_mins(16));
    problem(&chief.get(&path).await, "not-found");

    let reads: Vec<leaf::Read> = gate
        .leaves()
        .into_iter()
        .filter_map(|leaf| match leaf.event {
            Event::Read(read) => Some(*read),
            _ => None,
        })
        .collect();
    let story: Vec<_> = reads
        .iter()
        .map(|read| (read.what.as_str(), read.person.as_deref(), read.second.as_deref(), read.grant.as_deref()))
        .collect();
    let (one, two) = (Some("chief-1"), Some("editor-8"));
    assert_eq!(
        story,
        [
            ("audit.reveal.ask", one, None, Some("sec-all")),
            ("audit.reveal.confirm", two, one, Some("sec-second")),
            ("audit.reveal", one, two, Some("sec-all")),
            ("audit.reveal", two, one, Some("sec-second")),
        ]
    );
    assert!(reads.iter().all(|read| read.leaf == Some(index) && read.reason.as_deref() == Some("incident 7")));
    assert!(!format!("{:?}", gate.leaves()).contains("secret words"));
}
