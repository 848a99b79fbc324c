//! Reading all files of a tree, each once, and folding them upwards. Nothing is judged here, and nothing that a file holds stops
//! the reading: what is missing or malformed is kept as such.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use super::VerifyError;
use crate::disk::Disk;
use crate::leaf::LEAF_BYTES_MAX;
use crate::merkle::{HASH_BYTES, Hash, leaf_hash, node_hash};
use crate::tile::{Kind, TILE_HEIGHT, TILE_LEVELS_MAX, TILE_WIDTH, Tile};

/// Bundles that a thread takes at a time.
const CHUNK_BUNDLES: u64 = 16;
/// No bundle is longer, in bytes.
const BUNDLE_BYTES_MAX: u64 = TILE_WIDTH * (LEAF_BYTES_MAX as u64 + 2);
/// No tile is longer, in bytes.
const TILE_BYTES_MAX: u64 = TILE_WIDTH * HASH_BYTES as u64;
/// The kind of a leaf stands within this many bytes of its start.
const KIND_BYTES_MAX: usize = 64;
/// Kinds of leaves that the check itself needs to know.
const NOTED_KINDS: [&str; 3] = ["retention", "key-change", "key-handover"];

/// A hash for each place; none where a file does not give it.
pub(super) type Row = Vec<Option<Hash>>;

/// Something about a file that shows without a look at any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Defect {
    /// The place in the tile or bundle from which on it is wrong.
    pub(super) place: usize,
    /// What is wrong.
    pub(super) why: &'static str,
}

/// The hashes of a tile and those of the leaves in its bundle.
#[derive(Debug, Default)]
pub(super) struct Pair {
    /// What the tile holds.
    pub(super) stored: Row,
    pub(super) stored_defect: Option<Defect>,
    /// What the leaves hash to.
    pub(super) made: Row,
    pub(super) made_defect: Option<Defect>,
    /// There is no tile.
    pub(super) no_tile: bool,
    /// There is no bundle.
    pub(super) no_bundle: bool,
    bytes: Vec<u8>,
    scratch: Vec<Hash>,
}

/// What one full tile of level 0 and its bundle fold to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bundle {
    pub(super) stored: Option<Hash>,
    pub(super) made: Option<Hash>,
    /// Both files are well formed and say the same.
    pub(super) agrees: bool,
    /// There is no bundle.
    pub(super) pruned: bool,
}

/// The hashes of one level of tiles, from 1 on.
#[derive(Debug, Default)]
pub(super) struct Level {
    /// What its tiles hold.
    pub(super) stored: Row,
    /// What the tiles of the level below fold to.
    pub(super) below: Row,
    /// What the leaves fold to.
    pub(super) made: Row,
    /// What is malformed: which tile, and where in it.
    pub(super) defects: Vec<(u64, Defect)>,
}

/// A whole tree.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) size: u64,
    /// The full bundles, up to the first of which neither bundle nor tile is there.
    pub(super) bundles: Vec<Bundle>,
    /// The bundle and tile that are not full, where there are such.
    pub(super) edge: Option<Pair>,
    /// Levels of tiles from 1 on.
    pub(super) levels: Vec<Level>,
    /// Leaves that the check itself needs to know, in order.
    pub(super) noted: Vec<(u64, Vec<u8>)>,
    /// How many bundles are missing.
    pub(super) pruned: u64,
}

/// How many leaves or hashes the last tile of a level has where it is not full; otherwise 0.
pub(super) fn edge_width(size: u64, level: u8) -> usize {
    let hashes = size.checked_shr(u32::from(level) * u32::from(TILE_HEIGHT)).unwrap_or(0);
    (hashes % TILE_WIDTH) as usize
}

/// Reads everything, with as many threads as are asked for.
pub(super) fn gather(disk: &dyn Disk, dir: &Path, size: u64, threads: usize) -> Result<Gathered, VerifyError> {
    let mut gathered = Gathered { size, ..Gathered::default() };
    let full = size / TILE_WIDTH;
    let (next, stop) = (AtomicU64::new(0), AtomicU64::new(full));
    let work = || chunks(disk, dir, &next, &stop);
    let parts: Vec<Result<Vec<Chunk>, VerifyError>> = std::thread::scope(|scope| {
        let helpers: Vec<_> = (1..threads.max(1)).map(|_| scope.spawn(work)).collect();
        let mut parts = vec![work()];
        parts.extend(helpers.into_iter().map(|helper| {
            helper.join().unwrap_or_else(|_| {
                let source = io::Error::other("a thread ended before its work was done");
                Err(VerifyError::Io { file: dir.to_owned(), source })
            })
        }));
        parts
    });
    let mut chunks = Vec::new();
    for part in parts {
        chunks.extend(part?);
    }
    chunks.sort_unstable_by_key(|chunk| chunk.first);
    for chunk in chunks {
        if chunk.first != gathered.bundles.len() as u64 {
            break;
        }
        gathered.pruned += chunk.bundles.iter().filter(|bundle| bundle.pruned).count() as u64;
        gathered.bundles.extend(chunk.bundles);
        gathered.noted.extend(chunk.noted);
    }
    let width = edge_width(size, 0);
    if width > 0 {
        let mut pair = Pair::default();
        pair.read(disk, dir, full, width, &mut gathered.noted)?;
        gathered.edge = Some(pair);
    }
    gathered.levels = levels(disk, dir, size, &gathered.bundles)?;
    Ok(gathered)
}

struct Chunk {
    first: u64,
    bundles: Vec<Bundle>,
    noted: Vec<(u64, Vec<u8>)>,
}

fn chunks(disk: &dyn Disk, dir: &Path, next: &AtomicU64, stop: &AtomicU64) -> Result<Vec<Chunk>, VerifyError> {
    let mut done = Vec::new();
    let mut pair = Pair::default();
    loop {
        let first = next.fetch_add(CHUNK_BUNDLES, Ordering::Relaxed);
        let mut chunk = Chunk { first, bundles: Vec::new(), noted: Vec::new() };
        for index in first..first.saturating_add(CHUNK_BUNDLES) {
            if index >= stop.load(Ordering::Relaxed) {
                break;
            }
            pair.read(disk, dir, index, TILE_WIDTH as usize, &mut chunk.noted)?;
            if pair.no_tile && pair.no_bundle {
                stop.fetch_min(index, Ordering::Relaxed);
                break;
            }
            let bundle = pair.bundle();
            chunk.bundles.push(bundle);
        }
        if chunk.bundles.is_empty() {
            return Ok(done);
        }
        done.push(chunk);
    }
}

impl Pair {
    /// Reads a tile of level 0 and its bundle. Leaves of the noted kinds are added to `noted`.
    pub(super) fn read(
        &mut self,
        disk: &dyn Disk,
        dir: &Path,
        index: u64,
        width: usize,
        noted: &mut Vec<(u64, Vec<u8>)>,
    ) -> Result<(), VerifyError> {
        let mut bytes = std::mem::take(&mut self.bytes);
        let tile = Tile::new(Kind::Hashes(0), index, width as u16);
        (self.no_tile, self.stored_defect) = read_tile(disk, dir, tile, &mut bytes, &mut self.stored)?;
        let bundle = Tile::new(Kind::Entries, index, width as u16);
        let found = read_file(disk, dir, bundle, BUNDLE_BYTES_MAX, &mut bytes)?;
        self.no_bundle = found.is_none();
        self.made.clear();
        self.made_defect = match found {
            None => Some(Defect { place: 0, why: MISSING }),
            Some(found) => self.hash_leaves(&bytes, index * TILE_WIDTH, width, !found.is_full() || width == 256, noted),
        };
        self.made.resize(width, None);
        self.bytes = bytes;
        Ok(())
    }

    fn hash_leaves(
        &mut self,
        bytes: &[u8],
        first: u64,
        width: usize,
        ends_here: bool,
        noted: &mut Vec<(u64, Vec<u8>)>,
    ) -> Option<Defect> {
        let mut rest = bytes;
        for place in 0..width {
            let leaf = rest
                .split_first_chunk::<2>()
                .and_then(|(length, after)| after.split_at_checked(usize::from(u16::from_be_bytes(*length))));
            let Some((leaf, after)) = leaf else {
                return Some(Defect { place, why: "the file ends before it" });
            };
            self.made.push(Some(leaf_hash(leaf)));
            if is_noted(leaf) {
                noted.push((first + place as u64, leaf.to_vec()));
            }
            rest = after;
        }
        (ends_here && !rest.is_empty())
            .then_some(Defect { place: width, why: "there is more in the file than its leaves" })
    }

    fn bundle(&mut self) -> Bundle {
        let stored = fold_row(&self.stored, &mut self.scratch);
        let agrees = self.stored_defect.is_none() && self.made_defect.is_none() && self.stored == self.made;
        let made = match agrees || self.no_bundle {
            true => stored,
            false => fold_row(&self.made, &mut self.scratch),
        };
        Bundle { stored, made, agrees, pruned: self.no_bundle }
    }
}

/// Why a file is not read.
pub(super) const MISSING: &str = "the file is missing";

fn is_noted(leaf: &[u8]) -> bool {
    let head = leaf.get(..KIND_BYTES_MAX).unwrap_or(leaf);
    let mark = b"\"kind\":\"";
    let Some(at) = head.windows(mark.len()).position(|window| window == mark) else { return false };
    let kind = leaf.get(at + mark.len()..).unwrap_or_default();
    NOTED_KINDS.iter().any(|noted| kind.strip_prefix(noted.as_bytes()).is_some_and(|rest| rest.starts_with(b"\"")))
}

/// The tiles of the levels above the lowest.
fn levels(disk: &dyn Disk, dir: &Path, size: u64, bundles: &[Bundle]) -> Result<Vec<Level>, VerifyError> {
    let mut levels = Vec::new();
    let mut below: Row = bundles.iter().map(|bundle| bundle.stored).collect();
    let mut made: Row = bundles.iter().map(|bundle| bundle.made).collect();
    let (mut bytes, mut row, mut scratch) = (Vec::new(), Row::new(), Vec::new());
    for number in 1..TILE_LEVELS_MAX {
        let mut level = Level { below, made, ..Level::default() };
        let (mut folded, mut folded_made) = (Row::new(), Row::new());
        for tile in Tile::of_size(Kind::Hashes(number), 0, size) {
            let first = level.stored.len();
            let (missing, defect) = read_tile(disk, dir, tile, &mut bytes, &mut row)?;
            // Beyond this nothing is known from above or below.
            let unknown = missing && level.below.len() <= first;
            level.defects.extend(defect.map(|defect| (tile.index, defect)));
            if unknown {
                break;
            }
            level.stored.extend_from_slice(&row);
            if tile.is_full() {
                folded.push(fold_row(&row, &mut scratch));
                let made = level.made.get(first..first + row.len()).unwrap_or_default();
                folded_made.push(fold_row(made, &mut scratch));
            }
        }
        if level.stored.is_empty() && level.defects.is_empty() {
            break;
        }
        levels.push(level);
        (below, made) = (folded, folded_made);
    }
    Ok(levels)
}

/// The root of 256 hashes that are all there.
pub(super) fn fold_row(row: &[Option<Hash>], scratch: &mut Vec<Hash>) -> Option<Hash> {
    scratch.clear();
    scratch.extend(row.iter().flatten());
    if scratch.len() as u64 != TILE_WIDTH {
        return None;
    }
    let mut width = scratch.len();
    while width > 1 {
        for place in 0..width / 2 {
            let node = match scratch.get(2 * place..2 * place + 2) {
                Some([left, right]) => node_hash(left, right),
                _ => return None,
            };
            *scratch.get_mut(place)? = node;
        }
        width /= 2;
    }
    scratch.first().copied()
}

/// Reads as many hashes of a tile as it has, up to its width.
pub(super) fn read_tile(
    disk: &dyn Disk,
    dir: &Path,
    tile: Tile,
    bytes: &mut Vec<u8>,
    row: &mut Row,
) -> Result<(bool, Option<Defect>), VerifyError> {
    let width = usize::from(tile.width);
    row.clear();
    let found = read_file(disk, dir, tile, TILE_BYTES_MAX, bytes)?;
    let defect = match found {
        None => Some(Defect { place: 0, why: MISSING }),
        Some(found) => {
            row.extend(bytes.chunks_exact(HASH_BYTES).take(width).map(Hash::from_slice));
            let wanted = usize::from(found.width) * HASH_BYTES;
            match bytes.len() {
                length if length < wanted && row.len() < width => {
                    Some(Defect { place: row.len(), why: "the file ends before it" })
                }
                length if length != wanted => {
                    Some(Defect { place: width, why: "the file's length is not that of its hashes" })
                }
                _ => None,
            }
        }
    };
    row.resize(width, None);
    Ok((found.is_none(), defect))
}

/// Reads a file of a tree, or the full one where a partial one has gone; a little more than `bytes_max` at most.
fn read_file(
    disk: &dyn Disk,
    dir: &Path,
    tile: Tile,
    bytes_max: u64,
    bytes: &mut Vec<u8>,
) -> Result<Option<Tile>, VerifyError> {
    bytes.clear();
    for tile in [Some(tile), (!tile.is_full()).then(|| tile.full())].into_iter().flatten() {
        let path = dir.join(tile.path());
        match read_into(disk, &path, bytes_max + 1, bytes) {
            Ok(()) => return Ok(Some(tile)),
            Err(error) if is_missing(&error) => {}
            Err(source) => return Err(VerifyError::Io { file: path, source }),
        }
    }
    Ok(None)
}

/// Is it that there is no such file?
pub(super) fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Reads a file from its start, at most so many bytes of it.
pub(super) fn read_into(disk: &dyn Disk, path: &Path, bytes_max: u64, bytes: &mut Vec<u8>) -> io::Result<()> {
    let file = disk.open(path)?;
    let length = file.len_bytes()?.min(bytes_max);
    bytes.resize(usize::try_from(length).unwrap_or(0), 0);
    let count = file.read_at(bytes, 0)?;
    bytes.truncate(count);
    Ok(())
}
