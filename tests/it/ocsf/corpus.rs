//! Leaves of every kind: full, bare, in between, and with anything in their fields.

use pressgate::audit::{Event, Leaf};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// A leaf of each kind with every field; some kinds in several forms, where the event depends on a word.
fn fulls() -> Vec<Value> {
    let verdicts = json!([
        {"policy": "house-rules", "plugin": "guidelines 0.1.0", "plugin_digest": "aa11", "outcome": "allow", "codes": ["c1", "c2"]},
        {"policy": "bare", "plugin": "lonely", "outcome": "hold"},
    ]);
    let commitments = json!([{"field": "text", "hmac": "00ff"}, {"field": "source", "hmac": "ff00"}]);
    let mut all = vec![
        json!({"kind": "intent", "post": "p1", "account": "acme-net", "action": "post.create", "step": "create", "attempt": 3,
            "effect_kind": "effect", "safety": "native-key:3600", "app": "newsroom", "person": "editor-7", "on_behalf_of": "editor-8",
            "key": "k1k1", "grant": "g1", "content_digest": "d1d1", "post_digest": "d0d0", "request_digest": "d2d2", "brand": "acme/snacks", "door": "publish", "session": "s1s1",
            "commitments": commitments, "adapter": "net 0.1.0", "adapter_digest": "d3d3", "verdicts": verdicts,
            "approvals": ["chief-1", "chief-2"]}),
        json!({"kind": "outcome", "intent": 7, "post": "p1", "account": "acme-net", "brand": "acme/snacks", "action": "post.create",
            "step": "create", "result": "answered", "status": 200, "response_digest": "d4d4", "target_state": "published",
            "platform_ids": ["1234", "at://x/y"], "recovered": true}),
        json!({"kind": "refused", "stage": "review", "problem": "policy-denied", "app": "newsroom", "person": "editor-7",
            "on_behalf_of": "editor-8", "key": "k1k1", "account": "acme-net", "action": "comment.delete", "post": "p1",
            "codes": ["phrase", "link"], "brand": "acme", "door": "native", "session": "s1s1", "method": "POST", "path": "/api/v1/push/…", "commitments": commitments, "count": 41}),
        json!({"kind": "finished", "post": "p1", "account": "acme-net", "brand": "acme", "target_state": "failed", "platform_ids": ["9"], "code": "expired"}),
        json!({"kind": "held", "post": "p1", "accounts": ["acme-net", "acme-other"], "app": "newsroom", "person": "editor-7",
            "key": "k1k1", "content_digest": "d1d1", "brand": "acme", "verdicts": verdicts}),
        json!({"kind": "vote", "post": "p1", "person": "chief-1", "key": "k1k1", "decision": "approve", "content_digest": "d1d1", "brand": "acme"}),
        json!({"kind": "withdrawal", "post": "p1", "app": "newsroom", "person": "editor-7", "key": "k1k1", "content_digest": "d1d1", "brand": "acme"}),
        json!({"kind": "transition", "post": "p1", "transition": "scheduled", "seq": 7, "version": 2, "accounts": ["acme-mastodon", "acme-bluesky"],
            "detail": "votes", "due_ms": 1_700_000_000_000_i64, "app": "newsroom", "person": "editor-7", "on_behalf_of": "editor-8", "key": "k1k1",
            "link": "link-1", "content_digest": "d1d1", "reason_digest": "d2d2", "brand": "acme"}),
        json!({"kind": "change", "what": "governance", "action": "apply", "subject": "governance", "digest": "d5d5", "by": "ops-1"}),
        json!({"kind": "unauthenticated", "source": "203.0.113.0/24", "second_ms": 1_700_000_000_000_i64, "count": 250}),
        json!({"kind": "lifecycle", "event": "start", "version": "0.1.0"}),
        json!({"kind": "recovery", "cut_frames": 2, "cut_bytes": 8192, "segment": "000000000003.wal", "from_index": 77}),
        json!({"kind": "read", "what": "audit", "app": "siem", "person": "sec-1", "key": "k1k1", "grant": "soc-read", "door": "native", "session": "s1s1", "commitments": commitments,
            "filter": "brand=acme", "from": 5, "count": 100, "leaf": 12, "reason": "case 17", "second": "sec-2"}),
        json!({"kind": "heartbeat", "started_ms": 1_700_000_000_000_i64, "accepted": 1001, "denied": 1002, "sent": 1003, "failed": 1004}),
        json!({"kind": "state", "state": "blocked", "before": "slow", "since_ms": 1_700_000_000_001_i64, "code": "no-space"}),
        json!({"kind": "alarm", "code": "export-lag", "subject": "siem", "raised": true}),
        json!({"kind": "delivery", "connector": "desk", "plugin": "request-tracker 0.1.0", "plugin_digest": "cc33", "event": 1007,
            "event_kind": "post.held", "post": "post_9", "brand": "acme", "result": "delivered", "reference": "ticket-17"}),
        json!({"kind": "erasure", "subject": "s-77", "basis": "gdpr-17", "by": ["ops-1", "ops-2"], "leaves": 1005, "values": 1006,
            "ranges": [[1, 2], [5, 9]]}),
        json!({"kind": "retention", "below": 4096, "bundles": 16}),
        json!({"kind": "key-change", "from": "log+aa+bb", "to": "log+cc+dd", "by": "local-signal"}),
        json!({"kind": "key-handover", "change": 55, "checkpoint": "origin\n1\nroot\n\n— log sig\n"}),
        json!({"kind": "freeze", "brand": "acme", "deep": {"a": [1, {"b": "later"}]}}),
    ];
    all.extend(variants(&all));
    all.into_iter().map(|leaf| with_head(&leaf)).collect()
}

/// The same in the forms that depend on a word.
fn variants(fulls: &[Value]) -> Vec<Value> {
    let mut all = Vec::new();
    for what in ["key", "credential", "plugin", "setting", "log", "weather"] {
        for action in ["create", "set", "load", "replace", "unload", "revoke", "remove", "apply-failed", "juggle"] {
            all.push(json!({"kind": "change", "what": what, "action": action, "subject": "net 0.1.0", "digest": "d6d6", "by": "start"}));
        }
    }
    for (result, status) in [("answered", 404), ("not-sent", 503), ("unanswered", 0), ("unknown", 0), ("new", 500)] {
        let mut outcome = fulls[1].clone();
        (outcome["result"], outcome["status"]) = (json!(result), json!(status));
        all.push(outcome);
    }
    for action in [
        "post.read",
        "post.edit",
        "post.delete",
        "media.upload",
        "message.send",
        "ad.manage",
        "audience.write",
        "strange",
        "",
    ] {
        let mut intent = fulls[0].clone();
        intent["action"] = json!(action);
        all.push(intent);
    }
    for (kind, name, words) in [
        ("finished", "target_state", ["published", "unknown", "recalled"]),
        ("vote", "decision", ["approve", "reject", "other"]),
        ("lifecycle", "event", ["start", "stop", "nap"]),
        ("state", "state", ["normal", "slow", "low-disk"]),
    ] {
        for word in words {
            let mut leaf = fulls.iter().find(|leaf| leaf["kind"] == kind).expect("a kind").clone();
            leaf[name] = json!(word);
            all.push(leaf);
        }
    }
    let mut cleared = fulls.iter().find(|leaf| leaf["kind"] == "alarm").expect("an alarm").clone();
    cleared["raised"] = json!(false);
    all.push(cleared);
    all
}

fn with_head(leaf: &Value) -> Value {
    let mut whole = Map::from_iter([("v".to_owned(), json!(1)), ("at_ms".to_owned(), json!(1_700_000_000_123_i64))]);
    whole.extend(leaf.as_object().expect("an object").clone());
    Value::Object(whole)
}

/// The leaf of this kind with every field.
pub fn full(kind: &str) -> Value {
    fulls().into_iter().find(|leaf| leaf["kind"] == kind).unwrap_or_else(|| panic!("no {kind}"))
}

/// The names of the fields that a leaf need not have.
fn optional(leaf: &Value) -> Vec<String> {
    let before = read(leaf).expect("a leaf");
    let fields = leaf.as_object().expect("an object");
    fields
        .keys()
        .filter(|name| !["v", "kind", "at_ms"].contains(&name.as_str()))
        .filter(|name| {
            let mut less = fields.clone();
            less.shift_remove(*name);
            read(&Value::Object(less))
                .is_some_and(|after| std::mem::discriminant(&after) == std::mem::discriminant(&before))
        })
        .cloned()
        .collect()
}

fn read(leaf: &Value) -> Option<Event> {
    Leaf::from_bytes(leaf.to_string().as_bytes()).ok().map(|leaf| leaf.event)
}

/// Every full leaf, each without all that is optional, each without one optional field, and of other versions.
pub fn all() -> Vec<Value> {
    let mut all = Vec::new();
    for leaf in fulls() {
        let names = optional(&leaf);
        let without = |names: &[String]| {
            let mut less = leaf.as_object().expect("an object").clone();
            names.iter().for_each(|name| drop(less.shift_remove(name)));
            Value::Object(less)
        };
        all.push(without(&names));
        all.extend(names.iter().map(|name| without(std::slice::from_ref(name))));
        all.push(leaf);
    }
    let mut later = full("intent");
    later["v"] = json!(2);
    all.push(later);
    all.push(json!({"v": 1, "at_ms": -5, "kind": "unknown"}));
    all
}

/// A leaf with some of its optional fields and anything in the others.
pub fn any_leaf() -> impl Strategy<Value = Value> {
    let fulls = fulls();
    (prop::sample::select(fulls), prop::collection::vec((0u8..6, any::<u64>(), "\\PC{0,12}"), 40)).prop_map(
        |(leaf, dice)| {
            let names = optional(&leaf);
            let mut less = leaf.as_object().expect("an object").clone();
            for (name, (roll, ..)) in names.iter().zip(&dice) {
                if *roll < 2 {
                    less.shift_remove(name);
                }
            }
            let mut dice = dice.iter().cycle();
            for (name, value) in &mut less {
                if name != "kind" && name != "v" {
                    shake(value, &mut dice);
                }
            }
            Value::Object(less)
        },
    )
}

/// Puts something else into a part of the texts and numbers.
fn shake<'a>(value: &mut Value, dice: &mut impl Iterator<Item = &'a (u8, u64, String)>) {
    let Some((roll, number, text)) = dice.next() else { return };
    match value {
        Value::String(word) if *roll == 5 => word.clone_from(text),
        Value::Number(count) if *roll == 5 => {
            *count = if number % 2 == 0 { (*number).into() } else { (number % 60_000).into() }
        }
        Value::Bool(flag) => *flag = number % 2 == 0,
        Value::Array(items) => items.iter_mut().for_each(|item| shake(item, dice)),
        Value::Object(fields) => fields.values_mut().for_each(|field| shake(field, dice)),
        _ => {}
    }
}
