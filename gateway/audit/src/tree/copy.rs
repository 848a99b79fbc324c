//! Copies a tree of a given size, also while it grows.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::files::read_checkpoint;
use super::{CHECKPOINT, TreeError, TreeFiles};
use crate::disk::Disk;
use crate::merkle::HASH_BYTES;
use crate::note::{Checkpoint, Note};
use crate::tile::{Kind, Tile, entries, push_entry};
use crate::verify::WITNESS_DIR;

/// What was copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TreeCopy {
    /// Tiles and bundles.
    pub files: u64,
    /// Bundles that were not there: retention dropped them, or they are lost. Whoever verifies the copy knows which.
    pub missing_bundles: u64,
}

/// Copies the tree that a checkpoint is of, from one folder into another that is empty: tiles, bundles, what witnesses cosigned up
/// to there, and last the checkpoint. The tree may have grown since; of a file that did, only as much is copied as the checkpoint
/// covers. Nothing is synced, and nothing is verified.
///
/// # Errors
/// The checkpoint is none, a file that it covers is missing or malformed, or a disk fails.
pub fn copy_tree(disk: &Arc<dyn Disk>, from: &Path, into: &Path, checkpoint: &[u8]) -> Result<TreeCopy, TreeError> {
    let bad = |source| TreeError::Checkpoint { file: from.join(CHECKPOINT), source };
    let note = Note::parse(checkpoint).map_err(bad)?;
    let size = Checkpoint::parse(&note.text).map_err(bad)?.size;
    let files = TreeFiles::new(Arc::clone(disk), from, size);
    let mut copy = TreeCopy::default();
    for tile in Tile::all(size) {
        let (found, bytes) = match files.bytes(tile) {
            Ok(read) => read,
            Err(_) if tile.kind == Kind::Entries && tile.is_full() && is_missing(&**disk, &files.path(tile)) => {
                copy.missing_bundles += 1;
                continue;
            }
            Err(error) => return Err(error),
        };
        let bytes = cut(tile, found, bytes).ok_or_else(|| TreeError::Damaged {
            file: files.path(found),
            why: "it has not as much as it must have".to_owned(),
        })?;
        write(&**disk, &into.join(tile.path()), &bytes)?;
        copy.files += 1;
    }
    copy_witnessed(&**disk, from, into, size)?;
    write(&**disk, &into.join(CHECKPOINT), checkpoint)?;
    Ok(copy)
}

fn is_missing(disk: &dyn Disk, path: &Path) -> bool {
    disk.open(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// As much of a file as a tile of this width has.
fn cut(wanted: Tile, found: Tile, mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    if wanted == found {
        return Some(bytes);
    }
    let width = usize::from(wanted.width);
    match wanted.kind {
        Kind::Hashes(_) => {
            let length = width * HASH_BYTES;
            (bytes.len() >= length).then(|| bytes.truncate(length))?;
            Some(bytes)
        }
        Kind::Entries => {
            let mut part = Vec::with_capacity(bytes.len());
            entries(&bytes, found.width)?.into_iter().take(width).for_each(|leaf| push_entry(&mut part, leaf));
            Some(part)
        }
    }
}

/// What witnesses cosigned of a larger tree says nothing of this one.
fn copy_witnessed(disk: &dyn Disk, from: &Path, into: &Path, size: u64) -> Result<(), TreeError> {
    let folder = from.join(WITNESS_DIR);
    for name in disk.list(&folder).unwrap_or_default() {
        let Some(bytes) = read_checkpoint(disk, &folder.join(&name))? else { continue };
        let covered = Note::parse(&bytes).ok().and_then(|note| Checkpoint::parse(&note.text).ok());
        if covered.is_some_and(|covered| covered.size <= size) {
            write(disk, &into.join(WITNESS_DIR).join(&name), &bytes)?;
        }
    }
    Ok(())
}

fn write(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<(), TreeError> {
    let written = disk
        .create_dir_all(path.parent().unwrap_or(Path::new("/")))
        .and_then(|()| disk.create(path))
        .and_then(|file| file.write_all_at(bytes, 0));
    written.map_err(|source| TreeError::Io { file: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;
    use crate::note::{Algorithm, Signer};
    use crate::tree::{Tree, TreeOptions};
    use crate::verify::{VerifyOptions, verify};
    use crate::writer::{Writer, WriterOptions};
    use crate::{LogReader, OpenError};

    const ORIGIN: &str = "acme/audit/node-1";

    fn options(dir: &Path, covered: u64) -> WriterOptions {
        WriterOptions {
            dir: dir.to_owned(),
            segment_bytes: 1024 * 1024,
            batch_bytes_max: 128 * 1024,
            origin: ORIGIN.to_owned(),
            at_least: 0,
            covered,
            besides_from: u64::MAX,
        }
    }

    fn leaf(index: u64) -> Vec<u8> {
        format!("{{\"v\":1,\"leaf\":{index}}}").into_bytes()
    }

    /// A tree that was published at each of the sizes, with the note of each.
    fn grown(dir: &Path, signer: &Signer, sizes: &[u64]) -> Vec<String> {
        let tree = TreeOptions {
            log_dir: dir.to_owned(),
            second: dir.join("second"),
            origin: ORIGIN.to_owned(),
            keys: vec![signer.verifier().clone()],
        };
        std::fs::create_dir_all(dir).unwrap();
        let mut tree = Tree::load(&tree, Arc::new(RealDisk)).unwrap();
        let publish = |size: &u64| {
            (tree.size()..*size).for_each(|index| tree.push(&leaf(index)));
            tree.publish(&[signer], 0).unwrap().note
        };
        sizes.iter().map(publish).collect()
    }

    #[test]
    fn a_tree_is_copied_at_every_size_that_it_had_and_holds() {
        let folder = tempfile::tempdir().unwrap();
        let signer = Signer::generate(ORIGIN, Algorithm::Ed25519).unwrap();
        let sizes = [1, 255, 256, 257, 300, 511, 513, 1000];
        let log = folder.path().join("log");
        let notes = grown(&log, &signer, &sizes);
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        for (size, note) in sizes.iter().zip(notes) {
            let into = folder.path().join(format!("copy-{size}"));
            copy_tree(&disk, &log.join("tree"), &into, note.as_bytes()).unwrap();
            let report = verify(&RealDisk, &into, &VerifyOptions::new(signer.verifier().clone())).unwrap();
            assert_eq!((report.checkpoint.size, report.segments), (*size, None));
        }
        std::fs::remove_file(log.join("tree/tile/0/001")).unwrap();
        let into = folder.path().join("of-a-damaged-one");
        let note = std::fs::read(log.join("tree/checkpoint")).unwrap();
        assert!(matches!(copy_tree(&disk, &log.join("tree"), &into, &note), Err(TreeError::Damaged { .. })));
    }

    #[test]
    fn a_copied_tree_is_a_log_again_that_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let signer = Signer::generate(ORIGIN, Algorithm::Ed25519).unwrap();
        let (from, log) = (folder.path().join("from"), folder.path().join("log"));
        let note = grown(&from, &signer, &[300]).remove(0);
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        copy_tree(&disk, &from.join("tree"), &log.join("tree"), note.as_bytes()).unwrap();
        let refused = Writer::open(options(&log, 300), Arc::clone(&disk)).err();
        assert!(matches!(refused, Some(OpenError::Short { found: 0, wanted: 300, .. })), "{refused:?}");
        Writer::seed(options(&log, 300), Arc::clone(&disk), 299, &[leaf(299)]).unwrap();
        assert!(Writer::seed(options(&log, 300), Arc::clone(&disk), 299, &[leaf(299)]).is_err(), "once");
        let (mut writer, torn) = Writer::open(options(&log, 300), Arc::clone(&disk)).unwrap();
        assert_eq!((writer.next_index(), torn), (300, None));
        assert_eq!(writer.commit(&[leaf(300)]).unwrap(), 300);
        drop(writer);
        let all: Vec<_> = LogReader::new(disk, &log, 0).map(|read| read.unwrap().1).collect();
        assert_eq!(all, (0..=300).map(leaf).collect::<Vec<_>>());
        verify(&RealDisk, &log, &VerifyOptions::new(signer.verifier().clone())).unwrap();
    }
}
