//! The view that joins what was pulled apart: `t a j n é`, `p.r.o.j.e.c.t`, `con-fi-den-tial`.

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
    if !suspicious(text) {
        return None;
    }
    let pieces = pieces(&base.text);
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
        copied = b.start;
        joined = true;
    }
    if !joined {
        return None;
    }
    view.append(base, copied, base.text.len());
    Some(view)
}

/// A quick look at the bytes: punctuation inside a word, or three words of one character in a row.
fn suspicious(text: &str) -> bool {
    let (mut word_chars, mut singles, mut tight) = (0_usize, 0_usize, 0_usize);
    let mut chars = text.as_bytes().iter().copied();
    while let Some(byte) = chars.next() {
        match byte {
            // A continuation byte belongs to the character that was counted.
            0x80..=0xBF => continue,
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | 0xC3..=0xDF | 0xE0..=0xE1 | 0xE3..=0xEF => {
                if (1..=GAP_CHARS_MAX).contains(&tight) {
                    return true;
                }
                word_chars += 1;
                tight = 0;
            }
            _ => {
                if word_chars > 0 {
                    singles = if word_chars == 1 { singles + 1 } else { 0 };
                    word_chars = 0;
                    tight = if byte.is_ascii_whitespace() { GAP_CHARS_MAX + 1 } else { 1 };
                } else {
                    tight += if byte.is_ascii_whitespace() { GAP_CHARS_MAX + 1 } else { 1 };
                }
                if singles >= SPELLED_LETTERS_MIN {
                    return true;
                }
            }
        }
    }
    word_chars == 1 && singles + 1 >= SPELLED_LETTERS_MIN
}

fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut inside = false;
    for (at, c) in text.char_indices() {
        // Signs that stand for letters are letters here, so that `s e c r 3 t` and `@ u r o r a` are seen.
        if !is_word(c) && !matches!(c, '@' | '$') {
            inside = false;
            continue;
        }
        let end = at + c.len_utf8();
        let letters = !c.is_ascii_digit();
        match pieces.last_mut() {
            Some(piece) if inside => {
                piece.end = end;
                piece.single = false;
                piece.letters |= letters;
            }
            _ => pieces.push(Piece { start: at, end, single: true, letters }),
        }
        inside = true;
    }
    pieces
}

fn gap(text: &str, base: &View, a: &Piece, b: &Piece) -> Gap {
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
