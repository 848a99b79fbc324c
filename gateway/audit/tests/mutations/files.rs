//! Class (a): the files of the tree. Ours and both independent verifiers refuse; ours names the file and the first bad index.

use std::ops::Range;
use std::path::{Path, PathBuf};

use pressgate_audit::merkle::{Hash, leaf_hash};
use pressgate_audit::note::Algorithm;
use pressgate_audit::tile::{Kind, TILE_WIDTH, Tile};
use pressgate_audit::verify::{VerifyError, verify};

use crate::support::azul::Azul;
use crate::support::go::Go;
use crate::support::{
    Dice, Files, LOG_DIR, ORIGIN, count, key, leaf, leaves, log, log_key, naive_root, options, seed, signed, tile_path,
    tree, tree_path,
};
use crate::{CLASS_LEAST, Tally};

/// With partial and full bundles, one full tile alone, and a last bundle of one leaf.
const SIZES: [u64; 4] = [600, 1_337, 513, 1_024];

struct Log {
    leaves: Vec<Vec<u8>>,
    files: Files,
}

/// A changed log.
struct Evil {
    kind: &'static str,
    files: Files,
    /// The first leaf that does not hold.
    index: u64,
    /// The file that is to blame, where it is one.
    file: Option<PathBuf>,
}

impl Log {
    fn new(size: u64) -> Self {
        let leaves = leaves(0, size);
        Self { files: log(&leaves), leaves }
    }

    fn size(&self) -> u64 {
        self.leaves.len() as u64
    }

    fn bundle(&self, dice: &mut Dice) -> (Tile, PathBuf) {
        let all: Vec<Tile> = Tile::of_size(Kind::Entries, 0, self.size()).collect();
        let tile = all[dice.below(all.len())];
        (tile, tree_path(&tile.path()))
    }

    fn tile(&self, dice: &mut Dice) -> (Tile, u8, PathBuf) {
        let level = (dice.below(4) == 0) as u8;
        let all: Vec<Tile> = Tile::of_size(Kind::Hashes(level), 0, self.size()).collect();
        let tile = all[dice.below(all.len())];
        (tile, level, tree_path(&tile.path()))
    }

    /// Where each leaf of a bundle lies in its file, with its length.
    fn places(&self, tile: Tile) -> Vec<Range<usize>> {
        let first = (tile.index * TILE_WIDTH) as usize;
        let mut at = 0;
        let held = self.leaves[first..first + usize::from(tile.width)].iter();
        held.map(|leaf| {
            let place = at..at + leaf.len() + 2;
            at = place.end;
            place
        })
        .collect()
    }
}

const ENTRIES: [&str; 12] = [
    "entries: a bit flipped",
    "entries: a leaf dropped",
    "entries: two leaves swapped",
    "entries: a leaf duplicated",
    "entries: a leaf inserted",
    "entries: a leaf replaced by a new one",
    "entries: a leaf replaced by another of the log",
    "entries: truncated",
    "entries: bytes appended",
    "entries: emptied",
    "entries: missing",
    "entries: those of another bundle",
];

fn entries(log: &Log, kind: &'static str, dice: &mut Dice) -> Evil {
    let (tile, path) = log.bundle(dice);
    let (places, width) = (log.places(tile), usize::from(tile.width));
    let (first, at) = (tile.index * TILE_WIDTH, dice.below(width));
    let mut files = log.files.clone();
    let mut place =
        if kind.ends_with("emptied") || kind.ends_with("missing") || kind.ends_with("bundle") { 0 } else { at };
    let with = |leaf: &[u8]| [&(leaf.len() as u16).to_be_bytes(), leaf].concat();
    match kind {
        "entries: a bit flipped" => {
            let byte = dice.below(places[width - 1].end);
            files.edit(&path, |bytes| bytes[byte] ^= 1 << dice.below(8));
            place = places.iter().position(|place| place.contains(&byte)).unwrap();
        }
        "entries: a leaf dropped" => files.edit(&path, |bytes| drop(bytes.drain(places[at].clone()))),
        "entries: two leaves swapped" => {
            if width == 1 {
                return entries(log, "entries: a bit flipped", dice);
            }
            let (low, high) = dice.two_below(width);
            let mut order: Vec<usize> = (0..width).collect();
            order.swap(low, high);
            files.edit(&path, |bytes| {
                *bytes = order.iter().flat_map(|at| bytes[places[*at].clone()].to_vec()).collect();
            });
            place = low;
        }
        "entries: a leaf duplicated" => {
            files.edit(&path, |bytes| {
                let copy = bytes[places[at].clone()].to_vec();
                drop(bytes.splice(places[at].end..places[at].end, copy));
            });
            place = at + 1;
        }
        "entries: a leaf inserted" => {
            files.edit(&path, |bytes| drop(bytes.splice(places[at].start..places[at].start, with(&leaf(9_999_999)))));
        }
        "entries: a leaf replaced by a new one" => {
            files.edit(&path, |bytes| drop(bytes.splice(places[at].clone(), with(&leaf(8_888_888)))));
        }
        "entries: a leaf replaced by another of the log" => {
            let here = first as usize + at;
            let other = (here + 1 + dice.below(log.leaves.len() - 1)) % log.leaves.len();
            files.edit(&path, |bytes| drop(bytes.splice(places[at].clone(), with(&log.leaves[other]))));
        }
        "entries: truncated" => {
            let length = dice.below(places[width - 1].end - 1) + 1;
            files.edit(&path, |bytes| bytes.truncate(length));
            place = places.iter().position(|place| place.contains(&length)).unwrap();
        }
        "entries: bytes appended" => {
            let more = dice.below(600) + 1;
            files.edit(&path, |bytes| bytes.extend((0..more).map(|_| dice.next() as u8)));
            place = width;
        }
        "entries: emptied" => files.put(&path, vec![]),
        "entries: missing" => files.remove(&path),
        _ => {
            let count = log.size().div_ceil(TILE_WIDTH);
            let other = (tile.index + 1 + dice.below(count as usize - 1) as u64) % count;
            let bytes = log.files.get(tile_path(Kind::Entries, other, log.size())).unwrap().to_vec();
            files.put(&path, bytes);
        }
    }
    Evil { kind, files, index: first + place as u64, file: Some(path) }
}

const TILES: [&str; 9] = [
    "tile: a bit flipped",
    "tile: a hash dropped",
    "tile: two hashes swapped",
    "tile: a hash duplicated",
    "tile: truncated",
    "tile: bytes appended",
    "tile: emptied",
    "tile: missing",
    "tile: another tile",
];

fn tiles(log: &Log, kind: &'static str, dice: &mut Dice) -> Evil {
    let (tile, level, path) = log.tile(dice);
    let width = usize::from(tile.width);
    let at = dice.below(width);
    let mut files = log.files.clone();
    let mut place = at;
    match kind {
        "tile: a bit flipped" => files.edit(&path, |bytes| bytes[at * 32 + dice.below(32)] ^= 1 << dice.below(8)),
        "tile: a hash dropped" => files.edit(&path, |bytes| drop(bytes.drain(at * 32..at * 32 + 32))),
        "tile: two hashes swapped" => {
            if width == 1 {
                return tiles(log, "tile: a bit flipped", dice);
            }
            let (low, high) = dice.two_below(width);
            files.edit(&path, |bytes| (0..32).for_each(|byte| bytes.swap(low * 32 + byte, high * 32 + byte)));
            place = low;
        }
        "tile: a hash duplicated" => {
            files.edit(&path, |bytes| {
                let copy = bytes[at * 32..at * 32 + 32].to_vec();
                drop(bytes.splice(at * 32 + 32..at * 32 + 32, copy));
            });
            place = at + 1;
        }
        "tile: truncated" => {
            let length = dice.below(width * 32 - 1) + 1;
            files.edit(&path, |bytes| bytes.truncate(length));
            place = length / 32;
        }
        "tile: bytes appended" => {
            let more = dice.below(100) + 1;
            files.edit(&path, |bytes| bytes.extend((0..more).map(|_| dice.next() as u8)));
            place = width;
        }
        "tile: emptied" => {
            files.put(&path, vec![]);
            place = 0;
        }
        "tile: missing" => {
            files.remove(&path);
            place = 0;
        }
        _ => {
            let others: Vec<PathBuf> = [0, 1]
                .into_iter()
                .flat_map(|level| Tile::of_size(Kind::Hashes(level), 0, log.size()))
                .map(|tile| tree_path(&tile.path()))
                .filter(|other| *other != path)
                .collect();
            let bytes = log.files.get(&others[dice.below(others.len())]).unwrap().to_vec();
            files.put(&path, bytes);
            place = 0;
        }
    }
    let index = (tile.index * TILE_WIDTH + place as u64) << (8 * level);
    Evil { kind, files, index, file: Some(path) }
}

const FORGED: [&str; 3] =
    ["forged: a leaf and its hash", "forged: a leaf and all hashes above it", "forged: two files, far apart"];

/// Changes in more than one file, made to fit each other.
fn forged(log: &Log, kind: &'static str, dice: &mut Dice) -> Evil {
    let mut files = log.files.clone();
    if kind == FORGED[2] {
        let first = entries(log, ENTRIES[0], dice);
        let second = tiles(log, TILES[0], dice);
        let path = second.file.unwrap();
        files.put(first.file.clone().unwrap(), first.files.get(first.file.as_ref().unwrap()).unwrap().to_vec());
        files.put(path.clone(), second.files.get(&path).unwrap().to_vec());
        // Where a full bundle and its own tile are both wrong, nothing is left that leads to the hash above; at the right edge
        // nothing that leads to the root.
        let (low, high) = (first.index.min(second.index), first.index.max(second.index));
        let level_0 = path.starts_with(tree_path("tile/0"));
        let index = match level_0 && low / TILE_WIDTH == high / TILE_WIDTH {
            true if (low / TILE_WIDTH + 1) * TILE_WIDTH > log.size() => 0,
            true => low / TILE_WIDTH * TILE_WIDTH,
            false => low,
        };
        return Evil { kind, files, index, file: None };
    }
    let at = dice.below(log.leaves.len());
    let mut changed = log.leaves.clone();
    changed[at] = leaf(7_777_777);
    let (whole, _) = tree(&changed);
    let bundle = at as u64 / TILE_WIDTH;
    let full = (bundle + 1) * TILE_WIDTH <= log.size();
    for path in [tile_path(Kind::Entries, bundle, log.size()), tile_path(Kind::Hashes(0), bundle, log.size())] {
        files.put(path.clone(), whole.get(&path).unwrap().to_vec());
    }
    let index = if full { bundle * TILE_WIDTH } else { 0 };
    if kind == FORGED[0] {
        return Evil { kind, files, index, file: None };
    }
    let top = tile_path(Kind::Hashes(1), 0, log.size());
    files.put(top.clone(), whole.get(&top).unwrap().to_vec());
    Evil { kind, files, index: 0, file: None }
}

const CHECKPOINTS: [&str; 11] = [
    "checkpoint: a bit flipped",
    "checkpoint: truncated",
    "checkpoint: a line dropped",
    "checkpoint: a line duplicated",
    "checkpoint: two lines swapped",
    "checkpoint: another size",
    "checkpoint: another root",
    "checkpoint: signed with another key of that name",
    "checkpoint: that of another log",
    "checkpoint: missing",
    "checkpoint: a wrong root, signed",
];

fn checkpoints(log: &Log, kind: &'static str, dice: &mut Dice) -> Evil {
    let (path, mut files) = (tree_path("checkpoint"), log.files.clone());
    let text = String::from_utf8(files.get(&path).unwrap().to_vec()).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let root = naive_root(&log.leaves.iter().map(|leaf| leaf_hash(leaf)).collect::<Vec<Hash>>());
    let size = log.size();
    let new = match kind {
        "checkpoint: a bit flipped" => {
            let mut bytes = text.clone().into_bytes();
            // The last digit before the padding has bits that mean nothing, and not everybody minds them.
            let loose = bytes.iter().rposition(|byte| *byte == b'=').unwrap() - 1;
            let at = dice.below(bytes.len());
            bytes[if at == loose { at - 1 } else { at }] ^= 1 << dice.below(8);
            bytes
        }
        "checkpoint: truncated" => text.as_bytes()[..dice.below(text.len())].to_vec(),
        "checkpoint: a line dropped" => {
            let at = dice.below(lines.len());
            lines.iter().enumerate().filter(|(place, _)| *place != at).flat_map(|(_, line)| line.bytes()).collect()
        }
        // A second line of the same signature would be no fault.
        "checkpoint: a line duplicated" => {
            let at = dice.below(3);
            lines
                .iter()
                .enumerate()
                .flat_map(|(place, line)| line.repeat(1 + usize::from(place == at)).into_bytes())
                .collect()
        }
        "checkpoint: two lines swapped" => {
            let (low, high) = dice.two_below(lines.len());
            let mut lines = lines.clone();
            lines.swap(low, high);
            lines.concat().into_bytes()
        }
        "checkpoint: another size" => {
            let other = (size + 1 + dice.below(1_000) as u64).to_string();
            text.replacen(&format!("\n{size}\n"), &format!("\n{other}\n"), 1).into_bytes()
        }
        "checkpoint: another root" => {
            let other = leaf_hash(&dice.next().to_be_bytes());
            text.replacen(&root.to_base64(), &other.to_base64(), 1).into_bytes()
        }
        "checkpoint: signed with another key of that name" => {
            let thief = key(ORIGIN, Algorithm::Ed25519, 100 + dice.below(100) as u8);
            signed(size, root, &[&thief]).into_bytes()
        }
        "checkpoint: that of another log" => {
            let other = key(&format!("other.example/{}", dice.below(1_000)), Algorithm::Ed25519, 1);
            signed(size, root, &[&other]).replacen(ORIGIN, other.verifier().name(), 1).into_bytes()
        }
        "checkpoint: missing" => {
            files.remove(&path);
            return Evil { kind, files, index: 0, file: Some(path) };
        }
        // Whoever has the key and does not change the files.
        _ => signed(size, leaf_hash(&dice.next().to_be_bytes()), &[&log_key()]).into_bytes(),
    };
    if new == text.as_bytes() {
        return checkpoints(log, kind, dice);
    }
    files.put(&path, new);
    Evil { kind, files, index: 0, file: Some(path) }
}

#[test]
fn counted_changes_of_files_are_found_by_three_verifiers() {
    let mut dice = Dice::new(seed());
    let total = count(CLASS_LEAST);
    let vkey = log_key().verifier().to_string();
    let mut tally = Tally::default();
    type Maker = fn(&Log, &'static str, &mut Dice) -> Evil;
    let makers: [(&[&'static str], Maker); 4] =
        [(&ENTRIES, entries), (&TILES, tiles), (&FORGED, forged), (&CHECKPOINTS, checkpoints)];
    let kinds: Vec<(&'static str, Maker)> =
        makers.iter().flat_map(|(kinds, maker)| kinds.iter().map(|kind| (*kind, *maker))).collect();
    let mut done = 0;
    for size in SIZES {
        let log = Log::new(size);
        let mut go = Go::start(&vkey, &log.files);
        assert_eq!(verify(&log.files, Path::new(LOG_DIR), &options()).unwrap().checkpoint.size, size);
        let azul = Azul::start(&vkey, &log.files);
        assert_eq!(azul.verify(&log.files), Ok(size));
        assert_eq!(go.as_mut().map_or(Ok(size), |go| go.verify(&log.files)), Ok(size));
        for _ in 0..total.div_ceil(SIZES.len()) {
            let (kind, maker) = kinds[done % kinds.len()];
            done += 1;
            let evil = maker(&log, kind, &mut dice);
            let told = format!("{} (log of {size}, number {done})", evil.kind);
            let Err(error) = verify(&evil.files, Path::new(LOG_DIR), &options()) else {
                panic!("ours accepts: {told}")
            };
            assert_eq!(error.first_bad_index(), Some(evil.index), "{told}: {error}");
            if let Some(file) = &evil.file {
                assert_eq!(error.file(), Some(file.as_path()), "{told}: {error}");
            }
            assert!(azul.verify(&evil.files).is_err(), "tlog_tiles accepts: {told}");
            assert!(go.as_mut().is_none_or(|go| go.verify(&evil.files).is_err()), "Go accepts: {told}");
            tally.add(evil.kind);
        }
    }
    tally.print("tiles, entries, checkpoint", total);
}

#[test]
fn legal_differences_are_accepted_by_three_verifiers() {
    let vkey = log_key().verifier().to_string();
    let all = leaves(0, 1_700);
    let whole = log(&all);
    // The tree of an earlier checkpoint, in a folder that has already grown.
    let (earlier, root) = tree(&all[..1_337]);
    let mut grown = whole.clone();
    grown.0.extend(earlier.0.clone());
    grown.put(tree_path("checkpoint"), signed(1_337, root, &[&log_key()]));
    let mut superseded = grown.clone();
    for kind in [Kind::Entries, Kind::Hashes(0)] {
        superseded.remove(tile_path(kind, 5, 1_337));
    }
    let mut kept = whole.clone();
    for size in [1, 200, 256, 300, 1_337, 1_600] {
        kept.0.extend(tree(&all[..size]).0.0);
    }
    kept.put(tree_path("checkpoint"), signed(1_700, naive_root(&hashes(&all)), &[&log_key()]));
    let mut strays = whole.clone();
    for (path, bytes) in [
        ("tile/0/006.p/3.new", "half"),
        ("tile/entries/x001/000", "stray"),
        ("tile/2/000.p/1", "stray"),
        ("tile/0/007", "beyond the end"),
        ("checkpoint.new", "half"),
        ("README", "for the curious"),
    ] {
        strays.put(tree_path(path), bytes);
    }
    let mut cosigned = whole.clone();
    let witness = key("witness.example/w1", Algorithm::Cosignature, 9);
    let text = signed(1_700, naive_root(&hashes(&all)), &[&log_key(), &witness]);
    cosigned.put(tree_path("checkpoint"), text);
    let cases = [
        ("grown", grown, 1_337),
        ("superseded partial files are gone", superseded, 1_337),
        ("older partial files are kept", kept, 1_700),
        ("stray files", strays, 1_700),
        ("a signature of somebody else", cosigned, 1_700),
    ];
    let mut go = Go::start(&vkey, &whole);
    for (told, files, size) in cases {
        let report = verify(&files, Path::new(LOG_DIR), &options()).unwrap_or_else(|error| panic!("{told}: {error}"));
        assert_eq!(report.checkpoint.size, size, "{told}");
        assert_eq!(Azul::start(&vkey, &Files::default()).verify(&files), Ok(size), "{told}");
        assert_eq!(go.as_mut().map_or(Ok(size), |go| go.verify(&files)), Ok(size), "{told}");
    }
}

fn hashes(leaves: &[Vec<u8>]) -> Vec<Hash> {
    leaves.iter().map(|leaf| leaf_hash(leaf)).collect()
}

#[test]
fn logs_of_every_small_size_hold_and_a_size_that_cannot_be_is_refused_quickly() {
    for size in [0, 1, 2, 255, 256, 257, 511, 512, 513] {
        let files = log(&leaves(0, size));
        assert_eq!(verify(&files, Path::new(LOG_DIR), &options()).unwrap().checkpoint.size, size);
    }
    let mut files = log(&leaves(0, 600));
    for size in [601, 1 << 20, 1 << 40, u64::MAX] {
        files.put(tree_path("checkpoint"), signed(size, leaf_hash(b""), &[&log_key()]));
        let error = verify(&files, Path::new(LOG_DIR), &options()).unwrap_err();
        assert!(matches!(error, VerifyError::Leaf { index: 0, .. }), "{size}: {error}");
    }
}
