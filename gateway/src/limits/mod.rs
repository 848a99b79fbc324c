//! Limits that protect the gate and share it fairly, and the pauses that networks ask for.

pub mod engine;
mod pauses;
mod readings;

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Arc, Mutex},
    time::Duration,
};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter, clock::Clock as _};
pub use pauses::Pauses;
pub use readings::{Reading, Readings};

use crate::{
    config::{Limit, LimitRules},
    model::Principal,
};

/// The rule for callers that governance does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DefaultLimit {
    /// Sustained calls in a minute.
    pub calls_per_minute: u32,
    /// Calls that may come at once.
    pub burst: u32,
}

/// What is counted, each on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Counted {
    /// A call: one action on one account. A post for three accounts is three.
    Call,
    /// A request that may change something, whatever comes of it. The numbers are those of calls.
    Change,
    /// A request that only reads: [`READS_PER_CALL`] times as many.
    Read,
}

/// So many reads go where one call goes.
pub const READS_PER_CALL: u32 = 10;

/// How many calls each app and person may make: GCRA, in memory.
pub struct Limits {
    standard: DefaultLimit,
    buckets: Mutex<HashMap<(Principal, Counted), Bucket>>,
}

struct Bucket {
    rule: (u32, u32),
    limiter: Arc<DefaultDirectRateLimiter>,
}

impl Limits {
    /// Limits with the rule for everybody.
    pub fn new(standard: DefaultLimit) -> Self {
        Self { standard, buckets: Mutex::new(HashMap::new()) }
    }

    /// Takes one from the principal's allowance, or tells how long to wait.
    pub fn take(&self, principal: &Principal, counted: Counted, rules: &LimitRules) -> Result<(), Duration> {
        let limiter = self.limiter(principal, counted, rules);
        limiter.check().map_err(|not_until| not_until.wait_time_from(limiter.clock().now()))
    }

    fn limiter(&self, principal: &Principal, counted: Counted, rules: &LimitRules) -> Arc<DefaultDirectRateLimiter> {
        let (calls_per_minute, burst) = self.rule(principal, rules);
        let times = if counted == Counted::Read { READS_PER_CALL } else { 1 };
        let rule = (calls_per_minute.saturating_mul(times), burst.saturating_mul(times));
        let mut buckets = self.buckets.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let key = (principal.clone(), counted);
        match buckets.get(&key) {
            // A changed rule starts with a full bucket.
            Some(bucket) if bucket.rule == rule => Arc::clone(&bucket.limiter),
            _ => {
                let limiter = Arc::new(RateLimiter::direct(quota(rule)));
                buckets.insert(key, Bucket { rule, limiter: Arc::clone(&limiter) });
                limiter
            }
        }
    }

    fn rule(&self, principal: &Principal, rules: &LimitRules) -> (u32, u32) {
        let own = match principal {
            Principal::App(app) => rules.apps.get(app).copied(),
            Principal::Person(_) => None,
        };
        match own {
            Some(Limit { calls_per_minute, burst }) => (calls_per_minute, burst.unwrap_or(self.standard.burst)),
            None => (self.standard.calls_per_minute, self.standard.burst),
        }
    }
}

fn quota((calls_per_minute, burst): (u32, u32)) -> Quota {
    let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
    Quota::per_minute(at_least_one(calls_per_minute)).allow_burst(at_least_one(burst))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AppId, PersonId};

    #[test]
    fn the_burst_passes_and_the_next_call_is_told_when_to_come() {
        let limits = Limits::new(DefaultLimit { calls_per_minute: 6, burst: 2 });
        let app = Principal::App(AppId::new("newsroom"));
        let rules = LimitRules::default();
        assert!(limits.take(&app, Counted::Call, &rules).is_ok() && limits.take(&app, Counted::Call, &rules).is_ok());
        let wait = limits.take(&app, Counted::Call, &rules).unwrap_err();
        assert!(wait > Duration::from_secs(5) && wait <= Duration::from_secs(10), "{wait:?}");
        assert!(
            limits.take(&Principal::Person(PersonId::new("newsroom")), Counted::Call, &rules).is_ok(),
            "another caller has its own"
        );
    }

    #[test]
    fn reads_have_a_larger_allowance_of_their_own() {
        let limits = Limits::new(DefaultLimit { calls_per_minute: 6, burst: 2 });
        let app = Principal::App(AppId::new("newsroom"));
        let taken = |counted| (0..100).filter(|_| limits.take(&app, counted, &LimitRules::default()).is_ok()).count();
        assert_eq!((taken(Counted::Change), taken(Counted::Call)), (2, 2));
        assert!((20..25).contains(&taken(Counted::Read)));
    }

    #[test]
    fn an_apps_own_rule_replaces_the_standard() {
        let limits = Limits::new(DefaultLimit { calls_per_minute: 600, burst: 100 });
        let app = Principal::App(AppId::new("careers"));
        let mut rules = LimitRules::default();
        rules.apps.insert(AppId::new("careers"), Limit { calls_per_minute: 1, burst: Some(1) });
        assert!(limits.take(&app, Counted::Call, &rules).is_ok());
        assert!(limits.take(&app, Counted::Call, &rules).is_err());
    }
}
