//! Multipart forms of clients (RFC 7578): texts as they are, one file stored as a medium. What leaves is written anew from what was
//! read, so that the network can't read it differently.

use axum::{
    body::Body,
    http::{header::CONTENT_TYPE, request::Parts},
};
use bytes::Bytes;
use futures_util::TryStreamExt;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use multer::{Constraints, Field, Multipart, SizeLimit};

use crate::{
    call::Caller,
    doors::{body::Timed, publish::media},
    gateway::Gateway,
    host::{FormField, FormValue},
    records::MediaRecord,
    refusal::{Refusal, Stage, problem},
};

/// Most fields of a form.
const FIELDS_MAX: usize = 64;
/// Room for the heads of fields, in bytes.
const HEADS_BYTES_MAX: u64 = 64 * 1024;

/// Reads a form. `may_store` says whether a file may be stored at all.
pub(super) async fn read(
    gateway: &Gateway,
    caller: &Caller,
    parts: &Parts,
    body: Body,
    may_store: Result<(), Refusal>,
) -> Result<(Vec<FormField>, Option<MediaRecord>), Refusal> {
    let given = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let boundary = multer::parse_boundary(given).map_err(|error| malformed(&error))?;
    let text_bytes_max = gateway.config.limits.json_bytes_max;
    let whole = gateway.config.limits.media_bytes_max.saturating_add(text_bytes_max).saturating_add(HEADS_BYTES_MAX);
    let limit = SizeLimit::new().whole_stream(whole);
    let stream =
        Timed::pauses(body, gateway).into_data_stream().map_err(|broken| std::io::Error::other(broken.to_string()));
    let mut form = Multipart::with_constraints(stream, boundary, Constraints::new().size_limit(limit));
    let (mut fields, mut medium, mut text_bytes) = (Vec::new(), None, 0);
    while let Some(field) = form.next_field().await.map_err(|error| malformed(&error))? {
        let Some(name) = field.name().map(str::to_owned) else {
            return Err(Refusal::new(problem::MALFORMED, Stage::Door, "A field of the form has no name."));
        };
        if fields.len() >= FIELDS_MAX {
            let detail = format!("A form may have {FIELDS_MAX} fields.");
            return Err(Refusal::new(problem::TOO_LARGE, Stage::Door, detail));
        }
        let filename = field.file_name().map(str::to_owned);
        // Some clients give a file no name, but say what it is.
        let is_file = field.content_type().is_some_and(|kind| kind.type_() != "text" && kind.subtype() != "json");
        let value = if filename.is_some() || is_file {
            may_store.clone()?;
            if medium.is_some() {
                return Err(Refusal::new(problem::MALFORMED, Stage::Door, "A form may carry one file."));
            }
            let stored = media::store(gateway, caller, StreamBody::new(field.map_ok(Frame::data))).await;
            let record = stored.map_err(|error| error.refusal(None))?;
            let id = record.id.as_str().to_owned();
            medium = Some(record);
            FormValue::Media(id)
        } else {
            FormValue::Text(text(field, &mut text_bytes, text_bytes_max).await?)
        };
        fields.push(FormField { name, filename, value });
    }
    Ok((fields, medium))
}

async fn text(mut field: Field<'_>, read: &mut u64, bytes_max: u64) -> Result<String, Refusal> {
    let mut bytes = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(|error| malformed(&error))? {
        let chunk: Bytes = chunk;
        *read = read.saturating_add(chunk.len() as u64);
        if *read > bytes_max {
            let detail = format!("The texts of a form may have {bytes_max} bytes: all of them are judged.");
            return Err(Refusal::new(problem::TOO_LARGE, Stage::Door, detail));
        }
        bytes.extend_from_slice(&chunk);
    }
    String::from_utf8(bytes)
        .map_err(|_| Refusal::new(problem::MALFORMED, Stage::Door, "A field of the form is not UTF-8."))
}

fn malformed(error: &multer::Error) -> Refusal {
    Refusal::new(problem::MALFORMED, Stage::Door, "The form can't be read.").because(error)
}
