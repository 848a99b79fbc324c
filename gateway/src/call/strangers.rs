//! Refusals before authentication, summed for each source and second, so that strangers can't fill the log.

use std::{collections::BTreeMap, net::IpAddr, sync::Mutex};

use jiff::Timestamp;

use crate::audit::{AuditLog, Leaf, leaf};

/// Sources that are told apart within a second; the rest count together as `other`.
const SOURCES_MAX: usize = 256;

/// What strangers tried since the last flush.
#[derive(Default)]
pub struct Strangers {
    counts: Mutex<BTreeMap<(i64, String), u64>>,
}

impl Strangers {
    /// Counts one refusal.
    pub fn count(&self, source: IpAddr, now: Timestamp) {
        let mut counts = self.counts.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let second = now.as_second();
        let mut key = (second, source.to_string());
        if counts.len() >= SOURCES_MAX && !counts.contains_key(&key) {
            key.1 = "other".into();
        }
        *counts.entry(key).or_default() += 1;
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
        let ready: Vec<_> = {
            let mut counts = self.counts.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let later = counts.split_off(&(end, String::new()));
            std::mem::replace(&mut *counts, later).into_iter().collect()
        };
        if ready.is_empty() {
            return;
        }
        let leaves = ready
            .iter()
            .map(|((second, source), count)| {
                let event = leaf::Unauthenticated { source: source.clone(), second_ms: second * 1000, count: *count };
                Leaf::new(now.as_millisecond(), event)
            })
            .collect();
        if audit.append_all(leaves).await.is_err() {
            let mut counts = self.counts.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            for (key, count) in ready {
                *counts.entry(key).or_default() += count;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_sources_is_counted_in_bounded_space() {
        let strangers = Strangers::default();
        for source in 0..10_000u32 {
            strangers.count(IpAddr::from(source.to_be_bytes()), Timestamp::UNIX_EPOCH);
        }
        let counts = strangers.counts.lock().unwrap();
        assert!(counts.len() <= SOURCES_MAX + 1);
        assert_eq!(counts.values().sum::<u64>(), 10_000);
    }
}
