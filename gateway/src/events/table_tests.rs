//! Each kind of leaf, and the event that it is.

use std::collections::BTreeSet;

use super::*;

const NAMES: &str = "person-of-the-log";

fn leaf(text: Value) -> Leaf {
    let mut leaf = json!({"v": 1, "at_ms": 1_000});
    leaf.as_object_mut().unwrap().extend(text.as_object().unwrap().clone());
    Leaf::from_bytes(leaf.to_string().as_bytes()).unwrap()
}

fn intent(action: &str, door: Option<&str>) -> Value {
    let mut intent = json!({"kind": "intent", "post": "p", "account": "a", "action": action, "step": "create",
        "attempt": 2, "effect_kind": "effect", "safety": "none", "person": NAMES, "key": "k", "grant": "g",
        "content_digest": "c", "post_digest": "d", "request_digest": "r", "brand": "acme", "adapter": "x",
        "adapter_digest": "y"});
    if let Some(door) = door {
        intent["door"] = json!(door);
    }
    intent
}

fn outcome(result: &str, state: Option<&str>) -> Value {
    json!({"kind": "outcome", "intent": 1, "post": "p", "account": "a", "brand": "acme", "step": "create",
        "result": result, "status": 200, "target_state": state, "platform_ids": ["9"], "recovered": false})
}

fn finished(state: &str) -> Value {
    json!({"kind": "finished", "post": "p", "account": "a", "target_state": state, "code": "too-long"})
}

/// Leaves that are events, with type, account and data.
fn told() -> Vec<(Value, &'static str, Value)> {
    let refused = json!({"kind": "refused", "stage": "authorise", "problem": "no-grant", "post": "p", "account": "a",
        "person": NAMES, "codes": ["x"], "action": "post.create"});
    let sent = json!({"action": "post.create", "step": "create", "attempt": 2, "digest": "d"});
    let gone = json!({"action": "post.delete", "step": "create", "attempt": 2, "digest": "d"});
    let answered = json!({"step": "create", "status": 200, "platform_ids": ["9"]});
    let code = json!({"code": "too-long"});
    vec![
        (intent("post.create", None), "target.publishing", sent.clone()),
        (intent("post.create", Some("publish")), "target.publishing", sent),
        (intent("post.delete", None), "target.recalling", gone),
        (outcome("answered", Some("published")), "target.published", answered.clone()),
        (outcome("answered", Some("recalled")), "target.recalled", answered.clone()),
        (outcome("unanswered", None), "target.unknown", answered),
        (finished("failed"), "target.failed", code.clone()),
        (finished("unknown"), "target.unknown", code.clone()),
        (finished("accepted"), "target.retrying", code),
        (
            json!({"kind": "held", "post": "p", "accounts": ["a", "b"], "person": NAMES, "content_digest": "d",
                "verdicts": [{"policy": "tone", "plugin": "x", "outcome": "hold", "codes": ["forbidden-phrase"]}]}),
            "post.held",
            json!({"digest": "d",
                "verdicts": [{"policy": "tone", "outcome": "hold", "codes": ["forbidden-phrase"]}]}),
        ),
        (
            json!({"kind": "vote", "post": "p", "person": NAMES, "key": "k", "decision": "approve", "content_digest": "d"}),
            "post.voted",
            json!({"decision": "approve", "digest": "d"}),
        ),
        (
            json!({"kind": "withdrawal", "post": "p", "app": null, "person": NAMES, "key": "k", "content_digest": "d"}),
            "post.withdrawn",
            json!({"digest": "d"}),
        ),
        (
            refused,
            "post.refused",
            json!({"action": "post.create", "stage": "authorise", "problem": "no-grant", "codes": ["x"]}),
        ),
    ]
}

/// A transition of each name, as the table tells it.
fn transitions() -> Vec<(Value, String, Value)> {
    let names = EventType::ALL.into_iter().map(EventType::as_str);
    // These two have a leaf of their own, and a refusal is none.
    let names =
        names.filter_map(|name| name.strip_prefix("post.")).filter(|name| !["withdrawn", "refused"].contains(name));
    let told = |name: &str| {
        let leaf = json!({"kind": "transition", "post": "p", "transition": name, "seq": 3, "version": 2, "accounts": ["a"],
            "detail": "votes", "due_ms": 1_000, "person": NAMES, "key": "k", "content_digest": "d", "reason_digest": "r"});
        let data = json!({"version": 2, "detail": "votes", "due": "1970-01-01T00:00:01Z", "digest": "d"});
        (leaf, format!("post.{name}"), data)
    };
    names.map(told).collect()
}

#[test]
fn each_transition_is_the_event_of_its_name_and_names_nobody() {
    for (text, kind, data) in transitions() {
        let event = of(7, &leaf(text.clone())).unwrap_or_else(|| panic!("{text}"));
        assert_eq!((event.kind.as_str(), Value::Object(event.data.clone())), (kind.as_str(), data), "{text}");
        assert_eq!(event.about().collect::<Vec<_>>(), ["a"]);
        let view = serde_json::to_string(&event.shown(|_| true)).unwrap();
        assert!(!view.contains(NAMES) && !view.contains("\"key\"") && !view.contains("reason"), "{view}");
    }
    let later = json!({"kind": "transition", "post": "p", "transition": "teleported", "seq": 1, "version": 1, "content_digest": "d"});
    assert_eq!(of(7, &leaf(later)), None, "of a later version");
}

/// Leaves that are passed over on purpose.
fn passed_over() -> Vec<Value> {
    vec![
        intent("post.create", Some("native")),
        intent("post.create", Some("forward")),
        outcome("answered", None),
        outcome("not-sent", None),
        finished("rejected"),
        json!({"kind": "refused", "stage": "door", "problem": "invalid-request"}),
        json!({"kind": "refused", "stage": "review", "problem": "policy-denied", "post": "p", "door": "native"}),
        json!({"kind": "change", "what": "key", "action": "create", "subject": "k", "by": "local"}),
        json!({"kind": "unauthenticated", "source": "s", "second_ms": 0, "count": 1}),
        json!({"kind": "lifecycle", "event": "start", "version": "1"}),
        json!({"kind": "recovery", "cut_frames": 1, "cut_bytes": 1, "segment": "s", "from_index": 1}),
        json!({"kind": "read", "what": "audit.read"}),
        json!({"kind": "heartbeat", "started_ms": 0, "accepted": 0, "denied": 0, "sent": 0, "failed": 0}),
        json!({"kind": "state", "state": "slow", "before": "normal", "since_ms": 0, "code": "c"}),
        json!({"kind": "alarm", "code": "export-lag", "subject": "s", "raised": true}),
        json!({"kind": "erasure", "subject": "s", "basis": "b", "by": ["x"], "leaves": 1, "values": 1}),
        json!({"kind": "retention", "below": 1, "bundles": 1}),
        json!({"kind": "key-change", "from": "a", "to": "b", "by": "x"}),
        json!({"kind": "key-handover", "change": 1, "checkpoint": "c"}),
        json!({"kind": "of-the-future", "post": "p"}),
    ]
}

#[test]
fn each_leaf_of_a_post_is_the_event_of_the_table_and_names_nobody() {
    for (text, kind, data) in told() {
        let event = of(7, &leaf(text.clone())).unwrap_or_else(|| panic!("{text}"));
        assert_eq!((event.kind.as_str(), Value::Object(event.data.clone())), (kind, data), "{text}");
        assert_eq!((event.index, event.at_ms, event.post.as_str()), (7, 1_000, "p"));
        let accounts: Vec<&str> = event.about().collect();
        let expected: &[&str] = match kind {
            "post.held" => &["a", "b"],
            "post.voted" | "post.withdrawn" => &[],
            _ => &["a"],
        };
        assert_eq!(accounts, expected, "{text}");
        let view = serde_json::to_string(&event.shown(|_| true)).unwrap();
        assert!(!view.contains(NAMES) && !view.contains("\"key\""), "{view}");
    }
}

#[test]
fn what_is_not_of_a_post_is_passed_over() {
    for text in passed_over() {
        assert_eq!(of(7, &leaf(text.clone())), None, "{text}");
    }
}

#[test]
fn every_kind_of_leaf_and_every_type_of_event_is_in_the_tables() {
    let kind = |text: &Value| text["kind"].as_str().unwrap().to_owned();
    let mut kinds: BTreeSet<String> = told().iter().map(|(text, ..)| kind(text)).collect();
    kinds.extend(passed_over().iter().map(kind));
    kinds.extend(transitions().iter().map(|(text, ..)| kind(text)));
    // The match in the table is exhaustive; this is how many kinds it names, and one that nobody knows yet.
    assert_eq!(kinds.len(), 21, "{kinds:?}");
    let mut types: BTreeSet<String> = told().iter().map(|(_, kind, _)| (*kind).to_owned()).collect();
    types.extend(transitions().into_iter().map(|(_, kind, _)| kind));
    assert_eq!(types, EventType::ALL.into_iter().map(|kind| kind.as_str().to_owned()).collect());
}
