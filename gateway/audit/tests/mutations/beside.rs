//! Class (c): what lies beside the tree, the write-ahead log and the second checkpoint. Others' verifiers do not know them; ours
//! finds it.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pressgate_audit::format::{
    BLOCK_BYTES, COMMIT_BYTES, Expected, FRAME_HEAD_BYTES, Header, encode_batch, parse_batch,
};
use pressgate_audit::merkle::leaf_hash;
use pressgate_audit::note::Algorithm;
use pressgate_audit::tree::{Tree, TreeOptions};
use pressgate_audit::verify::{VerifyOptions, verify};
use pressgate_audit::{RealDisk, Writer, WriterOptions};

use crate::support::{
    Dice, Files, LOG_DIR, ORIGIN, count, key, leaf, leaves, log_key, naive_root, options, seed, signed,
};
use crate::{CLASS_LEAST, Tally};

const SIZE: u64 = 900;
const SECOND: &str = "second";

struct Segment {
    path: PathBuf,
    batches: Vec<Batch>,
}

struct Batch {
    expected: Expected,
    /// Where the batch lies in the file, without its padding.
    place: Range<usize>,
    /// Where its frames lie in the file, each with the bytes before its leaf.
    frames: Vec<Range<usize>>,
}

struct Log {
    leaves: Vec<Vec<u8>>,
    files: Files,
    segments: Vec<Segment>,
}

/// A log as the product writes it, with several segments.
fn log() -> Log {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join(LOG_DIR);
    let disk: Arc<RealDisk> = Arc::new(RealDisk);
    let all = leaves(0, SIZE);
    let writing = WriterOptions {
        dir: dir.clone(),
        segment_bytes: 64 * 1024,
        batch_bytes_max: 16 * 1024,
        origin: ORIGIN.to_owned(),
        at_least: 0,
        covered: 0,
        besides_from: u64::MAX,
    };
    let (mut writer, _) = Writer::open(writing, disk.clone()).unwrap();
    let mut dice = Dice::new(7);
    let mut rest = all.as_slice();
    while !rest.is_empty() {
        let (batch, after) = rest.split_at((1 + dice.below(12)).min(rest.len()));
        writer.commit(batch).unwrap();
        rest = after;
    }
    let publishing = TreeOptions {
        log_dir: dir.clone(),
        second: folder.path().join(SECOND),
        origin: ORIGIN.to_owned(),
        keys: vec![log_key().verifier().clone()],
    };
    std::fs::create_dir_all(dir.join("tree")).unwrap();
    let mut tree = Tree::load(&publishing, disk).unwrap();
    all.iter().for_each(|leaf| tree.push(leaf));
    tree.publish(&[&log_key()], 1_700_000_000).unwrap();
    let files = Files::load(folder.path(), "");
    let mut segments = Vec::new();
    for path in files.0.keys().filter(|path| path.extension().is_some_and(|kind| kind == "segment")) {
        let bytes = files.get(path).unwrap();
        let mut expected = Header::decode(bytes).unwrap().expected();
        let (mut at, mut batches) = (BLOCK_BYTES, Vec::new());
        while let Some(rest) = bytes.get(at..)
            && let Ok(batch) = parse_batch(rest, expected)
        {
            let frames: Vec<Range<usize>> =
                batch.leaves.iter().map(|leaf| at + leaf.start - FRAME_HEAD_BYTES..at + leaf.end).collect();
            let end = frames.last().map_or(at, |frame| frame.end) + COMMIT_BYTES;
            batches.push(Batch { expected, place: at..end, frames });
            at += batch.padded_bytes;
            expected.batch += 1;
            expected.index += batch.leaves.len() as u64;
        }
        segments.push(Segment { path: path.clone(), batches });
    }
    assert!(segments.len() >= 3, "{} segments", segments.len());
    Log { leaves: all, files, segments }
}

/// The first leaf that does not hold; none where only that it is found counts.
type Found = Option<u64>;

const SEGMENTS: [&str; 10] = [
    "segment: a bit of a batch flipped",
    "segment: a leaf forged, with its checksums",
    "segment: a leaf forged and renumbered at the end",
    "segment: two leaves swapped, with their checksums",
    "segment: cut within a batch",
    "segment: a batch overwritten with zeros",
    "segment: a batch written over another",
    "segment: a bit of the header flipped",
    "segment: the last one is missing",
    "segment: under the name of another",
];

/// The bytes of a batch with another leaf, or with two of its leaves swapped, and which one is the first that is wrong. They are as
/// many as before.
fn forged(log: &Log, batch: &Batch, swapped: bool, dice: &mut Dice) -> (Vec<u8>, usize) {
    let (from, count) = (batch.expected.index as usize, batch.frames.len());
    let mut new = log.leaves[from..from + count].to_vec();
    let mut place = dice.below(count);
    if swapped && count > 1 {
        let (low, high) = dice.two_below(count);
        new.swap(low, high);
        place = low;
    } else {
        let text = String::from_utf8(new[place].clone()).unwrap();
        new[place] = text.replace("published", "cancelled").into_bytes();
    }
    let mut bytes = Vec::new();
    encode_batch(batch.expected, &new, &mut bytes);
    (bytes, place)
}

fn segments(log: &Log, kind: &str, dice: &mut Dice) -> (Files, Found) {
    let mut files = log.files.clone();
    let filled: Vec<&Segment> = log.segments.iter().filter(|segment| !segment.batches.is_empty()).collect();
    let at = dice.below(filled.len());
    let segment = filled[at];
    let last_segment = at + 1 == filled.len();
    let number = dice.below(segment.batches.len());
    let batch = &segment.batches[number];
    let first = batch.expected.index;
    let count = batch.frames.len();
    if count == 0 || segment.batches.len() == 1 {
        return segments(log, kind, dice);
    }
    // A last batch that is damaged might be a torn one, of which nobody was told; here the tree was.
    let torn = last_segment && number + 1 == segment.batches.len() && number > 0;
    let found = match kind {
        "segment: a bit of a batch flipped" => {
            let byte = batch.place.start + dice.below(batch.place.len());
            files.edit(&segment.path, |bytes| bytes[byte] ^= 1 << dice.below(8));
            let hit = batch.frames.iter().position(|frame| frame.contains(&byte)).unwrap_or(count);
            Some(if torn { first } else { first + hit as u64 })
        }
        "segment: a leaf forged, with its checksums" | "segment: two leaves swapped, with their checksums" => {
            let (bytes, place) = forged(log, batch, kind.contains("swapped"), dice);
            files.edit(&segment.path, |file| file[batch.place.start..][..bytes.len()].copy_from_slice(&bytes));
            Some(first + place as u64)
        }
        "segment: a leaf forged and renumbered at the end" => {
            let mut bytes = Vec::new();
            encode_batch(batch.expected, &[leaf(4_444_444)], &mut bytes);
            files.edit(&segment.path, |file| {
                drop(file.splice(batch.place.start.., bytes));
            });
            Some(first)
        }
        "segment: cut within a batch" => {
            let length = batch.place.start + 1 + dice.below(batch.place.len() - 1);
            files.edit(&segment.path, |bytes| bytes.truncate(length));
            None
        }
        "segment: a batch overwritten with zeros" => {
            let whole = batch.place.start..batch.place.end;
            files.edit(&segment.path, |bytes| bytes[whole].fill(0));
            // Where nothing follows in the segment, and a later one goes on, it looks like one that is no longer needed.
            if number + 1 == segment.batches.len() && !last_segment && number > 0 {
                return segments(log, kind, dice);
            }
            None
        }
        "segment: a batch written over another" => {
            let other = &segment.batches[(number + 1 + dice.below(segment.batches.len() - 1)) % segment.batches.len()];
            let copy = log.files.get(&segment.path).unwrap()[other.place.clone()].to_vec();
            files.edit(&segment.path, |bytes| {
                let end = (batch.place.start + copy.len()).min(bytes.len());
                let length = end - batch.place.start;
                bytes[batch.place.start..end].copy_from_slice(&copy[..length]);
            });
            None
        }
        _ => return whole_segments(log, kind, dice),
    };
    (files, found)
}

/// Changes of a segment as a whole.
fn whole_segments(log: &Log, kind: &str, dice: &mut Dice) -> (Files, Found) {
    let mut files = log.files.clone();
    let filled: Vec<&Segment> = log.segments.iter().filter(|segment| !segment.batches.is_empty()).collect();
    let at = dice.below(filled.len());
    let segment = filled[at];
    let found = match kind {
        "segment: a bit of the header flipped" => {
            let byte = dice.below(BLOCK_BYTES);
            files.edit(&segment.path, |bytes| bytes[byte] ^= 1 << dice.below(8));
            None
        }
        "segment: the last one is missing" => {
            let last = filled.last().unwrap();
            files.remove(&last.path);
            Some(last.batches[0].expected.index)
        }
        _ => {
            let other = filled[(at + 1 + dice.below(filled.len() - 1)) % filled.len()];
            let bytes = files.get(&other.path).unwrap().to_vec();
            files.put(&segment.path, bytes);
            None
        }
    };
    (files, found)
}

const SECONDS: [&str; 6] = [
    "second checkpoint: a bit flipped",
    "second checkpoint: truncated",
    "second checkpoint: of a larger log",
    "second checkpoint: of another past",
    "second checkpoint: signed with another key of that name",
    "second checkpoint: missing",
];

fn seconds(log: &Log, kind: &str, dice: &mut Dice) -> Files {
    let mut files = log.files.clone();
    let text = files.get(SECOND).unwrap().to_vec();
    let size = 1 + dice.below(SIZE as usize);
    let root = naive_root(&log.leaves[..size].iter().map(|leaf| leaf_hash(leaf)).collect::<Vec<_>>());
    let size = size as u64;
    let new = match kind {
        "second checkpoint: a bit flipped" => {
            let mut bytes = text.clone();
            let at = dice.below(bytes.len());
            bytes[at] ^= 1 << dice.below(8);
            bytes
        }
        "second checkpoint: truncated" => text[..dice.below(text.len())].to_vec(),
        "second checkpoint: of a larger log" => {
            signed(SIZE + 1 + dice.below(500) as u64, leaf_hash(&dice.next().to_be_bytes()), &[&log_key()]).into_bytes()
        }
        "second checkpoint: of another past" => {
            signed(size, leaf_hash(&dice.next().to_be_bytes()), &[&log_key()]).into_bytes()
        }
        "second checkpoint: signed with another key of that name" => {
            let thief = key(ORIGIN, Algorithm::Ed25519, 100 + dice.below(100) as u8);
            signed(size, root, &[&thief]).into_bytes()
        }
        _ => {
            files.remove(SECOND);
            return files;
        }
    };
    files.put(SECOND, new);
    files
}

#[test]
fn counted_changes_beside_the_tree_are_found() {
    let mut dice = Dice::new(seed() ^ 3);
    let total = count(CLASS_LEAST);
    let log = log();
    let options = VerifyOptions { second: Some(SECOND.into()), ..options() };
    let dir = Path::new(LOG_DIR);
    let report = verify(&log.files, dir, &options).unwrap();
    let seen = report.segments.unwrap();
    assert_eq!((seen.from, seen.until, seen.torn_bytes, report.second), (0, SIZE, 0, Some(SIZE)));
    let mut tally = Tally::default();
    for number in 0..total {
        let at = number % (SEGMENTS.len() + SECONDS.len());
        let (kind, (files, index)) = match SEGMENTS.get(at) {
            Some(kind) => (*kind, segments(&log, kind, &mut dice)),
            None => {
                let kind = SECONDS[at - SEGMENTS.len()];
                (kind, (seconds(&log, kind, &mut dice), None))
            }
        };
        let Err(error) = verify(&files, dir, &options) else { panic!("accepted: {kind} (number {number})") };
        if index.is_some() {
            assert_eq!(error.first_bad_index(), index, "{kind} (number {number}): {error}");
        }
        tally.add(kind);
    }
    tally.print("write-ahead log, second checkpoint", total);
}

#[test]
fn what_the_writer_itself_may_leave_is_accepted() {
    let log = log();
    let options = VerifyOptions { second: Some(SECOND.into()), ..options() };
    let dir = Path::new(LOG_DIR);
    let filled: Vec<&Segment> = log.segments.iter().filter(|segment| !segment.batches.is_empty()).collect();
    // Segments go once the tree has their leaves; the last one stays.
    let mut files = log.files.clone();
    for segment in &filled[..filled.len() - 1] {
        files.remove(&segment.path);
        let report = verify(&files, dir, &options).unwrap();
        assert_eq!(report.segments.unwrap().until, SIZE);
    }
    // One of them may be left for a while.
    let mut files = log.files.clone();
    files.remove(&filled[1].path);
    verify(&files, dir, &options).unwrap();
    // What was written since the checkpoint, and a batch that was never finished.
    let mut files = log.files.clone();
    let last = filled.last().unwrap();
    let mut expected = Header::decode(files.get(&last.path).unwrap()).unwrap().expected();
    let mut at = BLOCK_BYTES;
    for batch in &last.batches {
        at = batch.place.end.next_multiple_of(BLOCK_BYTES);
        expected = batch.expected;
        expected.batch += 1;
        expected.index += batch.frames.len() as u64;
    }
    let mut bytes = Vec::new();
    encode_batch(expected, &leaves(SIZE, SIZE + 3), &mut bytes);
    let whole = bytes.len();
    expected.batch += 1;
    expected.index += 3;
    encode_batch(expected, &leaves(SIZE + 3, SIZE + 5), &mut bytes);
    bytes.truncate(whole + 500);
    files.edit(&last.path, |file| {
        file.truncate(at);
        file.extend_from_slice(&bytes);
    });
    let seen = verify(&files, dir, &options).unwrap().segments.unwrap();
    assert_eq!((seen.until, seen.torn_bytes > 0), (SIZE + 3, true));
    // A copy of the tree alone, by itself and as a log without segments.
    let mut files = log.files.clone();
    files.0.retain(|path, _| path.extension().is_none_or(|kind| kind != "segment"));
    assert_eq!(verify(&files, dir, &options).unwrap().segments, None);
    assert_eq!(verify(&files, &dir.join("tree"), &options).unwrap().segments, None);
}
