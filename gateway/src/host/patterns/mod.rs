//! Pattern sets: what `match.scan` of the plugin contract runs on. Built once for each configuration version, shared by all calls.
//!
//! A plugin's manifest declares sets (`MatchDecl`), its configuration holds the patterns, `PatternSets::build` compiles them, `scan`
//! finds them. Every matcher takes time linear in the text; every size is limited. Offsets of hits are UTF-8 bytes in the text as the
//! plugin gave it, always on character boundaries, however the text was folded on the way.
//!
//! Reading order: `view` (a rewritten text and the way back), `letters` and `fold` (what a reader does not see), `split`, `words` and
//! `alike` (what a reader sees through), `decode` (what a machine would read), `cache` (all views of a text), then one file for each
//! kind of set.

mod alike;
mod cache;
mod decode;
mod detectors;
mod domains;
mod fingerprints;
mod fold;
mod hits;
mod letters;
mod phrases;
mod regexes;
mod scripts;
mod sets;
mod split;
mod tlds;
mod view;
mod words;

pub use cache::FoldCache;
pub use domains::NO_PATTERN;
pub use fingerprints::fingerprint;
pub use hits::{HITS_MAX, Hit};
pub use scripts::scripts;
pub use sets::{Fold, MatchDecl, PatternError, PatternSets, ScanError, SetKind, TEXT_BYTES_MAX};

#[cfg(test)]
mod tests;
