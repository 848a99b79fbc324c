//! The second strict view: words that mix scripts, or letters with digits, read as a person reads them.

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

/// Views of `base` in which suspicious words are mapped to one script, one view for each script to which something could be mapped.
/// `text` is the original. Empty for ordinary text, which costs one pass over the bytes.
pub(super) fn lookalike_views(text: &str, base: &View) -> Vec<View> {
    if !suspicious(&base.text) {
        return Vec::new();
    }
    let words = split_words(&base.text);
    let told = telling_letters(text, base, &words);
    let mut views = Vec::new();
    for target in Writing::TARGETS {
        let mut reader = Reader { text, base, words: &words, told, target, one: 'l', saw_one: false };
        views.extend(reader.view());
        if reader.saw_one && target == Writing::Latin {
            reader.one = 'i';
            views.extend(reader.view());
        }
    }
    views
}

/// A quick look: is there more than one script, or a word with a digit or sign among its letters?
fn suspicious(text: &str) -> bool {
    let (mut seen, mut letter, mut sign) = (0_u8, false, false);
    for &byte in text.as_bytes() {
        let script = match byte {
            b'a'..=b'z' | 0xC3..=0xC9 => 1,
            0xD0..=0xD4 => 2,
            0xCD..=0xCF => 4,
            0xD6 | 0xD7 => 8,
            b'0' | b'1' | b'3'..=b'7' | b'@' | b'$' => {
                sign = true;
                0
            }
            0x80..=0xBF => 0,
            0xE1 | 0xEA | 0xF0 => 16,
            _ => {
                (letter, sign) = (false, false);
                0
            }
        };
        letter |= script != 0;
        seen |= script;
        if letter && sign {
            return true;
        }
    }
    seen.count_ones() > 1
}

fn is_part(c: char) -> bool {
    is_word(c) || matches!(c, '@' | '$')
}

fn split_words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut open: Option<Word> = None;
    for (at, c) in text.char_indices() {
        if !is_part(c) {
            words.extend(open.take());
            continue;
        }
        let word = open.get_or_insert(Word { start: at, ..Word::default() });
        word.end = at + c.len_utf8();
        word.leet |= matches!(c, '0' | '1' | '3'..='7' | '@' | '$');
        word.one |= c == '1';
        if let Some(n) = Writing::of(c).and_then(|w| word.letters.get_mut(w.index())) {
            *n += 1;
        }
    }
    words.extend(open);
    words
}

/// Letters by script over the words that could be of no other script.
fn telling_letters(text: &str, base: &View, words: &[Word]) -> [u32; 5] {
    let mut told = [0; 5];
    for word in words.iter().filter(|w| !w.is_mixed()) {
        for writing in Writing::TARGETS {
            if word.only(writing) && is_telling(text, base, word, writing) {
                for (sum, n) in told.iter_mut().zip(word.letters) {
                    *sum += n;
                }
            }
        }
    }
    told
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
        for index in 0..self.words.len() {
            let Some(&word) = self.words.get(index) else { break };
            if !self.maps(index, &word) {
                continue;
            }
            if copied == 0 {
                view = View::with_capacity(self.base.text.len());
            }
            view.append(self.base, copied, word.start);
            self.saw_one |= word.one;
            self.map(&word, &mut view);
            copied = word.end;
        }
        if copied == 0 {
            return None;
        }
        view.append(self.base, copied, self.base.text.len());
        view.joints = shifted(&self.base.joints, self.base, &view);
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
        self.is_dominant() && self.all_alike(word, true) && !self.has_own_neighbour(index, word)
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

    fn map(&self, word: &Word, view: &mut View) {
        let piece = self.base.text.get(word.start..word.end).unwrap_or_default();
        for (offset, c) in piece.char_indices() {
            let at = word.start + offset;
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

/// The joints of `from` in the offsets of `to`: both map to the same original, so the original's offset is the bridge.
fn shifted(joints: &[(usize, usize)], from: &View, to: &View) -> Vec<(usize, usize)> {
    if joints.is_empty() {
        return Vec::new();
    }
    let mut out = Vec::with_capacity(joints.len());
    let mut old = from.text.char_indices().map(|(at, _)| at).chain(std::iter::once(from.text.len()));
    let mut new = to.text.char_indices().map(|(at, _)| at).chain(std::iter::once(to.text.len()));
    // Mapping replaces character by character, so the n-th character stays the n-th.
    let mut pair = (old.next(), new.next());
    let mut seek = |offset: usize| loop {
        match pair {
            (Some(o), Some(n)) if o >= offset => return n,
            (None, _) | (_, None) => return to.text.len(),
            _ => pair = (old.next(), new.next()),
        }
    };
    for joint in joints {
        let start = seek(joint.0);
        out.push((start, seek(joint.1)));
    }
    out
}
