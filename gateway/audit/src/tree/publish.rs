//! Writes a tree: files, then the checkpoint, then its second copy.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{CHECKPOINT, Frontier};
use crate::disk::{Disk, DiskFile, sync_many};
use crate::note::{Checkpoint, Signer};
use crate::tile::{TILE_WIDTH, Tile};

/// A tree on a disk, and its one writer.
pub struct Tree {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) log_dir: PathBuf,
    pub(super) dir: PathBuf,
    pub(super) second: PathBuf,
    pub(super) origin: String,
    pub(super) frontier: Frontier,
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
        let unsure = std::mem::replace(&mut self.unsure, true);
        self.write_files(unsure)?;
        write_note(&*self.disk, &self.dir.join(CHECKPOINT), &note)?;
        write_note(&*self.disk, &self.second, &note)?;
        self.unsure = false;
        self.published = checkpoint.size;
        self.remove_superseded();
        self.frontier.forget_full();
        Ok(Published { checkpoint, note })
    }

    fn write_files(&mut self, unsure: bool) -> io::Result<()> {
        // Opened before anything is written: it hears of every failure from here on.
        let whole = self.disk.watch(&self.dir)?;
        let partial = self.frontier.partial();
        let mut files: Vec<Box<dyn DiskFile>> = Vec::new();
        let mut folders = BTreeSet::new();
        for (tile, bytes) in self.frontier.full().iter().chain(&partial) {
            let path = self.dir.join(tile.path());
            let folder = path.parent().unwrap_or(&self.dir);
            if !self.folders.contains(folder) {
                self.disk.create_dir_all(folder)?;
            }
            // A new folder is a name in the one above, up to the log's own.
            let above = folder.ancestors().take_while(|above| above.starts_with(&self.log_dir));
            for (folder, below) in above.zip(std::iter::once(None).chain(folder.ancestors().map(Some))) {
                if below.is_none_or(|below| !self.folders.contains(below)) {
                    folders.insert(folder.to_owned());
                }
            }
            if unsure {
                remove_old(&*self.disk, &path)?;
            }
            let file = self.disk.create(&path)?;
            file.write_all_at(bytes, 0)?;
            files.push(file);
        }
        let folders: Vec<PathBuf> = folders.into_iter().collect();
        sync_many(&*self.disk, whole.as_ref(), &files, &folders)?;
        // Only now are they known to stay.
        self.folders.extend(folders);
        Ok(())
    }

    /// Partial files go once the full one is there and covered. They are in nobody's way, so a failure is left alone.
    fn remove_superseded(&self) {
        for (tile, _) in self.frontier.full() {
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

fn remove_old(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Replaces a checkpoint: after a crash there is the old one or the new one, whole.
fn write_note(disk: &dyn Disk, path: &Path, note: &str) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    // A sync of an older one of that name may have failed.
    remove_old(disk, &new)?;
    let file = disk.create(&new)?;
    file.write_all_at(note.as_bytes(), 0)?;
    file.sync_data()?;
    disk.rename(&new, path)?;
    disk.sync_dir(path.parent().unwrap_or(Path::new("/")))
}
