//! What the disk itself costs: `fdatasync` after a block into a file that was filled before, as the log does it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use crate::rounds;

const BLOCK_BYTES: usize = 4096;
const SYNCS: usize = 200;

/// The median time of one block and its `fdatasync` in this folder, in microseconds.
///
/// # Errors
/// The folder can't be written to.
pub fn fdatasync_p50_us(folder: &Path) -> io::Result<f64> {
    Ok(rounds::at(&fdatasync_us(folder)?, 0.5))
}

/// The times of blocks and their `fdatasync` in this folder, in microseconds, in order of length.
///
/// # Errors
/// The folder can't be written to.
pub fn fdatasync_us(folder: &Path) -> io::Result<Vec<f64>> {
    let file = tempfile::tempfile_in(folder)?;
    let block = [0x5a; BLOCK_BYTES];
    fill(&file)?;
    let mut times_us = Vec::with_capacity(SYNCS);
    for number in 0..SYNCS {
        let start = Instant::now();
        file.write_all_at(&block, (number * BLOCK_BYTES) as u64)?;
        file.sync_data()?;
        times_us.push(start.elapsed().as_secs_f64() * 1e6);
    }
    Ok(rounds::sorted(&times_us))
}

fn fill(file: &File) -> io::Result<()> {
    file.write_all_at(&vec![0; SYNCS * BLOCK_BYTES], 0)?;
    file.sync_all()
}
