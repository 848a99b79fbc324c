//! Phrases: whole words, many at once, with a star for endings.
//!
//! A phrase matches whole words: `acme` is not in `acmeology`. A star at the end of a word stands for any ending (`tajn* projekt*`
//! finds `tajného projektu`), a star at its start for any beginning (`*פרויקט` finds `הפרויקט`); at most 24 letters each.
//! White space in a phrase stands for any white space; under the strict fold also for dashes, low lines and their like.

use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind, Input, MatchKind};

use super::cache::Folded;
use super::fold::{Depth, fold};
use super::hits::{FOUND_MAX, Hit};
use super::letters::{is_unspaced, is_word};
use super::sets::Fold;
use super::view::View;

/// Letters that a star stands for.
const STAR_CHARS_MAX: usize = 24;
/// Letters beside a star; fewer would match everything.
const STAR_STEM_CHARS_MIN: usize = 2;
/// A phrase of several words is also found written together where it has this many letters.
const TOGETHER_CHARS_MIN: usize = 10;
/// Sets up to this size get the fastest and largest automaton.
const FAST_BYTES_MAX: usize = 16 * 1024;
/// Stands for a star while a phrase is folded: a private-use character that folding leaves alone.
const STAR: char = '\u{E000}';

/// A compiled set of phrases.
pub(super) struct Phrases {
    fold: Fold,
    automaton: AhoCorasick,
    forms: Vec<Form>,
    /// The phrases under the plain fold, to tell plain finds from disguised ones.
    plain: Vec<Form>,
    /// Bytes that a find can have at most, with its stars.
    reach: usize,
    /// Characters that are no letters and that a find can have at most.
    gaps: usize,
}

/// One way of writing a phrase: pieces with a star between each two.
#[derive(Clone, Debug)]
struct Form {
    phrase: usize,
    pieces: Vec<String>,
    open_start: bool,
    open_end: bool,
    /// Written without the separators of the phrase.
    together: bool,
    chars: usize,
}

impl Phrases {
    /// Compiles `phrases` in order. The error says which phrase and what is wrong with it, without repeating it.
    pub(super) fn build(phrases: &[&str], fold: Fold) -> Result<Phrases, (usize, String)> {
        let depth = match fold {
            Fold::Strict => Some(Depth::Strict),
            Fold::Case => Some(Depth::Case),
            Fold::None => None,
        };
        let mut forms = Vec::with_capacity(phrases.len());
        let mut plain = Vec::new();
        for (index, raw) in phrases.iter().enumerate() {
            let form = parse(raw, index, depth).map_err(|e| (index, e))?;
            if fold == Fold::Strict {
                plain.push(parse(raw, index, Some(Depth::Case)).map_err(|e| (index, e))?);
                forms.extend(written_together(&form));
            }
            forms.push(form);
        }
        let first = |f: &Form| f.pieces.first().cloned().unwrap_or_default();
        let bytes: usize = forms.iter().map(|f| first(f).len()).sum();
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind((bytes <= FAST_BYTES_MAX).then_some(AhoCorasickKind::DFA))
            .build(forms.iter().map(first))
            .map_err(|e| (0, e.to_string()))?;
        let reach = forms.iter().map(Form::reach).max().unwrap_or(0);
        let gaps = forms.iter().map(Form::gaps).max().unwrap_or(0);
        Ok(Phrases { fold, automaton, forms, plain, reach, gaps })
    }

    /// Finds the phrases in all views of a text that the set's fold asks for.
    pub(super) fn scan(&self, folded: &mut Folded, steps: &mut u64, out: &mut Vec<Hit>) {
        match self.fold {
            Fold::None => {
                let whole = whole_view(&folded.text);
                self.scan_view(&whole, None, steps, out);
            }
            Fold::Case => self.scan_view(folded.case(steps), None, steps, out),
            Fold::Strict => self.scan_strict(folded, steps, out),
        }
    }

    fn scan_strict(&self, folded: &mut Folded, steps: &mut u64, out: &mut Vec<Hit>) {
        folded.strict(steps);
        let text = folded.text.as_str();
        for (index, view) in folded.views().iter().enumerate() {
            let at = if index == 0 { Source::Folded(text) } else { Source::Unmasked };
            self.scan_view(view, Some(at), steps, out);
        }
        for (run, inner) in folded.decoded(steps) {
            let before = out.len();
            inner.strict(steps);
            for view in inner.views() {
                self.scan_view(view, Some(Source::Unmasked), steps, out);
            }
            for hit in out.iter_mut().skip(before) {
                *hit = Hit::new(hit.pattern as usize, run.start, run.end, true);
            }
        }
    }

    fn scan_view(&self, view: &View, source: Option<Source<'_>>, steps: &mut u64, out: &mut Vec<Hit>) {
        if !matches!(source, Some(Source::Unmasked)) || view.changes.is_empty() {
            return self.scan_range(view, 0..view.text.len(), source, steps, out);
        }
        // A view that was made by unmasking is new only at its changes; elsewhere the folded view said it already.
        let mut waiting = 0..0;
        let mut changes = view.changes.iter().peekable();
        while let Some(&(start, end)) = changes.next() {
            let from = self.reach_back(&view.text, start, waiting.end);
            let to = self.reach_on(&view.text, end, changes.peek().map_or(view.text.len(), |next| next.0));
            if from <= waiting.end {
                waiting.end = to.max(waiting.end);
            } else {
                let ready = std::mem::replace(&mut waiting, from..to);
                self.scan_range(view, ready, source, steps, out);
            }
        }
        self.scan_range(view, waiting, source, steps, out);
    }

    /// Where a find that touches what begins at `from` can begin; not before `floor`.
    fn reach_back(&self, text: &str, from: usize, floor: usize) -> usize {
        let floor = floor.max(from.saturating_sub(self.reach));
        let mut gaps = 0;
        let chars = text.get(..from).unwrap_or_default().char_indices().rev();
        let within = chars.take_while(|(at, c)| {
            gaps += usize::from(!is_word(*c));
            *at >= floor && gaps <= self.gaps
        });
        within.last().map_or(from, |(at, _)| at)
    }

    /// Where a find that touches what ends at `to` can end; a little after `ceiling` at the most.
    fn reach_on(&self, text: &str, to: usize, ceiling: usize) -> usize {
        let mut gaps = 0;
        let chars = text.get(to..).unwrap_or_default().char_indices();
        let within = chars.take_while(|(at, c)| {
            gaps += usize::from(!is_word(*c));
            *at <= self.reach && to + *at < ceiling && gaps <= self.gaps
        });
        within.last().map_or(to, |(at, c)| to + at + c.len_utf8())
    }

    fn scan_range(
        &self,
        view: &View,
        range: Range<usize>,
        source: Option<Source<'_>>,
        steps: &mut u64,
        out: &mut Vec<Hit>,
    ) {
        *steps += range.len() as u64;
        for found in self.automaton.find_overlapping_iter(Input::new(&view.text).range(range)) {
            *steps += 1;
            if out.len() >= FOUND_MAX {
                return;
            }
            let Some(form) = self.forms.get(found.pattern().as_usize()) else { continue };
            let Some((start, end)) = form.verify(view, found.start(), found.end()) else { continue };
            let (from, to) = view.origin(start, end);
            let disguised = match source {
                None => false,
                Some(Source::Unmasked) => true,
                Some(Source::Folded(text)) => view.rewritten(start, end) && !self.is_plain(form.phrase, text, from, to),
            };
            out.push(Hit::new(form.phrase, from, to, disguised || (form.together && source.is_some())));
        }
    }

    /// True where `from..to` of the original is the phrase without unmasking anything.
    fn is_plain(&self, phrase: usize, text: &str, from: usize, to: usize) -> bool {
        let piece = fold(text.get(from..to).unwrap_or_default(), Depth::Case);
        let Some(form) = self.plain.get(phrase) else { return false };
        let first = form.pieces.first().map_or(0, String::len);
        let starts = if form.open_start { piece.text.find(form.pieces.first().map_or("", |p| p)) } else { Some(0) };
        starts.is_some_and(|at| {
            piece.text.get(at..).is_some_and(|rest| rest.starts_with(form.pieces.first().map_or("", |p| p)))
                && form.verify(&piece, at, at + first) == Some((0, piece.text.len()))
        })
    }
}

/// Where a view of the strict fold comes from.
#[derive(Clone, Copy)]
enum Source<'a> {
    /// The folded text, with the original.
    Folded(&'a str),
    /// A view that exists only because something was unmasked.
    Unmasked,
}

fn whole_view(text: &str) -> View {
    let mut view = View::with_capacity(text.len());
    view.copy(text, 0);
    view
}

impl Form {
    /// Bytes that a find can have at most.
    fn reach(&self) -> usize {
        let stars = self.pieces.len() - 1 + usize::from(self.open_start) + usize::from(self.open_end);
        self.pieces.iter().map(String::len).sum::<usize>() + stars * (STAR_CHARS_MAX + 1) * 4
    }

    /// Characters of a find that are no letters: a star stands for letters alone.
    fn gaps(&self) -> usize {
        self.pieces.iter().map(|piece| piece.chars().filter(|c| !is_word(*c)).count()).sum()
    }

    /// Checks what the automaton can't: word boundaries, and the pieces after the first. Returns the range in the view.
    fn verify(&self, view: &View, start: usize, end: usize) -> Option<(usize, usize)> {
        let text = view.text.as_str();
        let start = if self.open_start { word_start(text, start)? } else { start };
        if !self.open_start && !is_edge(view, start) {
            return None;
        }
        let mut end = end;
        for piece in self.pieces.iter().skip(1) {
            end = after_star(text, end, piece)?;
        }
        if self.open_end {
            end = word_end(text, end)?;
        } else if !is_edge(view, end) {
            return None;
        }
        if self.together && !self.may_stand_together(view, start, end) {
            return None;
        }
        Some((start, end))
    }

    /// Words written together are meant where they were pulled apart, in a tag, or where chance is out of the question.
    fn may_stand_together(&self, view: &View, start: usize, end: usize) -> bool {
        let tagged = view.text.get(..start).is_some_and(|before| before.ends_with('#'));
        tagged || self.chars >= TOGETHER_CHARS_MIN || view.has_joint(start, end)
    }
}

/// True where a word may begin or end at `at`: not between two letters or digits of a script that spaces its words.
fn is_edge(view: &View, at: usize) -> bool {
    let (before, after) = view.text.split_at_checked(at).unwrap_or_default();
    let (Some(left), Some(right)) = (before.chars().next_back(), after.chars().next()) else { return true };
    !is_word(left) || !is_word(right) || is_unspaced(left) || is_unspaced(right) || view.is_joint(at)
}

fn word_start(text: &str, at: usize) -> Option<usize> {
    let before = text.get(..at)?;
    let word = before.chars().rev().take(STAR_CHARS_MAX + 1).take_while(|c| is_word(*c));
    let (count, bytes) = word.fold((0, 0), |(n, b), c| (n + 1, b + c.len_utf8()));
    (count <= STAR_CHARS_MAX).then_some(at.saturating_sub(bytes))
}

fn word_end(text: &str, at: usize) -> Option<usize> {
    let word = text.get(at..)?.chars().take(STAR_CHARS_MAX + 1).take_while(|c| is_word(*c));
    let (count, bytes) = word.fold((0, 0), |(n, b), c| (n + 1, b + c.len_utf8()));
    (count <= STAR_CHARS_MAX).then_some(at + bytes)
}

/// The end of `piece` after at most `STAR_CHARS_MAX` letters from `at`.
fn after_star(text: &str, at: usize, piece: &str) -> Option<usize> {
    let rest = text.get(at..)?;
    let mut offset = 0;
    for c in rest.chars().map(Some).chain([None]).take(STAR_CHARS_MAX + 1) {
        if rest.get(offset..)?.starts_with(piece) {
            return Some(at + offset + piece.len());
        }
        offset += c.filter(|c| is_word(*c))?.len_utf8();
    }
    None
}

fn parse(raw: &str, phrase: usize, depth: Option<Depth>) -> Result<Form, String> {
    let mut starred = String::with_capacity(raw.len());
    for word in raw.split_whitespace() {
        let tail = word.strip_suffix('*');
        let body = tail.unwrap_or(word);
        let head = body.strip_prefix('*');
        let body = head.unwrap_or(body);
        if body.contains('*') {
            return Err("a star may stand only at the start or at the end of a word".into());
        }
        if (head.is_some() || tail.is_some()) && body.chars().filter(|c| is_word(*c)).count() < STAR_STEM_CHARS_MIN {
            return Err("a star needs at least two letters beside it".into());
        }
        if !starred.is_empty() {
            starred.push(' ');
        }
        starred.extend(head.map(|_| STAR));
        starred.push_str(body);
        starred.extend(tail.map(|_| STAR));
    }
    let text = depth.map_or_else(|| starred.clone(), |d| fold(&starred, d).text);
    let text = text.trim();
    if text.chars().all(|c| c == STAR || c.is_whitespace()) {
        return Err("the phrase is empty".into());
    }
    let open_start = text.starts_with(STAR);
    let open_end = text.ends_with(STAR);
    let pieces: Vec<String> = text.trim_matches(STAR).split(STAR).map(str::to_owned).collect();
    let chars = text.chars().filter(|c| is_word(*c) && *c != STAR).count();
    Ok(Form { phrase, pieces, open_start, open_end, together: false, chars })
}

/// The form without separators, for phrases that have any between letters.
fn written_together(form: &Form) -> Option<Form> {
    let separate = |c: char| c == ' ' || c.is_ascii_punctuation();
    let pieces: Vec<String> = form.pieces.iter().map(|p| p.replace(separate, "")).filter(|p| !p.is_empty()).collect();
    if pieces == form.pieces || pieces.is_empty() || form.chars < 4 {
        return None;
    }
    Some(Form { pieces, together: true, ..form.clone() })
}
