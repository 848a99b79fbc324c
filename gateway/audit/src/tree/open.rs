//! What a start makes of a tree: it is checked against its checkpoint, brought up to the write-ahead log, and compared with the
//! second checkpoint, before anything is written.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::{damaged, read_checkpoint};
use super::{CHECKPOINT, Frontier, TREE_DIR, Tree, TreeError, TreeFiles};
use crate::disk::Disk;
use crate::error::ReadError;
use crate::extents::extents_until;
use crate::format::segment_name;
use crate::merkle::empty_root;
use crate::note::{Checkpoint, NoteError, Verifier};
use crate::reader::LogReader;
use crate::tile::{Kind, TILE_LEVELS_MAX, TILE_WIDTH, push_entry};
use crate::writer::ActiveSegment;

/// Which tree.
#[derive(Debug, Clone)]
pub struct TreeOptions {
    /// The log's folder; the tree is in its folder `tree`.
    pub log_dir: PathBuf,
    /// Where the last checkpoint is kept a second time: a file, best on another disk.
    pub second: PathBuf,
    /// The log's name.
    pub origin: String,
    /// The keys that may have signed it: the one in use, and the one before it while the key is changed.
    pub keys: Vec<Verifier>,
}

impl Tree {
    /// Loads the tree in a log's folder; an empty one where there is none. Nothing is written.
    ///
    /// # Errors
    /// The checkpoint or what it covers can't be trusted, or the disk fails.
    pub fn load(options: &TreeOptions, disk: Arc<dyn Disk>) -> Result<Self, TreeError> {
        let dir = options.log_dir.join(TREE_DIR);
        let file = dir.join(CHECKPOINT);
        let checkpoint = trusted(&*disk, &file, options)?;
        let size = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.size);
        let files = TreeFiles::new(Arc::clone(&disk), &dir, size);
        let mut edge = Vec::new();
        for level in 0..TILE_LEVELS_MAX {
            let hashes = size.checked_shr(u32::from(level) * 8).unwrap_or(0);
            if hashes == 0 {
                break;
            }
            let partial = !hashes.is_multiple_of(TILE_WIDTH);
            edge.push(if partial { files.hashes(level, hashes / TILE_WIDTH)? } else { Vec::new() });
        }
        let mut bundle = Vec::new();
        if !size.is_multiple_of(TILE_WIDTH) {
            // Each leaf is checked against its hash.
            files.leaves(size / TILE_WIDTH)?.iter().for_each(|leaf| push_entry(&mut bundle, leaf));
        }
        let frontier = Frontier::resume(size, edge, bundle);
        let root = checkpoint.map_or_else(empty_root, |checkpoint| checkpoint.root);
        if frontier.root() != root {
            let tile = files.tile_at(Kind::Hashes(0), size.saturating_sub(1) / TILE_WIDTH);
            let file = tile.map_or(file, |tile| files.path(tile));
            return Err(damaged(file, "the tiles at the end of the tree do not make the root of the checkpoint"));
        }
        Ok(Self {
            disk,
            log_dir: options.log_dir.clone(),
            dir,
            second: options.second.clone(),
            origin: options.origin.clone(),
            frontier,
            covered: size,
            published: 0,
            folders: BTreeSet::new(),
            unsure: true,
        })
    }

    /// Adds the leaves of the write-ahead log that the tree does not have, up to `until`, and compares with the second checkpoint.
    /// Nothing is written. The result says whether there was a second checkpoint.
    ///
    /// # Errors
    /// The log is smaller than the second checkpoint, or not the one that it was signed for; or it can't be read.
    pub fn catch_up(&mut self, options: &TreeOptions, until: u64) -> Result<bool, TreeError> {
        let Some(second) = trusted(&*self.disk, &options.second, options)? else {
            self.read_on(options, until)?;
            return Ok(false);
        };
        let file = || options.second.clone();
        if second.size > until {
            return Err(TreeError::Smaller { file: file(), found: until, wanted: second.size });
        }
        let root = if second.size < self.size() {
            let mut files = TreeFiles::new(Arc::clone(&self.disk), &self.dir, self.size());
            crate::merkle::root(&mut files, second.size)?
        } else {
            self.read_on(options, second.size)?;
            self.frontier.root()
        };
        if root != second.root {
            return Err(TreeError::Inconsistent { file: file(), size: second.size });
        }
        self.read_on(options, until)?;
        Ok(true)
    }

    fn read_on(&mut self, options: &TreeOptions, until: u64) -> Result<(), TreeError> {
        let mut reader = LogReader::new(Arc::clone(&self.disk), &options.log_dir, self.size()).until(until);
        while let Some((_, leaf)) = reader.next_bytes()? {
            self.push(&leaf);
        }
        Ok(())
    }
}

/// The checkpoint in a file, signed with one of the keys; `None` where there is no such file.
fn trusted(disk: &dyn Disk, file: &Path, options: &TreeOptions) -> Result<Option<Checkpoint>, TreeError> {
    let Some(bytes) = read_checkpoint(disk, file)? else { return Ok(None) };
    let mut error = NoteError::Note("there is no key to check it with");
    for key in &options.keys {
        match Checkpoint::open(&bytes, key) {
            Ok((checkpoint, _)) if checkpoint.origin != options.origin => {
                let wanted = options.origin.clone();
                return Err(TreeError::Origin { file: file.to_owned(), found: checkpoint.origin, wanted });
            }
            Ok((checkpoint, _)) => return Ok(Some(checkpoint)),
            Err(found) => error = found,
        }
    }
    Err(TreeError::Checkpoint { file: file.to_owned(), source: error })
}

/// Removes the segments of the write-ahead log whose leaves are all covered by a checkpoint that is durable in both places, and what lay
/// beside them taken away: `covered` is the lesser of the two. The segment that the writer is at stays; a later one is none yet. Returns how many went; a file that can't be removed is left for
/// the next time.
///
/// # Errors
/// The folder or a segment can't be read.
pub fn remove_covered(disk: &dyn Disk, log_dir: &Path, covered: u64, active: &ActiveSegment) -> Result<u64, ReadError> {
    let Some(active) = active.id() else { return Ok(0) };
    let mut removed = 0;
    for extent in extents_until(disk, log_dir, active)? {
        if extent.end.is_some_and(|end| end <= covered) && disk.remove(&log_dir.join(segment_name(extent.id))).is_ok() {
            removed += 1;
        }
    }
    Ok(removed)
}
