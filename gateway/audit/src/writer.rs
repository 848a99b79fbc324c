//! Writes a log: one batch, one write, one fdatasync.
//!
//! The writer is plain and blocking; whoever owns it gives it a thread. What it promises:
//!
//! - [`Writer::commit`] returns `Ok` only when the batch is durable.
//! - After an error the segment is poisoned: it is never written or synced again, because a file system may call pages clean that
//!   it failed to write. The batch goes to a fresh segment that starts at its first index and so overrides whatever the failed
//!   write left behind.
//! - A segment gets its name only when its header and first batch are durable.
//! - A start never goes on in an old segment: it writes the last batch again, into a fresh one, since that batch may be readable
//!   from memory only.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::disk::{Disk, DiskFile, make_folder};
use crate::error::{CommitError, OpenError};
use crate::extents::segment_ids;
use crate::format::{
    BATCH_BYTES_CEILING, BESIDE_BYTES_MAX, BLOCK_BYTES, COMMIT_BYTES, Expected, FRAME_HEAD_BYTES, Framed, Header,
    ORIGIN_BYTES_MAX, batch_bytes, encode_batch, padded, segment_name,
};
use crate::leaf::LEAF_BYTES_MAX;
use crate::plant::{Plant, planted};
use crate::recover::{Found, Torn, recover};

/// A segment that is made in a hurry, after a failure or when none is ready, is no larger than this, in bytes: it fits a disk that
/// is nearly full, and costs little when it is tried again and again.
const HURRIED_SEGMENT_BYTES: u64 = 4 * 1024 * 1024;

/// Zeros are written in pieces of this size, in bytes.
const ZERO_BYTES: usize = 256 * 1024;

const SPARE_PREFIX: &str = "spare-";
const LOCK_NAME: &str = "lock";

/// How to open a log for writing.
#[derive(Debug, Clone)]
pub struct WriterOptions {
    /// The log's folder; made when it is missing.
    pub dir: PathBuf,
    /// Size of a segment, in bytes; rounded up to whole blocks.
    pub segment_bytes: u64,
    /// The most bytes of a batch, with its frames.
    pub batch_bytes_max: u32,
    /// The log's name, at most 1,024 bytes.
    pub origin: String,
    /// So many leaves were acknowledged at least; a log that ends before is refused.
    pub at_least: u64,
    /// So many leaves are in the tree, under a checkpoint that is durable: the segments need not have them any more.
    pub covered: u64,
    /// What lies beside the leaves from this index on may still be wanted, and must be as good as a leaf; [`u64::MAX`] where nothing is.
    pub besides_from: u64,
}

/// Writes a log. Only one exists for a folder at a time.
pub struct Writer {
    disk: Arc<dyn Disk>,
    spares: Arc<SpareMaker>,
    dir: PathBuf,
    origin: String,
    batch_bytes_max: u32,
    next_index: u64,
    next_id: u64,
    active: Option<Active>,
    at: ActiveSegment,
    spare: Option<Spare>,
    scratch: Vec<u8>,
    trouble: Option<io::Error>,
    _lock: Box<dyn Send + Sync>,
}

/// The segment that the writer is at: durable, under its name, and the newest. Others may look while the writer goes on.
#[derive(Debug, Clone, Default)]
pub struct ActiveSegment(Arc<AtomicU64>);

impl ActiveSegment {
    /// Its id; `None` while the disk refuses to take one.
    pub fn id(&self) -> Option<u64> {
        self.0.load(Ordering::Acquire).checked_sub(1)
    }

    fn set(&self, id: Option<u64>) {
        self.0.store(id.map_or(0, |id| id + 1), Ordering::Release);
    }
}

struct Active {
    file: Box<dyn DiskFile>,
    expected: Expected,
    offset: u64,
    size_bytes: u64,
}

/// A zero-filled file that is not yet a segment.
pub struct Spare {
    file: Box<dyn DiskFile>,
    path: PathBuf,
    size_bytes: u64,
}

/// Makes segments ahead. It can be used on another thread than the writer's.
pub struct SpareMaker {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    size_bytes: u64,
    made: AtomicU64,
}

impl SpareMaker {
    /// Makes a file full of durable zeros. On an error nothing is left behind, as far as the disk allows.
    pub fn make(&self) -> io::Result<Spare> {
        self.make_sized(self.size_bytes)
    }

    fn make_sized(&self, size_bytes: u64) -> io::Result<Spare> {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let path = self.dir.join(format!("{SPARE_PREFIX}{number}"));
        let made = self.disk.create(&path).and_then(|file| {
            let zeros = vec![0_u8; usize::try_from(size_bytes).unwrap_or(ZERO_BYTES).min(ZERO_BYTES)];
            let mut at = 0_u64;
            while at < size_bytes {
                let piece = usize::try_from(size_bytes - at).unwrap_or(ZERO_BYTES).min(ZERO_BYTES);
                file.write_all_at(zeros.get(..piece).unwrap_or_default(), at)?;
                at += piece as u64;
            }
            file.sync_data()?;
            Ok(file)
        });
        match made {
            Ok(file) => Ok(Spare { file, path, size_bytes }),
            Err(error) => {
                // The first error is the one to tell.
                let _ = self.disk.remove(&path);
                Err(error)
            }
        }
    }
}

impl Writer {
    /// Opens a log, checks all of it, cuts a torn tail, and begins a fresh segment.
    pub fn open(options: WriterOptions, disk: Arc<dyn Disk>) -> Result<(Self, Option<Torn>), OpenError> {
        let size_bytes = check(&options)?;
        let WriterOptions { dir, batch_bytes_max, origin, at_least, covered, besides_from, .. } = options;
        let at_least = at_least.max(covered);
        let write = |source| OpenError::Write { dir: dir.clone(), source };
        make_folder(&*disk, &dir).map_err(write)?;
        let lock = disk.lock(&dir.join(LOCK_NAME)).map_err(|source| match source.kind() {
            io::ErrorKind::WouldBlock => OpenError::Locked { dir: dir.clone() },
            _ => write(source),
        })?;
        let mut found = recover(&disk, &dir, &origin, covered, besides_from)?;
        if found.next_index() < at_least {
            return Err(OpenError::Short { found: found.next_index(), dir, wanted: at_least });
        }
        remove_spares(&*disk, &dir);
        let (mut first, mut entries) = std::mem::take(&mut found.last);
        if planted(Plant::LastBatch) {
            first += entries.len() as u64;
            entries.clear();
        }
        if planted(Plant::Beside) {
            entries.iter_mut().for_each(|entry| entry.beside.clear());
        }
        // An older log may have had larger batches.
        let last_bytes = u32::try_from(batch_bytes(entries.iter().map(entry_bytes))).unwrap_or(u32::MAX);
        let batch_bytes_max = batch_bytes_max.max(last_bytes);
        let size_bytes = size_bytes.max(least_segment_bytes(batch_bytes_max));
        let mut writer = Self::idle(disk, lock, dir.clone(), origin, batch_bytes_max, size_bytes);
        writer.next_index = first;
        writer.next_id = found.extents.last().map_or(0, |extent| extent.id + 1);
        writer.commit(&entries).map_err(|error| write(error.source))?;
        writer.tidy(&found, first);
        Ok((writer, found.torn))
    }

    /// A writer at index 0 of a log without segments.
    fn idle(
        disk: Arc<dyn Disk>,
        lock: Box<dyn Send + Sync>,
        dir: PathBuf,
        origin: String,
        batch_bytes_max: u32,
        size_bytes: u64,
    ) -> Self {
        let made = AtomicU64::new(0);
        Self {
            spares: Arc::new(SpareMaker { disk: Arc::clone(&disk), dir: dir.clone(), size_bytes, made }),
            next_index: 0,
            next_id: 0,
            active: None,
            at: ActiveSegment::default(),
            spare: None,
            scratch: Vec::new(),
            trouble: None,
            _lock: lock,
            disk,
            dir,
            origin,
            batch_bytes_max,
        }
    }

    /// Begins the segments of a log of which there is a tree and nothing else, as a restored one: one segment that holds leaves
    /// from an index on. The caller knows that they are the last ones of the tree.
    ///
    /// # Errors
    /// There are segments, another process has the log, or the disk fails.
    pub fn seed(
        options: WriterOptions,
        disk: Arc<dyn Disk>,
        first_index: u64,
        leaves: &[Vec<u8>],
    ) -> Result<(), OpenError> {
        let size_bytes = check(&options)?;
        let WriterOptions { dir, batch_bytes_max, origin, .. } = options;
        let write = |source| OpenError::Write { dir: dir.clone(), source };
        make_folder(&*disk, &dir).map_err(write)?;
        let lock = disk.lock(&dir.join(LOCK_NAME)).map_err(write)?;
        if !segment_ids(&*disk, &dir)?.is_empty() {
            return Err(write(io::Error::new(io::ErrorKind::AlreadyExists, "the log has segments")));
        }
        let mut writer = Self::idle(disk, lock, dir.clone(), origin, batch_bytes_max, size_bytes);
        writer.next_index = first_index;
        writer.commit(leaves).map(drop).map_err(|error| write(error.source))
    }

    /// The index that the next leaf gets.
    pub fn next_index(&self) -> u64 {
        self.next_index
    }

    /// The most bytes of a batch, as [`batch_bytes`] counts them.
    pub fn batch_bytes_max(&self) -> usize {
        self.batch_bytes_max as usize
    }

    /// Makes segments ahead for this writer.
    pub fn spare_maker(&self) -> Arc<SpareMaker> {
        Arc::clone(&self.spares)
    }

    /// Has it no segment in reserve?
    pub fn wants_spare(&self) -> bool {
        self.spare.is_none()
    }

    /// Gives it a segment in reserve.
    pub fn give_spare(&mut self, spare: Spare) {
        self.spare = Some(spare);
    }

    /// Commits leaves as one batch, with what lies beside them, and returns the index of the first. No leaves are a batch too: after
    /// an error they make certain that the refused batch is gone.
    ///
    /// When this fails, the disk took the batch neither in the segment at hand nor in a fresh one. The next commit tries a fresh
    /// segment again.
    pub fn commit<F: Framed>(&mut self, leaves: &[F]) -> Result<u64, CommitError> {
        let bytes = batch_bytes(leaves.iter().map(entry_bytes));
        let fits =
            |entry: &F| (1..=LEAF_BYTES_MAX).contains(&entry.leaf().len()) && entry.beside().len() <= BESIDE_BYTES_MAX;
        if !leaves.iter().all(fits) || bytes > self.batch_bytes_max() {
            let source =
                io::Error::new(io::ErrorKind::InvalidInput, "a leaf or the batch has a length that can't be logged");
            return Err(CommitError { uncertain: false, source });
        }
        // Taken out: whatever goes wrong from here on, this segment is not touched again.
        let mut uncertain = false;
        let fits = |active: &Active| active.offset + padded(bytes) as u64 <= active.size_bytes;
        if !self.active.as_ref().is_some_and(fits) {
            self.at.set(None);
        }
        if let Some(active) = self.active.take().filter(fits) {
            match self.extend(active, leaves) {
                Ok(active) => return Ok(self.committed(active, leaves)),
                Err(error) => {
                    self.at.set(None);
                    uncertain = true;
                    self.trouble = Some(error);
                }
            }
        }
        if let Some(spare) = self.spare.take() {
            match self.begin(spare, leaves, &mut uncertain) {
                Ok(active) => return Ok(self.committed(active, leaves)),
                Err(error) => self.trouble = Some(error),
            }
        }
        let hurried = HURRIED_SEGMENT_BYTES.max(least_segment_bytes(self.batch_bytes_max)).min(self.spares.size_bytes);
        let begun = self.spares.make_sized(hurried).and_then(|spare| self.begin(spare, leaves, &mut uncertain));
        match begun {
            Ok(active) => Ok(self.committed(active, leaves)),
            Err(source) => Err(CommitError { uncertain, source }),
        }
    }

    /// The segment that it is at.
    pub fn active_segment(&self) -> ActiveSegment {
        self.at.clone()
    }

    /// What made the writer leave a segment since this was asked last, though the commit may have succeeded in another.
    pub fn take_trouble(&mut self) -> Option<io::Error> {
        self.trouble.take()
    }

    /// Leaves the segment at hand: the next commit begins another, so that this one goes once the tree covers it.
    pub fn leave_segment(&mut self) {
        self.at.set(None);
        self.active = None;
    }

    /// Takes back everything from index `first` on, of the last commit, which nobody was told of. It is overridden by the next
    /// commit, which goes to a fresh segment; only a crash before that may bring it back.
    pub fn take_back(&mut self, first: u64) {
        self.next_index = self.next_index.min(first);
        self.leave_segment();
    }

    fn committed<F: Framed>(&mut self, active: Active, leaves: &[F]) -> u64 {
        let first = self.next_index;
        self.next_index += leaves.len() as u64;
        self.at.set(Some(active.expected.segment));
        self.active = Some(active);
        first
    }

    /// Adds a batch to the segment at hand.
    fn extend<F: Framed>(&mut self, mut active: Active, leaves: &[F]) -> io::Result<Active> {
        self.scratch.clear();
        encode_batch(active.expected, leaves, &mut self.scratch);
        active.file.write_all_at(&self.scratch, active.offset)?;
        active.file.sync_data()?;
        active.offset += self.scratch.len() as u64;
        active.expected.batch += 1;
        active.expected.index += leaves.len() as u64;
        Ok(active)
    }

    /// Turns a spare file into a segment that starts with a batch. Until it has its name, nothing of the batch can be found.
    fn begin<F: Framed>(&mut self, spare: Spare, leaves: &[F], uncertain: &mut bool) -> io::Result<Active> {
        let id = self.next_id;
        self.next_id += 1;
        let header = Header {
            segment: id,
            first_index: self.next_index,
            batch_bytes_max: self.batch_bytes_max,
            origin: self.origin.clone(),
        };
        let mut expected = header.expected();
        self.scratch.clear();
        header.encode(&mut self.scratch);
        encode_batch(expected, leaves, &mut self.scratch);
        let written = spare.file.write_all_at(&self.scratch, 0).and_then(|()| spare.file.sync_data());
        if let Err(error) = written {
            let _ = self.disk.remove(&spare.path);
            return Err(error);
        }
        *uncertain = true;
        self.disk.rename(&spare.path, &self.dir.join(segment_name(id)))?;
        self.disk.sync_dir(&self.dir)?;
        expected.batch = 1;
        expected.index += leaves.len() as u64;
        Ok(Active { file: spare.file, expected, offset: self.scratch.len() as u64, size_bytes: spare.size_bytes })
    }

    /// Gives back the room of what a start has overridden. Nothing depends on it.
    fn tidy(&self, found: &Found, first: u64) {
        for extent in &found.extents {
            let end = extent.end.map_or(first, |end| end.min(first));
            if end <= extent.first {
                let _ = self.disk.remove(&self.dir.join(segment_name(extent.id)));
            }
        }
        if let Some(extent) = found.extents.last().filter(|extent| extent.first < first)
            && let Some(offset) = found.last_offset
        {
            let _ = self.disk.truncate(&self.dir.join(segment_name(extent.id)), offset);
        }
    }
}

fn entry_bytes<F: Framed>(entry: &F) -> usize {
    entry.leaf().len() + entry.beside().len()
}

/// Checks the options; the size of a segment in whole blocks.
fn check(options: &WriterOptions) -> Result<u64, OpenError> {
    let size_bytes = options.segment_bytes.next_multiple_of(BLOCK_BYTES as u64);
    let least = least_segment_bytes(options.batch_bytes_max);
    if size_bytes < least {
        return Err(OpenError::Options(format!("a segment of the audit log needs at least {least} bytes")));
    }
    let batch = options.batch_bytes_max as usize;
    if !(FRAME_HEAD_BYTES + COMMIT_BYTES + 1..=BATCH_BYTES_CEILING).contains(&batch) {
        return Err(OpenError::Options(format!("a batch of the audit log has at most {BATCH_BYTES_CEILING} bytes")));
    }
    if options.origin.is_empty() || options.origin.len() > ORIGIN_BYTES_MAX {
        return Err(OpenError::Options(format!("the audit log's origin has 1 to {ORIGIN_BYTES_MAX} bytes")));
    }
    Ok(size_bytes)
}

fn least_segment_bytes(batch_bytes_max: u32) -> u64 {
    (BLOCK_BYTES + padded(batch_bytes_max as usize)) as u64
}

/// Removes what an earlier process made ahead: nobody knows how far it got.
fn remove_spares(disk: &dyn Disk, dir: &Path) {
    for name in disk.list(dir).unwrap_or_default() {
        if name.starts_with(SPARE_PREFIX) {
            let _ = disk.remove(&dir.join(name));
        }
    }
}
