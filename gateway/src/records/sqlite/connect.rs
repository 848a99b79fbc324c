//! Opens connections with the settings that the store's promises rest on.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};

use super::schema::{self, Kind};
use crate::records::RecordsError;

/// How long a connection waits for another process that holds the database's lock.
const BUSY_TIMEOUT_MS: u64 = 5_000;
/// Prepared statements that a connection keeps.
const STATEMENTS_MAX: usize = 128;
/// Length to which the write-ahead file is cut when it was longer, in bytes.
const WAL_KEEP_BYTES: i64 = 64 * 1024 * 1024;
/// Pages in the write-ahead file after which the writer moves them into the database (4 KiB each).
const CHECKPOINT_PAGES: i64 = 4_000;

/// Where the database lies.
#[derive(Debug, Clone)]
pub(super) struct Location {
    path: PathBuf,
    kind: &'static Kind,
    /// The file is all there is, and nobody changes it: not even the files that SQLite makes for reading are made.
    still: bool,
}

impl Location {
    pub(super) fn new(path: &Path) -> Self {
        Self::of(path, &schema::RECORDS)
    }

    /// A file of another kind.
    pub(super) fn of(path: &Path, kind: &'static Kind) -> Self {
        Self { path: path.to_owned(), kind, still: false }
    }

    /// A database that nobody writes. A write-ahead file that a crash left is read too; SQLite then needs its index file.
    pub(super) fn to_look(path: &Path) -> Self {
        Self::to_look_at(path, &schema::RECORDS)
    }

    /// The same for a file of another kind.
    pub(super) fn to_look_at(path: &Path, kind: &'static Kind) -> Self {
        let mut wal = path.as_os_str().to_owned();
        wal.push("-wal");
        let still = std::fs::metadata(wal).map_or(true, |wal| wal.len() == 0);
        Self { path: path.to_owned(), kind, still }
    }

    /// A database of which the file is all there is, and that nobody writes.
    pub(super) fn still(path: &Path, kind: &'static Kind) -> Self {
        Self { path: path.to_owned(), kind, still: true }
    }

    /// Makes the file if need be, readable by its owner alone (SQLite gives its other files the same mode), and brings
    /// the schema up to date.
    pub(super) fn create(&self) -> Result<Connection, RecordsError> {
        match self.create_file() {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(RecordsError::Unavailable(format!("{} can't be made: {error}", self.path.display())));
            }
            _ => {}
        }
        let mut connection = self.connect(OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        writer_settings(&connection)?;
        self.kind.migrate(&mut connection)?;
        Ok(connection)
    }

    /// Opens the database for writing again after a fault. A file that is gone is not made anew: an empty store would
    /// answer as if nothing had ever been accepted.
    pub(super) fn reopen(&self) -> Result<Connection, RecordsError> {
        let connection = self.connect(OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        writer_settings(&connection)?;
        self.kind.verify(&connection)?;
        Ok(connection)
    }

    /// Opens the database for reading.
    pub(super) fn reader(&self) -> Result<Connection, RecordsError> {
        let connection = self.connect(OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    }

    /// Makes an empty file whose name survives a power loss.
    fn create_file(&self) -> io::Result<()> {
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.path)?;
        match self.path.parent() {
            Some(folder) if folder != Path::new("") => File::open(folder)?.sync_all(),
            _ => File::open(".")?.sync_all(),
        }
    }

    /// The file's address with the promise that it does not change.
    fn still_address(&self) -> Result<String, RecordsError> {
        let path = std::path::absolute(&self.path).ok();
        let address = path.and_then(|path| url::Url::from_file_path(path).ok());
        let address =
            address.ok_or_else(|| RecordsError::Unavailable(format!("{} is no path", self.path.display())))?;
        Ok(format!("{address}?immutable=1"))
    }

    fn connect(&self, mode: OpenFlags) -> Result<Connection, RecordsError> {
        let mode = mode | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = if self.still {
            Connection::open_with_flags(self.still_address()?, mode | OpenFlags::SQLITE_OPEN_URI)?
        } else {
            Connection::open_with_flags(&self.path, mode)?
        };
        connection.busy_timeout(Duration::from_millis(BUSY_TIMEOUT_MS))?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "temp_store", "memory")?;
        connection.pragma_update(None, "trusted_schema", false)?;
        Ok(connection)
    }
}

/// A commit is durable when it returns: write-ahead file, synced at each commit. What is deleted is overwritten with zeros.
fn writer_settings(connection: &Connection) -> Result<(), RecordsError> {
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        return Err(RecordsError::Unavailable(format!(
            "the database can't use a write-ahead file here (it stays in mode `{mode}`): put it on a local disk"
        )));
    }
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update_and_check(None, "secure_delete", true, |_| Ok(()))?;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", CHECKPOINT_PAGES, |_| Ok(()))?;
    connection.pragma_update_and_check(None, "journal_size_limit", WAL_KEEP_BYTES, |_| Ok(()))?;
    Ok(())
}
