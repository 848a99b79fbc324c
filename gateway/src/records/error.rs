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
    /// The log tells of what these records do not have. They are written before the log, so they are lost or older.
    #[error(
        "the audit log tells of {0}, which the records do not have: they are older than the log, or a part of them is lost (a \
         `-wal` file, perhaps). Nothing may be sent by them. Stop, and restore the records from a backup that is not older than \
         the log's last leaves, with every file beside them"
    )]
    Lost(String),
    /// The id exists already.
    #[error("`{0}` exists already")]
    Exists(String),
    /// The thing that the operation changes does not exist.
    #[error("`{0}` does not exist")]
    Missing(String),
}
