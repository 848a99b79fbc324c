//! Feeds for calendar programs, found by the SHA-256 of their secret.

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use super::{
    codec::{from_json, maybe_time, micros, time, to_json},
    errors::exists,
};
use crate::{
    model::{AccountId, KeyId, Principal},
    records::{FeedRecord, RecordsError},
};

pub(super) const BY_SECRET: &str =
    "SELECT id, secret, holder, key, account, name, created_at, expires_at, last_used_at FROM feeds WHERE secret = ?1";
/// Of one holder, or of all.
const OF_HOLDER: &str = "SELECT id, secret, holder, key, account, name, created_at, expires_at, last_used_at FROM feeds
    WHERE ?1 IS NULL OR holder = ?1 ORDER BY created_at, id";

/// `Records::put_feed`.
pub(super) fn put(
    connection: &Connection,
    feed: &FeedRecord,
    feeds_max: u32,
    now: Timestamp,
) -> Result<bool, RecordsError> {
    let holder = to_json(&feed.holder, "feeds.holder")?;
    connection.prepare_cached("DELETE FROM feeds WHERE expires_at <= ?1")?.execute([micros(now)])?;
    let has: u32 = connection
        .prepare_cached("SELECT count(*) FROM feeds WHERE holder = ?1")?
        .query_row([&holder], |row| row.get(0))?;
    if has >= feeds_max {
        return Ok(false);
    }
    connection
        .prepare_cached(
            "INSERT INTO feeds (id, secret, holder, key, account, name, created_at, expires_at, last_used_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            feed.id,
            feed.secret,
            holder,
            feed.key.as_str(),
            feed.account.as_ref().map(AccountId::as_str),
            feed.name,
            micros(feed.created_at),
            micros(feed.expires_at),
            feed.last_used_at.map(micros),
        ])
        .map_err(|error| exists(error, &feed.id))?;
    Ok(true)
}

/// `Records::feed`.
pub(super) fn find(connection: &Connection, secret: [u8; 32]) -> Result<Option<FeedRecord>, RecordsError> {
    let mut statement = connection.prepare_cached(BY_SECRET)?;
    let mut rows = statement.query([secret])?;
    rows.next()?.map(read).transpose()
}

/// `Records::feeds`. A holder has few.
pub(super) fn of(connection: &Connection, holder: Option<&Principal>) -> Result<Vec<FeedRecord>, RecordsError> {
    let holder = holder.map(|holder| to_json(holder, "feeds.holder")).transpose()?;
    let mut statement = connection.prepare_cached(OF_HOLDER)?;
    let mut rows = statement.query([holder])?;
    let mut feeds = Vec::new();
    while let Some(row) = rows.next()? {
        feeds.push(read(row)?);
    }
    Ok(feeds)
}

/// `Records::feed_used`.
pub(super) fn used(connection: &Connection, id: &str, at: Timestamp) -> Result<(), RecordsError> {
    connection
        .prepare_cached(
            "UPDATE feeds SET last_used_at = ?2 WHERE id = ?1 AND (last_used_at IS NULL OR last_used_at < ?2)",
        )?
        .execute(params![id, micros(at)])?;
    Ok(())
}

/// `Records::end_feed`.
pub(super) fn end(connection: &Connection, id: &str) -> Result<bool, RecordsError> {
    Ok(connection.prepare_cached("DELETE FROM feeds WHERE id = ?1")?.execute([id])? > 0)
}

/// Feeds of whom an erasure is about: their names are words of theirs.
pub(super) fn erase(connection: &Connection, holder: &Principal) -> Result<(), RecordsError> {
    let holder = to_json(holder, "feeds.holder")?;
    connection.prepare_cached("DELETE FROM feeds WHERE holder = ?1")?.execute([holder])?;
    Ok(())
}

fn read(row: &Row<'_>) -> Result<FeedRecord, RecordsError> {
    Ok(FeedRecord {
        id: row.get(0)?,
        secret: row.get(1)?,
        holder: from_json(&row.get::<_, String>(2)?, "feeds.holder")?,
        key: KeyId::new(row.get::<_, String>(3)?),
        account: row.get::<_, Option<String>>(4)?.map(AccountId::new),
        name: row.get(5)?,
        created_at: time(row.get(6)?)?,
        expires_at: time(row.get(7)?)?,
        last_used_at: maybe_time(row.get(8)?)?,
    })
}
