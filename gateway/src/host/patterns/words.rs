//! The second strict view: words that mix scripts, or letters with digits, read as a person reads them.

use std::ops::Range;

use super::alike::{alike, digit};
use super::letters::is_word;
use super::scripts::Writing;
use super::view::View;

/// A text is written in a script when this share of its telling letters is (per cent).
const DOMINANT_PER_CENT: u32 = 66;
/// Fewer telling letters than this say nothing about the text's script.
const TELLING_LETTERS_MIN: u32 = 6;

/// What is known of one word of a view.
#[derive(Clone, Copy, Debug, Default)]
struct Word {
    start: usize,
    end: usize,
    /// Letters by `Writing::index`.
    letters: [u32; 5],
    /// A digit or sign that may stand for a letter.
    leet: bool,
    /// The digit one, which may stand for two letters.
    one: bool,
}

impl Word {
    fn total(&self) -> u32 {
        self.letters.iter().sum()
    }

    fn count(&self, writing: Writing) -> u32 {
        self.letters.get(writing.index()).copied().unwrap_or(0)
    }

    fn is_mixed(&self) -> bool {
        self.letters.iter().filter(|n| **n > 0).count() > 1
    }

    /// Written in `writing` alone.
    fn only(&self, writing: Writing) -> bool {
        self.total() > 0 && self.count(writing) == self.total()
    }
}

/// Views of `base` and of `joined` in which suspicious words are mapped to one script, one view for each script to which something could
/// be mapped. `text` is the original. Empty for ordinary text, which costs one pass over the bytes.
pub(super) fn lookalike_views(text: &str, base: &View, joined: Option<&View>) -> Vec<View> {
    let in_base = suspicious(&base.text);
    // What was joined is of the same scripts. Where no word of the base is suspicious, only the words that were joined can be.
    let in_joined = joined.and_then(|view| match in_base {
        Some(_) => suspicious(&view.text),
        None => words_with_signs(&view.text, view.changes.iter().copied()),
    });
    let mut views = in_base.map_or_else(Vec::new, |range| mapped_views(text, base, range));
    if let (Some(view), Some(range)) = (joined, in_joined) {
        views.extend(mapped_views(text, view, range));
    }
    views
}

/// The views of `base` with the suspicious words of `range` mapped.
fn mapped_views(text: &str, base: &View, range: Range<usize>) -> Vec<View> {
    let words = split_words(&base.text, range);
    let (told, most) = telling_letters(text, base, &words);
    let suspects: Vec<usize> = words
        .iter()
        .enumerate()
        .filter(|(_, w)| w.total() > 0 && (w.leet || !most.is_some_and(|m| w.only(m))))
        .map(|(index, _)| index)
        .collect();
    let mut views = Vec::new();
    for target in Writing::TARGETS {
        let mut reader =
            Reader { text, base, words: &words, suspects: &suspects, told, target, one: 'l', saw_one: false };
        views.extend(reader.view());
        if reader.saw_one && target == Writing::Latin {
            reader.one = 'i';
            views.extend(reader.view());
        }
    }
    views
}

/// What the quick look makes of a byte: a bit for each script that it may begin a letter of, and these.
const SCRIPTS: u8 = 0x1F;
const OTHER_SCRIPT: u8 = 0x10;
/// A digit or sign that may stand for a letter.
const SIGN: u8 = 0x20;
/// Inside of a word, without meaning.
const INSIDE: u8 = 0x40;
/// Begins a letter of another script or an emoji.
const WIDE: u8 = 0x80;

#[allow(clippy::indexing_slicing, reason = "a table of every byte, made when this is compiled")]
static BYTES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'a'..=b'z' | 0xC3..=0xC9 => 1,
            0xD0..=0xD4 => 2,
            0xCD..=0xCF => 4,
            0xD6 | 0xD7 => 8,
            b'0' | b'1' | b'3'..=b'7' | b'@' | b'$' => SIGN,
            b'2' | b'8' | b'9' | 0x80..=0xBF => INSIDE,
            0xE1 | 0xEA => OTHER_SCRIPT,
            0xF0 => WIDE,
            _ => 0,
        };
        byte += 1;
    }
    table
};

/// What the byte at `at` is; 0 where it ends a word.
fn byte_class(bytes: &[u8], at: usize) -> u8 {
    let class = bytes.get(at).map_or(0, |byte| BYTES.get(usize::from(*byte)).copied().unwrap_or(0));
    match class {
        // U+1F000 to U+1FFFF: after folding no letter is left of them, and a picture ends a word.
        WIDE if bytes.get(at + 1) == Some(&0x9F) => 0,
        WIDE => OTHER_SCRIPT,
        _ => class,
    }
}

/// A quick look: is there more than one script (then the whole text matters), or a word with a digit or sign among its letters (then the
/// words from the first to the last of these)?
fn suspicious(text: &str) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let mut seen = bytes.iter().fold(0, |seen, byte| seen | BYTES.get(usize::from(*byte)).copied().unwrap_or(0));
    if seen & WIDE != 0 {
        let wide = bytes.iter().enumerate().filter(|(_, byte)| **byte == 0xF0);
        seen |= wide.fold(0, |seen, (at, _)| seen | byte_class(bytes, at));
    }
    if (seen & SCRIPTS).count_ones() > 1 {
        return Some(0..text.len());
    }
    if seen & SIGN == 0 { None } else { words_with_signs(text, std::iter::once((0, text.len()))) }
}

/// From the first to the last word that has a digit or sign among its letters, of the words that touch `ranges`, which are in order.
fn words_with_signs(text: &str, ranges: impl Iterator<Item = (usize, usize)>) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let mut found: Option<Range<usize>> = None;
    let mut done = 0;
    for (start, end) in ranges {
        let mut at = start.max(done);
        while let Some(sign) = bytes.get(at..end).and_then(|rest| rest.iter().position(|byte| is_sign(*byte))) {
            let sign = at + sign;
            let (mut from, mut to, mut seen) = (sign, sign, 0);
            while let Some(before) = from.checked_sub(1).filter(|before| *before >= done) {
                let class = byte_class(bytes, before);
                if class == 0 {
                    break;
                }
                seen |= class;
                from = before;
            }
            loop {
                let class = byte_class(bytes, to);
                if class == 0 {
                    break;
                }
                seen |= class;
                to += 1;
            }
            if seen & SCRIPTS != 0 {
                found = Some(found.map_or(from, |f| f.start)..to);
            }
            (at, done) = (to, to);
        }
    }
    found
}

fn is_sign(byte: u8) -> bool {
    BYTES.get(usize::from(byte)).is_some_and(|class| *class == SIGN)
}

fn split_words(text: &str, range: Range<usize>) -> Vec<Word> {
    let bytes = text.as_bytes();
    let mut words = Vec::with_capacity(range.len() / 5);
    let mut open: Option<Word> = None;
    // The quick look counts bytes, so it may point into a sign before the word.
    let mut at = (range.start..range.end).find(|i| text.is_char_boundary(*i)).unwrap_or(range.end);
    while let Some(&byte) = bytes.get(at).filter(|_| at < range.end) {
        let (inside, length, writing) = if byte.is_ascii() {
            let writing = byte.is_ascii_lowercase().then_some(Writing::Latin);
            (byte.is_ascii_alphanumeric() || matches!(byte, b'@' | b'$'), 1, writing)
        } else {
            let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) else { break };
            (is_word(c), c.len_utf8(), Writing::of(c))
        };
        at += length;
        if !inside {
            words.extend(open.take());
            continue;
        }
        let word = open.get_or_insert(Word { start: at - length, ..Word::default() });
        word.end = at;
        word.leet |= matches!(byte, b'0' | b'1' | b'3'..=b'7' | b'@' | b'$');
        word.one |= byte == b'1';
        if let Some(n) = writing.and_then(|w| word.letters.get_mut(w.index())) {
            *n += 1;
        }
    }
    words.extend(open);
    words
}

/// Letters by script over the words that could be of no other script. The words of the commonest script count without a closer look.
/// Also says which script is the commonest.
fn telling_letters(text: &str, base: &View, words: &[Word]) -> ([u32; 5], Option<Writing>) {
    let mut all = [0_u32; 5];
    for word in words.iter().filter(|w| !w.is_mixed()) {
        all.iter_mut().zip(word.letters).for_each(|(sum, n)| *sum += n);
    }
    let most = all.iter().copied().max().unwrap_or(0);
    let commonest = Writing::TARGETS.into_iter().find(|w| all.get(w.index()) == Some(&most));
    let mut told = all;
    for writing in Writing::TARGETS {
        let Some(sum) = told.get_mut(writing.index()) else { continue };
        if *sum == 0 || *sum == most {
            continue;
        }
        let telling = words.iter().filter(|w| w.only(writing) && is_telling(text, base, w, writing));
        *sum = telling.map(Word::total).sum();
    }
    (told, commonest)
}

/// True where the word, written in `writing` alone, can't be read as a word of another script.
fn is_telling(text: &str, base: &View, word: &Word, writing: Writing) -> bool {
    let piece = base.text.get(word.start..word.end).unwrap_or_default();
    !Writing::TARGETS.iter().filter(|t| **t != writing).any(|target| {
        piece.char_indices().filter(|(_, c)| Writing::of(*c).is_some()).all(|(at, c)| {
            alike(original_case(text, base, word.start + at, c), *target).is_some_and(|(_, exact)| exact)
        })
    })
}

/// The character of the original that `c` of the view stands for, where it is the same letter; otherwise `c`.
fn original_case(text: &str, base: &View, at: usize, c: char) -> char {
    let (from, _) = base.origin(at, at + c.len_utf8());
    let original = text.get(from..).and_then(|rest| rest.chars().next()).unwrap_or(c);
    if original != c && original.to_lowercase().eq(std::iter::once(c)) { original } else { c }
}

struct Reader<'a> {
    text: &'a str,
    base: &'a View,
    words: &'a [Word],
    /// Indexes of the words that could be mapped at all.
    suspects: &'a [usize],
    told: [u32; 5],
    target: Writing,
    one: char,
    saw_one: bool,
}

impl Reader<'_> {
    /// The view with the words mapped to the target, or none where there is nothing to map.
    fn view(&mut self) -> Option<View> {
        let mut view = View::default();
        let mut copied = 0;
        let mut anchors = Vec::new();
        for &index in self.suspects {
            let Some(&word) = self.words.get(index) else { break };
            if !self.maps(index, &word) {
                continue;
            }
            if copied == 0 {
                view = View::with_capacity(self.base.text.len());
            }
            view.append(self.base, copied, word.start);
            self.saw_one |= word.one;
            let start = view.text.len();
            self.map(&word, &mut view, &mut anchors);
            let end = view.text.len();
            view.changed(start, end);
            anchors.push((word.end, end));
            copied = word.end;
        }
        if copied == 0 {
            return None;
        }
        view.append(self.base, copied, self.base.text.len());
        let shift = |range: &(usize, usize)| (translated(&anchors, range.0), translated(&anchors, range.1));
        view.joints = self.base.joints.iter().map(shift).collect();
        if !self.base.changes.is_empty() {
            view.changes.extend(self.base.changes.iter().map(shift));
            view.changes.sort_unstable();
        }
        Some(view)
    }

    fn maps(&self, index: usize, word: &Word) -> bool {
        if word.total() == 0 {
            return false;
        }
        if word.is_mixed() {
            return word.count(self.target) > 0 || self.all_alike(word, false);
        }
        if word.only(self.target) {
            return word.leet;
        }
        // Small capitals and the like are drawn for show; no language is written in them.
        let exactly = !word.only(Writing::Other);
        self.is_dominant() && self.all_alike(word, exactly) && !self.has_own_neighbour(index, word)
    }

    fn is_dominant(&self) -> bool {
        let all: u32 = self.told.iter().sum();
        let mine = self.told.get(self.target.index()).copied().unwrap_or(0);
        mine >= TELLING_LETTERS_MIN && mine.saturating_mul(100) >= all.saturating_mul(DOMINANT_PER_CENT)
    }

    fn all_alike(&self, word: &Word, exactly: bool) -> bool {
        let piece = self.base.text.get(word.start..word.end).unwrap_or_default();
        piece.char_indices().filter(|(_, c)| Writing::of(*c).is_some_and(|w| w != self.target)).all(|(at, c)| {
            alike(original_case(self.text, self.base, word.start + at, c), self.target)
                .is_some_and(|(_, exact)| exact || !exactly)
        })
    }

    /// True where the word beside is plainly of this word's own script: then it is a quotation, not a disguise.
    fn has_own_neighbour(&self, index: usize, word: &Word) -> bool {
        let beside = [index.checked_sub(1), Some(index + 1)];
        beside.iter().flatten().filter_map(|i| self.words.get(*i)).any(|other| {
            Writing::TARGETS
                .iter()
                .any(|w| word.only(*w) && other.only(*w) && is_telling(self.text, self.base, other, *w))
        })
    }

    fn map(&self, word: &Word, view: &mut View, anchors: &mut Vec<(usize, usize)>) {
        let piece = self.base.text.get(word.start..word.end).unwrap_or_default();
        for (offset, c) in piece.char_indices() {
            let at = word.start + offset;
            anchors.push((at, view.text.len()));
            let (from, to) = self.base.origin(at, at + c.len_utf8());
            let mapped = match Writing::of(c) {
                Some(writing) if writing == self.target => prototype_of_own(c, self.target),
                Some(_) => alike(original_case(self.text, self.base, at, c), self.target).map(|(letter, _)| letter),
                None => digit(c, self.target, self.one),
            };
            view.put(mapped.unwrap_or(c), from, to);
        }
    }
}

/// Dotless i and its like, which are Latin letters themselves.
fn prototype_of_own(c: char, target: Writing) -> Option<char> {
    if c.is_ascii() || target != Writing::Latin { None } else { alike(c, target).map(|(letter, _)| letter) }
}

/// Where an offset of the base lies in the new view, by the last of `anchors` (base offset, view offset) at or before it.
fn translated(anchors: &[(usize, usize)], offset: usize) -> usize {
    let last = anchors.partition_point(|a| a.0 <= offset).checked_sub(1).and_then(|i| anchors.get(i));
    last.map_or(offset, |a| a.1 + offset.saturating_sub(a.0))
}
