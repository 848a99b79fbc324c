//! An event in the making: takes fields out of a leaf, and puts what every event has around them.

use serde_json::{Map, Value, json};

/// The version of the schema.
pub const VERSION: &str = "1.8.0";

/// Who exports, in `metadata` and where the gateway itself is the actor.
pub(super) const PRODUCT: &str = "Pressgate";

/// An event class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Class {
    uid: u32,
    name: &'static str,
    category_uid: u32,
    category_name: &'static str,
}

/// Where nothing else fits.
pub(super) const BASE: Class = Class { uid: 0, name: "Base Event", category_uid: 0, category_name: "Uncategorized" };
/// Who tried to get in.
pub(super) const AUTHENTICATION: Class = iam(3002, "Authentication");
/// What the gateway works by was changed.
pub(super) const ENTITY: Class = iam(3004, "Entity Management");
/// Calls, and what became of them.
pub(super) const API: Class = application(6003, "API Activity");
/// The gateway and its plugins.
pub(super) const LIFECYCLE: Class = application(6002, "Application Lifecycle");
/// Something is wrong with the gateway or the log.
pub(super) const ERROR: Class = application(6008, "Application Error");

const fn iam(uid: u32, name: &'static str) -> Class {
    Class { uid, name, category_uid: 3, category_name: "Identity & Access Management" }
}

const fn application(uid: u32, name: &'static str) -> Class {
    Class { uid, name, category_uid: 6, category_name: "Application Activity" }
}

/// What was done: the class's number for it and its caption. Of [`OTHER`] the source names it.
pub(super) type Activity = (u32, &'static str);

/// `activity_id` of what the class has no number for.
pub(super) const OTHER: u32 = 99;

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Severity {
    Unknown = 0,
    Informational = 1,
    Low = 2,
    Medium = 3,
    High = 4,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status<'a> {
    Unknown,
    Success,
    Failure,
    /// In the words of the source.
    Other(&'a str),
}

/// What the gateway as a control did with a call (profile `security_control`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Control {
    Allowed,
    Denied,
    Approved,
    Rejected,
    Delayed,
}

/// An event in the making.
pub(super) struct Draft<'a> {
    pub(super) origin: &'a str,
    index: u64,
    at_ms: i64,
    /// Fields of the leaf that have no place in the event yet.
    rest: Map<String, Value>,
    fields: Map<String, Value>,
    profiles: Vec<&'static str>,
    correlated: u64,
    kind: Value,
    version: Value,
}

impl<'a> Draft<'a> {
    pub(super) fn new(origin: &'a str, index: u64, at_ms: i64, mut rest: Map<String, Value>) -> Self {
        let mut take = |name| rest.remove(name).unwrap_or(Value::Null);
        let (kind, version, _) = (take("kind"), take("v"), take("at_ms"));
        let (fields, profiles) = (Map::new(), Vec::new());
        Self { origin, index, at_ms, rest, fields, profiles, correlated: index, kind, version }
    }

    /// Takes a text out of the leaf.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        match self.rest.remove(name)? {
            Value::String(text) => Some(text),
            other => {
                self.rest.insert(name.to_owned(), other);
                None
            }
        }
    }

    /// A text of the leaf that stays in it.
    pub(super) fn peek(&self, name: &str) -> Option<String> {
        self.rest.get(name)?.as_str().map(str::to_owned)
    }

    /// Takes a list out of the leaf.
    pub(super) fn list(&mut self, name: &str) -> Vec<Value> {
        match self.rest.remove(name) {
            Some(Value::Array(items)) => items,
            Some(other) => {
                self.rest.insert(name.to_owned(), other);
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    /// Takes a whole number out of the leaf.
    pub(super) fn number(&mut self, name: &str) -> Option<u64> {
        let number = self.rest.get(name)?.as_u64()?;
        self.rest.remove(name);
        Some(number)
    }

    /// Leaves a field out, because the event says it in another way.
    pub(super) fn said(&mut self, name: &str) {
        self.rest.remove(name);
    }

    /// Sets an attribute of the event; null sets none.
    pub(super) fn set(&mut self, name: &str, value: Value) {
        if !value.is_null() {
            self.fields.insert(name.to_owned(), value);
        }
    }

    /// Says what happened, in a sentence of ids.
    pub(super) fn message(&mut self, text: impl Into<String>) {
        self.set("message", Value::String(text.into()));
    }

    /// The event belongs to another leaf's.
    pub(super) fn correlate(&mut self, index: u64) {
        self.correlated = index;
    }

    /// Class and activity.
    pub(super) fn class(&mut self, class: Class, (activity_id, activity): (u32, &str)) {
        self.set("class_uid", class.uid.into());
        self.set("class_name", class.name.into());
        self.set("category_uid", class.category_uid.into());
        self.set("category_name", class.category_name.into());
        self.set("activity_id", activity_id.into());
        self.set("activity_name", activity.into());
        self.set("type_uid", (class.uid * 100 + activity_id).into());
        self.set("type_name", format!("{}: {activity}", class.name).into());
    }

    pub(super) fn severity(&mut self, severity: Severity) {
        self.set("severity_id", (severity as u32).into());
        self.set("severity", format!("{severity:?}").into());
    }

    pub(super) fn status(&mut self, status: Status<'_>) {
        let (id, word) = match status {
            Status::Unknown => (0, "Unknown"),
            Status::Success => (1, "Success"),
            Status::Failure => (2, "Failure"),
            Status::Other(word) => (OTHER, word),
        };
        self.set("status_id", id.into());
        self.set("status", word.into());
    }

    pub(super) fn control(&mut self, control: Control) {
        let (action_id, action, disposition_id, disposition) = match control {
            Control::Allowed => (1, "Allowed", 1, "Allowed"),
            Control::Denied => (2, "Denied", 2, "Blocked"),
            Control::Approved => (1, "Allowed", 8, "Approved"),
            Control::Rejected => (2, "Denied", 2, "Blocked"),
            Control::Delayed => (OTHER, "Held", 14, "Delayed"),
        };
        self.profile("security_control");
        self.set("action_id", action_id.into());
        self.set("action", action.into());
        self.set("disposition_id", disposition_id.into());
        self.set("disposition", disposition.into());
    }

    /// The event has attributes of a profile.
    pub(super) fn profile(&mut self, name: &'static str) {
        self.profiles.push(name);
    }

    /// Puts the rest around what was set.
    pub(super) fn finish(mut self, leaf_hash: &str) -> Value {
        let uid = |index: u64| format!("{}#{index}", self.origin);
        let mut metadata = json!({
            "version": VERSION,
            "product": { "name": PRODUCT, "vendor_name": PRODUCT, "uid": self.origin },
            "uid": uid(self.index),
            "sequence": self.index,
            "correlation_uid": uid(self.correlated),
            "logged_time": self.at_ms,
            "original_time": self.at_ms.to_string(),
            "log_name": self.origin,
            "log_provider": PRODUCT,
        });
        let text = |value: &Value| {
            let text = value.as_str().map(str::to_owned).or_else(|| value.as_u64().map(|number| number.to_string()));
            text.map(Value::String)
        };
        let profiles = (!self.profiles.is_empty()).then(|| json!(self.profiles));
        let more =
            object([("event_code", text(&self.kind)), ("log_version", text(&self.version)), ("profiles", profiles)]);
        if let (Some(metadata), Value::Object(mut more)) = (metadata.as_object_mut(), more) {
            metadata.append(&mut more);
        }
        let mut event = Map::new();
        event.insert("time".into(), self.at_ms.into());
        event.append(&mut self.fields);
        event.insert("metadata".into(), metadata);
        self.rest.insert("leaf_hash".into(), leaf_hash.into());
        event.insert("unmapped".into(), Value::Object(self.rest));
        Value::Object(event)
    }
}

/// An object of those members that are there; null where none is.
pub(super) fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let members: Map<String, Value> =
        members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    if members.is_empty() { Value::Null } else { Value::Object(members) }
}
