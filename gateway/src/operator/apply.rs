//! Applying the governance folder, on a running gateway and without one.
//!
//! On a running gateway the change is logged, kept and put in force while no call can start. So every intent in the log stands
//! before the change under the old rules, or after it under the new ones; and when an apply has answered, no call under a revoked
//! grant starts.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    By, Ops, OpsError,
    ops::leaf_of,
    wire::{Applied, ChangeView, DiffView},
};
use crate::{
    audit::leaf::Changed,
    clock::Clock,
    config::{Change, ChangeKind, Config, Governance, digest_of},
    gateway::Gateway,
    plugins::{Serving, Shelf},
    records::GovernanceRecord,
    start::{self, Stores},
};

/// What an apply would change on a running gateway.
///
/// # Errors
/// [`OpsError::Governance`] with every fault of the folder.
pub async fn diff(gateway: &Arc<Gateway>) -> Result<DiffView, OpsError> {
    let new = read(gateway).await?;
    let current = gateway.governance.load_full();
    Ok(DiffView {
        applied: Some(current.digest.clone()),
        folder: new.digest.clone(),
        changes: views(&Governance::diff(&current, &new)),
    })
}

/// Applies the folder on a running gateway. With `expected` only if the folder has that digest.
///
/// It goes on to its end once it began, whatever becomes of the caller.
///
/// # Errors
/// [`OpsError::Governance`] with every fault, [`OpsError::Plugins`], and what the stores say; nothing is changed then.
pub async fn apply(gateway: &Arc<Gateway>, by: By, expected: Option<String>) -> Result<Applied, OpsError> {
    let gateway = Arc::clone(gateway);
    let applying = tokio::spawn(async move { apply_here(&gateway, &by, expected).await });
    applying.await.unwrap_or_else(|_| Err(OpsError::Internal("the apply broke off; see the gateway's log".into())))
}

async fn apply_here(gateway: &Arc<Gateway>, by: &By, expected: Option<String>) -> Result<Applied, OpsError> {
    let _one_at_a_time = gateway.applying.lock().await;
    let new = read(gateway).await?;
    if expected.is_some_and(|expected| expected != new.digest) {
        return Err(OpsError::Invalid(
            "the folder is not the one that was shown any more; look at the difference again".into(),
        ));
    }
    let (new, serving) = load(gateway, new).await?;
    let changes = views(&Governance::diff(&gateway.governance.load(), &new));
    let digest = new.digest.clone();

    // From here until the guard falls no call starts.
    let no_starts = gateway.starts.write().await;
    keep(Ops::running(gateway), by, &new).await?;
    gateway.registry.replace(serving.adapters, serving.policies);
    gateway.governance.store(Arc::new(new));
    drop(no_starts);

    tracing::info!(%digest, %by, changes = changes.len(), "governance applied");
    Ok(Applied { digest, changes })
}

/// Reads and checks the folder.
async fn read(gateway: &Arc<Gateway>) -> Result<Governance, OpsError> {
    let gateway = Arc::clone(gateway);
    blocking(move || {
        Governance::load(&gateway.governance_dir, &gateway.shelf, gateway.clock.now()).map_err(OpsError::Governance)
    })
    .await
}

/// Loads the plugins that the governance names; adapters that serve already go on serving.
async fn load(gateway: &Arc<Gateway>, governance: Governance) -> Result<(Governance, Serving), OpsError> {
    let gateway = Arc::clone(gateway);
    blocking(move || {
        let now = gateway.registry.snapshot();
        let before = Serving { adapters: now.adapters.clone(), policies: now.policies.clone() };
        let serving = gateway.shelf.load(&gateway.host, &governance, Some(&before))?;
        Ok((governance, serving))
    })
    .await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OpsError> + Send + 'static,
) -> Result<T, OpsError> {
    let broke_off = |_| Err(OpsError::Internal("the work broke off; see the gateway's log".into()));
    tokio::task::spawn_blocking(work).await.unwrap_or_else(broke_off)
}

/// The leaf, then the record.
async fn keep(ops: Ops<'_>, by: &By, new: &Governance) -> Result<(), OpsError> {
    let record = GovernanceRecord {
        digest: new.digest.clone(),
        files: new.files.clone(),
        applied_at: ops.clock.now(),
        applied_by: by.to_string(),
    };
    let change = leaf_of(Changed::Governance, "apply", "governance".into(), Some(new.digest.clone()), by);
    ops.change(change, ops.records.put_governance(record)).await
}

/// An apply on a data folder that no gateway uses.
pub struct Offline {
    /// What would change.
    pub diff: DiffView,
    new: Governance,
}

impl Offline {
    /// Reads and checks the folder and compares it with what was applied last.
    ///
    /// # Errors
    /// [`OpsError::Governance`] with every fault of the folder, [`OpsError::Records`].
    pub async fn read(stores: &Stores, config: &Config, shelf: &Shelf, clock: &dyn Clock) -> Result<Self, OpsError> {
        let new = Governance::load(&config.governance, shelf, clock.now()).map_err(OpsError::Governance)?;
        let applied = stores.records.governance().await?;
        let (digest, changes) = match applied {
            None => (None, Governance::restart(&Default::default(), shelf).map(|none| Governance::diff(&none, &new))),
            Some(applied) => {
                let old = Governance::restart(&applied.files, shelf).map(|old| Governance::diff(&old, &new));
                (Some(applied.digest), old)
            }
        };
        // What was applied may name a plugin that is gone; then the texts that differ are all that can be said.
        let changes = match changes {
            Ok(changes) => changes,
            Err(_) => texts(stores.records.governance().await?.map(|applied| applied.files).unwrap_or_default(), &new),
        };
        Ok(Self { diff: DiffView { applied: digest, folder: new.digest.clone(), changes: views(&changes) }, new })
    }

    /// Loads the plugins once, so that the next start finds them good, and keeps the governance for it.
    ///
    /// # Errors
    /// [`OpsError::Plugins`], and what the stores say; nothing is changed then.
    pub async fn apply(
        self,
        stores: &Stores,
        config: &Config,
        shelf: &Shelf,
        clock: &Arc<dyn Clock>,
    ) -> Result<Applied, OpsError> {
        if !self.new.accounts.is_empty() || !self.new.policies.is_empty() {
            shelf.load(&*start::host(config, &stores.vault, clock)?, &self.new, None)?;
        }
        keep(Ops::offline(stores, clock.as_ref()), &By::Local, &self.new).await?;
        Ok(Applied { digest: self.diff.folder, changes: self.diff.changes })
    }
}

/// The files that differ.
fn texts(old: crate::config::Files, new: &Governance) -> Vec<Change> {
    let names: BTreeSet<&String> = old.keys().chain(new.files.keys()).collect();
    let changed = |name: &&String| old.get(*name) != new.files.get(*name);
    let change = |name: &String| Change {
        kind: match (old.contains_key(name), new.files.contains_key(name)) {
            (false, _) => ChangeKind::Added,
            (_, false) => ChangeKind::Removed,
            _ => ChangeKind::Changed,
        },
        what: "file",
        id: name.clone(),
        detail: String::new(),
    };
    names.into_iter().filter(changed).map(change).collect()
}

/// True where the folder holds something else than what is applied, or can't be read.
pub fn unapplied(gateway: &Gateway) -> bool {
    !Governance::read(&gateway.governance_dir).is_ok_and(|files| digest_of(&files) == gateway.governance.load().digest)
}

fn views(changes: &[Change]) -> Vec<ChangeView> {
    changes.iter().map(ChangeView::from).collect()
}
