//! Reads single leaves of the write-ahead log by their places, without a look at what lies before them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{Disk, DiskFile};
use crate::format::{Expected, FRAME_HEAD_BYTES, frame_leaf, segment_name};
use crate::leaf::LEAF_BYTES_MAX;

/// Bytes that are read of a leaf at first; few are longer.
const GUESS_BYTES: usize = 4096;

/// Where a leaf lies: what is needed to read it alone, and to tell that it is this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The segment's id.
    pub segment: u64,
    /// The number of its batch within the segment.
    pub batch: u64,
    /// Where its frame begins in the segment, in bytes.
    pub offset: u64,
}

/// Reads single leaves by their places. Segments stay open between two of them.
pub struct Picker {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    open: Option<(u64, Box<dyn DiskFile>)>,
}

impl Picker {
    /// For the log in a folder.
    pub fn new(disk: Arc<dyn Disk>, dir: &Path) -> Self {
        Self { disk, dir: dir.to_owned(), open: None }
    }

    /// The bytes of the leaf with this index, where it lies at this place; none where something else does, or nothing any more.
    pub fn pick(&mut self, index: u64, place: Place) -> Option<Vec<u8>> {
        if self.open.as_ref().is_none_or(|(segment, _)| *segment != place.segment) {
            let file = self.disk.open(&self.dir.join(segment_name(place.segment))).ok()?;
            self.open = Some((place.segment, file));
        }
        let (_, file) = self.open.as_ref()?;
        let mut bytes = vec![0; GUESS_BYTES];
        loop {
            let count = file.read_at(&mut bytes, place.offset).ok()?;
            let expected = Expected { segment: place.segment, batch: place.batch, index, batch_bytes_max: u32::MAX };
            let read = bytes.get(..count)?;
            if let Some(leaf) = frame_leaf(read, expected) {
                return Some(leaf.to_vec());
            }
            if bytes.len() > GUESS_BYTES {
                return None;
            }
            bytes.resize(FRAME_HEAD_BYTES + LEAF_BYTES_MAX, 0);
        }
    }
}
