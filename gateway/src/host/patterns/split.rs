//! The view that joins what was pulled apart: `t a j n é`, `p.r.o.j.e.c.t`, `con-fi-den-tial`.

use std::ops::Range;

use super::letters::is_word;
use super::view::View;

/// Single letters in a row that are taken for one spelled word; two are ordinary (`a k tomu`, `с а`).
const SPELLED_LETTERS_MIN: usize = 3;
/// Characters between two pieces of one word.
const GAP_CHARS_MAX: usize = 3;

#[derive(Clone, Copy)]
struct Piece {
    start: usize,
    end: usize,
    single: bool,
    letters: bool,
}

/// What stands between two neighbouring words, in the original.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gap {
    /// Punctuation without white space.
    Tight,
    /// White space, alone or with punctuation.
    Loose,
    /// Too long to be inside a word.
    Wide,
}

/// The view with split words joined, or none where nothing looks split. `text` is the original of `base`.
pub(super) fn joined_view(text: &str, base: &View) -> Option<View> {
    let (first, last) = suspicious(text)?;
    let pieces = pieces(&base.text, around(base, first, last));
    let gaps: Vec<Gap> = pieces
        .windows(2)
        .map(|pair| match pair {
            [a, b] => gap(text, base, a, b),
            _ => Gap::Wide,
        })
        .collect();
    let spelled = spelled(&pieces, &gaps);
    let mut view = View::with_capacity(base.text.len());
    let mut copied = 0;
    let mut joined = false;
    for (index, gap) in gaps.iter().enumerate() {
        let (Some(a), Some(b)) = (pieces.get(index), pieces.get(index + 1)) else { break };
        let in_word = |i: usize| spelled.get(i).copied().unwrap_or(false);
        let is_spelled = in_word(index) && in_word(index + 1) && *gap != Gap::Wide;
        let is_tight = *gap == Gap::Tight && (a.letters || b.letters);
        if !is_spelled && !is_tight {
            continue;
        }
        view.append(base, copied, a.end);
        let at = view.text.len();
        view.joints.push((at, at));
        view.changed(at - (a.end - a.start), at + (b.end - b.start));
        copied = b.start;
        joined = true;
    }
    if !joined {
        return None;
    }
    view.append(base, copied, base.text.len());
    Some(view)
}

/// Belongs to the character that began before it.
const INSIDE: u8 = 0;
/// Begins a character of a word.
const PART: u8 = 1;
/// White space.
const SPACE: u8 = 2;
/// Begins another character.
const BESIDE: u8 = 3;

#[allow(clippy::indexing_slicing, reason = "a table of every byte, made when this is compiled")]
static BYTES: [u8; 256] = {
    let mut table = [BESIDE; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            0x80..=0xBF => INSIDE,
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | 0xC3..=0xDF | 0xE0..=0xE1 | 0xE3..=0xEF => PART,
            space if space.is_ascii_whitespace() => SPACE,
            _ => BESIDE,
        };
        byte += 1;
    }
    table
};

/// A quick look at the bytes: where punctuation inside a word, or three words of one character in a row, first begin and last end.
fn suspicious(text: &str) -> Option<(usize, usize)> {
    let mut found: Option<(usize, usize)> = None;
    let (mut word_start, mut word_chars) = (0_usize, 0_usize);
    let (mut previous_start, mut singles_start) = (0_usize, 0_usize);
    let (mut singles, mut tight) = (0_usize, 0_usize);
    for (at, byte) in text.bytes().chain([b' ']).enumerate() {
        match BYTES.get(usize::from(byte)).copied().unwrap_or(BESIDE) {
            INSIDE => {}
            PART => {
                if word_chars == 0 {
                    if (1..=GAP_CHARS_MAX).contains(&tight) {
                        found = Some((found.map_or(previous_start, |f| f.0), at));
                    }
                    word_start = at;
                }
                word_chars += 1;
                tight = 0;
            }
            kind => {
                if word_chars > 0 {
                    if singles == 0 {
                        singles_start = word_start;
                    }
                    singles = if word_chars == 1 { singles + 1 } else { 0 };
                    if singles >= SPELLED_LETTERS_MIN {
                        found = Some((found.map_or(singles_start, |f| f.0), at));
                    }
                    previous_start = word_start;
                    word_chars = 0;
                    tight = 0;
                }
                tight += if kind == SPACE { GAP_CHARS_MAX + 1 } else { 1 };
            }
        }
    }
    found
}

/// The part of the view that stands for `first..last` of the original, with two words more on each side.
fn around(base: &View, first: usize, last: usize) -> Range<usize> {
    let text = base.text.as_str();
    let (start, end) = (base.position(first), base.position(last));
    let before = text.as_bytes().get(..start).unwrap_or_default();
    let start = before.iter().enumerate().rev().filter(|(_, b)| **b == b' ').nth(2).map_or(0, |(i, _)| i);
    let after = text.as_bytes().get(end..).unwrap_or_default();
    let end = after.iter().enumerate().filter(|(_, b)| **b == b' ').nth(2).map_or(text.len(), |(i, _)| end + i);
    start..end
}

fn pieces(text: &str, range: Range<usize>) -> Vec<Piece> {
    let bytes = text.as_bytes();
    let mut pieces: Vec<Piece> = Vec::with_capacity(range.len() / 4);
    let mut at = range.start;
    while let Some(&byte) = bytes.get(at).filter(|_| at < range.end) {
        // Signs that stand for letters are letters here, so that `s e c r 3 t` and `@ u r o r a` are seen.
        let start = at;
        let mut chars = 0;
        let mut letters = false;
        while let Some(length) = part_length(text, at) {
            letters |= !bytes.get(at).is_some_and(u8::is_ascii_digit);
            chars += 1;
            at += length;
        }
        if chars == 0 {
            at += if byte.is_ascii() { 1 } else { char_length(text, at) };
            continue;
        }
        pieces.push(Piece { start, end: at, single: chars == 1, letters });
    }
    pieces
}

fn char_length(text: &str, at: usize) -> usize {
    text.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8)
}

/// The bytes of the character at `at`, if it belongs to a word.
fn part_length(text: &str, at: usize) -> Option<usize> {
    let byte = *text.as_bytes().get(at)?;
    if byte.is_ascii() {
        return (byte.is_ascii_alphanumeric() || matches!(byte, b'@' | b'$')).then_some(1);
    }
    let c = text.get(at..)?.chars().next()?;
    is_word(c).then_some(c.len_utf8())
}

fn gap(text: &str, base: &View, a: &Piece, b: &Piece) -> Gap {
    // Most gaps are one space that stands for itself.
    if base.text.get(a.end..b.start) == Some(" ") && !base.is_replaced(a.end) {
        return Gap::Loose;
    }
    let (_, from) = base.origin(a.start, a.end);
    let (to, _) = base.origin(b.start, b.end);
    let between = text.get(from..to).unwrap_or_default();
    let mut count = 0;
    let mut loose = false;
    for c in between.chars().filter(|c| !super::letters::is_invisible(*c)) {
        count += 1;
        loose |= c.is_whitespace() || c == '\u{2800}';
        if count > GAP_CHARS_MAX {
            return Gap::Wide;
        }
    }
    if loose { Gap::Loose } else { Gap::Tight }
}

/// Which pieces belong to a run of single letters that is long enough.
fn spelled(pieces: &[Piece], gaps: &[Gap]) -> Vec<bool> {
    let mut out = vec![false; pieces.len()];
    let mut start = 0;
    while start < pieces.len() {
        let mut end = start;
        let mut letters = 0;
        while let Some(piece) = pieces.get(end)
            && piece.single
            && (end == start || gaps.get(end - 1) != Some(&Gap::Wide))
        {
            letters += usize::from(piece.letters);
            end += 1;
        }
        if end - start >= SPELLED_LETTERS_MIN && letters + 1 >= SPELLED_LETTERS_MIN {
            for flag in out.iter_mut().take(end).skip(start) {
                *flag = true;
            }
        }
        start = end.max(start + 1);
    }
    out
}
