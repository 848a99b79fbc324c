//! Writes a tree: files, then the checkpoint, then its second copy.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{CHECKPOINT, Frontier};
use crate::disk::{Disk, DiskFile, make_folder, sync_many};
use crate::note::{Checkpoint, Signer};
use crate::plant::{Plant, planted};
use crate::tile::{TILE_WIDTH, Tile};

/// A tree on a disk, and its one writer.
pub struct Tree {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) log_dir: PathBuf,
    pub(super) dir: PathBuf,
    pub(super) second: PathBuf,
    pub(super) origin: String,
    pub(super) frontier: Frontier,
    /// So many leaves are in durable files, which a checkpoint may count on: these stay as they are.
    pub(super) covered: u64,
    /// The size of the last checkpoint that is durable in both places.
    pub(super) published: u64,
    /// Folders that are there.
    pub(super) folders: BTreeSet<PathBuf>,
    /// Files of these names may be there, and a sync of them may have failed.
    pub(super) unsure: bool,
}

/// A checkpoint that is durable in both places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// What it says.
    pub checkpoint: Checkpoint,
    /// The signed note.
    pub note: String,
}

impl Tree {
    /// How many leaves were added.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// How many leaves the last checkpoint covers that is durable in both places.
    pub fn published(&self) -> u64 {
        self.published
    }

    /// Bytes that wait for [`Tree::publish`].
    pub fn waiting_bytes(&self) -> usize {
        self.frontier.full_bytes()
    }

    /// Adds the next leaf, which is durable in the write-ahead log.
    pub fn push(&mut self, leaf: &[u8]) {
        self.frontier.push(leaf);
    }

    /// Makes all that was added durable, and a checkpoint of it, signed with each of the keys. After an error nothing is lost: the
    /// next call writes the same files again, as new files.
    ///
    /// # Errors
    /// What the disk said.
    pub fn publish(&mut self, keys: &[&Signer], time_s: u64) -> io::Result<Published> {
        let checkpoint =
            Checkpoint { origin: self.origin.clone(), size: self.frontier.size(), root: self.frontier.root() };
        let note = checkpoint.sign(keys, time_s);
        self.write_files()?;
        // From here on a checkpoint may count on them, also one that seems to fail.
        self.covered = checkpoint.size;
        self.unsure = false;
        let full = self.frontier.take_full();
        replace(&*self.disk, &self.dir.join(CHECKPOINT), &note)?;
        self.remove_superseded(&full);
        replace(&*self.disk, &self.second, &note)?;
        self.published = checkpoint.size;
        Ok(Published { checkpoint, note })
    }

    fn write_files(&mut self) -> io::Result<()> {
        let partial = self.frontier.partial();
        // What a checkpoint may count on is never touched.
        let new = |tile: &Tile| Tile::of_size(tile.kind, tile.index, self.covered).next() != Some(*tile);
        let wanted: Vec<(PathBuf, &[u8])> = self
            .frontier
            .full()
            .iter()
            .chain(&partial)
            .filter(|(tile, _)| new(tile))
            .map(|(tile, bytes)| (self.dir.join(tile.path()), bytes.as_slice()))
            .collect();
        let parents = wanted.iter().filter_map(|(path, _)| path.parent());
        for folder in std::iter::once(self.dir.as_path()).chain(parents) {
            ensure_folder(&*self.disk, &mut self.folders, &self.log_dir, folder)?;
        }
        let unsure = std::mem::replace(&mut self.unsure, true);
        // Opened before anything is written: it hears of every failure from here on.
        let whole = self.disk.watch(&self.dir)?;
        let mut files: Vec<Box<dyn DiskFile>> = Vec::with_capacity(wanted.len());
        let mut folders = BTreeSet::new();
        for (path, bytes) in wanted {
            if planted(Plant::TilesTrusted) {
                if self.disk.open(&path).is_ok() {
                    continue;
                }
            } else if unsure {
                remove_old(&*self.disk, &path)?;
            }
            let file = self.disk.create(&path)?;
            file.write_all_at(bytes, 0)?;
            files.push(file);
            folders.extend(path.parent().map(Path::to_owned));
        }
        if planted(Plant::TilesUnsynced) {
            return Ok(());
        }
        let folders: Vec<PathBuf> = folders.into_iter().collect();
        sync_many(&*self.disk, whole.as_ref(), &files, &folders)
    }

    /// Partial files go once the full one is there and covered. They are in nobody's way, so a failure is left alone.
    fn remove_superseded(&self, full: &[(Tile, Vec<u8>)]) {
        for (tile, _) in full {
            let Some(folder) = partial_folder(&self.dir, *tile) else { continue };
            let Ok(names) = self.disk.list(&folder) else { continue };
            for name in names {
                let _ = self.disk.remove(&folder.join(name));
            }
            let _ = self.disk.remove_dir(&folder);
        }
    }
}

/// The folder of the partial forms of a tile.
fn partial_folder(dir: &Path, tile: Tile) -> Option<PathBuf> {
    let partial = Tile { width: (TILE_WIDTH - 1) as u16, ..tile };
    dir.join(partial.path()).parent().map(Path::to_owned)
}

/// Makes folders durable, below `top`, before anything is put into them.
fn ensure_folder(disk: &dyn Disk, known: &mut BTreeSet<PathBuf>, top: &Path, folder: &Path) -> io::Result<()> {
    if folder == top || known.contains(folder) {
        return Ok(());
    }
    ensure_folder(disk, known, top, folder.parent().unwrap_or(top))?;
    make_folder(disk, folder)?;
    known.insert(folder.to_owned());
    Ok(())
}

fn remove_old(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Replaces a file: after a crash there is the old one or the new one, whole.
pub(super) fn replace(disk: &dyn Disk, path: &Path, text: &str) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    // A sync of an older one of that name may have failed.
    remove_old(disk, &new)?;
    let file = disk.create(&new)?;
    file.write_all_at(text.as_bytes(), 0)?;
    file.sync_data()?;
    disk.rename(&new, path)?;
    disk.sync_dir(path.parent().unwrap_or(Path::new("/")))
}
