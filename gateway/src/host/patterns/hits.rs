//! What a scan finds, put in order and held to its limit.

/// Hits that one scan returns at most.
pub const HITS_MAX: usize = 256;
/// Hits collected before the best 256 are chosen.
pub(super) const FOUND_MAX: usize = 4_096;

/// One find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Position of the pattern in the configuration; `NO_PATTERN` for a domain that the set does not list.
    pub pattern: u32,
    /// UTF-8 byte offset in the scanned text, on a character boundary.
    pub start: u32,
    /// Offset where it ends, exclusive, on a character boundary.
    pub end: u32,
    /// Per mille of the document for fingerprints, 1000 for all other kinds.
    pub score: u32,
    /// True where the find is not readable in the plain text without regard to case.
    pub disguised: bool,
}

impl Hit {
    /// A whole find at `start..end`.
    pub(super) fn new(pattern: usize, start: usize, end: usize, disguised: bool) -> Hit {
        let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Hit { pattern: narrow(pattern), start: narrow(start), end: narrow(end), score: 1000, disguised }
    }
}

/// Orders hits by start, keeps one of those of the same pattern that overlap (plain before disguised, then the longer), and cuts to
/// `HITS_MAX` so that each pattern found keeps at least its first hit while there is room.
pub(super) fn settle(mut found: Vec<Hit>) -> Vec<Hit> {
    if found.len() > 1 {
        found.sort_unstable_by_key(|h| (h.pattern, h.disguised, h.start, u32::MAX - h.end));
        found = without_overlaps(found);
    }
    if found.len() > HITS_MAX {
        // First the first hit of each pattern, then the rest in order.
        let mut last = None;
        let mut ranked: Vec<(bool, Hit)> =
            found.iter().map(|h| (last.replace(h.pattern) == Some(h.pattern), *h)).collect();
        ranked.sort_by_key(|(again, hit)| (*again, hit.start));
        found = ranked.into_iter().take(HITS_MAX).map(|(_, hit)| hit).collect();
    }
    found.sort_unstable_by_key(|h| (h.start, h.end, h.pattern));
    found
}

/// `found` is ordered by pattern, plain first, start.
fn without_overlaps(found: Vec<Hit>) -> Vec<Hit> {
    let mut kept: Vec<Hit> = Vec::with_capacity(found.len());
    let mut plain: Vec<Hit> = Vec::new();
    let mut disguised_end = 0;
    for hit in found {
        if kept.last().is_none_or(|k| k.pattern != hit.pattern) {
            plain.clear();
            disguised_end = 0;
        }
        // Plain hits and disguised hits are two ordered lists without overlaps inside themselves.
        if !hit.disguised {
            if plain.last().is_none_or(|p| p.end <= hit.start) {
                plain.push(hit);
                kept.push(hit);
            }
            continue;
        }
        let next = plain.partition_point(|p| p.end <= hit.start);
        let covered = plain.get(next).is_some_and(|p| p.start < hit.end);
        if !covered && hit.start >= disguised_end {
            disguised_end = hit.end;
            kept.push(hit);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_hits_win_over_disguised_ones() {
        let found =
            vec![Hit::new(0, 4, 9, true), Hit::new(0, 4, 8, false), Hit::new(1, 0, 3, true), Hit::new(0, 20, 22, true)];
        assert_eq!(settle(found), [Hit::new(1, 0, 3, true), Hit::new(0, 4, 8, false), Hit::new(0, 20, 22, true)]);
    }

    #[test]
    fn many_hits_of_one_pattern_do_not_hide_another() {
        let mut found: Vec<Hit> = (0..1000).map(|i| Hit::new(7, i * 3, i * 3 + 2, false)).collect();
        found.push(Hit::new(9, 5000, 5004, false));
        let settled = settle(found);
        assert_eq!(settled.len(), HITS_MAX);
        assert!(settled.iter().any(|h| h.pattern == 9));
    }
}
