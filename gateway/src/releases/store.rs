//! The components of releases on disk, each under the SHA-256 of its content. A file is there whole or not at all, and what is read is
//! what was put: the name says so, and every read checks it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use aws_lc_rs::digest;

use crate::{folders, host::COMPONENT_BYTES_MAX, model::hex::hex};

const SUFFIX: &str = "wasm";
const UNFINISHED: &str = "part";
/// Numbers this process's unfinished files, so that no two writers share one.
static DRAFTS: AtomicU64 = AtomicU64::new(0);

/// The folder.
#[derive(Debug, Clone)]
pub struct ReleaseStore {
    folder: PathBuf,
}

/// The digest of a component with its manifest, hexadecimal: the release's name.
pub fn digest_of(component: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, component).as_ref())
}

impl ReleaseStore {
    /// Opens the folder, makes it where it is missing, and clears away what a writer that was killed left unfinished.
    ///
    /// # Errors
    /// It can't be made or read.
    pub fn open(folder: &Path) -> io::Result<Self> {
        folders::private(folder)?;
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == UNFINISHED) {
                fs::remove_file(path)?;
            }
        }
        Ok(Self { folder: folder.to_owned() })
    }

    /// Keeps a component, durably. One that is there already stays.
    ///
    /// # Errors
    /// It can't be written; nothing is there then.
    pub fn put(&self, component: &[u8]) -> io::Result<String> {
        let digest = digest_of(component);
        let path = self.path(&digest);
        if self.get(&digest).is_ok() {
            return Ok(digest);
        }
        let number = DRAFTS.fetch_add(1, Ordering::Relaxed);
        let draft = self.folder.join(format!("{digest}-{}-{number}.{UNFINISHED}", std::process::id()));
        let write = || {
            let mut options = OpenOptions::new();
            options.write(true).create_new(true).mode(folders::PRIVATE_FILE_MODE);
            let mut file = options.open(&draft)?;
            file.write_all(component)?;
            file.sync_all()?;
            fs::rename(&draft, &path)?;
            File::open(&self.folder)?.sync_all()
        };
        write().inspect_err(|_| drop(fs::remove_file(&draft)))?;
        Ok(digest)
    }

    /// A component, as it was put.
    ///
    /// # Errors
    /// A sentence: it is not there, or somebody changed it.
    pub fn get(&self, digest: &str) -> Result<Vec<u8>, String> {
        let path = self.path(digest);
        let shown = path.display();
        let options = || {
            let mut options = OpenOptions::new();
            options.read(true).custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
            options
        };
        let file = options().open(&path).map_err(|error| format!("{shown}: {error}"))?;
        let mut component = Vec::new();
        let most = u64::try_from(COMPONENT_BYTES_MAX).unwrap_or(u64::MAX);
        file.take(most.saturating_add(1)).read_to_end(&mut component).map_err(|error| format!("{shown}: {error}"))?;
        if digest_of(&component) != digest {
            return Err(format!("{shown}: its content is not what was installed; install the release again"));
        }
        Ok(component)
    }

    fn path(&self, digest: &str) -> PathBuf {
        self.folder.join(format!("{digest}.{SUFFIX}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_comes_back_and_what_was_changed_does_not() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("releases");
        let store = ReleaseStore::open(&folder).unwrap();
        let digest = store.put(b"component").unwrap();
        assert_eq!(store.put(b"component").unwrap(), digest);
        assert_eq!(store.get(&digest).unwrap(), b"component");
        let path = folder.join(format!("{digest}.wasm"));
        fs::write(&path, b"Component").unwrap();
        assert!(store.get(&digest).unwrap_err().contains("not what was installed"));
        store.put(b"component").unwrap();
        assert_eq!(store.get(&digest).unwrap(), b"component", "installing again mends it");
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", &path).unwrap();
        assert!(store.get(&digest).is_err(), "a link is not followed");
    }

    #[test]
    fn half_a_file_is_none_and_is_cleared_away() {
        let root = tempfile::tempdir().unwrap();
        let store = ReleaseStore::open(root.path()).unwrap();
        let digest = digest_of(b"component");
        let half = root.path().join(format!("{digest}-1-0.part"));
        fs::write(&half, b"comp").unwrap();
        assert!(store.get(&digest).is_err());
        ReleaseStore::open(root.path()).unwrap();
        assert!(!half.exists());
    }
}
