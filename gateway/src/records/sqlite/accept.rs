//! Takes in a post: the idempotency key and the post are one transaction.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{
    codec::{micros, purpose_name, to_json},
    errors::exists,
    lives, openings, target,
};
use crate::{
    model::{MediaId, PostId, PostState, TargetState},
    records::{
        Accepted, ClaimFor, IdempotencyKey, IdempotencyUse, NewPost, NewTarget, RecordsError, StoredAnswer,
        rules::Standing,
    },
};

/// Idempotency keys that one commit forgets.
pub(super) const FORGET_MAX: u32 = 1_000;

pub(super) const FIND_KEY: &str =
    "SELECT fingerprint, post, status, body FROM idempotency WHERE scope = ?1 AND key = ?2";
pub(super) const FORGET_KEYS: &str = "DELETE FROM idempotency WHERE rowid IN
    (SELECT rowid FROM idempotency WHERE created_at < ?1 ORDER BY created_at LIMIT ?2)";

/// `Records::accept_post`.
pub(super) fn accept(connection: &Connection, post: &NewPost) -> Result<Accepted, RecordsError> {
    if let Some(idempotency) = &post.idempotency {
        if let Some(earlier) = earlier(connection, idempotency)? {
            return Ok(earlier);
        }
        keep_key(connection, idempotency, &post.id, post.created_at)?;
    }
    let states: Vec<TargetState> = post.targets.iter().map(|target| target.state).collect();
    let state = PostState::of(states);
    connection
        .prepare_cached(
            "INSERT INTO posts (id, created_at, updated_at, state, digest, salt, author, verdicts, request, subject)
             VALUES (?1, ?2, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            post.id.as_str(),
            micros(post.created_at),
            state.as_str(),
            post.digest,
            post.salt,
            to_json(&post.author, "posts.author")?,
            to_json(&post.verdicts, "posts.verdicts")?,
            post.request,
            post.subject,
        ])
        .map_err(|error| exists(error, post.id.as_str()))?;
    for (position, target) in (0_i64..).zip(&post.targets) {
        insert_target(connection, (&post.id, post.created_at), target, position, state)?;
    }
    keep_media(connection, &post.id, &post.media)?;
    openings::put(connection, &post.openings)?;
    if let Some(life) = &post.life {
        lives::begin(connection, &post.id, life)?;
    }
    Ok(Accepted::Fresh)
}

/// `Records::repeated`.
pub(super) fn earlier(connection: &Connection, idempotency: &IdempotencyUse) -> Result<Option<Accepted>, RecordsError> {
    let mut statement = connection.prepare_cached(FIND_KEY)?;
    let mut rows = statement.query([&idempotency.key.scope, &idempotency.key.key])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    if row.get::<_, String>(0)? != idempotency.fingerprint {
        return Ok(Some(Accepted::Mismatch));
    }
    let post = PostId::new(row.get::<_, String>(1)?);
    let answer = match (row.get(2)?, row.get(3)?) {
        (Some(status), Some(body)) => Some(StoredAnswer { status, body }),
        _ => None,
    };
    Ok(Some(Accepted::Repeated { post, answer }))
}

/// The key of a decision; another part of the same may have kept it.
pub(super) fn keep_once(
    connection: &Connection,
    idempotency: &IdempotencyUse,
    post: &PostId,
    at: Timestamp,
) -> Result<(), RecordsError> {
    match earlier(connection, idempotency)? {
        Some(_) => Ok(()),
        None => keep_key(connection, idempotency, post, at),
    }
}

fn keep_key(
    connection: &Connection,
    idempotency: &IdempotencyUse,
    post: &PostId,
    at: Timestamp,
) -> Result<(), RecordsError> {
    connection
        .prepare_cached(
            "INSERT INTO idempotency (scope, key, fingerprint, post, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            idempotency.key.scope,
            idempotency.key.key,
            idempotency.fingerprint,
            post.as_str(),
            micros(at)
        ])?;
    Ok(())
}

/// A target of a post, or of a new version of it.
pub(super) fn insert_target(
    connection: &Connection,
    (post, at): (&PostId, Timestamp),
    new: &NewTarget,
    position: i64,
    post_state: PostState,
) -> Result<(), RecordsError> {
    let claimed = new.state == TargetState::Publishing;
    let standing = Standing {
        state: new.state,
        purpose: ClaimFor::Publish,
        lease_until: new.lease_until.filter(|_| claimed),
        retry_at: None,
    };
    connection
        .prepare_cached(
            "INSERT INTO targets (post, account, position, state, purpose, attempt, lease_until, due_at, post_state,
                 campaign, digest, call_key, grant_id, published, draft, commitments, begun_at, release)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, '[]', ?14, ?15, ?16, ?17)",
        )?
        .execute(params![
            post.as_str(),
            new.account.as_str(),
            position,
            new.state.as_str(),
            purpose_name(standing.purpose),
            i64::from(claimed),
            standing.lease_until.map(micros),
            standing.due_at(at).map(micros),
            post_state.as_str(),
            new.draft.campaign,
            new.digest,
            new.call_key,
            new.grant.as_str(),
            to_json(&new.draft, "targets.draft")?,
            to_json(&new.commitments, "targets.commitments")?,
            claimed.then(|| micros(at)),
            new.release,
        ])
        .map_err(|error| exists(error, &target::name(post, &new.account)))?;
    Ok(())
}

/// Ties media to the post. A medium that was cleared away meanwhile makes the post impossible.
pub(super) fn keep_media(connection: &Connection, post: &PostId, media: &[MediaId]) -> Result<(), RecordsError> {
    for medium in media {
        let found = connection.prepare_cached("UPDATE media SET used = 1 WHERE id = ?1")?.execute([medium.as_str()])?;
        if found == 0 {
            return Err(RecordsError::Missing(medium.to_string()));
        }
        connection
            .prepare_cached("INSERT OR IGNORE INTO post_media (media, post) VALUES (?1, ?2)")?
            .execute([medium.as_str(), post.as_str()])?;
    }
    Ok(())
}

/// `Records::save_answer`.
pub(super) fn save_answer(
    connection: &Connection,
    key: &IdempotencyKey,
    answer: &StoredAnswer,
) -> Result<(), RecordsError> {
    let found = connection
        .prepare_cached("UPDATE idempotency SET status = ?3, body = ?4 WHERE scope = ?1 AND key = ?2")?
        .execute(params![key.scope, key.key, answer.status, answer.body])?;
    if found == 0 {
        return Err(RecordsError::Missing(format!("an idempotency key of {}", key.scope)));
    }
    Ok(())
}

/// `Records::free_key`.
pub(super) fn free_key(connection: &Connection, key: &IdempotencyKey, post: &PostId) -> Result<(), RecordsError> {
    connection.prepare_cached("DELETE FROM idempotency WHERE scope = ?1 AND key = ?2 AND post = ?3")?.execute([
        key.scope.as_str(),
        key.key.as_str(),
        post.as_str(),
    ])?;
    Ok(())
}

/// A part of `Records::forget_idempotency`: at most `FORGET_MAX` keys, so that other operations get in between.
pub(super) fn forget(connection: &Connection, before: Timestamp) -> Result<u64, RecordsError> {
    let gone = connection.prepare_cached(FORGET_KEYS)?.execute(params![micros(before), FORGET_MAX])?;
    Ok(gone as u64)
}
