//! Which log and which records belong together: both carry the node's id, and neither may be lost without a word.

use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{StartError, files};
use crate::{
    audit::{Disk, LogReader},
    config::Config,
    records::Records,
};

/// The file with the node's id in the data folder.
const NODE: &str = "node";

/// The log's name for a node.
pub fn origin(node: &str) -> String {
    format!("pressgate/audit/{node}")
}

/// Whether the log holds anything.
pub(super) fn log_has_leaves(config: &Config, disk: &Arc<dyn Disk>) -> Result<bool, StartError> {
    if !config.audit.dir.exists() {
        return Ok(false);
    }
    let first = LogReader::new(Arc::clone(disk), &config.audit.dir, 0).next_bytes();
    first.map(|leaf| leaf.is_some()).map_err(|error| StartError::Other(error.to_string()))
}

/// Records that are missing beside a log that is not empty were lost: new ones would know of no post, key or governance.
pub(super) fn not_lost(config: &Config, log_has_leaves: bool) -> Result<(), StartError> {
    if log_has_leaves && !config.records_dir().exists() {
        return Err(lost(config, "is missing"));
    }
    Ok(())
}

/// The node's id, which the records carry from before the first leaf. Makes both where everything is new.
pub(super) async fn tie(
    config: &Config,
    records: &dyn Records,
    log_has_leaves: bool,
    now: jiff::Timestamp,
) -> Result<String, StartError> {
    let known = records.identity().await?;
    let path = config.data.join(NODE);
    let node = match (read(&path)?, &known) {
        (Some(node), _) => node,
        (None, Some(known)) => {
            tracing::warn!(file = %path.display(), node = %known, "the file with the node's id was missing; the records have it");
            write(&path, known)?;
            known.clone()
        }
        (None, None) => {
            let millis = u64::try_from(now.as_millisecond()).unwrap_or_default();
            let stamp = uuid::Timestamp::from_unix(uuid::NoContext, millis / 1000, 0);
            let node = uuid::Uuid::new_v7(stamp).to_string();
            write(&path, &node)?;
            node
        }
    };
    check(config, known.as_deref(), &node, records.applied_leaf().await?, log_has_leaves)?;
    if known.is_none() {
        records.put_identity(node.clone()).await?;
    }
    Ok(node)
}

/// Whether records with this identity and mark belong to this node and its log.
pub(super) fn check(
    config: &Config,
    known: Option<&str>,
    node: &str,
    mark: u64,
    log_has_leaves: bool,
) -> Result<(), StartError> {
    match known {
        Some(known) if known != node => Err(StartError::Other(format!(
            "the records {} belong to the node {known}, and {} says that this is {node}. Restore data folder, log and records \
             from the same backup",
            config.records_dir().display(),
            config.data.join(NODE).display(),
        ))),
        // Records of before they carried an identity have seen a part of the log.
        None if log_has_leaves && mark == 0 => Err(lost(config, "is empty")),
        _ => Ok(()),
    }
}

fn lost(config: &Config, how: &str) -> StartError {
    StartError::Other(format!(
        "the record store {} {how}, and the log {} is not: what was accepted, the keys and the governance are lost. Restore \
         the records from the backup that goes with the log (`records` and, where there is one, `records-wal`); to begin anew, \
         use another data folder and another log",
        config.records_dir().display(),
        config.audit.dir.display(),
    ))
}

/// The id in the file; none where there is no file, or one that a power cut left empty.
pub(super) fn read(path: &Path) -> Result<Option<String>, StartError> {
    match std::fs::read_to_string(path) {
        Ok(id) => Ok(Some(id.trim().to_owned()).filter(|id| !id.is_empty())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(files(path, &error)),
    }
}

/// Where a data folder keeps its node's id.
pub(super) fn path(config: &Config) -> PathBuf {
    config.data.join(NODE)
}

/// Writes the id so that a power cut leaves it whole or not at all.
fn write(path: &Path, id: &str) -> Result<(), StartError> {
    let unfinished = path.with_extension("new");
    let written = std::fs::File::create(&unfinished).and_then(|mut file| {
        file.write_all(format!("{id}\n").as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&unfinished, path)?;
        std::fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    });
    written.map_err(|error| files(path, &error))
}
