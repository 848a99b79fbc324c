//! Exports of the audit log (design §7): each sink has a task and a cursor of its own, and the log itself is the buffer. A sink that
//! hangs, fails or is slow falls behind; it never holds up a call or another sink.
//!
//! At least once: the cursor of a sink moves only after the sink took a batch, and lies durable in `<data>/export`. So after a crash
//! a few events come again, with the same `metadata.uid`. In reading order: [`ocsf`] makes an event of a leaf, `batch` reads and
//! encodes, `sinks` deliver, `runner` goes on from the cursor, `watch` raises alarms.

mod backoff;
mod batch;
mod cursor;
mod note;
pub mod ocsf;
mod runner;
mod shared;
mod sinks;
#[cfg(test)]
mod tests;
mod watch;

use std::sync::{Arc, Mutex, PoisonError};

pub(crate) use backoff::Backoff;
pub(crate) use note::{Settings, keep_settings, note_settings};
pub use note::{keep, note};
pub use shared::ExportStatus;
use tokio::task::JoinSet;

use self::{cursor::CursorFile, runner::Runner, shared::Shared, sinks::Sink};
use crate::{
    audit::AuditLog,
    clock::Clock,
    config::{Config, process::Export},
    egress::Egress,
    folders,
    stop::Stop,
};

/// Why the exports can't begin. The text says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("export `{name}`: {why}")]
pub struct ExportError {
    /// Which.
    pub name: String,
    /// What is wrong.
    pub why: String,
}

/// What the exports work with.
pub struct ExportParts<'a> {
    /// `pressgate.toml`.
    pub config: &'a Config,
    /// The log.
    pub audit: &'a AuditLog,
    /// The only way out.
    pub egress: &'a Arc<Egress>,
    /// Time.
    pub clock: &'a Arc<dyn Clock>,
}

/// The exports of a gateway.
pub struct Exports {
    all: Vec<Arc<Shared>>,
    runners: Mutex<Vec<Runner>>,
}

impl Exports {
    /// Opens the sinks and their cursors; nothing is exported before [`Exports::run`].
    ///
    /// # Errors
    /// [`ExportError`] where a secret or a cursor can't be read. A receiver that is down is no error.
    pub fn open(parts: &ExportParts<'_>) -> Result<Self, ExportError> {
        let mut exports = Self { all: Vec::new(), runners: Mutex::default() };
        let mut runners = Vec::new();
        for config in &parts.config.export {
            let error = |why: String| ExportError { name: config.name.clone(), why };
            let dir = parts.config.export_dir();
            folders::private(&dir).map_err(|cause| error(format!("{}: {cause}", dir.display())))?;
            let next = parts.audit.next_index();
            let cursor = CursorFile::open(&dir, config, parts.audit.origin(), next).map_err(error)?;
            let sink = Sink::open(config, parts.egress, parts.clock).map_err(error)?;
            let shared = Arc::new(Shared::new(config, cursor, parts.audit.clone(), Arc::clone(parts.clock)));
            runners.push(Runner::new(Arc::clone(&shared), sink, parts.audit.origin()));
            exports.all.push(shared);
        }
        exports.runners = Mutex::new(runners);
        Ok(exports)
    }

    /// How each export is.
    pub fn status(&self) -> Vec<ExportStatus> {
        self.all.iter().map(|shared| shared.status()).collect()
    }

    /// Leaves below this index are with every sink; none without sinks. Retention keeps the others.
    pub fn exported_below(&self) -> Option<u64> {
        self.all.iter().map(|shared| shared.cursor()).min()
    }

    /// Exports until the gateway stops. A second call does nothing.
    pub async fn run(&self, stop: &Arc<Stop>) {
        let runners = std::mem::take(&mut *self.runners.lock().unwrap_or_else(PoisonError::into_inner));
        if runners.is_empty() {
            return;
        }
        let mut tasks = JoinSet::new();
        for runner in runners {
            tasks.spawn(runner.run(Arc::clone(stop)));
        }
        tasks.spawn(watch::watch(self.all.clone(), Arc::clone(stop)));
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "an export ended by itself; a restart begins it anew where it was");
            }
        }
    }
}

/// What `pressgate doctor` looks at: can this export begin?
///
/// # Errors
/// A sentence that says what to do.
pub fn check(config: &Export) -> Result<String, String> {
    sinks::check(config)
}
