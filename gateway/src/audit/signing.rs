//! The key that signs the log's checkpoints: a file of mode 0600, in the form of C2SP signed-note.
//!
//! While the key is changed there are two files: the new key, and the one before it, `<name>.previous`, until a checkpoint that is
//! signed with both is in the log. A crash in between is gone on from at the next start.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use pressgate_audit::{
    RealDisk,
    note::{Algorithm, Signer},
    tree::replace,
};
use zeroize::Zeroizing;

/// More text than a key can be.
const KEY_TEXT_BYTES_MAX: u64 = 4096;

/// The keys that checkpoints are signed with.
#[derive(Debug)]
pub struct SigningKeys {
    /// The key in use.
    pub current: Signer,
    /// The key before it, while it is handed over.
    pub previous: Option<Signer>,
    file: PathBuf,
}

impl SigningKeys {
    /// Reads the key, or makes one for a log that has no checkpoint yet. `name` is the log's origin.
    ///
    /// # Errors
    /// A sentence that says what to do.
    pub fn open(file: &Path, name: &str, has_checkpoint: bool) -> Result<Self, String> {
        let current = match read(file)? {
            Some(key) => key,
            None if has_checkpoint => {
                return Err(format!(
                    "{} is missing: the key that signs the log's checkpoints. Restore it from its backup; without it nobody can tell \
                     this log from a forged one",
                    file.display()
                ));
            }
            None => create(file, name)?,
        };
        if current.verifier().name() != name {
            let found = current.verifier().name();
            return Err(format!(
                "{} is the key of the log `{found}`, not of `{name}`; restore the right one",
                file.display()
            ));
        }
        Ok(Self { current, previous: read(&previous(file))?, file: file.to_owned() })
    }

    /// Makes a new key, which signs from now on; the old one signs beside it until [`SigningKeys::forget_previous`].
    ///
    /// # Errors
    /// The old key stays in use.
    pub fn rotate(&mut self) -> Result<(), String> {
        if self.previous.is_some() {
            return Err("the key is being changed already; wait for the next checkpoint".to_owned());
        }
        let name = self.current.verifier().name();
        let new = Signer::generate(name, Algorithm::Ed25519).map_err(|error| error.to_string())?;
        // First the old one under its new name: whatever a crash leaves, the key of the last checkpoint is there.
        write(&previous(&self.file), &self.current.secret_text())?;
        write(&self.file, &new.secret_text())?;
        self.previous = Some(std::mem::replace(&mut self.current, new));
        Ok(())
    }

    /// Forgets the old key: a checkpoint that is signed with both is in the log.
    pub fn forget_previous(&mut self) {
        self.previous = None;
        let file = previous(&self.file);
        if let Err(error) = fs::remove_file(&file) {
            tracing::warn!(%error, file = %file.display(), "the old signing key can't be removed; the next start hands over again");
        }
    }

    /// The keys to sign with, the one in use first.
    pub fn all(&self) -> Vec<&Signer> {
        std::iter::once(&self.current).chain(&self.previous).collect()
    }
}

fn previous(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".previous");
    file.with_file_name(name)
}

fn read(path: &Path) -> Result<Option<Signer>, String> {
    let shown = path.display();
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{shown}: {error}")),
    };
    let mode = file.metadata().map_err(|error| format!("{shown}: {error}"))?.mode();
    if mode & 0o077 != 0 {
        return Err(format!("others may read {shown}, which signs the audit log; run `chmod 600 {shown}`"));
    }
    let mut text = Zeroizing::new(String::new());
    let read = file.take(KEY_TEXT_BYTES_MAX).read_to_string(&mut text);
    read.map_err(|error| format!("{shown}: {error}"))?;
    Signer::parse(&text).map(Some).map_err(|error| format!("{shown}: {error}. Restore it from its backup"))
}

fn create(path: &Path, name: &str) -> Result<Signer, String> {
    let signer = Signer::generate(name, Algorithm::Ed25519).map_err(|error| error.to_string())?;
    write(path, &signer.secret_text())?;
    Ok(signer)
}

/// Writes a key so that a crash leaves the old file or the new one. The log's files are for their owner alone, and so is this.
fn write(path: &Path, text: &str) -> Result<(), String> {
    let text = Zeroizing::new(format!("{text}\n"));
    replace(&RealDisk, path, &text).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_changed_with_a_handover() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("audit-key");
        let first = SigningKeys::open(&file, "acme/audit/n1", false).unwrap().current.verifier().clone();
        let mut keys = SigningKeys::open(&file, "acme/audit/n1", true).unwrap();
        assert_eq!(keys.current.verifier(), &first);
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        keys.rotate().unwrap();
        assert!(keys.rotate().unwrap_err().contains("being changed"));
        let second = keys.current.verifier().clone();
        assert_ne!(second, first);
        // A crash now: both are found again.
        let mut keys = SigningKeys::open(&file, "acme/audit/n1", true).unwrap();
        assert_eq!(keys.current.verifier(), &second);
        assert_eq!(keys.previous.as_ref().unwrap().verifier(), &first);
        keys.forget_previous();
        assert!(SigningKeys::open(&file, "acme/audit/n1", true).unwrap().previous.is_none());
    }

    #[test]
    fn a_missing_open_or_foreign_key_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("audit-key");
        let error = SigningKeys::open(&file, "acme/audit/n1", true).unwrap_err();
        assert!(error.contains("Restore it"), "{error}");
        SigningKeys::open(&file, "acme/audit/n1", false).unwrap();
        let error = SigningKeys::open(&file, "acme/audit/n2", false).unwrap_err();
        assert!(error.contains("`acme/audit/n1`"), "{error}");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        let error = SigningKeys::open(&file, "acme/audit/n1", false).unwrap_err();
        assert!(error.contains("chmod 600"), "{error}");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&file, "PRIVATE+KEY+x+00000000+AAAA").unwrap();
        let error = SigningKeys::open(&file, "acme/audit/n1", false).unwrap_err();
        assert!(error.contains("not a key") && !error.contains("AAAA"), "{error}");
    }
}
