//! What was approved is what is sent: each request, as its own adapter classifies it, against the reviewed draft.
//!
//! Identifiers that the network gave (of uploaded media, of earlier entries) are believed only where they stand as a value in
//! the network's own answer to the step that made them. No knowledge of a network is needed for that.

use std::ops::Range;

use serde_json::Value;

use crate::{
    gateway::PublicMedia,
    host::{Classification, Classified, FormValue, PluginRequest, RequestBody},
    model::{AccountId, Action, Draft, MediaId, MediaRef},
};

/// An answered step of this call, for looking identifiers up.
#[derive(Debug, Clone)]
pub(crate) struct Answered {
    /// What the step put on the network.
    pub put: Put,
    /// True for a visible effect.
    pub effect: bool,
    /// The network's answer.
    pub body: Vec<u8>,
}

/// What a `prepare` step puts on the network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Put {
    /// The medium that it carries, or carries a piece of.
    pub medium: Option<MediaId>,
    /// What it adds that to, where the network named that before: its reference, and which bytes of the medium.
    pub added: Option<(String, Range<u64>)>,
    /// The alternative text that goes with the medium.
    pub alt: Option<String>,
    /// The alternative text of what was uploaded before, under the network's reference.
    pub described: Option<(String, String)>,
    /// The entry that it makes, for a later step to publish.
    pub entry: Option<usize>,
}

/// Why a request is not what was approved.
pub(crate) type Mismatch = String;

/// What a request is compared with.
pub(crate) struct Approved<'a> {
    /// What was reviewed.
    pub draft: &'a Draft,
    /// The answered steps of this call, in order.
    pub done: &'a [Answered],
    /// The account that speaks, and the addresses of its media.
    pub account: &'a AccountId,
    /// Knows the addresses.
    pub public: &'a PublicMedia,
}

/// Checks one `effect`.
pub(crate) fn effect(approved: &Approved<'_>, classification: &Classification) -> Result<(), Mismatch> {
    let act = act(classification)?;
    if approved.draft.action == Action::POST_DELETE {
        return deletion(approved.draft, act);
    }
    if act.prepares {
        return Err("a request that only prepares must be sent as a `prepare` step".into());
    }
    match &act.commits {
        Some(reference) => commit(approved, act, reference),
        None => entry(approved, act).map(drop),
    }
}

fn act(classification: &Classification) -> Result<&Classified, Mismatch> {
    match classification {
        Classification::Act(act) => Ok(act),
        _ => Err("the adapter itself does not recognise the request as an action".into()),
    }
}

/// Publishes what a step of this call prepared for the entry whose turn it is, and says nothing else.
fn commit(approved: &Approved<'_>, act: &Classified, reference: &str) -> Result<(), Mismatch> {
    let (number, _) = approved.next()?;
    let silent = act.text.is_empty() && act.texts.is_empty() && act.media.is_empty() && act.target.is_none();
    let is_own = |step: &Answered| step.put.entry == Some(number) && names(&step.body, reference);
    if ![Action::POST_CREATE, Action::COMMENT_CREATE].contains(&act.action) || !silent {
        return Err("the request would publish something prepared, and more than that".into());
    }
    if approved.done.iter().any(is_own) {
        Ok(())
    } else {
        Err(format!("what would be published was not prepared by this call for entry {number}"))
    }
}

impl Approved<'_> {
    /// The entry whose turn it is.
    fn next(&self) -> Result<(usize, &crate::model::Part), Mismatch> {
        let number = self.done.iter().filter(|step| step.effect).count();
        let all = self.draft.parts.len();
        let part = self.draft.parts.get(number);
        part.map(|part| (number, part)).ok_or_else(|| format!("the draft has {all} entries and all of them were sent"))
    }
}

/// Checks what others see, or will see, of the entry whose turn it is; gives its number.
fn entry(approved: &Approved<'_>, act: &Classified) -> Result<usize, Mismatch> {
    let Approved { draft, done, .. } = approved;
    let (number, part) = approved.next()?;
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
        shown(approved, medium, reference.as_deref(), alt.as_deref())?;
    }
    Ok(number)
}

/// Checks one `prepare`: nobody sees it, so it may only put an approved medium on the network, or an approved entry that a later
/// step publishes.
pub(crate) fn prepare(
    approved: &Approved<'_>,
    classification: &Classification,
    request: &PluginRequest,
) -> Result<Put, Mismatch> {
    let act = act(classification)?;
    if act.prepares {
        if let RequestBody::Media(_) | RequestBody::Multipart(_) = &request.body {
            return Err("what prepares an entry carries no media of its own".into());
        }
        return Ok(Put { entry: Some(entry(approved, act)?), ..Put::default() });
    }
    if act.action != Action::MEDIA_UPLOAD || !act.text.is_empty() || act.commits.is_some() {
        return Err(format!("a `prepare` step may only upload media, and this would do `{}`", act.action));
    }
    let Some((medium, range)) = medium_of(approved, act, request) else {
        let described = act.media.iter().find_map(|(reference, alt)| reference.clone().zip(alt.clone()));
        // Without a medium of the draft only the description of one may be sent.
        let known = |reference: &str| approved.done.iter().any(|step| names(&step.body, reference));
        let fits = |(reference, alt): &(Option<String>, Option<String>)| {
            reference.as_deref().is_none_or(known)
                && alt.as_deref().is_none_or(|alt| is_approved_alt(approved.draft, alt))
        };
        return match act.media.iter().all(fits) && is_text_only(request) {
            true => Ok(Put { described, ..Put::default() }),
            false => Err("the upload is not a medium of the draft".into()),
        };
    };
    let alt = act.media.iter().find_map(|(_, alt)| alt.clone()).filter(|alt| !alt.is_empty());
    if alt.as_deref().is_some_and(|alt| medium.alt.as_deref() != Some(alt)) {
        return Err("the description of a medium differs from what was approved".into());
    }
    let added = act.target.clone().map(|reference| (reference, range.clone()));
    if added.is_none() && range != (0..medium.size_bytes) {
        return Err("a piece of a medium is added to nothing".into());
    }
    Ok(Put { medium: Some(medium.id.clone()), added, alt, ..Put::default() })
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

/// A medium is shown by what the network called it, or by the address from which the network fetches it.
fn shown(
    approved: &Approved<'_>,
    medium: &MediaRef,
    reference: Option<&str>,
    alt: Option<&str>,
) -> Result<(), Mismatch> {
    let Some(reference) = reference else {
        return Err("a medium is shown without the network's id".into());
    };
    let fits = |alt: Option<&str>| match alt.unwrap_or_default() == medium.alt.as_deref().unwrap_or_default() {
        true => Ok(()),
        false => Err(format!("the description of `{}` differs from what was approved", medium.id)),
    };
    if approved.public.url(approved.account, &medium.id).is_ok_and(|url| url == reference) {
        return fits(alt);
    }
    let done = approved.done;
    let whole = |step: &&Answered| {
        step.put.medium.as_ref() == Some(&medium.id) && step.put.added.is_none() && names(&step.body, reference)
    };
    let upload = done.iter().find(whole);
    if upload.is_none() && !is_added_up(medium, reference, done) {
        return Err(format!("the medium shown is not `{}`, which was approved", medium.id));
    }
    let described = done.iter().rev().filter_map(|step| step.put.described.as_ref());
    let described = described.filter(|(of, _)| of == reference).map(|(_, alt)| alt.as_str()).next();
    let with_it = upload.and_then(|upload| upload.put.alt.as_deref());
    fits(alt.or(described).or(with_it))
}

/// True where what the network calls `reference` was made of the whole medium, piece by piece from its beginning, and of nothing else.
fn is_added_up(medium: &MediaRef, reference: &str, done: &[Answered]) -> bool {
    let named = done.iter().any(|step| step.put.added.is_none() && names(&step.body, reference));
    let mut end = 0;
    for step in done {
        let Some((_, range)) = step.put.added.as_ref().filter(|(of, _)| of == reference) else { continue };
        if step.put.medium.as_ref() != Some(&medium.id) || range.start != end {
            return false;
        }
        end = range.end;
    }
    named && end == medium.size_bytes
}

/// The medium of the draft that a request carries or gives the address of, and which bytes of it.
fn medium_of<'a>(
    approved: &Approved<'a>,
    act: &Classified,
    request: &PluginRequest,
) -> Option<(&'a MediaRef, Range<u64>)> {
    let value = match &request.body {
        RequestBody::Media(id) => &FormValue::Media(id.clone()),
        RequestBody::Multipart(fields) => {
            fields.iter().map(|field| &field.value).find(|value| value.medium().is_some())?
        }
        RequestBody::None | RequestBody::Bytes(_) => {
            // By its address alone, and no second thing beside it.
            let [(Some(reference), _)] = act.media.as_slice() else { return None };
            let medium = approved.public.find(approved.account, approved.draft, reference)?;
            return Some((medium, 0..medium.size_bytes));
        }
    };
    let id = value.medium()?;
    let medium = approved.draft.parts.iter().flat_map(|part| &part.media).find(|medium| medium.id.as_str() == id)?;
    let range = match value {
        FormValue::MediaSlice { offset, length, .. } => *offset..offset.saturating_add(*length),
        FormValue::Media(_) | FormValue::Text(_) => 0..medium.size_bytes,
    };
    Some((medium, range))
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

#[cfg(test)]
mod tests;
