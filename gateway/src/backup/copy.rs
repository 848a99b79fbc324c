//! Copying files with their digests, and making a whole folder durable.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use aws_lc_rs::digest::{Context, SHA256};

use super::{BackupError, manifest::FileEntry};
use crate::{folders::PRIVATE_FILE_MODE, model::hex::hex};

/// Files are read in pieces of this size.
const PIECE_BYTES: usize = 1024 * 1024;

/// Copies a file under a new name, and says what it is. It is not synced.
pub(super) fn copy(from: &Path, into: &Path, path: String) -> io::Result<FileEntry> {
    let source = File::open(from)?;
    let mut target = OpenOptions::new().write(true).create_new(true).mode(PRIVATE_FILE_MODE).open(into)?;
    let (bytes, sha256) = pass(source, |piece| target.write_all(piece))?;
    Ok(FileEntry { path, bytes, sha256 })
}

/// What a file is.
pub(super) fn entry(file: &Path, path: String) -> io::Result<FileEntry> {
    let (bytes, sha256) = pass(File::open(file)?, |_| Ok(()))?;
    Ok(FileEntry { path, bytes, sha256 })
}

fn pass(mut source: File, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<(u64, String)> {
    let mut piece = vec![0; PIECE_BYTES];
    let mut digest = Context::new(&SHA256);
    let mut bytes = 0;
    loop {
        let count = match source.read(&mut piece) {
            Ok(0) => return Ok((bytes, hex(digest.finish().as_ref()))),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let read = piece.get(..count).unwrap_or_default();
        digest.update(read);
        each(read)?;
        bytes += count as u64;
    }
}

/// Makes everything durable that was written to the file system of a folder since it was opened.
pub(super) struct Durable(File);

impl Durable {
    pub(super) fn watch(folder: &Path) -> Result<Self, BackupError> {
        File::open(folder).map(Self).map_err(|error| BackupError::file(folder, &error))
    }

    pub(super) fn sync(&self, folder: &Path) -> Result<(), BackupError> {
        rustix::fs::syncfs(&self.0).map_err(|error| BackupError::file(folder, &error))
    }
}

/// Makes the names in the folder of a path durable.
pub(super) fn sync_parent(path: &Path) -> Result<(), BackupError> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent).and_then(|folder| folder.sync_all()).map_err(|error| BackupError::file(parent, &error))
}

/// Writes a file whole or not at all, in place of an older one.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), BackupError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let unfinished = path.with_file_name(name);
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(PRIVATE_FILE_MODE)
        .open(&unfinished)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&unfinished, path));
    written.map_err(|error| BackupError::file(path, &error))?;
    sync_parent(path)
}
