//! Votes on held posts.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    codec::{micros, post_state, to_json},
    target,
};
use crate::{
    model::{PostId, TargetState},
    records::{RecordsError, Vote, VoteResult},
};

pub(super) const MOVE: &str = "UPDATE targets SET state = ?2, due_at = ?3 WHERE post = ?1 AND state = 'held'";

/// `Records::vote`. A post counts as held while any of its targets is.
pub(super) fn vote(connection: &Connection, post: &PostId, vote: &Vote) -> Result<VoteResult, RecordsError> {
    let found: Option<(String, String)> = connection
        .prepare_cached("SELECT state, digest FROM posts WHERE id = ?1")?
        .query_row([post.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((state, digest)) = found else { return Err(RecordsError::Missing(post.to_string())) };
    if !target::states(connection, post)?.contains(&TargetState::Held) {
        return Ok(VoteResult::NotHeld(post_state(&state)?));
    }
    if digest != vote.digest {
        return Ok(VoteResult::DigestChanged);
    }
    connection
        .prepare_cached(
            "INSERT INTO votes (post, number, vote)
             VALUES (?1, (SELECT coalesce(max(number), 0) + 1 FROM votes WHERE post = ?1), ?2)",
        )?
        .execute(params![post.as_str(), to_json(vote, "votes.vote")?])?;
    let (state, due_at) = match vote.approve {
        true => (TargetState::Accepted, Some(micros(vote.at))),
        false => (TargetState::Rejected, None),
    };
    move_held(connection, post, state, due_at, vote.at)
}

/// `Records::withdraw`.
pub(super) fn withdraw(connection: &Connection, post: &PostId, at: Timestamp) -> Result<VoteResult, RecordsError> {
    let state: Option<String> = connection
        .prepare_cached("SELECT state FROM posts WHERE id = ?1")?
        .query_row([post.as_str()], |row| row.get(0))
        .optional()?;
    let Some(state) = state else { return Err(RecordsError::Missing(post.to_string())) };
    if !target::states(connection, post)?.contains(&TargetState::Held) {
        return Ok(VoteResult::NotHeld(post_state(&state)?));
    }
    move_held(connection, post, TargetState::Recalled, None, at)
}

fn move_held(
    connection: &Connection,
    post: &PostId,
    state: TargetState,
    due_at: Option<i64>,
    at: Timestamp,
) -> Result<VoteResult, RecordsError> {
    connection.prepare_cached(MOVE)?.execute(params![post.as_str(), state.as_str(), due_at])?;
    target::sum_up(connection, post, at)?;
    Ok(VoteResult::Counted)
}
