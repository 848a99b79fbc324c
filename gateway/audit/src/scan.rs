//! Reading one segment, batch by batch, and judging what follows its last good batch.

use std::io;
use std::path::PathBuf;

use crate::disk::DiskFile;
use crate::error::{Corrupt, ReadError};
use crate::format::{BLOCK_BYTES, Bad, Batch, COMMIT_BYTES, Expected, Header, find_later_commit, padded, parse_batch};
use crate::plant::{Plant, planted};

/// How much is read ahead, in bytes.
const AHEAD_BYTES: usize = 256 * 1024;

/// An open segment and the place of the next batch.
pub(crate) struct Scan {
    pub(crate) header: Header,
    pub(crate) path: PathBuf,
    pub(crate) expected: Expected,
    pub(crate) offset: u64,
    window: Window,
}

/// What follows the last good batch of the last segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tail {
    /// Good frames of the batch that has no good commit frame.
    pub(crate) frames: u64,
    /// Bytes up to the last one that is not zero.
    pub(crate) bytes: u64,
}

impl Scan {
    /// Opens a segment and reads its header. The error within is what is wrong with the header.
    pub(crate) fn open(file: Box<dyn DiskFile>, path: PathBuf) -> Result<Result<Self, &'static str>, ReadError> {
        let mut window = Window { file, bytes: Vec::new(), start: 0, to_end: false };
        let block = window.at(0, BLOCK_BYTES).map_err(|source| ReadError::Io { file: path.clone(), source })?;
        Ok(Header::decode(block).map(|header| Self {
            expected: header.expected(),
            header,
            path,
            offset: BLOCK_BYTES as u64,
            window,
        }))
    }

    /// Reads the next batch. Its leaves are ranges of the bytes beside it. On a bad one the place does not move, so that a reader
    /// that follows a writer can ask again.
    pub(crate) fn next(&mut self) -> Result<Result<(Batch, &[u8]), Bad>, ReadError> {
        let want = padded(self.header.batch_bytes_max as usize);
        let bytes = match self.window.at(self.offset, want) {
            Ok(bytes) => bytes,
            Err(source) => return Err(ReadError::Io { file: self.path.clone(), source }),
        };
        Ok(match parse_batch(bytes, self.expected) {
            Ok(batch) => {
                self.offset += batch.padded_bytes as u64;
                self.expected.batch += 1;
                self.expected.index += batch.leaves.len() as u64;
                Ok((batch, bytes))
            }
            Err(bad) => Err(bad),
        })
    }

    /// Forgets what was read ahead.
    pub(crate) fn refresh(&mut self) {
        self.window.forget();
    }

    /// Judges what follows the last good batch of the last segment: a torn tail, or damage to acknowledged leaves.
    pub(crate) fn tail(&mut self, bad: Bad) -> Result<Tail, ReadError> {
        if self.expected.batch == 0 {
            return Err(self.corrupt(bad, "a segment gets its name only after its first batch is durable".to_owned()));
        }
        let reach = self.offset + padded(self.header.batch_bytes_max as usize) as u64;
        let mut last_used = self.offset;
        let mut at = self.offset;
        loop {
            let bytes = self.window.at(at, AHEAD_BYTES);
            let bytes = bytes.map_err(|source| ReadError::Io { file: self.path.clone(), source })?;
            if let Some((found, batch)) = find_later_commit(bytes, self.expected) {
                let place = at + found as u64;
                return Err(self.corrupt(bad, format!("batch {batch}, which was begun later, ends at byte {place}")));
            }
            if let Some(used) = bytes.iter().rposition(|byte| *byte != 0) {
                last_used = at + used as u64 + 1;
            }
            if bytes.len() < AHEAD_BYTES {
                break;
            }
            // A commit frame may lie across the border.
            at += (AHEAD_BYTES - COMMIT_BYTES) as u64;
        }
        if last_used > reach || (planted(Plant::TornTail) && last_used > self.offset) {
            let evidence = format!("there is data at byte {}, further than one batch reaches", last_used - 1);
            return Err(self.corrupt(bad, evidence));
        }
        Ok(Tail { frames: bad.frames, bytes: last_used - self.offset })
    }

    /// The error for a bad batch that was acknowledged.
    pub(crate) fn corrupt(&self, bad: Bad, evidence: String) -> ReadError {
        ReadError::Corrupt(Box::new(Corrupt {
            file: self.path.clone(),
            offset: self.offset + bad.at as u64,
            index: self.expected.index + bad.frames,
            why: bad.why,
            evidence,
        }))
    }
}

/// A part of a file in memory.
struct Window {
    file: Box<dyn DiskFile>,
    bytes: Vec<u8>,
    start: u64,
    /// The bytes reach to the end of the file.
    to_end: bool,
}

impl Window {
    /// The bytes at an offset: as many as wanted, fewer at the end of the file.
    fn at(&mut self, offset: u64, want: usize) -> io::Result<&[u8]> {
        let end = self.start + self.bytes.len() as u64;
        let held = offset >= self.start && (offset + want as u64 <= end || (self.to_end && offset <= end));
        if !held {
            let rest = self.file.len_bytes()?.saturating_sub(offset);
            let fill = usize::try_from(rest).unwrap_or(usize::MAX).min((4 * want).max(AHEAD_BYTES));
            self.bytes.resize(fill, 0);
            let count = self.file.read_at(&mut self.bytes, offset)?;
            self.bytes.truncate(count);
            self.start = offset;
            self.to_end = count as u64 >= rest;
        }
        let from = usize::try_from(offset - self.start).unwrap_or(usize::MAX);
        let rest = self.bytes.get(from..).unwrap_or_default();
        Ok(rest.get(..want).unwrap_or(rest))
    }

    fn forget(&mut self) {
        self.bytes.clear();
        self.to_end = false;
    }
}
