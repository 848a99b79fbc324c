//! Free texts that callers send beside a post: how long they may be, and what may not stand in them.

use crate::refusal::Fault;

/// Longest campaign, label or id of a person.
pub const NAME_CHARS_MAX: usize = 200;
/// Longest note to a vote.
pub const NOTE_CHARS_MAX: usize = 1_000;
/// Longest alternative text of a medium; every network's own limit is lower.
pub const ALT_CHARS_MAX: usize = 10_000;
/// Longest BCP 47 tag.
pub const LANGUAGE_CHARS_MAX: usize = 35;

/// A fault where `text` is longer than `chars_max` characters.
pub fn too_long(pointer: &str, what: &str, text: &str, chars_max: usize) -> Option<Fault> {
    // Only as far as it matters.
    let count = text.chars().take(chars_max.saturating_add(1)).count();
    (count > chars_max).then(|| Fault {
        measured: Some(text.chars().count() as u64),
        allowed: Some(chars_max as u64),
        ..fault(pointer, "length", format!("{what} may have at most {chars_max} characters."))
    })
}

/// A fault where `text` is longer than `chars_max` characters, or holds a control character (a line break too).
pub fn unfit_line(pointer: &str, what: &str, text: &str, chars_max: usize) -> Option<Fault> {
    too_long(pointer, what, text, chars_max).or_else(|| {
        let control = text.chars().any(char::is_control);
        control.then(|| fault(pointer, "control-character", format!("{what} must not hold control characters.")))
    })
}

/// A fault where `text` has not the form of an id: 1 to 200 letters, digits, `-`, `_` or `.`.
pub fn unfit_id(pointer: &str, what: &str, text: &str) -> Option<Fault> {
    let fits = (1..=NAME_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let message = || format!("{what} is an id: 1 to {NAME_CHARS_MAX} letters, digits, `-`, `_` or `.`.");
    (!fits).then(|| fault(pointer, "form", message()))
}

/// A fault at a place of the request.
pub fn fault(pointer: &str, code: &str, message: String) -> Fault {
    Fault { pointer: Some(pointer.into()), account: None, code: code.into(), message, measured: None, allowed: None }
}

/// The text, cut after `chars_max` characters with a mark that it was.
pub fn shortened(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_counted_and_not_bytes() {
        assert!(too_long("/x", "It", &"ž".repeat(200), 200).is_none());
        let fault = too_long("/x", "It", &"ž".repeat(201), 200).unwrap();
        assert_eq!((fault.measured, fault.allowed), (Some(201), Some(200)));
        assert_eq!(shortened("žluť", 2), "žl…");
        assert_eq!(shortened("žl", 2), "žl");
    }

    #[test]
    fn lines_and_ids_have_a_form() {
        assert!(unfit_line("/x", "It", "spring – jaro", 200).is_none());
        for text in ["a\nb", "a\0", "\u{85}"] {
            assert_eq!(unfit_line("/x", "It", text, 200).unwrap().code, "control-character", "{text:?}");
        }
        assert!(unfit_id("/x", "It", "editor-7").is_none());
        for text in ["", "a b", "é", "p\0", &"p".repeat(201)] {
            assert_eq!(unfit_id("/x", "It", text).unwrap().code, "form", "{text:?}");
        }
    }
}
