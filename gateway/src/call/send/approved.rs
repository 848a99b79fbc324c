//! What was approved is what is sent: each request, as its own adapter classifies it, against the reviewed draft.
//!
//! Identifiers that the network gave (of uploaded media, of earlier entries) are believed only where they stand as a value in
//! the network's own answer to the step that made them. No knowledge of a network is needed for that.

use serde_json::Value;

use crate::{
    host::{Classification, Classified, FormValue, PluginRequest, RequestBody},
    model::{Action, Draft, MediaId, MediaRef},
};

/// An answered step of this call, for looking identifiers up.
#[derive(Debug, Clone)]
pub(super) struct Answered {
    /// The medium that the step uploaded, if it did.
    pub uploaded: Option<MediaId>,
    /// The alternative text that went with the upload.
    pub alt: Option<String>,
    /// True for a visible effect.
    pub effect: bool,
    /// The network's answer.
    pub body: Vec<u8>,
}

/// Why a request is not what was approved.
pub(super) type Mismatch = String;

/// Checks one `effect`. `done` are the answered steps of this call, in order.
pub(super) fn effect(draft: &Draft, classification: &Classification, done: &[Answered]) -> Result<(), Mismatch> {
    let Classification::Act(act) = classification else {
        return Err("the adapter itself does not recognise the request as an action".into());
    };
    if draft.action == Action::POST_DELETE {
        return deletion(draft, act);
    }
    let number = done.iter().filter(|step| step.effect).count();
    let Some(part) = draft.parts.get(number) else {
        return Err(format!("the draft has {} entries and all of them were sent", draft.parts.len()));
    };
    if ![Action::POST_CREATE, Action::COMMENT_CREATE].contains(&act.action) {
        return Err(format!("the request would do `{}`", act.action));
    }
    target(draft, act, done, number)?;
    if act.text != part.text {
        return Err(format!("the text of entry {number} differs from what was approved"));
    }
    for (name, text) in &act.texts {
        if draft.options.get(name).and_then(Value::as_str) != Some(text) {
            return Err(format!("`{name}` differs from what was approved"));
        }
    }
    if act.media.len() != part.media.len() {
        return Err(format!("entry {number} shows {} media, approved were {}", act.media.len(), part.media.len()));
    }
    for (medium, (reference, alt)) in part.media.iter().zip(&act.media) {
        shown(medium, reference.as_deref(), alt.as_deref(), done)?;
    }
    Ok(())
}

/// Checks one `prepare`: nobody sees it, so it may only put an approved medium on the network.
pub(super) fn prepare(
    draft: &Draft,
    classification: &Classification,
    request: &PluginRequest,
) -> Result<(Option<MediaId>, Option<String>), Mismatch> {
    let Classification::Act(act) = classification else {
        return Err("the adapter itself does not recognise the request as an action".into());
    };
    if act.action != Action::MEDIA_UPLOAD || !act.text.is_empty() {
        return Err(format!("a `prepare` step may only upload media, and this would do `{}`", act.action));
    }
    let Some(medium) = medium_of(draft, request) else {
        // Without a medium of the draft only its description may be sent.
        return match act.media.iter().all(|(_, alt)| alt.as_deref().is_none_or(|alt| is_approved_alt(draft, alt)))
            && is_text_only(request)
        {
            true => Ok((None, None)),
            false => Err("the upload is not a medium of the draft".into()),
        };
    };
    let alt = act.media.iter().find_map(|(_, alt)| alt.clone()).filter(|alt| !alt.is_empty());
    if alt.as_deref().is_some_and(|alt| medium.alt.as_deref() != Some(alt)) {
        return Err("the description of a medium differs from what was approved".into());
    }
    Ok((Some(medium.id.clone()), alt))
}

/// True where `id` stands as a string or number value in the network's JSON answer.
pub(in crate::call) fn names(body: &[u8], id: &str) -> bool {
    fn search(value: &Value, id: &str) -> bool {
        match value {
            Value::String(text) => text == id,
            Value::Number(number) => number.to_string() == id,
            Value::Array(items) => items.iter().any(|item| search(item, id)),
            Value::Object(fields) => fields.values().any(|field| search(field, id)),
            _ => false,
        }
    }
    !id.is_empty() && serde_json::from_slice::<Value>(body).is_ok_and(|value| search(&value, id))
}

fn deletion(draft: &Draft, act: &Classified) -> Result<(), Mismatch> {
    let own = draft.target.as_deref().unwrap_or_default();
    match &act.target {
        Some(target) if act.action == Action::POST_DELETE && own.lines().any(|id| id == target) => Ok(()),
        _ => Err("the request would delete something else, or do something else".into()),
    }
}

/// The first entry answers what the draft answers; a later one answers an entry of this same call.
fn target(draft: &Draft, act: &Classified, done: &[Answered], number: usize) -> Result<(), Mismatch> {
    let fits = match (number, act.target.as_deref()) {
        (0, target) => target.map(first_word) == draft.target.as_deref().map(first_word),
        (_, Some(target)) => done.iter().any(|step| step.effect && names(&step.body, target)),
        (_, None) => true,
    };
    if fits { Ok(()) } else { Err(format!("entry {number} answers something that was not approved")) }
}

/// A reference may carry further facts after a space (a content id, say); the first word is the thing itself.
fn first_word(reference: &str) -> &str {
    reference.split_ascii_whitespace().next().unwrap_or_default()
}

fn shown(medium: &MediaRef, reference: Option<&str>, alt: Option<&str>, done: &[Answered]) -> Result<(), Mismatch> {
    let Some(reference) = reference else {
        return Err("a medium is shown without the network's id".into());
    };
    let upload = done.iter().find(|step| step.uploaded.as_ref() == Some(&medium.id) && names(&step.body, reference));
    let Some(upload) = upload else {
        return Err(format!("the medium shown is not `{}`, which was approved", medium.id));
    };
    let alt = alt.or(upload.alt.as_deref()).unwrap_or_default();
    if alt != medium.alt.as_deref().unwrap_or_default() {
        return Err(format!("the description of `{}` differs from what was approved", medium.id));
    }
    Ok(())
}

fn medium_of<'a>(draft: &'a Draft, request: &PluginRequest) -> Option<&'a MediaRef> {
    let id = match &request.body {
        RequestBody::Media(id) => id,
        RequestBody::Multipart(fields) => fields.iter().find_map(|field| match &field.value {
            FormValue::Media(id) => Some(id),
            FormValue::Text(_) => None,
        })?,
        RequestBody::None | RequestBody::Bytes(_) => return None,
    };
    draft.parts.iter().flat_map(|part| &part.media).find(|medium| medium.id.as_str() == id)
}

/// Small bodies without a medium: a description, say. Never bytes that could be a picture of the plugin's own.
fn is_text_only(request: &PluginRequest) -> bool {
    match &request.body {
        RequestBody::None => true,
        RequestBody::Bytes(bytes) => serde_json::from_slice::<Value>(bytes).is_ok(),
        RequestBody::Multipart(fields) => {
            fields.iter().all(|field| matches!(field.value, FormValue::Text(_)) && field.filename.is_none())
        }
        RequestBody::Media(_) => false,
    }
}

fn is_approved_alt(draft: &Draft, alt: &str) -> bool {
    alt.is_empty() || draft.parts.iter().flat_map(|part| &part.media).any(|medium| medium.alt.as_deref() == Some(alt))
}
