//! Refusals that are summed for each second: those before authentication by source, so that strangers can't fill the log, and
//! those for a limit by key, so that no key fills it either.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;

use super::{Caller, journey};
use crate::{
    audit::{AuditLog, Leaf, leaf},
    refusal::problem,
};

/// Sources that are told apart within a second; the rest count together as `other`.
const SOURCES_MAX: usize = 256;
/// Leaves of one append: they fit the smallest batch.
const APPEND_LEAVES_MAX: usize = 256;
/// A clock that is set back by more than this many seconds is followed.
const CLOCK_BACK_S: i64 = 2;

/// What was turned away since the last flush.
#[derive(Default)]
pub struct Strangers {
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    /// Seconds before this one are in the log: who was read the clock just before the flush counts for this one, so that no second
    /// of a source has a second leaf.
    open_from: i64,
    /// By second and source.
    sources: BTreeMap<(i64, String), u64>,
    /// By second and key: an operator made each of these, so there are few.
    limited: BTreeMap<(i64, String), (Caller, u64)>,
}

impl Strangers {
    /// Counts one refusal before authentication.
    pub fn count(&self, source: IpAddr, now: Timestamp) {
        let counts = &mut *self.counts();
        let second = counts.second(now);
        let sources = &mut counts.sources;
        let mut key = (second, prefix(source));
        if sources.len() >= SOURCES_MAX && !sources.contains_key(&key) {
            key.1 = "other".into();
        }
        *sources.entry(key).or_default() += 1;
    }

    /// Counts one refusal for a limit.
    pub fn count_limited(&self, caller: &Caller, now: Timestamp) {
        let mut counts = self.counts();
        let key = (counts.second(now), caller.key().to_string());
        counts.limited.entry(key).or_insert_with(|| (caller.clone(), 0)).1 += 1;
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what was counted before this second. What can't be written is kept for the next time.
    pub async fn flush(&self, audit: &AuditLog, now: Timestamp) {
        self.flush_before(now.as_second(), audit, now).await;
    }

    /// Writes everything, this second too: at a stop nobody comes any more.
    pub async fn flush_all(&self, audit: &AuditLog, now: Timestamp) {
        self.flush_before(i64::MAX, audit, now).await;
    }

    async fn flush_before(&self, end: i64, audit: &AuditLog, now: Timestamp) {
        let ready = {
            let mut counts = self.counts();
            let open_from = now.as_second().max(counts.open_from);
            // At a stop the second that is open still is written too.
            let split = (end.max(open_from), String::new());
            let (sources, limited) = (counts.sources.split_off(&split), counts.limited.split_off(&split));
            std::mem::replace(&mut *counts, Counts { open_from, sources, limited })
        };
        let Counts { sources, limited, .. } = ready;
        let mut sources = sources.into_iter().peekable();
        while sources.peek().is_some() {
            let some: Vec<_> = sources.by_ref().take(APPEND_LEAVES_MAX).collect();
            let leaves = some.iter().map(|((second, source), count)| {
                let event = leaf::Unauthenticated { source: source.clone(), second_ms: second * 1000, count: *count };
                Leaf::new(now.as_millisecond(), event)
            });
            if audit.append_all(leaves.collect()).await.is_err() {
                let mut counts = self.counts();
                for (key, count) in some.into_iter().chain(sources.by_ref()) {
                    *counts.sources.entry(key).or_default() += count;
                }
            }
        }
        let mut limited = limited.into_iter().peekable();
        while limited.peek().is_some() {
            let some: Vec<_> = limited.by_ref().take(APPEND_LEAVES_MAX).collect();
            let leaves = some.iter().map(|(_, (caller, count))| Leaf::new(now.as_millisecond(), over(caller, *count)));
            if audit.append_all(leaves.collect()).await.is_err() {
                let mut counts = self.counts();
                for (key, (caller, count)) in some.into_iter().chain(limited.by_ref()) {
                    counts.limited.entry(key).or_insert((caller, 0)).1 += count;
                }
            }
        }
    }
}

impl Counts {
    /// The second that a refusal counts for.
    fn second(&mut self, now: Timestamp) -> i64 {
        let second = now.as_second();
        if second + CLOCK_BACK_S < self.open_from {
            self.open_from = second;
        }
        second.max(self.open_from)
    }
}

/// The network that an address is in: /24 of IPv4, /48 of IPv6. An address alone may be a person's.
fn prefix(source: IpAddr) -> String {
    match source.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{}/24", Ipv4Addr::new(a, b, c, 0))
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            format!("{}/48", Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
        }
    }
}

fn over(caller: &Caller, count: u64) -> leaf::Refused {
    let who = journey::who(caller);
    leaf::Refused {
        stage: "admit".into(),
        problem: problem::RATE_LIMITED.slug.into(),
        app: who.app,
        person: who.person,
        key: Some(caller.key().to_string()),
        count: Some(count),
        ..leaf::Refused::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_told_by_its_network() {
        let told = |text: &str| prefix(text.parse().unwrap());
        assert_eq!(told("203.0.113.77"), "203.0.113.0/24");
        assert_eq!(told("::ffff:203.0.113.77"), "203.0.113.0/24");
        assert_eq!(told("2001:db8:1:2::7"), "2001:db8:1::/48");
    }

    #[test]
    fn a_flood_of_sources_is_counted_in_bounded_space() {
        let strangers = Strangers::default();
        for source in 0..10_000u32 {
            strangers.count(IpAddr::from(source.to_be_bytes()), Timestamp::UNIX_EPOCH);
        }
        let counts = strangers.counts();
        assert!(counts.sources.len() <= SOURCES_MAX + 1);
        assert_eq!(counts.sources.values().sum::<u64>(), 10_000);
    }
}
