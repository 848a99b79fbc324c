//! What a restore leaves in the data folder: a mark while it is under way, and then a word for the next start.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    BackupError,
    copy::{sync_parent, write_whole},
    past::Erased,
};
use crate::model::KeyId;

/// The mark: while it is there, no gateway starts.
const UNFINISHED: &str = "restore-unfinished";
/// The word for the next start.
const RESTORED: &str = "restored.json";
/// More than the word can be, in bytes.
const BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Why a start is refused in a data folder that a restore did not finish; none where there is no such mark.
pub fn unfinished(data: &Path) -> Option<String> {
    let mark = mark(data);
    mark.exists().then(|| {
        format!(
            "{} is there: a restore into {} was broken off, and what is there is not whole. Run `pressgate restore` again",
            mark.display(),
            data.display()
        )
    })
}

/// Where the mark is.
pub(super) fn mark(data: &Path) -> PathBuf {
    data.join(UNFINISHED)
}

/// The second checkpoint of a log that knew more than the backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Where it is kept now.
    pub file: PathBuf,
    /// Leaves that it covers.
    pub size: u64,
    /// Its SHA-256, hexadecimal.
    pub sha256: String,
}

/// The word for the next start, which tells it in the log and does what it says before it serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restored {
    /// The backup's id.
    pub backup: String,
    /// When the backup was begun.
    pub backup_at: Timestamp,
    /// When it was restored.
    pub restored_at: Timestamp,
    /// Leaves of the backup. Posts that only leaves below it tell of were accepted in the moment between records and log.
    pub size: u64,
    /// The log had been further.
    #[serde(default)]
    pub older_than: Option<Evidence>,
    /// What is to be erased again.
    #[serde(default)]
    pub erased: Vec<Erased>,
    /// What is to be revoked again.
    #[serde(default)]
    pub revoked_keys: Vec<KeyId>,
    /// Feeds that are to be revoked again.
    #[serde(default)]
    pub revoked_feeds: Vec<String>,
}

impl Restored {
    /// The word in a data folder; none where there is no news.
    ///
    /// # Errors
    /// It can't be read: then nobody knows what must not come back.
    pub fn read(data: &Path) -> Result<Option<Self>, BackupError> {
        let path = data.join(RESTORED);
        let facts = match fs::metadata(&path) {
            Ok(facts) => facts,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(BackupError::file(&path, &error)),
        };
        let damaged = |why: &dyn std::fmt::Display| {
            let text = format!("{}: {why}. Restore the backup again, into an empty folder", path.display());
            BackupError::Files(text)
        };
        if facts.len() > BYTES_MAX {
            return Err(damaged(&"it is too long"));
        }
        let bytes = fs::read(&path).map_err(|error| damaged(&error))?;
        serde_json::from_slice(&bytes).map(Some).map_err(|error| damaged(&error))
    }

    /// Leaves the word, whole or not at all.
    pub(super) fn write(&self, data: &Path) -> Result<(), BackupError> {
        let text = serde_json::to_vec_pretty(self).map_err(|error| BackupError::Files(error.to_string()))?;
        write_whole(&data.join(RESTORED), &text)
    }

    /// Takes the word away: it was done.
    ///
    /// # Errors
    /// The folder can't be written; then the next start does it once more, which is harmless.
    pub fn forget(data: &Path) -> Result<(), BackupError> {
        let path = data.join(RESTORED);
        fs::remove_file(&path).map_err(|error| BackupError::file(&path, &error))?;
        sync_parent(&path)
    }

    /// How the log names it.
    pub fn subject(&self) -> String {
        match &self.older_than {
            Some(evidence) => format!("{} of {} leaves, after {} leaves", self.backup, self.size, evidence.size),
            None => format!("{} of {} leaves", self.backup, self.size),
        }
    }
}
