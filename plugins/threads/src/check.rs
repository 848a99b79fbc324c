//! Can a draft be published here? Everything that the network would refuse, found before anything is sent.

use pressgate_sdk::{Draft, Facts, Finding, MediaRef, Part, media};

use crate::facts::{Limits, Quota};
use crate::options::Options;
use crate::perform;

/// Longest text: <https://developers.facebook.com/docs/threads/posts#limitations>
pub const CHARACTERS_MAX: usize = 500;
/// Media of a carousel.
pub const MEDIA_MAX: usize = 20;
/// Longest description.
const ALT_CHARACTERS_MAX: usize = 1000;
const IMAGE_BYTES_MAX: u64 = 8_000_000;
const VIDEO_BYTES_MAX: u64 = 1_000_000_000;
const IMAGE_TYPES: [&str; 2] = ["image/jpeg", "image/png"];
const VIDEO_TYPES: [&str; 1] = ["video/mp4"];

/// Findings for a draft, all of them errors.
pub fn check(draft: &Draft, facts: Option<&Facts>) -> Vec<Finding> {
    let limits = Limits::from_facts(facts);
    let target = draft.target.as_deref().unwrap_or_default();
    let mut findings = Vec::new();
    if draft.action == "post.delete" {
        if perform::ids(target).is_none() {
            findings.push(Finding::error("target-invalid", "Name the post to delete by its id."));
        }
        findings.extend(spent(&limits.deletes, perform::ids(target).map_or(0, |ids| ids.len()), "deletions"));
        return findings;
    }
    if let Err(why) = Options::parse(&draft.options) {
        findings.push(Finding::error("option-invalid", why));
    }
    if draft.target.is_some() && !perform::is_id(target) {
        findings.push(Finding::error("target-invalid", "Name the post to answer by its id."));
    }
    for (index, part) in draft.parts.iter().enumerate() {
        findings.extend(check_part(part).into_iter().map(|finding| finding.in_part(index)));
    }
    // The first entry of a thread is a post; what answers it are replies.
    let replies = draft.parts.len() - usize::from(draft.target.is_none() && !draft.parts.is_empty());
    findings.extend(spent(&limits.posts, draft.parts.len() - replies, "posts"));
    findings.extend(spent(&limits.replies, replies, "replies"));
    findings
}

/// The network's quota does not hold what is asked for.
fn spent(quota: &Quota, wanted: usize, what: &str) -> Option<Finding> {
    let left = quota.left()?;
    let message = || {
        let total = quota.total.unwrap_or_default();
        format!("{left} of {total} {what} are left to this account in the network's window; try again later.")
    };
    let left_count = usize::try_from(left).unwrap_or(usize::MAX);
    (wanted > left_count).then(|| Finding::error("quota-spent", message()).measured(wanted, left_count))
}

fn check_part(part: &Part) -> Vec<Finding> {
    let mut findings = Vec::new();
    if part.text.trim().is_empty() && part.media.is_empty() {
        findings.push(Finding::error("empty", "A post needs a text or media."));
    }
    let length = characters(&part.text);
    if length > CHARACTERS_MAX {
        let message = format!(
            "The text has {length} characters, each emoji counted by its bytes; this network allows {CHARACTERS_MAX}."
        );
        findings.push(Finding::error("text-too-long", message).measured(length, CHARACTERS_MAX));
    }
    let count = part.media.len();
    if count > MEDIA_MAX {
        let message = format!("{count} media are attached; this network allows {MEDIA_MAX}.");
        findings.push(Finding::error("too-many-media", message).measured(count, MEDIA_MAX).in_media());
    }
    for (index, medium) in part.media.iter().enumerate() {
        findings.extend(check_medium(index, medium));
    }
    if let Some(Err(why)) = part.media.first().map(|medium| media::public_url(&medium.id)) {
        findings.push(Finding::error("no-public-media", why).in_media());
    }
    findings
}

fn check_medium(index: usize, medium: &MediaRef) -> Vec<Finding> {
    let mut findings = Vec::new();
    let kind = medium.media_type.as_str();
    let bytes_max = if is_video(medium) { VIDEO_BYTES_MAX } else { IMAGE_BYTES_MAX };
    if !IMAGE_TYPES.contains(&kind) && !is_video(medium) {
        let message = format!("This network takes JPEG, PNG and MP4, and no {kind}.");
        findings.push(Finding::error("media-type", message).in_medium(index));
    } else if medium.size_bytes > bytes_max {
        let message = format!("A medium has {} bytes; this network allows {bytes_max}.", medium.size_bytes);
        let mut finding = Finding::error("media-too-large", message).in_medium(index);
        finding.measure = Some((medium.size_bytes, bytes_max));
        findings.push(finding);
    }
    let described = medium.alt.as_deref().map_or(0, |alt| alt.chars().count());
    if described > ALT_CHARACTERS_MAX {
        let message = format!("A description has {described} characters; this network allows {ALT_CHARACTERS_MAX}.");
        findings.push(Finding::error("alt-too-long", message).in_alt(index).measured(described, ALT_CHARACTERS_MAX));
    }
    findings
}

/// True for what is sent as a video.
pub fn is_video(medium: &MediaRef) -> bool {
    VIDEO_TYPES.contains(&medium.media_type.as_str())
}

/// The length as the network documents it: characters, but an emoji counts as many as it has bytes in UTF-8.
pub fn characters(text: &str) -> usize {
    text.chars().map(|letter| if is_emoji(letter) { letter.len_utf8() } else { 1 }).sum()
}

/// Letters that are emoji or parts of one. In doubt it is one: a text that the network would refuse is worse than one that is cut
/// a little short.
fn is_emoji(letter: char) -> bool {
    matches!(letter,
        '\u{200d}' | '\u{20e3}' | '\u{fe0f}'
        | '\u{231a}'..='\u{23ff}' | '\u{2600}'..='\u{27bf}' | '\u{2b05}'..='\u{2b55}'
        | '\u{1f000}'..='\u{1faff}' | '\u{e0020}'..='\u{e007f}')
}
