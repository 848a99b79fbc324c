//! What can go wrong in the vault. No text here ever holds a secret.

use crate::records::RecordsError;

/// Why the vault did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum VaultError {
    /// The key-encryption key can't be read or made.
    #[error("the key-encryption key can't be used: {0}")]
    Kek(String),
    /// The key-encryption key is not the one that sealed this data folder.
    #[error(
        "the key-encryption key is not the one that these credentials were sealed with; give the vault its own key back"
    )]
    WrongKek,
    /// A sealed value was changed, moved to another name or generation, or written by a newer version.
    #[error("the sealed value `{0}` is not what the vault wrote; restore it from a backup or set the credential again")]
    Corrupt(String),
    /// Set by an earlier version, which did not seal it together with the origins that it may go to.
    #[error("the sealed value `{0}` was set by an earlier version, which did not note for which address; set it again")]
    Unbound(String),
    /// A name or value that the vault does not take.
    #[error("{0}")]
    Invalid(String),
    /// The record store failed.
    #[error(transparent)]
    Store(#[from] RecordsError),
}
