//! The index's file: its tables, how it is opened, and whether it is the one of this log.

use std::{fs, io, os::unix::fs::OpenOptionsExt, path::Path};

use aws_lc_rs::digest;
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::SearchError;
use crate::{audit::AuditLog, model::hex::hex};

/// Changes with the tables or with what is taken from leaves: a file of another version is made anew.
const VERSION: i64 = 2;
/// Pages of a connection's cache, in KiB.
const CACHE_KIB: i64 = 16 * 1024;
/// Pages in the write-ahead file after which they are moved into the database.
const CHECKPOINT_PAGES: i64 = 4_000;
/// Leaves of one span of time; a power of two.
pub(super) const SPAN_LEAVES: u64 = 1024;

/// `leaf`: where it lies in the write-ahead log, for those that were read there; the others are in the tree, and so are these
/// later. `term`: what can be asked for exactly, and how often it stands. `posting`: which leaves have it. `span`: the earliest and the
/// latest time among a row of leaves, because times need not rise. `word`: which leaves have a word.
const TABLES: &str = "
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE leaf (
    idx INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL,
    segment INTEGER, batch INTEGER, offset INTEGER
);
CREATE TABLE term (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, count INTEGER NOT NULL);
CREATE TABLE posting (term INTEGER NOT NULL, idx INTEGER NOT NULL, PRIMARY KEY (term, idx)) WITHOUT ROWID;
CREATE TABLE span (block INTEGER PRIMARY KEY, min_ms INTEGER NOT NULL, max_ms INTEGER NOT NULL);
CREATE VIRTUAL TABLE word USING fts5 (
    text, content = '', detail = none, columnsize = 0, tokenize = \"ascii tokenchars '-_.'\"
);
";

/// Why a file was not taken up.
pub(super) enum Unfit {
    /// There is none.
    Missing,
    /// It is damaged, or of another log or version.
    Bad(String),
}

/// Opens the file that is there, where it is sound and of this log; with the index of the next leaf.
pub(super) fn take_up(path: &Path, log: &AuditLog) -> Result<(Connection, u64), Unfit> {
    if !path.exists() {
        return Err(Unfit::Missing);
    }
    let bad = |error: rusqlite::Error| Unfit::Bad(error.to_string());
    let connection = writer(path).map_err(bad)?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(bad)?;
    if version != VERSION {
        return Err(Unfit::Bad(format!("it has version {version}, this program makes {VERSION}")));
    }
    if meta::<String>(&connection, "origin").map_err(bad)?.as_deref() != Some(log.origin()) {
        return Err(Unfit::Bad("it belongs to another log".into()));
    }
    // Without a sync at each commit a crash of the machine may leave anything behind.
    let clean = meta::<i64>(&connection, "clean").map_err(bad)? == Some(1);
    if !clean && (boot().is_empty() || meta::<String>(&connection, "boot").map_err(bad)? != Some(boot())) {
        return Err(Unfit::Bad("the machine stopped while it was written".into()));
    }
    let mark = meta::<i64>(&connection, "mark").map_err(bad)?.and_then(|mark| u64::try_from(mark).ok()).unwrap_or(0);
    if mark > log.next_index() {
        return Err(Unfit::Bad(format!("it reaches to leaf {mark}, further than the log")));
    }
    if let Some(last) = mark.checked_sub(1) {
        let known = meta::<String>(&connection, "last").map_err(bad)?;
        let found = log.reader(last).next_bytes().map_err(|error| Unfit::Bad(error.to_string()))?;
        if found.map(|(_, bytes)| digest_of(&bytes)) != known {
            return Err(Unfit::Bad(format!("its last leaf, {last}, is another in the log")));
        }
    }
    begin(&connection).map_err(bad)?;
    Ok((connection, mark))
}

/// Makes an empty file in place of what is there.
pub(super) fn create(path: &Path, log: &AuditLog) -> Result<Connection, String> {
    remove(path).map_err(|error| error.to_string())?;
    // SQLite gives its other files the same mode.
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|error| error.to_string())?;
    let made = writer(path).and_then(|connection| {
        connection.execute_batch(TABLES)?;
        connection.pragma_update(None, "user_version", VERSION)?;
        set(&connection, "origin", log.origin())?;
        set(&connection, "mark", 0)?;
        begin(&connection)?;
        Ok(connection)
    });
    made.map_err(|error| error.to_string())
}

/// Takes the file away, with those that SQLite keeps beside it.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    for end in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        match fs::remove_file(&name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// The file is being written from now on.
fn begin(connection: &Connection) -> rusqlite::Result<()> {
    set(connection, "boot", boot())?;
    set(connection, "clean", 0)
}

/// Leaves a file that is whole on the disk and that the next start takes up.
pub(super) fn end(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", "full")?;
    set(connection, "clean", 1)?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

fn writer(path: &Path) -> rusqlite::Result<Connection> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    // It can be made again from the log, so it does not compete with the log for the disk.
    connection.pragma_update(None, "synchronous", "off")?;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", CHECKPOINT_PAGES, |_| Ok(()))?;
    Ok(connection)
}

/// A connection for searching.
pub(super) fn reader(path: &Path) -> Result<Connection, SearchError> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn open(path: &Path, mode: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

/// A value by name.
pub(super) fn meta<T: rusqlite::types::FromSql>(connection: &Connection, name: &str) -> rusqlite::Result<Option<T>> {
    connection.prepare_cached("SELECT value FROM meta WHERE name = ?1")?.query_row([name], |row| row.get(0)).optional()
}

/// Keeps a value by name.
pub(super) fn set(connection: &Connection, name: &str, value: impl rusqlite::ToSql) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)")?;
    statement.execute(rusqlite::params![name, value]).map(drop)
}

/// SHA-256, hexadecimal.
pub(super) fn digest_of(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// Which run of the machine this is; empty where it does not say.
fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}
