//! Times of posts beside the calendars of the house: queues, blackouts, embargoes.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use pressgate_workflow::life::Plan;

use super::{
    plan::{self, Planned, Wish},
    unavailable,
};
use crate::{
    gateway::Gateway,
    model::AccountId,
    records::PostRecord,
    refusal::{Fault, Refusal, Stage, problem},
};

/// Slots are looked for so far ahead.
const QUEUE_AHEAD: SignedDuration = SignedDuration::from_hours(366 * 24);
/// Occurrences of a series; no post has more.
pub const SERIES_MAX: usize = 1_000;
/// Posts that a queue is looked through for.
const QUEUED_MAX: u32 = 10_000;

/// What a wish means now for a post on these accounts.
///
/// # Errors
/// `time-invalid`, with the place; the next free slot can't be found.
pub async fn planned(gateway: &Gateway, wish: Wish, accounts: &[AccountId], base: &str) -> Result<Planned, Refusal> {
    let now = gateway.clock.now();
    if !wish.queue {
        return plan::planned(wish, now, base);
    }
    if wish.at.is_some() || wish.local.is_some() || wish.rule.is_some() {
        return Err(no(&format!("{base}/queue"), "`queue` finds the time itself: leave `at`, `local` and `rule` out"));
    }
    let slot = slot(gateway, accounts, now, base).await?;
    plan::planned(Wish { at: Some(slot.to_string()), queue: false, ..wish }, now, base)
}

/// The next slot of the first account's queue that is free on all of them.
async fn slot(gateway: &Gateway, accounts: &[AccountId], now: Timestamp, base: &str) -> Result<Timestamp, Refusal> {
    let governance = gateway.governance.load_full();
    let queue = |account: &AccountId| governance.calendars.slots(account);
    let without = accounts.iter().find(|account| queue(account).is_none());
    if let Some(account) = without {
        let text = format!("`{account}` has no queue: calendars.toml gives it slots");
        return Err(no(&format!("{base}/queue"), &text));
    }
    let taken = taken(gateway, accounts, now).await?;
    let Some(slots) = accounts.first().and_then(queue) else {
        return Err(no(base, "the post has no account"));
    };
    let others = accounts.get(1..).unwrap_or_default();
    let fits = |at: Timestamp| {
        !taken.contains(&at)
            && others.iter().filter_map(queue).all(|slots| is_slot(slots, at))
            && blocked(gateway, accounts, at).is_none()
    };
    let found = slots.next_free(now, |at| !fits(at));
    found.ok_or_else(|| no(&format!("{base}/queue"), "no slot that all of its accounts have is free for five years"))
}

fn is_slot(slots: &pressgate_calendar::Slots, at: Timestamp) -> bool {
    let before = at.checked_sub(SignedDuration::from_secs(1)).unwrap_or(at);
    slots.next_free(before, |_| false) == Some(at)
}

/// Times at which one of the accounts publishes something already.
async fn taken(gateway: &Gateway, accounts: &[AccountId], now: Timestamp) -> Result<BTreeSet<Timestamp>, Refusal> {
    let until = now.checked_add(QUEUE_AHEAD).unwrap_or(Timestamp::MAX);
    let posts = gateway.records.planned(now, until, QUEUED_MAX).await.map_err(|error| unavailable(&error))?;
    let mut taken = BTreeSet::new();
    for id in posts {
        let post = gateway.records.post(id).await.map_err(|error| unavailable(&error))?;
        let Some(post) = post else { continue };
        let waits = |plan: &Plan| matches!(plan, Plan::At(_));
        let Some(kept) = post.life.as_ref().filter(|kept| waits(&kept.life.content().plan)) else { continue };
        if post.targets.iter().any(|target| accounts.contains(&target.account)) {
            taken.extend(kept.life.due());
        }
    }
    Ok(taken)
}

/// What blocks one of the accounts then: the name of the event.
fn blocked(gateway: &Gateway, accounts: &[AccountId], at: Timestamp) -> Option<String> {
    let governance = gateway.governance.load();
    accounts.iter().find_map(|account| {
        let brand = &governance.accounts.get(account)?.brand;
        governance.calendars.blackouts_for(brand).blocked_at(at).map(|block| block.event.to_owned())
    })
}

/// Looks a plan up in the calendars: nothing leaves in a blackout, and nothing about a matter before its embargo is lifted.
///
/// # Errors
/// `time-invalid`, with what is in the way and the next instant that is free.
pub fn is_free(
    gateway: &Gateway,
    accounts: &[AccountId],
    labels: &[String],
    campaign: Option<&str>,
    plan: &Plan,
) -> Result<(), Refusal> {
    let at = match plan {
        Plan::At(timing) => timing.due,
        Plan::Now { .. } | Plan::Unplanned => gateway.clock.now(),
    };
    match in_the_way(gateway, accounts, labels, campaign, at) {
        Some(why) => Err(no("/schedule", &why)),
        None => Ok(()),
    }
}

/// What is in the way of a post at an instant: the first blackout or embargo.
fn in_the_way(
    gateway: &Gateway,
    accounts: &[AccountId],
    labels: &[String],
    campaign: Option<&str>,
    at: Timestamp,
) -> Option<String> {
    let governance = gateway.governance.load();
    for account in accounts {
        let Some(known) = governance.accounts.get(account) else { continue };
        let blackouts = governance.calendars.blackouts_for(&known.brand);
        if let Some(block) = blackouts.blocked_at(at) {
            let next = blackouts.next_free(at).map(|free| format!("; the next free instant is {free}"));
            return Some(format!(
                "`{}` of the calendar `{}` blocks `{account}` from {} until {}{}",
                block.event,
                block.calendar,
                block.from,
                block.to,
                next.unwrap_or_default()
            ));
        }
        if let Some(embargo) = governance.calendars.embargoes_for(&known.brand).holds(labels, campaign, at) {
            return Some(format!("the embargo `{}` holds it back until {}", embargo.name, embargo.until));
        }
    }
    None
}

/// An occurrence that will not leave by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// When it is due.
    pub at: Timestamp,
    /// What is in the way.
    pub why: String,
}

/// Occurrences of a recurring post still to come that a blackout or an embargo is in the way of, as the calendars are now.
pub fn blocked_occurrences(gateway: &Gateway, post: &PostRecord) -> Vec<Blocked> {
    let Some((kept, due)) = post.life.as_ref().and_then(|kept| Some((kept.plan.as_deref()?, kept.life.due()?))) else {
        return Vec::new();
    };
    let Some(draft) = post.targets.first().map(|target| &target.draft) else { return Vec::new() };
    let accounts: Vec<AccountId> = post.targets.iter().map(|target| target.account.clone()).collect();
    let from = due.max(gateway.clock.now());
    let times = plan::occurrences(kept, from, Timestamp::MAX, SERIES_MAX);
    let blocked = times.into_iter().filter_map(|at| {
        let why = in_the_way(gateway, &accounts, &draft.labels, draft.campaign.as_deref(), at)?;
        Some(Blocked { at, why })
    });
    blocked.collect()
}

fn no(pointer: &str, text: &str) -> Refusal {
    let fault = Fault {
        pointer: Some(pointer.to_owned()),
        account: None,
        code: "time".to_owned(),
        message: text.to_owned(),
        measured: None,
        allowed: None,
    };
    Refusal::new(problem::TIME_INVALID, Stage::Door, format!("{text}.")).with_faults(vec![fault])
}
