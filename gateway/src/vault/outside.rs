//! Secrets of the gateway's own that lie outside its stores: the configuration names a file or an environment variable.

use std::{
    fs::OpenOptions,
    io::Read,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use secrecy::SecretString;
use zeroize::Zeroizing;

/// More than such a secret can be, in bytes.
const TEXT_BYTES_MAX: u64 = 8 * 1024;

/// Where such a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutsideSecret {
    /// A file that only its owner may read (mode 0600 or 0400).
    File(PathBuf),
    /// An environment variable.
    Env(String),
}

/// Why it can't be used. The text says what to do and quotes nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OutsideError(String);

impl OutsideSecret {
    /// Reads it: one line, without the white space around it.
    ///
    /// # Errors
    /// [`OutsideError`] where it is not there, others can read it, or it is not one line of text.
    pub fn read(&self) -> Result<SecretString, OutsideError> {
        let (text, place) = match self {
            Self::File(path) => (from_file(path)?, format!("`{}`", path.display())),
            Self::Env(name) => {
                let place = format!("the environment variable `{name}`");
                let value = std::env::var(name).map_err(|_| OutsideError(format!("{place} is not set to a text")))?;
                (Zeroizing::new(value), place)
            }
        };
        let line = text.trim();
        if line.is_empty() || line.chars().any(char::is_control) {
            return Err(OutsideError(format!("{place} does not hold one line of text")));
        }
        Ok(SecretString::from(line))
    }
}

fn from_file(path: &Path) -> Result<Zeroizing<String>, OutsideError> {
    let shown = path.display();
    let unreadable = |error: std::io::Error| OutsideError(format!("`{shown}` can't be read: {error}"));
    // A pipe without a writer must not hold the start up.
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path).map_err(unreadable)?;
    let facts = file.metadata().map_err(unreadable)?;
    if !facts.is_file() {
        return Err(OutsideError(format!("`{shown}` is not a file")));
    }
    if facts.mode() & 0o077 != 0 {
        let mode = facts.mode() & 0o777;
        return Err(OutsideError(format!("others may use `{shown}` (mode {mode:04o}); run `chmod 600 {shown}`")));
    }
    // Made whole at once: a text that grows leaves copies of itself in memory.
    let mut bytes = Zeroizing::new(Vec::with_capacity(TEXT_BYTES_MAX as usize));
    file.take(TEXT_BYTES_MAX).read_to_end(&mut bytes).map_err(unreadable)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| OutsideError(format!("`{shown}` is not text")))?;
    Ok(Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_private_file_of_one_line_is_read_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        let read = || OutsideSecret::File(path.clone()).read();
        assert!(read().unwrap_err().to_string().contains("can't be read"));
        std::fs::write(&path, " Bearer abc \n").unwrap();
        assert!(read().unwrap_err().to_string().contains("chmod 600"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(read().unwrap().expose_secret(), "Bearer abc");
        for bad in ["", " \n", "a\nb", "a\0b"] {
            std::fs::write(&path, bad).unwrap();
            let error = read().unwrap_err().to_string();
            assert!(error.contains("one line"), "{bad:?}: {error}");
        }
        std::fs::write(&path, b"\xff").unwrap();
        assert!(read().is_err());
        assert!(OutsideSecret::File(dir.path().to_owned()).read().is_err());
        assert!(OutsideSecret::Env("PRESSGATE_TEST_NOT_SET".into()).read().is_err());
    }
}
