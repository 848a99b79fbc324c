//! The stores that operations work on, and the rule of order: the log first, then the change.

use std::future::Future;

use super::{By, OpsError};
use crate::{
    audit::{AuditLog, Leaf, leaf},
    clock::Clock,
    gateway::Gateway,
    keys::Keys,
    records::Records,
    start::Stores,
    vault::Vault,
};

/// The stores of a data folder: those of a running gateway, or opened by a command.
#[derive(Clone, Copy)]
pub struct Ops<'a> {
    /// The log.
    pub audit: &'a AuditLog,
    /// The records.
    pub records: &'a dyn Records,
    /// The vault.
    pub vault: &'a Vault,
    /// The keys.
    pub keys: &'a Keys,
    /// Time.
    pub clock: &'a dyn Clock,
}

impl<'a> Ops<'a> {
    /// Those of a running gateway.
    pub fn running(gateway: &'a Gateway) -> Self {
        Self {
            audit: &gateway.audit,
            records: gateway.records.as_ref(),
            vault: &gateway.vault,
            keys: &gateway.keys,
            clock: gateway.clock.as_ref(),
        }
    }

    /// Those that a command opened.
    pub fn offline(stores: &'a Stores, clock: &'a dyn Clock) -> Self {
        Self { audit: &stores.audit, records: stores.records.as_ref(), vault: &stores.vault, keys: &stores.keys, clock }
    }

    /// Writes the change to the log, then makes it. A change that fails after its leaf gets a second leaf that says so
    /// (`create-failed`); where even that can't be written, the gateway's own log has it.
    pub(super) async fn change<T, E: Into<OpsError>>(
        &self,
        change: leaf::Change,
        make: impl Future<Output = Result<T, E>>,
    ) -> Result<T, OpsError> {
        self.note(change.clone()).await?;
        match make.await {
            Ok(made) => Ok(made),
            Err(error) => {
                let failed = leaf::Change { action: format!("{}-failed", change.action), ..change };
                if let Err(error) = self.note(failed).await {
                    tracing::error!(%error, "a change was logged and not made, and the log can't say so");
                }
                Err(error.into())
            }
        }
    }

    /// Writes the leaf of a change.
    pub(super) async fn note(&self, change: leaf::Change) -> Result<u64, OpsError> {
        Ok(self.audit.append(Leaf::new(self.clock.now().as_millisecond(), change)).await?)
    }
}

/// The leaf of a change.
pub(super) fn leaf_of(
    what: leaf::Changed,
    action: &str,
    subject: String,
    digest: Option<String>,
    by: &By,
) -> leaf::Change {
    leaf::Change { what, action: action.to_owned(), subject, digest, by: by.to_string() }
}
