//! The write-ahead log beside a tree: whole, and with the same leaves as far as both reach.

use std::path::Path;

use super::judge::Known;
use super::{SegmentsReport, VerifyError};
use crate::disk::Disk;
use crate::error::{Corrupt, ReadError};
use crate::extents::{Extent, open_segment, survey};
use crate::format::{Bad, segment_name};
use crate::merkle::{Hash, leaf_hash};
use crate::scan::Scan;
use crate::tile::TILE_WIDTH;

/// Checks the segments in a log's folder; none where there are no segments.
pub(super) fn check(
    disk: &dyn Disk,
    log_dir: &Path,
    origin: &str,
    size: u64,
    known: &Known<'_>,
) -> Result<Option<SegmentsReport>, VerifyError> {
    let (extents, found) = survey(disk, log_dir).map_err(VerifyError::Segments)?;
    let Some(found) = found else { return Ok(None) };
    if found != origin {
        return Err(VerifyError::Origin { file: log_dir.to_owned(), found, wanted: origin.to_owned() });
    }
    let extents: Vec<Extent> = extents.into_iter().filter(|extent| !extent.is_empty()).collect();
    let Some(first) = extents.first() else { return Ok(None) };
    if first.first > size {
        let why = "the segments before this one are missing";
        let evidence = format!("it starts at leaf {}, and the tree ends before leaf {size}", first.first);
        return Err(corrupt(log_dir, first, size, why, evidence));
    }
    let mut walk = Walk { disk, log_dir, size, known, tile: None, torn_bytes: 0 };
    let mut end = first.first;
    for extent in &extents {
        end = walk.extent(extent)?;
    }
    if end < size {
        let last = extents.last().unwrap_or(first);
        let evidence = format!("the tree has {size} leaves, and each was in a segment before it was in the tree");
        return Err(corrupt(log_dir, last, end, "the write-ahead log ends before the tree", evidence));
    }
    Ok(Some(SegmentsReport { from: first.first, until: end, torn_bytes: walk.torn_bytes }))
}

fn corrupt(log_dir: &Path, extent: &Extent, index: u64, why: &'static str, evidence: String) -> VerifyError {
    let file = log_dir.join(segment_name(extent.id));
    VerifyError::Segments(ReadError::Corrupt(Box::new(Corrupt { file, offset: 0, index, why, evidence })))
}

struct Walk<'a> {
    disk: &'a dyn Disk,
    log_dir: &'a Path,
    size: u64,
    known: &'a Known<'a>,
    tile: Option<(u64, Vec<Hash>)>,
    torn_bytes: u64,
}

impl Walk<'_> {
    /// Goes through one segment; the result is the index after its last leaf.
    fn extent(&mut self, extent: &Extent) -> Result<u64, VerifyError> {
        let mut scan = open_segment(self.disk, self.log_dir, extent.id).map_err(VerifyError::Segments)?;
        let until = extent.end.unwrap_or(u64::MAX);
        while scan.expected.index < until {
            let bad = match scan.next().map_err(VerifyError::Segments)? {
                Ok((batch, bytes)) => {
                    let leaves = (batch.first_index..until.min(self.size)).zip(batch.leaves);
                    for (index, leaf) in leaves {
                        self.leaf(extent, index, bytes.get(leaf).unwrap_or_default())?;
                    }
                    continue;
                }
                Err(bad) => bad,
            };
            return self.end(extent, &mut scan, bad);
        }
        Ok(until)
    }

    /// What follows the last good batch.
    fn end(&mut self, extent: &Extent, scan: &mut Scan, bad: Bad) -> Result<u64, VerifyError> {
        let index = scan.expected.index;
        let tail = scan.tail(bad).map_err(VerifyError::Segments)?;
        match extent.end {
            None => self.torn_bytes = tail.bytes,
            // Segments go when the tree has their leaves, each by itself.
            Some(end) if tail.bytes == 0 && end <= self.size => {}
            Some(end) => {
                let evidence = format!("a later segment goes on only at leaf {end}");
                return Err(VerifyError::Segments(scan.corrupt(bad, evidence)));
            }
        }
        Ok(index)
    }

    fn leaf(&mut self, extent: &Extent, index: u64, leaf: &[u8]) -> Result<(), VerifyError> {
        let tile = index / TILE_WIDTH;
        if self.tile.as_ref().is_none_or(|(held, _)| *held != tile) {
            self.tile = Some((tile, self.known.leaf_hashes(tile)?));
        }
        let hash = self.tile.as_ref().and_then(|(_, hashes)| hashes.get((index % TILE_WIDTH) as usize));
        if hash == Some(&leaf_hash(leaf)) {
            return Ok(());
        }
        let file = self.log_dir.join(segment_name(extent.id));
        Err(VerifyError::Leaf { file, index, why: "it is not the leaf that the tree has".to_owned() })
    }
}
