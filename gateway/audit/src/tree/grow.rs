//! A tree that grows at its right edge, in memory: what is kept of it is less than a tile for each level.

use std::convert::Infallible;

use crate::merkle::{Hash, Subtrees, leaf_hash, root};
use crate::tile::{Kind, TILE_HEIGHT, TILE_WIDTH, Tile, fold, push_entry};

/// The right edge of a tree, and the files that became full.
#[derive(Debug, Clone, Default)]
pub struct Frontier {
    size: u64,
    /// For each level of tiles the hashes of the one that is not yet full.
    edge: Vec<Vec<Hash>>,
    /// The leaves of the bundle that is not yet full.
    bundle: Vec<u8>,
    full: Vec<(Tile, Vec<u8>)>,
    full_bytes: usize,
}

impl Frontier {
    /// A tree of `size` leaves, of which these are the tiles and the bundle that are not full.
    pub(super) fn resume(size: u64, edge: Vec<Vec<Hash>>, bundle: Vec<u8>) -> Self {
        Self { size, edge, bundle, ..Self::default() }
    }

    /// How many leaves it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Its root.
    pub fn root(&self) -> Hash {
        let mut edge = Edge(self);
        match root(&mut edge, self.size) {
            Ok(root) => root,
            Err(impossible) => match impossible {},
        }
    }

    /// Adds a leaf of at most 65,535 bytes.
    pub fn push(&mut self, leaf: &[u8]) {
        push_entry(&mut self.bundle, leaf);
        self.size += 1;
        if self.size.is_multiple_of(TILE_WIDTH) {
            let bundle = std::mem::take(&mut self.bundle);
            self.keep(Tile::new(Kind::Entries, self.size / TILE_WIDTH - 1, TILE_WIDTH as u16), bundle);
        }
        let mut carried = Some(leaf_hash(leaf));
        let mut level = 0_u8;
        while let Some(hash) = carried.take() {
            let at = usize::from(level);
            if self.edge.len() <= at {
                self.edge.push(Vec::with_capacity(TILE_WIDTH as usize));
            }
            let Some(hashes) = self.edge.get_mut(at) else { return };
            hashes.push(hash);
            if hashes.len() as u64 == TILE_WIDTH {
                carried = fold(hashes);
                let bytes = bytes_of(hashes);
                hashes.clear();
                let index = (self.size >> (u32::from(level + 1) * u32::from(TILE_HEIGHT))) - 1;
                self.keep(Tile::new(Kind::Hashes(level), index, TILE_WIDTH as u16), bytes);
                level += 1;
            }
        }
    }

    fn keep(&mut self, tile: Tile, bytes: Vec<u8>) {
        self.full_bytes += bytes.len();
        self.full.push((tile, bytes));
    }

    /// Bytes of the files that became full since they were taken.
    pub fn full_bytes(&self) -> usize {
        self.full_bytes
    }

    /// The files that became full since they were taken.
    pub(super) fn full(&self) -> &[(Tile, Vec<u8>)] {
        &self.full
    }

    pub(super) fn take_full(&mut self) -> Vec<(Tile, Vec<u8>)> {
        self.full_bytes = 0;
        std::mem::take(&mut self.full)
    }

    /// The files that are not full, as they are now.
    pub(super) fn partial(&self) -> Vec<(Tile, Vec<u8>)> {
        let mut files = Vec::new();
        let width = (self.size % TILE_WIDTH) as u16;
        if width > 0 {
            files.push((Tile::new(Kind::Entries, self.size / TILE_WIDTH, width), self.bundle.clone()));
        }
        for (level, hashes) in (0_u8..).zip(&self.edge) {
            if !hashes.is_empty() {
                let index = self.size >> (u32::from(level + 1) * u32::from(TILE_HEIGHT));
                files.push((Tile::new(Kind::Hashes(level), index, hashes.len() as u16), bytes_of(hashes)));
            }
        }
        files
    }
}

fn bytes_of(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// The whole subtrees that make up the tree all lie in tiles that are not full.
struct Edge<'a>(&'a Frontier);

impl Subtrees for Edge<'_> {
    type Error = Infallible;

    fn subtree(&mut self, level: u8, index: u64) -> Result<Hash, Infallible> {
        let (tile_level, below) = (usize::from(level / TILE_HEIGHT), level % TILE_HEIGHT);
        let from = usize::try_from((index << below) % TILE_WIDTH).unwrap_or(usize::MAX);
        let hashes = self.0.edge.get(tile_level).and_then(|hashes| hashes.get(from..from + (1 << below)));
        // A subtree outside the edge is never asked for; a wrong root would be noticed by everybody.
        Ok(hashes.and_then(fold).unwrap_or(Hash([0; 32])))
    }
}
