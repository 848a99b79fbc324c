//! The writer of the audit log: leaves in, durable indices out. The format is in package `pressgate-audit`.
//!
//! One thread commits whatever queued while the last commit ran: one write, one fdatasync, then all who waited are told. A second
//! thread makes the next segment ahead and sees to room. When the disk fails and a fresh segment can't be made either, the log is
//! blocked: whoever waits and whoever comes is refused at once, and a probe looks four times a second whether the disk is back. A
//! third thread watches: where the disk hangs, nobody waits for it longer than a bound. The states are in [`states`].

mod faulty;
mod kept;
mod measures;
mod queue;
mod reserve;
mod room;
mod signing;
pub mod states;
mod threads;
mod tree;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tree_tests;

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use faulty::{Fault, FaultyDisk};
pub use kept::TreeFile;
pub use pressgate_audit::leaf;
pub use pressgate_audit::{
    BESIDE_BYTES_MAX, Disk, DiskFile, Event, Inspection, Leaf, LeafError, LogReader, OpenError, Picker, Place,
    ReadError, RealDisk, Space, Torn, inspect, segments_from,
};
use pressgate_audit::{
    Writer, WriterOptions,
    note::Verifier,
    tree::{Tree, TreeError, TreeOptions},
};
pub use signing::SigningKeys;
pub use tree::{AuditTree, TreeStatus};

pub use states::AuditHealth;

use queue::{Bounds, Shared};
use reserve::Emergency;
use room::Room;
use threads::Threads;
use tokio::sync::watch;
use tree::{Grower, TreeThread};

use crate::metrics::Page;

/// The usual size of a segment, in bytes.
pub const SEGMENT_BYTES_DEFAULT: u64 = 64 * 1024 * 1024;
/// The usual bound on appends that wait.
pub const QUEUE_MAX_DEFAULT: usize = 16_384;
/// The largest usual emergency reserve, in bytes; four segments where that is less.
pub const RESERVE_BYTES_DEFAULT: u64 = 256 * 1024 * 1024;
/// A commit that takes longer is slow.
pub const SLOW_AFTER_DEFAULT: Duration = Duration::from_millis(50);
/// Nobody waits longer for a disk that makes nothing durable.
pub const BLOCKED_AFTER_DEFAULT: Duration = Duration::from_secs(2);
/// With less than this share of the disk free nothing is sent, in per cent.
pub const LOW_DISK_PERCENT_DEFAULT: u8 = 5;

/// The most bytes of a batch, with its frames; less in small segments.
const BATCH_BYTES_MAX: u64 = 1024 * 1024;
/// The least that a batch may take in bytes: the largest leaf fits.
const BATCH_BYTES_LEAST: u64 = 128 * 1024;

/// How to open a log.
#[derive(Debug)]
pub struct AuditOptions {
    /// The log's folder; made when it is missing.
    pub dir: PathBuf,
    /// Size of a segment, in bytes; at least 132 KiB.
    pub segment_bytes: u64,
    /// How many appends may wait for the writer.
    pub queue_max: usize,
    /// The log's name, written into each segment: `<organisation>/audit/<node>`.
    pub origin: String,
    /// So many leaves were acknowledged at least: a log that ends before is refused, unchanged.
    pub at_least: u64,
    /// What lies beside the leaves from this index on is still wanted; [`u64::MAX`] where nothing is.
    pub besides_from: u64,
    /// The tree that is published of it. Without one the segments stay for ever and nobody can verify the log.
    pub tree: Option<AuditTree>,
    /// Size of the emergency reserve, in bytes; none for 0.
    pub reserve_bytes: u64,
    /// A commit that takes longer is slow.
    pub slow_after: Duration,
    /// Nobody waits longer for a disk that makes nothing durable.
    pub blocked_after: Duration,
    /// With less than this share of the disk free the log is low on disk, in per cent; always with less than two segments.
    pub low_disk_percent: u8,
}

impl AuditOptions {
    /// The usual options.
    pub fn new(dir: impl Into<PathBuf>, origin: impl Into<String>) -> Self {
        Self {
            dir: dir.into(),
            segment_bytes: SEGMENT_BYTES_DEFAULT,
            queue_max: QUEUE_MAX_DEFAULT,
            origin: origin.into(),
            at_least: 0,
            besides_from: u64::MAX,
            tree: None,
            reserve_bytes: reserve_bytes_default(SEGMENT_BYTES_DEFAULT),
            slow_after: SLOW_AFTER_DEFAULT,
            blocked_after: BLOCKED_AFTER_DEFAULT,
            low_disk_percent: LOW_DISK_PERCENT_DEFAULT,
        }
    }

    fn bounds(&self) -> Bounds {
        Bounds {
            slow_after: self.slow_after,
            blocked_after: self.blocked_after,
            low_disk_percent: self.low_disk_percent,
            segment_bytes: self.segment_bytes,
            reserve_bytes: self.reserve_bytes,
        }
    }
}

/// The usual emergency reserve for segments of a size, in bytes.
pub fn reserve_bytes_default(segment_bytes: u64) -> u64 {
    segment_bytes.saturating_mul(4).min(RESERVE_BYTES_DEFAULT)
}

/// What the start found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// The index that the next leaf gets.
    pub next_index: u64,
    /// What was cut from the end. It is already gone from the log; [`Recovered::leaf`] is to be appended, so that the log says so.
    pub torn: Option<Torn>,
    /// The tree has a checkpoint, and its second copy is not there.
    pub second_missing: bool,
}

impl Recovered {
    /// The leaf that tells of the cut, if there was one. `at_ms` is now, in milliseconds since 1970-01-01 UTC.
    pub fn leaf(&self, at_ms: i64) -> Option<Leaf> {
        let torn = self.torn.as_ref()?;
        let recovery = leaf::Recovery {
            cut_frames: torn.frames,
            cut_bytes: torn.bytes,
            segment: torn.segment.clone(),
            from_index: self.next_index,
        };
        Some(Leaf::new(at_ms, recovery))
    }
}

/// Why a log can't be opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Its segments.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Its tree.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

/// The leaf is not in the log. The text is for operators.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the audit log can't be written: {reason}")]
pub struct AuditUnavailable {
    /// Which kind.
    pub kind: UnavailableKind,
    /// The cause, for operators.
    pub reason: String,
}

/// Why a leaf was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnavailableKind {
    /// The disk fails, and nothing of the leaf can be found on it.
    Blocked,
    /// The disk failed, or hung, while the leaf was written. When health is no longer `Blocked` the leaf is gone for good; only a crash
    /// before that may leave it in the log. Take it as "perhaps recorded": do not act on it, and do not deny it.
    Uncertain,
    /// Too much waits.
    Queue,
    /// The leaf, or the batch, is larger than the log takes, or it is of unknown kind.
    Unfit,
    /// The log was closed.
    Closed,
}

/// The log. Cheap to clone; the writer stops with [`AuditLog::close`] or with the last clone.
#[derive(Clone)]
pub struct AuditLog {
    shared: Arc<Shared>,
    threads: Arc<Threads>,
    tree: Option<Arc<TreeThread>>,
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    origin: String,
}

impl AuditLog {
    /// Opens the log, checks all of it and cuts a torn tail. Fails when acknowledged leaves are damaged, when another process has
    /// the log, or when the disk can't be written. Blocks while it reads the whole log.
    pub fn open(options: AuditOptions, disk: Arc<dyn Disk>) -> Result<(AuditLog, Recovered), LogError> {
        let bounds = options.bounds();
        let batch_bytes_max = (options.segment_bytes / 4).clamp(BATCH_BYTES_LEAST, BATCH_BYTES_MAX);
        let tree = options.tree.map(|tree| {
            let tree_options = TreeOptions {
                log_dir: options.dir.clone(),
                second: tree.second,
                origin: options.origin.clone(),
                keys: tree.keys.all().into_iter().map(|key| key.verifier().clone()).collect(),
            };
            Tree::load(&tree_options, Arc::clone(&disk)).map(|loaded| (loaded, tree_options, tree.keys))
        });
        let tree = tree.transpose()?;
        let covered = tree.as_ref().map_or(0, |(tree, ..)| tree.size());
        let writer_options = WriterOptions {
            dir: options.dir.clone(),
            segment_bytes: options.segment_bytes,
            batch_bytes_max: u32::try_from(batch_bytes_max).unwrap_or(u32::MAX),
            origin: options.origin.clone(),
            at_least: options.at_least,
            covered,
            besides_from: options.besides_from,
        };
        let (writer, torn) = Writer::open(writer_options, Arc::clone(&disk))?;
        let mut recovered = Recovered { next_index: writer.next_index(), torn, second_missing: false };
        let active = writer.active_segment();
        let shared = {
            let (next_index, batch_bytes_max) = (writer.next_index(), writer.batch_bytes_max());
            let queue_max = options.queue_max.max(1);
            Arc::new(Shared::new(next_index, options.besides_from, batch_bytes_max, queue_max, bounds))
        };
        let write = |source| OpenError::Write { dir: options.dir.clone(), source };
        let caught_up = match tree {
            Some((mut tree, tree_options, keys)) => {
                let second = tree.catch_up(&tree_options, recovered.next_index)?;
                recovered.second_missing = covered > 0 && !second;
                Some((tree, keys))
            }
            None => None,
        };
        let emergency = Arc::new(Emergency::new(Arc::clone(&disk), &options.dir, bounds.reserve_bytes));
        let maker = writer.spare_maker();
        let room = Room { disk: Arc::clone(&disk), dir: options.dir.clone(), maker, emergency };
        let threads = Threads::start(Arc::clone(&shared), writer, room).map_err(write)?;
        let tree = match caught_up {
            Some((tree, keys)) => {
                let (disk, dir) = (Arc::clone(&disk), options.dir.clone());
                let grower = Grower { shared: Arc::clone(&shared), disk, dir, tree, keys, active };
                Some(Arc::new(TreeThread::start(grower).map_err(write)?))
            }
            None => None,
        };
        Ok((
            AuditLog { shared, threads: Arc::new(threads), tree, disk, dir: options.dir, origin: options.origin },
            recovered,
        ))
    }

    /// How the tree stands, and a way to hear of each checkpoint; `None` without a tree.
    pub fn tree(&self) -> Option<watch::Receiver<TreeStatus>> {
        self.tree.as_ref().map(|tree| tree.status())
    }

    /// Changes the key that signs checkpoints, and logs it. Blocks. The result is the new verifier key.
    ///
    /// # Errors
    /// A sentence that says why the old key stays.
    pub fn rotate_key(&self, by: &str) -> Result<Verifier, String> {
        self.tree.as_ref().map_or_else(|| Err("this log has no tree".to_owned()), |tree| tree.rotate(by.to_owned()))
    }

    /// Appends one leaf. It is durable when this returns its index.
    ///
    /// To drop the future does not take the leaf back: it may be in the log, and disturbs nobody else's.
    pub async fn append(&self, leaf: Leaf) -> Result<u64, AuditUnavailable> {
        self.append_all(vec![leaf]).await
    }

    /// Appends leaves in one batch: all or none, with indices in a row. Returns the first index. No leaves are no batch.
    pub async fn append_all(&self, leaves: Vec<Leaf>) -> Result<u64, AuditUnavailable> {
        self.append_beside(leaves, Vec::new()).await
    }

    /// The same with something beside the first leaf, at most [`BESIDE_BYTES_MAX`] bytes: it is durable when the leaves are, is no
    /// part of the log, and stays until [`AuditLog::besides_taken`].
    pub async fn append_beside(&self, leaves: Vec<Leaf>, beside: Vec<u8>) -> Result<u64, AuditUnavailable> {
        if leaves.is_empty() {
            return Ok(self.next_index());
        }
        let answer = self.shared.submit(&leaves, beside)?;
        answer.await.unwrap_or_else(|_| Err(queue::closed()))
    }

    /// Can the log be written?
    pub fn health(&self) -> AuditHealth {
        self.shared.health()
    }

    /// The changes of its state that are in no leaf yet, oldest first. Whoever takes them writes them down.
    pub fn take_changes(&self) -> Vec<leaf::State> {
        self.shared.state().states.take_changes()
    }

    /// Puts changes back that could not be written down.
    pub fn untake_changes(&self, changes: Vec<leaf::State>) {
        self.shared.state().states.untake_changes(changes);
    }

    /// Puts its measurements on a page.
    pub fn show(&self, page: &mut Page) {
        measures::show(&self.shared, page);
    }

    /// Commits since the log was opened, and the leaves in them.
    pub fn counts(&self) -> (u64, u64) {
        self.shared.measures.counts()
    }

    /// Visits the durable leaves from an index on, in order, up to the last that was durable when it began. Blocks while it reads;
    /// the writer goes on meanwhile.
    pub fn replay(&self, from: u64, visit: &mut dyn FnMut(u64, Leaf) -> ControlFlow<()>) -> Result<(), ReadError> {
        let mut reader = self.reader(from);
        while let Some((index, leaf)) = reader.next_leaf()? {
            if visit(index, leaf).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// A reader from an index on, up to the last leaf that is durable now; [`LogReader::follow`] takes it further. It blocks while
    /// it reads, and never the writer.
    pub fn reader(&self, from: u64) -> LogReader {
        LogReader::new(Arc::clone(&self.disk), &self.dir, from).until(self.next_index())
    }

    /// A reader of what lies beside the leaves from an index on, up to the last leaf that is durable now.
    pub fn reader_beside(&self, from: u64) -> LogReader {
        LogReader::with_besides(Arc::clone(&self.disk), &self.dir, from).until(self.next_index())
    }

    /// What lies beside the leaves below an index is kept elsewhere, durably: their segments may go.
    pub fn besides_taken(&self, until: u64) {
        self.shared.set_besides_from(until);
    }

    /// The index of the first leaf that the write-ahead log has.
    ///
    /// # Errors
    /// The folder can't be read.
    pub fn segments_from(&self) -> Result<u64, ReadError> {
        segments_from(&*self.disk, &self.dir)
    }

    /// Reads single leaves of which the places are known.
    pub fn picker(&self) -> Picker {
        Picker::new(Arc::clone(&self.disk), &self.dir)
    }

    /// The log's name.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The index that the next leaf gets; all below it are durable.
    pub fn next_index(&self) -> u64 {
        self.shared.next_index()
    }

    /// Commits what waits and stops the writer. Blocks until it is done, ten seconds at most; later appends are refused.
    pub fn close(&self) {
        self.threads.stop();
        if let Some(tree) = &self.tree {
            tree.stop();
        }
    }
}
