//! What a request of the network's own API would do. What is not known here is refused: a field that this reading
//! missed could publish something that nobody reviewed.

use pressgate_sdk::http::{Body, FormValue, Request};
use pressgate_sdk::{Account, Classified, form_pairs};
use serde::Deserialize;

use crate::perform::is_id;

/// The fields of a new status that the gateway can review.
/// <https://docs.joinmastodon.org/methods/statuses/#form-data-parameters>
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Status {
    status: Option<String>,
    #[serde(default)]
    media_ids: Vec<String>,
    in_reply_to_id: Option<String>,
    spoiler_text: Option<String>,
    sensitive: Option<bool>,
    visibility: Option<String>,
    language: Option<String>,
}

/// Reads a request; the error is a sentence for the caller.
pub fn classify(account: &Account, request: &Request) -> Result<Classified, String> {
    let address = request.path_on(account)?;
    let (path, query) = address.split_once('?').map_or((address, None), |(path, query)| (path, Some(query)));
    if request.method == "GET" && matches!(request.body, Body::None) {
        let action = read(path).ok_or_else(|| request.unknown())?;
        if let Some(name) = request.unknown_parameter(&PARAMETERS) {
            return Err(format!("The parameter `{name}` is not one that is known here."));
        }
        return Ok(act(action, None));
    }
    if query.is_some() {
        return Err("Parameters belong into the body.".to_owned());
    }
    match (request.method.as_str(), path) {
        ("POST", "/api/v1/statuses") => create(request),
        ("POST", "/api/v2/media") => upload(request),
        ("DELETE", path) => match path.strip_prefix("/api/v1/statuses/") {
            Some(id) if is_id(id) && matches!(request.body, Body::None) => Ok(act("post.delete", Some(id))),
            _ => Err(request.unknown()),
        },
        _ => Err(request.unknown()),
    }
}

/// What only asks, of which nothing is anybody else's secret. <https://docs.joinmastodon.org/methods/>
fn read(path: &str) -> Option<&'static str> {
    // Some clients write a slash at the end.
    let path = path.strip_suffix('/').unwrap_or(path);
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    match segments.as_slice() {
        ["api", "v1" | "v2", "instance"] | ["api", "v1", "accounts", "verify_credentials"] => Some("profile.read"),
        ["api", "v1", "accounts", id] if is_id(id) => Some("profile.read"),
        ["api", "v1", "accounts", id, "statuses"] if is_id(id) => Some("timeline.read"),
        ["api", "v1", "timelines", "home" | "public"] | ["api", "v1", "timelines", "tag" | "list", _] => {
            Some("timeline.read")
        }
        ["api", "v1", "notifications"] => Some("inbox.read"),
        ["api", "v1", "notifications", id] if is_id(id) => Some("inbox.read"),
        ["api", "v1", "statuses" | "media", id] | ["api", "v1", "statuses", id, "context"] if is_id(id) => {
            Some("post.read")
        }
        _ => None,
    }
}

/// Parameters of what only asks: what is not known here could mean something to what stands before the server.
const PARAMETERS: [&str; 24] = [
    "account_id",
    "all[]",
    "any[]",
    "exclude_reblogs",
    "exclude_replies",
    "exclude_types[]",
    "grouped_types[]",
    "include_filtered",
    "limit",
    "local",
    "max_id",
    "min_id",
    "none[]",
    "offset",
    "only_media",
    "pinned",
    "remote",
    "since_id",
    "tagged",
    "types[]",
    "with_muted",
    "with_relationships",
    "hidden",
    "discoverable",
];

fn act(action: &str, target: Option<&str>) -> Classified {
    Classified { target: target.map(str::to_owned), ..Classified::new(action) }
}

fn create(request: &Request) -> Result<Classified, String> {
    let status = match (&request.body, request.content_type()?) {
        (Body::Bytes(bytes), "application/json") => {
            serde_json::from_slice(bytes).map_err(|error| format!("The status can't be read: {error}."))?
        }
        (Body::Bytes(bytes), "application/x-www-form-urlencoded") => Status::from_pairs(form_pairs(bytes)?)?,
        (Body::Multipart(fields), _) => {
            let pairs = fields.iter().map(|field| match &field.value {
                FormValue::Text(text) if field.filename.is_none() => Ok((field.name.clone(), text.clone())),
                _ => Err(format!("The field `{}` must be text.", field.name)),
            });
            Status::from_pairs(pairs.collect::<Result<_, _>>()?)?
        }
        _ => return Err("A status must be sent as JSON or as a form.".to_owned()),
    };
    let target = status.in_reply_to_id.as_deref().filter(|id| !id.is_empty());
    let mut classified = act(if target.is_some() { "comment.create" } else { "post.create" }, target);
    classified.text = status.status.unwrap_or_default();
    classified.texts.extend(status.spoiler_text.map(|warning| ("content_warning".to_owned(), warning)));
    classified.media = status.media_ids.into_iter().map(|id| (Some(id), None)).collect();
    let mut options = serde_json::Map::new();
    options.extend(status.visibility.map(|visibility| ("visibility".to_owned(), visibility.into())));
    options.extend(status.sensitive.map(|sensitive| ("sensitive".to_owned(), sensitive.into())));
    classified.options = Some(serde_json::Value::from(options).to_string());
    classified.language = status.language;
    Ok(classified)
}

impl Status {
    fn from_pairs(pairs: Vec<(String, String)>) -> Result<Self, String> {
        let mut status = Self::default();
        for (name, value) in pairs {
            let field = match name.as_str() {
                "media_ids[]" => {
                    status.media_ids.push(value);
                    continue;
                }
                "sensitive" => {
                    status.sensitive = Some(value == "true");
                    continue;
                }
                "status" => &mut status.status,
                "in_reply_to_id" => &mut status.in_reply_to_id,
                "spoiler_text" => &mut status.spoiler_text,
                "visibility" => &mut status.visibility,
                "language" => &mut status.language,
                _ => return Err(format!("The field `{name}` can't be reviewed.")),
            };
            if field.replace(value).is_some() {
                return Err(format!("The field `{name}` is given twice."));
            }
        }
        Ok(status)
    }
}

fn upload(request: &Request) -> Result<Classified, String> {
    let Body::Multipart(fields) = &request.body else {
        return Err("A medium must be sent as a multipart form.".to_owned());
    };
    let (mut files, mut description) = (0, None);
    for field in fields {
        match (field.name.as_str(), &field.value) {
            ("file", FormValue::Media(_)) => files += 1,
            ("description", FormValue::Text(text)) if description.is_none() => description = Some(text.clone()),
            (name, _) => return Err(format!("The field `{name}` can't be reviewed.")),
        }
    }
    if files != 1 {
        return Err("An upload carries one file.".to_owned());
    }
    let mut classified = act("media.upload", None);
    classified.media = vec![(None, description)];
    Ok(classified)
}
