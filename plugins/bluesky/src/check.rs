//! Can a draft be published here? The limits are those of the lexicons, the same on every server.

use pressgate_sdk::text::Measure;
use pressgate_sdk::{Draft, Finding, Part};
use serde_json::Value;

use crate::perform::Target;
use crate::uri::RecordUri;
use crate::{POSTS, perform};

/// Length of a text as readers see it (`app.bsky.feed.post`, `maxGraphemes`).
pub const GRAPHEMES_MAX: usize = 300;
/// Length of a text in UTF-8 (`maxLength`).
pub const BYTES_MAX: usize = 3000;
/// Images of one post (`app.bsky.embed.images`).
pub const IMAGES_MAX: usize = 4;
/// Size of an image (`maxSize`).
pub const IMAGE_BYTES_MAX: u64 = 2_000_000;
/// JSON Schema of the options: there are none.
pub const OPTION_SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "properties": {}
}"#;

/// Findings for a draft, all of them errors.
pub fn check(draft: &Draft) -> Vec<Finding> {
    if draft.action == "post.delete" {
        let target = draft.target.as_deref().unwrap_or_default();
        let fits = perform::posts(target).is_some();
        return if fits { Vec::new() } else { vec![bad_target("Name the post to delete by its at:// address.")] };
    }
    let mut findings = Vec::new();
    let options = serde_json::from_str::<Value>(&draft.options);
    if !options.is_ok_and(|options| options.as_object().is_some_and(|options| options.is_empty())) {
        findings.push(Finding::error("option-invalid", "This network has no options."));
    }
    if draft.target.as_deref().is_some_and(|target| Target::parse(target).is_none()) {
        findings.push(bad_target("Name the post to answer by its at:// address."));
    }
    for (index, part) in draft.parts.iter().enumerate() {
        findings.extend(check_part(part).into_iter().map(|finding| finding.in_part(index)));
    }
    findings
}

/// A post's address.
pub fn post_uri(text: &str) -> Option<RecordUri<'_>> {
    RecordUri::parse(text).filter(|uri| uri.collection == POSTS)
}

fn bad_target(message: &str) -> Finding {
    Finding::error("target-invalid", message)
}

fn check_part(part: &Part) -> Vec<Finding> {
    let mut findings = Vec::new();
    if part.text.trim().is_empty() && part.media.is_empty() {
        findings.push(Finding::error("empty", "A post needs a text or images."));
    }
    let graphemes = Measure::graphemes().of(&part.text);
    if graphemes > GRAPHEMES_MAX {
        let message = format!("The text has {graphemes} characters; this network allows {GRAPHEMES_MAX}.");
        findings.push(Finding::error("text-too-long", message).measured(graphemes, GRAPHEMES_MAX));
    }
    let bytes = part.text.len();
    if bytes > BYTES_MAX {
        let message = format!("The text has {bytes} bytes; this network allows {BYTES_MAX}.");
        findings.push(Finding::error("text-too-many-bytes", message).measured(bytes, BYTES_MAX));
    }
    if part.media.len() > IMAGES_MAX {
        let message = format!("{} images are attached; this network allows {IMAGES_MAX}.", part.media.len());
        findings.push(Finding::error("too-many-media", message).measured(part.media.len(), IMAGES_MAX).in_media());
    }
    for (index, medium) in part.media.iter().enumerate() {
        if !medium.media_type.starts_with("image/") {
            let message = format!("Only images can be attached here, not {}.", medium.media_type);
            findings.push(Finding::error("media-type", message).in_medium(index));
        }
        if medium.size_bytes > IMAGE_BYTES_MAX {
            let message = format!("An image has {} bytes; this network allows {IMAGE_BYTES_MAX}.", medium.size_bytes);
            let mut finding = Finding::error("media-too-large", message).in_medium(index);
            finding.measure = Some((medium.size_bytes, IMAGE_BYTES_MAX));
            findings.push(finding);
        }
    }
    findings
}
