//! Which segment holds which leaves: a later segment that starts at index N overrides N and above in earlier ones.

use std::path::Path;

use crate::disk::Disk;
use crate::error::{Corrupt, ReadError};
use crate::format::{segment_id, segment_name};
use crate::plant::{Plant, planted};
use crate::scan::Scan;

/// A segment and the leaves of it that count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) id: u64,
    pub(crate) first: u64,
    /// The first index that a later segment overrides; `None` in the last segment.
    pub(crate) end: Option<u64>,
}

impl Extent {
    pub(crate) fn is_empty(&self) -> bool {
        self.end.is_some_and(|end| end <= self.first)
    }
}

/// The ids of the segments in a folder, rising.
pub(crate) fn segment_ids(disk: &dyn Disk, dir: &Path) -> Result<Vec<u64>, ReadError> {
    let names = disk.list(dir).map_err(|source| ReadError::Io { file: dir.to_owned(), source })?;
    let mut ids: Vec<u64> = names.iter().filter_map(|name| segment_id(name)).collect();
    ids.sort_unstable();
    Ok(ids)
}

/// Opens a segment, with a header that is good and its own.
pub(crate) fn open_segment(disk: &dyn Disk, dir: &Path, id: u64) -> Result<Scan, ReadError> {
    let path = dir.join(segment_name(id));
    let file = disk.open(&path).map_err(|source| ReadError::Io { file: path.clone(), source })?;
    let why = match Scan::open(file, path.clone())? {
        Ok(scan) if scan.header.segment == id => return Ok(scan),
        Ok(_) => "the header is that of another segment",
        Err(why) => why,
    };
    Err(ReadError::Corrupt(Box::new(Corrupt {
        file: path,
        offset: 0,
        index: 0,
        why,
        evidence: "a segment gets its name only after its header is durable".to_owned(),
    })))
}

/// All segments of a log in order, the overridden ones too, and their origin.
pub(crate) fn survey(disk: &dyn Disk, dir: &Path) -> Result<(Vec<Extent>, Option<String>), ReadError> {
    survey_of(disk, dir, segment_ids(disk, dir)?)
}

/// The index of the first leaf that the segments of a log have; 0 where there is none.
///
/// # Errors
/// The folder or a segment can't be read.
pub fn segments_from(disk: &dyn Disk, dir: &Path) -> Result<u64, ReadError> {
    let (extents, _) = survey(disk, dir)?;
    Ok(extents.iter().find(|extent| !extent.is_empty()).map_or(0, |extent| extent.first))
}

/// The segments up to one, as they were before there was a later one.
pub(crate) fn extents_until(disk: &dyn Disk, dir: &Path, last: u64) -> Result<Vec<Extent>, ReadError> {
    let ids: Vec<u64> = segment_ids(disk, dir)?.into_iter().filter(|id| *id <= last).collect();
    // Mostly there is one.
    if ids.len() < 2 { Ok(Vec::new()) } else { Ok(survey_of(disk, dir, ids)?.0) }
}

fn survey_of(disk: &dyn Disk, dir: &Path, ids: Vec<u64>) -> Result<(Vec<Extent>, Option<String>), ReadError> {
    let mut extents = Vec::new();
    let mut origin: Option<String> = None;
    for id in ids {
        let scan = open_segment(disk, dir, id)?;
        extents.push(Extent { id, first: scan.header.first_index, end: None });
        let found = origin.get_or_insert_with(|| scan.header.origin.clone());
        if *found != scan.header.origin {
            return Err(ReadError::Corrupt(Box::new(Corrupt {
                file: scan.path,
                offset: 0,
                index: scan.header.first_index,
                why: "the segment belongs to another log",
                evidence: format!("the segments before it belong to `{found}`, it to `{}`", scan.header.origin),
            })));
        }
    }
    let mut end: Option<u64> = None;
    for extent in extents.iter_mut().rev() {
        extent.end = end;
        end = Some(end.map_or(extent.first, |end| end.min(extent.first)));
        if planted(Plant::Override) {
            extent.end = extent.end.map(|end| end + 1);
        }
    }
    Ok((extents, origin))
}
