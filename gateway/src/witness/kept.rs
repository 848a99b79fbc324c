//! The newest checkpoint that a witness cosigned: a file beside the log's own checkpoint, where whoever verifies the log offline
//! finds it.

use std::{io, path::Path, path::PathBuf, sync::Arc};

use pressgate_audit::{
    Disk,
    disk::make_folder,
    merkle::Hash,
    note::{Checkpoint, Verifier},
    tree::{files::read_checkpoint, replace},
    verify::WITNESS_DIR,
};

use crate::config::process::Witness;

/// The file of one witness.
#[derive(Clone)]
pub(super) struct Kept {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    name: String,
    key: Verifier,
    origin: String,
}

/// What a witness cosigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cosigned {
    /// So many leaves.
    pub(super) size: u64,
    /// Their root.
    pub(super) root: Hash,
    /// When, as the witness says, in seconds since 1970-01-01 UTC.
    pub(super) time_s: u64,
}

impl Kept {
    pub(super) fn new(disk: Arc<dyn Disk>, tree_dir: &Path, witness: &Witness, origin: &str) -> Self {
        let (name, key) = (witness.name.clone(), witness.key.clone());
        Self { disk, dir: tree_dir.join(WITNESS_DIR), name, key, origin: origin.to_owned() }
    }

    /// What is kept. What can't be read is told and counts for nothing: the witness knows what it cosigned.
    pub(super) fn read(&self) -> Option<Cosigned> {
        let path = self.dir.join(&self.name);
        let passed_over = |why: &dyn std::fmt::Display| {
            tracing::warn!(file = %path.display(), %why, "what is kept of a witness can't be used; it is asked anew");
        };
        let bytes = match read_checkpoint(&*self.disk, &path) {
            Ok(bytes) => bytes?,
            Err(error) => {
                passed_over(&error);
                return None;
            }
        };
        let opened = Checkpoint::open(&bytes, &self.key).and_then(|(found, note)| Ok((found, note.verify(&self.key)?)));
        match opened {
            Ok((found, time_s)) if found.origin == self.origin => {
                Some(Cosigned { size: found.size, root: found.root, time_s: time_s.unwrap_or(0) })
            }
            Ok((found, _)) => {
                passed_over(&format!("it is of the log `{}`", found.origin));
                None
            }
            Err(error) => {
                passed_over(&error);
                None
            }
        }
    }

    /// Makes it durable. Blocks.
    pub(super) fn store(&self, note: &str) -> io::Result<()> {
        make_folder(&*self.disk, &self.dir)?;
        replace(&*self.disk, &self.dir.join(&self.name), note)
    }
}
