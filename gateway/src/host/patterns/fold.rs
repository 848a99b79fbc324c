//! One pass over a text that makes its folded view: lower case, and for the strict fold everything that a reader does not see.

use unicode_normalization::UnicodeNormalization;

use super::letters::{Class, class, is_mark, two_byte_classes};
use super::view::View;

/// How much of the text is rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// Canonical composition, lower case, white space runs as one space.
    Case,
    /// Compatibility forms, invisible characters and marks removed, lower case, separators between words as one space.
    Strict,
    /// Compatibility forms and invisible characters removed, nothing else: for case-sensitive formats.
    Exact,
}

/// Folds `text`.
pub(super) fn fold(text: &str, depth: Depth) -> View {
    let mut folder = Folder { text, depth, view: View::with_capacity(text.len() + 16), run: 0, is_exact: true };
    folder.whole();
    let mut view = folder.view;
    view.is_exact = folder.is_exact;
    if depth != Depth::Exact {
        view.text.make_ascii_lowercase();
    }
    view
}

struct Folder<'a> {
    text: &'a str,
    depth: Depth,
    view: View,
    /// Start of the stretch that is copied as it is, when it ends.
    run: usize,
    /// Nothing was met so far that the exact fold would change.
    is_exact: bool,
}

impl Folder<'_> {
    fn whole(&mut self) {
        let bytes = self.text.as_bytes();
        let two_bytes = two_byte_classes();
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            // The commonest cases without a closer look: a letter or digit, one space between words, a small letter of two bytes.
            if byte.is_ascii_alphanumeric() {
                at += 1;
                continue;
            }
            if byte == b' ' && bytes.get(at + 1).is_some_and(|next| begins_letter(*next)) {
                at += 1;
                continue;
            }
            if let (0xC3..=0xDF, Some(low)) = (byte, bytes.get(at + 1)) {
                let code = usize::from(byte & 0x1F) << 6 | usize::from(low & 0x3F);
                if two_bytes.get(code) == Some(&Class::Copy) {
                    at += 2;
                    continue;
                }
            }
            let Some(c) = self.char_at(at) else { break };
            at = self.step(c, at);
        }
        self.flush(self.text.len());
    }

    fn char_at(&self, at: usize) -> Option<char> {
        self.text.get(at..)?.chars().next()
    }

    /// Copies what waits before `to`.
    fn flush(&mut self, to: usize) {
        if let Some(piece) = self.text.get(self.run..to) {
            self.view.copy(piece, self.run);
        }
        self.run = to;
    }

    /// Treats the character at `at`; returns where the next one starts.
    fn step(&mut self, c: char, at: usize) -> usize {
        let next = at + c.len_utf8();
        let class = class(c);
        self.is_exact &= !matches!(class, Class::Drop | Class::Mark);
        match (class, self.depth) {
            (Class::Mark, _) => return self.mark(at),
            (Class::Copy, _) | (Class::Lower(_) | Class::Space | Class::Separator, Depth::Exact) => return next,
            (Class::Drop | Class::Plain(_) | Class::Separator, Depth::Case) => return next,
            (Class::Plain(_), Depth::Exact) => return next,
            (Class::Space | Class::Separator, _) => return self.gap(at),
            (Class::Drop, _) => self.flush(at),
            (Class::Lower(lower), _) => {
                if self.char_at(next).is_some_and(is_mark) {
                    return self.cluster(at);
                }
                self.flush(at);
                self.view.put(lower, at, next);
            }
            (Class::Plain(plain), _) => {
                self.flush(at);
                self.view.put(plain, at, next);
            }
            (Class::Slow, _) => return self.cluster(at),
        }
        self.run = next;
        next
    }

    /// A run of white space and separators becomes one space.
    fn gap(&mut self, at: usize) -> usize {
        let mut end = at;
        while let Some(c) = self.char_at(end) {
            let class = class(c);
            let joins = match class {
                Class::Space => true,
                Class::Separator | Class::Drop => self.depth == Depth::Strict,
                _ => false,
            };
            self.is_exact &= class != Class::Drop;
            if !joins {
                break;
            }
            end += c.len_utf8();
        }
        if self.text.get(at..end) == Some(" ") {
            return end;
        }
        self.flush(at);
        self.view.put_gap(at, end);
        self.run = end;
        end
    }

    /// A combining mark: the character before it is taken back, if it was not yet treated.
    fn mark(&mut self, at: usize) -> usize {
        match self.text.get(self.run..at).and_then(|waiting| waiting.chars().next_back()) {
            Some(base) => self.cluster(at - base.len_utf8()),
            None => {
                let end = self.marks_end(at);
                if self.depth == Depth::Strict {
                    self.run = end;
                }
                end
            }
        }
    }

    fn marks_end(&self, from: usize) -> usize {
        let rest = self.text.get(from..).unwrap_or_default();
        from + rest.chars().take_while(|c| is_mark(*c)).map(char::len_utf8).sum::<usize>()
    }

    /// A character with the marks after it, through Unicode normalisation.
    fn cluster(&mut self, at: usize) -> usize {
        self.is_exact = false;
        let first = self.char_at(at).map_or(1, char::len_utf8);
        let end = self.marks_end(at + first);
        let piece = self.text.get(at..end).unwrap_or_default();
        let folded: String = match self.depth {
            Depth::Case => lower(piece.nfc()),
            Depth::Strict => lower(piece.nfkc().filter(|c| !is_mark(*c))).nfkc().filter(|c| !is_mark(*c)).collect(),
            Depth::Exact => piece.nfkc().collect(),
        };
        if folded != piece {
            self.flush(at);
            self.view.replace(&folded, at, end);
            self.run = end;
        }
        end
    }
}

/// Letters of which no mark, space or separator has the same first byte: ASCII and most of Latin and Cyrillic.
fn begins_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, 0xC3..=0xC5 | 0xD0 | 0xD1)
}

fn lower(chars: impl Iterator<Item = char>) -> String {
    let mut out = String::new();
    for c in chars {
        match c {
            'ß' | 'ẞ' => out.push_str("ss"),
            'ς' => out.push('σ'),
            _ => out.extend(c.to_lowercase()),
        }
    }
    out
}
