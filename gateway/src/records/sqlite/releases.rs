//! Releases of plugins, and which of them serves where.

use rusqlite::{Connection, OptionalExtension, params};

use super::codec::{from_json, micros, signed, to_json, unsigned};
use crate::records::{RecordsError, ReleaseRecord, Routing, RoutingRecord};

/// Releases that targets are bound to whose work is not over: an answer is journalled, or one is missing.
pub(super) const BOUND: &str = "SELECT DISTINCT t.release FROM targets t
    WHERE t.release IS NOT NULL AND t.state IN ('accepted', 'frozen', 'held', 'publishing', 'recalling', 'unknown')
        AND (t.unknown_step IS NOT NULL OR t.lease_until IS NOT NULL
            OR EXISTS (SELECT 1 FROM steps s WHERE s.post = t.post AND s.account = t.account))";

/// `Records::put_release`.
pub(super) fn put(connection: &Connection, record: &ReleaseRecord) -> Result<(), RecordsError> {
    connection
        .prepare_cached(
            "INSERT INTO releases (digest, installed_at, record) VALUES (?1, ?2, ?3)
             ON CONFLICT (digest) DO UPDATE SET record = excluded.record",
        )?
        .execute(params![record.digest, micros(record.installed_at), to_json(record, "releases.record")?])?;
    Ok(())
}

/// `Records::releases`.
pub(super) fn all(connection: &Connection) -> Result<Vec<ReleaseRecord>, RecordsError> {
    let mut statement = connection.prepare_cached("SELECT record FROM releases ORDER BY installed_at, digest")?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(from_json(&row.get::<_, String>(0)?, "releases.record")?);
    }
    Ok(all)
}

/// `Records::routing`.
pub(super) fn routing(connection: &Connection) -> Result<RoutingRecord, RecordsError> {
    let found = connection
        .prepare_cached("SELECT version, routing FROM routing WHERE one = 1")?
        .query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))
        .optional()?;
    let Some((version, routing)) = found else { return Ok(RoutingRecord::default()) };
    let routing: Routing = from_json(&routing, "routing.routing")?;
    Ok(RoutingRecord { version: unsigned(version, "the routing's version")?, routing })
}

/// `Records::swap_routing`.
pub(super) fn swap(connection: &Connection, expected: u64, routing: &Routing) -> Result<bool, RecordsError> {
    let text = to_json(routing, "routing.routing")?;
    let expected = signed(expected, "the routing's version")?;
    let changed = if expected == 0 {
        connection
            .prepare_cached("INSERT OR IGNORE INTO routing (one, version, routing) VALUES (1, 1, ?1)")?
            .execute(params![text])?
    } else {
        connection
            .prepare_cached("UPDATE routing SET version = version + 1, routing = ?2 WHERE one = 1 AND version = ?1")?
            .execute(params![expected, text])?
    };
    Ok(changed == 1)
}

/// `Records::bound_releases`.
pub(super) fn bound(connection: &Connection) -> Result<Vec<String>, RecordsError> {
    let mut statement = connection.prepare_cached(BOUND)?;
    let mut rows = statement.query([])?;
    let mut bound = Vec::new();
    while let Some(row) = rows.next()? {
        bound.push(row.get(0)?);
    }
    Ok(bound)
}
