//! Brings the records up to what the audit log says happened.
//!
//! A target remembers the last leaf that it reflects, so that a fact that is applied again changes nothing.

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    codec::{signed, unsigned},
    target::{self, Target},
};
use crate::{
    model::{AccountId, PostId, TargetState},
    records::{LeafFact, PublishedPart, RecordsError, UnknownStep, rules::working_state},
};

/// `Records::applied_leaf`.
pub(super) fn applied(connection: &Connection) -> Result<u64, RecordsError> {
    let value = connection
        .prepare_cached("SELECT value FROM marks WHERE name = 'applied_leaf'")?
        .query_row([], |row| row.get(0))
        .optional()?;
    match value {
        Some(value) => unsigned(value, "the mark `applied_leaf`"),
        None => Err(RecordsError::Corrupt("the mark `applied_leaf` is missing: restore a backup".to_owned())),
    }
}

/// `Records::apply_leaves`. The mark never moves back.
pub(super) fn apply(connection: &Connection, next: u64, facts: Vec<LeafFact>) -> Result<(), RecordsError> {
    for fact in facts {
        let (post, account) = fact.subject();
        let (post, account) = (post.clone(), account.clone());
        let Some(mut target) = Target::read(connection, &post, &account)? else {
            return Err(RecordsError::Lost(format!("the post {post} for {account}")));
        };
        if apply_one(connection, &mut target, fact)? {
            target.write(connection, &post, &account, None)?;
        }
    }
    connection
        .prepare_cached("UPDATE marks SET value = max(value, ?1) WHERE name = 'applied_leaf'")?
        .execute(params![signed(next, "a leaf's index")?])?;
    Ok(())
}

/// Changes the target as the fact says. False where it was applied before. A fact that comes too late to matter is
/// remembered all the same, so that it does not matter later either.
fn apply_one(connection: &Connection, target: &mut Target, fact: LeafFact) -> Result<bool, RecordsError> {
    match fact {
        LeafFact::Intent { index, post, account, step, safety, at, attempt } => {
            if !is_news(target, index) {
                return Ok(false);
            }
            let known = target.standing.is_final()
                || attempt_ended(connection, &post, &account, attempt)?
                || target::is_journalled(connection, &post, &account, &step)?;
            if !known {
                target.unknown_step = Some(UnknownStep { step, safety, sent_at: at, intent: index });
                rest(target, TargetState::Unknown);
            }
            Ok(true)
        }
        LeafFact::Outcome { intent, post, account, result, target_state, platform_ids } => {
            // The outcome's own leaf lies somewhere behind the intent.
            if !is_news(target, intent.saturating_add(1)) {
                return Ok(false);
            }
            match target_state {
                _ if !target.standing.is_under_way() => {}
                Some(state) => end(target, state, platform_ids),
                None => resume(connection, target, &post, &account, intent, &result)?,
            }
            Ok(true)
        }
        LeafFact::Finished { index, target_state, platform_ids, .. } => {
            if !is_news(target, index) {
                return Ok(false);
            }
            if target.standing.is_under_way() {
                end(target, target_state, platform_ids);
            }
            Ok(true)
        }
    }
}

/// Whether a leaf lies behind those that the target reflects; it does from now on.
fn is_news(target: &mut Target, index: u64) -> bool {
    let news = target.leaf.is_none_or(|leaf| leaf < index);
    target.leaf = target.leaf.max(Some(index));
    news
}

/// An attempt that the records saw the end of has told them what became of its steps.
fn attempt_ended(
    connection: &Connection,
    post: &PostId,
    account: &AccountId,
    attempt: u32,
) -> Result<bool, RecordsError> {
    let found = connection
        .prepare_cached("SELECT 1 FROM attempts WHERE post = ?1 AND account = ?2 AND number = ?3")?
        .query_row(params![post.as_str(), account.as_str(), attempt], |_| Ok(()))
        .optional()?;
    Ok(found.is_some())
}

/// The attempt ended in that state.
fn end(target: &mut Target, state: TargetState, platform_ids: Vec<String>) {
    rest(target, state);
    if state != TargetState::Unknown {
        target.unknown_step = None;
    }
    if !platform_ids.is_empty() {
        let known = std::mem::take(&mut target.published);
        let url = |id: &str| known.iter().find(|part| part.platform_id == id).and_then(|part| part.url.clone());
        target.published =
            platform_ids.into_iter().map(|id| PublishedPart { url: url(&id), platform_id: id }).collect();
    }
}

/// The effect of `intent` is settled and the attempt had not ended: it waits to be taken up again. An answer that did not
/// get into the journal can't be given to the plugin again, so that step stays unknown and is reconciled.
fn resume(
    connection: &Connection,
    target: &mut Target,
    post: &PostId,
    account: &AccountId,
    intent: u64,
    result: &str,
) -> Result<(), RecordsError> {
    let Some(unknown) = target.unknown_step.as_ref().filter(|unknown| unknown.intent == intent) else {
        return Ok(());
    };
    let settled = match result {
        "not-sent" => true,
        "answered" => target::is_journalled(connection, post, account, &unknown.step)?,
        _ => false,
    };
    if settled {
        target.unknown_step = None;
        rest(target, working_state(target.standing.purpose));
    }
    Ok(())
}

/// Puts the target into a state in which nobody holds it.
fn rest(target: &mut Target, state: TargetState) {
    target.due_at = None;
    target.standing.state = state;
    target.standing.lease_until = None;
    target.standing.retry_at = None;
}
