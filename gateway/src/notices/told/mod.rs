//! Who is told of what: each leaf of the log that may have made something wait for somebody is an occasion to look at how things are,
//! and whoever should know gets a notice.
//!
//! The look, not the leaf, says what is told: a leaf is durable before the records have what it says, so each thing is looked at with
//! its leaf and once more a moment later. The name of an event is made of what is kept of it, so that any number of looks, and any
//! number of starts, make one notice. How far the log was read is kept with the records.
//!
//! In reading order: `sight` is what a leaf may have changed, `look` says what is to be told of it, `whom` finds people.

mod look;
mod sight;
mod whom;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use self::sight::Sight;
use crate::{
    audit::{AuditLog, LogReader},
    gateway::Gateway,
    vault::Vault,
};

/// How often it looks for more.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long it waits after a failure.
const FAILED_PAUSE: Duration = Duration::from_secs(1);
/// After this the records have what a leaf said, or never will.
const AGAIN_AFTER: Duration = Duration::from_secs(3);
/// How often the position is kept after something was told, and otherwise: after a crash only repeated looks are saved by it.
const KEEP_EVERY: Duration = Duration::from_secs(2);
const KEEP_IDLE_EVERY: Duration = Duration::from_secs(60);
/// Leaves that are read at once.
const LEAVES_MAX: usize = 1_024;
/// Looks that wait at once; with more the log is the buffer.
const LOOKS_MAX: usize = 10_000;
/// The note that says how far the log was read: its origin, and the next index.
const NOTE: &str = "notices-position";

/// Where to go on in the log, from what is kept; a gateway that begins to tell people begins with the present.
///
/// # Errors
/// The vault's, as a sentence.
pub(super) async fn begin(tells: bool, vault: &Vault, audit: &AuditLog) -> Result<u64, String> {
    let kept = vault.note(NOTE).await.map_err(|error| error.to_string())?.filter(|kept| !kept.is_empty());
    let present = audit.next_index();
    if !tells {
        // Whoever turns notices on again is not to hear of everything that was meanwhile.
        if kept.is_some() {
            vault.keep_note(NOTE, "").await.map_err(|error| error.to_string())?;
        }
        return Ok(present);
    }
    let known = kept.as_deref().and_then(|kept| kept.split_once('\n'));
    let next = known.filter(|(origin, _)| *origin == audit.origin()).and_then(|(_, next)| next.parse().ok());
    match next {
        // A log that came out of a backup may be shorter.
        Some(next) => Ok(present.min(next)),
        None => keep(vault, audit, present).await.map(|()| present),
    }
}

async fn keep(vault: &Vault, audit: &AuditLog, next: u64) -> Result<(), String> {
    vault.keep_note(NOTE, &format!("{}\n{next}", audit.origin())).await.map_err(|error| error.to_string())
}

/// Reads the log and tells people until the gateway stops.
pub(super) async fn follow(gateway: &Arc<Gateway>, from: u64) {
    let mut follower = Follower::new(gateway, from);
    let mut failing = None;
    loop {
        let step = tokio::select! {
            () = gateway.stopping.wait() => break,
            step = follower.step() => step,
        };
        let pause = match step {
            Ok(true) => Duration::ZERO,
            Ok(false) => LOOK_EVERY,
            Err(why) => {
                if failing.as_ref() != Some(&why) {
                    tracing::warn!(why, "people can't be told; it is tried again");
                }
                failing = Some(why);
                FAILED_PAUSE
            }
        };
        tokio::select! {
            () = gateway.stopping.wait() => break,
            () = tokio::time::sleep(pause) => {}
        }
    }
    if let Err(why) = follower.keep().await {
        tracing::warn!(why, "the position of notices can't be kept; the next start looks again");
    }
}

/// A look that comes once more.
struct Again {
    due: Instant,
    leaf: u64,
    sight: Sight,
}

/// One reader of the log.
struct Follower<'a> {
    gateway: &'a Arc<Gateway>,
    reader: Option<LogReader>,
    read_to: u64,
    /// To be looked at now.
    fresh: VecDeque<Sight>,
    /// To be looked at once more, by time.
    again: VecDeque<Again>,
    /// The last leaf of each of these.
    latest: HashMap<Sight, u64>,
    /// The position that is kept, since when, and whether anything was told since.
    kept: u64,
    kept_at: Instant,
    told: bool,
}

impl<'a> Follower<'a> {
    fn new(gateway: &'a Arc<Gateway>, from: u64) -> Self {
        Self {
            gateway,
            reader: None,
            read_to: from,
            fresh: VecDeque::new(),
            again: VecDeque::new(),
            latest: HashMap::new(),
            kept: from,
            kept_at: Instant::now(),
            told: false,
        }
    }

    /// Everything below was looked at for the last time.
    fn position(&self) -> u64 {
        self.again.front().map_or(self.read_to, |again| again.leaf)
    }

    /// One look at most; false where there is nothing to do.
    async fn step(&mut self) -> Result<bool, String> {
        let since = self.kept_at.elapsed();
        if self.kept != self.position() && (since >= KEEP_IDLE_EVERY || (self.told && since >= KEEP_EVERY)) {
            self.keep().await?;
        }
        if let Some(sight) = self.fresh.front().cloned() {
            self.look(&sight).await?;
            self.fresh.pop_front();
            return Ok(true);
        }
        if let Some(again) = self.again.front().filter(|again| again.due <= Instant::now()) {
            let (leaf, sight) = (again.leaf, again.sight.clone());
            // A later leaf of the same brings a later look.
            if self.latest.get(&sight) == Some(&leaf) {
                self.look(&sight).await?;
                self.latest.remove(&sight);
            }
            self.again.pop_front();
            return Ok(true);
        }
        if self.again.len() >= LOOKS_MAX {
            return Ok(false);
        }
        self.read().await
    }

    async fn look(&mut self, sight: &Sight) -> Result<(), String> {
        let notices = look::at(self.gateway, sight).await?;
        if !notices.is_empty() {
            self.gateway.notices.put(notices).await.map_err(|error| error.to_string())?;
        }
        self.told = true;
        Ok(())
    }

    /// Reads on; false where there is nothing new.
    async fn read(&mut self) -> Result<bool, String> {
        let until = self.gateway.audit.next_index();
        if self.read_to >= until {
            return Ok(false);
        }
        let (audit, reader, from) = (self.gateway.audit.clone(), self.reader.take(), self.read_to);
        let reading = tokio::task::spawn_blocking(move || block(&audit, reader, from, until));
        let (reader, seen, next) = reading.await.map_err(|error| error.to_string())?.map_err(|why| why.to_string())?;
        let due = Instant::now() + AGAIN_AFTER;
        let mut now = HashSet::new();
        for (leaf, sight) in seen {
            self.latest.insert(sight.clone(), leaf);
            if now.insert(sight.clone()) {
                self.fresh.push_back(sight.clone());
            }
            self.again.push_back(Again { due, leaf, sight });
        }
        let more = next > self.read_to;
        (self.reader, self.read_to) = (Some(reader), next);
        Ok(more)
    }

    async fn keep(&mut self) -> Result<(), String> {
        let position = self.position();
        keep(&self.gateway.vault, &self.gateway.audit, position).await?;
        (self.kept, self.kept_at, self.told) = (position, Instant::now(), false);
        Ok(())
    }
}

type Block = (LogReader, Vec<(u64, Sight)>, u64);

/// Reads from an index on, and not beyond another. Blocks. What retention took away is passed over.
fn block(audit: &AuditLog, reader: Option<LogReader>, from: u64, until: u64) -> Result<Block, crate::audit::ReadError> {
    let mut reader = reader.unwrap_or_else(|| audit.reader(from.max(audit.entries_from())));
    reader.follow(until)?;
    let (mut seen, mut next) = (Vec::new(), from);
    for _ in 0..LEAVES_MAX {
        let Some((index, leaf)) = reader.next_leaf()? else { break };
        next = index.saturating_add(1);
        seen.extend(sight::of(&leaf).map(|sight| (index, sight)));
    }
    Ok((reader, seen, next))
}
