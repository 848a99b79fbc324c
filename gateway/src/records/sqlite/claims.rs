//! Attempts: claimed under a lease, journalled step by step, ended once.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{
    codec::{from_json, maybe_time, micros, purpose, target_state, time, to_json},
    errors::missing,
    posts,
    target::{self, Target},
};
use crate::{
    model::{AccountId, PluginName, PostId},
    records::{
        Attempt, Claim, ClaimFor, RecordsError, StepRecord, TargetFinish,
        rules::{Standing, working_state},
    },
};

/// Targets that one look at what is due returns.
const DUE_MAX: u32 = 10_000;

pub(super) const DUE: &str = "SELECT post, account, state, purpose, retry_at FROM targets
    WHERE due_at <= ?1 ORDER BY due_at LIMIT ?2";
pub(super) const UNATTEMPTED: &str = "SELECT account, due_at FROM targets WHERE due_at < ?1 ORDER BY due_at LIMIT ?2";
/// What a life has not let go: the look that its time asks for was not made.
pub(super) const UNWOKEN: &str =
    "SELECT targets.account, lives.due_at FROM lives CROSS JOIN targets ON targets.post = lives.post
    WHERE lives.wake_at < ?1 AND lives.due_at < ?1 AND targets.state = 'scheduled' ORDER BY lives.wake_at LIMIT ?2";
pub(super) const STEPS: &str = "SELECT step, kind, attempt, request_digest, status, headers, body, at
    FROM steps WHERE post = ?1 AND account = ?2 ORDER BY rowid";
pub(super) const RELEASE: &str = "UPDATE targets SET lease_until = NULL, due_at = 0 WHERE lease_until IS NOT NULL";
/// What an attempt goes on with.
pub(super) const BIND: &str = "UPDATE targets SET release = ?3 WHERE post = ?1 AND account = ?2";
/// How the steps of a recall begin.
const RECALL_STEP: &str = "recall:";
pub(super) const NOTE: &str = "SELECT note FROM notes WHERE account = ?1 AND plugin = ?2";
pub(super) const LAST_NOTE: &str = "SELECT note, max(written_at) FROM notes WHERE account = ?1 GROUP BY account";

/// `Records::claim_target`.
pub(super) fn claim(
    connection: &Connection,
    (post, account): (&PostId, &AccountId),
    claim: ClaimFor,
    now: Timestamp,
    lease_until: Timestamp,
    release: Option<&str>,
) -> Result<Option<Claim>, RecordsError> {
    let Some(mut target) = Target::read(connection, post, account)? else { return Ok(None) };
    if !target.standing.claimable(target.due_at, claim, now) {
        return Ok(None);
    }
    target.standing =
        Standing { state: working_state(claim), purpose: claim, lease_until: Some(lease_until), retry_at: None };
    target.attempt = target.attempt.saturating_add(1);
    let (attempt, begun_at) = (target.attempt, target.begun_at.unwrap_or(now));
    target.begun_at = Some(begun_at);
    let unanswered = target.unknown_step.as_ref().map(|unknown| unknown.step.clone());
    target.write(connection, post, account, Some(now))?;
    let steps = steps(connection, post, account)?;
    let of_this = |step: &str| step.starts_with(RECALL_STEP) == (claim == ClaimFor::Recall);
    let began = unanswered.iter().chain(steps.iter().map(|step| &step.step)).any(|step| of_this(step));
    if let (Some(release), false) = (release, began) {
        connection.prepare_cached(BIND)?.execute([post.as_str(), account.as_str(), release])?;
    }
    let Some(record) = posts::read(connection, post)? else { return Err(RecordsError::Missing(post.to_string())) };
    Ok(Some(Claim { attempt, begun_at, post: record, steps, note: last_note(connection, account)? }))
}

fn steps(connection: &Connection, post: &PostId, account: &AccountId) -> Result<Vec<StepRecord>, RecordsError> {
    let mut statement = connection.prepare_cached(STEPS)?;
    let mut rows = statement.query([post.as_str(), account.as_str()])?;
    let mut steps = Vec::new();
    while let Some(row) = rows.next()? {
        steps.push(StepRecord {
            step: row.get(0)?,
            kind: row.get(1)?,
            attempt: row.get(2)?,
            request_digest: row.get(3)?,
            status: row.get(4)?,
            headers: from_json(&row.get::<_, String>(5)?, "steps.headers")?,
            body: row.get(6)?,
            at: time(row.get(7)?)?,
        });
    }
    Ok(steps)
}

/// `Records::note`.
pub(super) fn note(connection: &Connection, account: &AccountId, plugin: &PluginName) -> Result<Vec<u8>, RecordsError> {
    let mut statement = connection.prepare_cached(NOTE)?;
    let mut rows = statement.query([account.as_str(), plugin.as_str()])?;
    Ok(rows.next()?.map(|row| row.get(0)).transpose()?.unwrap_or_default())
}

fn last_note(connection: &Connection, account: &AccountId) -> Result<Vec<u8>, RecordsError> {
    let mut statement = connection.prepare_cached(LAST_NOTE)?;
    let mut rows = statement.query([account.as_str()])?;
    Ok(rows.next()?.map(|row| row.get(0)).transpose()?.unwrap_or_default())
}

/// `Records::journal_step`: the first answer to a step stays.
pub(super) fn journal(
    connection: &Connection,
    post: &PostId,
    account: &AccountId,
    step: &StepRecord,
) -> Result<(), RecordsError> {
    connection
        .prepare_cached(
            "INSERT INTO steps (post, account, step, kind, attempt, request_digest, status, headers, body, at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (post, account, step) DO NOTHING",
        )?
        .execute(params![
            post.as_str(),
            account.as_str(),
            step.step,
            step.kind,
            step.attempt,
            step.request_digest,
            step.status,
            to_json(&step.headers, "steps.headers")?,
            step.body,
            micros(step.at),
        ])
        .map_err(|error| missing(error, || target::name(post, account)))?;
    Ok(())
}

/// `Records::finish_target`. An attempt that ends after a later one was claimed leaves the target to the later one.
pub(super) fn finish(
    connection: &Connection,
    post: &PostId,
    account: &AccountId,
    finish: TargetFinish,
) -> Result<(), RecordsError> {
    let mut target = Target::must_read(connection, post, account)?;
    let at = finish.attempt.at;
    keep_attempt(connection, post, account, &finish.attempt)?;
    if finish.attempt.number < target.attempt {
        if target.unknown_step.is_none() && finish.unknown_step.is_some() {
            target.unknown_step = finish.unknown_step;
            return target.write(connection, post, account, None);
        }
        return Ok(());
    }
    target.standing = Standing { state: finish.state, lease_until: None, retry_at: finish.retry_at, ..target.standing };
    target.attempt = finish.attempt.number;
    target.unknown_step = finish.unknown_step;
    target.leaf = target.leaf.max(finish.leaf);
    if !finish.published.is_empty() {
        target.published = finish.published;
    }
    if let Some((plugin, note)) = finish.note {
        keep_note(connection, account, &plugin, &note, at)?;
    }
    target.write(connection, post, account, Some(at))
}

fn keep_attempt(
    connection: &Connection,
    post: &PostId,
    account: &AccountId,
    attempt: &Attempt,
) -> Result<(), RecordsError> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO attempts (post, account, number, attempt) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![post.as_str(), account.as_str(), attempt.number, to_json(attempt, "attempts.attempt")?])?;
    Ok(())
}

fn keep_note(
    connection: &Connection,
    account: &AccountId,
    plugin: &str,
    note: &[u8],
    at: Timestamp,
) -> Result<(), RecordsError> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO notes (account, plugin, written_at, note) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![account.as_str(), plugin, micros(at), note])?;
    Ok(())
}

/// `Records::due`, the longest waiting first, at most 10,000.
pub(super) fn due(
    connection: &Connection,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<(PostId, AccountId, ClaimFor)>, RecordsError> {
    let mut statement = connection.prepare_cached(DUE)?;
    let mut rows = statement.query(params![micros(now), limit.min(DUE_MAX)])?;
    let mut due = Vec::new();
    while let Some(row) = rows.next()? {
        let standing = Standing {
            state: target_state(&row.get::<_, String>(2)?)?,
            purpose: purpose(&row.get::<_, String>(3)?)?,
            lease_until: None,
            retry_at: maybe_time(row.get(4)?)?,
        };
        if let Some(work) = standing.work() {
            due.push((PostId::new(row.get::<_, String>(0)?), AccountId::new(row.get::<_, String>(1)?), work));
        }
    }
    Ok(due)
}

/// `Records::unattempted`.
pub(super) fn unattempted(
    connection: &Connection,
    before: Timestamp,
    limit: u32,
) -> Result<Vec<(AccountId, Timestamp)>, RecordsError> {
    let mut found = Vec::new();
    for sql in [UNATTEMPTED, UNWOKEN] {
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query(params![micros(before), limit.min(DUE_MAX)])?;
        while let Some(row) = rows.next()? {
            found.push((AccountId::new(row.get::<_, String>(0)?), time(row.get(1)?)?));
        }
    }
    found.sort_by_key(|(_, since)| *since);
    found.truncate(limit as usize);
    Ok(found)
}

/// `Records::release_leases`.
pub(super) fn release(connection: &Connection) -> Result<u64, RecordsError> {
    Ok(connection.prepare_cached(RELEASE)?.execute([])? as u64)
}
