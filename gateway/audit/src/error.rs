//! What can be wrong with a log, said to the person who has to mend it.

use std::io;
use std::path::PathBuf;

/// Acknowledged leaves are damaged or missing. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{}: damaged at byte {offset}, leaf {index}: {why} ({evidence}). Acknowledged records are lost or were changed, so the log is not \
     used. Stop, copy the whole folder as it is, check the disk, and restore this file from a backup; if there is none, keep the \
     folder as evidence and start with a new one",
    file.display()
)]
pub struct Corrupt {
    /// The file.
    pub file: PathBuf,
    /// Where, in bytes from its start.
    pub offset: u64,
    /// The first leaf that can't be read.
    pub index: u64,
    /// What is wrong.
    pub why: &'static str,
    /// Why it can't be the trace of a crash.
    pub evidence: String,
}

/// Why a log can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Acknowledged leaves are damaged or missing.
    #[error(transparent)]
    Corrupt(Box<Corrupt>),
    /// The disk failed.
    #[error("{}: {source}", file.display())]
    Io {
        /// The file or folder.
        file: PathBuf,
        /// What the disk said.
        source: io::Error,
    },
    /// A file of the tree.
    #[error(transparent)]
    Tree(#[from] Box<crate::tree::TreeError>),
    /// A leaf is whole, but not the JSON of a leaf.
    #[error("leaf {index} is whole but can't be understood: {source}")]
    Leaf {
        /// Its index.
        index: u64,
        /// What is wrong.
        source: crate::leaf::LeafError,
    },
}

/// Why a log can't be opened for writing.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("{}: another process writes this log; two gateways can't share one", dir.display())]
    Locked {
        /// The log's folder.
        dir: PathBuf,
    },
    /// The log belongs to another node.
    #[error("{}: the log belongs to `{found}`, not to `{wanted}`; set the right origin or another folder", dir.display())]
    Origin {
        /// The log's folder.
        dir: PathBuf,
        /// The origin in its segments.
        found: String,
        /// The origin that was asked for.
        wanted: String,
    },
    /// Leaves that were acknowledged are gone from its end.
    #[error(
        "{}: the log ends before leaf {found}, and {wanted} leaves were acknowledged: the last {} are missing. Without them nobody \
         can tell what was sent, so the log is not used, and nothing was changed. Stop, and restore the log's whole folder from its \
         backup (or give the right folder, if the log was moved); there is no way to make the leaves anew",
        dir.display(), wanted.saturating_sub(*found)
    )]
    Short {
        /// The log's folder.
        dir: PathBuf,
        /// The index after its last leaf.
        found: u64,
        /// How many leaves were acknowledged at least.
        wanted: u64,
    },
    /// The options make no log.
    #[error("{0}")]
    Options(String),
    /// The log can't be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The log can be read but not written.
    #[error("{}: {source}; make room or mend the disk, then start again", dir.display())]
    Write {
        /// The log's folder.
        dir: PathBuf,
        /// What the disk said.
        source: io::Error,
    },
}

/// Why a batch was not committed.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub struct CommitError {
    /// Bytes of the batch may be on the disk. The next segment overrides them; only a crash before it may bring them back.
    pub uncertain: bool,
    /// What the disk said.
    pub source: io::Error,
}

impl From<crate::tree::TreeError> for ReadError {
    fn from(error: crate::tree::TreeError) -> Self {
        Self::Tree(Box::new(error))
    }
}
