//! What the start makes of a log: all of it is checked, and the end is judged.
//!
//! The rule: only committed batches count. A later segment that starts at index N overrides N and above in earlier ones, so what
//! an earlier segment holds from N on is passed over, good or bad, and all before N must be good. In the last segment a bad batch
//! is a torn tail, and is cut, unless something shows that it was acknowledged: a good commit frame of a later batch, data further
//! on than one batch reaches, or that it is the segment's first batch (durable before the segment got its name). Then it is damage,
//! and the log is refused.

use std::path::Path;
use std::sync::Arc;

use crate::disk::Disk;
use crate::error::{OpenError, ReadError};
use crate::extents::{Extent, survey};
use crate::format::{Entry, segment_name};
use crate::plant::{Plant, planted};
use crate::reader::LogReader;
use crate::tree::{TREE_DIR, files::stated_size};

/// A torn tail: what a crash left of a batch that nobody was told about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// File name of the segment.
    pub segment: String,
    /// Where the cut is, in bytes from the start of the file.
    pub offset: u64,
    /// Whole frames that were cut.
    pub frames: u64,
    /// Bytes that were cut.
    pub bytes: u64,
}

/// A log as it lies there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// The origin in its segments; none where there is no segment.
    pub origin: Option<String>,
    /// The index that the next leaf would get.
    pub next_index: u64,
    /// What a start would cut from the end.
    pub torn: Option<Torn>,
}

/// Checks a whole log and changes nothing. A folder that is not there is an empty log.
///
/// # Errors
/// Where acknowledged leaves are damaged or missing, or the disk fails.
pub fn inspect(disk: &Arc<dyn Disk>, dir: &Path) -> Result<Inspection, ReadError> {
    match disk.list(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Inspection { origin: None, next_index: 0, torn: None });
        }
        _ => {}
    }
    let (extents, origin) = survey(&**disk, dir)?;
    let covered = stated_size(&**disk, &dir.join(TREE_DIR));
    let found = check(disk, dir, extents, covered)?;
    Ok(Inspection { origin, next_index: found.next_index(), torn: found.torn })
}

/// What was found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) extents: Vec<Extent>,
    pub(crate) torn: Option<Torn>,
    /// The last batch: its first index, and its entries. Whether it is durable nobody knows: the process that wrote it may have
    /// ended while the disk refused it, and what is read now may come from memory.
    pub(crate) last: (u64, Vec<Entry>),
    /// Where the last batch begins in the last segment, in bytes.
    pub(crate) last_offset: Option<u64>,
}

impl Found {
    /// The index that the next leaf gets.
    pub(crate) fn next_index(&self) -> u64 {
        self.last.0 + self.last.1.len() as u64
    }
}

/// Checks a whole log, for its writer.
pub(crate) fn recover(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    origin: &str,
    covered: u64,
    besides_from: u64,
) -> Result<Found, OpenError> {
    let (extents, found) = survey(&**disk, dir)?;
    if let Some(found) = found.filter(|found| found != origin) {
        return Err(OpenError::Origin { dir: dir.to_owned(), found, wanted: origin.to_owned() });
    }
    let first = extents.first().map_or(0, |extent| extent.first);
    // Where the segments begin later, what lay beside earlier leaves went with them.
    let from = if planted(Plant::Covered) { first } else { covered.min(besides_from.max(first)) };
    Ok(check(disk, dir, extents, from)?)
}

fn check(disk: &Arc<dyn Disk>, dir: &Path, extents: Vec<Extent>, covered: u64) -> Result<Found, ReadError> {
    let mut reader = LogReader::segments(Arc::clone(disk), dir, covered);
    while reader.next_bytes()?.is_some() {}
    let next_index = reader.end();
    let first = reader.last_batch().min(next_index);
    let last_offset = reader.last_offset();
    let torn = reader.into_end().filter(|(_, _, tail)| tail.bytes > 0).map(|(extent, scan, tail)| Torn {
        segment: segment_name(extent.id),
        offset: scan.offset,
        frames: tail.frames,
        bytes: tail.bytes,
    });
    let mut entries = Vec::new();
    let mut again = LogReader::with_besides(Arc::clone(disk), dir, first).until(next_index);
    while let Some((_, entry)) = again.next_entry()? {
        entries.push(entry);
    }
    if first + entries.len() as u64 != next_index {
        let source = std::io::Error::other("the last batch reads differently the second time");
        return Err(ReadError::Io { file: dir.to_owned(), source });
    }
    Ok(Found { extents, torn, last: (first, entries), last_offset })
}
