//! Folders of the gateway's own: nobody else may look into them, and nobody else may write there.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::Path,
};

/// For the owner only.
const PRIVATE_MODE: u32 = 0o700;
/// For the owner only.
pub const PRIVATE_FILE_MODE: u32 = 0o600;

/// Makes a folder that is for its owner only, with those above it; one that is there and open to others is closed to them.
///
/// # Errors
/// It can't be made, or others may write to it and that can't be changed.
pub fn private(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(PRIVATE_MODE).create(path)?;
    let mode = fs::metadata(path)?.mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    match fs::set_permissions(path, fs::Permissions::from_mode(PRIVATE_MODE)) {
        // A volume of somebody else's, which at least nobody else may write to.
        Err(_) if mode & 0o022 == 0 => Ok(()),
        done => done,
    }
}

/// Refuses a folder that others may write to: who can, can replace the media that were approved, or the log.
///
/// # Errors
/// A sentence that says what to do.
pub fn only_mine(path: &Path) -> Result<(), String> {
    let shown = path.display();
    let mode = fs::metadata(path).map_err(|error| format!("{shown}: {error}"))?.mode();
    if mode & 0o022 == 0 {
        return Ok(());
    }
    Err(format!(
        "others may write to {shown} (mode {:04o}), and could replace what was approved or logged; run `chmod 700 {shown}`",
        mode & 0o7777
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn a_folder_is_made_private_and_an_open_one_is_closed() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("data/media");
        private(&path).unwrap();
        assert_eq!((mode(&path), mode(&root.path().join("data"))), (0o700, 0o700));
        for open in [0o755, 0o777, 0o750] {
            fs::set_permissions(&path, fs::Permissions::from_mode(open)).unwrap();
            private(&path).unwrap();
            assert_eq!(mode(&path), 0o700);
        }
    }

    #[test]
    fn a_folder_that_others_may_write_to_is_refused() {
        let root = tempfile::tempdir().unwrap();
        for (mode, good) in
            [(0o700, true), (0o755, true), (0o770, false), (0o702, false), (0o777, false), (0o1777, false)]
        {
            fs::set_permissions(root.path(), fs::Permissions::from_mode(mode)).unwrap();
            let told = only_mine(root.path());
            assert_eq!(told.is_ok(), good, "{mode:o}");
            assert!(told.err().is_none_or(|why| why.contains("chmod 700")), "{mode:o}");
        }
        assert!(only_mine(&root.path().join("none")).is_err());
    }
}
