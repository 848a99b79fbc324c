//! How many leaves the log committed at once, counted in its segments (`pressgate_audit::format`).

use std::io;
use std::path::Path;

use pressgate_audit::format::{BLOCK_BYTES, COMMIT_BYTES, FRAME_HEAD_BYTES};

/// The mark of a commit frame, and where it tells the number of its leaves.
const COMMIT_MARK: u32 = u32::MAX;
const COUNT_AT: usize = 24;

/// Commits with leaves, and their leaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Commits {
    /// Commits.
    pub commits: u64,
    /// Leaves.
    pub leaves: u64,
}

/// Counts all segments of a folder.
///
/// # Errors
/// The folder can't be read.
pub fn count(folder: &Path) -> io::Result<Commits> {
    let mut all = Commits::default();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "segment") {
            count_segment(&std::fs::read(path)?, &mut all);
        }
    }
    Ok(all)
}

fn count_segment(bytes: &[u8], all: &mut Commits) {
    let number = |at: usize| bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map(u32::from_le_bytes);
    let mut at = BLOCK_BYTES;
    loop {
        match number(at) {
            None | Some(0) => return,
            Some(COMMIT_MARK) => {
                let leaves = number(at + COUNT_AT).unwrap_or(0);
                all.leaves += u64::from(leaves);
                all.commits += u64::from(leaves > 0);
                at = (at + COMMIT_BYTES).next_multiple_of(BLOCK_BYTES);
            }
            Some(length) => at += FRAME_HEAD_BYTES + length as usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pressgate_audit::{RealDisk, Writer, WriterOptions};

    use super::*;

    #[test]
    fn a_written_log_is_counted() {
        let folder = tempfile::tempdir().expect("a folder");
        let options = WriterOptions {
            dir: folder.path().to_owned(),
            segment_bytes: 2 << 20,
            batch_bytes_max: 1 << 16,
            origin: "test".to_owned(),
            at_least: 0,
            covered: 0,
        };
        let (mut writer, _) = Writer::open(options, Arc::new(RealDisk)).expect("a log");
        // Of every length, so that a commit frame lies across the end of a block too.
        for length in 3_900..4_100 {
            writer.commit(&[vec![b'x'; 7], vec![b'x'; length]]).expect("written");
        }
        assert_eq!(count(folder.path()).expect("read"), Commits { commits: 200, leaves: 400 });
    }
}
