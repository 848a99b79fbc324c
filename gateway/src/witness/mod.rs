//! The witnesses of the audit log (C2SP tlog-witness): each new checkpoint is shown to machines that are not the gateway's, with the
//! proof that it goes on from the one before. What they cosign, nobody who has the gateway and its signing key can take back.
//!
//! Off the path of every call: each witness has a task of its own. One that hangs or refuses is an alarm and nothing else. In
//! reading order: `ask` speaks with a witness, `kept` is its newest cosignature on disk, `runner` goes on with each checkpoint,
//! `standing` is what is known of it, `watch` raises alarms. What a witness does is in [`crate::cosigner`].

mod ask;
mod kept;
mod runner;
mod standing;
mod watch;

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use pressgate_audit::{Disk, tree::TREE_DIR};
pub use standing::WitnessStatus;
use tokio::task::JoinSet;

use self::{ask::Asker, kept::Kept, runner::Runner, standing::Standing};
use crate::{
    audit::AuditLog,
    clock::Clock,
    config::{Config, process::Witness},
    egress::Egress,
    export::{Settings, keep_settings, note_settings},
    folders,
    metrics::Registry,
    stop::Stop,
    vault::Vault,
};

/// What the witnesses are asked with.
pub struct WitnessParts<'a> {
    /// `pressgate.toml`.
    pub config: &'a Config,
    /// The log.
    pub audit: &'a AuditLog,
    /// The only way out.
    pub egress: &'a Arc<Egress>,
    /// Time.
    pub clock: &'a Arc<dyn Clock>,
    /// The log's disk.
    pub disk: &'a Arc<dyn Disk>,
}

/// The witnesses of a gateway.
pub struct Witnesses {
    all: Vec<Arc<Standing>>,
    runners: Mutex<Vec<Runner>>,
}

impl Witnesses {
    /// Reads what is kept of each; nobody is asked before [`Witnesses::run`].
    ///
    /// # Errors
    /// A sentence. A witness that is down is no error.
    pub fn open(parts: &WitnessParts<'_>) -> Result<Self, String> {
        let WitnessParts { config, audit, egress, clock, disk } = parts;
        let mut witnesses = Self { all: Vec::new(), runners: Mutex::default() };
        let mut runners = Vec::new();
        for witness in &config.witness {
            let dir = config.witness_dir();
            folders::private(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
            let tree = audit.tree().ok_or("the log publishes no tree, so there is nothing to cosign")?;
            let tree_dir = config.audit.dir.join(TREE_DIR);
            let kept = Kept::new(Arc::clone(disk), &tree_dir, witness, audit.origin());
            let standing = Standing::open(&dir, witness, kept.read(), (*audit).clone(), Arc::clone(clock))?;
            let standing = Arc::new(standing);
            let asker = Asker::new(Arc::clone(egress), Arc::clone(disk), tree_dir, witness.clone());
            runners.push(Runner::new(Arc::clone(&standing), asker, kept, tree));
            witnesses.all.push(standing);
        }
        witnesses.runners = Mutex::new(runners);
        Ok(witnesses)
    }

    /// How each witness is.
    pub fn status(&self) -> Vec<WitnessStatus> {
        self.all.iter().map(|standing| standing.status()).collect()
    }

    /// Adds their measurements.
    pub fn measure(&self, registry: &Registry) {
        if self.all.is_empty() {
            return;
        }
        let all = self.all.clone();
        registry.add(move |page| all.iter().for_each(|standing| standing.show(page)));
    }

    /// Asks the witnesses until the gateway stops. A second call does nothing.
    pub async fn run(&self, stop: &Arc<Stop>) {
        let runners = std::mem::take(&mut *self.runners.lock().unwrap_or_else(PoisonError::into_inner));
        if runners.is_empty() {
            return;
        }
        let mut tasks = JoinSet::new();
        for (runner, standing) in runners.into_iter().zip(&self.all) {
            tasks.spawn(watch::watch(Arc::clone(standing), runner.tree(), Arc::clone(stop)));
            tasks.spawn(runner.run(Arc::clone(stop)));
        }
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a witness is not asked any more; a restart begins anew");
            }
        }
    }
}

/// Writes a leaf for each witness that was added, changed or removed since [`keep`] was called last: to take a witness away is a
/// decision that the log tells of.
///
/// # Errors
/// A sentence.
pub async fn note(audit: &AuditLog, vault: &Vault, witnesses: &[Witness], now: Timestamp) -> Result<(), String> {
    note_settings(audit, vault, &settings(witnesses), now).await
}

/// Remembers the witnesses, for the next [`note`].
///
/// # Errors
/// A sentence.
pub async fn keep(vault: &Vault, witnesses: &[Witness]) -> Result<(), String> {
    keep_settings(vault, &settings(witnesses)).await
}

fn settings(witnesses: &[Witness]) -> Settings {
    let digests = witnesses.iter().map(|witness| (witness.name.clone(), witness.digest())).collect();
    Settings { note: "witnesses", kind: "witness", digests }
}
