//! Copies of the databases as of one moment, also while they are written, and the check of such a copy.

use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt, path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags};

use super::{
    connect::Location,
    identity, leaves,
    schema::{self, Kind},
};
use crate::records::RecordsError;

/// How long the copy waits for a database that is being opened or gathered.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// What a copy of the records says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopiedRecords {
    /// The node that they belong to.
    pub node: Option<String>,
    /// They reflect the leaves below this index at least.
    pub applied_leaf: u64,
}

/// Copies the records into a new file, as they are at one moment between now and the end. What was deleted is not in the copy. It is
/// not synced.
///
/// # Errors
/// The database can't be read, or there is such a file.
pub fn copy_records(from: &Path, into: &Path) -> Result<(), RecordsError> {
    copy(from, into, &schema::RECORDS)
}

/// The same for the keys of subjects.
///
/// # Errors
/// As [`copy_records`].
pub fn copy_subject_keys(from: &Path, into: &Path) -> Result<(), RecordsError> {
    copy(from, into, &schema::KEYS)
}

/// Checks a copy of the records from its first page to its last.
///
/// # Errors
/// What is wrong with it.
pub fn check_records(path: &Path) -> Result<CopiedRecords, RecordsError> {
    let connection = whole(path, &schema::RECORDS)?;
    Ok(CopiedRecords { node: identity::read(&connection)?, applied_leaf: leaves::applied(&connection)? })
}

/// The same for keys of subjects.
///
/// # Errors
/// What is wrong with it.
pub fn check_subject_keys(path: &Path) -> Result<(), RecordsError> {
    whole(path, &schema::KEYS).map(drop)
}

fn copy(from: &Path, into: &Path, kind: &'static Kind) -> Result<(), RecordsError> {
    let unable = |path: &Path, error: &dyn std::fmt::Display| {
        RecordsError::Unavailable(format!("{} can't be copied: {error}", path.display()))
    };
    // Made before, so that nobody else may read it at any moment; SQLite takes an empty file.
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(into).map_err(|error| unable(into, &error))?;
    let target = into.to_str().ok_or_else(|| unable(into, &"the path is not UTF-8"))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(from, flags).map_err(|error| unable(from, &error))?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    kind.verify(&connection)?;
    connection.execute("VACUUM INTO ?1", [target]).map_err(|error| unable(from, &error))?;
    Ok(())
}

/// A file that nobody writes, checked.
fn whole(path: &Path, kind: &'static Kind) -> Result<Connection, RecordsError> {
    let connection = Location::still(path, kind).reader()?;
    kind.verify(&connection)?;
    let shown = path.display();
    let found: String = connection
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(|error| RecordsError::Corrupt(format!("{shown}: {error}")))?;
    if found == "ok" { Ok(connection) } else { Err(RecordsError::Corrupt(format!("{shown}: {found}"))) }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };

    use super::*;
    use crate::records::{Records, sqlite::SqliteRecords};

    #[tokio::test(flavor = "multi_thread")]
    async fn a_copy_is_whole_while_the_records_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records");
        let records = Arc::new(SqliteRecords::open(&path).unwrap());
        records.put_identity("node-1".to_owned()).await.unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let writing = tokio::spawn({
            let (records, stop) = (Arc::clone(&records), Arc::clone(&stop));
            async move {
                let mut next = 0;
                while !stop.load(Ordering::Relaxed) {
                    next += 1;
                    records.apply_leaves(next, Vec::new()).await.unwrap();
                }
                next
            }
        });
        let mut last = 0;
        for number in 0..20 {
            let copy = folder.path().join(format!("copy-{number}"));
            let before = records.applied_leaf().await.unwrap();
            copy_records(&path, &copy).unwrap();
            let found = check_records(&copy).unwrap();
            let after = records.applied_leaf().await.unwrap();
            assert_eq!(found.node.as_deref(), Some("node-1"));
            assert!((before.max(last)..=after).contains(&found.applied_leaf), "{before} {found:?} {after}");
            assert!(copy_records(&path, &copy).is_err(), "never over another file");
            last = found.applied_leaf;
        }
        stop.store(true, Ordering::Relaxed);
        assert!(writing.await.unwrap() >= last);
    }

    #[test]
    fn a_changed_or_foreign_copy_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let (path, copy) = (folder.path().join("records"), folder.path().join("copy"));
        drop(SqliteRecords::open(&path).unwrap());
        copy_records(&path, &copy).unwrap();
        check_records(&copy).unwrap();
        assert!(check_subject_keys(&copy).is_err(), "records are no keys");
        let mut bytes = std::fs::read(&copy).unwrap();
        bytes.truncate(bytes.len() / 2);
        std::fs::write(&copy, &bytes).unwrap();
        assert!(check_records(&copy).is_err());
        std::fs::write(&copy, b"no database").unwrap();
        assert!(check_records(&copy).is_err() && check_records(&folder.path().join("none")).is_err());
    }
}
