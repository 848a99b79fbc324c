//! Can a draft be published here? Everything that the instance would refuse, found before anything is sent.

use pressgate_sdk::{Draft, Finding, MediaRef, Part};

use crate::facts::Limits;
use crate::options::Options;
use crate::perform;

/// Findings for a draft, all of them errors.
pub fn check(draft: &Draft, limits: &Limits) -> Vec<Finding> {
    if draft.action == "post.delete" {
        let target = draft.target.as_deref().unwrap_or_default();
        let ids_fit = perform::ids(target).next().is_some() && perform::ids(target).all(perform::is_id);
        return if ids_fit { Vec::new() } else { vec![bad_target("Name the status to delete by its id.")] };
    }
    let mut findings = Vec::new();
    let options = Options::parse(&draft.options).unwrap_or_else(|why| {
        findings.push(Finding::error("option-invalid", why));
        Options::default()
    });
    if draft.target.as_deref().is_some_and(|target| !perform::is_id(target)) {
        findings.push(bad_target("Name the status to answer by its id on this server."));
    }
    for (index, part) in draft.parts.iter().enumerate() {
        findings.extend(check_part(part, &options, limits).into_iter().map(|finding| finding.in_part(index)));
    }
    findings
}

fn bad_target(message: &str) -> Finding {
    Finding::error("target-invalid", message)
}

fn check_part(part: &Part, options: &Options, limits: &Limits) -> Vec<Finding> {
    let mut findings = Vec::new();
    if part.text.trim().is_empty() && part.media.is_empty() {
        findings.push(Finding::error("empty", "A status needs a text or media."));
    }
    let measure = limits.measure();
    // The warning is counted as it is written, the text with its links and mentions shortened.
    let length = pressgate_sdk::text::Measure::graphemes().of(options.warning()) + measure.of(&part.text);
    if length > limits.characters_max {
        let with = if options.warning().is_empty() { "" } else { " with its content warning" };
        let message = format!("The text has {length} characters{with}; this server allows {}.", limits.characters_max);
        findings.push(Finding::error("text-too-long", message).measured(length, limits.characters_max));
    }
    if part.media.len() > limits.media_max {
        let message = format!("{} media are attached; this server allows {}.", part.media.len(), limits.media_max);
        findings
            .push(Finding::error("too-many-media", message).measured(part.media.len(), limits.media_max).in_media());
    }
    if part.media.len() > 1 && part.media.iter().any(|medium| !is_image(medium)) {
        findings
            .push(Finding::error("media-mixed", "A video or sound must be the only medium of its status.").in_media());
    }
    for (index, medium) in part.media.iter().enumerate() {
        findings.extend(check_medium(index, medium, limits));
    }
    findings
}

fn check_medium(index: usize, medium: &MediaRef, limits: &Limits) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !limits.media_types.is_empty() && !limits.media_types.contains(&medium.media_type) {
        let message = format!("This server takes no media of the type {}.", medium.media_type);
        findings.push(Finding::error("media-type", message).in_medium(index));
    }
    let bytes_max = if is_image(medium) { limits.image_bytes_max } else { limits.video_bytes_max };
    if let Some(bytes_max) = bytes_max.filter(|bytes_max| medium.size_bytes > *bytes_max) {
        let message = format!("A medium has {} bytes; this server allows {bytes_max}.", medium.size_bytes);
        let mut finding = Finding::error("media-too-large", message).in_medium(index);
        finding.measure = Some((medium.size_bytes, bytes_max));
        findings.push(finding);
    }
    let described = medium.alt.as_deref().map_or(0, |alt| alt.chars().count());
    if described > limits.description_characters_max {
        let message = format!(
            "A description has {described} characters; this server allows {}.",
            limits.description_characters_max
        );
        let finding = Finding::error("alt-too-long", message).in_alt(index);
        findings.push(finding.measured(described, limits.description_characters_max));
    }
    findings
}

fn is_image(medium: &MediaRef) -> bool {
    medium.media_type.starts_with("image/")
}
