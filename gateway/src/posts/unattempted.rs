//! The alarm on what is due and was not attempted: whatever keeps the worker from it, somebody hears of it.
//!
//! What waits for people, or for the end of a freeze, is not meant: they are told of that by itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, MissedTickBehavior};

use crate::{
    audit::{Leaf, leaf},
    gateway::Gateway,
    metrics::{Page, Registry},
    model::AccountId,
};

/// Code of the alarm; its subject is the account.
pub const DUE_UNATTEMPTED: &str = "due-unattempted";

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Targets that one look counts; with more the alarm is the same.
const LOOK_MAX: u32 = 10_000;

/// What is due on one account and was not attempted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Late {
    /// Targets; at most 10,000 are counted on all accounts together.
    pub targets: u32,
    /// Since when the first of them is due.
    pub since: Timestamp,
}

/// What the last look found.
#[derive(Debug, Default)]
pub struct Unattempted(Mutex<Found>);

#[derive(Debug, Default)]
struct Found {
    late: BTreeMap<AccountId, Late>,
    at: Timestamp,
}

impl Unattempted {
    /// With nothing found yet, and measured.
    pub fn measured(metrics: &Registry) -> Arc<Self> {
        let all = Arc::new(Self::default());
        let shown = Arc::clone(&all);
        metrics.add(move |page| shown.show(page));
        all
    }

    /// By account.
    pub fn all(&self) -> BTreeMap<AccountId, Late> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).late.clone()
    }

    fn keep(&self, late: BTreeMap<AccountId, Late>, at: Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Found { late, at };
    }

    fn show(&self, page: &mut Page) {
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let targets: u32 = found.late.values().map(|late| late.targets).sum();
        let help =
            "Targets of posts that are due for longer than posts.unattempted_alarm_seconds and were not attempted.";
        page.gauge("pressgate_posts_due_unattempted", help, &[], f64::from(targets));
        let oldest = found.late.values().map(|late| late.since).min();
        let age = oldest.map_or(SignedDuration::ZERO, |since| found.at.duration_since(since));
        let help = "For how long the first of them is due.";
        page.gauge("pressgate_posts_due_unattempted_seconds", help, &[], age.as_secs_f64());
    }
}

/// Looks until the gateway stops.
pub async fn watch(gateway: &Arc<Gateway>) {
    let begun = Instant::now();
    let seconds = gateway.config.posts.unattempted_alarm_seconds;
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut watch = Watch::default();
    loop {
        tokio::select! {
            () = gateway.stopping.wait() => return,
            _ = look.tick() => {}
        }
        // What fell due while nobody served is given as much time as everything else.
        if begun.elapsed().as_secs() < seconds {
            continue;
        }
        if let Err(error) = watch.look(gateway, seconds).await {
            tracing::error!(error, "what is due and was not attempted can't be told");
        }
    }
}

#[derive(Default)]
struct Watch {
    /// Of the look before: a clock that jumps makes everything late for a moment.
    before: BTreeSet<AccountId>,
    /// Alarms that the log has as raised.
    raised: BTreeSet<AccountId>,
}

impl Watch {
    async fn look(&mut self, gateway: &Gateway, seconds: u64) -> Result<(), String> {
        let now = gateway.clock.now();
        let after = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
        let before = now.checked_sub(after).unwrap_or(Timestamp::MIN);
        let found = gateway.records.unattempted(before, LOOK_MAX).await.map_err(|error| error.to_string())?;
        // A lease that a start ended is due since ever; it is not late for longer than the gateway serves.
        let started = Timestamp::from_millisecond(gateway.started_ms).unwrap_or(now);
        let mut late: BTreeMap<AccountId, Late> = BTreeMap::new();
        for (account, since) in found {
            let since = if since == Timestamp::UNIX_EPOCH { started } else { since };
            let known = late.entry(account).or_insert(Late { targets: 0, since });
            known.targets = known.targets.saturating_add(1);
            known.since = known.since.min(since);
        }
        let seen: BTreeSet<AccountId> = late.keys().cloned().collect();
        late.retain(|account, _| self.before.contains(account));
        self.before = seen;
        gateway.unattempted.keep(late.clone(), now);
        self.tell(gateway, &late, now).await
    }

    /// Writes an alarm for each account that came to be late, and for each that no longer is.
    async fn tell(
        &mut self,
        gateway: &Gateway,
        late: &BTreeMap<AccountId, Late>,
        now: Timestamp,
    ) -> Result<(), String> {
        let alarm = |account: &AccountId, raised| {
            let alarm = leaf::Alarm { code: DUE_UNATTEMPTED.to_owned(), subject: account.to_string(), raised };
            Leaf::new(now.as_millisecond(), alarm)
        };
        let mut leaves = Vec::new();
        for (account, late) in late.iter().filter(|(account, _)| !self.raised.contains(*account)) {
            let Late { targets, since } = late;
            tracing::error!(%account, targets, %since, "ALARM {DUE_UNATTEMPTED}: posts are due and were not attempted");
            leaves.push(alarm(account, true));
        }
        let over = self.raised.iter().filter(|account| !late.contains_key(*account));
        leaves.extend(over.map(|account| alarm(account, false)));
        // Said once, whether or not the log takes it: what keeps posts from going may be the log.
        self.raised = late.keys().cloned().collect();
        if leaves.is_empty() {
            return Ok(());
        }
        gateway.audit.append_all(leaves).await.map(drop).map_err(|error| error.to_string())
    }
}
