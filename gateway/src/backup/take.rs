//! Makes a backup, beside a gateway that works or on its own.

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;
use pressgate_audit::{
    note::{Checkpoint, Note},
    tree::{TREE_DIR, copy_tree},
};
use serde::{Deserialize, Serialize};

use super::{
    BackupError,
    check::{Checked, Trust, check},
    copy::{Durable, copy, entry, sync_parent, write_whole},
    manifest::{EXPORT, KEK, KEYS, LOG, MANIFEST, MEDIA, Manifest, RECORDS, SIGNING_KEY, SUBJECT_KEYS},
};
use crate::{
    audit::{Disk, RealDisk},
    config::{Config, process::Kek},
    model::hex::hex,
    records::sqlite::{check_records, copy_records, copy_subject_keys},
};

/// The end of the name of a backup that is not whole.
const UNFINISHED_END: &str = ".part";

/// What is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wish {
    /// Key-encryption key and signing key too.
    pub with_keys: bool,
    /// Not the keys of subjects.
    pub without_subject_keys: bool,
}

/// The log says what was copied, and a checkpoint covers that leaf.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    /// Index of the leaf with the digest.
    pub leaf: u64,
    /// The checkpoint, a signed note.
    pub checkpoint: String,
}

/// A backup that is being made, under another name. What is not finished is removed.
pub struct Draft {
    path: PathBuf,
    part: PathBuf,
    manifest: Manifest,
    durable: Durable,
    finished: bool,
}

impl Draft {
    /// Makes the folder, before anything is said in the log.
    ///
    /// # Errors
    /// There is such a folder, or it can't be made.
    pub fn begin(path: &Path, id: String, node: String, now: Timestamp) -> Result<Self, BackupError> {
        let mut name = path.file_name().ok_or_else(|| BackupError::Refused("a backup needs a name".into()))?.to_owned();
        name.push(UNFINISHED_END);
        let part = path.with_file_name(name);
        if fs::symlink_metadata(path).is_ok() {
            let text = format!("{} is there already; give the backup another name", path.display());
            return Err(BackupError::Refused(text));
        }
        let parent = part.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !parent.is_dir() {
            return Err(BackupError::Refused(format!("there is no folder {}", parent.display())));
        }
        make(&part).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => BackupError::Refused(format!(
                "{} is there: a backup of that name is being made, or was broken off. If none is being made, remove it",
                part.display()
            )),
            _ => BackupError::file(&part, &error),
        })?;
        let durable = Durable::watch(&part)?;
        let manifest = Manifest::begin(id, node, now);
        Ok(Self { path: path.to_owned(), part, manifest, durable, finished: false })
    }

    /// Copies everything but the log, media first: they may take long, and the less time lies between records and log, the better.
    ///
    /// # Errors
    /// Something can't be read or written.
    pub fn copy(&mut self, config: &Config, wish: Wish) -> Result<(), BackupError> {
        for folder in [MEDIA, EXPORT] {
            self.folder(folder)?;
        }
        let media = config.media_dir();
        self.copy_folder(&media, MEDIA)?;
        let records = self.part.join(RECORDS);
        copy_records(&config.records_dir(), &records).map_err(|error| BackupError::Files(error.to_string()))?;
        // A post of the last seconds may have brought media.
        self.copy_folder(&media, MEDIA)?;
        if !wish.without_subject_keys {
            let into = self.part.join(SUBJECT_KEYS);
            copy_subject_keys(&config.subject_keys_file(), &into)
                .map_err(|error| BackupError::Files(error.to_string()))?;
            self.entry(&into, SUBJECT_KEYS)?;
        }
        self.copy_folder(&config.export_dir(), EXPORT)?;
        if wish.with_keys {
            self.copy_keys(config)?;
        }
        self.entry(&records, RECORDS)?;
        let found = check_records(&records).map_err(|error| BackupError::Files(error.to_string()))?;
        self.manifest.applied_leaf = found.applied_leaf;
        self.manifest.files.sort();
        self.manifest.files.dedup_by(|one, other| one.path == other.path);
        Ok(())
    }

    /// What the log is to keep.
    pub fn digest(&self) -> String {
        self.manifest.digest()
    }

    /// Copies the log up to the checkpoint, checks the whole backup, and gives it its name.
    ///
    /// # Errors
    /// It is removed.
    pub fn finish(mut self, config: &Config, sealed: &Sealed, trust: &Trust) -> Result<Checked, BackupError> {
        let broken = |error: &dyn std::fmt::Display| BackupError::Files(format!("the log can't be copied: {error}"));
        let note = Note::parse(sealed.checkpoint.as_bytes()).map_err(|error| broken(&error))?;
        let checkpoint = Checkpoint::parse(&note.text).map_err(|error| broken(&error))?;
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let (from, into) = (config.audit.dir.join(TREE_DIR), self.part.join(LOG));
        let copied = copy_tree(&disk, &from, &into, sealed.checkpoint.as_bytes()).map_err(|error| broken(&error))?;
        let log = &mut self.manifest.log;
        (log.origin, log.key) = (checkpoint.origin, trust.key.to_string());
        (log.size, log.root) = (checkpoint.size, hex(&checkpoint.root.0));
        (log.leaf, log.missing_bundles) = (sealed.leaf, copied.missing_bundles);
        self.durable.sync(&self.part)?;
        let text = serde_json::to_vec_pretty(&self.manifest).map_err(|error| BackupError::Files(error.to_string()))?;
        write_whole(&self.part.join(MANIFEST), &text)?;
        let checked = check(&self.part, None, trust)?;
        if fs::symlink_metadata(&self.path).is_ok() {
            return Err(BackupError::Refused(format!("{} came meanwhile", self.path.display())));
        }
        fs::rename(&self.part, &self.path).map_err(|error| BackupError::file(&self.path, &error))?;
        self.finished = true;
        sync_parent(&self.path)?;
        Ok(checked)
    }

    fn folder(&self, name: &str) -> Result<(), BackupError> {
        let path = self.part.join(name);
        make(&path).map_err(|error| BackupError::file(&path, &error))
    }

    fn entry(&mut self, file: &Path, path: &str) -> Result<(), BackupError> {
        let entry = entry(file, path.to_owned()).map_err(|error| BackupError::file(file, &error))?;
        self.manifest.files.push(entry);
        Ok(())
    }

    /// Copies the files of a folder that the backup does not have yet. One that goes away meanwhile is no fault.
    fn copy_folder(&mut self, from: &Path, name: &str) -> Result<(), BackupError> {
        let listed = match fs::read_dir(from) {
            Ok(listed) => listed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(BackupError::file(from, &error)),
        };
        for found in listed {
            let found = found.map_err(|error| BackupError::file(from, &error))?;
            let Ok(file) = found.file_name().into_string() else { continue };
            // What is being written has another name until it is whole.
            let whole = (name == MEDIA && !file.ends_with(".part")) || (name == EXPORT && file.ends_with(".cursor"));
            let into = self.part.join(name).join(&file);
            if !whole || into.exists() {
                continue;
            }
            match copy(&found.path(), &into, format!("{name}/{file}")) {
                Ok(entry) => self.manifest.files.push(entry),
                Err(error) if error.kind() == io::ErrorKind::NotFound => self.manifest.media_gone += 1,
                Err(error) => return Err(BackupError::file(&found.path(), &error)),
            }
        }
        Ok(())
    }

    fn copy_keys(&mut self, config: &Config) -> Result<(), BackupError> {
        let Kek::File(kek) = &config.kek else {
            return Err(BackupError::Refused(
                "the key-encryption key is in no file (`kek.env` or `kek.command`), so it can't be in the backup: leave \
                 --with-keys out, and keep that key where it is kept"
                    .into(),
            ));
        };
        self.folder(KEYS)?;
        let previous = previous(&config.audit.signing_key);
        let keys = [
            (kek.clone(), KEK.to_owned(), true),
            (config.audit.signing_key.clone(), SIGNING_KEY.to_owned(), true),
            (previous, format!("{SIGNING_KEY}.previous"), false),
        ];
        for (from, name, needed) in keys {
            match copy(&from, &self.part.join(KEYS).join(&name), format!("{KEYS}/{name}")) {
                Ok(entry) => self.manifest.files.push(entry),
                Err(error) if error.kind() == io::ErrorKind::NotFound && !needed => {}
                Err(error) => return Err(BackupError::file(&from, &error)),
            }
        }
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.finished {
            // What stays has no manifest, or another name: nobody takes it for a backup.
            let _ = fs::remove_dir_all(&self.part);
        }
    }
}

/// The key before the one in use, while it is handed over.
pub(super) fn previous(key: &Path) -> PathBuf {
    let mut name = key.file_name().unwrap_or_default().to_owned();
    name.push(".previous");
    key.with_file_name(name)
}

/// A new folder for its owner alone.
fn make(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().mode(0o700).create(path)
}
