//! Backups: records, log and what belongs to them, copied at one point while the gateway works, and put back.
//!
//! In this order: media, then the records as of one moment, then a leaf with the digest of all that was copied, then the log's tree
//! under a checkpoint that covers this leaf. So the log is never behind the records; and whoever holds the log's public key can tell
//! whether anything of a backup was changed, because the digest stands in a leaf that the checkpoint covers.
//!
//! A backup gets its name when it is whole and was checked. A restore leaves a mark in the data folder until it is done, with which
//! no gateway starts.

mod check;
mod copy;
mod manifest;
mod past;
mod restore;
mod restored;
mod take;

#[cfg(test)]
mod tests;

use std::path::Path;

pub use check::{Checked, Trust, check, signed_by_others};
pub use manifest::{FileEntry, LogPart, MANIFEST, Manifest, backup_id, is_backup_id};
pub use past::{Erased, Since};
pub use restore::{Done, Restore, relocated, restore};
pub use restored::{Evidence, Restored, unfinished};
pub use take::{Draft, Sealed, Wish};

/// Name of the leaf that says that somebody begins a backup.
pub const BEGUN: &str = "backup";
/// Name of the leaf with the digest of what was copied.
pub const COPIED: &str = "backup-copied";
/// Name of the leaf of a log that came out of a backup.
pub const RESTORED: &str = "restored";

/// Why there is no backup, or why it was not restored. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file or folder.
    #[error("{0}")]
    Files(String),
    /// It can't be what was asked for; nothing was changed.
    #[error("{0}")]
    Refused(String),
    /// The backup does not hold.
    #[error("the backup does not hold: {0}. Use another one; nothing was changed")]
    Broken(String),
}

impl BackupError {
    fn file(path: &Path, error: &dyn std::fmt::Display) -> Self {
        Self::Files(format!("{}: {error}", path.display()))
    }
}
