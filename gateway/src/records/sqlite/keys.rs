//! API keys, without their secrets.

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use super::{
    codec::{from_json, maybe_time, micros, time, to_json},
    errors::exists,
};
use crate::{
    model::{KeyId, PersonId},
    records::{Device, KeyRecord, RecordsError},
};

pub(super) const ONE: &str = "SELECT id, holder, mac, created_at, expires_at, revoked_at, note, made_by, device, identity FROM keys WHERE id = ?1";
const ALL: &str = "SELECT id, holder, mac, created_at, expires_at, revoked_at, note, made_by, device, identity FROM keys ORDER BY created_at, id";

/// `Records::put_key`.
pub(super) fn put(connection: &Connection, key: &KeyRecord) -> Result<(), RecordsError> {
    connection
        .prepare_cached(
            "INSERT INTO keys (id, holder, mac, created_at, expires_at, revoked_at, note, made_by, device, identity)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            key.id.as_str(),
            to_json(&key.holder, "keys.holder")?,
            key.mac,
            micros(key.created_at),
            key.expires_at.map(micros),
            key.revoked_at.map(micros),
            key.note,
            key.made_by.as_ref().map(PersonId::as_str),
            key.device.as_ref().map(|device| device.name.as_str()),
            key.device.as_ref().map(|device| device.identity.as_str()),
        ])
        .map_err(|error| exists(error, key.id.as_str()))?;
    Ok(())
}

/// `Records::key`.
pub(super) fn one(connection: &Connection, id: &KeyId) -> Result<Option<KeyRecord>, RecordsError> {
    let mut statement = connection.prepare_cached(ONE)?;
    let mut rows = statement.query([id.as_str()])?;
    rows.next()?.map(read).transpose()
}

/// `Records::keys`, oldest first.
pub(super) fn all(connection: &Connection) -> Result<Vec<KeyRecord>, RecordsError> {
    let mut statement = connection.prepare_cached(ALL)?;
    let mut rows = statement.query([])?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next()? {
        keys.push(read(row)?);
    }
    Ok(keys)
}

/// `Records::revoke_key`.
pub(super) fn revoke(connection: &Connection, id: &KeyId, at: Timestamp) -> Result<bool, RecordsError> {
    let changed = connection
        .prepare_cached("UPDATE keys SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL")?
        .execute(params![id.as_str(), micros(at)])?;
    Ok(changed > 0)
}

fn read(row: &Row<'_>) -> Result<KeyRecord, RecordsError> {
    Ok(KeyRecord {
        id: KeyId::new(row.get::<_, String>(0)?),
        holder: from_json(&row.get::<_, String>(1)?, "keys.holder")?,
        mac: row.get(2)?,
        created_at: time(row.get(3)?)?,
        expires_at: maybe_time(row.get(4)?)?,
        revoked_at: maybe_time(row.get(5)?)?,
        note: row.get(6)?,
        made_by: row.get::<_, Option<String>>(7)?.map(PersonId::new),
        device: device(row.get(8)?, row.get(9)?),
    })
}

fn device(name: Option<String>, identity: Option<String>) -> Option<Device> {
    Some(Device { name: name?, identity: identity.unwrap_or_default() })
}
