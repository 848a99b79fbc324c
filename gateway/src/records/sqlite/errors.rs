//! What SQLite's errors mean for a caller.

use rusqlite::{Error, ErrorCode};

use crate::records::RecordsError;

impl From<Error> for RecordsError {
    fn from(error: Error) -> Self {
        match error.sqlite_error_code() {
            Some(code) if passes(code) => Self::Unavailable(error.to_string()),
            _ => Self::Corrupt(error.to_string()),
        }
    }
}

/// Faults of the disk or of the moment: they say nothing about the data, and a later try may succeed.
fn passes(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::ReadOnly
            | ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::OutOfMemory
            | ErrorCode::TooBig
            | ErrorCode::OperationAborted
            | ErrorCode::OperationInterrupted
            | ErrorCode::NoLargeFileSupport
    )
}

/// Tells a row that is there already from every other failure.
pub(super) fn exists(error: Error, id: &str) -> RecordsError {
    match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => RecordsError::Exists(id.to_owned()),
        _ => error.into(),
    }
}

/// Tells a reference to a row that is not there from every other failure.
pub(super) fn missing(error: Error, id: impl FnOnce() -> String) -> RecordsError {
    match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => RecordsError::Missing(id()),
        _ => error.into(),
    }
}
