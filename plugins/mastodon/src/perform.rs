//! Does a call: uploads, statuses, deletions.

use pressgate_sdk::http::{self, FormField, Kind, Request, Response, Safety};
use pressgate_sdk::{Call, Draft, Failure, MediaRef, Part, Performed, Published, Rejection};
use serde_json::{Map, Value};

use crate::options::Options;
use crate::{TOKEN, answer};

/// How long servers keep an `Idempotency-Key`: <https://docs.joinmastodon.org/methods/statuses/#create>
const KEY_KEPT_S: u32 = 3600;
/// A medium that is being processed is asked for again after this, in milliseconds.
const POLL_MS: u64 = 500;

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

fn rejected(code: &str, message: impl Into<String>) -> Failure {
    Failure::Rejected(Rejection::new(None, code, message))
}

fn send(step: &str, kind: Kind, request: &Request) -> Result<Response, Failure> {
    http::send(step, kind, request).map_err(|error| Failure::from_error(step, kind, error))
}

fn publish(call: &Call) -> Result<Vec<Published>, Failure> {
    let options = Options::parse(&call.draft.options).map_err(|why| rejected("option-invalid", why))?;
    let mut published: Vec<Published> = Vec::with_capacity(call.draft.parts.len());
    for (index, part) in call.draft.parts.iter().enumerate() {
        let mut media_ids = Vec::with_capacity(part.media.len());
        for (number, medium) in part.media.iter().enumerate() {
            media_ids.push(upload(&format!("part-{index}-media-{number}"), medium)?);
        }
        let answered = published.last().map(|last| last.platform_id.as_str()).or(call.draft.target.as_deref());
        let body = status(part, &options, call.draft.language.as_deref(), answered, media_ids);
        let step = part_step(index);
        let request = Request::post("/api/v1/statuses")
            .header("Idempotency-Key", idempotency_key(&call.key, &step))
            .json(body.to_string())
            .credential(TOKEN);
        let response = send(&step, Kind::Effect(Safety::NativeKey(KEY_KEPT_S)), &request)?;
        let entity = answer::success(&response)?;
        let url = entity["url"].as_str().or(entity["uri"].as_str()).map(str::to_owned);
        published.push(Published::new(answer::id(&response, &entity)?).at(url));
    }
    Ok(published)
}

/// The step that publishes an entry.
pub fn part_step(index: usize) -> String {
    format!("part-{index}")
}

/// The same for each attempt, another for each step.
fn idempotency_key(key: &[u8], step: &str) -> String {
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{hex}-{step}")
}

/// The request body: <https://docs.joinmastodon.org/methods/statuses/#form-data-parameters>
fn status(
    part: &Part,
    options: &Options,
    language: Option<&str>,
    answered: Option<&str>,
    media_ids: Vec<String>,
) -> Value {
    let mut body = Map::new();
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(name.to_owned(), value);
        }
    };
    set("status", (!part.text.is_empty()).then(|| part.text.clone().into()));
    set("media_ids", (!media_ids.is_empty()).then(|| media_ids.into()));
    set("in_reply_to_id", answered.map(Into::into));
    set("spoiler_text", options.content_warning.clone().map(Into::into));
    set("sensitive", options.sensitive.map(Into::into));
    set("visibility", options.visibility.map(|visibility| visibility.as_str().into()));
    set("language", language.map(Into::into));
    Value::Object(body)
}

fn upload_only(draft: &Draft) -> Result<Vec<Published>, Failure> {
    let mut published = Vec::new();
    for (index, part) in draft.parts.iter().enumerate() {
        for (number, medium) in part.media.iter().enumerate() {
            let platform_id = upload(&format!("part-{index}-media-{number}"), medium)?;
            published.push(Published::new(platform_id));
        }
    }
    Ok(published)
}

/// Uploads a medium and waits until the server has processed it; gives its id.
/// <https://docs.joinmastodon.org/methods/media/#v2>
fn upload(step: &str, medium: &MediaRef) -> Result<String, Failure> {
    let mut fields = vec![FormField::media("file", &file_name(medium), &medium.id)];
    if let Some(alt) = &medium.alt {
        fields.push(FormField::text("description", alt));
    }
    let request = Request::post("/api/v2/media").multipart(fields).credential(TOKEN);
    let response = send(step, Kind::Prepare(Safety::None), &request)?;
    let entity = answer::success(&response)?;
    let id = answer::id(&response, &entity)?;
    if !is_id(&id) {
        return Err(rejected("no-id", "The server named an id that no address can hold."));
    }
    if response.status != 202 {
        return Ok(id);
    }
    let request = Request::get(format!("/api/v1/media/{id}")).credential(TOKEN);
    let response = send(&format!("{step}-poll"), Kind::Read, &request)?;
    match response.status {
        206 => Err(Failure::not_yet(206, "media-processing", "The server is still processing a medium.", POLL_MS)),
        200 => Ok(id),
        _ if response.is_success() => {
            let message = "The server's answer about a medium is unexpected.";
            Err(Failure::Temporary(Rejection::new(Some(response.status), "garbage", message)))
        }
        _ => Err(answer::failure(&response)),
    }
}

/// Servers look at the extension; the name itself says nothing.
fn file_name(medium: &MediaRef) -> String {
    let extension = medium.media_type.split_once('/').map_or("bin", |(_, subtype)| match subtype {
        "jpeg" => "jpg",
        "quicktime" => "mov",
        "mpeg" => "mp3",
        known if known.bytes().all(|byte| byte.is_ascii_alphanumeric()) => known,
        _ => "bin",
    });
    format!("media.{extension}")
}

/// Deletes every entry of a thread, the last first, so that no answer loses what it answers.
fn delete(draft: &Draft) -> Result<Vec<Published>, Failure> {
    let target = draft.target.as_deref().unwrap_or_default();
    let all: Vec<&str> = ids(target).collect();
    if all.is_empty() || !all.iter().all(|id| is_id(id)) {
        return Err(rejected("target-invalid", "Name the status to delete by its id."));
    }
    for (index, id) in all.iter().enumerate().rev() {
        let request = Request::delete(format!("/api/v1/statuses/{id}")).credential(TOKEN);
        let response = send(&delete_step(index), Kind::Effect(Safety::ClientId), &request)?;
        // A status that is not there any more is what was asked for.
        if !response.is_success() && response.status != 404 {
            return Err(answer::failure(&response));
        }
    }
    Ok(all.iter().map(|id| Published::new((*id).to_owned())).collect())
}

/// The step that deletes an entry.
pub fn delete_step(index: usize) -> String {
    format!("delete-{index}")
}

/// The ids in a deletion's target, one a line.
pub fn ids(target: &str) -> impl Iterator<Item = &str> {
    target.lines().map(str::trim).filter(|id| !id.is_empty())
}

/// True for what can be an id: one segment of a path, without anything that would need an escape.
pub fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}
