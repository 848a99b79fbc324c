//! What is kept of the log's tree, and for how long.

use std::io;

use pressgate_audit::ReadError;
use pressgate_audit::leaf::Leaf;
use pressgate_audit::tile::{Kind, TILE_WIDTH, Tile};
use pressgate_audit::tree::{CHECKPOINT, TREE_DIR, TreeFiles, drop_entries, entries_from};

use super::AuditLog;

/// A file of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TreeFile {
    /// The newest checkpoint.
    Checkpoint,
    /// A tile or an entry bundle.
    Tile(Tile),
}

impl AuditLog {
    /// The bytes of a file of the tree; none where the last checkpoint does not cover it, or it was dropped. Blocks.
    ///
    /// # Errors
    /// What the disk said.
    pub fn tree_file(&self, file: TreeFile) -> io::Result<Option<Vec<u8>>> {
        let published = self.tree().and_then(|tree| tree.borrow().published.clone());
        let Some(published) = published else { return Ok(None) };
        let tile = match file {
            TreeFile::Checkpoint => return Ok(Some(published.note.into_bytes())),
            TreeFile::Tile(tile) => tile,
        };
        let covering = Tile::of_size(tile.kind, tile.index, published.checkpoint.size).next();
        if covering.is_none_or(|covering| covering.width < tile.width) {
            return Ok(None);
        }
        let path = self.dir.join(TREE_DIR).join(tile.path());
        match self.disk.open(&path).and_then(|file| {
            let mut bytes = vec![0; usize::try_from(file.len_bytes()?).unwrap_or(0)];
            let count = file.read_at(&mut bytes, 0)?;
            bytes.truncate(count);
            Ok(bytes)
        }) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The index below which all leaves that still have entries are older than a time, in whole bundles and within the tree; in
    /// milliseconds since 1970-01-01 UTC. Blocks.
    ///
    /// # Errors
    /// The tree can't be read.
    pub fn older_than(&self, cutoff_ms: i64) -> Result<u64, ReadError> {
        let size = self.tree().and_then(|tree| Some(tree.borrow().published.as_ref()?.checkpoint.size)).unwrap_or(0);
        let tree_dir = self.dir.join(TREE_DIR);
        let files = TreeFiles::new(std::sync::Arc::clone(&self.disk), &tree_dir, size);
        let (mut from, mut until) = (entries_from(&*self.disk, &tree_dir) / TILE_WIDTH, size / TILE_WIDTH);
        while from < until {
            let middle = from.midpoint(until);
            let last = files.leaves(middle)?.pop().and_then(|bytes| Leaf::from_bytes(&bytes).ok());
            if last.is_some_and(|leaf| leaf.at_ms < cutoff_ms) {
                from = middle + 1;
            } else {
                until = middle;
            }
        }
        Ok(from * TILE_WIDTH)
    }

    /// From which leaf on the entries are there.
    pub fn entries_from(&self) -> u64 {
        entries_from(&*self.disk, &self.dir.join(TREE_DIR))
    }

    /// Drops the entries below an index, which a leaf has said. Returns how many bundles went. Blocks.
    ///
    /// # Errors
    /// What the disk said.
    pub fn drop_entries(&self, below: u64) -> io::Result<u64> {
        drop_entries(&*self.disk, &self.dir.join(TREE_DIR), below)
    }
}

impl TreeFile {
    /// The file of a path below the tree's folder, `checkpoint` or `tile/…`.
    pub fn parse(path: &str) -> Option<Self> {
        if path == CHECKPOINT {
            return Some(Self::Checkpoint);
        }
        Tile::parse(path).map(Self::Tile)
    }

    /// Does it hold leaves?
    pub fn holds_leaves(self) -> bool {
        matches!(self, Self::Tile(Tile { kind: Kind::Entries, .. }))
    }

    /// Will it never change?
    pub fn is_for_ever(self) -> bool {
        matches!(self, Self::Tile(_))
    }
}
