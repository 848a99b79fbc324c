//! Tiles: the files that a tree is published as (C2SP tlog-tiles).
//!
//! `tile/<L>/<N>` holds the hashes of 256 subtrees of 256^L leaves, `tile/<L>/<N>.p/<W>` the first W of them where the tree ends
//! within; `tile/entries/<N>` holds the leaves themselves, each after its length in two bytes, big-endian. N is written in groups of
//! three digits, all but the last with an `x` before: 1234067 is `x001/x234/067`.

use crate::merkle::{HASH_BYTES, Hash, node_hash};

/// Hashes of a full tile, and leaves of a full bundle.
pub const TILE_WIDTH: u64 = 256;
/// Levels of the tree in one tile.
pub const TILE_HEIGHT: u8 = 8;
/// Levels of tiles that a log may have.
pub const TILE_LEVELS_MAX: u8 = 8;

/// What a file of the tree holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Hashes of subtrees of 256^level leaves.
    Hashes(u8),
    /// Leaves.
    Entries,
}

/// One file of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tile {
    /// What it holds.
    pub kind: Kind,
    /// Which one of its kind, from 0.
    pub index: u64,
    /// How many hashes or leaves, 1 to 256.
    pub width: u16,
}

impl Tile {
    /// A full tile or a partial one.
    pub fn new(kind: Kind, index: u64, width: u16) -> Self {
        Self { kind, index, width }
    }

    /// Does it hold all it can?
    pub fn is_full(&self) -> bool {
        u64::from(self.width) == TILE_WIDTH
    }

    /// The same tile, full.
    pub fn full(self) -> Self {
        Self { width: TILE_WIDTH as u16, ..self }
    }

    /// Its path below the tree's folder.
    pub fn path(&self) -> String {
        let kind = match self.kind {
            Kind::Hashes(level) => level.to_string(),
            Kind::Entries => "entries".to_owned(),
        };
        let mut groups = vec![format!("{:03}", self.index % 1000)];
        let mut rest = self.index / 1000;
        while rest > 0 {
            groups.push(format!("x{:03}", rest % 1000));
            rest /= 1000;
        }
        groups.reverse();
        let partial = if self.is_full() { String::new() } else { format!(".p/{}", self.width) };
        format!("tile/{kind}/{}{partial}", groups.join("/"))
    }

    /// The tile of such a path; `None` for every other text.
    pub fn parse(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("tile/")?;
        let (kind, rest) = rest.split_once('/')?;
        let kind = match kind {
            "entries" => Kind::Entries,
            level => Kind::Hashes(level.parse().ok()?),
        };
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, width.parse().ok().filter(|width| (1..256).contains(width))?),
            None => (rest, TILE_WIDTH as u16),
        };
        let mut index = 0_u64;
        for group in number.split('/') {
            let digits = group.strip_prefix('x').unwrap_or(group);
            if digits.len() != 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            index = index.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
        }
        let tile = Self { kind, index, width };
        // There is one way only to write each.
        (tile.path() == path).then_some(tile)
    }

    /// Tiles of one kind that a tree of `size` leaves has from tile `from` on; the last one may be partial.
    pub fn of_size(kind: Kind, from: u64, size: u64) -> impl Iterator<Item = Self> {
        let level = match kind {
            Kind::Hashes(level) => u32::from(level) * u32::from(TILE_HEIGHT),
            Kind::Entries => 0,
        };
        let hashes = size.checked_shr(level).unwrap_or(0);
        (from..hashes.div_ceil(TILE_WIDTH)).map(move |index| {
            let width = (hashes - index * TILE_WIDTH).min(TILE_WIDTH);
            Self { kind, index, width: width as u16 }
        })
    }

    /// All files of a tree of `size` leaves.
    pub fn all(size: u64) -> Vec<Self> {
        let mut tiles: Vec<Self> = Self::of_size(Kind::Entries, 0, size).collect();
        for level in 0..TILE_LEVELS_MAX {
            tiles.extend(Self::of_size(Kind::Hashes(level), 0, size));
        }
        tiles
    }
}

/// The hashes in the bytes of a tile; `None` where these are not `width` hashes.
pub fn hashes(bytes: &[u8], width: u16) -> Option<Vec<Hash>> {
    if bytes.len() != usize::from(width) * HASH_BYTES {
        return None;
    }
    bytes.chunks_exact(HASH_BYTES).map(Hash::from_slice).collect()
}

/// The root of a run of 2^n hashes of one level.
pub fn fold(hashes: &[Hash]) -> Option<Hash> {
    let mut level = hashes.to_vec();
    while level.len() > 1 {
        if level.len() % 2 == 1 {
            return None;
        }
        level = level
            .chunks_exact(2)
            .filter_map(|pair| match pair {
                [left, right] => Some(node_hash(left, right)),
                _ => None,
            })
            .collect();
    }
    level.first().copied()
}

/// Adds a leaf to the bytes of a bundle. The leaf has at most 65,535 bytes.
pub fn push_entry(bundle: &mut Vec<u8>, leaf: &[u8]) {
    bundle.extend_from_slice(&u16::try_from(leaf.len()).unwrap_or(u16::MAX).to_be_bytes());
    bundle.extend_from_slice(leaf);
}

/// The leaves in the bytes of a bundle; `None` where these are not exactly `width` leaves.
pub fn entries(bytes: &[u8], width: u16) -> Option<Vec<&[u8]>> {
    let mut leaves = Vec::with_capacity(usize::from(width));
    let mut rest = bytes;
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let (leaf, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        leaves.push(leaf);
        rest = after;
    }
    (leaves.len() == usize::from(width)).then_some(leaves)
}
