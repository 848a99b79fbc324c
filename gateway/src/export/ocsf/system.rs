//! Leaves about the gateway and the log itself.

use serde_json::{Value, json};

use super::draft::{
    AUTHENTICATION, Activity, BASE, Draft, ENTITY, ERROR, LIFECYCLE, OTHER, PRODUCT, Severity, Status, object,
};
use crate::audit::leaf::{Alarm, Change, Changed, Delivery, DeliveryResult, LifecycleEvent, State};

/// `activity_id` of an error in general, and of a record that could not be mapped (Application Error).
const GENERAL_ERROR: Activity = (1, "General Error");
const TRANSLATION_ERROR: Activity = (2, "Translation Error");
/// `type_id` of an entity that is a policy.
const POLICY: u32 = 5;
/// Who changes something without being a person.
const NOT_PERSONS: &[&str] = &["local", "local-signal", "start", "first-start", "pressgate"];
/// So many refusals of one source in a second are more than a mistyped key.
const FLOOD_COUNT: u64 = 100;

pub(super) fn change(draft: &mut Draft, change: &Change) {
    let failed = change.action.strip_suffix("-failed");
    let word = failed.unwrap_or(&change.action);
    draft.status(if failed.is_some() { Status::Failure } else { Status::Success });
    let unusual = failed.is_some() || change.what == Changed::Log;
    draft.severity(if unusual { Severity::Medium } else { Severity::Informational });
    let what = draft.peek("what").unwrap_or_default();
    draft.message(format!("{what} {}: {}", change.action, change.subject));
    let subject = draft.text("subject").unwrap_or_default();
    if change.what == Changed::Plugin {
        draft.class(LIFECYCLE, plugin_activity(word));
        // Behind name and version may stand where it serves, and why.
        let mut words = subject.split(' ');
        let (name, version) = (words.next().unwrap_or_default(), words.next().map(|version| json!(version)));
        let digest = draft.text("digest").map(Value::String);
        draft.set("app", object([("name", Some(json!(name))), ("version", version), ("uid", digest)]));
        // In this class an actor is an attribute of the profile.
        draft.profile("host");
    } else {
        draft.class(ENTITY, entity_activity(word));
        let (kind, type_id) = match change.what {
            Changed::Governance => ("Policy", POLICY),
            _ => (what.as_str(), OTHER),
        };
        let digest = draft.text("digest").map(Value::String);
        draft.set(
            "entity",
            object([
                ("uid", Some(json!(subject))),
                ("type", Some(json!(kind))),
                ("type_id", Some(json!(type_id))),
                ("version", digest),
            ]),
        );
    }
    let by = draft.text("by").unwrap_or_default();
    draft.set("actor", actor(&by));
}

fn entity_activity(action: &str) -> (u32, &str) {
    match action {
        "create" | "add" => (1, "Create"),
        "set" | "apply" | "change" | "rotate" | "replace" => (3, "Update"),
        "revoke" | "delete" | "remove" => (4, "Delete"),
        "enable" => (8, "Enable"),
        "disable" => (9, "Disable"),
        "freeze" | "suspend" => (12, "Suspend"),
        "thaw" | "resume" => (13, "Resume"),
        other => (OTHER, other),
    }
}

fn plugin_activity(action: &str) -> (u32, &str) {
    match action {
        "load" | "install" => (1, "Install"),
        "unload" | "remove" => (2, "Remove"),
        "enable" => (6, "Enable"),
        "disable" => (7, "Disable"),
        "replace" | "update" | "activate" | "canary" | "promote" | "rollback" => (8, "Update"),
        other => (OTHER, other),
    }
}

/// Who did it: a person by an opaque id, or a part of the gateway.
fn actor(by: &str) -> Value {
    match by {
        "" => json!({ "app_name": PRODUCT }),
        app if app.starts_with("app:") => json!({ "app_name": app.trim_start_matches("app:"), "app_uid": app }),
        part if NOT_PERSONS.contains(&part) => json!({ "app_name": PRODUCT, "app_uid": part }),
        person => json!({ "user": { "uid": person } }),
    }
}

pub(super) fn unauthenticated(draft: &mut Draft, second_ms: i64, count: u64) {
    draft.class(AUTHENTICATION, (1, "Logon"));
    draft.severity(if count >= FLOOD_COUNT { Severity::Medium } else { Severity::Low });
    draft.status(Status::Failure);
    draft.set("status_code", "unauthenticated".into());
    draft.message(format!("{count} requests without a valid key in one second"));
    draft.set("user", json!({ "uid": "unknown", "type_id": 0, "type": "Unknown" }));
    draft.set("service", json!({ "name": PRODUCT, "uid": draft.origin }));
    draft.set("is_remote", true.into());
    let source = draft.text("source").unwrap_or_default();
    draft.set("src_endpoint", json!({ "uid": source }));
    draft.said("count");
    draft.said("second_ms");
    draft.set("count", count.into());
    draft.set("start_time", second_ms.into());
    draft.set("end_time", second_ms.saturating_add(999).into());
}

pub(super) fn lifecycle(draft: &mut Draft, event: LifecycleEvent) {
    let word = draft.text("event").unwrap_or_default();
    let activity = match event {
        LifecycleEvent::Start => (3, "Start"),
        LifecycleEvent::Stop => (4, "Stop"),
        LifecycleEvent::Other => (OTHER, word.as_str()),
    };
    draft.class(LIFECYCLE, activity);
    draft.severity(Severity::Informational);
    draft.status(Status::Success);
    draft.message(format!("the gateway: {word}"));
    let version = draft.text("version").unwrap_or_default();
    draft.set("app", json!({ "name": PRODUCT, "uid": draft.origin, "version": version }));
}

pub(super) fn recovery(draft: &mut Draft) {
    draft.class(ERROR, GENERAL_ERROR);
    draft.severity(Severity::Low);
    draft.status(Status::Success);
    draft.set("status_code", "torn-tail".into());
    draft.message("what a crash left of a batch that nobody was told about was cut from the log");
}

pub(super) fn heartbeat(draft: &mut Draft) {
    draft.class(BASE, (OTHER, "Heartbeat"));
    draft.severity(Severity::Informational);
    draft.status(Status::Success);
    draft.message("counters of the gateway since its start");
}

pub(super) fn state(draft: &mut Draft, state: &State) {
    let severity = match state.state.as_str() {
        "normal" => Severity::Informational,
        "slow" => Severity::Low,
        "low-disk" => Severity::Medium,
        _ => Severity::High,
    };
    let normal = severity == Severity::Informational;
    draft.class(ERROR, if normal { (OTHER, "Normal") } else { GENERAL_ERROR });
    draft.severity(severity);
    draft.status(if normal { Status::Success } else { Status::Failure });
    let code = draft.text("code");
    draft.set("status_code", code.into());
    draft.set("start_time", state.since_ms.into());
    draft.said("since_ms");
    draft.message(format!("the log is {} and was {}", state.state, state.before));
}

pub(super) fn alarm(draft: &mut Draft, alarm: &Alarm) {
    draft.class(ERROR, if alarm.raised { GENERAL_ERROR } else { (OTHER, "Alarm cleared") });
    draft.severity(if alarm.raised { Severity::High } else { Severity::Informational });
    draft.status(if alarm.raised { Status::Failure } else { Status::Success });
    let code = draft.text("code");
    draft.set("status_code", code.into());
    let what = if alarm.raised { "raised" } else { "cleared" };
    draft.message(format!("alarm `{}` {what}: {}", alarm.code, alarm.subject));
}

pub(super) fn delivery(draft: &mut Draft, delivery: &Delivery) {
    let taken = delivery.result == DeliveryResult::Delivered;
    draft.class(ENTITY, (OTHER, "Hand over"));
    draft.severity(if taken { Severity::Informational } else { Severity::Medium });
    draft.status(match delivery.result {
        DeliveryResult::Delivered => Status::Success,
        DeliveryResult::GivenUp => Status::Failure,
        DeliveryResult::Unknown | DeliveryResult::Other => Status::Unknown,
    });
    let what = if taken { "took" } else { "did not surely take" };
    draft.message(format!("the connector `{}` {what} the event {}", delivery.connector, delivery.event_kind));
    draft.set("entity", json!({ "uid": delivery.connector, "type": "connector", "type_id": OTHER }));
    draft.set("actor", actor(""));
}

pub(super) fn erasure(draft: &mut Draft, by: &[String]) {
    draft.class(ENTITY, (4, "Delete"));
    draft.severity(Severity::Informational);
    draft.status(Status::Success);
    let subject = draft.text("subject").unwrap_or_default();
    draft.set("entity", json!({ "uid": subject, "type": "subject", "type_id": OTHER }));
    let basis = draft.text("basis").unwrap_or_default();
    draft.message(format!("the values of a subject were erased: {basis}"));
    draft.set("comment", basis.into());
    // The others stand in `unmapped.by`.
    if let Some(first) = by.first() {
        draft.set("actor", actor(first));
    }
}

pub(super) fn retention(draft: &mut Draft) {
    draft.class(ENTITY, (4, "Delete"));
    draft.severity(Severity::Informational);
    draft.status(Status::Success);
    draft.message("entries of the log that are past their time were dropped; the hashes stay");
    draft.set("entity", json!({ "uid": draft.origin, "type": "audit-log", "type_id": OTHER }));
    draft.set("actor", actor(""));
}

pub(super) fn key_change(draft: &mut Draft) {
    signing_key(draft);
    draft.message("the key that signs checkpoints was changed");
    let to = draft.text("to").unwrap_or_default();
    draft.set("entity", json!({ "uid": draft.origin, "type": "log-key", "type_id": OTHER, "version": to }));
    let by = draft.text("by").unwrap_or_default();
    draft.set("actor", actor(&by));
}

pub(super) fn key_handover(draft: &mut Draft, change: u64) {
    signing_key(draft);
    draft.correlate(change);
    draft.said("change");
    draft.message("a checkpoint was signed with the old and the new key");
    draft.set("entity", json!({ "uid": draft.origin, "type": "log-key", "type_id": OTHER }));
    draft.set("actor", actor(""));
}

fn signing_key(draft: &mut Draft) {
    draft.class(ENTITY, (3, "Update"));
    draft.severity(Severity::Medium);
    draft.status(Status::Success);
}

/// A leaf of a later version: all of it stays in `unmapped`.
pub(super) fn unknown(draft: &mut Draft) {
    draft.class(BASE, (0, "Unknown"));
    draft.severity(Severity::Unknown);
    draft.status(Status::Unknown);
    draft.message("a leaf of a kind that this version does not know");
}

/// Bytes that are no leaf at all.
pub(super) fn unreadable(draft: &mut Draft, leaf: &[u8]) {
    draft.class(ERROR, TRANSLATION_ERROR);
    draft.severity(Severity::Medium);
    draft.status(Status::Failure);
    draft.message("a leaf can't be read");
    draft.set("raw_data", String::from_utf8_lossy(leaf).into());
}
