//! Applying the governance folder, on a running gateway and without one.
//!
//! On a running gateway the change is logged, kept and put in force while no call can start. So every intent in the log stands
//! before the change under the old rules, or after it under the new ones; and when an apply has answered, no call under a revoked
//! grant starts.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    By, Ops, OpsError, caution,
    ops::leaf_of,
    releases, served,
    wire::{Applied, ApplyRequest, ChangeView, DiffView},
};
use crate::{
    audit::leaf::Changed,
    clock::Clock,
    config::{Change, ChangeKind, Config, Files, Governance, digest_of},
    gateway::Gateway,
    plugins::{Serving, Shelf},
    records::GovernanceRecord,
    releases::serve::Built,
    start::{self, Stores},
};

/// What an apply would change on a running gateway.
///
/// # Errors
/// [`OpsError::Governance`] with every fault of the folder.
pub async fn diff(gateway: &Arc<Gateway>) -> Result<DiffView, OpsError> {
    let new = read(gateway).await?;
    let current = gateway.governance.load_full();
    let mut notes = caution::notes(&Ops::running(gateway), Some(&current), &new, &gateway.shelf).await?;
    notes.extend(exchanged(gateway).await);
    Ok(DiffView {
        applied: Some(current.digest.clone()),
        folder: new.digest.clone(),
        changes: views(&Governance::diff(&current, &new)),
        removals: caution::removals(&current.files, &new.files),
        notes,
    })
}

/// Plugins that are another component in the plugin folder than the one that serves.
async fn exchanged(gateway: &Arc<Gateway>) -> Vec<String> {
    let gateway = Arc::clone(gateway);
    let comparing = blocking(move || {
        let disk = Shelf::read(&gateway.config.plugins.dir, &gateway.releases.trust)?;
        Ok(served::differences(&served::running(&gateway.registry.snapshot()), &disk))
    });
    comparing.await.unwrap_or_else(|error| vec![format!("the plugin folder can't be compared with what runs: {error}")])
}

/// Applies the folder on a running gateway. With an expected digest only if the folder has it.
///
/// It goes on to its end once it began, whatever becomes of the caller.
///
/// # Errors
/// [`OpsError::Governance`] with every fault, [`OpsError::Plugins`], and what the stores say; nothing is changed then.
pub async fn apply(gateway: &Arc<Gateway>, by: By, wish: ApplyRequest) -> Result<Applied, OpsError> {
    let gateway = Arc::clone(gateway);
    let applying = tokio::spawn(async move { apply_here(&gateway, &by, wish).await });
    applying.await.unwrap_or_else(|_| Err(OpsError::Internal("the apply broke off; see the gateway's log".into())))
}

async fn apply_here(gateway: &Arc<Gateway>, by: &By, wish: ApplyRequest) -> Result<Applied, OpsError> {
    let _one_at_a_time = gateway.applying.lock().await;
    let new = read(gateway).await?;
    if wish.expected_digest.is_some_and(|expected| expected != new.digest) {
        return Err(OpsError::Invalid(
            "the folder is not the one that was shown any more; look at the difference again".into(),
        ));
    }
    let old = gateway.governance.load_full();
    caution::check(&old, &new, wish.allow_removal)?;
    let ops = Ops::running(gateway);
    let mut notes = caution::notes(&ops, Some(&old), &new, &gateway.shelf).await?;
    notes.extend(caution::issuers(&new, gateway.config.sign_in.as_ref()).iter().map(ToString::to_string));
    notes.extend(exchanged(gateway).await);
    let (new, serving) = load(gateway, new).await?;
    let components = served::components(&serving);
    let Built { snapshot, notes: left } = releases::change::build(gateway, &new, serving, Vec::new(), None).await?;
    notes.extend(left);
    let new = Arc::new(new);
    let changes = views(&Governance::diff(&old, &new));
    let digest = new.digest.clone();

    // From here until the guard falls no call starts.
    let no_starts = gateway.starts.write().await;
    served::note(&gateway.audit, &gateway.vault, gateway.clock.now(), &components, Some(by)).await?;
    keep(ops, by, &new).await?;
    gateway.registry.replace(snapshot);
    gateway.facts.keep(&gateway.registry.snapshot());
    gateway.governance.store(Arc::clone(&new));
    if let Err(error) = gateway.records.wake_waiting(gateway.clock.now()).await {
        tracing::warn!(%error, "posts that wait for people hear of the new rules within minutes");
    }
    drop(no_starts);
    // From here on the governance is applied, and what fails is told without undoing it.
    if let Err(error) = served::keep(&gateway.vault, &components).await {
        tracing::error!(%error, "which plugins serve was not noted; the next start logs them again");
    }
    ops.revoke_ownerless(by, Some(&old), &new).await?;

    tracing::info!(%digest, %by, changes = changes.len(), "governance applied");
    Ok(Applied { digest, changes, notes })
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
        let before = Serving::of(&now);
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
    /// What was applied, where it still holds.
    old: Option<Governance>,
    /// Its files.
    before: Files,
    new: Governance,
}

impl Offline {
    /// Reads and checks the folder and compares it with what was applied last.
    ///
    /// # Errors
    /// [`OpsError::Governance`] with every fault of the folder, [`OpsError::Records`].
    pub async fn read(stores: &Stores, config: &Config, shelf: &Shelf, clock: &dyn Clock) -> Result<Self, OpsError> {
        let new = Governance::load(&config.governance, shelf, clock.now()).map_err(OpsError::Governance)?;
        let (digest, before) = match stores.records.governance().await? {
            None => (None, Files::new()),
            Some(applied) => (Some(applied.digest), applied.files),
        };
        let (old, changes) = match Governance::restart(&before, shelf) {
            Ok(old) => {
                let changes = Governance::diff(&old, &new);
                (digest.is_some().then_some(old), changes)
            }
            // What was applied may name a plugin that is gone; then the texts that differ are all that can be said.
            Err(_) => (None, texts(&before, &new)),
        };
        let notes = caution::notes(&Ops::offline(stores, clock), old.as_ref(), &new, shelf).await?;
        let removals = caution::removals(&before, &new.files);
        let diff = DiffView { applied: digest, folder: new.digest.clone(), changes: views(&changes), removals, notes };
        Ok(Self { diff, old, before, new })
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
        allow_removal: bool,
    ) -> Result<Applied, OpsError> {
        // An applied governance that does not hold any more has no people to compare with; its files can be compared.
        caution::check_files(&self.before, &self.new.files, allow_removal)?;
        if let Some(old) = &self.old {
            caution::check(old, &self.new, allow_removal)?;
        }
        if !self.new.accounts.is_empty() || !self.new.policies.is_empty() || !self.new.connectors.is_empty() {
            shelf.load(&*start::host(config, &stores.vault, clock)?, &self.new, None)?;
        }
        let ops = Ops::offline(stores, clock.as_ref());
        keep(ops, &By::Local, &self.new).await?;
        ops.revoke_ownerless(&By::Local, self.old.as_ref(), &self.new).await?;
        Ok(Applied { digest: self.diff.folder, changes: self.diff.changes, notes: self.diff.notes })
    }
}

/// The files that differ.
fn texts(old: &Files, new: &Governance) -> Vec<Change> {
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
