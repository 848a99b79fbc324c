//! The writer of the audit log.
