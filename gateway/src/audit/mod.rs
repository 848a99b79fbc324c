//! The writer of the audit log: leaves in, durable indices out. The format is in package `pressgate-audit`.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

pub use pressgate_audit::leaf;
pub use pressgate_audit::{Disk, DiskFile, Event, Leaf, RealDisk};

/// How to open a log.
#[derive(Debug, Clone)]
pub struct AuditOptions {
    /// The log's folder; made when it is missing.
    pub dir: PathBuf,
    /// Size of a segment, in bytes.
    pub segment_bytes: u64,
    /// How many appends may wait for the writer.
    pub queue_max: usize,
    /// The log's name, written into each segment: `<organisation>/audit/<node>`.
    pub origin: String,
}

/// What the start found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// The index that the next leaf gets.
    pub next_index: u64,
    /// What was cut from the end.
    pub torn: Option<Torn>,
}

/// A torn tail: what a crash left of a batch that nobody was told about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// File name of the segment.
    pub segment: String,
    /// Where the cut is, in bytes from the start of the file.
    pub offset: u64,
    /// Whole frames that were cut.
    pub frames: u64,
    /// Bytes that were cut.
    pub bytes: u64,
}

/// Why the log could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("the audit log can't be opened: {0}")]
pub struct OpenError(String);

/// Why the log could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the audit log can't be read: {0}")]
pub struct ReadError(String);

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
    /// The disk fails, and nothing of the leaf was written.
    Blocked,
    /// The disk failed while the leaf was written. The log drops it with its next segment (health is `Normal` again then); only a
    /// crash before that may leave it in the log, so treat it as "perhaps recorded, certainly not acted upon".
    Uncertain,
    /// Too many appends wait.
    Queue,
    /// The leaf or the batch is larger than the log takes.
    TooLarge,
    /// The log was closed.
    Closed,
}

/// Can the log be written?
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditHealth {
    /// Yes.
    Normal,
    /// No; every append is refused until the disk recovers.
    Blocked {
        /// Since when, in milliseconds since 1970-01-01 UTC.
        since_ms: i64,
        /// The cause, for operators.
        reason: String,
    },
}

/// The log. Cheap to clone.
#[derive(Clone)]
pub struct AuditLog {}

impl AuditLog {
    /// Opens the log, checks all of it and cuts a torn tail.
    pub fn open(_options: AuditOptions, _disk: Arc<dyn Disk>) -> Result<(AuditLog, Recovered), OpenError> {
        Err(OpenError("not built yet".into()))
    }

    /// Appends one leaf. It is durable when this returns its index.
    pub async fn append(&self, leaf: Leaf) -> Result<u64, AuditUnavailable> {
        self.append_all(vec![leaf]).await
    }

    /// Appends leaves in one batch: all or none, with indices in a row. Returns the first index.
    pub async fn append_all(&self, _leaves: Vec<Leaf>) -> Result<u64, AuditUnavailable> {
        Err(AuditUnavailable { kind: UnavailableKind::Closed, reason: "not built yet".into() })
    }

    /// Can the log be written?
    pub fn health(&self) -> AuditHealth {
        AuditHealth::Normal
    }

    /// Visits the durable leaves from an index on, in order.
    pub fn replay(
        &self,
        _from: u64,
        _visit: &mut dyn FnMut(u64, Leaf) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        Ok(())
    }

    /// The index that the next leaf gets.
    pub fn next_index(&self) -> u64 {
        0
    }

    /// Commits what waits and stops the writer.
    pub fn close(&self) {}
}
