//! Checking a whole log offline: with the folder and a key, and nothing else.
//!
//! [`verify`] shows that the folder's leaves are exactly those that its checkpoint covers, and that this checkpoint was signed. It
//! can't show by itself that the checkpoint is the newest, nor that nobody who has the signing key made another log with another
//! past. For that it compares with what somebody else kept: an earlier checkpoint, or the cosignature of a witness.

mod error;
mod gather;
mod history;
mod judge;
mod segments;

use std::path::{Path, PathBuf};

pub use error::VerifyError;
pub use history::WITNESS_DIR;

use crate::disk::Disk;
use crate::extents::segment_ids;
use crate::note::{Checkpoint, NOTE_BYTES_MAX, Note, NoteError, Verifier};
use crate::tree::{CHECKPOINT, TREE_DIR};

/// What to check a log with.
#[derive(Debug, Clone)]
pub struct VerifyOptions {
    /// The key that the checkpoint must be signed with; or an earlier one, from which the log's own leaves hand over to it.
    pub key: Verifier,
    /// The log's name, where it is not that of the key.
    pub origin: Option<String>,
    /// A checkpoint of this log that was kept: the log must go on from it.
    pub since: Option<Vec<u8>>,
    /// Witnesses, each of which must have cosigned the log.
    pub witnesses: Vec<Verifier>,
    /// The newest cosignature of each must not be older, in seconds since 1970-01-01 UTC.
    pub cosigned_after_s: Option<u64>,
    /// The second copy of the checkpoint.
    pub second: Option<PathBuf>,
    /// Threads to work with; at least one.
    pub threads: usize,
}

impl VerifyOptions {
    /// Only the key; one thread for each core.
    pub fn new(key: Verifier) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self { key, origin: None, since: None, witnesses: Vec::new(), cosigned_after_s: None, second: None, threads }
    }
}

/// What was found to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// The key that it is signed with.
    pub key: Verifier,
    /// The leaves that handed over from the key that was given to it.
    pub handovers: Vec<u64>,
    /// Entry bundles that are gone, as the log itself states; their hashes are there.
    pub pruned_bundles: u64,
    /// Leaves that the checkpoint to compare with covers.
    pub since: Option<u64>,
    /// The newest cosignature of each witness.
    pub witnessed: Vec<Witnessed>,
    /// Leaves that the second copy of the checkpoint covers.
    pub second: Option<u64>,
    /// The write-ahead log beside the tree.
    pub segments: Option<SegmentsReport>,
}

/// The newest cosignature of a witness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witnessed {
    /// The witness's name.
    pub name: String,
    /// How many leaves it covers; it says nothing of those after them.
    pub size: u64,
    /// When it was made, in seconds since 1970-01-01 UTC, as the witness says.
    pub time_s: u64,
}

/// The write-ahead log beside a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentsReport {
    /// Its first leaf.
    pub from: u64,
    /// The index after its last leaf. What lies beyond the tree is covered by no checkpoint yet.
    pub until: u64,
    /// Bytes of a batch at its end that was never finished.
    pub torn_bytes: u64,
}

/// Checks a log: the folder with its segments and `tree/`, or a folder that is a tree.
///
/// # Errors
/// [`VerifyError`] says what does not hold, which file is to blame, and which leaf is the first that does not hold.
pub fn verify(disk: &dyn Disk, dir: &Path, options: &VerifyOptions) -> Result<Report, VerifyError> {
    let (tree_dir, is_log) = tree_dir(disk, dir);
    let file = tree_dir.join(CHECKPOINT);
    let bad = |source| VerifyError::Checkpoint { file: file.clone(), source };
    let bytes = read_note(disk, &file)?;
    let note = Note::parse(&bytes).map_err(bad)?;
    let signed = match note.verify(&options.key) {
        Ok(_) => Ok(()),
        // An earlier key may have handed over to the one that signed it.
        Err(error @ NoteError::NotSigned(..)) => Err(error),
        Err(error) => return Err(bad(error)),
    };
    let checkpoint = Checkpoint::parse(&note.text).map_err(bad)?;
    let origin = options.origin.as_deref().unwrap_or(options.key.name());
    if checkpoint.origin != origin {
        return Err(VerifyError::Origin { file, found: checkpoint.origin, wanted: origin.to_owned() });
    }
    let gathered = gather::gather(disk, &tree_dir, checkpoint.size, options.threads)?;
    let noted = history::Noted::read(&gathered.noted);
    if let Err(error) = signed
        && !noted.hands_over()
    {
        return Err(bad(error));
    }
    let case = judge::Case {
        disk,
        dir: &tree_dir,
        checkpoint: &file,
        gathered: &gathered,
        retained_from: noted.retained_from(),
    };
    let authentic = judge::judge(&case, checkpoint.root)?;
    let mut known = judge::Known { disk, dir: &tree_dir, authentic: &authentic };
    let keys = history::keys(&noted, origin, &options.key, &mut known)?;
    note.verify(&keys.current).map_err(bad)?;
    let mut report = Report {
        key: keys.current,
        handovers: keys.handovers,
        pruned_bundles: gathered.pruned,
        since: None,
        witnessed: Vec::new(),
        second: None,
        segments: None,
        checkpoint,
    };
    let size = report.checkpoint.size;
    if let Some(since) = &options.since {
        let what = "the earlier checkpoint";
        let past = history::open(since, what, &keys.all, origin)?;
        history::compare(&past, what, size, &mut known)?;
        report.since = Some(past.size);
    }
    if !options.witnesses.is_empty() {
        let notes = history::notes(disk, &tree_dir, note);
        for witness in &options.witnesses {
            report.witnessed.push(history::witnessed(witness, &notes, origin, options, size, &mut known)?);
        }
    }
    if let Some(second) = &options.second {
        let what = second.display().to_string();
        let past = history::open(&read_note(disk, second)?, &what, &keys.all, origin)?;
        history::compare(&past, &what, size, &mut known)?;
        report.second = Some(past.size);
    }
    if is_log {
        report.segments = segments::check(disk, dir, origin, size, &known)?;
    }
    Ok(report)
}

/// The folder of the tree, and whether the folder that was given is that of a log.
fn tree_dir(disk: &dyn Disk, dir: &Path) -> (PathBuf, bool) {
    let below = dir.join(TREE_DIR);
    let has_segments = segment_ids(disk, dir).is_ok_and(|ids| !ids.is_empty());
    if has_segments || disk.open(&below.join(CHECKPOINT)).is_ok() || disk.open(&dir.join(CHECKPOINT)).is_err() {
        (below, true)
    } else {
        (dir.to_owned(), false)
    }
}

fn read_note(disk: &dyn Disk, file: &Path) -> Result<Vec<u8>, VerifyError> {
    let mut bytes = Vec::new();
    match gather::read_into(disk, file, NOTE_BYTES_MAX as u64 + 1, &mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) if gather::is_missing(&error) => {
            Err(VerifyError::Checkpoint { file: file.to_owned(), source: NoteError::Note(gather::MISSING) })
        }
        Err(source) => Err(VerifyError::Io { file: file.to_owned(), source }),
    }
}
