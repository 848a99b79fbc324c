//! A verifier on the crates `tlog_tiles` and `signed_note` (Cloudflare's azul), which share no code with ours.

use std::sync::Arc;

use signed_note::{Note, StandardVerifier, VerifierList};
use tlog_tiles::{
    Checkpoint, Error, Hash, HashReader, Tile, record_hash, stored_hash_count, stored_hash_index,
    stored_hashes_for_record_hash, tree_hash,
};

use pressgate_audit::tile::Kind;

use super::{Files, tree_path};

const WIDTH: u64 = 256;
const SIZE_MAX: u64 = 1 << 20;

/// A file of the tree, or the full one where the partial one has gone; then the second is true.
fn read<'a>(files: &'a Files, path: &str) -> Option<(&'a [u8], bool)> {
    let (full, _) = path.split_once(".p/").unwrap_or((path, ""));
    match files.get(tree_path(path)) {
        Some(bytes) => Some((bytes, false)),
        None => Some((files.get(tree_path(full))?, true)),
    }
}

/// All hashes of a tree, in the order in which they are made.
#[derive(Default)]
struct Stored(Vec<Hash>);

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        indexes.iter().map(|index| self.0.get(*index as usize).copied().ok_or(Error::IndexesNotInTree)).collect()
    }
}

fn entries(files: &Files, index: u64, width: u64) -> Option<Vec<&[u8]>> {
    let mut path = format!("tile/entries/{}", number(index));
    if width < WIDTH {
        path = format!("{path}.p/{width}");
    }
    let (mut rest, full) = read(files, &path)?;
    let mut leaves = Vec::new();
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let (leaf, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        leaves.push(leaf);
        rest = after;
    }
    if full && leaves.len() as u64 == WIDTH {
        leaves.truncate(width as usize);
    }
    (leaves.len() as u64 == width).then_some(leaves)
}

fn number(mut index: u64) -> String {
    let mut text = format!("{:03}", index % 1000);
    while index >= 1000 {
        index /= 1000;
        text = format!("x{:03}/{text}", index % 1000);
    }
    text
}

/// A verifier that remembers what it has hashed of a log: its hashing is slow where nothing is optimised.
pub struct Azul {
    vkey: String,
    base: Files,
    stored: Stored,
}

impl Azul {
    /// A verifier of this log.
    pub fn start(vkey: &str, base: &Files) -> Self {
        let mut azul = Self { vkey: vkey.to_owned(), base: Files::default(), stored: Stored::default() };
        azul.stored = azul.read(base).map(|(_, stored)| stored).unwrap_or_default();
        azul.base = base.clone();
        azul
    }

    /// The hash of a leaf; files that are the base's own need not be hashed again.
    fn record_hash(&self, known: bool, at: u64, leaf: &[u8]) -> Hash {
        match self.stored.0.get(stored_hash_index(0, at) as usize) {
            Some(hash) if known => *hash,
            _ => record_hash(leaf),
        }
    }

    fn is_base(&self, files: &Files, index: u64, width: u64) -> bool {
        let Some(tile) = pressgate_audit::tile::Tile::of_size(Kind::Entries, index, index * WIDTH + width).next()
        else {
            return false;
        };
        let path = tree_path(&tile.path());
        matches!((files.0.get(&path), self.base.0.get(&path)), (Some(one), Some(other)) if Arc::ptr_eq(one, other))
    }

    /// Makes the whole tree anew from the leaves and compares the root and every tile with it; the size that its checkpoint covers, or
    /// what is wrong. The crate's `TileHashReader` would do less: like Go's before golang.org/x/mod v0.40.0 it leaves some tiles
    /// unchecked (CVE-2026-56865).
    pub fn verify(&self, files: &Files) -> Result<u64, String> {
        self.read(files).map(|(size, _)| size)
    }

    fn read(&self, files: &Files) -> Result<(u64, Stored), String> {
        let key = StandardVerifier::new(&self.vkey).map_err(|error| format!("{error:?}"))?;
        let name = self.vkey.split('+').next().unwrap();
        let bytes = files.get(tree_path("checkpoint")).ok_or("no checkpoint")?;
        let note = Note::from_bytes(bytes).map_err(|error| format!("{error:?}"))?;
        note.verify(&VerifierList::new(vec![Box::new(key)])).map_err(|error| format!("{error:?}"))?;
        let checkpoint = Checkpoint::from_bytes(note.text()).map_err(|error| format!("{error:?}"))?;
        let size = checkpoint.size();
        if checkpoint.origin() != name || size > SIZE_MAX {
            return Err("not a checkpoint of this log".to_owned());
        }
        if size == 0 {
            return Ok((0, Stored::default()));
        }
        let failed = |error: Error| format!("{error:?}");
        let (mut stored, mut same) = (Stored::default(), true);
        for index in 0..size.div_ceil(WIDTH) {
            let width = (size - index * WIDTH).min(WIDTH);
            let leaves = entries(files, index, width).ok_or_else(|| format!("bundle {index}"))?;
            let known = self.is_base(files, index, width);
            let count = stored_hash_count(index * WIDTH + width) as usize;
            if known && same && count <= self.stored.0.len() {
                stored.0.extend_from_slice(&self.stored.0[stored.0.len()..count]);
                continue;
            }
            same = false;
            for (at, leaf) in (index * WIDTH..).zip(leaves) {
                let hash = self.record_hash(known, at, leaf);
                let hashes = stored_hashes_for_record_hash(at, hash, &stored).map_err(failed)?;
                stored.0.extend(hashes);
            }
        }
        if tree_hash(size, &stored).map_err(failed)? != *checkpoint.hash() {
            return Err("the leaves do not make the root".to_owned());
        }
        for tile in Tile::new_tiles(8, 0, size) {
            // It names every partial tile on the way.
            let last = (size >> (8 * u32::from(tile.level()))) % WIDTH;
            if u64::from(tile.width()) < WIDTH && u64::from(tile.width()) != last {
                continue;
            }
            let made = tile.read_data(&stored).map_err(failed)?;
            // The path has the height of tiles in it, which is always 8 in a C2SP log.
            let path = tile.path().replacen("tile/8/", "tile/", 1);
            let (found, full) = read(files, &path).ok_or_else(|| format!("no {path}"))?;
            let found = if full && found.len() == 256 * 32 { &found[..made.len()] } else { found };
            if made != found {
                return Err(format!("{path} is not the tile of the leaves"));
            }
        }
        Ok((size, stored))
    }
}
