//! The values beside the log, opened only to look: nothing is changed, and a gateway may run meanwhile.

use std::sync::Arc;

use super::{Parts, StartError, belonging, kek_source, look::lock};
use crate::{
    backup,
    openings::Openings,
    records::{
        Records,
        sqlite::{SeenSubjectKeys, SqliteRecords},
    },
    vault::{SealedStore, Vault},
};

/// The values beside a log.
pub struct Values {
    /// Opens them.
    pub openings: Openings,
    /// They were looked at up to this leaf.
    pub until: u64,
    /// A gateway works on them meanwhile.
    pub running: bool,
    /// Held while somebody looks, so that no gateway starts meanwhile.
    _lock: Option<std::fs::File>,
}

/// Opens the values of a data folder.
///
/// # Errors
/// A store is missing or can't be opened; the text says which.
pub async fn values(parts: &Parts) -> Result<Values, StartError> {
    let config = &parts.config;
    let (lock, running) = match lock(&config.data.join(super::LOCK)) {
        Ok(lock) => (lock, false),
        Err(StartError::Locked(_)) => (None, true),
        Err(error) => return Err(error),
    };
    if let Some(why) = backup::unfinished(&config.data) {
        return Err(StartError::Other(why));
    }
    let node = super::node(config)?.ok_or_else(|| {
        StartError::Other(format!("{} is not the data folder of a gateway: it has no node", config.data.display()))
    })?;
    let (path, keys) = (config.records_dir(), config.subject_keys_file());
    if let Some(missing) = [&path, &keys].into_iter().find(|file| !file.exists()) {
        return Err(StartError::Other(format!(
            "{} is not there, and without it no value beside the log opens. Restore it from its backup",
            missing.display()
        )));
    }
    let records = if running { SqliteRecords::beside(&path)? } else { SqliteRecords::look(&path)? };
    let records: Arc<dyn Records> = Arc::new(records);
    let keys = Arc::new(SeenSubjectKeys::open(&keys, running)?);
    let sealed: Arc<dyn SealedStore> = Arc::new(Arc::clone(&records));
    let vault = Vault::open(&kek_source(config), sealed, Arc::clone(&parts.clock)).await;
    let vault = vault.map_err(|error| StartError::Other(error.to_string()))?;
    let mut openings = Openings::new(belonging::origin(&node), records, keys, vault, Arc::clone(&parts.clock));
    let until = openings.look_ahead(&config.audit.dir).await;
    let until = until.map_err(|error| StartError::Other(error.to_string()))?;
    Ok(Values { openings, until, running, _lock: lock })
}
