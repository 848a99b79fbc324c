//! Why an operation did not happen, and how that is told.

use crate::{
    audit::AuditUnavailable,
    config::Fault,
    openings::OpeningsError,
    plugins::ShelfError,
    records::RecordsError,
    refusal::{self, Refusal, Stage, problem},
    start::StartError,
    vault::VaultError,
};

/// Why an operation did not happen. The text says what to do and holds no secret.
#[derive(Debug, thiserror::Error)]
pub enum OpsError {
    /// There is no such thing.
    #[error("{0}")]
    Missing(String),
    /// What was asked for can't be.
    #[error("{0}")]
    Invalid(String),
    /// Somebody else was first: what stands is told.
    #[error("{0}")]
    Conflict(String),
    /// The governance folder holds faults; nothing was changed.
    #[error("the governance folder holds {}; nothing was changed", count(.0.len()))]
    Governance(Vec<Fault>),
    /// What was given holds faults; nothing was changed.
    #[error("what was given holds {}; nothing was changed", count(.0.len()))]
    Faults(Vec<Fault>),
    /// The plugins that the governance names can't be loaded.
    #[error(transparent)]
    Plugins(#[from] ShelfError),
    /// The log can't be written: nothing is changed unrecorded.
    #[error("{0}. Nothing is changed unrecorded, so nothing was changed")]
    Audit(#[from] AuditUnavailable),
    /// The record store failed.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A part that only a start makes.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A fault of the gateway.
    #[error("{0}")]
    Internal(String),
}

fn count(faults: usize) -> String {
    if faults == 1 { "a fault".into() } else { format!("{faults} faults") }
}

impl From<OpeningsError> for OpsError {
    fn from(error: OpeningsError) -> Self {
        match error {
            OpeningsError::Store(error) => error.into(),
            OpeningsError::Vault(error) => error.into(),
            other => Self::Internal(other.to_string()),
        }
    }
}

impl From<OpsError> for Refusal {
    fn from(error: OpsError) -> Self {
        let detail = error.to_string();
        match error {
            OpsError::Missing(_) => Self::new(problem::NOT_FOUND, Stage::Door, detail),
            OpsError::Conflict(_) => Self::new(problem::ROUTING_CHANGED, Stage::Door, detail),
            OpsError::Invalid(_) | OpsError::Vault(VaultError::Invalid(_)) | OpsError::Plugins(_) => {
                Self::new(problem::INVALID, Stage::Door, detail)
            }
            OpsError::Governance(faults) | OpsError::Faults(faults) => {
                let faults = faults.into_iter().map(listed).collect();
                Self::new(problem::INVALID, Stage::Door, detail).with_faults(faults)
            }
            OpsError::Audit(_) => Self::new(problem::AUDIT_UNAVAILABLE, Stage::Record, detail).retry_after(1),
            OpsError::Records(_) | OpsError::Vault(_) => {
                Self::new(problem::STATE_UNAVAILABLE, Stage::Door, detail).retry_after(1)
            }
            OpsError::Start(_) | OpsError::Internal(_) => Self::new(problem::INTERNAL, Stage::Door, detail),
        }
    }
}

fn listed(fault: Fault) -> refusal::Fault {
    let message = fault.to_string();
    refusal::Fault { pointer: None, account: None, code: "governance".into(), message, measured: None, allowed: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_of_a_folder_is_told_with_its_place() {
        let faults = vec![Fault::new("grants.toml", 3, "no owner"), Fault::new("people.toml", 9, "unknown role")];
        let refusal = Refusal::from(OpsError::Governance(faults));
        assert_eq!(refusal.problem.status, 422);
        assert_eq!(refusal.detail, "the governance folder holds 2 faults; nothing was changed");
        let messages: Vec<_> = refusal.faults.iter().map(|fault| fault.message.as_str()).collect();
        assert_eq!(messages, ["grants.toml:3: no owner", "people.toml:9: unknown role"]);
    }
}
