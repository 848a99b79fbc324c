//! What a request of the network's own API would do. What is not known here is refused: a field that this reading missed could publish
//! something that nobody reviewed.

use pressgate_sdk::http::{Body, Request};
use pressgate_sdk::{Account, Classified, form_pairs};
use serde_json::{Map, Value};

use crate::options::REPLY_CONTROLS;
use crate::perform::is_id;

/// Names and values in order.
type Pairs = Vec<(String, String)>;

/// Reads a request; the error is a sentence for the caller.
pub fn classify(account: &Account, request: &Request) -> Result<Classified, String> {
    // A version of the API may stand first.
    let address = request.path_on(account)?;
    let address = address.strip_prefix("/v1.0").filter(|rest| rest.starts_with('/')).unwrap_or(address);
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let mut pairs = form_pairs(query.as_bytes())?;
    match (&request.body, request.method.as_str()) {
        (Body::None, _) => {}
        (Body::Bytes(bytes), "POST") if request.content_type()? == "application/x-www-form-urlencoded" => {
            pairs.extend(form_pairs(bytes)?);
        }
        _ => return Err("Parameters belong into the address or into a form.".to_owned()),
    }
    for (index, (name, _)) in pairs.iter().enumerate() {
        if pairs.iter().take(index).any(|(other, _)| other == name) {
            return Err(format!("The parameter `{name}` is given twice."));
        }
    }
    let segments: Vec<&str> = path.trim_start_matches('/').trim_end_matches('/').split('/').collect();
    match (request.method.as_str(), segments.as_slice()) {
        ("GET", segments) => read(segments, &pairs).ok_or_else(|| request.unknown()),
        ("POST", ["me", "threads"]) => create(pairs),
        ("POST", ["me", "threads_publish"]) => commit(&pairs),
        ("DELETE", [id]) if is_id(id) && pairs.is_empty() => {
            let mut classified = act("post.delete");
            classified.target = Some((*id).to_owned());
            Ok(classified)
        }
        _ => Err(request.unknown()),
    }
}

/// What only asks, of which nothing is anybody else's secret.
fn read(segments: &[&str], pairs: &Pairs) -> Option<Classified> {
    const PARAMETERS: [&str; 9] =
        ["fields", "limit", "since", "until", "before", "after", "reverse", "q", "search_type"];
    let action = match segments {
        ["me"] | ["me", "threads_publishing_limit"] => "profile.read",
        ["me", "threads"] => "timeline.read",
        ["me", "replies" | "mentions"] => "inbox.read",
        [id, "replies" | "conversation"] if is_id(id) => "inbox.read",
        [id] if is_id(id) => "post.read",
        _ => return None,
    };
    pairs.iter().all(|(name, _)| PARAMETERS.contains(&name.as_str())).then(|| act(action))
}

fn create(pairs: Pairs) -> Result<Classified, String> {
    let mut classified = act("post.create");
    let (mut kind, mut url, mut alt, mut children) = (String::new(), None, None, None);
    let (mut item, mut at_once, mut options) = (false, false, Map::new());
    for (name, value) in pairs {
        match name.as_str() {
            "media_type" => kind = value,
            "text" => classified.text = value,
            "alt_text" => alt = Some(value),
            "image_url" | "video_url" => {
                if url.replace((name, value)).is_some() {
                    return Err("A container has one medium.".to_owned());
                }
            }
            "children" => children = Some(value),
            "reply_to_id" if is_id(&value) => classified.target = Some(value),
            "is_carousel_item" => item = flag(&name, &value)?,
            "auto_publish_text" => at_once = flag(&name, &value)?,
            "reply_control" if REPLY_CONTROLS.contains(&value.as_str()) => {
                options.insert(name, Value::String(value));
            }
            _ => return Err(format!("The parameter `{name}` can't be reviewed.")),
        }
    }
    classified.media = match (kind.as_str(), url, children) {
        ("TEXT", None, None) if alt.is_none() && !item => Vec::new(),
        ("IMAGE", Some((place, url)), None) if place == "image_url" => vec![(Some(url), alt)],
        ("VIDEO", Some((place, url)), None) if place == "video_url" => vec![(Some(url), alt)],
        ("CAROUSEL", None, Some(children)) if alt.is_none() && !item => {
            let ids: Vec<&str> = children.split(',').collect();
            if !(2..=20).contains(&ids.len()) || !ids.iter().all(|id| is_id(id)) {
                return Err("A carousel has 2 to 20 children, named by their ids.".to_owned());
            }
            ids.into_iter().map(|id| (Some(id.to_owned()), None)).collect()
        }
        _ => return Err("`media_type` and what goes with it can't be reviewed.".to_owned()),
    };
    if item {
        if !classified.text.is_empty() || classified.target.is_some() || !options.is_empty() || at_once {
            return Err("A medium of a carousel has no text of its own.".to_owned());
        }
        classified.action = "media.upload".to_owned();
        return Ok(classified);
    }
    if classified.target.is_some() {
        classified.action = "comment.create".to_owned();
    }
    if at_once {
        if kind != "TEXT" {
            return Err("`auto_publish_text` is for text alone.".to_owned());
        }
    } else {
        classified.prepares = true;
    }
    classified.options = Some(Value::Object(options).to_string());
    Ok(classified)
}

/// The publication of a container.
fn commit(pairs: &Pairs) -> Result<Classified, String> {
    let [(name, id)] = pairs.as_slice() else { return Err("Name one container by `creation_id`.".to_owned()) };
    if name != "creation_id" || !is_id(id) {
        return Err("Name one container by `creation_id`.".to_owned());
    }
    let mut classified = act("post.create");
    classified.commits = Some(id.clone());
    Ok(classified)
}

fn flag(name: &str, value: &str) -> Result<bool, String> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("`{name}` is `true` or `false`.")),
    }
}

fn act(action: &str) -> Classified {
    Classified::new(action)
}
