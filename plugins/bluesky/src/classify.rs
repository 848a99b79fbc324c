//! What a request of the network's own API would do. What is not known here is refused: a field that this reading
//! missed could publish something that nobody reviewed.

use pressgate_sdk::http::{Body, Request};
use pressgate_sdk::{Account, Classification, Classified, Login};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::POSTS;
use crate::uri::RecordUri;

/// Input of `createRecord` and `putRecord`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Write {
    repo: String,
    collection: String,
    rkey: Option<String>,
    #[serde(rename = "validate")]
    _validate: Option<bool>,
    record: Post,
    #[serde(rename = "swapCommit")]
    _swap_commit: Option<String>,
    #[serde(rename = "swapRecord")]
    _swap_record: Option<String>,
}

/// Input of `deleteRecord`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Deletion {
    repo: String,
    collection: String,
    rkey: String,
    #[serde(rename = "swapCommit")]
    _swap_commit: Option<String>,
    #[serde(rename = "swapRecord")]
    _swap_record: Option<String>,
}

/// The fields of `app.bsky.feed.post` that the gateway can review.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Post {
    #[serde(rename = "$type")]
    kind: String,
    text: String,
    #[serde(default)]
    facets: Vec<Facet>,
    reply: Option<Reply>,
    embed: Option<Embed>,
    langs: Option<Vec<String>>,
    #[serde(rename = "createdAt")]
    _created_at: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Facet {
    #[serde(rename = "$type")]
    _kind: Option<String>,
    index: Slice,
    features: Vec<Feature>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Slice {
    #[serde(rename = "$type")]
    _kind: Option<String>,
    byte_start: usize,
    byte_end: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Feature {
    #[serde(rename = "$type")]
    kind: String,
    uri: Option<String>,
    did: Option<String>,
    tag: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reply {
    #[serde(rename = "$type")]
    _kind: Option<String>,
    #[serde(rename = "root")]
    _root: Reference,
    parent: Reference,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reference {
    #[serde(rename = "$type")]
    _kind: Option<String>,
    uri: String,
    #[serde(rename = "cid")]
    _cid: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Embed {
    #[serde(rename = "$type")]
    kind: String,
    images: Vec<Image>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Image {
    #[serde(rename = "$type")]
    _kind: Option<String>,
    image: Blob,
    alt: String,
    #[serde(rename = "aspectRatio")]
    _aspect_ratio: Option<Ratio>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ratio {
    #[serde(rename = "$type")]
    _kind: Option<String>,
    #[serde(rename = "width")]
    _width: u32,
    #[serde(rename = "height")]
    _height: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Blob {
    #[serde(rename = "$type")]
    _kind: String,
    #[serde(rename = "ref")]
    link: Link,
    #[serde(rename = "mimeType")]
    _mime_type: String,
    #[serde(rename = "size")]
    _size: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Link {
    #[serde(rename = "$link")]
    link: String,
}

/// Services that the server may pass a read on to, as clients name them in `atproto-proxy`: the view of the whole network.
/// <https://atproto.com/specs/xrpc#service-proxying>
const SERVICES: [&str; 1] = ["did:web:api.bsky.app#bsky_appview"];

/// What only asks, of which nothing is anybody else's secret. <https://docs.bsky.app/docs/category/http-reference>
fn read(method: &str) -> Option<&'static str> {
    Some(match method {
        "app.bsky.actor.getProfile"
        | "app.bsky.actor.getProfiles"
        | "app.bsky.graph.getFollowers"
        | "app.bsky.graph.getFollows"
        | "com.atproto.identity.resolveHandle"
        | "com.atproto.server.describeServer" => "profile.read",
        "app.bsky.feed.getAuthorFeed" | "app.bsky.feed.getFeed" | "app.bsky.feed.getTimeline" => "timeline.read",
        "app.bsky.notification.getUnreadCount" | "app.bsky.notification.listNotifications" => "inbox.read",
        "app.bsky.feed.getLikes"
        | "app.bsky.feed.getPostThread"
        | "app.bsky.feed.getPosts"
        | "app.bsky.feed.getQuotes"
        | "app.bsky.feed.getRepostedBy"
        | "com.atproto.repo.getRecord"
        | "com.atproto.repo.listRecords" => "post.read",
        _ => return None,
    })
}

/// Reads a request; the error is a sentence for the caller.
pub fn classify(account: &Account, request: &Request) -> Result<Classification, String> {
    let address = request.path_on(account)?;
    let (path, query) = address.split_once('?').map_or((address, None), |(path, query)| (path, Some(query)));
    let method = path.strip_prefix("/xrpc/").unwrap_or_default();
    let mut services = request
        .headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("atproto-proxy"))
        .map(|(_, service)| service);
    if request.method == "GET" && matches!(request.body, Body::None) {
        if method == "com.atproto.server.getSession" {
            return Ok(Classification::Login(Login::Look));
        }
        let action = read(method).ok_or_else(|| request.unknown())?;
        if let Some(name) = request.unknown_parameter(&PARAMETERS) {
            return Err(format!("The parameter `{name}` is not one that is known here."));
        }
        if !services.all(|service| SERVICES.contains(&service.as_str())) {
            return Err("Requests are not passed on to this service.".to_owned());
        }
        return Ok(Classification::Act(act(action, None)));
    }
    if services.next().is_some() {
        return Err("Only what asks may be passed on to another service.".to_owned());
    }
    if query.is_some() {
        return Err("These methods take no parameters in the address.".to_owned());
    }
    match (request.method.as_str(), method) {
        ("POST", "com.atproto.repo.createRecord") => write(json(request)?, false).map(Classification::Act),
        ("POST", "com.atproto.repo.putRecord") => write(json(request)?, true).map(Classification::Act),
        ("POST", "com.atproto.repo.deleteRecord") => delete(&json(request)?).map(Classification::Act),
        ("POST", "com.atproto.repo.uploadBlob") => match &request.body {
            Body::Media(_) | Body::Bytes(_) => {
                Ok(Classification::Act(Classified { media: vec![(None, None)], ..act("media.upload", None) }))
            }
            Body::None | Body::Multipart(_) => Err("An upload carries the medium as its body.".to_owned()),
        },
        ("POST", "com.atproto.server.createSession") => Ok(Classification::Login(Login::Open)),
        ("POST", "com.atproto.server.refreshSession") => Ok(Classification::Login(Login::Renew)),
        ("POST", "com.atproto.server.deleteSession") => Ok(Classification::Login(Login::End)),
        _ => Err(request.unknown()),
    }
}

/// Parameters of the methods that pass: what is not known here could mean something to what stands before the server.
const PARAMETERS: [&str; 23] = [
    "actor",
    "actors",
    "algorithm",
    "cid",
    "collection",
    "cursor",
    "depth",
    "feed",
    "filter",
    "handle",
    "includePins",
    "limit",
    "parentHeight",
    "priority",
    "reasons",
    "repo",
    "reverse",
    "rkey",
    "seenAt",
    "uri",
    "uris",
    "actors[]",
    "uris[]",
];

fn json<T: DeserializeOwned>(request: &Request) -> Result<T, String> {
    let Body::Bytes(bytes) = &request.body else { return Err("The input must be sent as JSON.".to_owned()) };
    if !request.content_type()?.eq_ignore_ascii_case("application/json") {
        return Err("The input must be sent as JSON.".to_owned());
    }
    serde_json::from_slice(bytes).map_err(|error| format!("The input can't be reviewed: {error}."))
}

fn act(action: &str, target: Option<String>) -> Classified {
    Classified { target, ..Classified::new(action) }
}

fn own_post(repo: &str, collection: &str, rkey: &str) -> Result<String, String> {
    if collection != POSTS {
        return Err(format!("Records of the collection {collection} can't be reviewed."));
    }
    let uri = format!("at://{repo}/{collection}/{rkey}");
    if RecordUri::parse(&uri).is_some() { Ok(uri) } else { Err("The record's address is not valid.".to_owned()) }
}

fn delete(deletion: &Deletion) -> Result<Classified, String> {
    Ok(act("post.delete", Some(own_post(&deletion.repo, &deletion.collection, &deletion.rkey)?)))
}

fn write(write: Write, put: bool) -> Result<Classified, String> {
    let uri = own_post(&write.repo, &write.collection, write.rkey.as_deref().unwrap_or("new"))?;
    let post = write.record;
    if post.kind != POSTS {
        return Err(format!("Records of the type {} can't be reviewed.", post.kind));
    }
    let mut classified = match post.reply {
        // A put may replace what is there.
        _ if put => act("post.edit", Some(uri)),
        Some(reply) => act("comment.create", Some(reply.parent.uri)),
        None => act("post.create", None),
    };
    for facet in &post.facets {
        let cut = post.text.get(facet.index.byte_start..facet.index.byte_end);
        let cut = cut.filter(|cut| !cut.is_empty()).ok_or("A facet does not cut the text between characters.")?;
        for feature in &facet.features {
            classified.texts.extend(hidden_text(cut, feature)?);
        }
    }
    if let Some(embed) = post.embed {
        if embed.kind != "app.bsky.embed.images" {
            return Err(format!("Embeds of the type {} can't be reviewed.", embed.kind));
        }
        let media = |image: Image| (Some(image.image.link.link), Some(image.alt).filter(|alt| !alt.is_empty()));
        classified.media = embed.images.into_iter().map(media).collect();
    }
    classified.text = post.text;
    let languages = post.langs.unwrap_or_default();
    // What makes the request a draft: there are no options here, and facets are found in the text again. One that says more than the
    // text can't be a draft, and neither can several languages.
    if classified.texts.is_empty() && languages.len() <= 1 {
        classified.language = languages.into_iter().next();
        classified.options = Some("{}".to_owned());
    }
    Ok(classified)
}

/// What a facet says beyond the text that it marks: a link may lead elsewhere than it looks.
fn hidden_text(cut: &str, feature: &Feature) -> Result<Option<(String, String)>, String> {
    let fits = |name: &str, value: &str, shown: &str| (value != shown).then(|| (name.to_owned(), value.to_owned()));
    match (feature.kind.as_str(), &feature.uri, &feature.tag, &feature.did) {
        ("app.bsky.richtext.facet#link", Some(uri), None, None) => Ok(fits("link", uri, cut)),
        ("app.bsky.richtext.facet#tag", None, Some(tag), None) => {
            Ok(fits("tag", tag, cut.trim_start_matches(['#', '＃'])))
        }
        ("app.bsky.richtext.facet#mention", None, None, Some(_)) if cut.starts_with('@') => Ok(None),
        _ => Err("A facet can't be reviewed.".to_owned()),
    }
}
