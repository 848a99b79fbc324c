//! Erasing: what a subject left is taken out of every table, a part at a time.
//!
//! The connection has `secure_delete`: what is deleted or replaced is overwritten with zeros where it lay.

use std::collections::BTreeSet;

use rusqlite::{Connection, params};

use super::{
    codec::{from_json, micros, to_json},
    erasures::{OPEN_TARGET, must_be_under_way},
    feeds, notices,
};
use crate::{
    model::{Draft, MediaId, Part, PersonId, Principal, Verdict},
    records::{Attempt, ErasePart, ErasureRecord, RecordsError, Vote},
};

/// Posts that one part takes; each has several rows.
const POSTS_MAX: u32 = 100;

pub(super) const OPENINGS: &str = "DELETE FROM openings WHERE rowid IN
    (SELECT rowid FROM openings WHERE subject = ?1 AND key IS NOT ?2 LIMIT ?3)";
pub(super) const MEDIA_POSTS: &str = "SELECT 1 FROM post_media AS m JOIN posts AS p ON p.id = m.post
    WHERE m.media = ?1 AND p.erased_at IS NULL LIMIT 1";
pub(super) const UNUSED: &str = "SELECT id FROM media WHERE used = 0 AND owner = ?1 LIMIT ?2";

/// `Records::erase_part`: openings first, then posts, then media that no post uses.
pub(super) fn part(connection: &Connection, part: &ErasePart) -> Result<bool, RecordsError> {
    let (erasure, before) = must_be_under_way(connection, &part.id)?;
    let limit = part.limit.max(1);
    let values = connection.prepare_cached(OPENINGS)?.execute(params![erasure.subject, part.keep_key, limit])?;
    let ids = posts(connection, &erasure.subject, micros(before), limit.min(POSTS_MAX))?;
    let mut media = BTreeSet::new();
    for id in &ids {
        blank(connection, id, micros(before), &mut media)?;
    }
    let owner = owner(&erasure.subject);
    let unused = owner.as_ref().map(|owner| unused(connection, owner, limit)).transpose()?.unwrap_or_default();
    let more = values > 0 || !ids.is_empty() || !unused.is_empty();
    if !more {
        owner.iter().try_for_each(|owner| feeds::erase(connection, owner))?;
        notes(connection, &erasure)?;
    }
    let gone = doom(connection, &erasure.id, media.into_iter().chain(unused))?;
    connection
        .prepare_cached(
            "UPDATE erasures SET gone_values = gone_values + ?2, gone_posts = gone_posts + ?3,
                 gone_media = gone_media + ?4 WHERE id = ?1",
        )?
        .execute(params![erasure.id, values as i64, ids.len() as i64, gone])?;
    Ok(more)
}

/// Posts of the subject that are over.
fn posts(connection: &Connection, subject: &str, before: i64, limit: u32) -> Result<Vec<String>, RecordsError> {
    let sql = format!(
        "SELECT p.id FROM posts AS p WHERE p.subject = ?1 AND p.erased_at IS NULL AND p.created_at <= ?2
         AND NOT EXISTS (SELECT 1 FROM targets AS t WHERE t.post = p.id AND {OPEN_TARGET}) ORDER BY p.id LIMIT ?3"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let ids = statement.query_map(params![subject, before, limit], |row| row.get(0))?;
    Ok(ids.collect::<Result<_, _>>()?)
}

/// Takes the content out of a post, and adds its media to `media`.
fn blank(connection: &Connection, id: &str, at: i64, media: &mut BTreeSet<MediaId>) -> Result<(), RecordsError> {
    let verdicts: String =
        connection.prepare_cached("SELECT verdicts FROM posts WHERE id = ?1")?.query_row([id], |row| row.get(0))?;
    let mut verdicts: Vec<Verdict> = from_json(&verdicts, "posts.verdicts")?;
    for finding in verdicts.iter_mut().flat_map(|verdict| &mut verdict.findings) {
        // What was found stays, by its code; the message may quote it.
        finding.message.clear();
    }
    connection
        .prepare_cached("UPDATE posts SET request = '{}', salt = '', verdicts = ?2, erased_at = ?3 WHERE id = ?1")?
        .execute(params![id, to_json(&verdicts, "posts.verdicts")?, at])?;
    blank_targets(connection, id, media)?;
    each(connection, "SELECT rowid, attempt FROM attempts WHERE post = ?1", id, |row, text| {
        let mut attempt: Attempt = from_json(&text, "attempts.attempt")?;
        (attempt.message, attempt.body) = (None, None);
        let text = to_json(&attempt, "attempts.attempt")?;
        connection.prepare_cached("UPDATE attempts SET attempt = ?2 WHERE rowid = ?1")?.execute(params![row, text])?;
        Ok(())
    })?;
    each(connection, "SELECT rowid, vote FROM votes WHERE post = ?1", id, |row, text| silence(connection, row, &text))?;
    connection.prepare_cached("DELETE FROM steps WHERE post = ?1")?.execute([id])?;
    connection.prepare_cached("UPDATE comments SET text = '' WHERE post = ?1")?.execute([id])?;
    connection
        .prepare_cached("UPDATE life_events SET event = json_set(event, '$.why', NULL) WHERE post = ?1")?
        .execute([id])?;
    // Labels and campaigns are the author's words.
    connection
        .prepare_cached(
            "UPDATE life_events SET event = json_set(event, '$.change.content.labels', json('[]'),
                 '$.change.content.campaign', NULL) WHERE post = ?1 AND event ->> '$.change.content' IS NOT NULL",
        )?
        .execute([id])?;
    connection
        .prepare_cached(
            "UPDATE lives SET plan = NULL, life = json_set(life, '$.version.content.labels', json('[]'),
                 '$.version.content.campaign', NULL) WHERE post = ?1",
        )?
        .execute([id])?;
    // The key stays, so that a repetition makes no second post; it is told that its body is another.
    connection
        .prepare_cached("UPDATE idempotency SET fingerprint = '', status = NULL, body = NULL WHERE post = ?1")?
        .execute([id])?;
    Ok(())
}

/// An erased target is never worked on again: what was unknown stays so.
fn blank_targets(connection: &Connection, id: &str, media: &mut BTreeSet<MediaId>) -> Result<(), RecordsError> {
    each(connection, "SELECT rowid, draft FROM targets WHERE post = ?1", id, |row, text| {
        let mut draft: Draft = from_json(&text, "targets.draft")?;
        media.extend(draft.parts.iter().flat_map(|part| &part.media).map(|medium| medium.id.clone()));
        let parts = draft.parts.iter().map(|_| Part { text: String::new(), media: Vec::new() }).collect();
        draft = Draft {
            action: draft.action,
            parts,
            language: None,
            target: None,
            options: Default::default(),
            labels: Vec::new(),
            campaign: None,
        };
        connection
            .prepare_cached(
                "UPDATE targets SET draft = ?2, campaign = NULL, due_at = NULL, retry_at = NULL WHERE rowid = ?1",
            )?
            .execute(params![row, to_json(&draft, "targets.draft")?])?;
        Ok(())
    })
}

/// Every row of a post, with one text of it.
fn each(
    connection: &Connection,
    sql: &str,
    id: &str,
    mut change: impl FnMut(i64, String) -> Result<(), RecordsError>,
) -> Result<(), RecordsError> {
    let rows: Vec<(i64, String)> = connection
        .prepare_cached(sql)?
        .query_map([id], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    rows.into_iter().try_for_each(|(row, text)| change(row, text))
}

fn silence(connection: &Connection, row: i64, text: &str) -> Result<(), RecordsError> {
    let mut vote: Vote = from_json(text, "votes.vote")?;
    if vote.note.take().is_some() {
        let text = to_json(&vote, "votes.vote")?;
        connection.prepare_cached("UPDATE votes SET vote = ?2 WHERE rowid = ?1")?.execute(params![row, text])?;
    }
    Ok(())
}

/// What the person wrote on posts of others (notes with votes, reasons, comments), and what they were told. Votes are few.
fn notes(connection: &Connection, erasure: &ErasureRecord) -> Result<(), RecordsError> {
    let Some(person) = erasure.subject.strip_prefix("person:") else { return Ok(()) };
    notices::erase(connection, &erasure.subject)?;
    connection.prepare_cached("UPDATE comments SET text = '' WHERE person = ?1")?.execute([person])?;
    connection
        .prepare_cached(
            "UPDATE life_events SET event = json_set(event, '$.why', NULL)
             WHERE event ->> '$.by.person' = ?1 AND event ->> '$.why' IS NOT NULL",
        )?
        .execute([person])?;
    let sql = "SELECT rowid, vote FROM votes WHERE json_extract(vote, '$.person') = ?1
        AND json_extract(vote, '$.note') IS NOT NULL";
    each(connection, sql, person, |row, text| silence(connection, row, &text))
}

/// The holder of media, as the column has it.
pub(super) fn owner(subject: &str) -> Option<Principal> {
    let (kind, id) = subject.split_once(':')?;
    match kind {
        "person" => Some(Principal::Person(PersonId::new(id))),
        "app" => Some(Principal::App(crate::model::AppId::new(id))),
        _ => None,
    }
}

fn unused(connection: &Connection, owner: &Principal, limit: u32) -> Result<Vec<MediaId>, RecordsError> {
    let mut statement = connection.prepare_cached(UNUSED)?;
    let ids = statement.query_map(params![to_json(owner, "media.owner")?, limit], |row| row.get::<_, String>(0))?;
    Ok(ids.map(|id| id.map(MediaId::new)).collect::<Result<_, _>>()?)
}

/// Takes media out of the records that no other post uses; their bytes are removed by whoever asked.
fn doom(connection: &Connection, erasure: &str, media: impl Iterator<Item = MediaId>) -> Result<i64, RecordsError> {
    let mut gone = 0;
    for medium in media {
        let medium = medium.as_str();
        if connection.prepare_cached(MEDIA_POSTS)?.exists([medium])? {
            continue;
        }
        connection.prepare_cached("DELETE FROM post_media WHERE media = ?1")?.execute([medium])?;
        if connection.prepare_cached("DELETE FROM media WHERE id = ?1")?.execute([medium])? > 0 {
            connection
                .prepare_cached("INSERT OR IGNORE INTO doomed_media (erasure, media) VALUES (?1, ?2)")?
                .execute([erasure, medium])?;
            gone += 1;
        }
    }
    Ok(gone)
}
