//! Fingerprints of confidential documents: hashes of overlapping five-word runs, so that the configuration holds no text.
//!
//! A document's words (strictly folded, letters and digits only) give one hash for each five in a row; of each four neighbouring hashes
//! the smallest is kept (winnowing), so that any eight words copied in a row share at least one. A scan looks all five-word runs of the
//! text up and tells what part of a document's hashes it found.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::cache::Folded;
use super::fold::{Depth, fold};
use super::hits::Hit;
use super::letters::is_word;
use super::view::View;

/// Words in a shingle.
const WORDS: usize = 5;
/// Neighbouring shingles of which one is kept.
const WINDOW: usize = 4;
/// Documents that one shingle is remembered for; boilerplate beyond that says nothing.
const OWNERS_MAX: usize = 16;

/// The hashes of `text` for a configuration: 64 bits each, sorted, each once. Written there in hexadecimal. A text of fewer than five
/// words has none. Stable across versions of the gateway.
pub fn fingerprint(text: &str) -> Vec<u64> {
    let view = fold(text, Depth::Strict);
    let hashes: Vec<u64> = shingles(&view).map(|s| s.hash).collect();
    let mut kept: Vec<u64> = if hashes.len() <= WINDOW {
        hashes.iter().min().copied().into_iter().collect()
    } else {
        hashes.windows(WINDOW).filter_map(|w| w.iter().min().copied()).collect()
    };
    kept.sort_unstable();
    kept.dedup();
    kept
}

/// One document as configured.
pub(super) struct Document {
    /// Its hashes, each once.
    pub(super) shingles: Vec<u64>,
    /// Part of them that a text must share, per mille.
    pub(super) min_per_mille: u32,
}

/// A compiled set of documents.
pub(super) struct Fingerprints {
    owners: HashMap<u64, Vec<u32>, BuildHasherDefault<AsIs>>,
    documents: Vec<(usize, u32)>,
}

impl Fingerprints {
    /// Indexes `documents` in order.
    pub(super) fn build(documents: &[Document]) -> Fingerprints {
        let mut owners: HashMap<u64, Vec<u32>, BuildHasherDefault<AsIs>> = HashMap::default();
        for (index, document) in documents.iter().enumerate() {
            for shingle in &document.shingles {
                let list = owners.entry(*shingle).or_default();
                if list.len() < OWNERS_MAX {
                    list.push(u32::try_from(index).unwrap_or(u32::MAX));
                }
            }
        }
        let documents = documents.iter().map(|d| (d.shingles.len(), d.min_per_mille)).collect();
        Fingerprints { owners, documents }
    }

    /// Finds documents of which the text holds enough: one hit each, from the first to the last shared shingle.
    pub(super) fn scan(&self, folded: &mut Folded, steps: &mut u64, out: &mut Vec<Hit>) {
        folded.strict(steps);
        for (index, view) in folded.views().iter().enumerate() {
            self.scan_view(view, index > 0, steps, out);
        }
        for (run, inner) in folded.decoded(steps) {
            let before = out.len();
            inner.strict(steps);
            for view in inner.views() {
                self.scan_view(view, true, steps, out);
            }
            for hit in out.iter_mut().skip(before) {
                let score = hit.score;
                *hit = Hit { score, ..Hit::new(hit.pattern as usize, run.start, run.end, true) };
            }
        }
        // One hit for each document: the best over all views.
        out.sort_by_key(|h| (h.pattern, std::cmp::Reverse(h.score), h.disguised));
        out.dedup_by_key(|h| h.pattern);
    }

    fn scan_view(&self, view: &View, disguised: bool, steps: &mut u64, out: &mut Vec<Hit>) {
        *steps += view.text.len() as u64;
        let mut found: HashMap<u32, Found> = HashMap::new();
        for shingle in shingles(view) {
            let Some(owners) = self.owners.get(&shingle.hash) else { continue };
            for owner in owners {
                *steps += 1;
                let entry =
                    found.entry(*owner).or_insert(Found { start: shingle.start, end: shingle.end, hashes: Vec::new() });
                entry.end = shingle.end;
                entry.hashes.push(shingle.hash);
            }
        }
        for (owner, mut entry) in found {
            entry.hashes.sort_unstable();
            entry.hashes.dedup();
            let Some((size, threshold)) = self.documents.get(owner as usize).copied() else { continue };
            let score = u32::try_from(entry.hashes.len() * 1000 / size.max(1)).unwrap_or(1000).min(1000);
            if score >= threshold {
                let (from, to) = view.origin(entry.start, entry.end);
                out.push(Hit { score, ..Hit::new(owner as usize, from, to, disguised) });
            }
        }
    }
}

struct Found {
    start: usize,
    end: usize,
    hashes: Vec<u64>,
}

struct Shingle {
    hash: u64,
    start: usize,
    end: usize,
}

/// All runs of five words of a view.
fn shingles(view: &View) -> impl Iterator<Item = Shingle> {
    let mut window: [(u64, usize); WORDS] = [(0, 0); WORDS];
    let mut seen = 0_usize;
    words(&view.text).filter_map(move |(hash, start, end)| {
        window.rotate_left(1);
        if let Some(last) = window.last_mut() {
            *last = (hash, start);
        }
        seen += 1;
        let first = window.first().map_or(0, |w| w.1);
        let combined = window.iter().fold(0xcbf2_9ce4_8422_2325, |sum: u64, (h, _)| mix(sum ^ *h));
        (seen >= WORDS).then_some(Shingle { hash: combined, start: first, end })
    })
}

/// Hash, start and end of each word. FNV-1a over its bytes.
fn words(text: &str) -> impl Iterator<Item = (u64, usize, usize)> {
    let mut rest = text.char_indices().peekable();
    std::iter::from_fn(move || {
        while rest.next_if(|(_, c)| !is_word(*c)).is_some() {}
        let (start, _) = *rest.peek()?;
        let (mut hash, mut end) = (0xcbf2_9ce4_8422_2325_u64, start);
        while let Some((at, c)) = rest.next_if(|(_, c)| is_word(*c)) {
            end = at + c.len_utf8();
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        Some((hash, start, end))
    })
}

/// The finaliser of MurmurHash3: every input bit reaches every output bit.
fn mix(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

/// The keys are hashes already.
#[derive(Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = mix(self.0 ^ u64::from(*byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        // The table takes its bucket from the low and its tag from the high bits; configured values may be chosen badly.
        self.0 = mix(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "The board will meet on Tuesday to vote about the merger with Borealis and its two plants in Ostrava";

    #[test]
    fn is_stable() {
        let expect: [u64; 6] = [
            0xfa33a8e01e6d93c,
            0x10013fe047b6d74f,
            0x6b4b2b0abdb23bf5,
            0x728ee0b2577ba949,
            0x76bb1895a0e6d69c,
            0x862bc7140ec27f17,
        ];
        assert_eq!(fingerprint(TEXT), expect);
        assert!(fingerprint("four words are few").is_empty());
        assert_eq!(fingerprint(TEXT), fingerprint(&TEXT.to_uppercase().replace(' ', "\u{a0} -- ")));
    }

    #[test]
    fn eight_copied_words_share_a_hash() {
        let words: Vec<&str> = TEXT.split(' ').collect();
        let set = Fingerprints::build(&[Document { shingles: fingerprint(TEXT), min_per_mille: 1 }]);
        for run in words.windows(8) {
            let mut out = Vec::new();
            set.scan(&mut Folded::new(&format!("We heard {} yesterday", run.join(" "))), &mut 0, &mut out);
            assert_eq!(out.len(), 1, "{run:?}");
        }
    }
}
