//! What a request of the network's own API would do. What is not known here is refused: a field that this reading
//! missed could publish something that nobody reviewed.

use pressgate_sdk::http::{Body, FormValue, Request};
use pressgate_sdk::{Account, Classified};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::options::{Options, ReplySettings};
use crate::perform::is_id;
use crate::read;

/// The fields of a new post that the gateway can review (`CreatePostsRequest`).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Post {
    #[serde(default)]
    text: String,
    media: Option<Media>,
    reply: Option<Reply>,
    reply_settings: Option<ReplySettings>,
    made_with_ai: Option<bool>,
    paid_partnership: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Media {
    media_ids: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reply {
    in_reply_to_tweet_id: String,
    /// The network drops it.
    #[serde(rename = "auto_populate_reply_metadata")]
    _auto: Option<bool>,
}

/// `InitializeMediaUploadRequest`, for what a post may show.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Begin {
    media_type: Option<String>,
    media_category: Option<String>,
    #[serde(rename = "total_bytes")]
    _total_bytes: Option<u64>,
    #[serde(default)]
    shared: bool,
}

/// `CreateMediaMetadataRequest`, for a description alone.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Describe {
    id: String,
    metadata: Metadata,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    alt_text: AltText,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AltText {
    text: String,
}

/// What the network makes of an upload for a post.
const CATEGORIES: [&str; 3] = ["tweet_gif", "tweet_image", "tweet_video"];

/// Reads a request; the error is a sentence for the caller.
pub fn classify(account: &Account, request: &Request) -> Result<Classified, String> {
    let address = request.path_on(account)?;
    let (path, query) = address.split_once('?').map_or((address, None), |(path, query)| (path, Some(query)));
    if request.method == "GET" && matches!(request.body, Body::None) {
        let action = read::action(path).ok_or_else(|| request.unknown())?;
        if let Some(name) = request.unknown_parameter(&read::PARAMETERS) {
            return Err(format!("The parameter `{name}` is not one that is known here."));
        }
        return Ok(act(action));
    }
    if query.is_some_and(|query| !query.is_empty()) {
        return Err("Parameters belong into the body.".to_owned());
    }
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    match (request.method.as_str(), segments.as_slice()) {
        ("POST", ["2", "tweets"]) => create(&json(request)?),
        ("DELETE", ["2", "tweets", id]) if is_id(id) && is_empty(request) => {
            Ok(Classified { target: Some((*id).to_owned()), ..act("post.delete") })
        }
        ("POST", ["2", "media", "upload"]) => whole(request),
        ("POST", ["2", "media", "upload", "initialize"]) => begin(&json(request)?),
        ("POST", ["2", "media", "upload", id, "append"]) if is_id(id) => append(request, id),
        ("POST", ["2", "media", "upload", id, "finalize"]) if is_id(id) && is_empty(request) => Ok(act("media.upload")),
        ("POST", ["2", "media", "metadata"]) => describe(json(request)?),
        _ => Err(request.unknown()),
    }
}

fn act(action: &str) -> Classified {
    Classified::new(action)
}

fn json<T: DeserializeOwned>(request: &Request) -> Result<T, String> {
    let Body::Bytes(bytes) = &request.body else { return Err("The body must be JSON.".to_owned()) };
    if request.content_type()? != "application/json" {
        return Err("The body must be JSON, and say so once.".to_owned());
    }
    serde_json::from_slice(bytes).map_err(|error| format!("The body can't be reviewed: {error}."))
}

/// Clients say `{}` where they have nothing to say.
fn is_empty(request: &Request) -> bool {
    match &request.body {
        Body::None => true,
        Body::Bytes(bytes) => matches!(bytes.trim_ascii(), b"" | b"{}"),
        Body::Media(_) | Body::Multipart(_) => false,
    }
}

fn create(post: &Post) -> Result<Classified, String> {
    let target = post.reply.as_ref().map(|reply| reply.in_reply_to_tweet_id.clone());
    let media_ids = post.media.as_ref().map(|media| media.media_ids.as_slice()).unwrap_or_default();
    if !target.iter().chain(media_ids).all(|id| is_id(id)) {
        return Err("An id has 1 to 19 digits.".to_owned());
    }
    let options = Options {
        reply_settings: post.reply_settings,
        made_with_ai: post.made_with_ai,
        paid_partnership: post.paid_partnership,
    };
    let mut written = serde_json::Map::new();
    options.write_to(&mut written);
    Ok(Classified {
        text: post.text.clone(),
        media: media_ids.iter().map(|id| (Some(id.clone()), None)).collect(),
        options: Some(serde_json::Value::from(written).to_string()),
        target: target.clone(),
        ..act(if target.is_some() { "comment.create" } else { "post.create" })
    })
}

fn begin(begin: &Begin) -> Result<Classified, String> {
    category(begin.media_category.as_deref())?;
    let shows = begin.media_type.as_deref().is_none_or(|kind| kind.starts_with("image/") || kind.starts_with("video/"));
    if begin.shared || !shows {
        return Err("Only what a post of this account shows may be uploaded.".to_owned());
    }
    Ok(act("media.upload"))
}

fn category(category: Option<&str>) -> Result<(), String> {
    match category {
        Some(category) if !CATEGORIES.contains(&category) => {
            Err(format!("The media category `{}` is not one of a post.", category.escape_debug()))
        }
        _ => Ok(()),
    }
}

/// A piece, added to what the network named.
fn append(request: &Request, id: &str) -> Result<Classified, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Piece {
        #[serde(rename = "media")]
        _media: String,
        #[serde(rename = "segment_index")]
        _segment_index: u32,
    }
    match &request.body {
        Body::Multipart(_) => {
            form(request, "segment_index", |index| index.parse::<u16>().is_ok_and(|index| index < 1000))?
        }
        _ => drop(json::<Piece>(request)?),
    }
    Ok(Classified { target: Some(id.to_owned()), media: vec![(None, None)], ..act("media.upload") })
}

/// A whole medium in one request.
fn whole(request: &Request) -> Result<Classified, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Whole {
        #[serde(rename = "media")]
        _media: String,
        media_category: String,
    }
    match &request.body {
        Body::Multipart(_) => form(request, "media_category", |given| CATEGORIES.contains(&given))?,
        _ => category(Some(&json::<Whole>(request)?.media_category))?,
    }
    Ok(Classified { media: vec![(None, None)], ..act("media.upload") })
}

/// One medium and one text of this name.
fn form(request: &Request, name: &str, fits: impl Fn(&str) -> bool) -> Result<(), String> {
    let Body::Multipart(fields) = &request.body else { return Err("A medium must be sent as a form.".to_owned()) };
    let (mut media, mut texts) = (0, 0);
    for field in fields {
        match &field.value {
            FormValue::Media(_) | FormValue::MediaSlice(_) if field.name == "media" => media += 1,
            FormValue::Text(text) if field.name == name && field.filename.is_none() && fits(text) => texts += 1,
            _ => return Err(format!("The field `{}` can't be reviewed.", field.name)),
        }
    }
    if (media, texts) == (1, 1) { Ok(()) } else { Err(format!("An upload carries `media` and `{name}`.")) }
}

fn describe(describe: Describe) -> Result<Classified, String> {
    if !is_id(&describe.id) {
        return Err("An id has 1 to 19 digits.".to_owned());
    }
    Ok(Classified { media: vec![(Some(describe.id), Some(describe.metadata.alt_text.text))], ..act("media.upload") })
}
