//! Openings of commitments: sealed values by their commitment.

use rusqlite::{Connection, params};

use super::codec::corrupt;
use crate::records::{Opening, RecordsError};

pub(super) const PUT: &str = "INSERT INTO openings (commitment, subject, key, sealed) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (commitment) DO NOTHING";
pub(super) const ONE: &str = "SELECT subject, key, sealed FROM openings WHERE commitment = ?1";
/// One that begins with another is after it; the empty one is before all.
pub(super) const AFTER: &str =
    "SELECT commitment, subject, key, sealed FROM openings WHERE commitment > ?1 ORDER BY commitment LIMIT ?2";

/// `Records::put_openings`.
pub(super) fn put(connection: &Connection, openings: &[Opening]) -> Result<(), RecordsError> {
    let mut statement = connection.prepare_cached(PUT)?;
    for opening in openings {
        statement.execute(params![opening.commitment.as_slice(), opening.subject, opening.key, opening.sealed])?;
    }
    Ok(())
}

/// `Records::openings`.
pub(super) fn read(connection: &Connection, commitments: &[[u8; 32]]) -> Result<Vec<Opening>, RecordsError> {
    let mut statement = connection.prepare_cached(ONE)?;
    let mut found = Vec::new();
    for commitment in commitments {
        let mut rows = statement.query([commitment.as_slice()])?;
        if let Some(row) = rows.next()? {
            let commitment: [u8; 32] = *commitment;
            let (subject, key, sealed) = (row.get(0)?, row.get(1)?, row.get(2)?);
            found.push(Opening { commitment, subject, key, sealed });
        }
        if rows.next()?.is_some() {
            return Err(corrupt("openings.commitment"));
        }
    }
    Ok(found)
}

/// `Records::openings_after`.
pub(super) fn after(
    connection: &Connection,
    after: Option<[u8; 32]>,
    limit: u32,
) -> Result<Vec<Opening>, RecordsError> {
    let after: &[u8] = after.as_ref().map_or(&[], |after| after.as_slice());
    let mut statement = connection.prepare_cached(AFTER)?;
    let mut rows = statement.query(params![after, limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let commitment: Vec<u8> = row.get(0)?;
        let commitment = commitment.try_into().map_err(|_| corrupt("openings.commitment"))?;
        found.push(Opening { commitment, subject: row.get(1)?, key: row.get(2)?, sealed: row.get(3)? });
    }
    Ok(found)
}
