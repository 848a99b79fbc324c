//! What a witness cosigned last, for each log: one file with the cosigned checkpoint itself. It is durable before anybody hears of
//! the cosignature; so after a crash the witness knows at least what it told.
//!
//! A witness that forgot would cosign a log that was rolled back. So the folder is made once, with the key, and names the key;
//! a folder that is missing, or is another key's, is not begun anew without a word.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use aws_lc_rs::digest::{SHA256, digest};
use pressgate_audit::{
    Disk,
    disk::make_folder,
    merkle::Hash,
    note::{Checkpoint, Note, Verifier},
    tree::{files::read_checkpoint, replace},
};

use crate::model::hex::hex;

/// The file that names the key.
const OWNER: &str = "witness";
/// The file that a process locks which works on the folder.
const LOCK: &str = "lock";
/// The folder of notes that prove that a log was forked.
const EVIDENCE: &str = "evidence";
/// So many such notes are kept; the first ones count.
const EVIDENCE_MAX: usize = 1000;
/// Bytes of a note's digest in its name.
const EVIDENCE_DIGEST_BYTES: usize = 8;

/// The folder of a witness.
pub struct StateDir {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    _lock: Box<dyn Send + Sync>,
}

/// What was cosigned last of one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Last {
    /// Its size.
    pub size: u64,
    /// Its root.
    pub root: Hash,
    /// The note, with the signatures of the log and the cosignature.
    pub note: String,
}

impl StateDir {
    /// Makes the folder of a new witness.
    ///
    /// # Errors
    /// A sentence; a folder that is one already stays as it is.
    pub fn make(disk: &dyn Disk, dir: &Path, key: &Verifier) -> Result<(), String> {
        let failed = |error: io::Error| format!("{}: {error}", dir.display());
        if disk.open(&dir.join(OWNER)).is_ok() {
            return Err(format!("{} is the folder of a witness already", dir.display()));
        }
        // The folder above is synced, so it must have a name.
        let dir = &std::path::absolute(dir).map_err(failed)?;
        make_folder(disk, dir).map_err(failed)?;
        replace(disk, &dir.join(OWNER), &format!("{key}\n")).map_err(failed)
    }

    /// Opens the folder for the witness of this key. One process at a time.
    ///
    /// # Errors
    /// A sentence that says what to do.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path, key: &Verifier) -> Result<Self, String> {
        let shown = dir.display();
        crate::folders::only_mine(dir)
            .map_err(|why| if dir.exists() { why } else { format!("{shown} is missing. {}", missing()) })?;
        let owner = read_checkpoint(&*disk, &dir.join(OWNER)).map_err(|error| error.to_string())?;
        let owner = owner.ok_or_else(|| format!("{shown} is not the folder of a witness. {}", missing()))?;
        if String::from_utf8_lossy(&owner).trim() != key.to_string() {
            return Err(format!(
                "{shown} is the folder of another witness: its key is not the one that was given. Each key has a folder of its own"
            ));
        }
        let lock = disk.lock(&dir.join(LOCK)).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => format!("another witness works on {shown}; stop it first"),
            _ => format!("{shown}: {error}"),
        })?;
        Ok(Self { disk, dir: dir.to_owned(), _lock: lock })
    }

    /// What was cosigned last of a log; none where nothing was.
    ///
    /// # Errors
    /// A sentence: what is there is not what this witness wrote.
    pub fn last(&self, origin: &str, key: &Verifier) -> Result<Option<Last>, String> {
        let path = self.path(origin);
        let bad = |why: String| {
            format!(
                "{}: {why}. It is not what this witness wrote. Restore it from its newest backup, or retire this witness and make another; \
                 to remove it would let a log be rolled back",
                path.display()
            )
        };
        let bytes = read_checkpoint(&*self.disk, &path).map_err(|error| error.to_string())?;
        let Some(bytes) = bytes else { return Ok(None) };
        let note = Note::parse(&bytes).map_err(|error| bad(error.to_string()))?;
        note.verify(key).map_err(|error| bad(error.to_string()))?;
        let checkpoint = Checkpoint::parse(&note.text).map_err(|error| bad(error.to_string()))?;
        if checkpoint.origin != origin {
            return Err(bad(format!("it is of the log `{}`", checkpoint.origin)));
        }
        Ok(Some(Last { size: checkpoint.size, root: checkpoint.root, note: note.to_string() }))
    }

    /// Makes what is cosigned durable. Blocks.
    ///
    /// # Errors
    /// What the disk said: nothing may be answered then.
    pub fn store(&self, origin: &str, note: &str) -> io::Result<()> {
        replace(&*self.disk, &self.path(origin), note)
    }

    /// Keeps a note that proves that a log was forked. Blocks; the result is the file.
    ///
    /// # Errors
    /// What the disk said.
    pub fn keep_evidence(&self, origin: &str, size: u64, note: &str) -> io::Result<Option<PathBuf>> {
        let dir = self.dir.join(EVIDENCE);
        make_folder(&*self.disk, &dir)?;
        let names = self.disk.list(&dir)?;
        let short = |bytes: &[u8]| {
            let whole = digest(&SHA256, bytes);
            hex(whole.as_ref().get(..EVIDENCE_DIGEST_BYTES).unwrap_or_default())
        };
        let name = format!("{}-{size}-{}", short(origin.as_bytes()), short(note.as_bytes()));
        if names.contains(&name) || names.len() >= EVIDENCE_MAX {
            return Ok(None);
        }
        let path = dir.join(name);
        replace(&*self.disk, &path, note).map(|()| Some(path))
    }

    fn path(&self, origin: &str) -> PathBuf {
        self.dir.join(origin_hash(origin))
    }
}

/// SHA-256 of a log's name, in hexadecimal: how the specification names a log in an address.
pub fn origin_hash(origin: &str) -> String {
    hex(digest(&SHA256, origin.as_bytes()).as_ref())
}

fn missing() -> &'static str {
    "A new witness is made by `pressgate audit witness init`. If this one ran before, restore its folder: a witness that forgot what it \
     cosigned would accept a log that was rolled back"
}

#[cfg(test)]
mod tests {
    use pressgate_audit::{
        RealDisk,
        merkle::empty_root,
        note::{Algorithm, Signer},
    };

    use super::*;

    fn signer(seed: u8) -> Signer {
        Signer::from_seed("w.example", Algorithm::Cosignature, [seed; 32].into()).unwrap()
    }

    fn cosigned(origin: &str, size: u64, by: &Signer) -> String {
        Checkpoint { origin: origin.into(), size, root: empty_root() }.sign(&[by], 1_700_000_000)
    }

    #[test]
    fn what_was_cosigned_is_found_again_and_nothing_else_is_taken_for_it() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("state");
        let (mine, other) = (signer(1), signer(2));
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let open = |key: &Signer| StateDir::open(Arc::clone(&disk), &dir, key.verifier());
        assert!(open(&mine).err().unwrap().contains("rolled back"), "no folder is begun in silence");
        StateDir::make(&RealDisk, &dir, mine.verifier()).unwrap();
        assert!(StateDir::make(&RealDisk, &dir, other.verifier()).unwrap_err().contains("already"));
        assert!(open(&other).err().unwrap().contains("another witness"));
        let state = open(&mine).unwrap();
        assert!(open(&mine).err().unwrap().contains("stop it first"));
        assert_eq!(state.last("log", mine.verifier()).unwrap(), None);
        state.store("log", &cosigned("log", 7, &mine)).unwrap();
        drop(state);
        let state = open(&mine).unwrap();
        let last = state.last("log", mine.verifier()).unwrap().unwrap();
        assert_eq!((last.size, last.root), (7, empty_root()));
        for bad in [
            cosigned("log", 3, &other),
            cosigned("another", 3, &mine),
            cosigned("log", 7, &mine).replacen("\n7\n", "\n3\n", 1),
            String::new(),
        ] {
            state.store("log", &bad).unwrap();
            let why = state.last("log", mine.verifier()).unwrap_err();
            assert!(why.contains("Restore it"), "{why}");
        }
    }

    #[test]
    fn evidence_is_kept_once_and_not_without_end() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("state");
        StateDir::make(&RealDisk, &dir, signer(1).verifier()).unwrap();
        let state = StateDir::open(Arc::new(RealDisk), &dir, signer(1).verifier()).unwrap();
        let file = state.keep_evidence("log", 3, "a note").unwrap().unwrap();
        assert_eq!(std::fs::read_to_string(file).unwrap(), "a note");
        assert_eq!(state.keep_evidence("log", 3, "a note").unwrap(), None);
        for number in 0..EVIDENCE_MAX {
            std::fs::write(dir.join(EVIDENCE).join(number.to_string()), "").unwrap();
        }
        assert_eq!(state.keep_evidence("log", 4, "another").unwrap(), None);
    }
}
