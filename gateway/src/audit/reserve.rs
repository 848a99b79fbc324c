//! The emergency reserve: a file in the log's folder that holds room, and gives it back when the disk is full, so that refusals,
//! votes and what operators do can still be recorded.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pressgate_audit::Disk;

/// Name of the file. It holds nothing that anybody needs.
const NAME: &str = "emergency-reserve";
/// It is written, and made durable, in pieces of this size, so that no commit waits long behind it.
const PIECE_BYTES: u64 = 4 * 1024 * 1024;

/// The file that holds the room.
pub(super) struct Emergency {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    path: PathBuf,
    size_bytes: u64,
}

impl Emergency {
    pub(super) fn new(disk: Arc<dyn Disk>, dir: &Path, size_bytes: u64) -> Self {
        Self { disk, dir: dir.to_owned(), path: dir.join(NAME), size_bytes }
    }

    /// How much room it is to hold, in bytes.
    pub(super) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Is there one of the right size, from an earlier process perhaps? A crash may have left a short one.
    pub(super) fn is_whole(&self) -> bool {
        if self.size_bytes == 0 {
            return true;
        }
        self.disk.open(&self.path).and_then(|file| file.len_bytes()).is_ok_and(|bytes| bytes == self.size_bytes)
    }

    /// Takes the room. On an error nothing is left behind, as far as the disk allows.
    pub(super) fn make(&self) -> io::Result<()> {
        if self.size_bytes == 0 {
            return Ok(());
        }
        let made = self.fill();
        if made.is_err() {
            // The first error is the one to tell.
            let _ = self.disk.remove(&self.path);
        }
        made
    }

    fn fill(&self) -> io::Result<()> {
        let file = self.disk.create(&self.path)?;
        let piece = noise(usize::try_from(self.size_bytes.min(PIECE_BYTES)).unwrap_or_default());
        let mut at = 0;
        while at < self.size_bytes {
            let rest = usize::try_from(self.size_bytes - at).unwrap_or(usize::MAX).min(piece.len());
            file.write_all_at(piece.get(..rest).unwrap_or_default(), at)?;
            file.sync_data()?;
            at += rest as u64;
        }
        self.disk.sync_dir(&self.dir)
    }

    /// Gives the room back; false where there was none to give.
    pub(super) fn free(&self) -> bool {
        self.size_bytes > 0 && self.discard().is_ok()
    }

    /// Removes the file, whatever its size.
    pub(super) fn discard(&self) -> io::Result<()> {
        self.disk.remove(&self.path)
    }
}

/// Bytes that no file system makes smaller (xorshift; nothing secret about them).
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut noise = Vec::with_capacity(bytes + 8);
    while noise.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise.extend(state.to_le_bytes());
    }
    noise.truncate(bytes);
    noise
}

#[cfg(test)]
mod tests {
    use pressgate_audit::RealDisk;

    use super::*;

    #[test]
    fn it_holds_room_until_it_is_freed() {
        let dir = tempfile::tempdir().unwrap();
        let size_bytes = PIECE_BYTES + 100;
        let emergency = Emergency::new(Arc::new(RealDisk), dir.path(), size_bytes);
        assert!(!emergency.is_whole() && !emergency.free());
        emergency.make().unwrap();
        assert!(emergency.is_whole());
        let larger = Emergency::new(Arc::new(RealDisk), dir.path(), size_bytes + 1);
        assert!(!larger.is_whole(), "the setting was changed");
        assert!(emergency.free() && !emergency.is_whole());
        let none = Emergency::new(Arc::new(RealDisk), dir.path(), 0);
        assert!(none.is_whole() && none.make().is_ok() && !none.free());
    }
}
