//! Does a call: uploads, records, deletions.

use pressgate_sdk::http::{Kind, Request, Response, Safety};
use pressgate_sdk::{Call, Draft, Failure, MediaRef, Part, Performed, Published, Rejection, clock};
use serde_json::{Map, Value, json};

use crate::facets::{Handles, facets};
use crate::uri::{RecordUri, is_segment};
use crate::{POSTS, SESSION, answer, check, facts, tid};

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

/// A post that is answered, with the version that is meant where the target says it: `at://… bafy…`.
#[derive(Debug)]
pub struct Target<'a> {
    uri: RecordUri<'a>,
    cid: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// Reads a draft's target.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (uri, cid) = match text.split_once(' ') {
            Some((uri, cid)) => (uri, Some(cid)),
            None => (text, None),
        };
        let cid_fits = cid.is_none_or(|cid| cid.bytes().all(|byte| byte.is_ascii_alphanumeric()) && !cid.is_empty());
        Some(Self { uri: check::post_uri(uri)?, cid }).filter(|_| cid_fits)
    }
}

fn publish(call: &Call) -> Result<Vec<Published>, Failure> {
    let did = facts::did(call)?;
    let mut thread = match call.draft.target.as_deref() {
        Some(target) => Some(answered(target)?),
        None => None,
    };
    let (mut handles, mut published) = (Handles::default(), Vec::with_capacity(call.draft.parts.len()));
    for (index, part) in call.draft.parts.iter().enumerate() {
        let record = record(call, index, part, thread.as_ref(), &mut handles)?;
        let reference = create(call, index, &did, &record)?;
        let platform_id = reference["uri"].as_str().unwrap_or_default().to_owned();
        let rkey = record_key(call, index);
        published.push(Published::new(platform_id).at(Some(format!("https://bsky.app/profile/{did}/post/{rkey}"))));
        let root = thread.as_ref().map_or(&reference, |thread| &thread.root).clone();
        thread = Some(Thread { root, parent: reference });
    }
    Ok(published)
}

/// What the next entry answers, as references of URI and CID.
struct Thread {
    root: Value,
    parent: Value,
}

/// Reads the post that is answered: its version, and the post at the root of its thread.
fn answered(target: &str) -> Result<Thread, Failure> {
    let target = Target::parse(target)
        .ok_or_else(|| rejected("target-invalid", "Name the post to answer by its at:// address."))?;
    let response = answer::send("answered", Kind::Read, &get_record(target.uri.repo, target.uri.rkey))?;
    if answer::is_missing(&response) {
        return Err(rejected("target-missing", "The post to answer is not there."));
    }
    let body = answer::success(&response)?;
    let cid = target.cid.or(body["cid"].as_str()).ok_or_else(|| answer::garbage(&response))?;
    let parent = json!({ "uri": target.uri.to_string(), "cid": cid });
    let root = &body["value"]["reply"]["root"];
    let root = match (root["uri"].as_str(), root["cid"].as_str()) {
        (Some(uri), Some(cid)) => json!({ "uri": uri, "cid": cid }),
        _ => parent.clone(),
    };
    Ok(Thread { root, parent })
}

/// A request for one of the posts of a repository.
pub fn get_record(repo: &str, rkey: &str) -> Request {
    Request::get("/xrpc/com.atproto.repo.getRecord")
        .query("repo", repo)
        .query("collection", POSTS)
        .query("rkey", rkey)
        .credential(SESSION)
}

/// The record key of an entry.
pub fn record_key(call: &Call, index: usize) -> String {
    tid::record_key(&call.key, call.created_at_ms, index)
}

/// The step that publishes an entry.
pub fn part_step(index: usize) -> String {
    format!("part-{index}")
}

/// The record of an entry (`app.bsky.feed.post`). Uploads its images first.
fn record(
    call: &Call,
    index: usize,
    part: &Part,
    thread: Option<&Thread>,
    handles: &mut Handles,
) -> Result<Value, Failure> {
    let mut images = Vec::with_capacity(part.media.len());
    for (number, medium) in part.media.iter().enumerate() {
        let blob = upload(&format!("part-{index}-image-{number}"), medium)?;
        images.push(image(medium, blob));
    }
    let facets = facets(&part.text, handles)?;
    let mut record = Map::new();
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            record.insert(name.to_owned(), value);
        }
    };
    set("$type", Some(POSTS.into()));
    set("text", Some(part.text.clone().into()));
    set("facets", (!facets.is_empty()).then(|| facets.into()));
    set("reply", thread.map(|thread| json!({ "root": thread.root, "parent": thread.parent })));
    set("embed", (!images.is_empty()).then(|| json!({ "$type": "app.bsky.embed.images", "images": images })));
    set("langs", call.draft.language.as_deref().map(|language| json!([language])));
    // Entries a millisecond apart, so that every reader sorts them as the author did.
    set("createdAt", Some(clock::rfc3339(call.created_at_ms.saturating_add(index as u64)).into()));
    Ok(Value::Object(record))
}

fn image(medium: &MediaRef, blob: Value) -> Value {
    let mut image = json!({ "image": blob, "alt": medium.alt.as_deref().unwrap_or_default() });
    if let (Some(width @ 1..), Some(height @ 1..)) = (medium.width, medium.height) {
        image["aspectRatio"] = json!({ "width": width, "height": height });
    }
    image
}

fn upload_only(draft: &Draft) -> Result<Vec<Published>, Failure> {
    let mut published = Vec::new();
    for (index, part) in draft.parts.iter().enumerate() {
        for (number, medium) in part.media.iter().enumerate() {
            let blob = upload(&format!("part-{index}-image-{number}"), medium)?;
            let platform_id = blob["ref"]["$link"].as_str().unwrap_or_default().to_owned();
            published.push(Published::new(platform_id));
        }
    }
    Ok(published)
}

/// Uploads an image; gives the blob as records refer to it.
fn upload(step: &str, medium: &MediaRef) -> Result<Value, Failure> {
    let request = Request::post("/xrpc/com.atproto.repo.uploadBlob").medium(&medium.id, &medium.media_type);
    let response = answer::send(step, Kind::Prepare(Safety::None), &request.credential(SESSION))?;
    let blob = answer::success(&response)?["blob"].clone();
    match blob["ref"]["$link"].as_str() {
        Some(link) if !link.is_empty() => Ok(blob),
        _ => Err(no_id(&response)),
    }
}

/// Success without an id is not success.
fn no_id(response: &Response) -> Failure {
    Failure::Temporary(Rejection::new(Some(response.status), "no-id", "The server said yes and named no record."))
}

/// Creates the record; gives its reference.
fn create(call: &Call, index: usize, did: &str, record: &Value) -> Result<Value, Failure> {
    let step = part_step(index);
    let rkey = record_key(call, index);
    let body = json!({ "repo": did, "collection": POSTS, "rkey": rkey, "record": record });
    let request = Request::post("/xrpc/com.atproto.repo.createRecord").json(body.to_string()).credential(SESSION);
    let response = answer::send(&step, Kind::Effect(Safety::ClientId), &request)?;
    // Servers answer 500 where the key is taken, which it is when an earlier attempt got through.
    if response.status >= 500 {
        return existing(&format!("{step}-existing"), did, &rkey, record)?.ok_or_else(|| answer::failure(&response));
    }
    let body = answer::success(&response)?;
    reference(&body).ok_or_else(|| no_id(&response))
}

/// URI and CID of an answer.
pub fn reference(body: &Value) -> Option<Value> {
    let (uri, cid) = (body["uri"].as_str()?, body["cid"].as_str().filter(|cid| !cid.is_empty())?);
    check::post_uri(uri)?;
    Some(json!({ "uri": uri, "cid": cid }))
}

/// The reference of the record that already has this key, where it says the same; none where there is no such record
/// or the server can't tell.
fn existing(step: &str, did: &str, rkey: &str, record: &Value) -> Result<Option<Value>, Failure> {
    let response = answer::send(step, Kind::Read, &get_record(did, rkey))?;
    if response.status != 200 {
        return Ok(None);
    }
    let body = answer::success(&response)?;
    if body["value"]["text"] != record["text"] {
        return Err(rejected("record-key-taken", "Another post has the record key of this one."));
    }
    reference(&body).map(Some).ok_or_else(|| no_id(&response))
}

/// Deletes every entry of a thread, the last first. Deleting what is gone succeeds.
fn delete(draft: &Draft) -> Result<Vec<Published>, Failure> {
    let target = draft.target.as_deref().unwrap_or_default();
    let all = posts(target).ok_or_else(|| rejected("target-invalid", "Name the post by its at:// address."))?;
    for (index, uri) in all.iter().enumerate().rev() {
        let body = json!({ "repo": uri.repo, "collection": uri.collection, "rkey": uri.rkey });
        let request = Request::post("/xrpc/com.atproto.repo.deleteRecord").json(body.to_string()).credential(SESSION);
        let response = answer::send(&format!("delete-{index}"), Kind::Effect(Safety::ClientId), &request)?;
        if !response.is_success() {
            return Err(answer::failure(&response));
        }
    }
    let lines = target.lines().map(str::trim).filter(|line| !line.is_empty());
    Ok(lines.map(|uri| Published::new(uri.to_owned())).collect())
}

/// The posts in a deletion's target, one a line; none where there are none or a line is no post's address.
pub fn posts(target: &str) -> Option<Vec<RecordUri<'_>>> {
    let lines = target.lines().map(str::trim).filter(|line| !line.is_empty());
    let posts: Vec<RecordUri<'_>> = lines.map(check::post_uri).collect::<Option<_>>()?;
    (!posts.is_empty() && posts.iter().all(|uri| is_segment(uri.rkey))).then_some(posts)
}
