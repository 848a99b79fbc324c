//! What a tree is compared with: checkpoints that somebody else kept, and the changes of its signing key.

use std::path::Path;

use super::gather::read_into;
use super::judge::Known;
use super::{VerifyError, VerifyOptions, Witnessed};
use crate::disk::Disk;
use crate::leaf::{Event, Leaf, Retention};
use crate::note::{Algorithm, Checkpoint, NOTE_BYTES_MAX, Note, NoteError, Verifier};

/// The folder beside the checkpoint with the newest checkpoint that each witness cosigned.
pub const WITNESS_DIR: &str = "witness";

/// What the noted leaves say.
pub(super) struct Noted {
    leaves: Vec<(u64, Leaf)>,
}

impl Noted {
    pub(super) fn read(leaves: &[(u64, Vec<u8>)]) -> Self {
        // A leaf that can't be read states nothing.
        let read = leaves.iter().filter_map(|(index, bytes)| Some((*index, Leaf::from_bytes(bytes).ok()?)));
        Self { leaves: read.collect() }
    }

    /// Leaves below it may be missing.
    pub(super) fn retained_from(&self) -> u64 {
        let newest = self.leaves.iter().rev().find_map(|(_, leaf)| match &leaf.event {
            Event::Retention(Retention { below, .. }) => Some(*below),
            _ => None,
        });
        newest.unwrap_or(0)
    }

    /// Does a key hand over to another?
    pub(super) fn hands_over(&self) -> bool {
        self.leaves.iter().any(|(_, leaf)| matches!(leaf.event, Event::KeyHandover(_)))
    }
}

/// The keys that a trusted one leads to.
pub(super) struct Keys {
    /// The one that must have signed the checkpoint.
    pub(super) current: Verifier,
    /// All of them, earlier ones too.
    pub(super) all: Vec<Verifier>,
    /// The leaves that handed over, from the trusted key on.
    pub(super) handovers: Vec<u64>,
}

struct Handover {
    index: u64,
    from: Verifier,
    to: Verifier,
}

/// Follows the changes of the key.
pub(super) fn keys(
    noted: &Noted,
    origin: &str,
    trusted: &Verifier,
    known: &mut Known<'_>,
) -> Result<Keys, VerifyError> {
    let mut steps = Vec::new();
    for (index, leaf) in &noted.leaves {
        let Event::KeyHandover(handover) = &leaf.event else { continue };
        // The entries of its change may be gone; then it leads nowhere.
        let change = noted.leaves.iter().find_map(|(at, leaf)| match &leaf.event {
            Event::KeyChange(change) if *at == handover.change && at < index => Some(change),
            _ => None,
        });
        let Some(change) = change else { continue };
        let wrong = |why: String| VerifyError::Key { index: *index, why };
        let read = |text: &str| Verifier::parse(text).map_err(|error| wrong(error.to_string()));
        let (from, to) = (read(&change.from)?, read(&change.to)?);
        let note = Note::parse(handover.checkpoint.as_bytes()).map_err(|error| wrong(error.to_string()))?;
        for key in [&from, &to] {
            note.verify(key).map_err(|error| wrong(error.to_string()))?;
        }
        let checkpoint = Checkpoint::parse(&note.text).map_err(|error| wrong(error.to_string()))?;
        if checkpoint.origin != origin || checkpoint.size <= handover.change || checkpoint.size > *index {
            return Err(wrong("its checkpoint is not one of this log that covers the change".to_owned()));
        }
        if known.root_at(checkpoint.size)? != Some(checkpoint.root) {
            return Err(wrong("its checkpoint is not of this tree".to_owned()));
        }
        steps.push(Handover { index: *index, from, to });
    }
    let mut keys = Keys { current: trusted.clone(), all: vec![trusted.clone()], handovers: Vec::new() };
    for step in &steps {
        if step.from == keys.current {
            keys.current = step.to.clone();
            keys.all.push(step.to.clone());
            keys.handovers.push(step.index);
        }
    }
    let mut earliest = trusted.clone();
    for step in steps.iter().rev() {
        // A log may go back to a key that it had before.
        if step.to == earliest && !keys.handovers.contains(&step.index) {
            earliest = step.from.clone();
            keys.all.push(step.from.clone());
        }
    }
    Ok(keys)
}

/// A checkpoint that somebody kept, signed with one of the keys.
pub(super) fn open(bytes: &[u8], what: &str, keys: &[Verifier], origin: &str) -> Result<Checkpoint, VerifyError> {
    let past = |source| VerifyError::Past { what: what.to_owned(), source };
    let mut failed = None;
    for key in keys {
        match Checkpoint::open(bytes, key) {
            Ok((checkpoint, _)) => return of_log(checkpoint, what, origin),
            // A signature that is wrong says more than one that is not there.
            Err(error @ NoteError::Signature(_)) => failed = Some(error),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    Err(past(failed.unwrap_or(NoteError::Note("there is no key to check it with"))))
}

fn of_log(checkpoint: Checkpoint, what: &str, origin: &str) -> Result<Checkpoint, VerifyError> {
    if checkpoint.origin != origin {
        let (found, wanted) = (checkpoint.origin, origin.to_owned());
        return Err(VerifyError::Origin { file: what.into(), found, wanted });
    }
    Ok(checkpoint)
}

/// Is the tree of a checkpoint the beginning of this one?
pub(super) fn compare(past: &Checkpoint, what: &str, size: u64, known: &mut Known<'_>) -> Result<(), VerifyError> {
    match known.root_at(past.size)? {
        None => Err(VerifyError::Rollback { what: what.to_owned(), found: size, wanted: past.size }),
        Some(root) if root != past.root => Err(VerifyError::Fork { what: what.to_owned(), size: past.size }),
        Some(_) => Ok(()),
    }
}

/// The notes that may carry cosignatures: the checkpoint, and what is kept beside it.
pub(super) fn notes(disk: &dyn Disk, tree_dir: &Path, checkpoint: Note) -> Vec<(String, Note)> {
    let mut notes = vec![("the checkpoint".to_owned(), checkpoint)];
    let dir = tree_dir.join(WITNESS_DIR);
    let mut names = disk.list(&dir).unwrap_or_default();
    names.sort_unstable();
    for name in names {
        let path = dir.join(&name);
        let mut bytes = Vec::new();
        // What can't be read has no cosignature, and one that is missing is noticed.
        if read_into(disk, &path, NOTE_BYTES_MAX as u64 + 1, &mut bytes).is_ok()
            && let Ok(note) = Note::parse(&bytes)
        {
            notes.push((path.display().to_string(), note));
        }
    }
    notes
}

/// The newest cosignature of a witness, on a checkpoint that this tree goes on from.
pub(super) fn witnessed(
    witness: &Verifier,
    notes: &[(String, Note)],
    origin: &str,
    options: &VerifyOptions,
    size: u64,
    known: &mut Known<'_>,
) -> Result<Witnessed, VerifyError> {
    let name = witness.name().to_owned();
    let mut newest: Option<Witnessed> = None;
    for (what, note) in notes {
        let time_s = match note.verify(witness) {
            Ok(time_s) => time_s.unwrap_or(0),
            Err(NoteError::NotSigned(..)) => continue,
            Err(source) => return Err(VerifyError::Past { what: what.clone(), source }),
        };
        let what = format!("{what}, cosigned by {name},");
        let past = |source| VerifyError::Past { what: what.clone(), source };
        let checkpoint = Checkpoint::parse(&note.text).map_err(past)?;
        if checkpoint.origin != origin {
            // A witness serves many logs.
            continue;
        }
        compare(&checkpoint, &what, size, known)?;
        let found = Witnessed { name: name.clone(), size: checkpoint.size, time_s };
        if newest.as_ref().is_none_or(|newest| (newest.size, newest.time_s) < (found.size, found.time_s)) {
            newest = Some(found);
        }
    }
    let newest = newest.ok_or_else(|| VerifyError::Unwitnessed { witness: short(witness) })?;
    match options.cosigned_after_s {
        Some(wanted_s) if witness.algorithm() == Algorithm::Cosignature && newest.time_s < wanted_s => {
            Err(VerifyError::Stale { witness: short(witness), found_s: newest.time_s, wanted_s })
        }
        _ => Ok(newest),
    }
}

fn short(key: &Verifier) -> String {
    format!("{}+{:08x}", key.name(), u32::from_be_bytes(key.id()))
}
