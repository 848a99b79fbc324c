//! `pressgate audit prove`: the proof that a leaf is in the log, for others.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pressgate_audit::{
    RealDisk,
    note::{Checkpoint, Note},
    proof::TlogProof,
    tree::{CHECKPOINT, TREE_DIR, TreeFiles},
    verify::WITNESS_DIR,
};
use serde_json::json;

use super::{
    super::{
        context::Context,
        outcome::{Failure, Report},
    },
    verify,
};

/// `audit prove`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The leaf's index.
    index: u64,
    /// The log's folder; else that of the configuration.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Prints a proof (C2SP tlog-proof).
pub fn run(context: &Context, args: &Args) -> Result<Report, Failure> {
    let (mut tree, note) = tree(context, args.dir.as_deref())?;
    let proof = TlogProof::make(&mut tree, args.index, &note).map_err(|error| Failure::refused(error.to_string()))?;
    let proof = proof
        .map_err(|error| Failure::refused(format!("{error}. The newest checkpoint covers {} leaves", tree.size())))?;
    let text = proof.to_string();
    let json = json!({ "index": args.index, "size": tree.size(), "proof": text });
    Ok(Report::good(text, json))
}

/// Adds what witnesses have signed of the same checkpoint.
fn cosign(note: &mut Note, folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let Some(cosigned) = verify::read(&entry.path()).ok().and_then(|bytes| Note::parse(&bytes).ok()) else {
            continue;
        };
        if cosigned.text == note.text {
            let known = std::mem::take(&mut note.signatures);
            let new = cosigned.signatures.into_iter().filter(|line| !known.contains(line));
            note.signatures = known.iter().cloned().chain(new).collect();
        }
    }
}

/// The tree of a log's folder and its checkpoint, as it was signed. Whoever gets a proof checks the signature.
pub(super) fn tree(context: &Context, dir: Option<&Path>) -> Result<(TreeFiles, String), Failure> {
    let dir = dir.unwrap_or(&context.config.audit.dir);
    let below = dir.join(TREE_DIR);
    let dir = if below.join(CHECKPOINT).exists() || !dir.join(CHECKPOINT).exists() { below } else { dir.to_owned() };
    let file = dir.join(CHECKPOINT);
    let bytes = verify::read(&file)?;
    let failed = |error| Failure::file(&file, &error);
    let mut note = Note::parse(&bytes).map_err(failed)?;
    let checkpoint = Checkpoint::parse(&note.text).map_err(failed)?;
    cosign(&mut note, &dir.join(WITNESS_DIR));
    Ok((TreeFiles::new(Arc::new(RealDisk), &dir, checkpoint.size), note.to_string()))
}
