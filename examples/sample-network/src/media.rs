//! Pictures, videos and sounds: what is taken, and their form in the API.

use bytes::Bytes;
use imagesize::ImageType;
use serde_json::{Value, json};
use unicode_segmentation::UnicodeSegmentation;

use crate::api::ApiError;
use crate::fields::{Field, FieldValue};
use crate::state::Network;

/// Media types that are taken.
pub(crate) const TYPES: [&str; 8] =
    ["image/jpeg", "image/png", "image/gif", "image/webp", "video/mp4", "video/webm", "audio/mpeg", "audio/ogg"];
/// Largest picture.
pub(crate) const IMAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most pixels of a picture.
pub(crate) const IMAGE_PIXELS_MAX: usize = 33_177_600;
/// Largest video or sound.
pub(crate) const VIDEO_BYTES_MAX: usize = 99 * 1024 * 1024;
/// Longest alternative text.
pub(crate) const DESCRIPTION_CHARACTERS_MAX: usize = 1500;

/// A medium that was uploaded.
#[derive(Debug, Clone)]
pub(crate) struct Medium {
    pub(crate) id: String,
    pub(crate) media_type: &'static str,
    /// As in the API: `image`.
    pub(crate) kind: &'static str,
    pub(crate) bytes: Bytes,
    pub(crate) size: Option<(usize, usize)>,
    pub(crate) description: Option<String>,
    /// Answers 206 so many times more.
    pub(crate) polls_left: u32,
    /// The status that shows it.
    pub(crate) status: Option<String>,
}

impl Medium {
    /// Reads and checks an upload; it has no id yet.
    pub(crate) fn read(fields: &[Field], polls: u32) -> Result<Self, ApiError> {
        let file = fields.iter().find(|field| field.name == "file").map(|field| &field.value);
        let Some(FieldValue::File { declared, bytes }) = file else {
            return Err(ApiError::unprocessable("Validation failed: File can't be blank"));
        };
        let invalid = "Validation failed: File content type is invalid, File is invalid";
        let media_type = found_type(declared, bytes).ok_or_else(|| ApiError::unprocessable(invalid))?;
        let kind = match media_type.split('/').next() {
            Some("image") => "image",
            Some("audio") => "audio",
            _ => "video",
        };
        let bytes_max = if kind == "image" { IMAGE_BYTES_MAX } else { VIDEO_BYTES_MAX };
        if bytes.len() > bytes_max {
            let message = format!("Validation failed: File file size must be less than {} MB", bytes_max / 1024 / 1024);
            return Err(ApiError::unprocessable(message));
        }
        let size = imagesize::blob_size(bytes).ok().map(|size| (size.width, size.height));
        if size.is_some_and(|(width, height)| width.saturating_mul(height) > IMAGE_PIXELS_MAX) {
            return Err(ApiError::unprocessable("Validation failed: File has too many pixels"));
        }
        let description = description(fields)?;
        let (id, status) = (String::new(), None);
        Ok(Self { id, media_type, kind, bytes: bytes.clone(), size, description, polls_left: polls, status })
    }
}

/// The alternative text in a request.
pub(crate) fn description(fields: &[Field]) -> Result<Option<String>, ApiError> {
    let given = fields.iter().find(|field| field.name == "description").and_then(Field::as_text);
    let Some(text) = given.filter(|text| !text.is_empty()) else { return Ok(None) };
    if text.graphemes(true).count() > DESCRIPTION_CHARACTERS_MAX {
        let message =
            format!("Validation failed: Description is too long (maximum is {DESCRIPTION_CHARACTERS_MAX} characters)");
        return Err(ApiError::unprocessable(message));
    }
    Ok(Some(text.to_owned()))
}

/// The `MediaAttachment` entity; without an address while it is being worked on.
pub(crate) fn render(network: &Network, medium: &Medium) -> Value {
    let url = (medium.polls_left == 0).then(|| format!("{}/sample/media/{}", network.url, medium.id));
    let meta = medium.size.map(|(width, height)| {
        #[allow(clippy::cast_precision_loss, reason = "pixels are far below 2^52")]
        let aspect = width as f64 / height.max(1) as f64;
        let details = json!({ "width": width, "height": height, "aspect": aspect });
        json!({ "original": details, "small": details, "focus": { "x": 0.0, "y": 0.0 } })
    });
    json!({
        "id": medium.id,
        "type": medium.kind,
        "url": url,
        "preview_url": url,
        "remote_url": null,
        "meta": meta,
        "description": medium.description,
        "blurhash": null,
    })
}

/// For pictures the bytes decide; for the rest the declared type.
fn found_type(declared: &str, bytes: &[u8]) -> Option<&'static str> {
    if declared.starts_with("image/") {
        return match imagesize::image_type(bytes).ok()? {
            ImageType::Jpeg => Some("image/jpeg"),
            ImageType::Png => Some("image/png"),
            ImageType::Gif => Some("image/gif"),
            ImageType::Webp => Some("image/webp"),
            _ => None,
        };
    }
    TYPES.into_iter().find(|known| *known == declared && !bytes.is_empty())
}
