//! The suite on SQLite, and what is SQLite's own.

use tempfile::TempDir;

use super::*;
use crate::records::suite::{Place, record_suite};

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

impl Place for Folder {
    type Store = SqliteRecords;

    fn open(&self) -> SqliteRecords {
        SqliteRecords::open(&self.0.path().join("records.sqlite")).unwrap()
    }
}

record_suite!(Folder::new());
