//! What kind of character each one is for matching: copied, lowered, dropped, a separator, a mark.

use std::sync::LazyLock;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

/// How the fold treats one character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Stays as it is (ASCII capitals too: they are lowered in bulk).
    Copy,
    /// Is replaced by this character of the same number of bytes.
    Lower(char),
    /// Is replaced by this plain quotation mark or letter.
    Plain(char),
    /// Invisible: disappears.
    Drop,
    /// White space.
    Space,
    /// Punctuation that may stand between the words of a phrase: a dash, a low line, an asterisk.
    Separator,
    /// A combining mark: belongs to the character before it.
    Mark,
    /// Needs Unicode normalisation or a longer lower case.
    Slow,
}

/// The class of `c`.
pub(super) fn class(c: char) -> Class {
    match c as u32 {
        code @ 0..0x80 => ascii(code),
        code @ 0x80..0x800 => TWO_BYTES.get(code as usize).copied().unwrap_or(Class::Slow),
        _ => wide(c),
    }
}

/// The classes of the characters below U+0800 by their code; those of ASCII are not meant.
pub(super) fn two_byte_classes() -> &'static [Class] {
    &TWO_BYTES
}

fn ascii(code: u32) -> Class {
    match code {
        0x09..=0x0D | 0x20 => Class::Space,
        0x2A | 0x2D | 0x2F | 0x5F | 0x7C | 0x7E => Class::Separator,
        0x00..0x20 | 0x7F => Class::Drop,
        _ => Class::Copy,
    }
}

static TWO_BYTES: LazyLock<Vec<Class>> =
    LazyLock::new(|| (0..0x800).map(|code| char::from_u32(code).map_or(Class::Slow, two_bytes)).collect());

fn two_bytes(c: char) -> Class {
    if is_invisible(c) {
        return Class::Drop;
    }
    if is_mark(c) {
        return Class::Mark;
    }
    match c {
        '\u{85}' | '\u{A0}' => return Class::Space,
        '\u{B7}' | '\u{5BE}' => return Class::Separator,
        '\u{B4}' | '\u{5F3}' => return Class::Plain('\''),
        '\u{5F4}' => return Class::Plain('"'),
        // Superscripts and fractions stand beside words, they are no part of them.
        '²' | '³' | '¹' | '¼' | '½' | '¾' | '¨' | '¯' | '¸' => return Class::Copy,
        'ς' => return Class::Lower('σ'),
        // Russian prints `е` for `ё` at will.
        'ё' | 'Ё' => return Class::Lower('е'),
        'ß' => return Class::Slow,
        _ => {}
    }
    simple(c).unwrap_or(Class::Slow)
}

/// Copy or Lower, where lower case has the same length and normalisation changes nothing.
fn simple(c: char) -> Option<Class> {
    let mut lower = c.to_lowercase();
    let first = lower.next()?;
    let stable = is_nfkc_quick(std::iter::once(c)) == IsNormalized::Yes
        || (std::iter::once(c).nfkc().eq(std::iter::once(c)) && !is_mark(c));
    if lower.next().is_some() || !stable || first.len_utf8() != c.len_utf8() {
        return None;
    }
    Some(if first == c { Class::Copy } else { Class::Lower(first) })
}

fn wide(c: char) -> Class {
    match c {
        // Chinese, Japanese and Korean letters and pictures: nothing to do, and frequent.
        '\u{3041}'..='\u{3096}' | '\u{3400}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7A3}' | '\u{1F300}'..='\u{1FAFF}' => {
            Class::Copy
        }
        '\u{2018}'..='\u{201B}' | '\u{2032}' | '\u{FF07}' => Class::Plain('\''),
        '\u{201C}'..='\u{201F}' | '\u{2033}' | '\u{FF02}' => Class::Plain('"'),
        '\u{2010}'..='\u{2015}' | '\u{2022}' | '\u{2027}' | '\u{2043}' | '\u{2212}' | '\u{2219}' | '\u{30FB}' => {
            Class::Separator
        }
        '\u{FE58}' | '\u{FE63}' | '\u{FF0D}' | '\u{FF3F}' | '\u{FF0A}' | '\u{2044}' | '\u{2215}' => Class::Separator,
        // Trade marks, superscripts and fractions stand beside words; an ellipsis ends one.
        '\u{2026}' | '\u{2070}'..='\u{209C}' | '\u{2120}' | '\u{2122}' | '\u{2150}'..='\u{215F}' => Class::Copy,
        // Letters in circles and boxes that normalisation does not know.
        '\u{1F150}'..='\u{1F169}' => plain_latin(c, 0x1F150),
        '\u{1F170}'..='\u{1F189}' => plain_latin(c, 0x1F170),
        _ if is_invisible(c) => Class::Drop,
        _ if is_mark(c) => Class::Mark,
        _ if c.is_whitespace() || c == '\u{2800}' => Class::Space,
        _ => simple(c).unwrap_or(Class::Slow),
    }
}

fn plain_latin(c: char, first: u32) -> Class {
    let offset = (c as u32).saturating_sub(first);
    char::from_u32('a' as u32 + offset).map_or(Class::Copy, Class::Plain)
}

/// Characters that show nothing: soft hyphen, zero-width, bidirectional controls, variation selectors, tags.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c as u32,
        0xAD | 0x34F | 0x61C | 0x115F..=0x1160 | 0x17B4..=0x17B5 | 0x180B..=0x180F | 0x200B..=0x200F | 0x202A..=0x202E
        | 0x2060..=0x206F | 0x3164 | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xFFF9..=0xFFFB | 0x1D173..=0x1D17A
        | 0xE0000..=0xE0FFF)
}

/// Marks that are drawn over or under a Latin, Greek, Cyrillic, Hebrew or Arabic letter. Not the vowel signs of other scripts.
pub(super) fn is_mark(c: char) -> bool {
    matches!(c as u32,
        0x300..=0x36F | 0x483..=0x489 | 0x591..=0x5BD | 0x5BF | 0x5C1..=0x5C2 | 0x5C4..=0x5C5 | 0x5C7 | 0x64B..=0x65F | 0x670
        | 0x1AB0..=0x1AFF | 0x1DC0..=0x1DFF | 0x20D0..=0x20FF | 0xFE20..=0xFE2F)
        && c != '\u{34F}'
}

/// Letters and digits: what words are made of.
pub(super) fn is_word(c: char) -> bool {
    match c as u32 {
        0x00..0x80 => c.is_ascii_alphanumeric(),
        // The letters of the European alphabets and of Hebrew, without the general table.
        0xC0..=0xD6 | 0xD8..=0xF6 | 0xF8..=0x24F | 0x400..=0x52F | 0x5D0..=0x5EA => c != '\u{482}',
        0x2000..=0x206F => false,
        _ => c.is_alphanumeric() || is_mark(c),
    }
}

/// Letters of scripts that write words without spaces between them.
pub(super) fn is_unspaced(c: char) -> bool {
    matches!(c as u32, 0xE00..=0xEFF | 0x1000..=0x109F | 0x1780..=0x17FF | 0x3041..=0x30FF | 0x3400..=0x9FFF | 0x20000..=0x3FFFF)
}
