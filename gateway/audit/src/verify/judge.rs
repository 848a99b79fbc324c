//! Comparing a tree from its root downwards with what its files say, to find the first leaf that does not hold.
//!
//! The root of the checkpoint authenticates the hashes at the tree's right edge, and each authenticated hash those of the tile
//! below it. For each tile there are several readings: what the file holds, what the tiles below it fold to, what the leaves fold
//! to. The one that leads to the authenticated hash is the truth, and a file that says something else was changed. Where no reading
//! does, nothing below that hash can be shown to hold.

use std::path::{Path, PathBuf};

use super::VerifyError;
use super::gather::{Defect, Gathered, Level, MISSING, Pair, Row, edge_width, fold_row};
use crate::disk::Disk;
use crate::merkle::{Hash, Subtrees, root};
use crate::tile::{Kind, TILE_HEIGHT, TILE_WIDTH, Tile, fold};

/// Readings of the right edge that are tried, at most.
const EDGES_MAX: usize = 4096;

/// The hashes that the root authenticates.
#[derive(Debug, Default)]
pub(super) struct Authentic {
    size: u64,
    /// The hashes of the last tile of level 0, where it is not full.
    pub(super) edge: Vec<Hash>,
    /// Those of the levels from 1 on; none where no reading of a tile leads to what is above it.
    pub(super) levels: Vec<Row>,
}

/// The first leaf that does not hold, and the file that is to blame.
#[derive(Debug)]
struct Fault {
    index: u64,
    file: PathBuf,
    why: String,
}

impl From<Fault> for VerifyError {
    fn from(Fault { index, file, why }: Fault) -> Self {
        Self::Leaf { file, index, why }
    }
}

/// What is judged.
pub(super) struct Case<'a> {
    pub(super) disk: &'a dyn Disk,
    /// The tree's folder.
    pub(super) dir: &'a Path,
    pub(super) checkpoint: &'a Path,
    pub(super) gathered: &'a Gathered,
    /// Leaves below it may be missing, their hashes not.
    pub(super) retained_from: u64,
}

/// Finds what a root authenticates, or the first leaf that does not hold.
pub(super) fn judge(case: &Case<'_>, wanted: Hash) -> Result<Authentic, VerifyError> {
    let edges = case.edges(wanted)?;
    let mut authentic = Authentic { size: case.gathered.size, ..Authentic::default() };
    let mut faults = Faults::default();
    let mut rows: Vec<Row> = Vec::new();
    for level in (1..edges.len()).rev() {
        let edge = edges.get(level).map(Vec::as_slice).unwrap_or_default();
        let above = rows.last().map(Vec::as_slice).unwrap_or_default();
        let row = case.level(level as u8, edge, above, &mut faults);
        rows.push(row);
    }
    rows.reverse();
    authentic.levels = rows;
    authentic.edge = edges.into_iter().next().unwrap_or_default();
    case.leaves(&authentic, &mut faults)?;
    match faults.first {
        Some(fault) => Err(fault.into()),
        None => Ok(authentic),
    }
}

#[derive(Default)]
struct Faults {
    first: Option<Fault>,
}

impl Faults {
    fn add(&mut self, index: u64, file: PathBuf, why: impl Into<String>) {
        if self.first.as_ref().is_none_or(|first| index < first.index) {
            self.first = Some(Fault { index, file, why: why.into() });
        }
    }
}

impl Case<'_> {
    fn file(&self, kind: Kind, index: u64) -> PathBuf {
        let tile = Tile::of_size(kind, index, self.gathered.size).next();
        self.dir.join(tile.unwrap_or(Tile::new(kind, index, TILE_WIDTH as u16)).path())
    }

    /// The tiles of the right edge that lead to the root, one for each level.
    fn edges(&self, wanted: Hash) -> Result<Vec<Vec<Hash>>, VerifyError> {
        let mut readings: Vec<Vec<Vec<Hash>>> = Vec::new();
        for level in 0..=self.gathered.levels.len() as u8 {
            let width = edge_width(self.gathered.size, level);
            let found = match (level, &self.gathered.edge) {
                _ if width == 0 => vec![Vec::new()],
                (0, Some(pair)) => complete(&[&pair.stored, &pair.made]),
                (0, None) => Vec::new(),
                _ => self.gathered.levels.get(usize::from(level) - 1).map_or_else(Vec::new, |rows| {
                    let count = self.gathered.size >> (u32::from(level) * u32::from(TILE_HEIGHT));
                    rows.readings((count - width as u64) as usize, width)
                }),
            };
            if found.is_empty() {
                let kind = Kind::Hashes(level);
                let index = self.gathered.size >> (u32::from(level + 1) * u32::from(TILE_HEIGHT));
                let why = "the file is missing or damaged, and so is what it could be made from; without it no leaf can be compared \
                           with the checkpoint";
                return Err(Fault { index: 0, file: self.file(kind, index), why: why.to_owned() }.into());
            }
            readings.push(found);
        }
        let mut choice = vec![0_usize; readings.len()];
        for _ in 0..EDGES_MAX {
            let chosen: Vec<&[Hash]> = readings
                .iter()
                .zip(&choice)
                .map(|(found, at)| found.get(*at).map(Vec::as_slice).unwrap_or_default())
                .collect();
            let mut edge = Edge { size: self.gathered.size, rows: &chosen };
            if root(&mut edge, self.gathered.size).ok() == Some(wanted) {
                return Ok(chosen.into_iter().map(<[Hash]>::to_vec).collect());
            }
            if !advance(&mut choice, &readings) {
                break;
            }
        }
        let why = "the tree does not lead to the checkpoint's root, whichever of its files is taken for true; no leaf can be shown to \
                   be one that the checkpoint covers";
        Err(Fault { index: 0, file: self.checkpoint.to_owned(), why: why.to_owned() }.into())
    }

    /// The authenticated hashes of one level.
    fn level(&self, number: u8, edge: &[Hash], above: &[Option<Hash>], faults: &mut Faults) -> Row {
        let Some(level) = self.gathered.levels.get(usize::from(number) - 1) else { return Row::new() };
        let shift = u32::from(number) * u32::from(TILE_HEIGHT);
        let (mut row, mut scratch) = (Row::new(), Vec::new());
        for tile in Tile::of_size(Kind::Hashes(number), 0, self.gathered.size) {
            let (first, width) = (row.len(), usize::from(tile.width));
            let first_leaf = |place: usize| ((first + place) as u64) << shift;
            if !tile.is_full() {
                row.extend(edge.iter().copied().map(Some));
            } else {
                let Some(hash) = usize::try_from(tile.index).ok().and_then(|at| above.get(at)) else { break };
                let truth = hash.and_then(|hash| {
                    let mut readings = level.readings(first, width).into_iter();
                    readings.find(|reading| fold_all(reading, &mut scratch) == Some(hash))
                });
                match truth {
                    Some(truth) => row.extend(truth.into_iter().map(Some)),
                    None => {
                        row.resize(first + width, None);
                        if hash.is_some() {
                            faults.add(first_leaf(0), self.dir.join(tile.path()), UNRELATED);
                        }
                        continue;
                    }
                }
            }
            let stored = level.stored.get(first..).unwrap_or_default();
            let truth = row.get(first..).unwrap_or_default();
            let defect = level.defects.iter().find(|(index, _)| *index == tile.index).map(|(_, defect)| *defect);
            if let Some(found) = difference(stored, truth, width, defect, "its hash in the tile was changed") {
                faults.add(first_leaf(found.place), self.dir.join(tile.path()), found.why);
            }
        }
        row
    }

    /// The leaves and their hashes.
    fn leaves(&self, authentic: &Authentic, faults: &mut Faults) -> Result<(), VerifyError> {
        let gathered = self.gathered;
        let above = authentic.levels.first().map(Vec::as_slice).unwrap_or_default();
        for (index, bundle) in (0_u64..).zip(&gathered.bundles) {
            let Some(hash) = usize::try_from(index).ok().and_then(|at| above.get(at)).copied().flatten() else {
                continue;
            };
            let gone = bundle.pruned && self.may_be_gone(index);
            if bundle.stored != Some(hash) || !(bundle.agrees || gone) {
                self.bundle(index, hash, gone, faults)?;
            }
        }
        if (gathered.bundles.len() as u64) < gathered.size / TILE_WIDTH {
            let index = gathered.bundles.len() as u64;
            faults.add(
                index * TILE_WIDTH,
                self.file(Kind::Hashes(0), index),
                "the file is missing, and so are its leaves",
            );
        }
        if let Some(pair) = &gathered.edge {
            let truth: Row = authentic.edge.iter().copied().map(Some).collect();
            self.pair(gathered.size / TILE_WIDTH, pair, &truth, false, faults);
        }
        Ok(())
    }

    fn may_be_gone(&self, bundle: u64) -> bool {
        (bundle + 1).saturating_mul(TILE_WIDTH) <= self.retained_from
    }

    /// A full bundle or its tile is wrong.
    fn bundle(&self, index: u64, hash: Hash, gone: bool, faults: &mut Faults) -> Result<(), VerifyError> {
        let mut pair = Pair::default();
        pair.read(self.disk, self.dir, index, TILE_WIDTH as usize, &mut Vec::new())?;
        let mut scratch = Vec::new();
        let truth =
            [&pair.stored, &pair.made].into_iter().find(|row| fold_row(row, &mut scratch) == Some(hash)).cloned();
        match truth {
            Some(truth) => self.pair(index, &pair, &truth, gone, faults),
            None => faults.add(index * TILE_WIDTH, self.file(Kind::Hashes(0), index), UNRELATED),
        }
        Ok(())
    }

    fn pair(&self, index: u64, pair: &Pair, truth: &[Option<Hash>], gone: bool, faults: &mut Faults) {
        let width = truth.len();
        let tile = difference(&pair.stored, truth, width, pair.stored_defect, "its hash in the tile was changed");
        if let Some(found) = tile {
            faults.add(index * TILE_WIDTH + found.place as u64, self.file(Kind::Hashes(0), index), found.why);
        }
        if gone {
            return;
        }
        if let Some(found) =
            difference(&pair.made, truth, width, pair.made_defect, "it is not the leaf that was logged")
        {
            faults.add(index * TILE_WIDTH + found.place as u64, self.file(Kind::Entries, index), found.why);
        }
    }
}

const UNRELATED: &str = "neither the leaves nor the hashes lead to the hash above them, so none below it can be shown to be the one that \
                         was logged";

/// The first place where a file says something else than the truth, or is malformed.
fn difference(
    found: &[Option<Hash>],
    truth: &[Option<Hash>],
    width: usize,
    defect: Option<Defect>,
    why: &'static str,
) -> Option<Defect> {
    let place = (0..width).find(|place| found.get(*place) != truth.get(*place));
    match (place, defect) {
        (Some(place), Some(defect)) if defect.place <= place => Some(defect),
        (Some(place), _) => Some(Defect { place, why }),
        (None, defect) => defect,
    }
}

/// The readings in which no hash is missing, each once.
fn complete(rows: &[&[Option<Hash>]]) -> Vec<Vec<Hash>> {
    let mut found: Vec<Vec<Hash>> = Vec::new();
    for row in rows {
        let all: Option<Vec<Hash>> = row.iter().copied().collect();
        found.extend(all.filter(|all| !all.is_empty() && !found.contains(all)));
    }
    found
}

/// The next choice of one reading for each level; false after the last.
fn advance(choice: &mut [usize], readings: &[Vec<Vec<Hash>>]) -> bool {
    for (at, found) in choice.iter_mut().zip(readings) {
        *at += 1;
        if *at < found.len() {
            return true;
        }
        *at = 0;
    }
    false
}

fn fold_all(hashes: &[Hash], scratch: &mut Vec<Hash>) -> Option<Hash> {
    let row: Row = hashes.iter().copied().map(Some).collect();
    fold_row(&row, scratch)
}

impl Level {
    /// What a run of its hashes may be.
    fn readings(&self, first: usize, width: usize) -> Vec<Vec<Hash>> {
        let rows = [&self.stored, &self.below, &self.made].map(|row| row.get(first..first + width).unwrap_or_default());
        let mut found = complete(&rows);
        if found.len() != 1 || rows.iter().any(|row| row.len() != width || row.contains(&None)) {
            // Changes in different places: what two of three say.
            let voted: Row = (0..width)
                .map(|place| {
                    let [stored, below, made] = rows.map(|row| row.get(place).copied().flatten());
                    if below.is_some() && below == made { below } else { stored.or(below).or(made) }
                })
                .collect();
            found.extend(complete(&[&voted]).into_iter().filter(|voted| !found.contains(voted)).collect::<Vec<_>>());
        }
        found
    }
}

/// The tree, seen from its right edge.
struct Edge<'a> {
    size: u64,
    rows: &'a [&'a [Hash]],
}

impl Subtrees for Edge<'_> {
    type Error = ();

    fn subtree(&mut self, level: u8, index: u64) -> Result<Hash, ()> {
        let (tile_level, below) = (level / TILE_HEIGHT, level % TILE_HEIGHT);
        let count = self.size >> (u32::from(tile_level) * u32::from(TILE_HEIGHT));
        let first = (index << below).checked_sub(count - count % TILE_WIDTH).ok_or(())?;
        let from = usize::try_from(first).map_err(|_| ())?;
        let hashes = self.rows.get(usize::from(tile_level)).and_then(|row| row.get(from..from + (1 << below)));
        hashes.and_then(fold).ok_or(())
    }
}

/// A tree whose hashes are authenticated; those of the lowest level are read again, and compared with what is above them.
pub(super) struct Known<'a> {
    pub(super) disk: &'a dyn Disk,
    pub(super) dir: &'a Path,
    pub(super) authentic: &'a Authentic,
}

impl Known<'_> {
    /// The root of the first `size` leaves; none where the tree has not as many.
    pub(super) fn root_at(&mut self, size: u64) -> Result<Option<Hash>, VerifyError> {
        if size > self.authentic.size {
            return Ok(None);
        }
        root(self, size).map(Some)
    }

    /// The hashes of a tile of the lowest level.
    pub(super) fn leaf_hashes(&self, tile: u64) -> Result<Vec<Hash>, VerifyError> {
        if tile == self.authentic.size / TILE_WIDTH {
            return Ok(self.authentic.edge.clone());
        }
        let file = Tile::new(Kind::Hashes(0), tile, TILE_WIDTH as u16);
        let (mut bytes, mut row) = (Vec::new(), Row::new());
        super::gather::read_tile(self.disk, self.dir, file, &mut bytes, &mut row)?;
        let wanted =
            usize::try_from(tile).ok().and_then(|at| self.authentic.levels.first()?.get(at).copied().flatten());
        if wanted.is_none() || fold_row(&row, &mut Vec::new()) != wanted {
            let why = "the file changed while it was checked".to_owned();
            return Err(VerifyError::Leaf { file: self.dir.join(file.path()), index: tile * TILE_WIDTH, why });
        }
        Ok(row.into_iter().flatten().collect())
    }
}

impl Subtrees for Known<'_> {
    type Error = VerifyError;

    fn subtree(&mut self, level: u8, index: u64) -> Result<Hash, VerifyError> {
        let (tile_level, below) = (level / TILE_HEIGHT, level % TILE_HEIGHT);
        let (first, count) = (index << below, 1_u64 << below);
        let beyond = || VerifyError::Leaf {
            file: self.dir.to_owned(),
            index: index.checked_shl(u32::from(level)).unwrap_or(0),
            why: MISSING.to_owned(),
        };
        let hashes: Vec<Hash> = if tile_level == 0 {
            let all = self.leaf_hashes(first / TILE_WIDTH)?;
            let from = (first % TILE_WIDTH) as usize;
            all.get(from..from + count as usize).ok_or_else(beyond)?.to_vec()
        } else {
            let row = self.authentic.levels.get(usize::from(tile_level) - 1).ok_or_else(beyond)?;
            let from = usize::try_from(first).map_err(|_| beyond())?;
            let run = row.get(from..from + count as usize).ok_or_else(beyond)?;
            run.iter().copied().collect::<Option<_>>().ok_or_else(beyond)?
        };
        fold(&hashes).ok_or_else(beyond)
    }
}
