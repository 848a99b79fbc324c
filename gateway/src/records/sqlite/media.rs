//! Facts of stored media.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{
    codec::{from_json, micros, signed, time, to_json, unsigned},
    errors::exists,
};
use crate::{
    model::{MediaId, Principal},
    records::{MediaRecord, RecordsError},
};

/// Media that one call takes away.
const TAKE_MAX: u32 = 1_000;

pub(super) const ONE: &str =
    "SELECT owner, media_type, size_bytes, width, height, digest, created_at FROM media WHERE id = ?1";
pub(super) const TAKE: &str = "DELETE FROM media WHERE rowid IN
    (SELECT rowid FROM media WHERE used = 0 AND created_at < ?1 ORDER BY created_at LIMIT ?2) RETURNING id";

pub(super) const UNUSED: &str =
    "SELECT coalesce(sum(max(size_bytes, 4096)), 0) FROM media WHERE used = 0 AND owner = ?1";

/// `Records::put_media`.
pub(super) fn put(connection: &Connection, media: &MediaRecord) -> Result<(), RecordsError> {
    connection
        .prepare_cached(
            "INSERT INTO media (id, owner, media_type, size_bytes, width, height, digest, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            media.id.as_str(),
            to_json(&media.owner, "media.owner")?,
            media.media_type,
            signed(media.size_bytes, "a medium's size")?,
            media.width,
            media.height,
            media.digest,
            micros(media.created_at),
        ])
        .map_err(|error| exists(error, media.id.as_str()))?;
    Ok(())
}

/// `Records::media`.
pub(super) fn one(connection: &Connection, id: &MediaId) -> Result<Option<MediaRecord>, RecordsError> {
    let mut statement = connection.prepare_cached(ONE)?;
    let mut rows = statement.query([id.as_str()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(MediaRecord {
        id: id.clone(),
        owner: from_json(&row.get::<_, String>(0)?, "media.owner")?,
        media_type: row.get(1)?,
        size_bytes: unsigned(row.get(2)?, "a medium's size")?,
        width: row.get(3)?,
        height: row.get(4)?,
        digest: row.get(5)?,
        created_at: time(row.get(6)?)?,
    }))
}

/// `Records::unused_media_bytes`.
pub(super) fn unused_bytes(connection: &Connection, owner: &Principal) -> Result<u64, RecordsError> {
    let owner = to_json(owner, "media.owner")?;
    unsigned(connection.prepare_cached(UNUSED)?.query_row([owner], |row| row.get(0))?, "the size of unused media")
}

/// `Records::take_unused_media`, at most 1,000.
pub(super) fn take_unused(
    connection: &Connection,
    before: Timestamp,
    limit: u32,
) -> Result<Vec<MediaId>, RecordsError> {
    let mut statement = connection.prepare_cached(TAKE)?;
    let mut rows = statement.query(params![micros(before), limit.min(TAKE_MAX)])?;
    let mut taken = Vec::new();
    while let Some(row) = rows.next()? {
        taken.push(MediaId::new(row.get::<_, String>(0)?));
    }
    Ok(taken)
}
