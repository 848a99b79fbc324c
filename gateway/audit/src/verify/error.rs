//! Why a log does not hold, said to the person who checks it.

use std::io;
use std::path::PathBuf;

use crate::error::ReadError;
use crate::note::NoteError;

/// Why a log does not hold, or could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The log's checkpoint can't be trusted, so nothing of the log can.
    #[error("{}: {source}", file.display())]
    Checkpoint {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        source: NoteError,
    },
    /// The checkpoint of another log.
    #[error("{}: the checkpoint is of the log `{found}`, not of `{wanted}`", file.display())]
    Origin {
        /// The file.
        file: PathBuf,
        /// The origin in it.
        found: String,
        /// The origin that was asked for.
        wanted: String,
    },
    /// Leaves or hashes are not those that the checkpoint covers.
    #[error("{}: leaf {index} is the first that does not hold: {why}", file.display())]
    Leaf {
        /// The file that is wrong.
        file: PathBuf,
        /// The smallest index whose leaf is not, or can't be shown to be, the one that the checkpoint covers.
        index: u64,
        /// What is wrong.
        why: String,
    },
    /// The log is shorter than it was.
    #[error(
        "rolled back: {what} is of a tree of {wanted} leaves, and the log has {found}. What came after leaf {} is gone",
        found.saturating_sub(1)
    )]
    Rollback {
        /// Which checkpoint says so.
        what: String,
        /// Leaves that there are.
        found: u64,
        /// Leaves that there were.
        wanted: u64,
    },
    /// The log has another past than it had.
    #[error("forked: {what} covers {size} leaves, and the first {size} leaves of the log are others")]
    Fork {
        /// Which checkpoint says so.
        what: String,
        /// Leaves that it covers.
        size: u64,
    },
    /// A checkpoint to compare with can't be trusted.
    #[error("{what}: {source}")]
    Past {
        /// Which checkpoint.
        what: String,
        /// What is wrong.
        source: NoteError,
    },
    /// A witness has not cosigned the log.
    #[error(
        "no cosignature of the witness {witness} on the checkpoint, nor on one in `witness/` beside it: the log may have been rolled \
         back or forked, or the witness was never asked"
    )]
    Unwitnessed {
        /// Name and id of the witness.
        witness: String,
    },
    /// A witness's newest cosignature is too old.
    #[error(
        "the newest cosignature of the witness {witness} is of {found_s} (seconds since 1970), before {wanted_s}: the log may have \
         been rolled back to that time"
    )]
    Stale {
        /// Name and id of the witness.
        witness: String,
        /// Time of the cosignature, in seconds since 1970-01-01 UTC.
        found_s: u64,
        /// The time that was asked for.
        wanted_s: u64,
    },
    /// A change of the signing key that the old key did not hand over.
    #[error("the change of the signing key in leaf {index} does not hold: {why}")]
    Key {
        /// The leaf that states it.
        index: u64,
        /// What is wrong.
        why: String,
    },
    /// The write-ahead log is damaged.
    #[error(transparent)]
    Segments(ReadError),
    /// The disk failed.
    #[error("{}: {source}", file.display())]
    Io {
        /// The file or folder.
        file: PathBuf,
        /// What the disk said.
        source: io::Error,
    },
}

impl VerifyError {
    /// The smallest index whose leaf is not, or can't be shown to be, the one that was logged; none where the log is whole but
    /// is not the one that a checkpoint beside it speaks of, or could not be read.
    pub fn first_bad_index(&self) -> Option<u64> {
        match self {
            Self::Checkpoint { .. } | Self::Origin { .. } => Some(0),
            Self::Leaf { index, .. } | Self::Key { index, .. } => Some(*index),
            Self::Rollback { found, .. } => Some(*found),
            Self::Segments(ReadError::Corrupt(corrupt)) => Some(corrupt.index),
            Self::Segments(ReadError::Leaf { index, .. }) => Some(*index),
            _ => None,
        }
    }

    /// The file that is wrong, where it is one.
    pub fn file(&self) -> Option<&std::path::Path> {
        match self {
            Self::Checkpoint { file, .. }
            | Self::Origin { file, .. }
            | Self::Leaf { file, .. }
            | Self::Io { file, .. } => Some(file),
            Self::Segments(ReadError::Corrupt(corrupt)) => Some(&corrupt.file),
            Self::Segments(ReadError::Io { file, .. }) => Some(file),
            _ => None,
        }
    }

    /// A stable identifier of the kind of fault.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Checkpoint { .. } => "checkpoint",
            Self::Origin { .. } => "origin",
            Self::Leaf { .. } => "leaf",
            Self::Rollback { .. } => "rollback",
            Self::Fork { .. } => "fork",
            Self::Past { .. } => "past-checkpoint",
            Self::Unwitnessed { .. } => "unwitnessed",
            Self::Stale { .. } => "stale-witness",
            Self::Key { .. } => "key-change",
            Self::Segments(_) => "segments",
            Self::Io { .. } => "disk",
        }
    }
}
