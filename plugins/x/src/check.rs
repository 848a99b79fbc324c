//! Can a draft be published here? The limits are those of an account without a subscription, which no account is below.

use pressgate_sdk::text::{Measure, Weights};
use pressgate_sdk::{Draft, Finding, MediaRef, Part};

use crate::media::{self, Category};
use crate::options::Options;
use crate::perform;

/// Weight of a text.
pub const WEIGHT_MAX: usize = 280;
/// Weight of a link, whatever its length: every link is shortened.
pub const LINK_WEIGHT: usize = 23;
/// Images of one post.
pub const IMAGES_MAX: usize = 4;
/// Length of a description (`CreateMediaMetadataMetadataAltText`).
const ALT_CHARACTERS_MAX: usize = 1000;

/// How the network counts: <https://docs.x.com/fundamentals/counting-characters>. Latin and most scripts with cases count one; others,
/// among them CJK, and emoji count two.
const MEASURE: Measure = Measure::weighted(Weights {
    default: 200,
    ranges: &[
        ('\0', '\u{10ff}', 100),
        ('\u{2000}', '\u{200d}', 100),
        ('\u{2010}', '\u{201f}', 100),
        ('\u{2032}', '\u{2037}', 100),
    ],
    scale: 100,
})
.links_as(LINK_WEIGHT);

/// Findings for a draft, all of them errors.
pub fn check(draft: &Draft) -> Vec<Finding> {
    if draft.action == "post.delete" {
        let target = draft.target.as_deref().unwrap_or_default();
        let fits = perform::ids(target).next().is_some() && perform::ids(target).all(perform::is_id);
        return if fits { Vec::new() } else { vec![bad_target("Name the post to delete by its id.")] };
    }
    let mut findings = Vec::new();
    if let Err(why) = Options::parse(&draft.options) {
        findings.push(Finding::error("option-invalid", why));
    }
    if draft.target.as_deref().is_some_and(|target| !perform::is_id(target)) {
        findings.push(bad_target("Name the post to answer by its id."));
    }
    for (index, part) in draft.parts.iter().enumerate() {
        findings.extend(check_part(part).into_iter().map(|finding| finding.in_part(index)));
    }
    findings
}

/// The weight of a text.
pub fn weight(text: &str) -> usize {
    MEASURE.of(text)
}

fn bad_target(message: &str) -> Finding {
    Finding::error("target-invalid", message)
}

fn check_part(part: &Part) -> Vec<Finding> {
    let mut findings = Vec::new();
    if part.text.trim().is_empty() && part.media.is_empty() {
        findings.push(Finding::error("empty", "A post needs a text or media."));
    }
    let weight = weight(&part.text);
    if weight > WEIGHT_MAX {
        let message = format!("The text weighs {weight}; this network allows {WEIGHT_MAX}.");
        findings.push(Finding::error("text-too-long", message).measured(weight, WEIGHT_MAX));
    }
    if part.media.len() > IMAGES_MAX {
        let message = format!("{} media are attached; this network allows {IMAGES_MAX}.", part.media.len());
        findings.push(Finding::error("too-many-media", message).measured(part.media.len(), IMAGES_MAX).in_media());
    }
    let alone = |medium: &MediaRef| matches!(media::category(medium), Some(Category::Gif | Category::Video));
    if part.media.len() > 1 && part.media.iter().any(alone) {
        let message = "A video or an animated picture must be the only medium of its post.";
        findings.push(Finding::error("media-mixed", message).in_media());
    }
    for (index, medium) in part.media.iter().enumerate() {
        findings.extend(check_medium(index, medium));
    }
    findings
}

fn check_medium(index: usize, medium: &MediaRef) -> Vec<Finding> {
    let mut findings = Vec::new();
    match media::category(medium) {
        None => {
            let message = format!("This network takes no media of the type {}.", medium.media_type);
            findings.push(Finding::error("media-type", message).in_medium(index));
        }
        Some(category) if medium.size_bytes > category.bytes_max() => {
            let bytes_max = category.bytes_max();
            let message = format!("A medium has {} bytes; this network allows {bytes_max}.", medium.size_bytes);
            let mut finding = Finding::error("media-too-large", message).in_medium(index);
            finding.measure = Some((medium.size_bytes, bytes_max));
            findings.push(finding);
        }
        Some(_) => {}
    }
    let described = medium.alt.as_deref().map_or(0, |alt| alt.chars().count());
    if described > ALT_CHARACTERS_MAX {
        let message = format!("A description has {described} characters; this network allows {ALT_CHARACTERS_MAX}.");
        findings.push(Finding::error("alt-too-long", message).in_alt(index).measured(described, ALT_CHARACTERS_MAX));
    }
    findings
}
