//! Openings of commitments: sealed values by their commitment.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    codec::{corrupt, from_json, micros, signed, unsigned},
    erasures::OPEN_TARGET,
};
use crate::records::{Commitment, DropOpenings, Opening, RecordsError};

pub(super) const PUT: &str = "INSERT INTO openings (commitment, subject, key, sealed) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (commitment) DO NOTHING";
const MARK: &str = "INSERT INTO marks (name, value) VALUES ('openings_taken', ?1)
    ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)";
const MARKED: &str = "SELECT value FROM marks WHERE name = 'openings_taken'";
pub(super) const ONE: &str = "SELECT subject, key, sealed FROM openings WHERE commitment = ?1";
/// One that begins with another is after it; the empty one is before all.
pub(super) const AFTER: &str =
    "SELECT commitment, subject, key, sealed FROM openings WHERE commitment > ?1 ORDER BY commitment LIMIT ?2";

pub(super) const DROP: &str = "DELETE FROM openings WHERE commitment = ?1";
pub(super) const COMMITTED: &str = "SELECT commitments FROM targets WHERE post = ?1";

/// `Records::put_openings`.
pub(super) fn put(connection: &Connection, openings: &[Opening]) -> Result<(), RecordsError> {
    let mut statement = connection.prepare_cached(PUT)?;
    for opening in openings {
        statement.execute(params![opening.commitment.as_slice(), opening.subject, opening.key, opening.sealed])?;
    }
    Ok(())
}

/// `Records::take_openings`. The mark never moves back.
pub(super) fn take(connection: &Connection, until: u64, openings: &[Opening]) -> Result<(), RecordsError> {
    put(connection, openings)?;
    connection.prepare_cached(MARK)?.execute(params![signed(until, "a leaf's index")?])?;
    Ok(())
}

/// `Records::openings_taken`.
pub(super) fn taken(connection: &Connection) -> Result<Option<u64>, RecordsError> {
    let value = connection.prepare_cached(MARKED)?.query_row([], |row| row.get(0)).optional()?;
    value.map(|value| unsigned(value, "the mark `openings_taken`")).transpose()
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

/// `Records::drop_openings`.
pub(super) fn drop_with_leaves(connection: &Connection, drop: &DropOpenings) -> Result<u64, RecordsError> {
    let mut posts: BTreeMap<&str, BTreeSet<[u8; 32]>> = BTreeMap::new();
    let mut gone: BTreeSet<[u8; 32]> = BTreeSet::new();
    for (post, commitments) in &drop.leaves {
        match post {
            Some(post) => posts.entry(post.as_str()).or_default().extend(commitments),
            None => gone.extend(commitments),
        }
    }
    for (post, committed) in posts {
        let of_targets = of_targets(connection, post)?;
        if rests(connection, post, micros(drop.rested_since))? {
            gone.extend(of_targets);
            gone.extend(committed);
        } else {
            // A later attempt on a target commits to the same; a refusal or a recall has its own.
            gone.extend(committed.difference(&of_targets));
        }
    }
    let mut statement = connection.prepare_cached(DROP)?;
    let mut count = 0;
    for commitment in gone.iter().filter(|commitment| !drop.keep.contains(*commitment)) {
        count += statement.execute([commitment.as_slice()])? as u64;
    }
    Ok(count)
}

/// What the targets of a post commit to.
fn of_targets(connection: &Connection, post: &str) -> Result<BTreeSet<[u8; 32]>, RecordsError> {
    let mut statement = connection.prepare_cached(COMMITTED)?;
    let mut rows = statement.query([post])?;
    let mut all = BTreeSet::new();
    while let Some(row) = rows.next()? {
        let commitments: Vec<Commitment> = from_json(&row.get::<_, String>(0)?, "targets.commitments")?;
        all.extend(commitments.iter().filter_map(Commitment::bytes));
    }
    Ok(all)
}

/// True where nobody works on the post or will, and nothing happened to it since. One that is not there has no leaves to come.
fn rests(connection: &Connection, post: &str, since: i64) -> Result<bool, RecordsError> {
    let sql = format!(
        "SELECT p.updated_at < ?2 AND NOT EXISTS (SELECT 1 FROM targets AS t WHERE t.post = p.id
         AND (t.due_at IS NOT NULL OR {OPEN_TARGET})) FROM posts AS p WHERE p.id = ?1"
    );
    let rests = connection.prepare_cached(&sql)?.query_row(params![post, since], |row| row.get(0)).optional()?;
    Ok(rests.unwrap_or(true))
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
