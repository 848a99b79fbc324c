//! What can go wrong in a record store.

/// Why an operation did not happen.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RecordsError {
    /// The store can't be used: disk full, read-only, I/O error, busy for too long. Nothing was changed.
    #[error("the record store can't be used: {0}")]
    Unavailable(String),
    /// The stored data contradicts itself or was written by a newer version.
    #[error("the record store holds what it should not: {0}")]
    Corrupt(String),
    /// The id exists already.
    #[error("`{0}` exists already")]
    Exists(String),
    /// The thing that the operation changes does not exist.
    #[error("`{0}` does not exist")]
    Missing(String),
}
