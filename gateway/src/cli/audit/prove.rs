//! `pressgate audit prove`: the proof that a leaf is in the log, for others.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pressgate_audit::{
    RealDisk,
    merkle::ProofError,
    note::{Checkpoint, Note},
    proof::{TlogProof, TlogProofError},
    tile::TILE_WIDTH,
    tree::{CHECKPOINT, TREE_DIR, TreeFiles},
    verify::WITNESS_DIR,
};
use serde_json::json;

use super::{
    super::{
        context::Context,
        outcome::{Failure, Report, counted},
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
    /// Write the leaf's exact bytes to this new file: who checks the proof needs them.
    #[arg(long, value_name = "FILE")]
    leaf_to: Option<PathBuf>,
}

/// `audit verify-proof`.
#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    /// The proof, as `audit prove` prints it.
    file: PathBuf,
    /// The leaf's exact bytes, as `audit prove --leaf-to` writes them.
    #[arg(long, value_name = "FILE")]
    leaf: PathBuf,
    /// The log's verifier key, or a file that holds it: the one that was in use when the proof was made.
    #[arg(long, value_name = "KEY|FILE")]
    key: String,
    /// The key of a witness that must have cosigned the proof's checkpoint, or a file that holds it. May be given more than once.
    #[arg(long, value_name = "KEY|FILE")]
    witness: Vec<String>,
}

/// Prints a proof (C2SP tlog-proof).
pub fn run(context: &Context, args: &Args) -> Result<Report, Failure> {
    let (mut tree, note) = tree(context, args.dir.as_deref())?;
    let proof = TlogProof::make(&mut tree, args.index, &note).map_err(|error| Failure::refused(error.to_string()))?;
    let size = tree.size();
    let proof = proof.map_err(|error| match error {
        TlogProofError::Inclusion { index, source: ProofError::Range } => Failure::refused(format!(
            "there is no leaf {index} yet: the newest checkpoint covers {}{}",
            counted(usize::try_from(size).unwrap_or(usize::MAX), "leaf", "leaves"),
            size.checked_sub(1).map_or_else(String::new, |last| format!(", 0 to {last}"))
        )),
        error => Failure::refused(error.to_string()),
    })?;
    if let Some(file) = &args.leaf_to {
        write_leaf(&tree, args.index, file)?;
    }
    let text = proof.to_string();
    let json = json!({ "index": args.index, "size": size, "proof": text });
    Ok(Report::good(text, json))
}

/// Writes the bytes that the leaf's hash is over: no newline after them.
fn write_leaf(tree: &TreeFiles, index: u64, file: &Path) -> Result<(), Failure> {
    let bundle = tree.leaves(index / TILE_WIDTH).map_err(|error| {
        Failure::refused(format!(
            "the leaf's bytes are not there; its proof is, also where they are gone by retention: {error}"
        ))
    })?;
    let at = usize::try_from(index % TILE_WIDTH).unwrap_or(usize::MAX);
    let leaf = bundle.get(at).ok_or_else(|| Failure::refused("the entry bundle ends before the leaf"))?;
    let made = std::fs::OpenOptions::new().write(true).create_new(true).open(file);
    made.and_then(|mut made| made.write_all(leaf)).map_err(|error| Failure::file(file, &error))
}

/// Checks a proof, without the log.
pub fn check(args: &VerifyArgs) -> Result<Report, Failure> {
    let key = verify::key(&args.key)?;
    let witnesses = args.witness.iter().map(|text| verify::witness_key(text)).collect::<Result<Vec<_>, _>>()?;
    let (bytes, leaf) = (verify::read(&args.file)?, verify::read(&args.leaf)?);
    let held = TlogProof::parse(&bytes).and_then(|proof| {
        let (checkpoint, note) = proof.verify(&leaf, &key)?;
        for witness in &witnesses {
            note.verify(witness)?;
        }
        Ok((proof.index, checkpoint))
    });
    Ok(match held {
        Ok((index, Checkpoint { origin, size, .. })) => {
            let text = format!("the proof holds: this is leaf {index} of the log {origin}, which has {size}");
            Report::good(text, json!({ "holds": true, "origin": origin, "size": size, "index": index }))
        }
        Err(error) => {
            let hint = match leaf.ends_with(b"\n") {
                true => ". The leaf's file ends in a newline, and no leaf does",
                false => "",
            };
            let json = json!({ "holds": false, "error": error.to_string() });
            Report::bad(format!("the proof does not hold: {error}{hint}"), json)
        }
    })
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
