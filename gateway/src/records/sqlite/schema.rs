//! The schema's versions: numbered files, each applied once, all of a start in one transaction.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use crate::records::RecordsError;

/// Every version, oldest first; version n is the n-th. A file that was released never changes.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_start.sql"),
    include_str!("migrations/0002_media_owner.sql"),
    include_str!("migrations/0003_identity.sql"),
];

/// Marks the file as ours (`PGat`), so that another program's database is not mistaken for an empty one.
const APPLICATION_ID: i64 = 0x5047_6174;

/// Brings the schema to the last of `migrations`.
pub(super) fn migrate(connection: &mut Connection, migrations: &[&str]) -> Result<(), RecordsError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let have = version(&transaction)?;
    refuse_newer(have, migrations.len())?;
    if have == 0 {
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.execute_batch("CREATE TABLE schema_version (version INTEGER NOT NULL PRIMARY KEY) STRICT")?;
    }
    for (number, sql) in (1_i64..).zip(migrations).skip(have) {
        transaction.execute_batch(sql)?;
        transaction.execute("INSERT INTO schema_version (version) VALUES (?1)", [number])?;
    }
    transaction.commit()?;
    Ok(())
}

/// Fails where the schema is not the one that this program works with.
pub(super) fn verify(connection: &Connection) -> Result<(), RecordsError> {
    let have = version(connection)?;
    refuse_newer(have, MIGRATIONS.len())?;
    if have < MIGRATIONS.len() {
        return Err(RecordsError::Unavailable(
            "the database file was replaced by an empty or older one: put the right file back, or restart Pressgate to \
             bring this one up to date"
                .to_owned(),
        ));
    }
    Ok(())
}

/// The version of the database, 0 where it is empty.
fn version(connection: &Connection) -> Result<usize, RecordsError> {
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 {
        return Ok(0);
    }
    let id: i64 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    if id != APPLICATION_ID {
        return Err(RecordsError::Corrupt(
            "the file is another program's database: name another file for the records".to_owned(),
        ));
    }
    let version: Option<i64> =
        connection.query_row("SELECT max(version) FROM schema_version", [], |row| row.get(0)).optional()?.flatten();
    version.and_then(|version| usize::try_from(version).ok()).filter(|version| *version > 0).ok_or_else(|| {
        RecordsError::Corrupt("the database does not say which version its schema has: restore a backup".to_owned())
    })
}

fn refuse_newer(have: usize, known: usize) -> Result<(), RecordsError> {
    if have <= known {
        return Ok(());
    }
    Err(RecordsError::Corrupt(format!(
        "its schema has version {have} and this Pressgate knows versions up to {known}: start the Pressgate that wrote it, \
         or restore the backup from before the upgrade"
    )))
}
