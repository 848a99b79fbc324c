//! Reads posts: one, or a page of them.

use std::collections::BTreeSet;

use rusqlite::{Connection, params};

use super::{
    codec::{from_json, maybe_time, post_state, target_state, time},
    lives,
};
use crate::{
    model::{AccountId, GrantId, PostId, PostState},
    records::{Attempt, PostFilter, PostPage, PostRecord, RecordsError, TargetRecord, Vote},
};

/// Posts on one page.
const PAGE_MAX: u32 = 200;

pub(super) const POST: &str =
    "SELECT created_at, updated_at, author, digest, salt, request, state, verdicts FROM posts WHERE id = ?1";
pub(super) const TARGETS: &str =
    "SELECT account, state, draft, digest, call_key, grant_id, published, retry_at, unknown_step, commitments, release
    FROM targets WHERE post = ?1 ORDER BY position";
pub(super) const ATTEMPTS: &str = "SELECT attempt FROM attempts WHERE post = ?1 AND account = ?2 ORDER BY number";
pub(super) const VOTES: &str = "SELECT vote FROM votes WHERE post = ?1 ORDER BY number";

// One account's posts, newest first, each query answered from one index in order. `?2` is where the page starts.
pub(super) const LIST: &str = "SELECT post FROM targets WHERE account = ?1 AND post < ?2 ORDER BY post DESC LIMIT ?3";
pub(super) const LIST_STATE: &str =
    "SELECT post FROM targets WHERE account = ?1 AND post < ?2 AND post_state = ?4 ORDER BY post DESC LIMIT ?3";
pub(super) const LIST_CAMPAIGN: &str = "SELECT post FROM targets
    WHERE account = ?1 AND post < ?2 AND campaign = ?5 AND (?4 IS NULL OR post_state = ?4) ORDER BY post DESC LIMIT ?3";

/// Sorts after every id.
const END: &str = "\u{10FFFF}";

/// `Records::post`.
pub(super) fn read(connection: &Connection, id: &PostId) -> Result<Option<PostRecord>, RecordsError> {
    let mut statement = connection.prepare_cached(POST)?;
    let mut rows = statement.query([id.as_str()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(PostRecord {
        id: id.clone(),
        created_at: time(row.get(0)?)?,
        updated_at: time(row.get(1)?)?,
        author: from_json(&row.get::<_, String>(2)?, "posts.author")?,
        digest: row.get(3)?,
        salt: row.get(4)?,
        request: row.get(5)?,
        state: post_state(&row.get::<_, String>(6)?)?,
        verdicts: from_json(&row.get::<_, String>(7)?, "posts.verdicts")?,
        targets: targets(connection, id)?,
        votes: votes(connection, id)?,
        life: lives::read(connection, id)?,
    }))
}

fn targets(connection: &Connection, post: &PostId) -> Result<Vec<TargetRecord>, RecordsError> {
    let mut statement = connection.prepare_cached(TARGETS)?;
    let mut rows = statement.query([post.as_str()])?;
    let mut targets = Vec::new();
    while let Some(row) = rows.next()? {
        let account = AccountId::new(row.get::<_, String>(0)?);
        let unknown_step: Option<String> = row.get(8)?;
        targets.push(TargetRecord {
            attempts: attempts(connection, post, &account)?,
            account,
            state: target_state(&row.get::<_, String>(1)?)?,
            draft: from_json(&row.get::<_, String>(2)?, "targets.draft")?,
            digest: row.get(3)?,
            call_key: row.get(4)?,
            grant: GrantId::new(row.get::<_, String>(5)?),
            published: from_json(&row.get::<_, String>(6)?, "targets.published")?,
            retry_at: maybe_time(row.get(7)?)?,
            unknown_step: unknown_step.map(|text| from_json(&text, "targets.unknown_step")).transpose()?,
            commitments: from_json(&row.get::<_, String>(9)?, "targets.commitments")?,
            release: row.get(10)?,
        });
    }
    Ok(targets)
}

fn attempts(connection: &Connection, post: &PostId, account: &AccountId) -> Result<Vec<Attempt>, RecordsError> {
    let mut statement = connection.prepare_cached(ATTEMPTS)?;
    let mut rows = statement.query([post.as_str(), account.as_str()])?;
    let mut attempts = Vec::new();
    while let Some(row) = rows.next()? {
        attempts.push(from_json(&row.get::<_, String>(0)?, "attempts.attempt")?);
    }
    Ok(attempts)
}

fn votes(connection: &Connection, post: &PostId) -> Result<Vec<Vote>, RecordsError> {
    let mut statement = connection.prepare_cached(VOTES)?;
    let mut rows = statement.query([post.as_str()])?;
    let mut votes = Vec::new();
    while let Some(row) = rows.next()? {
        votes.push(from_json(&row.get::<_, String>(0)?, "votes.vote")?);
    }
    Ok(votes)
}

/// `Records::posts`: the newest of each account, merged. The page holds at most 200 posts.
pub(super) fn list(connection: &Connection, filter: &PostFilter) -> Result<PostPage, RecordsError> {
    let limit = filter.limit.min(PAGE_MAX) as usize;
    if limit == 0 {
        return Ok(PostPage { posts: Vec::new(), next: None });
    }
    let mut newest = BTreeSet::new();
    for account in &filter.accounts {
        collect(connection, filter, account, limit + 1, &mut newest)?;
        while newest.len() > limit + 1 {
            newest.pop_first();
        }
    }
    let mut posts = Vec::with_capacity(limit);
    for id in newest.iter().rev().take(limit) {
        let id = PostId::new(id.as_str());
        let post = read(connection, &id)?;
        posts.push(post.ok_or_else(|| RecordsError::Corrupt(format!("`{id}` has targets and no post")))?);
    }
    let next = posts.last().filter(|_| newest.len() > limit).map(|post: &PostRecord| post.id.clone());
    Ok(PostPage { posts, next })
}

fn collect(
    connection: &Connection,
    filter: &PostFilter,
    account: &AccountId,
    limit: usize,
    into: &mut BTreeSet<String>,
) -> Result<(), RecordsError> {
    let after = filter.after.as_ref().map_or(END, PostId::as_str);
    let limit = limit as i64;
    let state = filter.state.map(PostState::as_str);
    let account = account.as_str();
    let mut keep = |row: &rusqlite::Row<'_>| row.get::<_, String>(0).map(|id| into.insert(id));
    match (&filter.campaign, state) {
        (Some(campaign), state) => {
            let mut statement = connection.prepare_cached(LIST_CAMPAIGN)?;
            each(statement.query(params![account, after, limit, state, campaign])?, &mut keep)
        }
        (None, Some(state)) => {
            let mut statement = connection.prepare_cached(LIST_STATE)?;
            each(statement.query(params![account, after, limit, state])?, &mut keep)
        }
        (None, None) => each(connection.prepare_cached(LIST)?.query(params![account, after, limit])?, &mut keep),
    }
}

fn each(
    mut rows: rusqlite::Rows<'_>,
    keep: &mut impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<bool>,
) -> Result<(), RecordsError> {
    while let Some(row) = rows.next()? {
        keep(row)?;
    }
    Ok(())
}
