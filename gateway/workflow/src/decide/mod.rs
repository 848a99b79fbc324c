//! What a command leads to. Nothing is changed here: the events that are given back are, once a store has kept them.

mod clearance;
mod command;
mod people;
mod sending;
mod ticking;
mod work;
mod writing;

pub use clearance::frozen_by;
pub use command::{Attempt, Command, Finding, Outcome, Resolution, Verdict};

use crate::{
    facts::Facts,
    ids::{Actor, PostId},
    life::{Change, Content, Event, Life},
    refused::Refused,
};
use work::Work;

/// Longest reason, in bytes.
pub const WHY_BYTES_MAX: usize = 4096;
/// Most votes, comments or links of a post, each.
pub const SAID_MAX: usize = 1000;

/// The first event of a new post. Its author is whoever asks.
///
/// # Errors
/// The content names no account, one twice, or too many; or neither a person nor an app asks.
pub fn create(post: PostId, content: Content, facts: &Facts<'_>) -> Result<Event, Refused> {
    if !matches!(facts.by, Actor::Person { .. } | Actor::App { .. }) {
        return Err(Refused::NotAPerson);
    }
    writing::check(&content)?;
    Ok(Event { seq: 1, at: facts.now, by: facts.by.clone(), why: None, change: Change::Created { post, content } })
}

/// What the command leads to, in order; nothing where all is as it should be. `why` is what the one who asks says.
///
/// # Errors
/// See [`Refused`].
pub fn decide(life: &Life, command: Command, why: Option<&str>, facts: &Facts<'_>) -> Result<Vec<Event>, Refused> {
    let why = why.filter(|why| !why.trim().is_empty());
    if why.is_some_and(|why| why.len() > WHY_BYTES_MAX) {
        return Err(Refused::ReasonTooLong);
    }
    let mut work = Work::new(life, why, facts);
    match command {
        Command::Edit { saw, content } => work.edit(saw, content)?,
        Command::Submit { saw } => work.submit(saw)?,
        Command::Reviewed { version, verdict } => work.reviewed(version, verdict)?,
        Command::Reschedule { saw, due } => work.reschedule(saw, due)?,
        Command::Next { due } => work.next(due)?,
        Command::Cancel { saw } => work.cancel(saw)?,
        Command::Reopen { saw } => work.reopen(saw)?,
        Command::Vote { saw, approve } => work.vote(saw, approve)?,
        Command::Invite { saw, link, external, expires_at } => work.invite(saw, link, external, expires_at)?,
        Command::Comment { saw } => work.comment(saw)?,
        Command::CloseComment { comment } => work.close_comment(comment)?,
        Command::Confirm { saw, account } => work.confirm(saw, &account)?,
        Command::Release { account, at } => work.release(&account, at)?,
        Command::Tick => work.tick()?,
        Command::Claim { account, node, lease_s } => work.claim(&account, node, lease_s)?,
        Command::Renew { attempt, lease_s } => work.renew(&attempt, lease_s)?,
        Command::Begin { attempt, step } => work.begin(&attempt, step)?,
        Command::Answer { attempt } => work.answer(&attempt)?,
        Command::Finish { attempt, outcome } => work.finish(&attempt, outcome)?,
        Command::ProcessEnded { node } => work.process_ended(&node)?,
        Command::SetAside { account } => work.set_aside(&account)?,
        Command::Reconcile { account, finding } => work.reconcile(&account, finding)?,
        Command::Resolve { account, resolution } => work.resolve(&account, resolution)?,
        Command::Retry { account } => work.retry(&account)?,
        Command::Recall { account } => work.recall(&account)?,
    }
    Ok(work.into_events())
}
