//! The key of a witness: a file of mode 0600, in the form of C2SP signed-note.

use std::{io::Read, os::unix::fs::MetadataExt, path::Path};

use pressgate_audit::note::{Algorithm, Signer};
use zeroize::Zeroizing;

/// More text than a key can be, in bytes.
const KEY_TEXT_BYTES_MAX: u64 = 4096;

/// Reads the key of a witness.
///
/// # Errors
/// A sentence that says what to do; it holds nothing of the key.
pub fn read(path: &Path) -> Result<Signer, String> {
    let signer = read_any(path)?;
    if signer.verifier().algorithm() != Algorithm::Cosignature {
        return Err(format!("{} is the key of a log, not of a witness", path.display()));
    }
    Ok(signer)
}

/// Reads a key of whatever kind.
///
/// # Errors
/// A sentence that says what to do; it holds nothing of the key.
pub fn read_any(path: &Path) -> Result<Signer, String> {
    let shown = path.display();
    let failed = |error: std::io::Error| format!("{shown}: {error}. `pressgate audit witness init` makes a key");
    let file = std::fs::File::open(path).map_err(failed)?;
    let facts = file.metadata().map_err(failed)?;
    if !facts.is_file() {
        return Err(format!("{shown} is no file; give the file that holds the key"));
    }
    let mode = facts.mode();
    if mode & 0o077 != 0 {
        return Err(format!("others may read {shown}, which signs; run `chmod 600 {shown}`"));
    }
    let mut text = Zeroizing::new(String::with_capacity(KEY_TEXT_BYTES_MAX as usize));
    file.take(KEY_TEXT_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
    Signer::parse(&text).map_err(|error| format!("{shown}: {error}"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn only_a_private_file_with_a_cosigning_key_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        assert!(read(&path).unwrap_err().contains("init"));
        assert!(read(dir.path()).unwrap_err().contains("is no file"));
        let write = |algorithm, mode| {
            let signer = Signer::from_seed("w.example", algorithm, [1; 32].into()).unwrap();
            std::fs::write(&path, format!("{}\n", *signer.secret_text())).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            signer
        };
        let signer = write(Algorithm::Cosignature, 0o600);
        assert_eq!(read(&path).unwrap().verifier(), signer.verifier());
        write(Algorithm::Cosignature, 0o640);
        assert!(read(&path).unwrap_err().contains("chmod 600"));
        write(Algorithm::Ed25519, 0o600);
        assert!(read(&path).unwrap_err().contains("key of a log"));
        std::fs::write(&path, "PRIVATE+KEY+w+00000000+AAAA").unwrap();
        let told = read(&path).unwrap_err();
        assert!(told.contains("not a key") && !told.contains("AAAA"), "{told}");
    }
}
