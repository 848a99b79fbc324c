//! Regular expressions in linear time: no look-around, no back-references.

use regex_automata::meta::{Config, Regex};
use regex_automata::util::syntax;
use regex_automata::{Input, MatchKind, PatternSet};

use super::cache::Folded;
use super::hits::{FOUND_MAX, HITS_MAX, Hit};
use super::sets::Fold;
use super::view::View;

/// Memory of one compiled expression.
const NFA_BYTES_MAX: usize = 1024 * 1024;
/// Memory of the lazily built automaton, for each thread that scans.
const DFA_BYTES_MAX: usize = 512 * 1024;

/// A compiled set of expressions.
pub(super) struct Regexes {
    fold: Fold,
    /// Which of them match at all: one pass for all.
    any: Regex,
    /// Each on its own, for the places.
    each: Vec<Regex>,
}

impl Regexes {
    /// Compiles `expressions` in order; under a fold other than none, letter case does not matter.
    pub(super) fn build(expressions: &[&str], fold: Fold) -> Result<Regexes, (usize, String)> {
        let syntax = syntax::Config::new().case_insensitive(fold != Fold::None).nest_limit(50);
        let config = Config::new()
            .nfa_size_limit(Some(NFA_BYTES_MAX))
            .hybrid_cache_capacity(DFA_BYTES_MAX)
            .utf8_empty(true)
            .match_kind(MatchKind::LeftmostFirst);
        let mut each = Vec::with_capacity(expressions.len());
        for (index, expression) in expressions.iter().enumerate() {
            let built = Regex::builder().configure(config.clone()).syntax(syntax).build(expression);
            let regex = built.map_err(|e| (index, reason(&e)))?;
            if regex.is_match("") {
                return Err((index, "the expression matches the empty text, so it matches everything".into()));
            }
            each.push(regex);
        }
        let all = config.match_kind(MatchKind::All).nfa_size_limit(Some(NFA_BYTES_MAX * 4));
        let any = Regex::builder().configure(all).syntax(syntax).build_many(expressions);
        Ok(Regexes { fold, any: any.map_err(|e| (0, reason(&e)))?, each })
    }

    /// Finds the expressions; under the strict fold also in the folded views and in encoded runs.
    pub(super) fn scan(&self, folded: &mut Folded, steps: &mut u64, out: &mut Vec<Hit>) {
        self.scan_text(&folded.text, None, steps, out);
        if self.fold != Fold::Strict {
            return;
        }
        folded.strict(steps);
        if let Some(view) = folded.exact(steps) {
            self.scan_text(&view.text, Some(view), steps, out);
        }
        for view in folded.views() {
            self.scan_text(&view.text, Some(view), steps, out);
        }
        for (run, _) in folded.decoded(steps) {
            let before = out.len();
            self.scan_text(&run.text, None, steps, out);
            for hit in out.iter_mut().skip(before) {
                *hit = Hit::new(hit.pattern as usize, run.start, run.end, true);
            }
        }
    }

    fn scan_text(&self, text: &str, view: Option<&View>, steps: &mut u64, out: &mut Vec<Hit>) {
        *steps += text.len() as u64;
        let mut matched = PatternSet::new(self.any.pattern_len());
        self.any.which_overlapping_matches(&Input::new(text), &mut matched);
        for pattern in matched.iter().map(|id| id.as_usize()) {
            let Some(regex) = self.each.get(pattern) else { continue };
            // A search may look at the whole rest, so the number of searches is limited too.
            for found in regex.find_iter(text).take(HITS_MAX) {
                *steps += 1;
                if out.len() >= FOUND_MAX {
                    return;
                }
                let (start, end) = view.map_or((found.start(), found.end()), |v| v.origin(found.start(), found.end()));
                let disguised = view.is_some_and(|v| v.rewritten(found.start(), found.end()));
                out.push(Hit::new(pattern, start, end, disguised));
            }
        }
    }
}

fn reason(error: &regex_automata::meta::BuildError) -> String {
    match error.size_limit() {
        Some(limit) => format!("the expression needs more than {limit} bytes when compiled"),
        None => error.syntax_error().map_or_else(|| error.to_string(), |e| one_line(&e.to_string())),
    }
}

fn one_line(text: &str) -> String {
    text.lines().next_back().unwrap_or_default().trim().to_owned()
}
