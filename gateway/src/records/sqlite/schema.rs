//! The schema's versions: numbered files, each applied once, all of a start in one transaction.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use crate::records::RecordsError;

/// Every version, oldest first; version n is the n-th. A file that was released never changes.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_start.sql"),
    include_str!("migrations/0002_media_owner.sql"),
    include_str!("migrations/0003_identity.sql"),
    include_str!("migrations/0004_erasable.sql"),
    include_str!("migrations/0005_ended_sessions.sql"),
    include_str!("migrations/0006_people.sql"),
    include_str!("migrations/0007_freezes.sql"),
    include_str!("migrations/0008_guidelines.sql"),
    include_str!("migrations/0009_notices.sql"),
    include_str!("migrations/0010_lives.sql"),
    include_str!("migrations/0011_links.sql"),
    include_str!("migrations/0012_begun.sql"),
    include_str!("migrations/0013_recurring.sql"),
    include_str!("migrations/0014_releases.sql"),
    include_str!("migrations/0015_feeds.sql"),
];
/// The first version that overwrites what is deleted; in files of before, deleted rows may still lie about.
const OVERWRITING: usize = 4;

/// What a file of ours is.
#[derive(Debug)]
pub(super) struct Kind {
    migrations: &'static [&'static str],
    application_id: i64,
    /// See [`OVERWRITING`].
    overwriting: usize,
}

/// The records.
pub(super) const RECORDS: Kind =
    Kind { migrations: MIGRATIONS, application_id: APPLICATION_ID, overwriting: OVERWRITING };
/// The keys of subjects.
pub(super) const KEYS: Kind = Kind {
    migrations: &[include_str!("key_migrations/0001_start.sql")],
    // `PGsk`
    application_id: 0x5047_736b,
    overwriting: 0,
};

/// Marks the file as ours (`PGat`), so that another program's database is not mistaken for an empty one.
const APPLICATION_ID: i64 = 0x5047_6174;

impl Kind {
    /// Brings the schema of such a file up to date.
    pub(super) fn migrate(&self, connection: &mut Connection) -> Result<(), RecordsError> {
        let had = migrate_as(connection, self.migrations, self.application_id)?;
        if (1..self.overwriting).contains(&had) {
            // Writes the whole file anew, without what was deleted in it.
            connection.execute_batch("VACUUM")?;
        }
        Ok(())
    }

    /// Fails where the schema is not the one that this program works with.
    pub(super) fn verify(&self, connection: &Connection) -> Result<(), RecordsError> {
        let have = version(connection, self.application_id)?;
        refuse_newer(have, self.migrations.len())?;
        if have < self.migrations.len() {
            return Err(RecordsError::Unavailable(
                "the database file was replaced by an empty or older one: put the right file back, or restart Pressgate \
                 to bring this one up to date"
                    .to_owned(),
            ));
        }
        Ok(())
    }
}

/// Brings the schema of the records to the last of `migrations`.
#[cfg(test)]
pub(super) fn migrate(connection: &mut Connection, migrations: &[&str]) -> Result<(), RecordsError> {
    migrate_as(connection, migrations, APPLICATION_ID).map(drop)
}

/// Returns the version that there was.
fn migrate_as(connection: &mut Connection, migrations: &[&str], application_id: i64) -> Result<usize, RecordsError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let have = version(&transaction, application_id)?;
    refuse_newer(have, migrations.len())?;
    if have == 0 {
        transaction.pragma_update(None, "application_id", application_id)?;
        transaction.execute_batch("CREATE TABLE schema_version (version INTEGER NOT NULL PRIMARY KEY) STRICT")?;
    }
    for (number, sql) in (1_i64..).zip(migrations).skip(have) {
        transaction.execute_batch(sql)?;
        transaction.execute("INSERT INTO schema_version (version) VALUES (?1)", [number])?;
    }
    transaction.commit()?;
    Ok(have)
}

/// The version of the database, 0 where it is empty.
fn version(connection: &Connection, application_id: i64) -> Result<usize, RecordsError> {
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 {
        return Ok(0);
    }
    let id: i64 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    if id != application_id {
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
