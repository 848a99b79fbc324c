//! Did an unanswered step happen? The network keeps no key of ours, so the account's own posts are searched.

use pressgate_sdk::http::{self, Kind, Request, Response};
use pressgate_sdk::{Call, Reconciliation, clock};
use serde_json::{Value, json};

use crate::{TOKEN, answer, perform};

/// Posts of one page, the most that the network gives.
const PAGE_POSTS: &str = "100";
/// Pages that are searched.
const PAGES_MAX: u32 = 5;
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
        // An upload that no post shows is seen by nobody, and the network drops it after a day.
        None if step.starts_with("part-") && step.contains("-media-") => Reconciliation::DidNot,
        None => Reconciliation::CannotKnow(format!("There is no step `{step}`.")),
    }
}

fn get(step: &str, request: Request) -> Result<Response, String> {
    http::send(step, Kind::Read, &request.credential(TOKEN))
        .map_err(|error| format!("The network could not be asked: {error:?}."))
}

/// The JSON of a 200.
fn get_json(step: &str, request: Request) -> Result<Value, String> {
    let response = get(step, request)?;
    if response.status != 200 {
        return Err(format!("The network answered {} when it was asked.", response.status));
    }
    serde_json::from_slice(&response.body).map_err(|_| "The network's answer is not JSON.".to_owned())
}

fn deleted(call: &Call, index: usize) -> Result<Reconciliation, String> {
    let target = call.draft.target.as_deref().unwrap_or_default();
    let id = perform::ids(target).nth(index).filter(|id| perform::is_id(id)).ok_or("The call has no such post.")?;
    let response = get("reconcile-post", Request::get(format!("/2/tweets/{id}")))?;
    if answer::is_missing(&response) {
        return Ok(Reconciliation::Happened(Response::json(200, r#"{"data":{"deleted":true}}"#)));
    }
    match response.status {
        200 => Ok(Reconciliation::DidNot),
        status => Err(format!("The network answered {status} when it was asked for the post.")),
    }
}

/// Searches the account's latest posts for the entry.
fn published(call: &Call, index: usize) -> Result<Reconciliation, String> {
    let wanted = Wanted::new(call, index)?;
    let me = get_json("reconcile-me", Request::get("/2/users/me"))?;
    let me = me["data"]["id"].as_str().filter(|id| perform::is_id(id)).ok_or("The network did not say who we are.")?;
    let since_ms = call.created_at_ms.saturating_sub(CLOCK_SKEW_MS);
    let since = clock::rfc3339(since_ms / 1000 * 1000);
    let (mut found, mut next): (Vec<Value>, Option<String>) = (Vec::new(), None);
    for page in 0..PAGES_MAX {
        let mut request = Request::get(format!("/2/users/{me}/tweets"))
            .query("max_results", PAGE_POSTS)
            .query("start_time", &since)
            .query("post.fields", "attachments,created_at,entities")
            .query("expansions", "in_reply_to_user_id,referenced_posts");
        if let Some(token) = &next {
            request = request.query("pagination_token", token);
        }
        let posts = get_json(&format!("reconcile-posts-{page}"), request)?;
        found.extend(posts["data"].as_array().into_iter().flatten().filter(|post| wanted.is(post, me)).cloned());
        next = posts["meta"]["next_token"].as_str().map(str::to_owned);
        if next.is_none() {
            return decide(&found);
        }
    }
    Err("The account published too much since to be sure.".to_owned())
}

fn decide(found: &[Value]) -> Result<Reconciliation, String> {
    match found {
        [] => Ok(Reconciliation::DidNot),
        [post] => {
            let answer = json!({ "data": { "id": post["id"], "text": post["text"] } });
            Ok(Reconciliation::Happened(Response::json(201, answer.to_string())))
        }
        _ => Err("Several posts look like this one.".to_owned()),
    }
}

/// What the post must look like.
struct Wanted {
    text: String,
    media: usize,
    /// The first entry answers what the draft names, the others the account itself.
    answers: Option<Option<String>>,
}

impl Wanted {
    fn new(call: &Call, index: usize) -> Result<Self, String> {
        let part = call.draft.parts.get(index).ok_or("The call has no such entry.")?;
        let answers = (index == 0).then(|| call.draft.target.clone());
        Ok(Self { text: squeezed(&part.text), media: part.media.len(), answers })
    }

    fn is(&self, post: &Value, me: &str) -> bool {
        let answered = post["referenced_posts"].as_array().into_iter().flatten();
        let answered = answered.filter(|other| other["type"] == "replied_to").find_map(|other| other["id"].as_str());
        let answers = match &self.answers {
            Some(target) => answered == target.as_deref(),
            None => answered.is_some() && post["in_reply_to_user_id"].as_str() == Some(me),
        };
        answers
            && squeezed(&as_written(post)) == self.text
            && post["attachments"]["media_keys"].as_array().map_or(0, Vec::len) == self.media
    }
}

/// The text as its author wrote it: links are shortened by the network, those of media added, and three signs escaped.
fn as_written(post: &Value) -> String {
    let mut text = post["text"].as_str().unwrap_or_default().to_owned();
    for url in post["entities"]["urls"].as_array().into_iter().flatten() {
        let Some(short) = url["url"].as_str().filter(|short| !short.is_empty()) else { continue };
        let long = url["expanded_url"].as_str().unwrap_or(short);
        let of_medium = url["media_key"].is_string();
        text = text.replacen(short, if of_medium { "" } else { long }, 1);
    }
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

fn squeezed(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_whitespace()).collect()
}
