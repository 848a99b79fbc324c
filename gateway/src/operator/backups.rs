//! What the log says of a backup: that somebody begins it, and what was copied, under a checkpoint that covers it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{By, Ops, OpsError, ops::leaf_of};
use crate::{
    audit::leaf::Changed,
    backup::{self, Sealed},
    model::hex::unhex,
};

/// How long a checkpoint may take that covers the leaf.
const CHECKPOINT_WAIT: Duration = Duration::from_secs(30);

/// Somebody begins a backup.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupRequest {
    /// Its id.
    pub id: String,
}

/// The log takes note of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BackupView {
    /// Its id.
    pub id: String,
    /// Index of the leaf that says so.
    pub leaf: u64,
}

/// Everything but the log was copied.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealRequest {
    /// Digest of what was copied, SHA-256 in hexadecimal.
    pub digest: String,
}

impl Ops<'_> {
    /// Says in the log that somebody begins a backup.
    ///
    /// # Errors
    /// [`OpsError::Invalid`] for an id that is none; the log can't be written.
    pub async fn begin_backup(&self, by: &By, wish: BackupRequest) -> Result<BackupView, OpsError> {
        let BackupRequest { id } = wish;
        checked(&id)?;
        let leaf = self.note(leaf_of(Changed::Log, backup::BEGUN, id.clone(), None, by)).await?;
        Ok(BackupView { id, leaf })
    }

    /// Says in the log what was copied, and waits for the checkpoint that covers that.
    ///
    /// # Errors
    /// [`OpsError::Invalid`] for an id or a digest that is none; the log can't be written, or its tree can't.
    pub async fn seal_backup(&self, by: &By, id: &str, wish: SealRequest) -> Result<Sealed, OpsError> {
        checked(id)?;
        if unhex(&wish.digest).is_none() {
            return Err(OpsError::Invalid("`digest` is a SHA-256 in hexadecimal".into()));
        }
        let no_tree = || OpsError::Internal("the log has no tree".into());
        let mut tree = self.audit.tree().ok_or_else(no_tree)?;
        let leaf = self.note(leaf_of(Changed::Log, backup::COPIED, id.to_owned(), Some(wish.digest), by)).await?;
        let covers = |status: &crate::audit::TreeStatus| {
            status.published.as_ref().is_some_and(|published| published.checkpoint.size > leaf)
        };
        let late = || {
            OpsError::Internal(format!(
                "no checkpoint covers the leaf of this backup after {} s: the log's tree can't be written",
                CHECKPOINT_WAIT.as_secs()
            ))
        };
        let covered = tokio::time::timeout(CHECKPOINT_WAIT, tree.wait_for(covers)).await;
        let status = covered.map_err(|_| late())?.map_err(|_| late())?;
        let checkpoint = status.published.as_ref().map(|published| published.note.clone()).ok_or_else(late)?;
        Ok(Sealed { leaf, checkpoint })
    }
}

fn checked(id: &str) -> Result<(), OpsError> {
    if backup::is_backup_id(id) {
        return Ok(());
    }
    Err(OpsError::Invalid("a backup's id is `backup_` and 32 hexadecimal digits".into()))
}
