//! Retention: entry bundles below an index go, hash tiles stay, so that every proof still holds (C2SP tlog-tiles, "Pruning").
//!
//! The file `entries-from` in the tree's folder says from which leaf on the entries are there. It is durable before the first bundle
//! goes, so a reader never takes what was dropped for what was lost.

use std::io;
use std::path::Path;

use super::files::read;
use crate::disk::Disk;
use crate::tile::{Kind, TILE_WIDTH, Tile};

/// The file that says from which leaf on the entries are there, as a decimal number and a newline.
pub const ENTRIES_FROM: &str = "entries-from";

/// Not more than a number.
const TEXT_BYTES_MAX: u64 = 32;

/// From which leaf on the entries are there, in a tree's folder; 0 where nothing was dropped.
pub fn entries_from(disk: &dyn Disk, tree_dir: &Path) -> u64 {
    let bytes = read(disk, &tree_dir.join(ENTRIES_FROM), TEXT_BYTES_MAX).unwrap_or_default();
    std::str::from_utf8(&bytes).ok().and_then(|text| text.trim_end().parse().ok()).unwrap_or(0)
}

/// Drops the entry bundles below an index, rounded down to whole bundles, that were not dropped before. The log must say so first.
/// Returns how many went.
///
/// # Errors
/// What the disk said; the next call goes on.
pub fn drop_entries(disk: &dyn Disk, tree_dir: &Path, below: u64) -> io::Result<u64> {
    let below = below / TILE_WIDTH * TILE_WIDTH;
    let from = entries_from(disk, tree_dir);
    if below > from {
        super::publish::replace(disk, &tree_dir.join(ENTRIES_FROM), &format!("{below}\n"))?;
    }
    let mut dropped = 0;
    // What a crash left of the last time lies right before.
    for index in (0..below.max(from) / TILE_WIDTH).rev() {
        let bundle = Tile::new(Kind::Entries, index, TILE_WIDTH as u16);
        match disk.remove(&tree_dir.join(bundle.path())) {
            Ok(()) => dropped += 1,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if index < from / TILE_WIDTH {
                    break;
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(dropped)
}
