//! Freezes, and the targets that they held back.

use rusqlite::{Connection, params};

use super::codec::{from_json, micros, time, to_json};
use crate::{
    model::{AccountId, PostId},
    records::{FreezeRecord, FrozenTarget, RecordsError},
};

/// Lifted freezes that a list has.
const LIFTED_MAX: u32 = 200;

/// Those that have waited longest first.
pub(super) const FROZEN: &str = "SELECT t.post, t.account, p.updated_at FROM targets t JOIN posts p ON p.id = t.post
    WHERE t.state = 'frozen' ORDER BY p.updated_at, t.post, t.position";

/// `Records::put_freeze`.
pub(super) fn put(connection: &Connection, record: &FreezeRecord) -> Result<(), RecordsError> {
    connection
        .prepare_cached(
            "INSERT INTO freezes (id, began_at, lifted_at, freeze) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (id) DO UPDATE SET lifted_at = excluded.lifted_at, freeze = excluded.freeze",
        )?
        .execute(params![
            record.freeze.id.as_str(),
            micros(record.freeze.since),
            record.lifted.as_ref().map(|lifted| micros(lifted.at)),
            to_json(record, "freezes.freeze")?,
        ])?;
    Ok(())
}

/// `Records::freezes`.
pub(super) fn all(connection: &Connection) -> Result<Vec<FreezeRecord>, RecordsError> {
    let mut statement = connection.prepare_cached(
        "SELECT freeze FROM freezes WHERE lifted_at IS NULL OR id IN
             (SELECT id FROM freezes WHERE lifted_at IS NOT NULL ORDER BY lifted_at DESC LIMIT ?1)
         ORDER BY began_at DESC, id DESC",
    )?;
    let mut rows = statement.query([LIFTED_MAX])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(from_json(&row.get::<_, String>(0)?, "freezes.freeze")?);
    }
    Ok(all)
}

/// `Records::frozen_targets`.
pub(super) fn targets(connection: &Connection) -> Result<Vec<FrozenTarget>, RecordsError> {
    let mut statement = connection.prepare_cached(FROZEN)?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(FrozenTarget {
            post: PostId::new(row.get::<_, String>(0)?),
            account: AccountId::new(row.get::<_, String>(1)?),
            since: time(row.get(2)?)?,
        });
    }
    Ok(all)
}
