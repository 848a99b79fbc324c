//! Why a log does not hold, said to the person who checks it.

use std::io;
use std::path::PathBuf;

use crate::error::ReadError;
use crate::note::NoteError;

/// Why a log does not hold, or could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The log's checkpoint can't be trusted, so nothing of the log can.
    #[error("{}: {source}", file.display())]
    Checkpoint {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        source: NoteError,
    },
    /// The checkpoint of another log.
    #[error("{}: the checkpoint is of the log `{found}`, not of `{wanted}`", file.display())]
    Origin {
        /// The file.
        file: PathBuf,
        /// The origin in it.
        found: String,
        /// The origin that was asked for.
        wanted: String,
    },
    /// Leaves or hashes are not those that the checkpoint covers.
    #[error("{}: leaf {index} is the first that does not hold: {why}", file.display())]
    Leaf {
        /// The file that is wrong.
        file: PathBuf,
        /// The smallest index whose leaf is not, or can't be shown to be, the one that the checkpoint covers.
        index: u64,
        /// What is wrong.
        why: String,
    },
    /// The log is shorter than it was.
    #[error(
        "rolled back: {what} is of a tree of {wanted} leaves, and the log has {found}. What came after leaf {} is gone",
        found.saturating_sub(1)
    )]
    Rollback {
        /// Which checkpoint says so.
        what: String,
        /// Leaves that there are.
        found: u64,
        /// Leaves that there were.
        wanted: u64,
    },
    /// The log has another past than it had.
    #[error("forked: {what} covers {size} leaves, and the first {size} leaves of the log are others")]
    Fork {
        /// Which checkpoint says so.
        what: String,
        /// Leaves that it covers.
        size: u64,
    },
    /// A checkpoint to compare with can't be trusted.
    #[error("{what}: {source}{}", later(source))]
    Past {
        /// Which checkpoint.
        what: String,
        /// What is wrong.
        source: NoteError,
    },
    /// A witness has not cosigned the log.
    #[error(
        "no cosignature of the witness {witness} on the checkpoint, nor on one in `witness/` beside it: the log may have been rolled \
         back or forked, or the witness was never asked"
    )]
    Unwitnessed {
        /// Name and id of the witness.
        witness: String,
    },
    /// A witness's newest cosignature is too old.
    #[error(
        "the newest cosignature of the witness {witness} is of {}, before {}: the log may have been rolled back to that time",
        utc(*found_s), utc(*wanted_s)
    )]
    Stale {
        /// Name and id of the witness.
        witness: String,
        /// Time of the cosignature, in seconds since 1970-01-01 UTC.
        found_s: u64,
        /// The time that was asked for.
        wanted_s: u64,
    },
    /// A change of the signing key that the old key did not hand over.
    #[error("the change of the signing key in leaf {index} does not hold: {why}")]
    Key {
        /// The leaf that states it.
        index: u64,
        /// What is wrong.
        why: String,
    },
    /// The write-ahead log is damaged.
    #[error(transparent)]
    Segments(ReadError),
    /// The disk failed.
    #[error("{}: {source}", file.display())]
    Io {
        /// The file or folder.
        file: PathBuf,
        /// What the disk said.
        source: io::Error,
    },
}

/// What else it may mean that a checkpoint is signed with a key that the log does not lead to.
fn later(source: &NoteError) -> &'static str {
    match source {
        NoteError::NotSigned(..) => {
            ". Or it is from after a change of the key that this copy of the log does not have: then the copy is older than it, and its \
             end is gone"
        }
        _ => "",
    }
}

/// Seconds since 1970-01-01 UTC, as RFC 3339. The days are counted as in H. Hinnant's `civil_from_days`.
fn utc(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let from_march = (5 * day + 2) / 153;
    let (day, month) =
        (day - (153 * from_march + 2) / 5 + 1, if from_march < 10 { from_march + 3 } else { from_march - 9 });
    let year = year + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

impl VerifyError {
    /// The smallest index whose leaf is not, or can't be shown to be, the one that was logged; none where the log is whole but
    /// is not the one that a checkpoint beside it speaks of, or could not be read.
    pub fn first_bad_index(&self) -> Option<u64> {
        match self {
            Self::Checkpoint { .. } | Self::Origin { .. } => Some(0),
            Self::Leaf { index, .. } | Self::Key { index, .. } => Some(*index),
            Self::Rollback { found, .. } => Some(*found),
            Self::Segments(ReadError::Corrupt(corrupt)) => Some(corrupt.index),
            Self::Segments(ReadError::Leaf { index, .. }) => Some(*index),
            _ => None,
        }
    }

    /// The file that is wrong, where it is one.
    pub fn file(&self) -> Option<&std::path::Path> {
        match self {
            Self::Checkpoint { file, .. }
            | Self::Origin { file, .. }
            | Self::Leaf { file, .. }
            | Self::Io { file, .. } => Some(file),
            Self::Segments(ReadError::Corrupt(corrupt)) => Some(&corrupt.file),
            Self::Segments(ReadError::Io { file, .. }) => Some(file),
            _ => None,
        }
    }

    /// A stable identifier of the kind of fault.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Checkpoint { .. } => "checkpoint",
            Self::Origin { .. } => "origin",
            Self::Leaf { .. } => "leaf",
            Self::Rollback { .. } => "rollback",
            Self::Fork { .. } => "fork",
            Self::Past { .. } => "past-checkpoint",
            Self::Unwitnessed { .. } => "unwitnessed",
            Self::Stale { .. } => "stale-witness",
            Self::Key { .. } => "key-change",
            Self::Segments(_) => "segments",
            Self::Io { .. } => "disk",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::utc;

    #[test]
    fn times_are_those_of_date_u() {
        // `date -u -d @1700000000 +%FT%TZ` and so on.
        for (seconds, told) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_700_000_000, "2023-11-14T22:13:20Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(utc(seconds), told);
        }
    }
}
