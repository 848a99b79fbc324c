//! The files of certificates and keys.

use std::{
    fs::{self, File},
    io::Read,
    os::unix::fs::MetadataExt,
    path::Path,
};

use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use zeroize::Zeroizing;

use super::{TlsError, TlsFiles};

/// Size of the largest file.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// What tells one state of the files from another: inode, size and time of the last change of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp(Vec<Option<(u64, u64, i64, i64)>>);

impl Stamp {
    pub(super) fn of(files: &TlsFiles) -> Self {
        let paths = [Some(&files.certificate), Some(&files.key), files.client_ca.as_ref()];
        let one = |path| {
            let about = fs::metadata(path).ok()?;
            Some((about.ino(), about.len(), about.mtime(), about.mtime_nsec()))
        };
        Self(paths.into_iter().flatten().map(one).collect())
    }
}

/// The certificates in a PEM file; at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(unfit(path, "there is no certificate in it")),
        Err(error) => Err(unfit(path, &error.to_string())),
    }
}

/// The first private key in a PEM file.
pub(super) fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = read(path)?;
    // What the parser says of a key is not repeated: it might have a part of it.
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| unfit(path, "there is no private key in PEM in it"))
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    let failed = |error: std::io::Error| unfit(path, &error.to_string());
    let mut text = Zeroizing::new(Vec::with_capacity(64 * 1024));
    File::open(path).map_err(failed)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut text).map_err(failed)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(unfit(path, &format!("it has more than {FILE_BYTES_MAX} bytes")));
    }
    Ok(text)
}

fn unfit(path: &Path, cause: &str) -> TlsError {
    TlsError::File { path: path.to_owned(), cause: cause.to_owned() }
}
