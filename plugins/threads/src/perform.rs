//! Does a call: containers, publications, deletions.

use pressgate_sdk::http::{Body, Kind, Request, Response, Safety, percent_encode};
use pressgate_sdk::{Call, Draft, Failure, MediaRef, Part, Performed, Published, Rejection, media};
use serde_json::Value;

use crate::options::Options;
use crate::{TOKEN, answer, check};

/// A container that ended before it was published is made again so often: it lives for a day.
const CONTAINERS_MAX: usize = 4;
/// A container that is not ready is asked for again after this, in milliseconds; the gateway asks ever more seldom.
const POLL_MS: u64 = 1000;
/// Longest address; what is longer goes as a form.
const URL_BYTES_MAX: usize = 4096;

/// Does the call.
pub fn perform(call: &Call) -> Result<Performed, Failure> {
    let parts = match call.draft.action.as_str() {
        "post.create" | "comment.create" => publish(call)?,
        "post.delete" => delete(&call.draft)?,
        other => return Err(rejected("unsupported", format!("This network has no action `{other}` of its own."))),
    };
    Ok(Performed::new(parts))
}

fn rejected(code: &str, message: impl Into<String>) -> Failure {
    Failure::Rejected(Rejection::new(None, code, message))
}

fn publish(call: &Call) -> Result<Vec<Published>, Failure> {
    let options = Options::parse(&call.draft.options).map_err(|why| rejected("option-invalid", why))?;
    let mut published: Vec<Published> = Vec::with_capacity(call.draft.parts.len());
    for (index, part) in call.draft.parts.iter().enumerate() {
        let answered = published.last().map(|last| last.platform_id.as_str()).or(call.draft.target.as_deref());
        let container = container(index, part, &options, answered)?;
        let platform_id = commit(index, &container)?;
        let url = permalink(index, &platform_id);
        published.push(Published::new(platform_id).at(url));
    }
    Ok(published)
}

/// A container that is ready to be published; gives its id.
fn container(index: usize, part: &Part, options: &Options, answered: Option<&str>) -> Result<String, Failure> {
    for turn in 0..CONTAINERS_MAX {
        let mut fields: Vec<(&str, String)> = Vec::new();
        if !part.text.is_empty() {
            fields.push(("text", part.text.clone()));
        }
        match part.media.as_slice() {
            [] => fields.push(("media_type", "TEXT".to_owned())),
            [medium] => fields.extend(fields_of(medium)?),
            several => {
                let mut children = Vec::with_capacity(several.len());
                for (number, medium) in several.iter().enumerate() {
                    children.push(item(&item_step(index, number, turn), medium)?);
                }
                fields.push(("media_type", "CAROUSEL".to_owned()));
                fields.push(("children", children.join(",")));
            }
        }
        fields.extend(answered.map(|id| ("reply_to_id", id.to_owned())));
        fields.extend(options.reply_control.clone().map(|control| ("reply_control", control)));
        let step = container_step(index, turn);
        let id = create(&step, &fields)?;
        if is_ready(&step, &id)? {
            return Ok(id);
        }
    }
    Err(rejected("container-expired", "The network let each container of this post expire before it was published."))
}

/// One medium of a carousel.
fn item(step: &str, medium: &MediaRef) -> Result<String, Failure> {
    let mut fields = fields_of(medium)?;
    fields.push(("is_carousel_item", "true".to_owned()));
    let id = create(step, &fields)?;
    if is_ready(step, &id)? {
        return Ok(id);
    }
    Err(rejected("container-expired", "The network let a medium of this post expire before it was published."))
}

/// The fields of a medium. The network fetches it from its address.
fn fields_of(medium: &MediaRef) -> Result<Vec<(&'static str, String)>, Failure> {
    let url = media::public_url(&medium.id).map_err(|why| rejected("no-public-media", why))?;
    let (kind, place) = if check::is_video(medium) { ("VIDEO", "video_url") } else { ("IMAGE", "image_url") };
    let mut fields = vec![("media_type", kind.to_owned()), (place, url)];
    fields.extend(medium.alt.clone().filter(|alt| !alt.is_empty()).map(|alt| ("alt_text", alt)));
    Ok(fields)
}

/// Makes a container. Nobody sees it, and one that is never published goes by itself.
fn create(step: &str, fields: &[(&str, String)]) -> Result<String, Failure> {
    let pairs: Vec<String> =
        fields.iter().map(|(name, value)| format!("{}={}", percent_encode(name), percent_encode(value))).collect();
    let form = pairs.join("&");
    let mut request = Request::post("/me/threads").credential(TOKEN);
    if form.len() > URL_BYTES_MAX {
        request = request.header("content-type", "application/x-www-form-urlencoded");
        request.body = Body::Bytes(form.into_bytes());
    } else {
        request.url = format!("{}?{form}", request.url);
    }
    answer::id(&answer::send(step, Kind::Prepare(Safety::None), &request)?)
}

/// True where it can be published, false where it has expired.
fn is_ready(step: &str, id: &str) -> Result<bool, Failure> {
    let response = answer::send(&format!("{step}-status"), Kind::Read, &status(id))?;
    let body = answer::success(&response)?;
    match body["status"].as_str() {
        // What was published already says so when it is published again.
        Some("FINISHED" | "PUBLISHED") => Ok(true),
        Some("EXPIRED") => Ok(false),
        Some("ERROR") => {
            let why = body["error_message"].as_str().unwrap_or("it does not say why");
            let message = format!("The network could not make the post: {why}.");
            Err(Failure::Rejected(Rejection::new(Some(response.status), "container-error", message)))
        }
        Some("IN_PROGRESS") => {
            let message = "The network is still fetching and checking the media.";
            Err(Failure::not_yet(response.status, "container-in-progress", message, POLL_MS))
        }
        _ => Err(answer::temporary(&response, "garbage", "The network's answer about a container is none.")),
    }
}

/// The request for the state of a container.
pub fn status(id: &str) -> Request {
    Request::get(format!("/{id}/")).query("fields", "id,status,error_message").credential(TOKEN)
}

/// Publishes a container; gives the id of the post.
fn commit(index: usize, container: &str) -> Result<String, Failure> {
    let step = part_step(index);
    let request = Request::post("/me/threads_publish").query("creation_id", container).credential(TOKEN);
    let response = answer::send(&step, Kind::Effect(Safety::TwoPhase), &request)?;
    if !response.is_success() && response.status < 500 && is_published(&step, container) {
        // An earlier request, which nobody heard of any more, got through: which post it made must be looked up.
        return Err(Failure::Unknown(step));
    }
    answer::id(&response)
}

fn is_published(step: &str, container: &str) -> bool {
    let response = answer::send(&format!("{step}-status"), Kind::Read, &status(container));
    let body = response.and_then(|response| answer::success(&response)).unwrap_or_default();
    body["status"] == "PUBLISHED"
}

/// Where people find a post; it is published, whether the network says that or not.
fn permalink(index: usize, id: &str) -> Option<String> {
    let request = Request::get(format!("/{id}")).query("fields", "id,permalink").credential(TOKEN);
    let response = answer::send(&format!("part-{index}-link"), Kind::Read, &request).ok()?;
    let body: Value = answer::success(&response).ok()?;
    body["permalink"].as_str().filter(|url| url.starts_with("https://")).map(str::to_owned)
}

/// The step that publishes an entry.
pub fn part_step(index: usize) -> String {
    format!("part-{index}")
}

/// The step that makes an entry's container, and those that make it again.
pub fn container_step(index: usize, turn: usize) -> String {
    format!("part-{index}-container-{turn}")
}

/// How many containers there can be of an entry.
pub fn container_steps(index: usize) -> impl DoubleEndedIterator<Item = String> {
    (0..CONTAINERS_MAX).map(move |turn| container_step(index, turn))
}

fn item_step(index: usize, number: usize, turn: usize) -> String {
    format!("part-{index}-item-{number}-{turn}")
}

/// Deletes every entry of a thread, the last first, so that no answer loses what it answers.
fn delete(draft: &Draft) -> Result<Vec<Published>, Failure> {
    let all = ids(draft.target.as_deref().unwrap_or_default())
        .ok_or_else(|| rejected("target-invalid", "Name the post to delete by its id."))?;
    for (index, id) in all.iter().enumerate().rev() {
        let request = Request::delete(format!("/{id}")).credential(TOKEN);
        let response = answer::send(&format!("delete-{index}"), Kind::Effect(Safety::ClientId), &request)?;
        // What is not there any more is what was asked for.
        if !response.is_success() && !is_missing(&response) {
            return Err(answer::failure(&response));
        }
    }
    Ok(all.iter().map(|id| Published::new((*id).to_owned())).collect())
}

/// True where the network says that there is no such thing: code 100 with subcode 33.
pub fn is_missing(response: &Response) -> bool {
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let error = &body["error"];
    response.status == 404 || (response.status == 400 && error["code"] == 100 && error["error_subcode"] == 33)
}

/// The ids in a deletion's target, one a line; none where there are none or one can't be one.
pub fn ids(target: &str) -> Option<Vec<&str>> {
    let all: Vec<&str> = target.lines().map(str::trim).filter(|id| !id.is_empty()).collect();
    (!all.is_empty() && all.iter().all(|id| is_id(id))).then_some(all)
}

/// The network's ids are numbers.
pub fn is_id(id: &str) -> bool {
    (1..=32).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit())
}
