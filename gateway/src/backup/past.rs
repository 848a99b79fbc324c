//! What happened after a backup, read from the newer log where that is still there: what was erased and revoked must not come back.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use pressgate_audit::verify::{VerifyOptions, verify};
use serde::{Deserialize, Serialize};

use super::{BackupError, Checked};
use crate::{
    audit::{Disk, Event, LogReader, RealDisk, leaf},
    model::KeyId,
};

/// The basis of an erasure that was confirmed and of which no leaf says that it was done.
const CONFIRMED: &str = "confirmed-before-restore";

/// An erasure that the backup does not know of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Erased {
    /// Index of its leaf in the newer log.
    pub leaf: u64,
    /// Whose values.
    pub subject: String,
    /// The legal basis.
    pub basis: String,
    /// Who asked and confirmed.
    pub by: Vec<String>,
}

/// What happened since.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Since {
    /// Leaves of the newer log.
    pub leaves: u64,
    /// Erasures, the last one of each subject.
    pub erased: Vec<Erased>,
    /// Ids of Pressgate keys that were revoked.
    pub revoked_keys: Vec<KeyId>,
    /// Ids of feeds that were revoked.
    pub revoked_feeds: Vec<String>,
    /// Credentials that were revoked, as the log names them.
    pub revoked_credentials: Vec<String>,
}

impl Since {
    /// Reads the newer log, after a check that it holds and goes on from the backup.
    ///
    /// # Errors
    /// It does not hold, or it is another log.
    pub fn read(dir: &Path, backup: &Checked) -> Result<Self, BackupError> {
        let refused = |why: &dyn std::fmt::Display| {
            let shown = dir.display();
            BackupError::Refused(format!(
                "{shown} is not the log that goes on from this backup: {why}. Nothing was changed"
            ))
        };
        let options =
            VerifyOptions { since: Some(backup.note.clone()), ..VerifyOptions::new(backup.trust.key.clone()) };
        verify(&RealDisk, dir, &options).map_err(|error| refused(&error))?;
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let mut since = Self::default();
        let mut erased = BTreeMap::new();
        let mut reader = LogReader::new(disk, dir, backup.checkpoint.size);
        while let Some((index, leaf)) = reader.next_leaf().map_err(|error| refused(&error))? {
            since.leaves = index + 1;
            match leaf.event {
                Event::Erasure(told) => {
                    let leaf::Erasure { subject, basis, by, .. } = *told;
                    erased.insert(subject.clone(), Erased { leaf: index, subject, basis, by });
                }
                Event::Change(change) => since.note(index, change, &mut erased),
                _ => {}
            }
        }
        since.erased = erased.into_values().collect();
        Ok(since)
    }

    fn note(&mut self, index: u64, change: leaf::Change, erased: &mut BTreeMap<String, Erased>) {
        let leaf::Change { what, action, subject, by, .. } = change;
        match (what, action.as_str()) {
            // Whatever became of it: it was decided.
            (leaf::Changed::Log, "erasure-confirm") => {
                let Some((_, subject)) = subject.split_once(' ') else { return };
                let erasure =
                    Erased { leaf: index, subject: subject.to_owned(), basis: CONFIRMED.to_owned(), by: vec![by] };
                erased.insert(subject.to_owned(), erasure);
            }
            // `app:newsroom/<id>`
            (leaf::Changed::Key, "revoke") => {
                if let Some((_, id)) = subject.rsplit_once('/') {
                    self.revoked_keys.push(KeyId::new(id));
                }
            }
            // `person:editor-7/<id>`
            (leaf::Changed::Feed, "revoke") => {
                self.revoked_feeds.extend(subject.rsplit_once('/').map(|(_, id)| id.to_owned()));
            }
            (leaf::Changed::Credential, "revoke") => self.revoked_credentials.push(subject),
            _ => {}
        }
    }
}
