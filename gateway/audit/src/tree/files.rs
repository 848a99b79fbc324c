//! Reading the files of a tree.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{CHECKPOINT, TreeError};
use crate::disk::Disk;
use crate::leaf::LEAF_BYTES_MAX;
use crate::merkle::{Hash, Subtrees, leaf_hash};
use crate::note::{Checkpoint, NOTE_BYTES_MAX, Note};
use crate::tile::{Kind, TILE_HEIGHT, TILE_WIDTH, Tile, entries, fold, hashes};

/// No file of a tree is longer, in bytes: a bundle of the longest leaves.
const FILE_BYTES_MAX: u64 = TILE_WIDTH * (LEAF_BYTES_MAX as u64 + 2);
/// How many tiles are kept in memory.
const TILES_KEPT_MAX: usize = 1024;

/// The files of a tree of a given size, read when they are needed.
pub struct TreeFiles {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    size: u64,
    kept: BTreeMap<(u8, u64), Vec<Hash>>,
}

impl TreeFiles {
    /// The files of the tree of the first `size` leaves in a folder.
    pub fn new(disk: Arc<dyn Disk>, dir: &Path, size: u64) -> Self {
        Self { disk, dir: dir.to_owned(), size, kept: BTreeMap::new() }
    }

    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The path of a file.
    pub fn path(&self, tile: Tile) -> PathBuf {
        self.dir.join(tile.path())
    }

    /// The file that a tree of this size has there; `None` beyond its end.
    pub fn tile_at(&self, kind: Kind, index: u64) -> Option<Tile> {
        Tile::of_size(kind, index, self.size).next()
    }

    /// The bytes of a file. A partial one may have gone since the full one exists; then that is read.
    pub fn bytes(&self, tile: Tile) -> Result<(Tile, Vec<u8>), TreeError> {
        let path = self.path(tile);
        match read(&*self.disk, &path, FILE_BYTES_MAX) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !tile.is_full() => {
                let full = tile.full();
                match read(&*self.disk, &self.path(full), FILE_BYTES_MAX) {
                    Ok(bytes) => Ok((full, bytes)),
                    // The smaller one is what is missed.
                    Err(_) => Err(failed(path, error)),
                }
            }
            Err(error) => Err(failed(path, error)),
            Ok(bytes) => Ok((tile, bytes)),
        }
    }

    /// The hashes of a tile, as many as this size has there.
    pub fn hashes(&self, level: u8, index: u64) -> Result<Vec<Hash>, TreeError> {
        let wanted = self.known(Kind::Hashes(level), index)?;
        let (tile, bytes) = self.bytes(wanted)?;
        let damaged = || damaged(self.path(tile), "it has not as many hashes as it must have");
        let mut all = hashes(&bytes, tile.width).ok_or_else(damaged)?;
        all.truncate(usize::from(wanted.width));
        Ok(all)
    }

    /// The leaves of a bundle, as many as this size has there, each checked against its hash in the tile above.
    pub fn leaves(&self, index: u64) -> Result<Vec<Vec<u8>>, TreeError> {
        let wanted = self.known(Kind::Entries, index)?;
        let (tile, bytes) = self.bytes(wanted)?;
        let hashes = self.hashes(0, index)?;
        let leaves = entries(&bytes, tile.width)
            .ok_or_else(|| damaged(self.path(tile), "it has not as many leaves as it must have"))?;
        let mut all = Vec::with_capacity(hashes.len());
        for (place, (leaf, hash)) in leaves.into_iter().zip(&hashes).enumerate() {
            if leaf_hash(leaf) != *hash {
                let leaf = index * TILE_WIDTH + place as u64;
                return Err(damaged(
                    self.path(tile),
                    &format!("leaf {leaf} does not have the hash that is in the tree"),
                ));
            }
            all.push(leaf.to_vec());
        }
        Ok(all)
    }

    fn known(&self, kind: Kind, index: u64) -> Result<Tile, TreeError> {
        let beyond = || damaged(self.path(Tile::new(kind, index, 1)), "it lies beyond the end of the tree");
        self.tile_at(kind, index).ok_or_else(beyond)
    }
}

impl Subtrees for TreeFiles {
    type Error = TreeError;

    fn subtree(&mut self, level: u8, index: u64) -> Result<Hash, TreeError> {
        let (tile_level, below) = (level / TILE_HEIGHT, level % TILE_HEIGHT);
        let first = index << below;
        let tile = first / TILE_WIDTH;
        let all = match self.kept.get(&(tile_level, tile)) {
            Some(all) => all,
            None => {
                let all = self.hashes(tile_level, tile)?;
                if self.kept.len() >= TILES_KEPT_MAX {
                    self.kept.clear();
                }
                self.kept.entry((tile_level, tile)).or_insert(all)
            }
        };
        let from = usize::try_from(first % TILE_WIDTH).unwrap_or(usize::MAX);
        let root = all.get(from..from + (1 << below)).and_then(fold);
        let beyond = || damaged(self.dir.clone(), "a hash beyond the end of the tree was asked for");
        root.ok_or_else(beyond)
    }
}

/// A whole file, of at most so many bytes.
pub(crate) fn read(disk: &dyn Disk, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let file = disk.open(path)?;
    let length = file.len_bytes()?;
    if length > bytes_max {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the file is longer than it can be"));
    }
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    let count = file.read_at(&mut bytes, 0)?;
    bytes.truncate(count);
    Ok(bytes)
}

/// The bytes of a checkpoint file; `None` where there is none.
pub fn read_checkpoint(disk: &dyn Disk, path: &Path) -> Result<Option<Vec<u8>>, TreeError> {
    match read(disk, path, NOTE_BYTES_MAX as u64) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(TreeError::Io { file: path.to_owned(), source }),
    }
}

/// What the checkpoint in a tree's folder says, unchecked; 0 where there is none that can be read. For finding leaves, not for
/// trusting them.
pub(crate) fn stated_size(disk: &dyn Disk, tree_dir: &Path) -> u64 {
    let bytes = read_checkpoint(disk, &tree_dir.join(CHECKPOINT)).ok().flatten();
    let note = bytes.and_then(|bytes| Note::parse(&bytes).ok());
    note.and_then(|note| Checkpoint::parse(&note.text).ok()).map_or(0, |checkpoint| checkpoint.size)
}

fn failed(file: PathBuf, source: io::Error) -> TreeError {
    match source.kind() {
        io::ErrorKind::NotFound => damaged(file, "it is missing"),
        io::ErrorKind::InvalidData => damaged(file, "it is longer than it can be"),
        _ => TreeError::Io { file, source },
    }
}

pub(super) fn damaged(file: PathBuf, why: &str) -> TreeError {
    TreeError::Damaged { file, why: why.to_owned() }
}
