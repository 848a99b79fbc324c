//! Did an unanswered step happen? Its container says whether it was published, and the account's own posts which post that is. A
//! container can be published once, so a repetition after "it was not" makes no second post.

use pressgate_sdk::http::{self, Kind, Request, Response};
use pressgate_sdk::{Call, Reconciliation, clock};
use serde_json::{Value, json};

use crate::{TOKEN, perform};

/// Pages that are searched.
const PAGES_MAX: usize = 5;
const PAGE_POSTS: &str = "50";
/// How far the network's clock may be behind the gateway's.
const CLOCK_SKEW_MS: u64 = 60_000;

/// Looks at the network.
pub fn reconcile(call: &Call, step: &str) -> Reconciliation {
    let index = |prefix: &str| step.strip_prefix(prefix).and_then(|index| index.parse::<usize>().ok());
    if let Some(index) = index("delete-") {
        return deleted(call, index).unwrap_or_else(Reconciliation::CannotKnow);
    }
    match index("part-") {
        Some(index) => published(call, index).unwrap_or_else(Reconciliation::CannotKnow),
        // A container that is not published is seen by nobody.
        None if step.starts_with("part-") => Reconciliation::DidNot,
        None => Reconciliation::CannotKnow(format!("There is no step `{step}`.")),
    }
}

fn ask(step: &str, request: &Request) -> Result<Response, String> {
    http::send(step, Kind::Read, request).map_err(|error| format!("The network could not be asked: {error:?}."))
}

fn ask_json(step: &str, request: &Request) -> Result<Value, String> {
    let response = ask(step, request)?;
    if !response.is_success() {
        return Err(format!("The network answered {} when it was asked.", response.status));
    }
    serde_json::from_slice(&response.body).map_err(|_| "The network's answer is not JSON.".to_owned())
}

fn deleted(call: &Call, index: usize) -> Result<Reconciliation, String> {
    let ids = perform::ids(call.draft.target.as_deref().unwrap_or_default()).unwrap_or_default();
    let id = ids.get(index).ok_or("The call has no such post.")?;
    let request = Request::get(format!("/{id}")).query("fields", "id").credential(TOKEN);
    let response = ask("reconcile-post", &request)?;
    match response.status {
        200 => Ok(Reconciliation::DidNot),
        _ if perform::is_missing(&response) => {
            Ok(Reconciliation::Happened(Response::json(200, json!({ "success": true, "deleted_id": id }).to_string())))
        }
        status => Err(format!("The network answered {status} when it was asked.")),
    }
}

fn published(call: &Call, index: usize) -> Result<Reconciliation, String> {
    let container = answered(call, perform::container_steps(index).rev());
    let container = container.ok_or("Nothing is known of the container any more.")?;
    let body = ask_json("reconcile-container", &perform::status(&container))?;
    match body["status"].as_str() {
        Some("PUBLISHED") => find(call, index),
        Some("FINISHED" | "IN_PROGRESS" | "EXPIRED" | "ERROR") => Ok(Reconciliation::DidNot),
        _ => Err("The network's answer about the container is none.".to_owned()),
    }
}

/// The id in the first answer of these steps that the gateway has.
fn answered(call: &Call, steps: impl Iterator<Item = String>) -> Option<String> {
    let body = |step: String| call.answered.iter().find(|(known, _)| *known == step).map(|(_, body)| body.as_slice());
    let id = |body: &[u8]| serde_json::from_slice::<Value>(body).ok()?["id"].as_str().map(str::to_owned);
    steps.filter_map(body).find_map(id).filter(|id| perform::is_id(id))
}

/// The post among the account's latest ones. It is there: the container says so.
fn find(call: &Call, index: usize) -> Result<Reconciliation, String> {
    let part = call.draft.parts.get(index).ok_or("The call has no such entry.")?;
    let is_reply = index > 0 || call.draft.target.is_some();
    let (list, since_ms) =
        (if is_reply { "/me/replies" } else { "/me/threads" }, call.created_at_ms.saturating_sub(CLOCK_SKEW_MS));
    let known: Vec<String> =
        (0..index).filter_map(|earlier| answered(call, std::iter::once(perform::part_step(earlier)))).collect();
    let (mut found, mut after): (Vec<String>, Option<String>) = (Vec::new(), None);
    for page in 0..PAGES_MAX {
        let mut request =
            Request::get(list).query("fields", "id,text,timestamp").query("limit", PAGE_POSTS).credential(TOKEN);
        if let Some(after) = &after {
            request = request.query("after", after);
        }
        let body = ask_json(&format!("reconcile-posts-{page}"), &request)?;
        let posts = body["data"].as_array().ok_or("The network gave no list of posts.")?;
        let mut reaches_back = posts.is_empty();
        for post in posts {
            let at_ms = post["timestamp"].as_str().and_then(timestamp).ok_or("A post has no readable time.")?;
            let (text, id) = (post["text"].as_str().unwrap_or_default(), post["id"].as_str().unwrap_or_default());
            if at_ms < since_ms {
                reaches_back = true;
            } else if text.trim() == part.text.trim() && perform::is_id(id) && !known.iter().any(|other| other == id) {
                found.push(id.to_owned());
            }
        }
        after = body["paging"]["cursors"]["after"].as_str().map(str::to_owned);
        if reaches_back || after.is_none() {
            break;
        }
    }
    match found.as_slice() {
        [id] => Ok(Reconciliation::Happened(Response::json(200, json!({ "id": id }).to_string()))),
        [] => Err("The post was published, and is not among the account's latest ones.".to_owned()),
        _ => Err("The post was published, and several of the account's look like it.".to_owned()),
    }
}

/// `2024-09-12T23:17:39+0000`: the network writes no colon into the offset.
fn timestamp(text: &str) -> Option<u64> {
    match text.split_at_checked(text.len().checked_sub(5)?) {
        Some((time, offset)) if offset.starts_with(['+', '-']) && !offset.contains(':') => {
            let (hours, minutes) = offset.split_at_checked(3)?;
            clock::parse_rfc3339(&format!("{time}{hours}:{minutes}"))
        }
        _ => clock::parse_rfc3339(text),
    }
}
