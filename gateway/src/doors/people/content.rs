//! What a post says, where and when, as HTML. Everything that somebody wrote is escaped.

use std::fmt::Write as _;

use jiff::Timestamp;
use pressgate_workflow::{Life, life::Plan};

use super::pages::escape;
use crate::{
    config::Governance,
    model::{Draft, MediaRef},
    posts::plan::Wish,
    records::PostRecord,
};

/// A time as people read it.
pub(super) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// Each account with the content as it goes there. `media` is the path below which the media are.
pub(super) fn content(governance: &Governance, post: &PostRecord, media: &str) -> String {
    let mut html = String::new();
    for target in &post.targets {
        let account = escape(target.account.as_str());
        let network = governance.accounts.get(&target.account).map(|account| account.network.to_string());
        let network = network.map(|network| format!(" on {}", escape(&network))).unwrap_or_default();
        // Writing to a text does not fail.
        let _ = write!(html, "<section><h3>{account}{network}</h3>{}</section>", said(&target.draft, media));
    }
    html
}

fn said(draft: &Draft, media: &str) -> String {
    let language = draft.language.as_deref().map(|tag| format!(" lang=\"{}\"", escape(tag))).unwrap_or_default();
    let mut html = String::new();
    let thread = draft.parts.len() > 1;
    if let Some(answered) = &draft.target {
        let _ = write!(html, "<p>It answers <code>{}</code>.</p>", escape(answered));
    }
    for (number, part) in (1..).zip(&draft.parts) {
        if thread {
            let _ = write!(html, "<h4>Entry {number} of {}</h4>", draft.parts.len());
        }
        let _ = write!(html, "<div class=\"text\" dir=\"auto\"{language}>{}</div>", escape(&part.text));
        if !part.media.is_empty() {
            let rows: String = part.media.iter().map(|medium| shown(medium, media)).collect();
            let _ = write!(html, "<ul>{rows}</ul>");
        }
    }
    if !draft.options.is_empty() {
        let option = |(name, value): (&String, &serde_json::Value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            format!("<dt>{}</dt><dd class=\"text\">{}</dd>", escape(name), escape(&value))
        };
        let _ = write!(html, "<h4>Options</h4><dl>{}</dl>", draft.options.iter().map(option).collect::<String>());
    }
    html
}

fn shown(medium: &MediaRef, media: &str) -> String {
    let kind = match medium.media_type.split('/').next() {
        Some("image") => "Picture",
        Some("video") => "Video",
        Some("audio") => "Sound",
        _ => "File",
    };
    let size = match (medium.width, medium.height) {
        (Some(width), Some(height)) => format!(", {width} × {height}"),
        _ => String::new(),
    };
    let alt = match medium.alt.as_deref().filter(|alt| !alt.is_empty()) {
        Some(alt) => format!("described as “{}”", escape(alt)),
        None => "without a description".to_owned(),
    };
    format!(
        "<li><a href=\"{}/media/{}\">{kind}</a> ({}{size}, {} KiB), {alt}</li>",
        escape(media),
        escape(medium.id.as_str()),
        escape(&medium.media_type),
        medium.size_bytes.div_ceil(1024)
    )
}

/// When it leaves.
pub(super) fn leaves(life: &Life, post: &PostRecord) -> String {
    match &life.content().plan {
        Plan::Unplanned => "When its author sets a time.".to_owned(),
        Plan::Now { .. } => "As soon as everybody who is asked has agreed.".to_owned(),
        Plan::At(timing) => {
            let due = time(life.due().unwrap_or(timing.due));
            let window = match (timing.earliest, timing.latest) {
                (earliest, latest) if earliest == latest || timing.recurs => String::new(),
                (earliest, latest) => format!(", movable between {} and {}", time(earliest), time(latest)),
            };
            let wish = post.life.as_ref().and_then(|kept| serde_json::from_str::<Wish>(kept.plan.as_deref()?).ok());
            let wish = wish.unwrap_or_default();
            let zone = wish.zone.map(|zone| format!(" (by the clocks of {zone})")).unwrap_or_default();
            let again = match wish.rule.filter(|_| timing.recurs) {
                Some(rule) => format!(", and again by the rule {rule}{zone}"),
                None => zone,
            };
            let until = timing.until.map(|until| format!("; never from {} on", time(until))).unwrap_or_default();
            format!("{due}{window}{again}{until}.")
        }
    }
}

/// The brands that it speaks for.
pub(super) fn brands(governance: &Governance, post: &PostRecord) -> String {
    let mut names: Vec<&str> = Vec::new();
    for target in &post.targets {
        let Some(account) = governance.accounts.get(&target.account) else { continue };
        let name = governance.brands.get(&account.brand).map_or(account.brand.as_str(), |brand| brand.name.as_str());
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(", ")
}
