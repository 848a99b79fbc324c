//! Leaves about calls and posts: API Activity (6003).

use serde_json::{Value, json};

use super::draft::{API, Activity, Control, Draft, OTHER, PRODUCT, Severity, Status, object};
use crate::audit::leaf::OutcomeResult;

const UNKNOWN: Activity = (0, "Unknown");
const CREATE: Activity = (1, "Create");
const READ: Activity = (2, "Read");
const UPDATE: Activity = (3, "Update");
const DELETE: Activity = (4, "Delete");

/// Methods that the class knows.
const METHODS: [&str; 9] = ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"];

/// `type_id` of a token that is a service's own key for its API.
const API_TOKEN: u32 = 7;

/// The class's word for an action: by its verb, after the last full stop.
fn activity(action: Option<&str>) -> (u32, &str) {
    let Some(action) = action else { return UNKNOWN };
    match action.rsplit('.').next().unwrap_or_default() {
        "create" | "send" | "upload" => CREATE,
        "read" => READ,
        "edit" | "hide" | "promote" | "manage" | "write" => UPDATE,
        "delete" => DELETE,
        _ => (OTHER, action),
    }
}

pub(super) fn intent(draft: &mut Draft) {
    let action = draft.text("action");
    let account = draft.peek("account").unwrap_or_default();
    let grant = draft.text("grant").map(|grant| authorization("allowed", "grant", &grant));
    let service = draft.text("adapter").map(|adapter| service(&adapter));
    draft.class(API, activity(action.as_deref()));
    draft.severity(Severity::Informational);
    // The outcome has a leaf of its own.
    draft.status(Status::Other("Pending"));
    draft.control(Control::Allowed);
    let operation = action.unwrap_or_default();
    draft.message(format!("`{operation}` is about to leave for {account}"));
    caller(draft, grant);
    api(draft, &operation, service);
    resources(draft);
}

pub(super) fn outcome(draft: &mut Draft, result: OutcomeResult) {
    let action = draft.text("action");
    let code = draft.number("status");
    if let Some(intent) = draft.number("intent") {
        draft.correlate(intent);
    }
    let (status, severity) = match (result, code) {
        (OutcomeResult::Answered, Some(..400)) => (Status::Success, Severity::Informational),
        (OutcomeResult::Answered, Some(_)) | (OutcomeResult::NotSent, _) => (Status::Failure, Severity::Low),
        (OutcomeResult::Answered, None) => (Status::Unknown, Severity::Low),
        (OutcomeResult::Unanswered | OutcomeResult::Unknown, _) => (Status::Unknown, Severity::Medium),
    };
    draft.class(API, activity(action.as_deref()));
    draft.severity(severity);
    draft.status(status);
    let word = draft.text("result").unwrap_or_default();
    let account = draft.peek("account").unwrap_or_default();
    let operation = action.unwrap_or_else(|| "unknown".to_owned());
    draft.message(format!("`{operation}` on {account}: {word}"));
    draft.set("status_detail", word.into());
    if let Some(code) = code {
        draft.set("status_code", code.to_string().into());
        draft.set("http_response", json!({ "code": code }));
    }
    // Who called stands in the intent, which has the same correlation.
    gateway(draft);
    api(draft, &operation, None);
    resources(draft);
}

pub(super) fn refused(draft: &mut Draft) {
    let action = draft.text("action");
    let problem = draft.text("problem").unwrap_or_default();
    let stage = draft.text("stage").unwrap_or_default();
    draft.class(API, activity(action.as_deref()));
    draft.severity(Severity::Low);
    draft.status(Status::Failure);
    draft.set("status_code", problem.clone().into());
    draft.set("status_detail", stage.clone().into());
    draft.control(Control::Denied);
    draft.message(format!("refused at `{stage}`: {problem}"));
    if let Some(count) = draft.number("count") {
        draft.set("count", count.into());
    }
    caller(draft, Some(authorization("denied", "stage", &stage)));
    api(draft, action.as_deref().unwrap_or("unknown"), None);
    let path = draft.text("path").map(|path| json!({ "path": path }));
    let usual = draft.peek("method").is_some_and(|method| METHODS.contains(&method.as_str()));
    let method = usual.then(|| draft.text("method")).flatten().map(Value::String);
    draft.set("http_request", object([("http_method", method), ("url", path)]));
    resources(draft);
}

pub(super) fn finished(draft: &mut Draft) {
    let state = draft.peek("target_state").unwrap_or_default();
    draft.class(API, (OTHER, "Finish"));
    let (status, severity) = match state.as_str() {
        "published" | "recalled" => (Status::Success, Severity::Informational),
        "unknown" => (Status::Unknown, Severity::Medium),
        _ => (Status::Failure, Severity::Low),
    };
    draft.status(status);
    draft.severity(severity);
    let code = draft.text("code");
    draft.set("status_code", code.into());
    draft.message(format!("a target ended without a request: {state}"));
    gateway(draft);
    api(draft, "post.finish", None);
    resources(draft);
}

pub(super) fn held(draft: &mut Draft) {
    draft.class(API, (OTHER, "Hold"));
    draft.severity(Severity::Informational);
    draft.status(Status::Other("Held"));
    draft.control(Control::Delayed);
    draft.message("a post waits for a person");
    caller(draft, None);
    api(draft, "post.hold", None);
    resources(draft);
}

pub(super) fn vote(draft: &mut Draft) {
    let decision = draft.text("decision").unwrap_or_default();
    draft.class(API, UPDATE);
    draft.severity(Severity::Informational);
    draft.status(Status::Success);
    draft.set("status_detail", decision.clone().into());
    draft.control(if decision == "approve" { Control::Approved } else { Control::Rejected });
    draft.message(format!("a vote on a held post: {decision}"));
    caller(draft, None);
    api(draft, "post.vote", None);
    resources(draft);
}

pub(super) fn withdrawal(draft: &mut Draft) {
    draft.class(API, UPDATE);
    draft.severity(Severity::Informational);
    draft.status(Status::Success);
    draft.message("a held post was withdrawn");
    caller(draft, None);
    api(draft, "post.withdraw", None);
    resources(draft);
}

pub(super) fn transition(draft: &mut Draft) {
    let what = draft.text("transition").unwrap_or_default();
    draft.class(API, UPDATE);
    draft.severity(Severity::Informational);
    draft.status(Status::Success);
    draft.message(format!("post: {what}"));
    caller(draft, None);
    api(draft, &format!("post.{what}"), None);
    resources(draft);
}

pub(super) fn read(draft: &mut Draft) {
    let what = draft.text("what").unwrap_or_default();
    let grant = draft.text("grant").map(|grant| authorization("allowed", "grant", &grant));
    draft.class(API, READ);
    // What was under a commitment was opened.
    let reveals = draft.peek("reason").is_some() || draft.peek("second").is_some();
    draft.severity(if reveals { Severity::Low } else { Severity::Informational });
    draft.status(Status::Success);
    draft.message(format!("read: {what}"));
    caller(draft, grant);
    api(draft, &format!("{what}.read"), None);
    draft.set("resources", json!([{ "uid": what, "type": "read" }]));
}

/// The actor, and where the call came from, which is a door or an app: no address of a person is in a leaf.
fn caller(draft: &mut Draft, decision: Option<Value>) {
    let app = draft.text("app");
    let on_behalf_of = draft.peek("on_behalf_of");
    let person = draft.text("person");
    let key = draft.peek("key");
    let mut decisions: Vec<Value> = decision.into_iter().collect();
    decisions.extend(draft.list("verdicts").iter().map(verdict));
    let session = draft.text("session").map(|uid| json!({ "uid": uid }));
    let user = person.clone().or(on_behalf_of).map(|uid| json!({ "uid": uid }));
    let nobody = (app.is_none() && user.is_none()).then(|| json!("unknown"));
    let decisions = (!decisions.is_empty()).then(|| Value::Array(decisions));
    draft.set(
        "actor",
        object([
            ("app_uid", app.clone().map(Value::String)),
            ("app_name", nobody),
            ("user", user),
            ("session", session),
            ("authorizations", decisions),
        ]),
    );
    let door = draft.text("door");
    let who = app.or(person).or(key);
    let nowhere = (door.is_none() && who.is_none()).then(|| PRODUCT.to_owned());
    let endpoint = [("svc_name", door.or(nowhere).map(Value::String)), ("uid", who.map(Value::String))];
    draft.set("src_endpoint", object(endpoint));
}

/// The gateway itself is the actor.
fn gateway(draft: &mut Draft) {
    draft.set("actor", json!({ "app_name": PRODUCT, "app_uid": draft.origin }));
    draft.set("src_endpoint", json!({ "svc_name": PRODUCT, "uid": draft.origin }));
}

fn api(draft: &mut Draft, operation: &str, service: Option<Value>) {
    let request = draft.peek("post").map(|post| json!({ "uid": post }));
    let token = draft.text("key").map(|key| json!({ "uid": key, "type_id": API_TOKEN, "type": "API Token" }));
    let operation = Some(json!(operation));
    draft.set("api", object([("operation", operation), ("request", request), ("service", service), ("token", token)]));
}

/// Name and version of an adapter: what serves the network.
fn service(adapter: &str) -> Value {
    match adapter.rsplit_once(' ') {
        Some((name, version)) => json!({ "name": name, "version": version }),
        None => json!({ "name": adapter }),
    }
}

fn authorization(decision: &str, kind: &str, uid: &str) -> Value {
    json!({ "decision": decision, "policy": { "type": kind, "uid": uid } })
}

/// What a policy said.
fn verdict(note: &Value) -> Value {
    let text = |name: &str| note.get(name).filter(|value| value.is_string()).cloned();
    let codes = note.get("codes").filter(|codes| codes.as_array().is_some_and(|codes| !codes.is_empty()));
    let digest = text("plugin_digest");
    let data = object([("digest", digest), ("codes", codes.cloned())]);
    let policy = object([
        ("type", Some(json!("policy"))),
        ("uid", text("policy")),
        ("version", text("plugin")),
        ("data", Some(data).filter(|data| !data.is_null())),
    ]);
    object([("decision", text("outcome")), ("policy", Some(policy))])
}

/// Account, brand, post, and what the platform made of it.
fn resources(draft: &mut Draft) {
    let mut all = Vec::new();
    let brand = draft.text("brand");
    let mut add = |uid: Option<Value>, kind: &str, namespace: Option<&String>| {
        let Some(uid) = uid.filter(Value::is_string) else { return };
        let namespace = namespace.map(|path| json!(path));
        all.push(object([("uid", Some(uid)), ("type", Some(json!(kind))), ("namespace", namespace)]));
    };
    add(draft.text("account").map(Value::String), "account", brand.as_ref());
    for account in draft.list("accounts") {
        add(Some(account), "account", None);
    }
    add(brand.clone().map(Value::String), "brand", None);
    add(draft.text("post").map(Value::String), "post", None);
    for id in draft.list("platform_ids") {
        add(Some(id), "platform-post", None);
    }
    if !all.is_empty() {
        draft.set("resources", Value::Array(all));
    }
}
