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

/// What was turned away since the last flush.
#[derive(Default)]
pub struct Strangers {
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    /// By second and source.
    sources: BTreeMap<(i64, String), u64>,
    /// By second and key: an operator made each of these, so there are few.
    limited: BTreeMap<(i64, String), (Caller, u64)>,
}

impl Strangers {
    /// Counts one refusal before authentication.
    pub fn count(&self, source: IpAddr, now: Timestamp) {
        let sources = &mut self.counts().sources;
        let second = now.as_second();
        let mut key = (second, prefix(source));
        if sources.len() >= SOURCES_MAX && !sources.contains_key(&key) {
            key.1 = "other".into();
        }
        *sources.entry(key).or_default() += 1;
    }

    /// Counts one refusal for a limit.
    pub fn count_limited(&self, caller: &Caller, now: Timestamp) {
        let key = (now.as_second(), caller.key().to_string());
        self.counts().limited.entry(key).or_insert_with(|| (caller.clone(), 0)).1 += 1;
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
            let split = (end, String::new());
            let (sources, limited) = (counts.sources.split_off(&split), counts.limited.split_off(&split));
            std::mem::replace(&mut *counts, Counts { sources, limited })
        };
        let sources = ready.sources.iter().map(|((second, source), count)| {
            let event = leaf::Unauthenticated { source: source.clone(), second_ms: second * 1000, count: *count };
            Leaf::new(now.as_millisecond(), event)
        });
        let limited =
            ready.limited.values().map(|(caller, count)| Leaf::new(now.as_millisecond(), over(caller, *count)));
        let leaves: Vec<_> = sources.chain(limited).collect();
        if !leaves.is_empty() && audit.append_all(leaves).await.is_err() {
            let mut counts = self.counts();
            for (key, count) in ready.sources {
                *counts.sources.entry(key).or_default() += count;
            }
            for (key, (caller, count)) in ready.limited {
                counts.limited.entry(key).or_insert((caller, 0)).1 += count;
            }
        }
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
