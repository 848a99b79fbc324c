//! Feeds: secret addresses by which calendar programs, which can show no key, read posts with a time.
//!
//! A feed shows what its maker may read at the moment of each read, and nothing more can be done with it. The secret is in the address alone;
//! the records have its SHA-256. A feed that was revoked leaves no row, so that nobody can tell it from one that never was.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::{SignedDuration, Timestamp};
use zeroize::Zeroizing;

use crate::{
    audit::{Leaf, leaf},
    call::{Caller, authenticate::of_feed},
    gateway::Gateway,
    keys::unguessable,
    model::{AccountId, Principal},
    records::{FeedRecord, RecordsError},
    refusal::{Refusal, Stage, problem},
};

/// Feeds of one person or app that have not ended.
pub const FEEDS_MAX: u32 = 20;
/// How long a feed lasts where nobody says less, and at most.
pub const DAYS_MAX: u16 = 365;
/// Random characters of a feed's public id.
const ID_CHARS: usize = 16;
/// What the address of every feed ends in.
const SUFFIX: &str = ".ics";

/// What somebody wants of a feed.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Only posts for this account.
    pub account: Option<AccountId>,
    /// What its maker calls it; may be empty.
    pub name: String,
    /// After so many days it ends.
    pub days: u16,
}

/// A new feed, with what opens it: for its maker, this once.
pub struct Made {
    /// What is kept of it.
    pub record: FeedRecord,
    secret: Zeroizing<String>,
}

impl Made {
    /// Its path below the gateway's public address. Whoever has it reads what its maker may read.
    pub fn path(&self) -> String {
        format!("/calendar/{}{SUFFIX}", *self.secret)
    }
}

impl fmt::Debug for Made {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Made").field("record", &self.record).finish_non_exhaustive()
    }
}

/// Makes a feed. The leaf is written first.
///
/// # Errors
/// The caller has as many as there may be; a store can't be used.
pub async fn create(gateway: &Gateway, caller: &Caller, wish: Wish) -> Result<Made, Refusal> {
    let now = gateway.clock.now();
    let holder = caller.principal().clone();
    let has = of(gateway, &holder).await?.len();
    if has >= FEEDS_MAX as usize {
        return Err(too_many());
    }
    let secret = Zeroizing::new(unguessable().map_err(|error| unavailable(&error))?);
    let id: String = unguessable().map_err(|error| unavailable(&error))?.chars().take(ID_CHARS).collect();
    let record = FeedRecord {
        id: format!("feed_{id}"),
        secret: hashed(&secret),
        holder,
        key: caller.key().clone(),
        account: wish.account,
        name: wish.name,
        created_at: now,
        expires_at: ends(gateway, caller, now, wish.days),
        last_used_at: None,
    };
    note(gateway, "create", &record).await?;
    let kept = gateway.records.put_feed(record.clone(), FEEDS_MAX, now).await;
    if !matches!(kept, Ok(true)) {
        note(gateway, "create-failed", &record).await?;
    }
    match kept {
        Ok(true) => Ok(Made { record, secret }),
        Ok(false) => Err(too_many()),
        Err(error) => Err(unavailable(&error)),
    }
}

/// A device is enrolled anew every few months, so its end is no end of the feed; the end of another key was an operator's will.
fn ends(gateway: &Gateway, caller: &Caller, now: Timestamp, days: u16) -> Timestamp {
    let wanted = now.saturating_add(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(Timestamp::MAX);
    let key = gateway.keys.record(caller.key()).filter(|key| key.device.is_none());
    key.and_then(|key| key.expires_at).map_or(wanted, |end| end.min(wanted))
}

/// The feeds of a person or app that have not ended, oldest first.
///
/// # Errors
/// The records can't be used.
pub async fn of(gateway: &Gateway, holder: &Principal) -> Result<Vec<FeedRecord>, Refusal> {
    let now = gateway.clock.now();
    let mut feeds = gateway.records.feeds(Some(holder.clone())).await.map_err(|error| unavailable(&error))?;
    feeds.retain(|feed| now < feed.expires_at);
    Ok(feeds)
}

/// Revokes a feed of the holder's own. When it returns, its address shows nothing.
///
/// # Errors
/// The holder has no such feed; a store can't be used.
pub async fn revoke(gateway: &Gateway, holder: &Principal, id: &str) -> Result<FeedRecord, Refusal> {
    let Some(feed) = of(gateway, holder).await?.into_iter().find(|feed| feed.id == id) else {
        let detail = "You have no live feed of this id; `pressgate calendar feed list` shows them.";
        return Err(Refusal::new(problem::NOT_FOUND, Stage::Door, detail));
    };
    note(gateway, "revoke", &feed).await?;
    if let Err(error) = gateway.records.end_feed(feed.id.clone()).await {
        note(gateway, "revoke-failed", &feed).await?;
        return Err(unavailable(&error));
    }
    Ok(feed)
}

/// The feed that the last part of an address opens now, with whom it reads as; none for all that opens nothing.
///
/// # Errors
/// The records can't be used.
pub async fn open(gateway: &Gateway, file: &str) -> Result<Option<(FeedRecord, Caller)>, Refusal> {
    // Whatever stands there is looked up: a badly formed address takes the time of an unknown one.
    let secret = file.strip_suffix(SUFFIX).unwrap_or_default();
    let found = gateway.records.feed(hashed(secret)).await.map_err(|error| unavailable(&error))?;
    let Some(feed) = found.filter(|feed| gateway.clock.now() < feed.expires_at) else { return Ok(None) };
    Ok(of_feed(gateway, &feed).map(|caller| (feed, caller)))
}

/// Keeps the hour in which a feed was read, once in that hour. It only helps to find feeds that nobody uses.
pub async fn used(gateway: &Gateway, feed: &FeedRecord) {
    let now_s = gateway.clock.now().as_second();
    let Ok(hour) = Timestamp::from_second(now_s - now_s.rem_euclid(3_600)) else { return };
    if feed.last_used_at.is_none_or(|last| last < hour)
        && let Err(error) = gateway.records.feed_used(feed.id.clone(), hour).await
    {
        tracing::debug!(feed = feed.id, %error, "the hour of a feed's read was not kept");
    }
}

fn hashed(secret: &str) -> [u8; 32] {
    digest(&SHA256, secret.as_bytes()).as_ref().try_into().unwrap_or([0; 32])
}

fn too_many() -> Refusal {
    let detail =
        format!("There may be {FEEDS_MAX} live feeds. Revoke one that has not been used: GET /v1/calendar/feeds.");
    Refusal::new(problem::INVALID, Stage::Door, detail)
}

fn unavailable(error: &RecordsError) -> Refusal {
    let detail = "The record store can't be used. Try again.";
    Refusal::new(problem::STATE_UNAVAILABLE, Stage::Door, detail).because(error).retry_after(1)
}

/// The log tells whose a feed is; its name is its maker's own and stays out of it.
async fn note(gateway: &Gateway, action: &str, feed: &FeedRecord) -> Result<(), Refusal> {
    let by = match &feed.holder {
        Principal::Person(person) => person.to_string(),
        app @ Principal::App(_) => app.to_string(),
    };
    let subject = format!("{}/{}", feed.holder, feed.id);
    let change = leaf::Change { what: leaf::Changed::Feed, action: action.to_owned(), subject, digest: None, by };
    let noted = gateway.audit.append(Leaf::new(gateway.clock.now().as_millisecond(), change)).await;
    noted.map(drop).map_err(|error| {
        let detail = "The audit log can't be written, and nothing is changed unrecorded. Try again.";
        Refusal::new(problem::AUDIT_UNAVAILABLE, Stage::Record, detail).because(error).retry_after(1)
    })
}
