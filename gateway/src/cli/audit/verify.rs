//! `pressgate audit verify`: checks a log offline, with the folder and a key.

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
};

use pressgate_audit::{
    RealDisk,
    note::{Algorithm, Verifier},
    tree::{CHECKPOINT, TREE_DIR},
    verify::{Report as Found, VerifyError, VerifyOptions, verify},
};
use serde_json::{Value, json};

use super::super::outcome::{Failure, Report};

/// A file with a key is not longer, in bytes.
const KEY_BYTES_MAX: u64 = 4096;
/// A file with a checkpoint or a receipt is not longer, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// `audit verify`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The log's folder, or a copy of its `tree` folder.
    dir: PathBuf,
    /// The log's verifier key, or a file that holds it. An earlier key does too, where the log's own leaves hand over from it.
    #[arg(long, value_name = "KEY|FILE")]
    key: String,
    /// A checkpoint of this log that you kept: the log must go on from it. Without one, or a witness, a log that was rolled back
    /// or forked by whoever has its signing key can't be told from the true one.
    #[arg(long, value_name = "FILE")]
    since: Option<PathBuf>,
    /// The key of a witness that must have cosigned the log, or a file that holds it. May be given more than once.
    #[arg(long, value_name = "KEY|FILE")]
    witness: Vec<String>,
    /// The newest cosignature of each witness must not be older (RFC 3339).
    #[arg(long, value_name = "TIME", requires = "witness")]
    cosigned_after: Option<jiff::Timestamp>,
    /// The second copy of the checkpoint.
    #[arg(long, value_name = "FILE")]
    second: Option<PathBuf>,
}

/// Checks a log.
pub fn run(args: &Args) -> Result<Report, Failure> {
    let mut there = false;
    for file in [args.dir.join(CHECKPOINT), args.dir.join(TREE_DIR).join(CHECKPOINT)] {
        match file.try_exists() {
            Ok(found) => there |= found,
            Err(source) if source.kind() == io::ErrorKind::NotADirectory => {}
            Err(source) => return Ok(refused(&VerifyError::Io { file, source })),
        }
    }
    if !there {
        let dir = args.dir.display();
        return Err(Failure::Usage(format!(
            "{dir} is no log: it holds no `{CHECKPOINT}` and no `{TREE_DIR}/{CHECKPOINT}`. Give the folder that `audit.dir` names \
             (in a backup `log`), or a copy of its `{TREE_DIR}`"
        )));
    }
    if let Some(file) = args.since.iter().chain(&args.second).find(|file| !file.is_file()) {
        return Err(Failure::Usage(format!("{} is not there, or no file", file.display())));
    }
    let mut options = VerifyOptions::new(key(&args.key)?);
    if let Some(since) = &args.since {
        match read_bytes(since, FILE_BYTES_MAX) {
            Ok(bytes) => options.since = Some(bytes),
            Err(source) => return Ok(refused(&VerifyError::Io { file: since.clone(), source })),
        }
    }
    options.witnesses = args.witness.iter().map(|text| witness_key(text)).collect::<Result<_, _>>()?;
    options.cosigned_after_s = args.cosigned_after.map(|time| u64::try_from(time.as_second()).unwrap_or(0));
    options.second.clone_from(&args.second);
    Ok(match verify(&RealDisk, &args.dir, &options) {
        Ok(found) => Report::good(text(&found), json(&found)),
        Err(error) => refused(&error),
    })
}

/// A verifier key, or that in a file.
pub(crate) fn key(text: &str) -> Result<Verifier, Failure> {
    let wrong = match Verifier::parse(text) {
        Ok(key) => return Ok(key),
        Err(wrong) => wrong,
    };
    let path = Path::new(text);
    if !path.is_file() {
        return Err(Failure::Usage(format!("`{text}` is neither a file nor a key: {wrong}")));
    }
    let unusable = |error: &dyn std::fmt::Display| Failure::Usage(format!("{}: {error}", path.display()));
    let bytes = read_bytes(path, KEY_BYTES_MAX).map_err(|error| unusable(&error))?;
    Verifier::parse(&String::from_utf8_lossy(&bytes)).map_err(|error| unusable(&error))
}

/// The verifier key of a witness, or that in a file.
pub(super) fn witness_key(text: &str) -> Result<Verifier, Failure> {
    let found = key(text)?;
    if found.algorithm() != Algorithm::Cosignature {
        return Err(Failure::Usage(format!(
            "{found} is the key of a log, not one that cosigns: a log can't be its own witness. `pressgate audit witness key` prints a \
             witness's"
        )));
    }
    Ok(found)
}

/// A file with a key.
pub(super) fn read_key_file(path: &Path) -> Result<Vec<u8>, Failure> {
    read_at_most(path, KEY_BYTES_MAX)
}

/// A file that somebody hands over.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    read_at_most(path, FILE_BYTES_MAX)
}

fn read_at_most(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    read_bytes(path, bytes_max).map_err(|error| Failure::file(path, &error))
}

fn read_bytes(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(io::Error::other(format!("it is longer than {bytes_max} bytes")));
    }
    Ok(bytes)
}

fn time(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    time.map_or_else(|| format!("{seconds} s after 1970"), |time| time.to_string())
}

fn text(found: &Found) -> String {
    let size = found.checkpoint.size;
    let mut lines = vec![
        format!("the log {} holds: {size} leaves, root {}", found.checkpoint.origin, found.checkpoint.root),
        format!("signed with {}", found.key),
    ];
    for leaf in &found.handovers {
        lines.push(format!("the key was handed over in leaf {leaf}"));
    }
    if found.pruned_bundles > 0 {
        lines.push(format!("{} entry bundles are gone, as the log states; their hashes hold", found.pruned_bundles));
    }
    if let Some(since) = found.since {
        lines.push(format!("it goes on from the checkpoint of {since} leaves"));
    }
    for witness in &found.witnessed {
        let rest = match size - witness.size {
            0 => String::new(),
            rest => format!("; the last {rest} are not covered"),
        };
        let (name, covered, when) = (&witness.name, witness.size, time(witness.time_s));
        lines.push(format!("the witness {name} cosigned {covered} leaves at {when}{rest}"));
    }
    if let Some(second) = found.second {
        lines.push(format!("the second checkpoint, of {second} leaves, is one of this log"));
    }
    if let Some(segments) = &found.segments {
        let (from, until) = (segments.from, segments.until);
        lines.push(format!(
            "the write-ahead log has the leaves {from}..{until}, and they are the tree's as far as that goes"
        ));
        if segments.torn_bytes > 0 {
            lines.push(format!("it ends in {} bytes of a batch that was never finished", segments.torn_bytes));
        }
    }
    if found.since.is_none() && found.witnessed.is_empty() {
        lines.push(
            "not shown: that nobody with the signing key rolled it back or gave it another past; for that give --since or --witness"
                .to_owned(),
        );
    }
    lines.join("\n")
}

fn json(found: &Found) -> Value {
    let witnessed: Vec<Value> = found
        .witnessed
        .iter()
        .map(|witness| json!({ "name": witness.name, "size": witness.size, "time_s": witness.time_s }))
        .collect();
    let segments = found
        .segments
        .as_ref()
        .map(|segments| json!({ "from": segments.from, "until": segments.until, "torn_bytes": segments.torn_bytes }));
    json!({
        "holds": true,
        "origin": found.checkpoint.origin,
        "size": found.checkpoint.size,
        "root": found.checkpoint.root.to_base64(),
        "key": found.key.to_string(),
        "handovers": found.handovers,
        "pruned_bundles": found.pruned_bundles,
        "since": found.since,
        "witnessed": witnessed,
        "second": found.second,
        "segments": segments,
    })
}

fn refused(error: &VerifyError) -> Report {
    let (index, file) = (error.first_bad_index(), error.file().map(|file| file.display().to_string()));
    let json = json!({
        "holds": false,
        "error": error.to_string(),
        "code": error.code(),
        "first_bad_index": index,
        "file": file,
    });
    let first = index.map_or_else(String::new, |index| format!("\nfirst bad index: {index}"));
    Report::bad(format!("the log does not hold: {error}{first}"), json)
}
