//! Crashes, failing disks and flipped bits, by the thousand, on a simulated disk.
//!
//! `PRESSGATE_SOAK=<count>` sets how many power cuts and flips there are; a failure names its seed, `PRESSGATE_SEED=<seed>` tells it again.

mod simulation;
mod stories;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use simulation::{Dice, SimDisk};

use crate::format::{Header, parse_batch};
use crate::{Disk, LogReader, OpenError, ReadError, Torn, Writer, WriterOptions, inspect};

const FLIPS: u64 = 2_000;

fn count(default: u64) -> u64 {
    std::env::var("PRESSGATE_SOAK").map_or(default, |count| count.parse().expect("PRESSGATE_SOAK is a number"))
}

/// So many seeds from 0 on, or the one of `PRESSGATE_SEED`.
fn seeds(count: u64) -> std::ops::Range<u64> {
    match std::env::var("PRESSGATE_SEED") {
        Ok(seed) => {
            let seed = seed.parse().expect("PRESSGATE_SEED is a number");
            seed..seed + 1
        }
        Err(_) => 0..count,
    }
}

fn options() -> WriterOptions {
    let origin = "acme/audit/node-1".to_owned();
    WriterOptions {
        dir: "/log".into(),
        segment_bytes: 40 * 1024,
        batch_bytes_max: 12 * 1024,
        origin,
        at_least: 0,
        covered: 0,
        besides_from: u64::MAX,
    }
}

fn open(disk: &SimDisk) -> Result<(Writer, Option<Torn>), OpenError> {
    open_knowing(disk, 0)
}

/// Opens a log of which so many leaves were acknowledged.
fn open_knowing(disk: &SimDisk, at_least: usize) -> Result<(Writer, Option<Torn>), OpenError> {
    Writer::open(WriterOptions { at_least: at_least as u64, ..options() }, Arc::new(disk.clone()))
}

fn read_all(disk: &SimDisk) -> Vec<Vec<u8>> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    LogReader::new(disk, Path::new("/log"), 0)
        .enumerate()
        .map(|(place, leaf)| {
            let (index, bytes) = leaf.expect("a log that was opened can be read");
            assert_eq!(index, place as u64);
            bytes
        })
        .collect()
}

/// Leaves that no other batch has.
fn batch(dice: &mut Dice, serial: &mut u64) -> Vec<Vec<u8>> {
    let leaves = dice.below(5);
    (0..leaves)
        .map(|_| {
            *serial += 1;
            let mut leaf = format!("leaf {serial} ").into_bytes();
            let filler = if dice.one_in(4) { 1 + dice.below(2_000) } else { 1 + dice.below(60) };
            // Now and then what a leaf never holds, but a commit frame does.
            let byte = if dice.one_in(10) { 0xff } else { 1 + dice.below(254) as u8 };
            leaf.resize(leaf.len() + filler as usize, byte);
            leaf
        })
        .collect()
}

/// A log of several segments, without faults.
fn quiet_log(seed: u64) -> (SimDisk, Vec<Vec<u8>>) {
    let mut dice = Dice::new(seed);
    let disk = SimDisk::new(seed);
    let mut leaves = Vec::new();
    let mut serial = 0;
    for _ in 0..1 + dice.below(3) {
        let (mut writer, _) = open(&disk).unwrap();
        for _ in 0..dice.below(25) {
            let more = batch(&mut dice, &mut serial);
            writer.commit(&more).unwrap();
            leaves.extend(more);
        }
    }
    (disk, leaves)
}

/// Where a batch lies: segment, bytes without padding, leaves, number.
type Place = (PathBuf, std::ops::Range<usize>, std::ops::Range<u64>, u64);

/// Where the batches lie that count.
fn places(disk: &SimDisk) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    for name in disk.segments() {
        let bytes = disk.durable(&name);
        let header = Header::decode(&bytes).unwrap();
        places.retain(|(_, _, leaves, _)| leaves.start < header.first_index);
        let mut expected = header.expected();
        let mut at = 4096;
        while let Ok(batch) = parse_batch(&bytes[at..], expected) {
            let end = batch.leaves.last().map_or(0, |leaf| leaf.end) + 32;
            let next = expected.index + batch.leaves.len() as u64;
            places.push((name.clone(), at..at + end, expected.index..next, expected.batch));
            at += batch.padded_bytes;
            expected.batch += 1;
            expected.index = next;
        }
    }
    places
}

#[test]
fn counted_flipped_bits_are_located_or_cut() {
    let (mut refused, mut cut) = (0, 0);
    for seed in seeds(count(FLIPS)) {
        let mut dice = Dice::new(seed ^ 0xf11b);
        let (disk, leaves) = quiet_log(seed % 97);
        let places = places(&disk);
        let chosen = if dice.one_in(4) { places.len() - 1 } else { dice.below(places.len() as u64) as usize };
        let (name, bytes, range, number) = &places[chosen];
        let at = bytes.start + dice.below(bytes.len() as u64) as usize;
        disk.flip(name, at, dice.below(8) as u8);
        let is_last = chosen + 1 == places.len();
        match open(&disk) {
            Err(OpenError::Read(ReadError::Corrupt(corrupt))) => {
                assert!(!is_last || *number == 0, "seed {seed}: a torn tail was called damage: {corrupt}");
                assert_eq!(&corrupt.file, name, "seed {seed}");
                assert!(bytes.contains(&(corrupt.offset as usize)), "seed {seed}: {} in {bytes:?}", corrupt.offset);
                assert!(corrupt.offset <= at as u64, "seed {seed}");
                assert!((range.start..=range.end).contains(&corrupt.index), "seed {seed}: {range:?} {corrupt}");
                refused += 1;
            }
            Ok((_, torn)) => {
                assert!(
                    is_last && *number > 0,
                    "seed {seed}: byte {at} of {} was changed and nobody saw it",
                    name.display()
                );
                let torn = torn.unwrap_or_else(|| panic!("seed {seed}: the cut was not reported"));
                assert!(name.ends_with(&torn.segment), "seed {seed}");
                assert_eq!(torn.offset, bytes.start as u64, "seed {seed}");
                assert_eq!(read_all(&disk), leaves[..range.start as usize], "seed {seed}");
                cut += 1;
            }
            Err(error) => panic!("seed {seed}: {error}"),
        }
    }
    assert!(refused > 0 && cut > 0 || count(FLIPS) < 100, "{refused} refused, {cut} cut");
    println!("{refused} refused, {cut} cut");
}

#[test]
fn flipped_bits_in_headers_are_refused() {
    let (disk, _) = quiet_log(3);
    for name in disk.segments() {
        let used = 38 + "acme/audit/node-1".len();
        for at in (0..used).chain([used + 1, 4095]) {
            let damaged = disk.copy();
            damaged.flip(&name, at, (at % 8) as u8);
            match open(&damaged) {
                Err(OpenError::Read(ReadError::Corrupt(corrupt))) => assert_eq!(corrupt.file, name),
                other => panic!("byte {at} of {}: {:?}", name.display(), other.map(|(_, torn)| torn)),
            }
        }
    }
}

#[test]
fn a_missing_segment_is_refused() {
    let (disk, segments) = (0..100)
        .map(|seed| quiet_log(seed).0)
        .map(|disk| (disk.clone(), disk.segments()))
        .find(|(_, segments)| segments.len() > 3)
        .expect("a log of several segments");
    for name in &segments[..segments.len() - 1] {
        let damaged = disk.copy();
        damaged.remove(name).unwrap();
        assert!(matches!(open(&damaged), Err(OpenError::Read(ReadError::Corrupt(_)))), "{}", name.display());
    }
}

#[test]
fn reading_from_any_index_gives_the_rest() {
    let (disk, leaves) = quiet_log(11);
    let shared: Arc<dyn Disk> = Arc::new(disk);
    for from in 0..=leaves.len() + 2 {
        let reader = LogReader::new(Arc::clone(&shared), Path::new("/log"), from as u64);
        let found: Vec<Vec<u8>> = reader.map(|leaf| leaf.unwrap().1).collect();
        assert_eq!(found, leaves[from.min(leaves.len())..]);
    }
}

#[test]
fn a_log_that_lost_its_end_is_refused_and_left_as_it_is() {
    let mut shorter = 0;
    for seed in 0..40 {
        let (disk, leaves) = quiet_log(seed);
        let last = places(&disk).pop().filter(|(_, _, leaves, number)| !leaves.is_empty() && *number > 0);
        let Some((name, bytes, range, _)) = last else { continue };
        // The last batch is spoiled; without the count that is a torn tail.
        let cut = disk.copy();
        cut.flip(&name, bytes.start, 0);
        let before = cut.segments().iter().map(|name| cut.durable(name)).collect::<Vec<_>>();
        match open_knowing(&cut, leaves.len()).map(|(_, torn)| torn) {
            Err(OpenError::Short { found, wanted, .. }) => {
                assert_eq!((found, wanted), (range.start, leaves.len() as u64), "seed {seed}");
                shorter += 1;
            }
            other => panic!("seed {seed}: {other:?}"),
        }
        assert_eq!(cut.segments().iter().map(|name| cut.durable(name)).collect::<Vec<_>>(), before, "seed {seed}");
        let shared: Arc<dyn Disk> = Arc::new(cut.clone());
        let found = inspect(&shared, Path::new("/log")).unwrap();
        assert_eq!((found.next_index, found.origin.as_deref()), (range.start, Some("acme/audit/node-1")));
        open_knowing(&disk, leaves.len()).unwrap();
    }
    assert!(shorter > 10, "{shorter}");
    let empty = SimDisk::new(1);
    let error = open_knowing(&empty, 3).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("the last 3 are missing"), "{error}");
}
