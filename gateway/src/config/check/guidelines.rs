//! `guidelines/*.md`: texts for people, each in Markdown below a front matter in TOML.
//!
//! The front matter is TOML, between lines of `+++`, as everything in the folder is: one reader, one way to name a line.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;

use super::{
    super::{
        Files,
        fault::line_of,
        guidelines::{GuidelineText, GuidelineVersion, Guidelines},
        markdown,
        table::{At, Document, Entry, Report},
    },
    Context,
    brands::{Brands, is_language},
};
use crate::model::{BrandPath, hex::hex};

const KEYS: &[&str] = &["title", "brand", "language", "version", "public", "effective"];
/// What encloses the front matter, alone on its line.
const FENCE: &str = "+++";
/// The longest text: it is rendered at every apply, and read by people.
const TEXT_BYTES_MAX: usize = 256 * 1024;
/// The longest name of a version.
const VERSION_BYTES_MAX: usize = 32;

/// Is it a guideline? Configuration of policies may lie in the same folder.
pub fn is_guideline(name: &str) -> bool {
    name.starts_with("guidelines/") && name.ends_with(".md")
}

/// What was found.
#[derive(Default)]
pub(super) struct Found {
    pub(super) guidelines: Guidelines,
    /// Every file could be read, so that what is not there does not exist.
    complete: bool,
}

/// One file.
struct Read<'f> {
    file: &'f str,
    brand: BrandPath,
    version: String,
    language: At<String>,
    public: At<bool>,
    effective: At<Timestamp>,
    text: GuidelineText,
}

/// Reads all of them.
pub(super) fn guidelines(files: &Files, unread: &BTreeSet<String>, brands: &Brands, report: &Report) -> Found {
    let named = || files.iter().filter(|(name, _)| is_guideline(name));
    let all: Vec<Read<'_>> = named().filter_map(|(name, text)| read(name, text, brands, report)).collect();
    let complete = all.len() == named().count() && !unread.iter().any(|name| name.starts_with("guidelines"));
    let mut versions: BTreeMap<(BrandPath, String), (GuidelineVersion, At<Timestamp>, &str)> = BTreeMap::new();
    for one in all {
        let key = (one.brand.clone(), one.version.clone());
        match versions.get_mut(&key) {
            Some((version, _, first)) => join(version, first, one, report),
            None => {
                let Read { file, brand, version, public, effective, text, .. } = one;
                let made = GuidelineVersion {
                    brand,
                    version,
                    public: public.value,
                    effective: effective.value,
                    texts: vec![text],
                };
                versions.insert(key, (made, effective, file));
            }
        }
    }
    let mut found: BTreeMap<BrandPath, Vec<Arc<GuidelineVersion>>> = BTreeMap::new();
    for (mut version, effective, file) in versions.into_values() {
        version.texts.sort_by_key(|text| text.language.to_ascii_lowercase());
        let others = found.entry(version.brand.clone()).or_default();
        if let Some(other) = others.iter().find(|other| other.effective == version.effective) {
            let message = format!("`effective`: version {} of this brand takes effect at the same time", other.version);
            report.fault(file, effective.line, message);
        }
        others.push(Arc::new(version));
        others.sort_by_key(|version| version.effective);
    }
    Found { guidelines: Guidelines(found), complete }
}

/// Adds a language to a version that other files have too.
fn join(version: &mut GuidelineVersion, first: &str, one: Read<'_>, report: &Report) {
    let Read { file, language, public, effective, text, .. } = one;
    if version.text(&language.value).is_some() {
        let message = format!(
            "`language`: another file has version {} of `{}` in this language; {first} is of it too",
            version.version, version.brand
        );
        report.fault(file, language.line, message);
        return;
    }
    let same = format!("the languages of one version have it in common, and {first} has another");
    if public.value != version.public {
        report.fault(file, public.line, format!("`public`: {same}"));
    }
    if effective.value != version.effective {
        report.fault(file, effective.line, format!("`effective`: {same}"));
    }
    version.texts.push(text);
}

fn read<'f>(file: &'f str, text: &'f str, brands: &Brands, report: &Report) -> Option<Read<'f>> {
    let (front, body_at) = match split(text) {
        Ok(parts) => parts,
        Err((line, message)) => {
            report.fault(file, line, message);
            return None;
        }
    };
    let document = Document::parse(file, front, report);
    let entry = document.whole("guideline");
    entry.only(KEYS, report);
    let title = entry.required("title", report);
    let brand = entry.required("brand", report).and_then(|brand| brands.resolve(&entry, "brand", &brand, report));
    let language = entry.required("language", report).filter(|tag| fits(&entry, tag, report));
    let version = entry.required("version", report).filter(|version| is_version(&entry, version, report));
    // Without a word nothing is shown to everybody.
    let public = match entry.has("public") {
        true => entry.boolean("public", report),
        false => Some(At { value: false, line: entry.line }),
    };
    if !entry.has("effective") {
        entry.missing(report, "`effective`");
    }
    let effective = entry.day("effective", report);
    let body = content(file, text, body_at, report);
    let (language, title) = (language?, title?);
    let (markdown, html) = body?;
    let digest = hex(digest(&SHA256, markdown.as_bytes()).as_ref());
    let text = GuidelineText {
        language: language.value.clone(),
        title: title.value,
        markdown: markdown.into(),
        html: html.into(),
        digest,
    };
    Some(Read { file, brand: brand?, version: version?.value, language, public: public?, effective: effective?, text })
}

/// The text below the front matter, and its HTML.
fn content<'f>(file: &str, text: &'f str, at: usize, report: &Report) -> Option<(&'f str, String)> {
    let body = text.get(at..).unwrap_or_default();
    if body.trim().is_empty() {
        report.fault(file, line_of(text, at), "there is no text below the front matter");
        return None;
    }
    if body.len() > TEXT_BYTES_MAX {
        report.fault(file, 0, format!("the text has more than {TEXT_BYTES_MAX} bytes"));
        return None;
    }
    let markdown::Rendered { html, faults } = markdown::render(body);
    for (offset, what) in &faults {
        report.fault(file, line_of(text, at.saturating_add(*offset)), what.clone());
    }
    faults.is_empty().then_some((body, html))
}

/// The front matter, which begins with the end of the first line so that its lines count as those of the file, and where the text begins.
fn split(text: &str) -> Result<(&str, usize), (usize, &'static str)> {
    let is_fence = |line: &str| line.trim_end() == FENCE;
    let mut lines = text.split_inclusive('\n');
    if !lines.next().is_some_and(is_fence) {
        return Err((
            1,
            "a guideline begins with a line `+++`, then title, brand, language, version and effective in TOML, and again `+++`",
        ));
    }
    let mut at = text.find('\n').map_or(text.len(), |end| end.saturating_add(1));
    for line in lines {
        let next = at.saturating_add(line.len());
        if is_fence(line) {
            return Ok((text.get(FENCE.len()..at).unwrap_or_default(), next));
        }
        at = next;
    }
    Err((1, "the front matter does not end; write `+++` alone on the line below it"))
}

fn fits(entry: &Entry<'_>, tag: &At<String>, report: &Report) -> bool {
    let fits = is_language(&tag.value);
    if !fits {
        let message = format!("`language`: `{}` is not a language tag such as `en` or `pt-BR` (BCP 47)", tag.value);
        entry.fault(tag.line, report, message);
    }
    fits
}

/// Versions stand in addresses and in the log.
fn is_version(entry: &Entry<'_>, version: &At<String>, report: &Report) -> bool {
    let text = version.value.as_str();
    let fits = text.len() <= VERSION_BYTES_MAX
        && text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    if !fits {
        let message = format!(
            "`version` must be 1 to {VERSION_BYTES_MAX} letters, digits, `-`, `_` or `.`, with a letter or digit first"
        );
        entry.fault(version.line, report, message);
    }
    fits
}

/// `guidelines = ["acme"]` of a grant or a role: brands whose guidelines the person who acts has acknowledged.
pub(super) fn asked(context: &Context<'_>, entry: &Entry<'_>) -> BTreeSet<BrandPath> {
    let report = context.report;
    let mut brands = BTreeSet::new();
    for named in entry.strings("guidelines", report).unwrap_or_default() {
        let Some(brand) = context.brands.resolve(entry, "guidelines", &named, report) else { continue };
        if context.guidelines.complete && !context.guidelines.guidelines.has(&brand) {
            let message = format!(
                "`guidelines`: `{brand}` has none of its own; add a file guidelines/*.md with `brand = \"{brand}\"`"
            );
            entry.fault(named.line, report, message);
        }
        brands.insert(brand);
    }
    brands
}

#[cfg(test)]
mod tests;
