//! Does a call: uploads, posts, deletions.

use pressgate_sdk::http::{Kind, Request, Safety};
use pressgate_sdk::{Call, Draft, Failure, Part, Performed, Published, Rejection};
use serde_json::{Map, Value, json};

use crate::options::Options;
use crate::{TOKEN, answer, media};

/// Does the call.
pub fn perform(call: &Call) -> Result<Performed, Failure> {
    let parts = match call.draft.action.as_str() {
        "post.create" | "comment.create" => publish(call)?,
        "post.delete" => delete(&call.draft)?,
        "media.upload" => upload_only(&call.draft)?,
        other => return Err(rejected("unsupported", format!("This network has no action `{other}`."))),
    };
    Ok(Performed::new(parts))
}

/// A final refusal.
pub fn rejected(code: &str, message: impl Into<String>) -> Failure {
    Failure::Rejected(Rejection::new(None, code, message))
}

fn publish(call: &Call) -> Result<Vec<Published>, Failure> {
    let options = Options::parse(&call.draft.options).map_err(|why| rejected("option-invalid", why))?;
    let mut published: Vec<Published> = Vec::with_capacity(call.draft.parts.len());
    for (index, part) in call.draft.parts.iter().enumerate() {
        let mut media_ids = Vec::with_capacity(part.media.len());
        for (number, medium) in part.media.iter().enumerate() {
            media_ids.push(media::upload(&format!("part-{index}-media-{number}"), medium)?);
        }
        let answered = published.last().map(|last| last.platform_id.as_str()).or(call.draft.target.as_deref());
        let body = post(part, &options, answered, media_ids);
        let request = Request::post("/2/tweets").json(body.to_string()).credential(TOKEN);
        let response = answer::send(&part_step(index), Kind::Effect(Safety::LookUp), &request)?;
        let id = answer::id(&response, &answer::success(&response)?)?;
        let url = Some(format!("https://x.com/i/web/status/{id}"));
        published.push(Published::new(id).at(url));
    }
    Ok(published)
}

/// The step that publishes an entry.
pub fn part_step(index: usize) -> String {
    format!("part-{index}")
}

/// The request body: <https://docs.x.com/x-api/posts/create-post>
fn post(part: &Part, options: &Options, answered: Option<&str>, media_ids: Vec<String>) -> Value {
    let mut body = Map::new();
    if !part.text.is_empty() {
        body.insert("text".to_owned(), part.text.clone().into());
    }
    if let Some(answered) = answered {
        body.insert("reply".to_owned(), json!({ "in_reply_to_tweet_id": answered }));
    }
    if !media_ids.is_empty() {
        body.insert("media".to_owned(), json!({ "media_ids": media_ids }));
    }
    options.write_to(&mut body);
    Value::Object(body)
}

fn upload_only(draft: &Draft) -> Result<Vec<Published>, Failure> {
    let mut published = Vec::new();
    for (index, part) in draft.parts.iter().enumerate() {
        for (number, medium) in part.media.iter().enumerate() {
            let platform_id = media::upload(&format!("part-{index}-media-{number}"), medium)?;
            published.push(Published::new(platform_id));
        }
    }
    Ok(published)
}

/// Deletes every entry of a thread, the last first, so that no answer loses what it answers.
fn delete(draft: &Draft) -> Result<Vec<Published>, Failure> {
    let target = draft.target.as_deref().unwrap_or_default();
    let all: Vec<&str> = ids(target).collect();
    if all.is_empty() || !all.iter().all(|id| is_id(id)) {
        return Err(rejected("target-invalid", "Name the post to delete by its id."));
    }
    for (index, id) in all.iter().enumerate().rev() {
        let request = Request::delete(format!("/2/tweets/{id}")).credential(TOKEN);
        let response = answer::send(&format!("delete-{index}"), Kind::Effect(Safety::ClientId), &request)?;
        // A post that is not there any more is what was asked for.
        if !answer::is_missing(&response) {
            let body = answer::success(&response)?;
            if body["data"]["deleted"].as_bool() != Some(true) {
                return Err(rejected("not-deleted", "The network did not delete the post."));
            }
        }
    }
    Ok(all.iter().map(|id| Published::new((*id).to_owned())).collect())
}

/// The ids in a deletion's target, one a line.
pub fn ids(target: &str) -> impl Iterator<Item = &str> {
    target.lines().map(str::trim).filter(|id| !id.is_empty())
}

/// The ids of the network: 1 to 19 digits.
pub fn is_id(id: &str) -> bool {
    (1..=19).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit())
}
