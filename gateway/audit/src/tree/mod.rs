//! The tree that is published of a log: tiles, entry bundles and the signed checkpoint, in the layout of C2SP tlog-tiles.
//!
//! The tree's folder holds `checkpoint` and `tile/…`. It is made from the write-ahead log and can be made again from it, as far as
//! that still has the leaves. Nothing of a file counts before the checkpoint that covers it has its name; so files are written
//! under their own names at once, and what a crash left of them is written again.

mod copy;
pub mod files;
mod grow;
mod open;
mod publish;
mod retain;

use std::path::PathBuf;

pub use copy::{TreeCopy, copy_tree};
pub use files::TreeFiles;
pub use grow::Frontier;
pub use open::{TreeOptions, remove_covered};
pub use publish::{Published, Tree, replace};
pub use retain::{ENTRIES_FROM, drop_entries, entries_from};

use crate::note::NoteError;

/// The folder of the tree in the log's folder.
pub const TREE_DIR: &str = "tree";
/// The file with the signed checkpoint, in the tree's folder.
pub const CHECKPOINT: &str = "checkpoint";

/// Why a tree can't be used. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// The disk failed.
    #[error("{}: {source}", file.display())]
    Io {
        /// The file or folder.
        file: PathBuf,
        /// What the disk said.
        source: std::io::Error,
    },
    /// A file is missing or is not what the checkpoint covers.
    #[error(
        "{}: {why}. The file is not what the log's checkpoint covers: it was changed, or lost. Stop, copy the whole folder as it is, \
         and restore the file from a backup",
        file.display()
    )]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A checkpoint that can't be trusted.
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
    /// The second checkpoint knows of more leaves than there are.
    #[error(
        "the log has {found} leaves, and its second checkpoint, {}, was signed for {wanted}: the log was rolled back, or lost its end. \
         Restore the log's whole folder from its newest backup. Only if you know why it is older, for example after you restored an \
         older backup on purpose, move the second checkpoint away and keep it as evidence",
        file.display()
    )]
    Smaller {
        /// The second checkpoint.
        file: PathBuf,
        /// Leaves that there are.
        found: u64,
        /// Leaves that the second checkpoint covers.
        wanted: u64,
    },
    /// The second checkpoint covers other leaves.
    #[error(
        "the log is not the one that its second checkpoint, {}, was signed for: its first {size} leaves are others. Somebody exchanged \
         or changed the log. Keep both as evidence, and restore the log's whole folder from a backup",
        file.display()
    )]
    Inconsistent {
        /// The second checkpoint.
        file: PathBuf,
        /// Leaves that it covers.
        size: u64,
    },
    /// The write-ahead log can't be read.
    #[error(transparent)]
    Read(#[from] crate::error::ReadError),
}
