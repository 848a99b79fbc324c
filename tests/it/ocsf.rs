//! Every leaf becomes an event that follows OCSF 1.8, whatever stands in it; and what is wrong with an event is found.

mod corpus;

use std::collections::BTreeSet;

use pressgate::audit::{Event, Leaf};
use pressgate::export::ocsf;
use proptest::prelude::*;
use serde_json::{Value, json};
use tests::specs::{Ocsf, assert_fine, specs};

const ORIGIN: &str = "pressgate/audit/0192f0c1-7d11-7000-8000-000000000001";

fn event(index: u64, leaf: &Value) -> Value {
    ocsf::event(ORIGIN, index, leaf.to_string().as_bytes())
}

/// The kinds of leaf, so that a new one without an example does not compile.
fn kind(event: &Event) -> &'static str {
    match event {
        Event::Intent(_) => "intent",
        Event::Outcome(_) => "outcome",
        Event::Refused(_) => "refused",
        Event::Finished(_) => "finished",
        Event::Held(_) => "held",
        Event::Vote(_) => "vote",
        Event::Withdrawal(_) => "withdrawal",
        Event::Transition(_) => "transition",
        Event::Change(_) => "change",
        Event::Unauthenticated(_) => "unauthenticated",
        Event::Lifecycle(_) => "lifecycle",
        Event::Recovery(_) => "recovery",
        Event::Read(_) => "read",
        Event::Heartbeat(_) => "heartbeat",
        Event::State(_) => "state",
        Event::Alarm(_) => "alarm",
        Event::Delivery(_) => "delivery",
        Event::Erasure(_) => "erasure",
        Event::Retention(_) => "retention",
        Event::KeyChange(_) => "key-change",
        Event::KeyHandover(_) => "key-handover",
        Event::Unknown => "unknown",
    }
}
const KINDS: usize = 22;

#[test]
fn every_kind_of_leaf_is_a_valid_event_with_and_without_its_optional_fields() {
    let Some(specs) = specs() else { return };
    let schema = specs.ocsf();
    assert_eq!(ocsf::VERSION, schema.version);
    let (mut kinds, mut classes, mut checked) = (BTreeSet::new(), BTreeSet::new(), 0);
    for (index, leaf) in (0..).zip(corpus::all()) {
        kinds.insert(kind(&Leaf::from_bytes(leaf.to_string().as_bytes()).expect("a leaf").event));
        let event = event(index, &leaf);
        assert_fine(&format!("{leaf}\n{event:#}"), schema.check(&event));
        nothing_is_lost(&leaf, &event).unwrap_or_else(|lost| panic!("{lost} of {leaf} is not in {event:#}"));
        classes.insert(event["class_uid"].as_u64().expect("a class"));
        checked += 1;
    }
    assert_eq!(kinds.len(), KINDS, "{kinds:?}");
    assert_eq!(classes, BTreeSet::from([0, 3002, 3004, 6002, 6003, 6008]));
    println!("{checked} events of {} kinds in {} classes", kinds.len(), classes.len());
}

#[test]
fn an_event_leads_back_to_its_leaf_and_to_its_intent() {
    let intent = event(7, &corpus::full("intent"));
    assert_eq!(intent["metadata"]["uid"], format!("{ORIGIN}#7"));
    assert_eq!((&intent["metadata"]["sequence"], &intent["metadata"]["event_code"]), (&json!(7), &json!("intent")));
    assert_eq!(
        (&intent["class_uid"], &intent["type_uid"], &intent["activity_name"]),
        (&json!(6003), &json!(600_301), &json!("Create"))
    );
    assert_eq!(intent["actor"]["app_uid"], "newsroom");
    assert_eq!(
        intent["actor"]["authorizations"][0],
        json!({"decision": "allowed", "policy": {"type": "grant", "uid": "g1"}})
    );
    assert_eq!(intent["api"]["service"], json!({"name": "net", "version": "0.1.0"}));
    assert_eq!(intent["api"]["operation"], "post.create");
    let outcome = event(9, &corpus::full("outcome"));
    assert_eq!(outcome["metadata"]["correlation_uid"], intent["metadata"]["uid"], "the outcome of leaf 7");
    assert_eq!(intent["metadata"]["correlation_uid"], intent["metadata"]["uid"]);
    assert_eq!((&outcome["status_id"], &outcome["http_response"]["code"]), (&json!(1), &json!(200)));
    // RFC 6962: SHA-256 over a zero byte and the leaf; worked out by another program for this leaf.
    let hashed = ocsf::event("o", 0, br#"{"v":1,"at_ms":7,"kind":"lifecycle","event":"stop","version":"1"}"#);
    assert_eq!(hashed["unmapped"]["leaf_hash"], "af91fd3591948d6af2ecbe4e650fad23a09648a643b787553e9addc45d5303a4");
}

#[test]
fn bytes_that_are_no_leaf_are_an_event_too() {
    let Some(specs) = specs() else { return };
    let schema = specs.ocsf();
    for bytes in
        [b"".as_slice(), b"7", b"{}", b"\xff\xfe", br#"{"v":1,"at_ms":7,"kind":"vote"}"#, br#"{"v":"1","at_ms":[]}"#]
    {
        let event = ocsf::event(ORIGIN, 3, bytes);
        assert_fine(&format!("{event:#}"), schema.check(&event));
        assert_eq!((&event["class_uid"], &event["activity_name"]), (&json!(6008), &json!("Translation Error")));
        assert_eq!(event["raw_data"], String::from_utf8_lossy(bytes).into_owned());
    }
}

/// What is free: the source's own data.
const FREE: [&str; 2] = ["unmapped", "data"];

/// Paths to every value outside what is free.
fn paths(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(fields) => {
            for (name, value) in fields.iter().filter(|(name, _)| !FREE.contains(&name.as_str())) {
                paths(value, &format!("{at}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                paths(item, &format!("{at}/{place}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn whatever_is_planted_in_an_event_is_found() {
    let Some(specs) = specs() else { return };
    let schema = specs.ocsf();
    let mut planted = 0;
    let mut must_fail = |event: &Value, what: &str| {
        planted += 1;
        assert!(schema.check(event).is_err(), "{what} was not found in {event:#}");
    };
    for leaf in corpus::all() {
        let good = event(5, &leaf);
        let mut found = Vec::new();
        paths(&good, "", &mut found);
        for path in found {
            let at = |event: &mut Value, value: Value| *event.pointer_mut(&path).expect("it is there") = value;
            let value = good.pointer(&path).expect("it is there");
            // A wrong type, everywhere.
            let mut wrong = good.clone();
            at(&mut wrong, if value.is_object() { json!("x") } else { json!({ "x": 1 }) });
            must_fail(&wrong, &format!("a wrong type at {path}"));
            if let Value::Object(fields) = value {
                // An attribute that there is not, in every object.
                let mut more = fields.clone();
                more.insert("planted".into(), json!("x"));
                let mut wrong = good.clone();
                at(&mut wrong, Value::Object(more));
                must_fail(&wrong, &format!("an unknown attribute in {path}"));
            }
            // A number that is not among those that the schema has.
            if path.ends_with("_id") || path.ends_with("_uid") && value.is_number() {
                let mut wrong = good.clone();
                at(&mut wrong, json!(7_777));
                must_fail(&wrong, &format!("a wrong number at {path}"));
            }
        }
        for required in ["activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid"] {
            let mut wrong = good.clone();
            wrong.as_object_mut().expect("an object").remove(required).expect("it is there");
            must_fail(&wrong, &format!("no {required}"));
        }
    }
    for (kind, path, value) in planted_by_hand() {
        let mut wrong = event(5, &corpus::full(kind));
        let (parent, name) = path.rsplit_once('/').expect("a path");
        let parent = wrong.pointer_mut(parent).unwrap_or_else(|| panic!("{kind} has no {parent}"));
        let parent = parent.as_object_mut().expect("an object");
        match value {
            Value::Null => drop(parent.remove(name).expect("it is there")),
            value => drop(parent.insert(name.to_owned(), value)),
        }
        must_fail(&wrong, &format!("{kind} {path}"));
    }
    println!("{planted} planted faults, all found");
    assert!(planted > 2_000, "{planted}");
}

/// One of each rule: what stands at the path instead; null takes it away.
fn planted_by_hand() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        // Required by the class, by an object.
        ("intent", "/actor", Value::Null),
        ("intent", "/api", Value::Null),
        ("intent", "/src_endpoint", Value::Null),
        ("intent", "/api/operation", Value::Null),
        ("intent", "/metadata/product", Value::Null),
        ("intent", "/metadata/version", Value::Null),
        ("change", "/entity", Value::Null),
        ("lifecycle", "/app", Value::Null),
        ("unauthenticated", "/user", Value::Null),
        // At least one of several.
        ("unauthenticated", "/service", Value::Null),
        ("intent", "/actor", json!({})),
        ("intent", "/actor", json!({"authorizations": [{"decision": "allowed"}]})),
        ("intent", "/src_endpoint", json!({})),
        ("intent", "/src_endpoint", json!({"port": 443})),
        ("change", "/entity", json!({"type": "key"})),
        // Enumerations and captions.
        ("intent", "/severity_id", json!(7)),
        ("intent", "/activity_id", json!(5)),
        ("intent", "/severity", json!("Severe")),
        ("intent", "/type_uid", json!(600_305)),
        ("intent", "/category_uid", json!(3)),
        ("intent", "/class_uid", json!(6002)),
        ("intent", "/class_uid", json!(6999)),
        ("intent", "/class_name", json!("API")),
        ("intent", "/status", Value::Null),
        ("intent", "/api/token/type_id", json!(8)),
        ("intent", "/disposition", json!("Permitted")),
        // Data types with rules of their own.
        ("intent", "/src_endpoint/ip", json!("somewhere")),
        ("intent", "/src_endpoint/port", json!(70_000)),
        ("intent", "/src_endpoint/mac", json!("00:11")),
        ("intent", "/time", json!(1.5)),
        ("intent", "/time", json!(u64::MAX)),
        ("intent", "/unmapped", json!([])),
        ("intent", "/metadata/version", json!("1.7.0")),
        // Profiles: not of this class, and attributes of one that is off.
        ("intent", "/metadata/profiles", json!(["security_control", "incident"])),
        ("intent", "/metadata/profiles", json!([])),
        ("change", "/disposition_id", json!(1)),
        // Deprecated.
        ("intent", "/actor/invoked_by", json!("x")),
    ]
}

/// Fails with a word or a number of the leaf that is nowhere in the event.
fn nothing_is_lost(leaf: &Value, event: &Value) -> Result<(), String> {
    let (mut kept, mut wanted) = (Vec::new(), Vec::new());
    scalars(event, &mut kept);
    scalars(leaf, &mut wanted);
    for text in wanted {
        // Name and version of a plugin stand apart in the event.
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            if !kept.iter().any(|kept| kept.contains(word)) {
                return Err(word.to_owned());
            }
        }
    }
    Ok(())
}

fn scalars(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Number(number) => found.push(number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| scalars(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| scalars(field, found)),
        Value::Bool(_) | Value::Null => {}
    }
}

thread_local! {
    static SCHEMA: Option<Ocsf> = specs().map(|specs| specs.ocsf());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn any_leaf_is_a_valid_event(leaf in corpus::any_leaf(), index: u64) {
        SCHEMA.with(|schema| {
            let Some(schema) = schema else { return Ok(()) };
            let made = event(index, &leaf);
            prop_assert!(schema.check(&made).is_ok(), "{:?}\n{}\n{:#}", schema.check(&made), leaf, made);
            let lost = nothing_is_lost(&leaf, &made);
            // Bytes that are no leaf stand whole in one text.
            let whole = made.get("raw_data").is_some_and(|raw| raw.as_str() == Some(&leaf.to_string()));
            prop_assert!(lost.is_ok() || whole, "{:?} of {} is lost in {:#}", lost, leaf, made);
            prop_assert_eq!(event(index, &leaf), made, "a repetition is the same");
            Ok(())
        })?;
    }
}
