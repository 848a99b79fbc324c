//! Pattern sets: built once for each configuration version, scanned by plugins through `match`.
//!
//! This version knows literal phrases without folding and nothing else; every other kind is refused when the set is built.

use std::collections::HashMap;

use aho_corasick::{AhoCorasick, MatchKind as Semantics};
use serde_json::Value;
use unicode_script::{Script, UnicodeScript};

use super::manifest::{Fold, MatchDecl, MatchKind};

/// Hits that one scan gives.
const HITS_MAX: usize = 256;

/// One find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit {
    /// Position of the pattern within its set.
    pub pattern: u32,
    /// UTF-8 byte offset where the find starts.
    pub start: u32,
    /// Offset where it ends, exclusive.
    pub end: u32,
    /// Per mille of a document's fingerprints; 1000 for other kinds.
    pub score: u32,
    /// True where the text had to be unmasked to find it.
    pub disguised: bool,
}

/// The manifest declares no set of this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such pattern set")]
pub struct UnknownSet;

/// A set can't be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("set `{set}`: {message}")]
pub struct PatternError {
    /// The set.
    pub set: String,
    /// What is wrong.
    pub message: String,
}

/// What was worked out about the texts of one call, so that the second set does not fold them again.
#[derive(Debug, Default)]
pub struct FoldCache {}

/// All sets of one configuration.
#[derive(Debug, Default)]
pub struct PatternSets {
    sets: HashMap<String, AhoCorasick>,
}

impl PatternSets {
    /// Builds the declared sets from the configuration.
    ///
    /// # Errors
    /// The first set that can't be built.
    pub fn build(decls: &[MatchDecl], config: &Value) -> Result<Self, PatternError> {
        let mut sets = HashMap::new();
        for decl in decls {
            let fault = |message: String| PatternError { set: decl.set.clone(), message };
            if decl.kind != MatchKind::Phrases || decl.fold != Fold::None {
                return Err(fault("this version knows only `phrases` with `fold = \"none\"`".into()));
            }
            let phrases = phrases(decl, config).map_err(fault)?;
            let automaton = AhoCorasick::builder()
                .match_kind(Semantics::Standard)
                .build(phrases)
                .map_err(|error| fault(error.to_string()))?;
            sets.insert(decl.set.clone(), automaton);
        }
        Ok(Self { sets })
    }

    /// Finds the patterns of `set` in `text`, at most 256, ordered by start.
    ///
    /// # Errors
    /// There is no such set.
    pub fn scan(&self, set: &str, text: &str, _folds: &mut FoldCache) -> Result<Vec<Hit>, UnknownSet> {
        let automaton = self.sets.get(set).ok_or(UnknownSet)?;
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let mut hits: Vec<Hit> = automaton
            .find_overlapping_iter(text)
            .take(HITS_MAX)
            .map(|found| Hit {
                pattern: found.pattern().as_u32(),
                start: offset(found.start()),
                end: offset(found.end()),
                score: 1000,
                disguised: false,
            })
            .collect();
        hits.sort_by_key(|hit| (hit.start, hit.end));
        Ok(hits)
    }
}

fn phrases(decl: &MatchDecl, config: &Value) -> Result<Vec<String>, String> {
    let Some(found) = config.pointer(&decl.pointer) else { return Ok(Vec::new()) };
    let list = found.as_array().ok_or("the pointer must lead to an array")?;
    list.iter()
        .map(|item| {
            let value = decl.field.as_ref().map_or(Some(item), |field| item.get(field));
            value.and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
        })
        .collect::<Option<_>>()
        .ok_or_else(|| "every pattern must be a text that is not empty".into())
}

/// What the letters of a text are written in: ISO 15924 codes and the number of letters, most first.
pub fn scripts(text: &str) -> Vec<(String, u32)> {
    let mut counts: HashMap<Script, u32> = HashMap::new();
    for letter in text.chars().filter(|letter| letter.is_alphabetic()) {
        let count = counts.entry(letter.script()).or_default();
        *count = count.saturating_add(1);
    }
    let mut scripts: Vec<(String, u32)> =
        counts.into_iter().map(|(script, count)| (script.short_name().to_owned(), count)).collect();
    scripts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    scripts
}
