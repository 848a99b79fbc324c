//! Sessions that were ended before their time.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::codec::{micros, time};
use crate::records::RecordsError;

/// `Records::end_session`.
pub(super) fn end(connection: &Connection, id: &str, until: Timestamp, now: Timestamp) -> Result<(), RecordsError> {
    connection.prepare_cached("DELETE FROM ended_sessions WHERE until <= ?1")?.execute([micros(now)])?;
    connection
        .prepare_cached("INSERT INTO ended_sessions (id, until) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
        .execute(params![id, micros(until)])?;
    Ok(())
}

/// `Records::ended_sessions`.
pub(super) fn all(connection: &Connection, now: Timestamp) -> Result<Vec<(String, Timestamp)>, RecordsError> {
    let mut statement =
        connection.prepare_cached("SELECT id, until FROM ended_sessions WHERE until > ?1 ORDER BY id")?;
    let mut rows = statement.query([micros(now)])?;
    let mut ended = Vec::new();
    while let Some(row) = rows.next()? {
        ended.push((row.get(0)?, time(row.get(1)?)?));
    }
    Ok(ended)
}
