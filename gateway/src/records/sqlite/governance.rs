//! Governance files that were applied; every set is kept, the last one counts.

use rusqlite::{Connection, params};

use super::codec::{from_json, micros, time, to_json};
use crate::records::{GovernanceRecord, RecordsError};

pub(super) const LAST: &str =
    "SELECT digest, applied_at, applied_by, files FROM governance ORDER BY number DESC LIMIT 1";

/// `Records::put_governance`.
pub(super) fn put(connection: &Connection, applied: &GovernanceRecord) -> Result<(), RecordsError> {
    connection
        .prepare_cached("INSERT INTO governance (digest, applied_at, applied_by, files) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![
            applied.digest,
            micros(applied.applied_at),
            applied.applied_by,
            to_json(&applied.files, "governance.files")?,
        ])?;
    Ok(())
}

/// `Records::governance`.
pub(super) fn last(connection: &Connection) -> Result<Option<GovernanceRecord>, RecordsError> {
    let mut statement = connection.prepare_cached(LAST)?;
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(GovernanceRecord {
        digest: row.get(0)?,
        applied_at: time(row.get(1)?)?,
        applied_by: row.get(2)?,
        files: from_json(&row.get::<_, String>(3)?, "governance.files")?,
    }))
}

/// `Records::healthy`: a write that nobody misses.
pub(super) fn try_write(connection: &Connection) -> Result<(), RecordsError> {
    connection.prepare_cached("UPDATE marks SET value = value + 1 WHERE name = 'health'")?.execute([])?;
    Ok(())
}
