//! What the log asks of a disk, and the real one. Tests put a simulated or a failing disk in its place.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A folder's worth of disk. Every durable step is explicit: nothing is durable before the matching `sync_*` returned `Ok`.
pub trait Disk: Send + Sync {
    /// Makes a folder and its parents, where they are missing.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;
    /// The names of the files in a folder, in no order.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Makes a file for reading and writing; an older one of that name is emptied.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Opens a file for reading.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Gives a file another name, replacing a file of that name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty folder. Nothing depends on it.
    fn remove_dir(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }
    /// Cuts a file to `len_bytes`.
    fn truncate(&self, path: &Path, len_bytes: u64) -> io::Result<()>;
    /// Makes the names in a folder durable (fsync of the folder).
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// A handle that hears of every failure to write in the file system of a folder from now on, for [`sync_many`]; `None` where
    /// there is none, and each file is synced for itself.
    fn watch(&self, _dir: &Path) -> io::Result<Option<File>> {
        Ok(None)
    }
    /// Takes the exclusive lock of a file, made where it is missing. The error is `WouldBlock` when somebody else has it. The
    /// lock ends when the guard is dropped or the process ends.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>>;
    /// The room of the file system that a folder is on. The error is `Unsupported` where the disk can't tell.
    fn space(&self, dir: &Path) -> io::Result<Space> {
        let _ = dir;
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// The room of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// What this process may still take, in bytes.
    pub free_bytes: u64,
    /// All of it, in bytes.
    pub total_bytes: u64,
}

/// An open file.
pub trait DiskFile: Send + Sync {
    /// Reads at an offset; fewer bytes than asked only at the end of the file.
    fn read_at(&self, into: &mut [u8], offset_bytes: u64) -> io::Result<usize>;
    /// Writes all bytes at an offset.
    fn write_all_at(&self, bytes: &[u8], offset_bytes: u64) -> io::Result<()>;
    /// Makes what was written durable (fdatasync).
    fn sync_data(&self) -> io::Result<()>;
    /// The file's length in bytes.
    fn len_bytes(&self) -> io::Result<u64>;
}

/// From so many files on, one sync of the whole file system is quicker than one for each.
const SYNC_TOGETHER_LEAST: usize = 32;

/// Makes files and the names in their folders durable. `whole` is what [`Disk::watch`] gave before the first of them was written.
///
/// # Errors
/// Any of them may not be durable.
pub fn sync_many(
    disk: &dyn Disk,
    whole: Option<&File>,
    files: &[Box<dyn DiskFile>],
    folders: &[PathBuf],
) -> io::Result<()> {
    if let Some(whole) = whole.filter(|_| files.len() >= SYNC_TOGETHER_LEAST) {
        return Ok(rustix::fs::syncfs(whole)?);
    }
    files.iter().try_for_each(|file| file.sync_data())?;
    folders.iter().try_for_each(|folder| disk.sync_dir(folder))
}

/// Makes a folder, and makes it durable before anything is put into it; the one above it is there for good. One that has something
/// in it was made so.
///
/// # Errors
/// The folder may not stay; the next attempt makes it anew.
pub fn make_folder(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    if disk.list(folder).is_ok_and(|names| !names.is_empty()) {
        return Ok(());
    }
    match disk.remove_dir(folder).map_err(|error| (error.kind(), error)) {
        Err((io::ErrorKind::DirectoryNotEmpty, _)) => return Ok(()),
        // A mount point, or a folder that somebody else made for us.
        Ok(()) | Err((io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied | io::ErrorKind::ResourceBusy, _)) => {}
        Err((_, error)) => return Err(error),
    }
    disk.create_dir_all(folder)?;
    let above = folder.parent().map(|above| if above.as_os_str().is_empty() { Path::new(".") } else { above });
    let synced = above.map_or(Ok(()), |above| disk.sync_dir(above));
    if synced.is_err() {
        // A later sync would not tell that this one failed.
        let _ = disk.remove_dir(folder);
    }
    synced
}

/// The machine's own file system.
#[derive(Debug, Default, Clone, Copy)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        // The log is its owner's alone, like the folder that it lies in.
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            // A name that is not UTF-8 is not one of ours.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true).mode(0o600);
        Ok(Box::new(options.open(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(File::open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        fs::remove_dir(dir)
    }

    fn watch(&self, dir: &Path) -> io::Result<Option<File>> {
        File::open(dir).map(Some)
    }

    fn truncate(&self, path: &Path, len_bytes: u64) -> io::Result<()> {
        OpenOptions::new().write(true).open(path)?.set_len(len_bytes)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(file)),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn space(&self, dir: &Path) -> io::Result<Space> {
        let found = rustix::fs::statvfs(dir)?;
        // What is kept back for root is not ours.
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Ok(Space { free_bytes: bytes(found.f_bavail), total_bytes: bytes(found.f_blocks) })
    }
}

impl DiskFile for File {
    fn read_at(&self, into: &mut [u8], offset_bytes: u64) -> io::Result<usize> {
        let mut done = 0;
        while let Some(rest) = into.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match FileExt::read_at(self, rest, offset_bytes + done as u64) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_all_at(&self, bytes: &[u8], offset_bytes: u64) -> io::Result<()> {
        FileExt::write_all_at(self, bytes, offset_bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        File::sync_data(self)
    }

    fn len_bytes(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}
