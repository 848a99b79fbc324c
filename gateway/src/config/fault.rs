//! One thing that is wrong in a configuration file, and where.

use std::fmt;

use serde::Serialize;

/// One fault. Its text is `grants.toml:12: …`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Fault {
    /// The file as the reader knows it: relative to the governance folder, or the path that was given.
    pub file: String,
    /// The line, from 1. 0 where the file as a whole is meant: it is missing or can't be read.
    pub line: usize,
    /// What is wrong and what to do, in one line.
    pub message: String,
}

impl Fault {
    /// A fault at a line.
    pub fn new(file: impl Into<String>, line: usize, message: impl Into<String>) -> Self {
        Self { file: file.into(), line, message: one_line(&message.into()) }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.message),
            line => write!(f, "{}:{line}: {}", self.file, self.message),
        }
    }
}

/// The line, from 1, of a byte offset.
pub fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

/// The lines of a text, for many look-ups.
pub(super) struct LineIndex(Vec<usize>);

impl LineIndex {
    pub(super) fn new(text: &str) -> Self {
        Self(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect())
    }

    /// The line, from 1, of a byte offset.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.0.partition_point(|end| *end < offset) + 1
    }
}

/// The longest message, in characters; a schema error may quote a whole configuration.
const MESSAGE_CHARS_MAX: usize = 400;

/// Characters that a terminal acts on or does not show: controls, zero-width ones and those that turn the direction of text.
fn is_hidden(character: char) -> bool {
    let format = matches!(character, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}');
    character.is_control() || format
}

/// Hidden characters escaped, so that no name in a file can forge a second line of the report or look like another name.
fn one_line(message: &str) -> String {
    let mut line = String::with_capacity(message.len());
    for (count, character) in message.chars().enumerate() {
        if count == MESSAGE_CHARS_MAX {
            line.push('…');
            break;
        }
        match character {
            '\n' => line.push_str(" / "),
            hidden if is_hidden(hidden) => line.extend(hidden.escape_default()),
            other => line.push(other),
        }
    }
    line
}

/// `did you mean …?` for a word that is nearly one of those known, else nothing.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    // A long word is no slip of the keyboard, and the distance takes time in the product of the lengths.
    const WORD_BYTES_MAX: usize = 128;
    // Enough for a house's accounts; a folder full of faults must not take minutes.
    const KNOWN_MAX: usize = 1_000;
    if word.len() > WORD_BYTES_MAX {
        return String::new();
    }
    let allowed = (word.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .take(KNOWN_MAX)
        .filter(|candidate| candidate.len() <= WORD_BYTES_MAX)
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map_or_else(String::new, |(_, candidate)| format!("; did you mean `{candidate}`?"))
}

/// Insertions, deletions and replacements between two words (Levenshtein), in characters.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut next = Vec::with_capacity(row.len());
        next.push(i + 1);
        for (b, (diagonal, above)) in to.iter().zip(row.iter().zip(row.iter().skip(1))) {
            let left = next.last().copied().unwrap_or(usize::MAX - 1);
            next.push((diagonal + usize::from(a != *b)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_one_line_whatever_it_quotes() {
        let fault = Fault::new("grants.toml", 12, "unknown app `a\nb\u{1b}[31m`");
        assert_eq!(fault.to_string(), "grants.toml:12: unknown app `a / b\\u{1b}[31m`");
        assert_eq!(Fault::new("x", 1, "acme\u{200b}").message, "acme\\u{200b}");
        assert_eq!(Fault::new("x.toml", 0, "missing").to_string(), "x.toml: missing");
        assert!(Fault::new("x", 1, "ž".repeat(5000)).message.chars().count() <= MESSAGE_CHARS_MAX + 1);
    }

    #[test]
    fn lines_count_from_one() {
        let text = "a\nb\n\nc";
        assert_eq!([0, 1, 2, 3, 4, 5, 99].map(|at| line_of(text, at)), [1, 1, 2, 2, 3, 4, 4]);
        let index = LineIndex::new(text);
        assert!((0..9).all(|at| index.line(at) == line_of(text, at)));
    }

    #[test]
    fn near_misses_are_named_and_far_ones_are_not() {
        let known = ["account", "actions", "expires"];
        assert_eq!(did_you_mean("acount", known), "; did you mean `account`?");
        assert_eq!(did_you_mean("action", known), "; did you mean `actions`?");
        assert_eq!(did_you_mean("zebra", known), "");
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }
}
