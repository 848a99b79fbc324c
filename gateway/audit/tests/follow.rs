//! One reader follows a writer for long, on a disk whose writes fail now and then: it gives what was acknowledged, nothing else.

#[allow(dead_code, reason = "the tests of crashes use the rest")]
mod simulation;

use std::path::Path;
use std::sync::Arc;

use pressgate_audit::{Disk, LogReader, Writer, WriterOptions};
use simulation::{Dice, SimDisk};

const STORIES: u64 = 400;

/// Reads on to `until`. A failing disk only delays it: then a new reader goes on.
fn read_on(reader: &mut LogReader, disk: &Arc<dyn Disk>, until: u64, found: &mut Vec<Vec<u8>>) {
    if reader.follow(until).is_err() {
        *reader = LogReader::new(Arc::clone(disk), Path::new("/log"), found.len() as u64).until(until);
    }
    loop {
        match reader.next_bytes() {
            Ok(Some((index, bytes))) => {
                assert_eq!(index, found.len() as u64, "in order");
                found.push(bytes);
            }
            Ok(None) => return,
            Err(_) => {
                *reader = LogReader::new(Arc::clone(disk), Path::new("/log"), found.len() as u64).until(until);
                return;
            }
        }
    }
}

fn story(seed: u64) -> (usize, usize) {
    let mut dice = Dice::new(seed);
    let sim = SimDisk::new(seed);
    let disk: Arc<dyn Disk> = Arc::new(sim.clone());
    let origin = "acme/audit/node-1".to_owned();
    let options =
        WriterOptions { dir: "/log".into(), segment_bytes: 40 * 1024, batch_bytes_max: 12 * 1024, origin, at_least: 0 };
    let (mut writer, _) = Writer::open(options, Arc::clone(&disk)).expect("an empty disk");
    let mut reader = LogReader::new(Arc::clone(&disk), Path::new("/log"), 0).until(0);
    let (mut acknowledged, mut found, mut failed) = (Vec::new(), Vec::new(), 0);
    sim.set_faults(3 + dice.below(20));
    for serial in 0..20 + dice.below(60) {
        let leaves: Vec<Vec<u8>> = (0..1 + dice.below(4))
            .map(|place| format!("leaf {serial}.{place} {}", "x".repeat(dice.below(1_500) as usize)).into_bytes())
            .collect();
        match writer.commit(&leaves) {
            Ok(_) => acknowledged.extend(leaves),
            Err(_) => failed += 1,
        }
        if dice.one_in(2) {
            read_on(&mut reader, &disk, writer.next_index(), &mut found);
            assert!(found == acknowledged[..found.len()], "story {seed}");
        }
    }
    sim.set_faults(0);
    read_on(&mut reader, &disk, writer.next_index(), &mut found);
    assert!(found == acknowledged, "story {seed}");
    (found.len(), failed)
}

#[test]
fn a_follower_gives_what_was_acknowledged_and_nothing_else() {
    let (mut leaves, mut failed) = (0, 0);
    for seed in 0..STORIES {
        let (read, refused) = story(seed);
        leaves += read;
        failed += refused;
    }
    println!("{leaves} leaves, {failed} refused batches");
    assert!(failed > 100, "the disk failed: {failed}");
}
