//! The declared language is one of the brand's, and the text is written in a script of the declared language.

use pressgate_sdk::{Draft, json, patterns};

use crate::Review;

/// Fewer letters than this say nothing about the language.
const LETTERS_MIN: u32 = 10;
/// Letters in another script that are fine where the rule does not say, per cent.
const FOREIGN_PER_CENT_DEFAULT: u32 = 50;

/// Checks the draft's language.
pub(crate) fn check(review: &mut Review<'_>, draft: &Draft) {
    let rule = review.rules.language.unwrap_or("{}");
    if json::field(rule, "check") == Some("false") {
        return;
    }
    let outcome = json::field(rule, "outcome");
    let Some(language) = draft.language.as_deref().filter(|l| !l.is_empty()) else {
        let writes = draft.parts.iter().any(|p| !p.text.is_empty());
        if writes && json::field(rule, "declared") == Some("true") {
            review.add(outcome, "language-missing", "Say which language the text is in.", None);
        }
        return;
    };
    let ours = &review.context.languages;
    if !ours.is_empty() && !ours.iter().any(|own| is_covered(language, own)) {
        review.add(outcome, "language-not-of-brand", "The brand does not publish in this language.", None);
    }
    let scripts = scripts_of(language);
    let most =
        json::field(rule, "foreign_per_cent_max").and_then(|n| n.parse().ok()).unwrap_or(FOREIGN_PER_CENT_DEFAULT);
    if !scripts.is_empty() && is_foreign(draft, scripts, most) {
        let message =
            "The text is not written in the script of its declared language. Correct the text or the language.";
        review.add(outcome, "script-mismatch", message, None);
    }
}

/// `cs` covers `cs-CZ`; `pt-BR` covers `pt-BR` and plain `pt`, not `pt-PT`.
fn is_covered(declared: &str, own: &str) -> bool {
    let (short, long) = if declared.len() < own.len() { (declared, own) } else { (own, declared) };
    let (Some(start), rest) = (long.get(..short.len()), long.get(short.len()..).unwrap_or_default()) else {
        return false;
    };
    start.eq_ignore_ascii_case(short) && (rest.is_empty() || rest.starts_with('-'))
}

/// The ISO 15924 codes that the language is written in; none where we do not know. A script subtag (`sr-Latn`) decides.
fn scripts_of(language: &str) -> &'static [&'static str] {
    let mut tags = language.split(['-', '_']);
    let primary = tags.next().unwrap_or_default();
    let is = |list: &[&str]| list.iter().any(|l| l.eq_ignore_ascii_case(primary));
    if let Some(script) = tags.find(|t| t.len() == 4 && t.bytes().all(|b| b.is_ascii_alphabetic())) {
        return match script.as_bytes().first_chunk::<4>().map(|s| s.map(|b| b.to_ascii_lowercase())).as_ref() {
            Some(b"latn") => &["Latn"],
            Some(b"cyrl") => &["Cyrl"],
            Some(b"hebr") => &["Hebr"],
            Some(b"arab") => &["Arab"],
            Some(b"grek") => &["Grek"],
            Some(b"hans" | b"hant") => &["Hani", "Bopo"],
            _ => &[],
        };
    }
    if is(&["ru", "uk", "be", "bg", "mk", "ky", "tg", "ba", "tt", "cv"]) {
        &["Cyrl"]
    } else if is(&["sr", "kk", "uz", "mn", "bs", "az"]) {
        &["Cyrl", "Latn", "Mong"]
    } else if is(&["he", "iw", "yi"]) {
        &["Hebr"]
    } else if is(&["ar", "fa", "ur", "ps", "ckb"]) {
        &["Arab"]
    } else if is(&["ja"]) {
        &["Jpan", "Hira", "Kana", "Hani"]
    } else if is(&["zh", "yue"]) {
        &["Hani", "Bopo"]
    } else if is(&["ko"]) {
        &["Hang", "Hani"]
    } else if is(&["el"]) {
        &["Grek"]
    } else if is(&["ka"]) {
        &["Geor"]
    } else if is(&["hy"]) {
        &["Armn"]
    } else if is(&["th"]) {
        &["Thai"]
    } else if is(&["hi", "mr", "ne"]) {
        &["Deva"]
    } else if is(LATIN) {
        &["Latn"]
    } else {
        &[]
    }
}

/// Languages written in Latin letters.
const LATIN: &[&str] = &[
    "cs", "pl", "en", "de", "sk", "fr", "es", "it", "pt", "nl", "sv", "da", "nb", "nn", "no", "fi", "hu", "ro", "hr",
    "sl", "et", "lv", "lt", "tr", "vi", "id", "ms", "sq", "is", "ga", "cy", "mt", "ca", "eu", "gl", "af", "sw", "tl",
    "fil", "lb", "hsb", "dsb", "szl", "la", "eo",
];

fn is_foreign(draft: &Draft, scripts: &[&str], per_cent_max: u32) -> bool {
    for entry in &draft.parts {
        // Links, mentions, tags and identifiers are Latin in any language; they are left out only where the count with them is bad.
        if exceeds(&entry.text, scripts, per_cent_max)
            && exceeds(&without_addresses(&entry.text), scripts, per_cent_max)
        {
            return true;
        }
    }
    false
}

fn exceeds(text: &str, scripts: &[&str], per_cent_max: u32) -> bool {
    let (mut all, mut own) = (0_u32, 0_u32);
    for (script, letters) in patterns::scripts(text) {
        all += letters;
        own += if scripts.contains(&script.as_str()) { letters } else { 0 };
    }
    let foreign = all - own;
    all >= LETTERS_MIN && u64::from(foreign) * 100 > u64::from(all) * u64::from(per_cent_max)
}

fn without_addresses(text: &str) -> String {
    let mut rest = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if word.contains("://") || word.contains("www.") {
            continue;
        }
        // A preposition or a direction mark may stand before a mention or a tag: `ל-@name`.
        let word = word.split(['@', '#']).next().unwrap_or(word);
        if !word.bytes().any(|b| b.is_ascii_digit()) {
            rest.push_str(word);
            rest.push(' ');
        }
    }
    rest
}
