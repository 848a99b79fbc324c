//! The life of a post: decided by `pressgate-workflow`, told by the log, kept in the records.
//!
//! Before a post is due, its life leads and the targets follow. From then on delivery leads, by claims and attempts, and the life
//! follows ([`follow`]). What was decided is in the log first, then in the records; one decision at a time on each post.

mod facts;
mod follow;
mod fresh;
mod leaves;
mod made;
mod no;
mod turn;
mod wake;

use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash, Hasher},
    sync::Arc,
};

pub use facts::Known;
pub use fresh::Fresh;
pub(super) use made::content;
pub use no::refusal;
use pressgate_workflow::{
    Command, Life,
    decide::{self, Verdict as Reviewed},
    ids::{Actor, LinkId},
    life::{Plan, Wait},
};
use tokio::sync::{Mutex, MutexGuard};
pub use turn::{Extra, Turn, actor};

use super::{links, read};
use crate::{
    call::{Caller, approve::holds},
    gateway::Gateway,
    model::{AccountId, PostId, TargetState, Verdict},
    records::{IdempotencyKey, LifeEvent, PostRecord},
    refusal::Refusal,
};

/// Posts share this many locks, and so do keys.
const LOCKS: usize = 256;
/// The lease that a life is told of; the records' own ends attempts.
const LEASE_S: u32 = 600;

/// One decision at a time on each post, and one request at a time with each idempotency key.
pub struct Lives {
    posts: Vec<Mutex<()>>,
    keys: Vec<Mutex<()>>,
}

impl Default for Lives {
    fn default() -> Self {
        let locks = || (0..LOCKS).map(|_| Mutex::default()).collect();
        Self { posts: locks(), keys: locks() }
    }
}

impl Lives {
    /// Until this is dropped nothing else is decided on the post.
    pub async fn alone(&self, post: &PostId) -> Option<MutexGuard<'_, ()>> {
        one_of(&self.posts, post).await
    }

    /// Until this is dropped no other request with the key is served.
    pub async fn alone_with(&self, key: &IdempotencyKey) -> Option<MutexGuard<'_, ()>> {
        one_of(&self.keys, key).await
    }
}

async fn one_of<'a>(locks: &'a [Mutex<()>], what: &impl Hash) -> Option<MutexGuard<'a, ()>> {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    let index = usize::try_from(hasher.finish() % LOCKS as u64).unwrap_or_default();
    match locks.get(index) {
        Some(lock) => Some(lock.lock().await),
        None => None,
    }
}

/// Who decides.
#[derive(Debug, Clone, Copy)]
pub enum By<'a> {
    /// Who calls.
    Caller(&'a Caller),
    /// An outside party, through a link.
    Link(&'a LinkId),
    /// Time, or delivery.
    Gate,
}

impl By<'_> {
    fn actor(self) -> Actor {
        match self {
            Self::Caller(caller) => actor(&caller.author()),
            Self::Link(link) => Actor::Link { link: link.clone() },
            Self::Gate => Actor::Gate,
        }
    }
}

/// Does what a command leads to, and gives the post as it is then.
///
/// # Errors
/// What the rules of a life say, and that log or records can't be written. Nothing is changed then.
pub async fn act(
    gateway: &Arc<Gateway>,
    id: &PostId,
    by: By<'_>,
    command: Command,
    why: Option<&str>,
    extra: impl FnOnce(&Life) -> Extra,
) -> Result<PostRecord, Refusal> {
    let _alone = gateway.lives.alone(id).await;
    let mut turn = Turn::begin(gateway, read(gateway, id).await?, by);
    turn.decide(command, why).map_err(|refused| refusal(&refused))?;
    turn.settle();
    let extra = extra(turn.life());
    turn.keep(extra).await?;
    read(gateway, id).await
}

/// Whether a target may be claimed now, as its life says; the claim is then a part of it. What time brought meanwhile is kept.
///
/// # Errors
/// Log or records can't be used.
pub async fn may_begin(gateway: &Arc<Gateway>, id: &PostId, account: &AccountId) -> Result<bool, Refusal> {
    let _alone = gateway.lives.alone(id).await;
    let mut turn = Turn::begin(gateway, read(gateway, id).await?, By::Gate);
    turn.lapse(account);
    if let Err(refused) = turn.decide(Command::Tick, None) {
        tracing::error!(post = %id, %refused, "time can't go on for a post");
    }
    turn.pass_over_missed();
    let waits = turn.brought_anything();
    let target = turn.life().target(&account.as_str().into()).map(|target| (target.state(), target.not_before()));
    let may = match target {
        // Delivery settles what it does not know by itself, and takes back what somebody asked it to.
        Some((TargetState::Unknown | TargetState::Recalling, _)) => true,
        Some((TargetState::Accepted, _)) => {
            let claim = Command::Claim { account: account.as_str().into(), node: "delivery".into(), lease_s: LEASE_S };
            let claimed = turn.decide(claim, None);
            if let Err(refused) = &claimed {
                tracing::debug!(post = %id, %account, %refused, "not yet");
            }
            claimed.is_ok()
        }
        _ => false,
    };
    // A post that nobody but delivery has touched is followed again, whenever somebody wants to know; the claim itself is delivery's.
    if waits || turn.post().life.is_some() {
        turn.keep(Extra::default()).await?;
    }
    Ok(may)
}

/// What an attempt, or time, brought: for posts whose life is kept, and those that wait for somebody now.
///
/// # Errors
/// Log or records can't be used.
pub async fn go_on(gateway: &Arc<Gateway>, id: &PostId) -> Result<(), Refusal> {
    let _alone = gateway.lives.alone(id).await;
    let post = read(gateway, id).await?;
    let waits = |state| matches!(state, TargetState::Frozen | TargetState::Held);
    if post.life.is_none() && !post.targets.iter().any(|target| waits(target.state)) {
        return Ok(());
    }
    let mut turn = Turn::begin(gateway, post, By::Gate);
    turn.pass_over_missed();
    if let Err(refused) = turn.decide(Command::Tick, None) {
        tracing::error!(post = %id, %refused, "time can't go on for a post");
    }
    turn.pass_over_missed();
    let anew = turn.next_occurrence();
    if anew && let Err(refused) = turn.decide(Command::Tick, None) {
        tracing::error!(post = %id, %refused, "time can't go on for a post");
    }
    let made = links::make_wanted(&mut turn, gateway)?;
    turn.keep(Extra { anew, ..links::kept(gateway, &made) }).await
}

/// An attempt was refused before anything left, for a reason that a person must mend.
///
/// # Errors
/// Log or records can't be used.
pub async fn set_aside(gateway: &Arc<Gateway>, id: &PostId, account: &AccountId, why: &str) -> Result<(), Refusal> {
    let _alone = gateway.lives.alone(id).await;
    let mut turn = Turn::begin(gateway, read(gateway, id).await?, By::Gate);
    if let Err(refused) = turn.decide(Command::SetAside { account: account.as_str().into() }, Some(why)) {
        tracing::warn!(post = %id, %account, %refused, "nobody is told what stopped a post");
    }
    turn.keep(Extra::default()).await
}

/// Policies find reasons, or rules ask for people, that were not there when people agreed: they are asked again.
///
/// # Errors
/// Log or records can't be used.
pub async fn ask_again(gateway: &Arc<Gateway>, id: &PostId, verdicts: Vec<Verdict>) -> Result<(), Refusal> {
    let _alone = gateway.lives.alone(id).await;
    let mut turn = Turn::begin(gateway, read(gateway, id).await?, By::Gate);
    let version = turn.life().version().number;
    let verdict = Reviewed::Pass(holds(&verdicts));
    if let Err(refused) = turn.decide(Command::Reviewed { version, verdict }, None) {
        tracing::warn!(post = %id, %refused, "nobody can be asked again");
        return Ok(());
    }
    turn.keep(Extra { verdicts: Some(verdicts), ..Extra::default() }).await
}

/// A post's life as it is now, with what delivery did since it was kept.
pub fn of(post: &PostRecord) -> Life {
    made::current(post).0
}

/// Every event of a post's life, in order.
///
/// # Errors
/// The records can't be read.
pub async fn history(gateway: &Gateway, post: &PostRecord) -> Result<Vec<LifeEvent>, Refusal> {
    /// Events of one post; a recurring one has about ten for each occurrence and target.
    const EVENTS_MAX: u32 = 100_000;
    let (_, from, unkept) = made::current(post);
    let mut events = Vec::new();
    if from > 0 {
        let kept = gateway.records.life_events(post.id.clone(), 0, EVENTS_MAX).await;
        events = kept.map_err(|error| super::unavailable(&error))?;
    }
    events.extend(unkept);
    Ok(events)
}

/// True where somebody agreed to it, or set its time: they are to hear that it did not go.
pub fn is_awaited(life: &Life) -> bool {
    !life.votes().is_empty() || matches!(life.content().plan, Plan::At(_))
}

/// The last events of a post's life, in order: so many that are kept, and what delivery did since.
///
/// # Errors
/// The records can't be read.
pub async fn lately(gateway: &Gateway, post: &PostRecord, count: u64) -> Result<Vec<LifeEvent>, Refusal> {
    let (_, from, unkept) = made::current(post);
    let mut events = Vec::new();
    if from > 0 {
        let limit = u32::try_from(count).unwrap_or(u32::MAX);
        let kept = gateway.records.life_events(post.id.clone(), from.saturating_sub(count), limit).await;
        events = kept.map_err(|error| super::unavailable(&error))?;
    }
    events.extend(unkept);
    Ok(events)
}

/// The freeze that stops a post on an account now.
pub fn frozen_by(gateway: &Gateway, post: &PostRecord, account: &AccountId) -> Option<String> {
    let life = of(post);
    let known = Known::of(gateway, post, &life);
    let freeze = decide::frozen_by(&life, &account.as_str().into(), &known.facts(&Actor::Gate));
    freeze.map(|freeze| freeze.to_string())
}

/// Targets that a person may let go on after all.
pub fn confirmable(life: &Life) -> Vec<AccountId> {
    let waits = |wait| matches!(wait, Some(Wait::Overdue | Wait::Thawed | Wait::Attention));
    let targets = life.targets().iter().filter(|target| waits(target.wait()));
    targets.map(|target| AccountId::new(target.account().as_str())).collect()
}
