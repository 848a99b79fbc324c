//! The face of pattern sets: what is declared, how it is built from a configuration, and scanning by name.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cache::FoldCache;
use super::detectors::{Detectors, Spec};
use super::domains::Domains;
use super::fingerprints::{Document, Fingerprints};
use super::hits::{Hit, settle};
use super::phrases::Phrases;
use super::regexes::Regexes;

/// Bytes of a text that can be scanned; a longer one is an error, never silently cut.
pub const TEXT_BYTES_MAX: usize = 1024 * 1024;
/// Sets of one plugin.
const SETS_MAX: usize = 32;
/// Patterns of a set of phrases or domains.
const PATTERNS_MAX: usize = 20_000;
/// Regular expressions of a set.
const REGEXES_MAX: usize = 256;
/// Detectors of a set.
const DETECTORS_MAX: usize = 64;
/// Documents of a set.
const DOCUMENTS_MAX: usize = 10_000;
/// Hashes of all documents of a set together.
const SHINGLES_MAX: usize = 1_000_000;
/// Bytes of one pattern.
const PATTERN_BYTES_MAX: usize = 1_024;
/// Bytes of all patterns of a set together.
const SET_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Part of a document that counts as a find where the configuration does not say, per mille.
const MIN_PER_MILLE_DEFAULT: u32 = 100;

/// What a set is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SetKind {
    /// Words and word sequences, with a star for endings.
    Phrases,
    /// Regular expressions without look-around and back-references.
    Regex,
    /// Domains, compared with all hosts that a text names.
    Domains,
    /// Hashes of documents.
    Fingerprints,
    /// Built-in detectors by name.
    Detectors,
}

/// How text and patterns are made equal before they are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fold {
    /// As they are.
    None,
    /// Without regard to letter case, composition and the amount of white space.
    #[default]
    Case,
    /// As a person reads them: also without invisible characters, across look-alikes, spelled out or encoded.
    Strict,
}

/// A set as the manifest declares it (`[[match]]`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatchDecl {
    /// The set's name, as the plugin passes it to `scan`.
    pub set: String,
    /// What it is made of.
    pub kind: SetKind,
    /// JSON pointer (RFC 6901) to a list in the configuration. Where nothing is there, the set is empty.
    pub pointer: String,
    /// The field that holds the pattern, where the list has objects.
    #[serde(default)]
    pub field: Option<String>,
    /// How to fold.
    #[serde(default)]
    pub fold: Fold,
}

/// Why a configuration's sets can't be built. Names places, never a pattern: a pattern may be confidential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("pattern set `{set}`{}: {reason}", at.as_ref().map(|a| format!(", {a}")).unwrap_or_default())]
pub struct PatternError {
    /// The set.
    pub set: String,
    /// JSON pointer to the pattern in the configuration, where one is to blame.
    pub at: Option<String>,
    /// What is wrong with it.
    pub reason: String,
}

/// Why a scan gave nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// The manifest declares no set of this name.
    #[error("the manifest declares no pattern set of this name")]
    UnknownSet,
    /// The text has more than `TEXT_BYTES_MAX` bytes. To be treated as a fault of the call, never as "nothing found".
    #[error("the text is longer than {TEXT_BYTES_MAX} bytes")]
    TextTooLong,
}

enum Matcher {
    Empty,
    Phrases(Phrases),
    Regex(Regexes),
    Domains(Domains),
    Fingerprints(Fingerprints),
    Detectors(Detectors),
}

/// All pattern sets of one plugin with one configuration. Cheap to share, immutable.
#[derive(Default)]
pub struct PatternSets {
    sets: HashMap<String, Matcher>,
}

impl std::fmt::Debug for PatternSets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.sets.keys()).finish()
    }
}

impl PatternSets {
    /// Builds the sets that `decls` declare from a configuration that fits the plugin's schema. Stops at the first fault.
    pub fn build(decls: &[MatchDecl], config: &Value) -> Result<PatternSets, PatternError> {
        let mut sets = HashMap::with_capacity(decls.len());
        for decl in decls {
            let fail = |reason: &str| PatternError { set: decl.set.clone(), at: None, reason: reason.into() };
            if sets.len() >= SETS_MAX {
                return Err(fail("a plugin has at most 32 sets"));
            }
            if sets.insert(decl.set.clone(), matcher(decl, config)?).is_some() {
                return Err(fail("declared twice"));
            }
        }
        Ok(PatternSets { sets })
    }

    /// Finds the patterns of `set` in `text`: at most 256 hits ordered by start. Hits of one pattern do not overlap. For domains, every
    /// host that the text names gives a hit, with `NO_PATTERN` where no listed domain covers it.
    pub fn scan(&self, set: &str, text: &str, folds: &mut FoldCache) -> Result<Vec<Hit>, ScanError> {
        let matcher = self.sets.get(set).ok_or(ScanError::UnknownSet)?;
        if text.len() > TEXT_BYTES_MAX {
            return Err(ScanError::TextTooLong);
        }
        let mut found = Vec::new();
        if text.is_empty() {
            return Ok(found);
        }
        let (folded, steps) = folds.folded(text);
        match matcher {
            Matcher::Empty => return Ok(found),
            Matcher::Phrases(m) => m.scan(folded, steps, &mut found),
            Matcher::Regex(m) => m.scan(folded, steps, &mut found),
            Matcher::Domains(m) => m.scan(folded, steps, &mut found),
            Matcher::Fingerprints(m) => m.scan(folded, steps, &mut found),
            Matcher::Detectors(m) => m.scan(folded, steps, &mut found),
        }
        Ok(settle(found))
    }
}

fn matcher(decl: &MatchDecl, config: &Value) -> Result<Matcher, PatternError> {
    let at = |index: usize| Some(format!("{}/{index}", decl.pointer));
    let fail = |at: Option<String>, reason: String| PatternError { set: decl.set.clone(), at, reason };
    let list = match config.pointer(&decl.pointer) {
        None | Some(Value::Null) => return Ok(empty(decl.kind, decl.fold)),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(fail(Some(decl.pointer.clone()), "expected a list".into())),
    };
    let most = match decl.kind {
        SetKind::Phrases | SetKind::Domains => PATTERNS_MAX,
        SetKind::Regex => REGEXES_MAX,
        SetKind::Detectors => DETECTORS_MAX,
        SetKind::Fingerprints => DOCUMENTS_MAX,
    };
    if list.len() > most {
        return Err(fail(None, format!("{} patterns, at most {most} are allowed", list.len())));
    }
    let place = |(index, reason): (usize, String)| fail(at(index), reason);
    if decl.kind == SetKind::Fingerprints {
        return Ok(Matcher::Fingerprints(Fingerprints::build(&documents(list).map_err(place)?)));
    }
    let patterns = patterns(list, decl).map_err(place)?;
    let built = match decl.kind {
        SetKind::Phrases => Phrases::build(&patterns, decl.fold).map(Matcher::Phrases),
        SetKind::Regex if patterns.is_empty() => Ok(Matcher::Empty),
        SetKind::Regex => Regexes::build(&patterns, decl.fold).map(Matcher::Regex),
        SetKind::Domains => Domains::build(&patterns, decl.fold).map(Matcher::Domains),
        SetKind::Detectors => Detectors::build(&specs(list, &patterns), decl.fold).map(Matcher::Detectors),
        SetKind::Fingerprints => Ok(Matcher::Empty),
    };
    built.map_err(place)
}

/// An empty list of domains still finds hosts: none of them is listed.
fn empty(kind: SetKind, fold: Fold) -> Matcher {
    match kind {
        SetKind::Domains => Domains::build(&[], fold).map_or(Matcher::Empty, Matcher::Domains),
        _ => Matcher::Empty,
    }
}

/// The patterns as text: the entries themselves, or their field.
fn patterns<'a>(list: &'a [Value], decl: &MatchDecl) -> Result<Vec<&'a str>, (usize, String)> {
    let field = decl.field.as_deref();
    let mut bytes = 0;
    let mut out = Vec::with_capacity(list.len());
    for (index, entry) in list.iter().enumerate() {
        let value = match (entry, field) {
            (Value::String(text), _) => Some(text),
            (Value::Object(map), Some(name)) => {
                map.get(name).and_then(|v| if let Value::String(s) = v { Some(s) } else { None })
            }
            _ => None,
        };
        let text = value.ok_or_else(|| (index, "expected a text, or an object with the declared field".to_owned()))?;
        bytes += text.len();
        if text.is_empty() || text.len() > PATTERN_BYTES_MAX {
            return Err((index, format!("a pattern has 1 to {PATTERN_BYTES_MAX} bytes")));
        }
        if bytes > SET_BYTES_MAX {
            return Err((index, format!("the patterns of a set have at most {SET_BYTES_MAX} bytes together")));
        }
        out.push(text.as_str());
    }
    Ok(out)
}

/// Detectors: the kind, and for e-mail addresses the domains that are no finds.
fn specs(list: &[Value], kinds: &[&str]) -> Vec<Spec> {
    let allowed = |entry: &Value| -> Vec<String> {
        let domains = entry.get("allowed_domains").and_then(Value::as_array);
        domains.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let specs = list.iter().zip(kinds);
    specs.map(|(entry, kind)| Spec { kind: (*kind).to_owned(), allowed_domains: allowed(entry) }).collect()
}

/// Documents: `{"shingles": ["<16 hexadecimal digits>", …], "min_per_mille": 100}`.
fn documents(list: &[Value]) -> Result<Vec<Document>, (usize, String)> {
    let mut total = 0;
    let mut out = Vec::with_capacity(list.len());
    for (index, entry) in list.iter().enumerate() {
        let fail = |reason: &str| (index, reason.to_owned());
        let shingles =
            entry.get("shingles").and_then(Value::as_array).ok_or_else(|| fail("expected a list `shingles`"))?;
        let parse = |value: &Value| value.as_str().and_then(|s| u64::from_str_radix(s, 16).ok());
        let hashes: Option<Vec<u64>> = shingles.iter().map(parse).collect();
        let mut shingles = hashes.ok_or_else(|| fail("a shingle is a number of up to 16 hexadecimal digits"))?;
        shingles.sort_unstable();
        shingles.dedup();
        total += shingles.len();
        if total > SHINGLES_MAX {
            return Err((index, format!("the documents of a set have at most {SHINGLES_MAX} shingles together")));
        }
        let min = entry.get("min_per_mille").map_or(Some(u64::from(MIN_PER_MILLE_DEFAULT)), Value::as_u64);
        let min = min.and_then(|m| u32::try_from(m).ok()).filter(|m| (1..=1000).contains(m));
        out.push(Document { shingles, min_per_mille: min.ok_or_else(|| fail("`min_per_mille` is 1 to 1000"))? });
    }
    Ok(out)
}
