//! What a backup says of itself, and the digest that the log keeps of it.

use std::{fs, io, path::Path};

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::BackupError;
use crate::model::hex::hex;

/// Name of the manifest in a backup. It is written last.
pub const MANIFEST: &str = "backup.json";
/// Name of the records in a backup.
pub(super) const RECORDS: &str = "records";
/// Name of the keys of subjects in a backup.
pub(super) const SUBJECT_KEYS: &str = "subject-keys.sqlite";
/// Name of the folder of the log's tree in a backup.
pub(super) const LOG: &str = "log";
/// Name of the folder of media in a backup.
pub(super) const MEDIA: &str = "media";
/// Name of the folder of the exports' cursors in a backup.
pub(super) const EXPORT: &str = "export";
/// Name of the folder of secret keys in a backup.
pub(super) const KEYS: &str = "keys";
/// Name of the key-encryption key in that folder.
pub(super) const KEK: &str = "kek";
/// Name of the key that signs checkpoints in that folder; with `.previous` the one before it.
pub(super) const SIGNING_KEY: &str = "audit-key";

/// What a manifest says that it is.
const FORMAT: &str = "pressgate-backup";
/// The version of the form of backups that this program writes and reads.
const VERSION: u32 = 1;
/// No manifest is longer, in bytes: some hundred thousand media.
const MANIFEST_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// The start of an id.
const ID_START: &str = "backup_";

/// A backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// `pressgate-backup`.
    pub format: String,
    /// Version of the form.
    pub version: u32,
    /// Its id, which leaves name.
    pub id: String,
    /// When it was begun.
    pub created_at: Timestamp,
    /// The version of Pressgate that made it.
    pub pressgate: String,
    /// The node that it is of.
    pub node: String,
    /// The log.
    pub log: LogPart,
    /// The records reflect the leaves below this index at least.
    pub applied_leaf: u64,
    /// Every file but the log's and this one, by path.
    pub files: Vec<FileEntry>,
    /// Media that went away while they were copied: nothing used them any more.
    #[serde(default)]
    pub media_gone: u64,
}

/// The log in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogPart {
    /// Its name.
    pub origin: String,
    /// The public key that its checkpoint is signed with. A key that somebody else kept proves more.
    pub key: String,
    /// How many leaves.
    pub size: u64,
    /// Root of the tree, hexadecimal.
    pub root: String,
    /// The leaf with the digest of the files.
    pub leaf: u64,
    /// Bundles that retention had dropped.
    #[serde(default)]
    pub missing_bundles: u64,
}

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Its path within the backup, of one or two names.
    pub path: String,
    /// Length.
    pub bytes: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

impl FileEntry {
    /// May it be kept elsewhere, or be dropped?
    pub fn may_be_apart(&self) -> bool {
        self.path == SUBJECT_KEYS
    }

    /// A name that leads nowhere else.
    fn is_sound(&self) -> bool {
        let plain = |name: &str| {
            let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
            !name.is_empty() && letters && !name.starts_with('.')
        };
        let placed = match self.path.split_once('/') {
            None => [RECORDS, SUBJECT_KEYS].contains(&self.path.as_str()),
            Some((folder, name)) => [MEDIA, EXPORT, KEYS].contains(&folder) && plain(name),
        };
        placed && self.sha256.len() == 64 && self.sha256.bytes().all(|byte| byte.is_ascii_hexdigit())
    }
}

impl Manifest {
    /// Reads the manifest of a backup.
    ///
    /// # Errors
    /// There is none, or it is of a later version.
    pub fn read(backup: &Path) -> Result<Self, BackupError> {
        let path = backup.join(MANIFEST);
        let bytes = match fs::metadata(&path) {
            Ok(facts) if facts.len() > MANIFEST_BYTES_MAX => {
                return Err(BackupError::Broken(format!("{MANIFEST} is too long")));
            }
            Ok(_) => fs::read(&path).map_err(|error| BackupError::file(&path, &error))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(BackupError::Refused(format!(
                    "{} is no backup, or one that was broken off: it has no {MANIFEST}. Nothing was changed",
                    backup.display()
                )));
            }
            Err(error) => return Err(BackupError::file(&path, &error)),
        };
        let manifest: Self = serde_json::from_slice(&bytes)
            .map_err(|error| BackupError::Broken(format!("{MANIFEST} can't be read: {error}")))?;
        if manifest.format != FORMAT || manifest.version != VERSION {
            return Err(BackupError::Broken(format!(
                "{MANIFEST} is not of version {VERSION}, which this Pressgate reads"
            )));
        }
        let sound = is_backup_id(&manifest.id) && manifest.files.iter().all(FileEntry::is_sound);
        let rising = manifest.files.is_sorted_by(|one, next| one.path < next.path);
        if !sound || !rising {
            return Err(BackupError::Broken(format!("{MANIFEST} names what no backup has")));
        }
        Ok(manifest)
    }

    /// The head of a new one.
    pub(super) fn begin(id: String, node: String, created_at: Timestamp) -> Self {
        let log = LogPart {
            origin: String::new(),
            key: String::new(),
            size: 0,
            root: String::new(),
            leaf: 0,
            missing_bundles: 0,
        };
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            id,
            created_at,
            pressgate: env!("CARGO_PKG_VERSION").to_owned(),
            node,
            log,
            applied_leaf: 0,
            files: Vec::new(),
            media_gone: 0,
        }
    }

    /// What the log keeps: SHA-256 over id and files, a line each.
    pub fn digest(&self) -> String {
        let lines = self.files.iter().map(|file| format!("{} {} {}\n", file.sha256, file.bytes, file.path));
        let text = format!("{FORMAT}/{VERSION}\n{}\n{}", self.id, lines.collect::<String>());
        hex(digest(&SHA256, text.as_bytes()).as_ref())
    }

    /// Has it this file?
    pub fn file(&self, path: &str) -> Option<&FileEntry> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Are there secret keys in it?
    pub fn has_keys(&self) -> bool {
        self.files.iter().any(|file| file.path.starts_with("keys/"))
    }
}

/// A fresh id, which sorts by time.
pub fn backup_id(now: Timestamp) -> String {
    let millis = u64::try_from(now.as_millisecond()).unwrap_or_default();
    let nanos = u32::try_from(millis % 1000).unwrap_or_default() * 1_000_000;
    let stamp = uuid::Timestamp::from_unix(uuid::NoContext, millis / 1000, nanos);
    format!("{ID_START}{}", uuid::Uuid::new_v7(stamp).simple())
}

/// Is it an id as [`backup_id`] makes them?
pub fn is_backup_id(text: &str) -> bool {
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.strip_prefix(ID_START).is_some_and(|rest| rest.len() == 32 && rest.bytes().all(is_hex))
}
