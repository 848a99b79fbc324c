//! A look at the stores that changes nothing: what a start would find and do.

use std::{ops::ControlFlow, sync::Arc};

use pressgate_audit::tree::{CHECKPOINT, TREE_DIR, Tree, TreeOptions};

use super::{Parts, StartError, belonging, files, kek_source};
use crate::{
    audit::{Disk, LogReader, SigningKeys, Torn, inspect},
    backup::{self, Restored},
    config::Config,
    keys::Keys,
    posts::recover::{self, Behind},
    records::{Records, sqlite::SqliteRecords},
    vault::{SealedStore, Vault},
};

/// What was found.
pub struct Look {
    /// Held while somebody looks, so that no gateway starts meanwhile; none where there is no lock yet.
    pub lock: Option<std::fs::File>,
    /// The log.
    pub log: Result<LogLook, String>,
    /// The records, for reading only; an error where a start would refuse them or there are none.
    pub records: Result<Arc<dyn Records>, String>,
    /// The vault and the keys in it.
    pub vault: Result<(Arc<Vault>, Keys), String>,
}

/// What a start would make of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLook {
    /// Leaves in it.
    pub leaves: u64,
    /// What would be cut.
    pub torn: Option<Torn>,
    /// Leaves that the records have not heard of.
    pub unapplied: u64,
    /// Intents that would be closed.
    pub open: usize,
}

/// Looks. Fails only where a gateway has the data folder or it can't be read.
pub async fn look(parts: &Parts) -> Result<Look, StartError> {
    let config = &parts.config;
    let lock = lock(&config.data.join(super::LOCK))?;
    if let Some(why) = backup::unfinished(&config.data) {
        return Err(StartError::Other(why));
    }
    let path = config.records_dir();
    let records = match path.exists() {
        true => SqliteRecords::look(&path)
            .map(|records| Arc::new(records) as Arc<dyn Records>)
            .map_err(|error| format!("{}: {error}", path.display())),
        false => Err(format!("{} is not there; the first start makes it", path.display())),
    };
    let log = log(parts, records.as_ref().ok()).await;
    let vault = match &records {
        Ok(records) => vault(parts, records).await,
        Err(error) => Err(error.clone()),
    };
    Ok(Look { lock, log, records, vault })
}

/// The lock that a gateway holds, without making it.
pub(super) fn lock(path: &std::path::Path) -> Result<Option<std::fs::File>, StartError> {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(files(path, &error)),
    };
    super::flock(&file, path).map(|()| Some(file))
}

async fn vault(parts: &Parts, records: &Arc<dyn Records>) -> Result<(Arc<Vault>, Keys), String> {
    let sealed: Arc<dyn SealedStore> = Arc::new(Arc::clone(records));
    let vault = Vault::open(&kek_source(&parts.config), sealed, Arc::clone(&parts.clock)).await;
    let vault = vault.map_err(|error| error.to_string())?;
    let keys = Keys::load(vault.derive("api-keys").as_bytes(), records.as_ref()).await;
    keys.map(|keys| (vault, keys)).map_err(|error| error.to_string())
}

/// The same checks as at a start, in the same order.
async fn log(parts: &Parts, records: Option<&Arc<dyn Records>>) -> Result<LogLook, String> {
    let told = |error: StartError| error.to_string();
    let config = &parts.config;
    let dir = &config.audit.dir;
    let has_leaves = belonging::log_has_leaves(config, &parts.disk).map_err(told)?;
    belonging::not_lost(config, has_leaves).map_err(told)?;
    let found = inspect(&parts.disk, dir).map_err(|error| error.to_string())?;
    signed(config, found.origin.as_deref(), found.next_index, &parts.disk)?;
    let Some(records) = records else {
        return Ok(LogLook { leaves: found.next_index, torn: found.torn, unapplied: found.next_index, open: 0 });
    };
    let mark = records.applied_leaf().await.map_err(|error| error.to_string())?;
    let known = records.identity().await.map_err(|error| error.to_string())?;
    let node = belonging::read(&belonging::path(config)).map_err(told)?;
    if let Some(node) = node.clone().or(known.clone()) {
        belonging::check(config, known.as_deref(), &node, mark, has_leaves).map_err(told)?;
        let wanted = belonging::origin(&node);
        if let Some(other) = found.origin.clone().filter(|origin| *origin != wanted) {
            return Err(crate::audit::OpenError::Origin { dir: dir.clone(), found: other, wanted }.to_string());
        }
    } else if has_leaves {
        let file = belonging::path(config);
        return Err(format!("{} is missing, and neither are the records tied to the log. Restore it", file.display()));
    }
    if found.next_index < mark {
        let short = crate::audit::OpenError::Short { dir: dir.clone(), found: found.next_index, wanted: mark };
        return Err(short.to_string());
    }
    let mut behind = Behind::default();
    let mut reader = LogReader::new(Arc::clone(&parts.disk), dir, mark).until(found.next_index);
    while let Some((index, leaf)) = reader.next_leaf().map_err(|error| error.to_string())? {
        let ControlFlow::Continue(()) = behind.note(index, &leaf) else { break };
    }
    let word = Restored::read(&config.data).map_err(|error| error.to_string())?;
    behind.pass_over(records.as_ref(), word.map_or(0, |word| word.size)).await?;
    recover::kept(&behind, records.as_ref()).await?;
    Ok(LogLook {
        leaves: found.next_index,
        torn: found.torn,
        unapplied: found.next_index.saturating_sub(mark),
        open: behind.open(),
    })
}

/// The signing key and the tree, as a start would find them.
fn signed(config: &Config, origin: Option<&str>, until: u64, disk: &Arc<dyn Disk>) -> Result<(), String> {
    let (Some(origin), true) = (origin, config.audit.dir.join(TREE_DIR).join(CHECKPOINT).exists()) else {
        return Ok(());
    };
    let keys = SigningKeys::open(&config.audit.signing_key, origin, true)?;
    let options = TreeOptions {
        log_dir: config.audit.dir.clone(),
        second: config.audit.second_checkpoint.clone(),
        origin: origin.to_owned(),
        keys: keys.all().into_iter().map(|key| key.verifier().clone()).collect(),
    };
    let mut tree = Tree::load(&options, Arc::clone(disk)).map_err(|error| error.to_string())?;
    tree.catch_up(&options, until).map(drop).map_err(|error| error.to_string())
}
