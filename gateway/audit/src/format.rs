//! The bytes of a segment.
//!
//! A log is a folder of segments, `<id, 20 decimal digits>.segment`. Ids rise in the order in which segments were begun; some are
//! missing. Files named `spare-*` are being made ahead and hold no leaves. Integers are little-endian; CRC is CRC-32C.
//!
//! A segment is zero-filled when it is made (real zeros: a file system converts reserved blocks on first write, which doubles the
//! time of each commit). It has its header **and its first batch**, both durable, before it gets its name.
//!
//! # Header: the first block of 4,096 bytes
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 8 | magic, `PGAUDIT` and a newline |
//! | 8 | 4 | version of the format, 2; 1 is read too, and has nothing beside its leaves |
//! | 12 | 4 | CRC of the block without these 4 bytes |
//! | 16 | 8 | segment id, as in the file's name |
//! | 24 | 8 | first index: this segment overrides this index and all above it in segments with lower ids |
//! | 32 | 4 | the most bytes that a batch takes, before padding |
//! | 36 | 2 | length of the origin |
//! | 38 | … | origin, UTF-8, at most 1,024 bytes; zeros to the end of the block |
//!
//! # Batches
//!
//! Batches follow one another, numbered from 0 within their segment. Each begins at a multiple of 4,096 bytes and is padded with
//! zeros to the next, so that **no block that holds acknowledged leaves is ever written again**: a power cut that destroys the
//! block under the pen harms only a batch that nobody was told about. A batch is frames, possibly none, and a commit frame.
//!
//! Frame:
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 2 | length of the leaf, 1 to 65,535 |
//! | 2 | 2 | length of what lies beside it, 0 to 61,440 |
//! | 4 | 4 | CRC over segment id (8 bytes), batch number (8), index (8), leaf, what lies beside it |
//! | 8 | … | leaf, then what lies beside it |
//!
//! What lies beside a leaf is durable when the leaf is, is no part of the log, and is gone when its segment is: whoever wrote it takes
//! it away before (see [`crate::tree::remove_covered`]).
//!
//! Commit frame, 32 bytes:
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 4 | `ff ff ff ff`, which are no lengths, and bytes that no JSON holds |
//! | 4 | 4 | CRC over segment id (8 bytes) and the 24 bytes that follow |
//! | 8 | 8 | batch number |
//! | 16 | 8 | index of the batch's first leaf, or of the next one where it has none |
//! | 24 | 4 | how many leaves |
//! | 28 | 4 | bytes of the batch before this frame |
//!
//! Only the leaves of a batch whose frames and commit frame are all good count. Padding is not read.

use std::ops::Range;

use crate::leaf::LEAF_BYTES_MAX;
use crate::plant::{Plant, planted};

/// Unit of alignment: headers and batches begin at multiples of it.
pub const BLOCK_BYTES: usize = 4096;
/// The version of the format.
pub const FORMAT_VERSION: u32 = 2;
/// The most bytes beside a leaf.
pub const BESIDE_BYTES_MAX: usize = 60 * 1024;
/// The longest origin, in bytes.
pub const ORIGIN_BYTES_MAX: usize = 1024;
/// The most bytes of a batch (frames and commit frame) that a writer may choose.
pub const BATCH_BYTES_CEILING: usize = 16 * 1024 * 1024;
/// Bytes of a frame before its leaf.
pub const FRAME_HEAD_BYTES: usize = 8;
/// Bytes of a commit frame.
pub const COMMIT_BYTES: usize = 32;

const MAGIC: &[u8; 8] = b"PGAUDIT\n";
const COMMIT_MARK: [u8; 4] = [0xff; 4];
const ZERO_BLOCK: [u8; BLOCK_BYTES] = [0; BLOCK_BYTES];
const ORIGIN_AT: usize = 38;

/// The bytes of the header block that the CRC at 12 leaves out.
const HEADER_CRC: Range<usize> = 12..16;

/// What a segment says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Id, as in the file's name.
    pub segment: u64,
    /// The segment overrides this index and all above it in segments with lower ids.
    pub first_index: u64,
    /// The most bytes that a batch takes, before padding.
    pub batch_bytes_max: u32,
    /// The log's name.
    pub origin: String,
}

/// Where the reading of a segment stands: what the next batch must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// Segment id.
    pub segment: u64,
    /// Batch number.
    pub batch: u64,
    /// Index of the batch's first leaf.
    pub index: u64,
    /// The most bytes that a batch takes.
    pub batch_bytes_max: u32,
}

/// A leaf with what lies beside it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// The leaf's bytes.
    pub leaf: Vec<u8>,
    /// What is durable with it; mostly empty.
    pub beside: Vec<u8>,
}

/// What a frame is made of: leaves alone, or with something beside them.
pub trait Framed {
    /// The leaf's bytes.
    fn leaf(&self) -> &[u8];
    /// What is durable with it.
    fn beside(&self) -> &[u8] {
        &[]
    }
}

impl Framed for Vec<u8> {
    fn leaf(&self) -> &[u8] {
        self
    }
}

impl Framed for Entry {
    fn leaf(&self) -> &[u8] {
        &self.leaf
    }

    fn beside(&self) -> &[u8] {
        &self.beside
    }
}

/// A good batch within the bytes that were parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Index of its first leaf.
    pub first_index: u64,
    /// Where its leaves are.
    pub leaves: Vec<Range<usize>>,
    /// Where that is which lies beside each of them; mostly empty.
    pub besides: Vec<Range<usize>>,
    /// Its length with padding, in bytes.
    pub padded_bytes: usize,
}

/// The first thing that is wrong with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bad {
    /// Where, in bytes from the batch's start.
    pub at: usize,
    /// Good frames before it.
    pub frames: u64,
    /// What is wrong.
    pub why: &'static str,
}

/// The file name of a segment.
pub fn segment_name(id: u64) -> String {
    format!("{id:020}.segment")
}

/// The id in a segment's file name.
pub fn segment_id(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".segment")?;
    (digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// Rounds up to whole blocks.
pub fn padded(bytes: usize) -> usize {
    bytes.next_multiple_of(BLOCK_BYTES)
}

/// Bytes that a batch takes whose leaves, with what lies beside them, have these lengths; before padding.
pub fn batch_bytes(entry_bytes: impl Iterator<Item = usize>) -> usize {
    entry_bytes.map(|bytes| bytes + FRAME_HEAD_BYTES).sum::<usize>() + COMMIT_BYTES
}

impl Header {
    /// The header block. An origin that is too long is cut; [`Header::decode`] of the result is what counts.
    pub fn encode(&self, into: &mut Vec<u8>) {
        let start = into.len();
        let origin = self.origin.as_bytes();
        let origin = origin.get(..ORIGIN_BYTES_MAX).unwrap_or(origin);
        into.extend_from_slice(MAGIC);
        into.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        into.extend_from_slice(&[0; 4]);
        into.extend_from_slice(&self.segment.to_le_bytes());
        into.extend_from_slice(&self.first_index.to_le_bytes());
        into.extend_from_slice(&self.batch_bytes_max.to_le_bytes());
        into.extend_from_slice(&u16::try_from(origin.len()).unwrap_or(0).to_le_bytes());
        into.extend_from_slice(origin);
        into.resize(start + BLOCK_BYTES, 0);
        let crc = into.get(start..).map(header_crc).unwrap_or_default();
        if let Some(place) = into.get_mut(start + HEADER_CRC.start..start + HEADER_CRC.end) {
            place.copy_from_slice(&crc.to_le_bytes());
        }
    }

    /// Reads a header block; the error says what is wrong with it.
    pub fn decode(block: &[u8]) -> Result<Self, &'static str> {
        let block = block.get(..BLOCK_BYTES).ok_or("the file is shorter than a header")?;
        if block.get(..8) != Some(MAGIC) {
            return Err("not a segment of an audit log");
        }
        if u32_at(block, HEADER_CRC.start) != Some(header_crc(block)) {
            return Err("the header's checksum is wrong");
        }
        if !u32_at(block, 8).is_some_and(|version| (1..=FORMAT_VERSION).contains(&version)) {
            return Err("the segment has a format version that this program does not know");
        }
        let short = "the header is too short";
        let origin_bytes = usize::from(u16_at(block, 36).ok_or(short)?);
        let origin = block.get(ORIGIN_AT..ORIGIN_AT + origin_bytes).ok_or("the origin is too long")?;
        let batch_bytes_max = u32_at(block, 32).ok_or(short)?;
        if batch_bytes_max as usize > BATCH_BYTES_CEILING {
            return Err("the header allows batches that are too large");
        }
        Ok(Self {
            segment: u64_at(block, 16).ok_or(short)?,
            first_index: u64_at(block, 24).ok_or(short)?,
            batch_bytes_max,
            origin: std::str::from_utf8(origin).map_err(|_| "the origin is not UTF-8")?.to_owned(),
        })
    }

    /// What the first batch of the segment must be.
    pub fn expected(&self) -> Expected {
        Expected { segment: self.segment, batch: 0, index: self.first_index, batch_bytes_max: self.batch_bytes_max }
    }
}

/// Appends a batch, padded to whole blocks. The caller keeps leaves within [`LEAF_BYTES_MAX`], what lies beside them within
/// [`BESIDE_BYTES_MAX`], and the batch within its limit.
pub fn encode_batch<F: Framed>(expected: Expected, entries: &[F], into: &mut Vec<u8>) {
    let start = into.len();
    for (index, entry) in (expected.index..).zip(entries) {
        let (leaf, beside) = (entry.leaf(), entry.beside());
        into.extend_from_slice(&(leaf.len() as u16).to_le_bytes());
        into.extend_from_slice(&(beside.len() as u16).to_le_bytes());
        into.extend_from_slice(&frame_crc(expected, index, leaf, beside).to_le_bytes());
        into.extend_from_slice(leaf);
        into.extend_from_slice(beside);
    }
    let frames_bytes = into.len() - start;
    let mut commit = [0_u8; COMMIT_BYTES - 8];
    let fields = [expected.batch.to_le_bytes(), expected.index.to_le_bytes()].concat();
    let counts = [(entries.len() as u32).to_le_bytes(), (frames_bytes as u32).to_le_bytes()].concat();
    for (place, byte) in commit.iter_mut().zip(fields.into_iter().chain(counts)) {
        *place = byte;
    }
    into.extend_from_slice(&COMMIT_MARK);
    into.extend_from_slice(&commit_crc(expected.segment, &commit).to_le_bytes());
    into.extend_from_slice(&commit);
    into.resize(start + padded(frames_bytes + COMMIT_BYTES), 0);
}

/// Parses one batch from bytes that start where it starts and reach to its end at least, or to the end of the file.
pub fn parse_batch(bytes: &[u8], expected: Expected) -> Result<Batch, Bad> {
    let (mut leaves, mut besides) = (Vec::new(), Vec::new());
    let mut at = 0_usize;
    loop {
        let bad = |why| Bad { at, frames: leaves.len() as u64, why };
        let head = bytes.get(at..at + FRAME_HEAD_BYTES).ok_or_else(|| bad("the file ends within a batch"))?;
        if head.starts_with(&COMMIT_MARK) {
            let commit = parse_commit(bytes, at, expected.segment).ok_or_else(|| bad("the commit frame is damaged"))?;
            let whole = commit.batch == expected.batch
                && commit.first_index == expected.index
                && commit.count as usize == leaves.len()
                && commit.frames_bytes as usize == at;
            if !whole {
                return Err(bad("the commit frame belongs to another batch"));
            }
            let padded_bytes = padded(at + COMMIT_BYTES);
            return Ok(Batch { first_index: expected.index, leaves, besides, padded_bytes });
        }
        let (leaf_bytes, beside_bytes) = lengths(head);
        if leaf_bytes == 0 {
            return Err(bad("a frame is missing"));
        }
        if leaf_bytes > LEAF_BYTES_MAX || beside_bytes > BESIDE_BYTES_MAX {
            return Err(bad("the frame's length is damaged"));
        }
        let start = at + FRAME_HEAD_BYTES;
        let (middle, end) = (start + leaf_bytes, start + leaf_bytes + beside_bytes);
        if end + COMMIT_BYTES > expected.batch_bytes_max as usize {
            return Err(bad("the batch is longer than batches may be"));
        }
        let leaf = bytes.get(start..middle).ok_or_else(|| bad("the file ends within a frame"))?;
        let beside = bytes.get(middle..end).ok_or_else(|| bad("the file ends within a frame"))?;
        let crc = frame_crc(expected, expected.index + leaves.len() as u64, leaf, beside);
        if u32_at(head, 4) != Some(crc) && !planted(Plant::Checksum) {
            return Err(bad("the frame's checksum is wrong"));
        }
        leaves.push(start..middle);
        besides.push(middle..end);
        at = end;
    }
}

/// The leaf of the frame that these bytes begin with, where it is the expected one and is all there.
pub fn frame_leaf(bytes: &[u8], expected: Expected) -> Option<&[u8]> {
    let head = bytes.get(..FRAME_HEAD_BYTES)?;
    let (leaf_bytes, beside_bytes) = lengths(head);
    if leaf_bytes == 0 || beside_bytes > BESIDE_BYTES_MAX {
        return None;
    }
    let (leaf, rest) = bytes.get(FRAME_HEAD_BYTES..)?.split_at_checked(leaf_bytes)?;
    let beside = rest.get(..beside_bytes)?;
    (u32_at(head, 4)? == frame_crc(expected, expected.index, leaf, beside)).then_some(leaf)
}

/// Of the leaf, and of what lies beside it.
fn lengths(head: &[u8]) -> (usize, usize) {
    (usize::from(u16_at(head, 0).unwrap_or(0)), usize::from(u16_at(head, 2).unwrap_or(0)))
}

/// Looks for a good commit frame of a later batch than the expected one. Such a batch was begun only after the expected one was
/// durable, so it proves that the expected one was acknowledged. Returns its place and its batch number.
pub fn find_later_commit(bytes: &[u8], expected: Expected) -> Option<(usize, u64)> {
    let mut from = 0;
    // Mostly there are zeros, and whole blocks of them are passed over quickly.
    while bytes.get(from..from + BLOCK_BYTES).is_some_and(|block| block == ZERO_BLOCK) {
        from += BLOCK_BYTES;
    }
    while let Some(mark) = bytes.get(from..).and_then(|rest| rest.iter().position(|byte| *byte == COMMIT_MARK[0])) {
        let at = from + mark;
        if bytes.get(at..at + COMMIT_MARK.len()) == Some(&COMMIT_MARK)
            && let Some(commit) = parse_commit(bytes, at, expected.segment)
            && commit.batch > expected.batch
        {
            return Some((at, commit.batch));
        }
        from = at + 1;
    }
    None
}

struct Commit {
    batch: u64,
    first_index: u64,
    count: u32,
    frames_bytes: u32,
}

fn parse_commit(bytes: &[u8], at: usize, segment: u64) -> Option<Commit> {
    let frame = bytes.get(at..at + COMMIT_BYTES)?;
    let fields = frame.get(8..)?;
    if u32_at(frame, 4)? != commit_crc(segment, fields) {
        return None;
    }
    Some(Commit {
        batch: u64_at(fields, 0)?,
        first_index: u64_at(fields, 8)?,
        count: u32_at(fields, 16)?,
        frames_bytes: u32_at(fields, 20)?,
    })
}

fn frame_crc(expected: Expected, index: u64, leaf: &[u8], beside: &[u8]) -> u32 {
    let crc = crc32c::crc32c(&expected.segment.to_le_bytes());
    let crc = crc32c::crc32c_append(crc, &expected.batch.to_le_bytes());
    let crc = crc32c::crc32c_append(crc, &index.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c_append(crc, leaf), beside)
}

fn commit_crc(segment: u64, fields: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&segment.to_le_bytes()), fields)
}

fn header_crc(block: &[u8]) -> u32 {
    let before = block.get(..HEADER_CRC.start).unwrap_or_default();
    let after = block.get(HEADER_CRC.end..).unwrap_or_default();
    crc32c::crc32c_append(crc32c::crc32c(before), after)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}
