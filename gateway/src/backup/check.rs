//! Checks a backup from its first byte to its last.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use pressgate_audit::{
    note::{Checkpoint, Note, Verifier},
    tile::TILE_WIDTH,
    tree::{CHECKPOINT, TreeFiles},
    verify::{VerifyOptions, verify},
};

use super::{
    BackupError, COPIED,
    copy::entry,
    manifest::{FileEntry, LOG, Manifest, RECORDS, SUBJECT_KEYS},
};
use crate::{
    audit::{Disk, Event, Leaf, RealDisk, leaf},
    model::hex::hex,
    records::sqlite::{check_records, check_subject_keys},
};

/// The key that a backup's log is checked with.
#[derive(Debug, Clone)]
pub struct Trust {
    /// The public key.
    pub key: Verifier,
    /// False where only the backup itself says that it is this one: then whoever changed the backup may have signed it anew.
    pub known: bool,
}

impl Trust {
    /// A key that somebody kept.
    pub fn known(key: Verifier) -> Self {
        Self { key, known: true }
    }

    /// The key that the backup names.
    ///
    /// # Errors
    /// There is no manifest, or no key in it.
    pub fn of_backup(backup: &Path) -> Result<Self, BackupError> {
        let manifest = Manifest::read(backup)?;
        let key = Verifier::parse(&manifest.log.key).map_err(|error| BackupError::Broken(error.to_string()))?;
        Ok(Self { key, known: false })
    }
}

/// Who signed the checkpoint of a backup's log, by names and ids, where it is none of these keys. No signature is checked; what can't
/// be read is left to [`check`].
pub fn signed_by_others(backup: &Path, keys: &[&Verifier]) -> Option<String> {
    let bytes = fs::read(backup.join(LOG).join(CHECKPOINT)).ok()?;
    let lines = Note::parse(&bytes).ok()?.signatures;
    if keys.iter().any(|key| lines.iter().any(|line| key.is_of(line))) {
        return None;
    }
    let named = lines.iter().map(|line| format!("{}+{}", line.name, hex(&line.id)));
    Some(named.collect::<Vec<_>>().join(", "))
}

/// A backup that holds.
#[derive(Debug, Clone)]
pub struct Checked {
    /// What it says of itself.
    pub manifest: Manifest,
    /// The checkpoint of its log.
    pub checkpoint: Checkpoint,
    /// The same as a signed note.
    pub note: Vec<u8>,
    /// Where the keys of subjects are; none where they were left out or dropped.
    pub subject_keys: Option<PathBuf>,
    /// The key that the log was checked with.
    pub trust: Trust,
}

/// Checks a backup: every digest, both databases, the log and its signature, and that the log tells of exactly these files. The keys
/// of subjects may have been kept elsewhere.
///
/// # Errors
/// What does not hold.
pub fn check(backup: &Path, subject_keys: Option<&Path>, trust: &Trust) -> Result<Checked, BackupError> {
    let manifest = Manifest::read(backup)?;
    let keys = files(backup, subject_keys, &manifest)?;
    let records = check_records(&backup.join(RECORDS)).map_err(|error| BackupError::Broken(error.to_string()))?;
    let belongs = records.node.as_deref() == Some(manifest.node.as_str())
        && manifest.log.origin.rsplit('/').next() == Some(manifest.node.as_str());
    if !belongs {
        return Err(BackupError::Broken("records and log are not of the node that it names".into()));
    }
    if records.applied_leaf != manifest.applied_leaf || records.applied_leaf > manifest.log.size {
        return Err(BackupError::Broken("the records know of leaves that the log does not have".into()));
    }
    if let Some(keys) = &keys {
        check_subject_keys(keys).map_err(|error| BackupError::Broken(error.to_string()))?;
    }
    let checkpoint = log(backup, &manifest, trust)?;
    let file = backup.join(LOG).join(CHECKPOINT);
    let note = fs::read(&file).map_err(|error| BackupError::file(&file, &error))?;
    Ok(Checked { manifest, checkpoint, note, subject_keys: keys, trust: trust.clone() })
}

/// Compares every file with its digest. The result is where the keys of subjects are.
fn files(backup: &Path, apart: Option<&Path>, manifest: &Manifest) -> Result<Option<PathBuf>, BackupError> {
    if manifest.file(RECORDS).is_none() {
        return Err(BackupError::Broken("it has no records".into()));
    }
    let mut keys = None;
    for wanted in &manifest.files {
        let path = match apart.filter(|_| wanted.may_be_apart()) {
            Some(apart) => apart.to_owned(),
            None => backup.join(&wanted.path),
        };
        let found = match fs::symlink_metadata(&path) {
            Ok(facts) if facts.is_file() => entry(&path, wanted.path.clone()),
            Ok(_) => return Err(BackupError::Broken(format!("{} is no file", path.display()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound && wanted.may_be_apart() && apart.is_none() => {
                continue;
            }
            Err(error) => Err(error),
        };
        let found = found.map_err(|error| BackupError::Broken(format!("{}: {error}", path.display())))?;
        same(wanted, &found, &path)?;
        if wanted.path == SUBJECT_KEYS {
            keys = Some(path);
        }
    }
    if keys.is_none() && apart.is_some() {
        return Err(BackupError::Refused(
            "this backup was made without keys of subjects; leave --subject-keys out".into(),
        ));
    }
    Ok(keys)
}

fn same(wanted: &FileEntry, found: &FileEntry, path: &Path) -> Result<(), BackupError> {
    if wanted == found {
        return Ok(());
    }
    Err(BackupError::Broken(format!(
        "{} is not what was copied: it was changed, or is of another backup",
        path.display()
    )))
}

/// The log holds, is signed, and tells of these files.
fn log(backup: &Path, manifest: &Manifest, trust: &Trust) -> Result<Checkpoint, BackupError> {
    let dir = backup.join(LOG);
    let options = VerifyOptions { origin: Some(manifest.log.origin.clone()), ..VerifyOptions::new(trust.key.clone()) };
    let report = verify(&RealDisk, &dir, &options).map_err(|error| BackupError::Broken(error.to_string()))?;
    let checkpoint = report.checkpoint;
    if checkpoint.size != manifest.log.size || hex(&checkpoint.root.0) != manifest.log.root {
        return Err(BackupError::Broken("its log is not the one that it was made with".into()));
    }
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let files = TreeFiles::new(disk, &dir, checkpoint.size);
    let bundle =
        files.leaves(manifest.log.leaf / TILE_WIDTH).map_err(|error| BackupError::Broken(error.to_string()))?;
    let at = usize::try_from(manifest.log.leaf % TILE_WIDTH).unwrap_or(usize::MAX);
    let told = bundle.get(at).and_then(|bytes| Leaf::from_bytes(bytes).ok());
    let digest = Some(manifest.digest());
    let fits = told.is_some_and(|told| match told.event {
        Event::Change(change) => {
            change.what == leaf::Changed::Log
                && change.action == COPIED
                && change.subject == manifest.id
                && change.digest == digest
        }
        _ => false,
    });
    if fits {
        return Ok(checkpoint);
    }
    Err(BackupError::Broken(format!(
        "leaf {} of its log does not tell of these files: they were changed, or are of another backup",
        manifest.log.leaf
    )))
}
