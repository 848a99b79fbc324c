//! Freezes, and the targets that they held back.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{
    codec::{from_json, micros, to_json},
    target,
};
use crate::{
    model::{AccountId, PostId, TargetState},
    records::{FreezeRecord, FrozenTarget, RecordsError},
};

/// Lifted freezes that a list has.
const LIFTED_MAX: u32 = 200;

/// A target waits frozen where the refusal of its last attempt says so.
pub(super) const FROZEN: &str = "SELECT t.post, t.account, a.attempt ->> 'at' FROM targets t
    JOIN attempts a ON a.post = t.post AND a.account = t.account AND a.number = t.attempt
    WHERE t.state = 'held' AND a.attempt ->> 'problem' = 'frozen' ORDER BY a.attempt ->> 'at', t.post, t.position";

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
        let since: String = row.get(2)?;
        all.push(FrozenTarget {
            post: PostId::new(row.get::<_, String>(0)?),
            account: AccountId::new(row.get::<_, String>(1)?),
            since: since.parse().map_err(|_| RecordsError::Corrupt("attempts.attempt: a time".to_owned()))?,
        });
    }
    Ok(all)
}

/// `Records::release_frozen`.
pub(super) fn release(
    connection: &Connection,
    (post, account): (&PostId, &AccountId),
    at: Timestamp,
    now: Timestamp,
) -> Result<bool, RecordsError> {
    let Some(mut found) = target::Target::read(connection, post, account)? else { return Ok(false) };
    if found.standing.state != TargetState::Held {
        return Ok(false);
    }
    found.standing.state = TargetState::Accepted;
    found.standing.retry_at = Some(at);
    found.write(connection, post, account, Some(now))?;
    Ok(true)
}
