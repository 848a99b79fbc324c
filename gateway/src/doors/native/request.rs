//! A client's request as its adapter is shown it: what it says of the network, and nothing that is between client and gateway.

use axum::{
    body::Body,
    http::{header::CONTENT_TYPE, request::Parts},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http_body::Body as _;
use http_body_util::{BodyExt, Full};
use url::form_urlencoded;

use super::{address::Addressed, form};
use crate::{
    call::{Caller, record},
    config::{Decision, decide},
    doors::{
        body::{Broken, Timed},
        json,
        publish::media,
    },
    gateway::Gateway,
    host::{PluginRequest, RequestBody},
    model::{Account, Action},
    records::MediaRecord,
    refusal::{Refusal, Stage, problem},
};

/// Headers of a client that travel on, in lower case, besides those that its adapter names. Any other may mean something between
/// client and gateway, or to what stands before the network (another method, another path, another user): it stays here.
const TRAVELLING: [&str; 11] = [
    "accept",
    "accept-language",
    "content-type",
    "idempotency-key",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "range",
    "user-agent",
];

/// The request without its body. The key is still in it: see `token`.
pub(super) fn shown(origin: &str, addressed: &Addressed, parts: &Parts) -> PluginRequest {
    let headers = parts.headers.iter().filter_map(|(name, value)| {
        // A value that is no text can't be judged; what the network would make of it nobody knows.
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    });
    PluginRequest {
        method: parts.method.as_str().to_owned(),
        url: format!("{origin}{}", addressed.path),
        headers: headers.collect(),
        body: RequestBody::None,
        credential: None,
    }
}

/// Does the method say that it changes nothing?
pub(super) fn is_safe(request: &PluginRequest) -> bool {
    matches!(request.method.as_str(), "GET" | "HEAD")
}

/// What a body is, by its type.
enum Kind {
    /// Read whole and judged.
    Text,
    /// Fields, of which one may be a file.
    Form,
    /// A file.
    Medium,
}

fn kind(parts: &Parts) -> Kind {
    let given = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match kind.as_str() {
        "multipart/form-data" => Kind::Form,
        "" | "application/json" | "application/x-www-form-urlencoded" => Kind::Text,
        kind if kind.ends_with("+json") || kind.starts_with("text/") => Kind::Text,
        _ => Kind::Medium,
    }
}

/// Longest body that is read before it is known who sends it, in bytes: one of a login.
const LOGIN_BYTES_MAX: u64 = 64 * 1024;

/// Reads a body that may have the token in it: nobody is known yet, so it is a short one. What is no text stays unread.
pub(super) async fn read_login(
    gateway: &Gateway,
    parts: &Parts,
    body: Body,
    request: &mut PluginRequest,
) -> Result<Body, Refusal> {
    if !matches!(kind(parts), Kind::Text) || body.is_end_stream() {
        return Ok(body);
    }
    only_utf8(request)?;
    let bytes_max = gateway.config.limits.json_bytes_max.min(LOGIN_BYTES_MAX);
    request.body = text(gateway, body, bytes_max, request).await?;
    Ok(Body::empty())
}

/// Reads the body into the request, which keeps only the headers that travel; `named` are those of the adapter. A file is stored as a medium of the caller's first, so that all of the request is known before
/// anything of it leaves.
pub(super) async fn read_body(
    gateway: &Gateway,
    (caller, account): (&Caller, &Account),
    (named, media_places): (&[String], &[String]),
    parts: &Parts,
    body: Body,
    request: &mut PluginRequest,
) -> Result<Option<MediaRecord>, Refusal> {
    request.headers.retain(|(name, _)| TRAVELLING.contains(&name.as_str()) || named.iter().any(|own| own == name));
    if body.is_end_stream() {
        return Ok(None);
    }
    match kind(parts) {
        Kind::Text => {
            only_utf8(request)?;
            request.body = text(gateway, body, gateway.config.limits.json_bytes_max, request).await?;
            let Some(medium) = within_json(media_places, request)? else { return Ok(None) };
            may_store(gateway, caller, account)?;
            let stored = media::store(gateway, caller, Full::new(Bytes::from(medium))).await;
            stored.map(Some).map_err(|error| error.refusal(None))
        }
        Kind::Form => {
            let may_store = may_store(gateway, caller, account);
            let (fields, medium) = form::read(gateway, caller, parts, body, may_store).await?;
            request.headers.retain(|(name, _)| name != CONTENT_TYPE.as_str());
            request.body = RequestBody::Multipart(fields);
            Ok(medium)
        }
        Kind::Medium => {
            may_store(gateway, caller, account)?;
            let mut body = Timed::pauses(body, gateway);
            let stored = media::store(gateway, caller, &mut body).await;
            let medium = stored.map_err(|error| error.refusal(body.broken()))?;
            request.body = RequestBody::Media(medium.id.as_str().to_owned());
            Ok(Some(medium))
        }
    }
}

/// The medium that stands as base64 in the JSON of a request. The body stays as it is: what is judged is what it stands for.
fn within_json(places: &[String], request: &PluginRequest) -> Result<Option<Vec<u8>>, Refusal> {
    let RequestBody::Bytes(bytes) = &request.body else { return Ok(None) };
    if places.is_empty() || is_form(request) {
        return Ok(None);
    }
    // What is no JSON has no medium in it, and its adapter says more about it.
    let Ok(whole) = serde_json::from_slice::<serde_json::Value>(bytes) else { return Ok(None) };
    let mut media = places.iter().filter_map(|place| whole.pointer(place)?.as_str());
    let (medium, more) = (media.next(), media.next());
    if more.is_some() {
        return Err(Refusal::new(problem::MALFORMED, Stage::Door, "A request may carry one medium."));
    }
    let broken = |_| Refusal::new(problem::MALFORMED, Stage::Door, "A medium within JSON must be standard base64.");
    medium.map(|medium| STANDARD.decode(medium).map_err(broken)).transpose()
}

/// Who may not upload fills no disk.
fn may_store(gateway: &Gateway, caller: &Caller, account: &Account) -> Result<(), Refusal> {
    record::log_takes_effects(gateway)?;
    let (governance, action) = (gateway.governance.load(), Action::MEDIA_UPLOAD);
    match decide(&governance, caller.principal(), None, account, action, gateway.clock.now()) {
        Decision::Granted { .. } => Ok(()),
        Decision::Refused { reason } => {
            let detail = format!("{} may not do `{action}` on `{}`: {reason}.", caller.principal(), account.id);
            Err(Refusal::new(problem::NO_GRANT, Stage::Authorise, detail))
        }
    }
}

async fn text(gateway: &Gateway, body: Body, bytes_max: u64, request: &PluginRequest) -> Result<RequestBody, Refusal> {
    let mut body = Timed::whole(body, gateway);
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(Broken::refusal)?.into_data() else { continue };
        if (bytes.len() as u64).saturating_add(data.len() as u64) > bytes_max {
            let detail = format!("A body that is no medium may have {bytes_max} bytes: all of it is judged.");
            return Err(Refusal::new(problem::TOO_LARGE, Stage::Door, detail));
        }
        bytes.extend_from_slice(&data);
    }
    if bytes.is_empty() {
        return Ok(RequestBody::None);
    }
    if is_safe(request) {
        return Err(Refusal::new(problem::MALFORMED, Stage::Door, "A request that only reads has no body."));
    }
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| Refusal::new(problem::MALFORMED, Stage::Door, "The body is not UTF-8."))?;
    if is_form(request) {
        // Written anew, so that the network can't read it differently.
        let pairs = form_urlencoded::parse(text.as_bytes());
        let anew = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        return Ok(RequestBody::Bytes(anew.into_bytes()));
    }
    // Two readers of a key that stands twice could see different things.
    json::value(text)?;
    Ok(RequestBody::Bytes(bytes))
}

/// What is read here as UTF-8 must not be read there in another way.
fn only_utf8(request: &mut PluginRequest) -> Result<(), Refusal> {
    for (name, value) in &mut request.headers {
        if name != CONTENT_TYPE.as_str() {
            continue;
        }
        let mut parts = value.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_owned();
        let mut charsets =
            parts.filter_map(|part| part.split_once('=')).filter(|(name, _)| name.eq_ignore_ascii_case("charset"));
        if charsets.any(|(_, charset)| !charset.trim_matches('"').eq_ignore_ascii_case("utf-8")) {
            let detail = "Send the body as UTF-8.";
            return Err(Refusal::new(problem::UNSUPPORTED_MEDIA_TYPE, Stage::Door, detail));
        }
        *value = kind;
    }
    Ok(())
}

/// Is the body a form of texts?
pub(super) fn is_form(request: &PluginRequest) -> bool {
    request.headers.iter().any(|(name, value)| {
        let kind = value.split(';').next().unwrap_or_default().trim();
        name == CONTENT_TYPE.as_str() && kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
    })
}
