//! Lives of posts: the events, what they make of a post, and what follows for its targets, in one transaction.

use jiff::Timestamp;
use pressgate_workflow::{Life, life::Plan};
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    accept,
    codec::{from_json, maybe_time, micros, signed, to_json},
    links, notices, openings,
    target::{self, Target},
};
use crate::{
    model::{PersonId, PostId, PostState, TargetState},
    records::{
        Advance, ClaimFor, CommentRecord, KeptLife, LifeEvent, NewContent, NewLife, RecordsError, TargetMove, Vote,
    },
};

pub(super) const READ: &str = "SELECT life, plan, wake_at FROM lives WHERE post = ?1";
pub(super) const WAKE: &str = "SELECT post FROM lives WHERE wake_at > ?1 AND wake_at <= ?2 ORDER BY wake_at LIMIT ?3";
pub(super) const WAKE_WAITING: &str = "UPDATE lives SET wake_at = min(coalesce(wake_at, ?1), ?1)
    WHERE post IN (SELECT post FROM targets WHERE state = 'held')";
pub(super) const PLANNED: &str =
    "SELECT post FROM lives WHERE due_at >= ?1 AND due_at < ?2 ORDER BY due_at, post LIMIT ?3";
/// The condition is that of the index, letter by letter.
pub(super) const RECURRING: &str = "SELECT post FROM lives WHERE instr(plan, '\"rule\":') > 0 AND due_at < ?1
    ORDER BY due_at DESC LIMIT ?2";
pub(super) const HELD: &str =
    "SELECT DISTINCT post FROM targets WHERE state = 'held' AND post > ?1 ORDER BY post LIMIT ?2";
pub(super) const EVENTS: &str = "SELECT event FROM life_events WHERE post = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";

/// Of a post that is being accepted.
pub(super) fn begin(connection: &Connection, post: &PostId, new: &NewLife) -> Result<(), RecordsError> {
    put(connection, post, &new.life, new.wake_at)?;
    connection
        .prepare_cached("UPDATE lives SET plan = ?2 WHERE post = ?1")?
        .execute(params![post.as_str(), new.plan])?;
    append(connection, post, &new.events)
}

/// `Records::post`, its part.
pub(super) fn read(connection: &Connection, post: &PostId) -> Result<Option<KeptLife>, RecordsError> {
    let mut statement = connection.prepare_cached(READ)?;
    let mut rows = statement.query([post.as_str()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let life = from_json(&row.get::<_, String>(0)?, "lives.life")?;
    Ok(Some(KeptLife { life, plan: row.get(1)?, wake_at: maybe_time(row.get(2)?)? }))
}

/// `Records::advance`.
pub(super) fn advance(connection: &Connection, advance: &Advance) -> Result<bool, RecordsError> {
    let post = &advance.post;
    let seq: Option<i64> = connection
        .prepare_cached("SELECT seq FROM lives WHERE post = ?1")?
        .query_row([post.as_str()], |row| row.get(0))
        .optional()?;
    if seq.unwrap_or_default() != signed(advance.from, "an event's number")? {
        return Ok(false);
    }
    if let Some(once) = &advance.once {
        accept::keep_once(connection, once, post, advance.at)?;
    }
    put(connection, post, &advance.life, advance.wake_at)?;
    if advance.plan.is_some() {
        connection
            .prepare_cached("UPDATE lives SET plan = ?2 WHERE post = ?1")?
            .execute(params![post.as_str(), advance.plan])?;
    }
    append(connection, post, &advance.events)?;
    if let Some(version) = &advance.version {
        replace(connection, post, version, advance.at)?;
    }
    for moved in &advance.targets {
        move_target(connection, post, moved, advance.at)?;
    }
    if let Some(vote) = &advance.vote {
        keep_vote(connection, post, vote)?;
    }
    if let Some(comment) = &advance.comment {
        connection
            .prepare_cached("INSERT OR REPLACE INTO comments (post, number, person, text) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![
                post.as_str(),
                comment.number,
                comment.person.as_ref().map(PersonId::as_str),
                comment.text
            ])?;
    }
    if let Some(verdicts) = &advance.verdicts {
        connection
            .prepare_cached("UPDATE posts SET verdicts = ?2 WHERE id = ?1")?
            .execute(params![post.as_str(), to_json(verdicts, "posts.verdicts")?])?;
    }
    openings::put(connection, &advance.openings)?;
    links::put(connection, &advance.links, advance.at)?;
    notices::put(connection, &advance.notices)?;
    target::sum_up(connection, post, advance.at)?;
    Ok(true)
}

fn put(connection: &Connection, post: &PostId, life: &Life, wake_at: Option<Timestamp>) -> Result<(), RecordsError> {
    connection
        .prepare_cached(
            "INSERT INTO lives (post, seq, life, due_at, wake_at) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (post) DO UPDATE SET seq = excluded.seq, life = excluded.life, due_at = excluded.due_at,
                 wake_at = excluded.wake_at",
        )?
        .execute(params![
            post.as_str(),
            signed(life.seq(), "an event's number")?,
            to_json(life, "lives.life")?,
            timed(life).map(micros),
            wake_at.map(micros),
        ])?;
    Ok(())
}

/// When it is due, or was, where somebody set a time.
fn timed(life: &Life) -> Option<Timestamp> {
    life.due().filter(|_| matches!(life.content().plan, Plan::At(_)))
}

fn append(connection: &Connection, post: &PostId, events: &[LifeEvent]) -> Result<(), RecordsError> {
    let mut statement = connection.prepare_cached("INSERT INTO life_events (post, seq, event) VALUES (?1, ?2, ?3)")?;
    for event in events {
        let seq = signed(event.seq, "an event's number")?;
        statement.execute(params![post.as_str(), seq, to_json(event, "life_events.event")?])?;
    }
    Ok(())
}

fn keep_vote(connection: &Connection, post: &PostId, vote: &Vote) -> Result<(), RecordsError> {
    connection
        .prepare_cached(
            "INSERT INTO votes (post, number, vote)
             VALUES (?1, (SELECT coalesce(max(number), 0) + 1 FROM votes WHERE post = ?1), ?2)",
        )?
        .execute(params![post.as_str(), to_json(vote, "votes.vote")?])?;
    Ok(())
}

fn move_target(connection: &Connection, post: &PostId, moved: &TargetMove, at: Timestamp) -> Result<(), RecordsError> {
    let mut found = Target::must_read(connection, post, &moved.account)?;
    found.standing.state = moved.state;
    found.standing.lease_until = None;
    found.standing.retry_at = moved.retry_at;
    found.standing.purpose = ClaimFor::Publish;
    if moved.state != TargetState::Unknown {
        found.unknown_step = None;
    }
    if let Some(published) = &moved.published {
        found.published.clone_from(published);
    }
    if let Some(key) = &moved.anew {
        found.published.clear();
        found.begun_at = None;
        connection
            .prepare_cached("DELETE FROM steps WHERE post = ?1 AND account = ?2")?
            .execute([post.as_str(), moved.account.as_str()])?;
        connection.prepare_cached("UPDATE targets SET call_key = ?3 WHERE post = ?1 AND account = ?2")?.execute([
            post.as_str(),
            moved.account.as_str(),
            key,
        ])?;
    }
    found.write(connection, post, &moved.account, Some(at))
}

/// A new version takes the place of the one before. What was attempted stays, so that its numbers never come twice.
fn replace(connection: &Connection, post: &PostId, new: &NewContent, at: Timestamp) -> Result<(), RecordsError> {
    connection
        .prepare_cached("UPDATE posts SET digest = ?2, salt = ?3, request = ?4 WHERE id = ?1")?
        .execute(params![post.as_str(), new.digest, new.salt, new.request])?;
    let had: Vec<String> = connection
        .prepare_cached("SELECT account FROM targets WHERE post = ?1")?
        .query_map([post.as_str()], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for account in had.iter().filter(|account| !new.targets.iter().any(|target| target.account.as_str() == **account)) {
        for table in ["steps", "attempts", "targets"] {
            connection
                .prepare_cached(&format!("DELETE FROM {table} WHERE post = ?1 AND account = ?2"))?
                .execute([post.as_str(), account])?;
        }
    }
    for (position, target) in (0_i64..).zip(&new.targets) {
        if !had.iter().any(|account| account == target.account.as_str()) {
            accept::insert_target(connection, (post, at), target, position, PostState::Draft)?;
            continue;
        }
        connection
            .prepare_cached(
                "UPDATE targets SET position = ?3, state = ?4, campaign = ?5, digest = ?6, grant_id = ?7, draft = ?8,
                     commitments = ?9, due_at = NULL, retry_at = NULL, begun_at = NULL WHERE post = ?1 AND account = ?2",
            )?
            .execute(params![
                post.as_str(),
                target.account.as_str(),
                position,
                target.state.as_str(),
                target.draft.campaign,
                target.digest,
                target.grant.as_str(),
                to_json(&target.draft, "targets.draft")?,
                to_json(&target.commitments, "targets.commitments")?,
            ])?;
    }
    connection.prepare_cached("DELETE FROM post_media WHERE post = ?1")?.execute([post.as_str()])?;
    accept::keep_media(connection, post, &new.media)
}

/// `Records::life_events`.
pub(super) fn events(
    connection: &Connection,
    post: &PostId,
    after: u64,
    limit: u32,
) -> Result<Vec<LifeEvent>, RecordsError> {
    let mut statement = connection.prepare_cached(EVENTS)?;
    let mut rows = statement.query(params![post.as_str(), signed(after, "an event's number")?, limit])?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        events.push(from_json(&row.get::<_, String>(0)?, "life_events.event")?);
    }
    Ok(events)
}

/// `Records::comments`.
pub(super) fn comments(connection: &Connection, post: &PostId) -> Result<Vec<CommentRecord>, RecordsError> {
    let mut statement =
        connection.prepare_cached("SELECT number, person, text FROM comments WHERE post = ?1 ORDER BY number")?;
    let mut rows = statement.query([post.as_str()])?;
    let mut comments = Vec::new();
    while let Some(row) = rows.next()? {
        let person: Option<String> = row.get(1)?;
        comments.push(CommentRecord { number: row.get(0)?, person: person.map(PersonId::new), text: row.get(2)? });
    }
    Ok(comments)
}

/// `Records::to_wake`.
pub(super) fn to_wake(
    connection: &Connection,
    from: Timestamp,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<PostId>, RecordsError> {
    ids(connection.prepare_cached(WAKE)?.query(params![micros(from), micros(now), limit])?)
}

/// `Records::wake_waiting`.
pub(super) fn wake_waiting(connection: &Connection, at: Timestamp) -> Result<u64, RecordsError> {
    let woken = connection.prepare_cached(WAKE_WAITING)?.execute([micros(at)])?;
    Ok(woken as u64)
}

/// `Records::held_posts`.
pub(super) fn held(connection: &Connection, after: Option<&PostId>, limit: u32) -> Result<Vec<PostId>, RecordsError> {
    ids(connection.prepare_cached(HELD)?.query(params![after.map_or("", PostId::as_str), limit])?)
}

/// `Records::planned`.
pub(super) fn planned(
    connection: &Connection,
    from: Timestamp,
    until: Timestamp,
    limit: u32,
) -> Result<Vec<PostId>, RecordsError> {
    ids(connection.prepare_cached(PLANNED)?.query(params![micros(from), micros(until), limit])?)
}

/// `Records::recurring`.
pub(super) fn recurring(connection: &Connection, before: Timestamp, limit: u32) -> Result<Vec<PostId>, RecordsError> {
    ids(connection.prepare_cached(RECURRING)?.query(params![micros(before), limit])?)
}

fn ids(mut rows: rusqlite::Rows<'_>) -> Result<Vec<PostId>, RecordsError> {
    let mut ids = Vec::new();
    while let Some(row) = rows.next()? {
        ids.push(PostId::new(row.get::<_, String>(0)?));
    }
    Ok(ids)
}
