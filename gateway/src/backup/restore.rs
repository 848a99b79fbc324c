//! Puts a backup back, into places that are empty.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;
use pressgate_audit::{
    Writer, WriterOptions,
    note::{Checkpoint, Note},
    tile::TILE_WIDTH,
    tree::{TREE_DIR, TreeFiles, copy_tree},
    verify::{VerifyError, VerifyOptions, verify},
};
use zeroize::Zeroizing;

use super::{
    BackupError, Checked, Since,
    copy::{Durable, copy, entry, sync_parent, write_whole},
    manifest::{EXPORT, KEK, KEYS, LOG, MEDIA, RECORDS, SIGNING_KEY},
    restored::{Evidence, Restored, mark},
    take::previous,
};
use crate::{
    audit::{Disk, RealDisk},
    config::{Config, process::Kek},
    folders,
};

/// The largest batch of the segment that is begun, in bytes: one leaf of any size fits.
const BATCH_BYTES_MAX: u32 = 128 * 1024;
/// The file in the data folder with the node's id.
const NODE: &str = "node";
/// What may be in a data folder that is restored into, besides keys and the second checkpoint.
const HARMLESS: [&str; 1] = ["lock"];

/// What is to be restored.
#[derive(Debug)]
pub struct Restore<'a> {
    /// The folder of the backup.
    pub backup: &'a Path,
    /// A backup that was checked.
    pub checked: &'a Checked,
    /// Where everything is put. The caller holds the lock of the data folder.
    pub config: &'a Config,
    /// Further places where the second checkpoint may be.
    pub seconds: &'a [PathBuf],
    /// What happened since, where the newer log is still there.
    pub since: Option<&'a Since>,
    /// The log had been further than the backup, and somebody means that.
    pub older: bool,
    /// Now.
    pub now: Timestamp,
}

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The word for the next start.
    pub restored: Restored,
    /// Was there a second checkpoint to compare with?
    pub compared: bool,
    /// The key-encryption key came out of the backup.
    pub with_kek: bool,
    /// The signing key came out of the backup.
    pub with_signing_key: bool,
}

/// The configuration with its data folder elsewhere; what lay in the old one lies in the new one at the same place.
#[must_use]
pub fn relocated(config: &Config, data: &Path) -> Config {
    let moved = |path: &Path| path.strip_prefix(&config.data).map_or_else(|_| path.to_owned(), |rest| data.join(rest));
    let mut new = config.clone();
    new.data = data.to_owned();
    new.audit.dir = moved(&config.audit.dir);
    new.audit.second_checkpoint = moved(&config.audit.second_checkpoint);
    new.audit.signing_key = moved(&config.audit.signing_key);
    if let Kek::File(path) = &config.kek {
        new.kek = Kek::File(moved(path));
    }
    new
}

/// Restores. What a restore that was broken off left is removed first; anything else is in the way.
///
/// # Errors
/// [`BackupError::Refused`] with nothing changed; [`BackupError::Files`] where it broke off, and the mark stays.
pub fn restore(wish: &Restore<'_>) -> Result<Done, BackupError> {
    let config = wish.config;
    let data = &config.data;
    let checkpoint = &config.audit.second_checkpoint;
    let second = Second::find(wish)?;
    let again = mark(data).exists();
    // A restore of this backup that broke off after it had replaced the second checkpoint knows what there was.
    let earlier = Restored::read(data).ok().flatten().filter(|known| again && known.backup == wish.checked.manifest.id);
    if !again {
        nothing_in_the_way(config)?;
    }
    keys_fit(wish)?;
    folders::private(data).map_err(|error| BackupError::file(data, &error))?;
    write_whole(&mark(data), format!("{}\n", wish.checked.manifest.id).as_bytes())?;
    if again {
        clear(config)?;
    }
    let older_than = match &second.newer {
        Some((file, size)) => Some(keep(file, checkpoint, *size)?),
        None => earlier.and_then(|earlier| earlier.older_than),
    };
    let (with_kek, with_signing_key) = put_files(wish)?;
    put_log(wish)?;
    let manifest = &wish.checked.manifest;
    let restored = Restored {
        backup: manifest.id.clone(),
        backup_at: manifest.created_at,
        restored_at: wish.now,
        size: manifest.log.size,
        older_than,
        erased: wish.since.map(|since| since.erased.clone()).unwrap_or_default(),
        revoked_feeds: wish.since.map(|since| since.revoked_feeds.clone()).unwrap_or_default(),
        revoked_keys: wish.since.map(|since| since.revoked_keys.clone()).unwrap_or_default(),
    };
    restored.write(data)?;
    write_whole(checkpoint, &wish.checked.note)?;
    fs::remove_file(mark(data)).map_err(|error| BackupError::file(&mark(data), &error))?;
    sync_parent(&mark(data))?;
    Ok(Done { restored, compared: second.found, with_kek, with_signing_key })
}

/// What the second checkpoints say.
struct Second {
    found: bool,
    /// The one that covers most, where that is more than the backup has.
    newer: Option<(PathBuf, u64)>,
}

impl Second {
    fn find(wish: &Restore<'_>) -> Result<Self, BackupError> {
        let mut second = Self { found: false, newer: None };
        let mut places: Vec<&PathBuf> =
            std::iter::once(&wish.config.audit.second_checkpoint).chain(wish.seconds).collect();
        places.dedup();
        for file in places.into_iter().filter(|file| file.exists()) {
            second.found = true;
            if let Some(size) = covers_more(wish, file)?
                && second.newer.as_ref().is_none_or(|(_, known)| *known < size)
            {
                second.newer = Some((file.clone(), size));
            }
        }
        let size = wish.checked.checkpoint.size;
        if let Some((file, newer)) = second.newer.as_ref().filter(|_| !wish.older) {
            return Err(BackupError::Refused(format!(
                "this backup is older than the log was: its log has {size} leaves, and the second checkpoint {} was signed for \
                 {newer}. What happened from leaf {size} on is not in it: what was published, voted, erased and revoked since. \
                 Use a newer backup. If this is the newest, say so with --older: the second checkpoint is then kept beside as \
                 evidence, and the log says what was done. Where the newer log is still there, give it with --erased-since, so \
                 that nothing comes back that was erased. Nothing was changed",
                file.display()
            )));
        }
        Ok(second)
    }
}

/// How many leaves a second checkpoint covers, where the backup has fewer.
fn covers_more(wish: &Restore<'_>, file: &Path) -> Result<Option<u64>, BackupError> {
    let Checked { checkpoint, trust, .. } = wish.checked;
    let options = VerifyOptions {
        origin: Some(checkpoint.origin.clone()),
        second: Some(file.to_owned()),
        ..VerifyOptions::new(trust.key.clone())
    };
    match verify(&RealDisk, &wish.backup.join(LOG), &options) {
        Ok(_) => Ok(None),
        Err(VerifyError::Rollback { wanted, .. }) => Ok(Some(wanted)),
        // A key that came later than the backup can't be checked with it; what such a checkpoint states is kept as it is.
        Err(VerifyError::Past { .. }) if wish.older && stated(file, &checkpoint.origin) > Some(checkpoint.size) => {
            Ok(stated(file, &checkpoint.origin))
        }
        Err(error) => Err(BackupError::Refused(format!(
            "the second checkpoint does not fit this backup: {error}. If it is of another log, or the signing key was changed since \
             the backup, move it away and keep it. Nothing was changed"
        ))),
    }
}

/// How many leaves a checkpoint says that it covers; none where it is of another log.
fn stated(file: &Path, origin: &str) -> Option<u64> {
    let note = Note::parse(&fs::read(file).ok()?).ok()?;
    let checkpoint = Checkpoint::parse(&note.text).ok()?;
    (checkpoint.origin == origin).then_some(checkpoint.size)
}

/// Copies a second checkpoint beside its place, under a name that says what it is.
fn keep(file: &Path, place: &Path, size: u64) -> Result<Evidence, BackupError> {
    let bytes = fs::read(file).map_err(|error| BackupError::file(file, &error))?;
    let mut name = place.file_name().unwrap_or_default().to_owned();
    name.push(format!(".of-{size}-leaves"));
    let kept = place.with_file_name(name);
    let kept = std::path::absolute(&kept).unwrap_or(kept);
    write_whole(&kept, &bytes)?;
    let found = entry(&kept, String::new()).map_err(|error| BackupError::file(&kept, &error))?;
    Ok(Evidence { file: kept, size, sha256: found.sha256 })
}

/// Refuses where anything lies that is not the restore's.
fn nothing_in_the_way(config: &Config) -> Result<(), BackupError> {
    let signing = &config.audit.signing_key;
    let mut allowed = vec![signing.clone(), previous(signing)];
    if let Kek::File(path) = &config.kek {
        allowed.push(path.clone());
    }
    let second = config.audit.second_checkpoint.display().to_string();
    let is_allowed = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        HARMLESS.contains(&name)
            || allowed.iter().any(|known| known == path)
            || path.display().to_string().starts_with(&second)
    };
    for dir in [&config.data, &config.audit.dir] {
        let listed = match fs::read_dir(dir) {
            Ok(listed) => listed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(BackupError::file(dir, &error)),
        };
        for found in listed {
            let path = found.map_err(|error| BackupError::file(dir, &error))?.path();
            let is_empty_log =
                path == config.audit.dir && fs::read_dir(&path).is_ok_and(|mut inside| inside.next().is_none());
            if !is_empty_log && !is_allowed(&path) {
                return Err(BackupError::Refused(format!(
                    "{} is not empty: it has {}. A restore writes over nothing: move the whole folder away and keep it (its log may \
                     know more than the backup: --erased-since), and leave only keys and the second checkpoint. Nothing was changed",
                    dir.display(),
                    path.display()
                )));
            }
        }
    }
    Ok(())
}

/// Keys that are there already must be those of the backup.
fn keys_fit(wish: &Restore<'_>) -> Result<(), BackupError> {
    for (name, path) in keys(wish.config) {
        let Some(wanted) = wish.checked.manifest.file(&format!("{KEYS}/{name}")) else { continue };
        if !path.exists() {
            continue;
        }
        let found = entry(&path, wanted.path.clone()).map_err(|error| BackupError::file(&path, &error))?;
        if found != *wanted {
            let shown = path.display();
            let text = format!(
                "{shown} is another key than the one in the backup; move the wrong one away. Nothing was changed"
            );
            return Err(BackupError::Refused(text));
        }
    }
    Ok(())
}

/// The secret keys of a backup, and where they belong.
fn keys(config: &Config) -> Vec<(String, PathBuf)> {
    let signing = &config.audit.signing_key;
    let mut keys =
        vec![(SIGNING_KEY.to_owned(), signing.clone()), (format!("{SIGNING_KEY}.previous"), previous(signing))];
    if let Kek::File(path) = &config.kek {
        keys.push((KEK.to_owned(), path.clone()));
    }
    keys
}

/// Removes what a restore that was broken off has written; no gateway has started meanwhile.
fn clear(config: &Config) -> Result<(), BackupError> {
    let gone = |path: &Path| {
        let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(BackupError::file(path, &error)),
            _ => Ok(()),
        }
    };
    let data = &config.data;
    for path in
        [config.records_dir(), config.subject_keys_file(), config.media_dir(), config.export_dir(), data.join(NODE)]
    {
        gone(&path)?;
    }
    for found in fs::read_dir(&config.audit.dir).into_iter().flatten().flatten() {
        gone(&found.path())?;
    }
    Ok(())
}

/// Puts everything but the log. Which secret keys came with it: key-encryption key, signing key.
fn put_files(wish: &Restore<'_>) -> Result<(bool, bool), BackupError> {
    let config = wish.config;
    let durable = Durable::watch(&config.data)?;
    let (mut with_kek, mut with_signing_key) = (false, false);
    for dir in [config.media_dir(), config.export_dir()] {
        folders::private(&dir).map_err(|error| BackupError::file(&dir, &error))?;
    }
    for file in &wish.checked.manifest.files {
        let mut from = wish.backup.join(&file.path);
        let into = match file.path.split_once('/') {
            Some((MEDIA, name)) => config.media_dir().join(name),
            Some((EXPORT, name)) => config.export_dir().join(name),
            Some((KEYS, name)) => {
                let Some((_, place)) = keys(config).into_iter().find(|(known, _)| known == name) else { continue };
                (with_kek, with_signing_key) = (with_kek || name == KEK, with_signing_key || name == SIGNING_KEY);
                if place.exists() {
                    continue;
                }
                place
            }
            Some(_) => continue,
            None if file.path == RECORDS => config.records_dir(),
            None => {
                let Some(keys) = &wish.checked.subject_keys else { continue };
                from.clone_from(keys);
                config.subject_keys_file()
            }
        };
        if file.path.starts_with("keys/") {
            put_key(&from, &into)?;
            continue;
        }
        let put = copy(&from, &into, file.path.clone()).map_err(|error| BackupError::file(&into, &error))?;
        if put != *file {
            return Err(BackupError::Files(format!("{} changed while it was restored", from.display())));
        }
    }
    write_whole(&config.data.join(NODE), format!("{}\n", wish.checked.manifest.node).as_bytes())?;
    durable.sync(&config.data)?;
    Ok((with_kek, with_signing_key))
}

/// A key gets its name when it is whole; it may lie on another disk.
fn put_key(from: &Path, into: &Path) -> Result<(), BackupError> {
    if let Some(parent) = into.parent().filter(|parent| !parent.exists()) {
        folders::private(parent).map_err(|error| BackupError::file(parent, &error))?;
    }
    let key = fs::read(from).map(Zeroizing::new).map_err(|error| BackupError::file(from, &error))?;
    write_whole(into, &key)
}

/// Puts the log's tree, and begins its segments with the last leaf.
fn put_log(wish: &Restore<'_>) -> Result<(), BackupError> {
    let dir = &wish.config.audit.dir;
    let checkpoint = &wish.checked.checkpoint;
    let failed = |error: &dyn std::fmt::Display| BackupError::Files(format!("the log can't be restored: {error}"));
    folders::private(dir).map_err(|error| BackupError::file(dir, &error))?;
    let durable = Durable::watch(dir)?;
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let (from, into) = (wish.backup.join(LOG), dir.join(TREE_DIR));
    copy_tree(&disk, &from, &into, &wish.checked.note).map_err(|error| failed(&error))?;
    durable.sync(dir)?;
    let last = checkpoint.size.checked_sub(1).ok_or_else(|| failed(&"it is empty"))?;
    let bundle = TreeFiles::new(Arc::clone(&disk), &into, checkpoint.size).leaves(last / TILE_WIDTH);
    let leaf = bundle.map_err(|error| failed(&error))?.pop().ok_or_else(|| failed(&"it has no last leaf"))?;
    let options = WriterOptions {
        dir: dir.clone(),
        segment_bytes: wish.config.audit.segment_bytes,
        batch_bytes_max: BATCH_BYTES_MAX,
        origin: checkpoint.origin.clone(),
        at_least: 0,
        covered: checkpoint.size,
        besides_from: u64::MAX,
    };
    Writer::seed(options, disk, last, &[leaf]).map_err(|error| failed(&error))
}
