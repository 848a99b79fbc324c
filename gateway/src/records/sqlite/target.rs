//! The changing part of a target's row: read, changed by a rule, written back with all that follows from it.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::codec::{
    corrupt, from_json, maybe_time, micros, purpose, purpose_name, signed, target_state, to_json, unsigned,
};
use crate::{
    model::{AccountId, PostId, PostState, TargetState},
    records::{PublishedPart, RecordsError, UnknownStep, rules::Standing},
};

pub(super) const READ: &str =
    "SELECT state, purpose, attempt, lease_until, retry_at, due_at, leaf, unknown_step, published, begun_at
    FROM targets WHERE post = ?1 AND account = ?2";
pub(super) const WRITE: &str =
    "UPDATE targets SET state = ?3, purpose = ?4, attempt = ?5, lease_until = ?6, retry_at = ?7,
    due_at = ?8, leaf = ?9, unknown_step = ?10, published = ?11, begun_at = ?12 WHERE post = ?1 AND account = ?2";
pub(super) const STATES: &str = "SELECT state FROM targets WHERE post = ?1";
pub(super) const SUM_UP: &str = "UPDATE posts SET state = ?2, updated_at = max(updated_at, ?3) WHERE id = ?1";
pub(super) const SUM_UP_TARGETS: &str = "UPDATE targets SET post_state = ?2 WHERE post = ?1 AND post_state <> ?2";

/// What attempts change.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) standing: Standing,
    pub(super) attempt: u32,
    pub(super) due_at: Option<Timestamp>,
    pub(super) leaf: Option<u64>,
    pub(super) unknown_step: Option<UnknownStep>,
    pub(super) published: Vec<PublishedPart>,
    /// When the first attempt on what it says now began.
    pub(super) begun_at: Option<Timestamp>,
}

/// How a target is named to people.
pub(super) fn name(post: &PostId, account: &AccountId) -> String {
    format!("{post} on {account}")
}

impl Target {
    /// Reads it.
    pub(super) fn read(
        connection: &Connection,
        post: &PostId,
        account: &AccountId,
    ) -> Result<Option<Self>, RecordsError> {
        let mut statement = connection.prepare_cached(READ)?;
        let mut rows = statement.query([post.as_str(), account.as_str()])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let standing = Standing {
            state: target_state(row.get_ref(0)?.as_str().map_err(|_| corrupt("a target's state"))?)?,
            purpose: purpose(row.get_ref(1)?.as_str().map_err(|_| corrupt("a target's purpose"))?)?,
            lease_until: maybe_time(row.get(3)?)?,
            retry_at: maybe_time(row.get(4)?)?,
        };
        let unknown_step: Option<String> = row.get(7)?;
        let published: String = row.get(8)?;
        Ok(Some(Self {
            standing,
            attempt: row.get(2)?,
            due_at: maybe_time(row.get(5)?)?,
            leaf: row.get::<_, Option<i64>>(6)?.map(|leaf| unsigned(leaf, "a leaf's index")).transpose()?,
            unknown_step: unknown_step.map(|text| from_json(&text, "targets.unknown_step")).transpose()?,
            published: from_json(&published, "targets.published")?,
            begun_at: maybe_time(row.get(9)?)?,
        }))
    }

    /// Reads it where it must exist.
    pub(super) fn must_read(connection: &Connection, post: &PostId, account: &AccountId) -> Result<Self, RecordsError> {
        Self::read(connection, post, account)?.ok_or_else(|| RecordsError::Missing(name(post, account)))
    }

    /// Writes it and sums up the post. `at` is when the change happened, none where that is not known: then work keeps the
    /// time from which it was due, or is due at once.
    pub(super) fn write(
        mut self,
        connection: &Connection,
        post: &PostId,
        account: &AccountId,
        at: Option<Timestamp>,
    ) -> Result<(), RecordsError> {
        self.due_at = self.standing.due_at(at.or(self.due_at).unwrap_or(Timestamp::UNIX_EPOCH));
        let unknown_step = self.unknown_step.as_ref().map(|step| to_json(step, "targets.unknown_step")).transpose()?;
        connection.prepare_cached(WRITE)?.execute(params![
            post.as_str(),
            account.as_str(),
            self.standing.state.as_str(),
            purpose_name(self.standing.purpose),
            self.attempt,
            self.standing.lease_until.map(micros),
            self.standing.retry_at.map(micros),
            self.due_at.map(micros),
            self.leaf.map(|leaf| signed(leaf, "a leaf's index")).transpose()?,
            unknown_step,
            to_json(&self.published, "targets.published")?,
            self.begun_at.map(micros),
        ])?;
        sum_up(connection, post, at.unwrap_or(Timestamp::UNIX_EPOCH))
    }
}

/// Computes a post's state from its targets again.
pub(super) fn sum_up(connection: &Connection, post: &PostId, at: Timestamp) -> Result<(), RecordsError> {
    let state = PostState::of(states(connection, post)?);
    connection.prepare_cached(SUM_UP)?.execute(params![post.as_str(), state.as_str(), micros(at)])?;
    connection.prepare_cached(SUM_UP_TARGETS)?.execute(params![post.as_str(), state.as_str()])?;
    Ok(())
}

/// The states of a post's targets.
pub(super) fn states(connection: &Connection, post: &PostId) -> Result<Vec<TargetState>, RecordsError> {
    let mut statement = connection.prepare_cached(STATES)?;
    let mut rows = statement.query([post.as_str()])?;
    let mut states = Vec::new();
    while let Some(row) = rows.next()? {
        states.push(target_state(&row.get::<_, String>(0)?)?);
    }
    Ok(states)
}

/// Whether a step of that name was answered.
pub(super) fn is_journalled(
    connection: &Connection,
    post: &PostId,
    account: &AccountId,
    step: &str,
) -> Result<bool, RecordsError> {
    let found = connection
        .prepare_cached("SELECT 1 FROM steps WHERE post = ?1 AND account = ?2 AND step = ?3")?
        .query_row([post.as_str(), account.as_str(), step], |_| Ok(()))
        .optional()?;
    Ok(found.is_some())
}
