//! Erasures: asked for, confirmed, carried out in parts, done.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    codec::{maybe_time, micros, signed, time, to_json, unsigned},
    erase::owner,
    errors::exists,
};
use crate::{
    model::{MediaId, PersonId, PostId, Principal},
    records::{ErasedCounts, ErasureRecord, OpenPosts, RecordsError},
};

/// Open posts that are named.
const OPEN_MAX: u32 = 20;
/// Media that one look returns.
const DOOMED_MAX: u32 = 1_000;

pub(super) const ONE: &str = "SELECT id, subject, basis, asked_by, asked_at, confirmed_by, confirmed_at, log_from,
    gone_values, gone_posts, gone_media, leaf FROM erasures WHERE id = ?1";
pub(super) const UNDER_WAY: &str =
    "SELECT id, subject, basis, asked_by, asked_at, confirmed_by, confirmed_at, log_from,
    gone_values, gone_posts, gone_media, leaf FROM erasures
    WHERE confirmed_at IS NOT NULL AND leaf IS NULL ORDER BY confirmed_at";
pub(super) const CONFIRM: &str = "UPDATE erasures SET confirmed_by = ?2, confirmed_at = ?3, log_from = ?4
    WHERE id = ?1 AND confirmed_at IS NULL";
pub(super) const DOOMED: &str = "SELECT media FROM doomed_media WHERE erasure = ?1 ORDER BY media LIMIT ?2";

/// A target that somebody works on, or that waits for something. What is unknown and rests is over as far as we can tell.
pub(super) const OPEN_TARGET: &str =
    "(t.state IN ('draft', 'review', 'held', 'approved', 'scheduled', 'frozen', 'accepted', 'publishing', 'recalling')
    OR t.lease_until IS NOT NULL OR (t.due_at IS NOT NULL AND t.state <> 'unknown'))";

/// `Records::ask_erasure`.
pub(super) fn ask(connection: &Connection, erasure: &ErasureRecord) -> Result<(), RecordsError> {
    let (by, at) = erasure.confirmed.as_ref().map(|(by, at)| (by.as_str(), micros(*at))).unzip();
    connection
        .prepare_cached(
            "INSERT INTO erasures (id, subject, basis, asked_by, asked_at, confirmed_by, confirmed_at, log_from)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            erasure.id,
            erasure.subject,
            erasure.basis,
            erasure.asked_by.as_str(),
            micros(erasure.asked_at),
            by,
            at,
            signed(erasure.log_from, "a leaf's index")?,
        ])
        .map_err(|error| exists(error, &erasure.id))?;
    Ok(())
}

/// `Records::erasure`.
pub(super) fn one(connection: &Connection, id: &str) -> Result<Option<ErasureRecord>, RecordsError> {
    let mut statement = connection.prepare_cached(ONE)?;
    let mut rows = statement.query([id])?;
    rows.next()?.map(read).transpose()
}

/// `Records::erasures`. Erasures are few.
pub(super) fn all(connection: &Connection, limit: u32) -> Result<Vec<ErasureRecord>, RecordsError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, subject, basis, asked_by, asked_at, confirmed_by, confirmed_at, log_from,
         gone_values, gone_posts, gone_media, leaf FROM erasures ORDER BY asked_at DESC, id LIMIT ?1",
    )?;
    let mut rows = statement.query([limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

/// `Records::knows_subject`. Keys, feeds, votes and erasures are few.
pub(super) fn knows(connection: &Connection, subject: &str) -> Result<bool, RecordsError> {
    let owner = owner(subject);
    let holder = owner.as_ref().map(|owner| to_json(owner, "a holder")).transpose()?;
    let person = match &owner {
        Some(Principal::Person(person)) => Some(person.as_str()),
        _ => None,
    };
    let sql = "SELECT EXISTS (SELECT 1 FROM openings WHERE subject = ?1)
        OR EXISTS (SELECT 1 FROM posts WHERE subject = ?1) OR EXISTS (SELECT 1 FROM erasures WHERE subject = ?1)
        OR EXISTS (SELECT 1 FROM media WHERE owner = ?2) OR EXISTS (SELECT 1 FROM keys WHERE holder = ?2)
        OR EXISTS (SELECT 1 FROM feeds WHERE holder = ?2)
        OR EXISTS (SELECT 1 FROM votes WHERE json_extract(vote, '$.person') = ?3)
        OR EXISTS (SELECT 1 FROM comments WHERE person = ?3)
        OR EXISTS (SELECT 1 FROM notices WHERE addressee = ?1)";
    Ok(connection.prepare_cached(sql)?.query_row(params![subject, holder, person], |row| row.get(0))?)
}

/// `Records::erasure_of_leaf`. Erasures are few.
pub(super) fn of_leaf(connection: &Connection, leaf: u64) -> Result<Option<ErasureRecord>, RecordsError> {
    let id: Option<String> = connection
        .prepare_cached("SELECT id FROM erasures WHERE leaf = ?1")?
        .query_row([signed(leaf, "a leaf's index")?], |row| row.get(0))
        .optional()?;
    id.map_or(Ok(None), |id| one(connection, &id))
}

/// `Records::confirm_erasure`.
pub(super) fn confirm(
    connection: &Connection,
    id: &str,
    by: &PersonId,
    at: Timestamp,
    log_from: u64,
) -> Result<bool, RecordsError> {
    let log_from = signed(log_from, "a leaf's index")?;
    Ok(connection.prepare_cached(CONFIRM)?.execute(params![id, by.as_str(), micros(at), log_from])? > 0)
}

/// `Records::erasures_under_way`.
pub(super) fn under_way(connection: &Connection) -> Result<Vec<ErasureRecord>, RecordsError> {
    let mut statement = connection.prepare_cached(UNDER_WAY)?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

/// `Records::erased_subjects`. Erasures are few.
pub(super) fn subjects(connection: &Connection) -> Result<Vec<(String, Timestamp)>, RecordsError> {
    let mut statement = connection.prepare_cached(
        "SELECT subject, max(confirmed_at) FROM erasures WHERE leaf IS NOT NULL GROUP BY subject ORDER BY subject",
    )?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push((row.get(0)?, time(row.get(1)?)?));
    }
    Ok(found)
}

/// `Records::open_posts_of`, at most 20 of them by name.
pub(super) fn open_posts(connection: &Connection, subject: &str) -> Result<OpenPosts, RecordsError> {
    let of = format!(
        "FROM posts AS p WHERE p.subject = ?1 AND p.erased_at IS NULL
         AND EXISTS (SELECT 1 FROM targets AS t WHERE t.post = p.id AND {OPEN_TARGET})"
    );
    let count: i64 = connection.query_row(&format!("SELECT count(*) {of}"), [subject], |row| row.get(0))?;
    let mut statement = connection.prepare(&format!("SELECT p.id {of} ORDER BY p.id LIMIT ?2"))?;
    let mut rows = statement.query(params![subject, OPEN_MAX])?;
    let mut posts = Vec::new();
    while let Some(row) = rows.next()? {
        posts.push(PostId::new(row.get::<_, String>(0)?));
    }
    Ok(OpenPosts { posts, count: unsigned(count, "a count")? })
}

/// `Records::values_of`.
pub(super) fn values_of(connection: &Connection, subject: &str) -> Result<ErasedCounts, RecordsError> {
    let count = |sql: &str| -> Result<u64, RecordsError> {
        unsigned(connection.query_row(sql, [subject], |row| row.get(0))?, "a count")
    };
    Ok(ErasedCounts {
        values: count("SELECT count(*) FROM openings WHERE subject = ?1")?,
        posts: count("SELECT count(*) FROM posts WHERE subject = ?1 AND erased_at IS NULL")?,
        media: 0,
    })
}

/// `Records::doomed_media`, at most 1,000.
pub(super) fn doomed(connection: &Connection, id: &str, limit: u32) -> Result<Vec<MediaId>, RecordsError> {
    let mut statement = connection.prepare_cached(DOOMED)?;
    let mut rows = statement.query(params![id, limit.min(DOOMED_MAX)])?;
    let mut media = Vec::new();
    while let Some(row) = rows.next()? {
        media.push(MediaId::new(row.get::<_, String>(0)?));
    }
    Ok(media)
}

/// `Records::forget_media`.
pub(super) fn forget(connection: &Connection, id: &str, media: &[MediaId]) -> Result<(), RecordsError> {
    let mut statement = connection.prepare_cached("DELETE FROM doomed_media WHERE erasure = ?1 AND media = ?2")?;
    for medium in media {
        statement.execute([id, medium.as_str()])?;
    }
    Ok(())
}

/// `Records::finish_erasure`.
pub(super) fn finish(connection: &Connection, id: &str, leaf: u64) -> Result<(), RecordsError> {
    let found = connection
        .prepare_cached("UPDATE erasures SET leaf = ?2 WHERE id = ?1 AND confirmed_at IS NOT NULL")?
        .execute(params![id, signed(leaf, "a leaf's index")?])?;
    if found == 0 { Err(RecordsError::Missing(id.to_owned())) } else { Ok(()) }
}

fn read(row: &Row<'_>) -> Result<ErasureRecord, RecordsError> {
    let by = row.get::<_, Option<String>>(5)?.map(PersonId::new);
    let at = maybe_time(row.get(6)?)?;
    let index = |at| -> Result<u64, RecordsError> { unsigned(row.get(at)?, "a number of an erasure") };
    let leaf: Option<i64> = row.get(11)?;
    Ok(ErasureRecord {
        id: row.get(0)?,
        subject: row.get(1)?,
        basis: row.get(2)?,
        asked_by: PersonId::new(row.get::<_, String>(3)?),
        asked_at: time(row.get(4)?)?,
        confirmed: by.zip(at),
        log_from: index(7)?,
        erased: ErasedCounts { values: index(8)?, posts: index(9)?, media: index(10)? },
        leaf: leaf.map(|leaf| unsigned(leaf, "a leaf's index")).transpose()?,
    })
}

/// An erasure that is confirmed and not done.
pub(super) fn must_be_under_way(connection: &Connection, id: &str) -> Result<(ErasureRecord, Timestamp), RecordsError> {
    let found = connection.prepare_cached(ONE)?.query_row([id], |row| Ok(read(row))).optional()?.transpose()?;
    let confirmed = found.and_then(|erasure| erasure.confirmed.clone().map(|(_, at)| (erasure, at)));
    confirmed.filter(|(erasure, _)| erasure.leaf.is_none()).ok_or_else(|| RecordsError::Missing(id.to_owned()))
}
