//! Writes a small log as a gateway does, and says what is durable: `log-writer <folder>`.
//!
//! Each line of its output is how many leaves it promised so far. An error of the disk does not end it; what can't be opened does,
//! with exit code 2. The key is a well-known one, for trying things out only.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use pressgate_audit::note::{Algorithm, NoteError, Signer};
use pressgate_audit::tree::{Tree, TreeOptions, remove_covered};
use pressgate_audit::{Disk, LogReader, RealDisk, Writer, WriterOptions};

const ORIGIN: &str = "example.com/audit/trial";
/// The least that a segment of this batch size may have: the log soon needs another.
const SEGMENT_BYTES: u64 = 20 * 4096;
const BATCH_BYTES_MAX: u32 = 16 * 4096;
const COMMITS: u64 = 6;
const LEAVES: u64 = 70;

fn key() -> Result<Signer, NoteError> {
    Signer::from_seed(ORIGIN, Algorithm::Ed25519, [9; 32].into())
}

fn main() -> ExitCode {
    let Some(dir) = std::env::args_os().nth(1) else {
        eprintln!("log-writer <folder>");
        return ExitCode::from(2);
    };
    match write(Path::new(&dir)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn write(dir: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let key = key()?;
    let log_dir = dir.join("audit");
    let options = TreeOptions {
        log_dir: log_dir.clone(),
        second: dir.join("second-checkpoint"),
        origin: ORIGIN.to_owned(),
        keys: vec![key.verifier().clone()],
    };
    let mut tree = Tree::load(&options, Arc::clone(&disk))?;
    let writer_options = WriterOptions {
        dir: log_dir.clone(),
        segment_bytes: SEGMENT_BYTES,
        batch_bytes_max: BATCH_BYTES_MAX,
        origin: ORIGIN.to_owned(),
        at_least: 0,
        covered: tree.size(),
        besides_from: u64::MAX,
    };
    let (mut writer, _) = Writer::open(writer_options, Arc::clone(&disk))?;
    tree.catch_up(&options, writer.next_index())?;
    let mut reader = LogReader::new(Arc::clone(&disk), &log_dir, tree.size());
    promise(writer.next_index());
    for commit in 0..COMMITS {
        if writer.wants_spare()
            && let Ok(spare) = writer.spare_maker().make()
        {
            writer.give_spare(spare);
        }
        let first = writer.next_index();
        let leaves: Vec<Vec<u8>> = (first..first + LEAVES).map(leaf).collect();
        if writer.commit(&leaves).is_ok() {
            promise(writer.next_index());
        }
        if commit % 2 == 1 {
            reader.follow(writer.next_index())?;
            while let Some((_, leaf)) = reader.next_bytes()? {
                tree.push(&leaf);
            }
            if tree.publish(&[&key], 0).is_ok() {
                let _ = remove_covered(&*disk, &log_dir, tree.published(), &writer.active_segment());
            }
        }
    }
    Ok(())
}

/// Leaf `index` always has the same bytes, so that whoever reads the log knows them.
fn leaf(index: u64) -> Vec<u8> {
    let filler = "x".repeat(200 + usize::try_from(index % 7).unwrap_or(0) * 40);
    format!("{{\"v\":1,\"at_ms\":{index},\"kind\":\"trial\",\"filler\":\"{filler}\"}}").into_bytes()
}

fn promise(count: u64) {
    let mut out = std::io::stdout().lock();
    // Nobody heard it then, so nobody counts on it.
    let _ = writeln!(out, "{count}").and_then(|()| out.flush());
}
