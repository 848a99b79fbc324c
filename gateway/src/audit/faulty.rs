//! A disk that fails when it is told to. For tests: of the log, and of the whole gateway.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pressgate_audit::{Disk, DiskFile, RealDisk, Space};

/// How a [`FaultyDisk`] fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Fault {
    /// Not at all.
    None = 0,
    /// ENOSPC on every write, as on thin or copy-on-write volumes.
    Full = 1,
    /// EROFS: nothing can be made, written, renamed or removed. Syncs work.
    ReadOnly = 2,
    /// EIO on every write.
    WriteError = 3,
    /// Writes work, and every sync is EIO. The bytes stay readable, as they do on a real disk that fails so.
    SyncError = 4,
    /// ENOSPC for whatever needs new room; what was made ahead is still written, so the log goes on until its reserve is used up.
    FullForNew = 5,
    /// Writes work, and a sync does not return before the fault is over.
    Hang = 6,
    /// Every sync takes a tenth of a second.
    Slow = 7,
}

/// How long a slow sync takes.
const SLOW_SYNC: Duration = Duration::from_millis(100);

/// How often a sync that hangs looks whether the fault is over.
const HANG_LOOK_EVERY: Duration = Duration::from_millis(5);

/// A disk for tests that can be made to fail while it is in use. Clones are the same disk.
#[derive(Clone)]
pub struct FaultyDisk {
    inner: Arc<dyn Disk>,
    fault: Arc<AtomicU8>,
    space: Arc<Mutex<Option<Space>>>,
}

impl FaultyDisk {
    /// A disk in good order, on the machine's own file system.
    pub fn new() -> Self {
        Self { inner: Arc::new(RealDisk), fault: Arc::default(), space: Arc::default() }
    }

    /// Fails in this way from now on.
    pub fn set(&self, fault: Fault) {
        self.fault.store(fault as u8, Ordering::SeqCst);
    }

    /// Says that it has this room, whatever it has; none is the truth again.
    pub fn set_space(&self, space: Option<Space>) {
        *self.space.lock().unwrap_or_else(PoisonError::into_inner) = space;
    }

    /// How it fails now.
    pub fn fault(&self) -> Fault {
        fault(&self.fault)
    }

    /// An operation that needs new room or changes a folder.
    fn change(&self) -> io::Result<()> {
        match self.fault() {
            Fault::Full | Fault::FullForNew => Err(io::ErrorKind::StorageFull.into()),
            Fault::ReadOnly => Err(io::ErrorKind::ReadOnlyFilesystem.into()),
            Fault::WriteError => Err(input_output_error()),
            Fault::None | Fault::SyncError | Fault::Hang | Fault::Slow => Ok(()),
        }
    }

    /// An operation on names or lengths, which needs no room to speak of.
    fn rearrange(&self) -> io::Result<()> {
        match self.fault() {
            Fault::Full | Fault::FullForNew => Ok(()),
            _ => self.change(),
        }
    }
}

impl Default for FaultyDisk {
    fn default() -> Self {
        Self::new()
    }
}

fn fault(switch: &AtomicU8) -> Fault {
    match switch.load(Ordering::SeqCst) {
        1 => Fault::Full,
        2 => Fault::ReadOnly,
        3 => Fault::WriteError,
        4 => Fault::SyncError,
        5 => Fault::FullForNew,
        6 => Fault::Hang,
        7 => Fault::Slow,
        _ => Fault::None,
    }
}

fn input_output_error() -> io::Error {
    io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error())
}

impl Disk for FaultyDisk {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.inner.create_dir_all(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.inner.list(dir)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.change()?;
        Ok(Box::new(FaultyFile { inner: self.inner.create(path)?, fault: Arc::clone(&self.fault) }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.inner.open(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.rearrange()?;
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.rearrange()?;
        self.inner.remove(path)
    }

    fn truncate(&self, path: &Path, len_bytes: u64) -> io::Result<()> {
        self.rearrange()?;
        self.inner.truncate(path, len_bytes)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        match self.fault() {
            Fault::SyncError => Err(input_output_error()),
            _ => self.inner.sync_dir(dir),
        }
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        self.inner.lock(path)
    }

    fn space(&self, dir: &Path) -> io::Result<Space> {
        let set = *self.space.lock().unwrap_or_else(PoisonError::into_inner);
        set.map_or_else(|| self.inner.space(dir), Ok)
    }
}

struct FaultyFile {
    inner: Box<dyn DiskFile>,
    fault: Arc<AtomicU8>,
}

impl DiskFile for FaultyFile {
    fn read_at(&self, into: &mut [u8], offset_bytes: u64) -> io::Result<usize> {
        self.inner.read_at(into, offset_bytes)
    }

    fn write_all_at(&self, bytes: &[u8], offset_bytes: u64) -> io::Result<()> {
        match fault(&self.fault) {
            Fault::Full => Err(io::ErrorKind::StorageFull.into()),
            Fault::FullForNew if offset_bytes + bytes.len() as u64 > self.inner.len_bytes()? => {
                Err(io::ErrorKind::StorageFull.into())
            }
            Fault::ReadOnly => Err(io::ErrorKind::ReadOnlyFilesystem.into()),
            Fault::WriteError => Err(input_output_error()),
            Fault::None | Fault::FullForNew | Fault::SyncError | Fault::Hang | Fault::Slow => {
                self.inner.write_all_at(bytes, offset_bytes)
            }
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        while fault(&self.fault) == Fault::Hang {
            std::thread::sleep(HANG_LOOK_EVERY);
        }
        match fault(&self.fault) {
            Fault::SyncError => Err(input_output_error()),
            Fault::Slow => {
                std::thread::sleep(SLOW_SYNC);
                self.inner.sync_data()
            }
            _ => self.inner.sync_data(),
        }
    }

    fn len_bytes(&self) -> io::Result<u64> {
        self.inner.len_bytes()
    }
}
