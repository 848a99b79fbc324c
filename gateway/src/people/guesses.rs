//! Who guesses at links for outside approvers, or at addresses of feeds: a source that shows many wrong ones waits.
//!
//! A secret of 256 random bits is not guessed; this keeps those who try from the records.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

/// Wrong links of one source within [`WITHIN`]; then it waits until that is over.
const WRONG_MAX: u32 = 30;
const WITHIN: SignedDuration = SignedDuration::from_mins(1);
/// Sources that are told apart. Beyond, the oldest is forgotten.
const SOURCES_MAX: usize = 4_096;

/// Wrong links by source.
#[derive(Debug, Default)]
pub struct Guesses(Mutex<HashMap<IpAddr, (Timestamp, u32)>>);

impl Guesses {
    /// May somebody from there show a link?
    pub fn may_try(&self, source: IpAddr, now: Timestamp) -> bool {
        let all = self.lock();
        all.get(&prefix(source)).is_none_or(|(since, wrong)| *wrong < WRONG_MAX || is_over(*since, now))
    }

    /// Notes a wrong one.
    pub fn wrong(&self, source: IpAddr, now: Timestamp) {
        let (mut all, source) = (self.lock(), prefix(source));
        if all.len() >= SOURCES_MAX && !all.contains_key(&source) {
            all.retain(|_, (since, _)| !is_over(*since, now));
            let oldest = all.iter().min_by_key(|(_, (since, _))| *since).map(|(source, _)| *source);
            if let Some(oldest) = oldest.filter(|_| all.len() >= SOURCES_MAX) {
                all.remove(&oldest);
            }
        }
        let (since, wrong) = all.entry(source).or_insert((now, 0));
        if is_over(*since, now) {
            (*since, *wrong) = (now, 0);
        }
        *wrong = wrong.saturating_add(1);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, (Timestamp, u32)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Over too where the clock was set back.
fn is_over(since: Timestamp, now: Timestamp) -> bool {
    now < since || now.duration_since(since) >= WITHIN
}

/// One subscriber: an address of IPv4, a /64 of IPv6.
fn prefix(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_guesses_waits_a_minute_and_nobody_else_does() {
        let (guesses, start) = (Guesses::default(), Timestamp::UNIX_EPOCH);
        let (one, other): (IpAddr, IpAddr) = ("2001:db8::1".parse().unwrap(), "203.0.113.7".parse().unwrap());
        for _ in 0..WRONG_MAX {
            assert!(guesses.may_try(one, start));
            guesses.wrong(one, start);
        }
        assert!(!guesses.may_try("2001:db8::ffff".parse().unwrap(), start), "the same subscriber");
        assert!(guesses.may_try(other, start));
        assert!(guesses.may_try(one, start + WITHIN));
        guesses.wrong(one, start + WITHIN);
        assert!(guesses.may_try(one, start + WITHIN));
    }

    #[test]
    fn many_sources_take_bounded_space() {
        let guesses = Guesses::default();
        for source in 0..10_000u32 {
            guesses.wrong(IpAddr::from(source.to_be_bytes()), Timestamp::UNIX_EPOCH);
        }
        assert!(guesses.lock().len() <= SOURCES_MAX);
    }
}
