//! Encrypted values, one generation of each name.

use rusqlite::{Connection, Row, params};

use super::codec::{from_json, micros, signed, time, to_json, unsigned};
use crate::records::{RecordsError, SealedRecord};

pub(super) const ONE: &str = "SELECT name, generation, created_at, public, blob FROM sealed WHERE name = ?1";
pub(super) const LIST: &str = "SELECT name, generation, created_at, public, blob FROM sealed
    WHERE name >= ?1 AND name < ?2 ORDER BY name";

/// `Records::put_sealed`. A generation that is not newer than the kept one is refused, so that of two who renewed the same
/// value the second does not undo the first.
pub(super) fn put(connection: &Connection, sealed: &SealedRecord) -> Result<(), RecordsError> {
    let changed = connection
        .prepare_cached(
            "INSERT INTO sealed (name, generation, created_at, public, blob) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (name) DO UPDATE SET generation = excluded.generation, created_at = excluded.created_at,
                 public = excluded.public, blob = excluded.blob WHERE excluded.generation > generation",
        )?
        .execute(params![
            sealed.name,
            signed(sealed.generation, "a generation")?,
            micros(sealed.created_at),
            to_json(&sealed.public, "sealed.public")?,
            sealed.blob,
        ])?;
    match changed {
        0 => Err(RecordsError::Exists(format!("{} generation {}", sealed.name, sealed.generation))),
        _ => Ok(()),
    }
}

/// `Records::sealed`.
pub(super) fn one(connection: &Connection, name: &str) -> Result<Option<SealedRecord>, RecordsError> {
    let mut statement = connection.prepare_cached(ONE)?;
    let mut rows = statement.query([name])?;
    rows.next()?.map(read).transpose()
}

/// `Records::sealed_list`, by name.
pub(super) fn list(connection: &Connection, prefix: &str) -> Result<Vec<SealedRecord>, RecordsError> {
    let mut statement = connection.prepare_cached(LIST)?;
    // No name continues with the last code point there is.
    let mut rows = statement.query([prefix, &format!("{prefix}\u{10FFFF}")])?;
    let mut list = Vec::new();
    while let Some(row) = rows.next()? {
        list.push(read(row)?);
    }
    Ok(list)
}

/// `Records::delete_sealed`.
pub(super) fn delete(connection: &Connection, name: &str) -> Result<bool, RecordsError> {
    Ok(connection.prepare_cached("DELETE FROM sealed WHERE name = ?1")?.execute([name])? > 0)
}

fn read(row: &Row<'_>) -> Result<SealedRecord, RecordsError> {
    Ok(SealedRecord {
        name: row.get(0)?,
        generation: unsigned(row.get(1)?, "a generation")?,
        created_at: time(row.get(2)?)?,
        public: from_json(&row.get::<_, String>(3)?, "sealed.public")?,
        blob: row.get(4)?,
    })
}
