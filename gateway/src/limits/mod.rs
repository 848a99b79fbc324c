//! Limits that protect the gate and share it fairly, and the pauses that networks ask for.

mod pauses;

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Arc, Mutex},
    time::Duration,
};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter, clock::Clock as _};
pub use pauses::Pauses;

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

/// How many calls each app and person may make: GCRA, in memory.
pub struct Limits {
    standard: DefaultLimit,
    buckets: Mutex<HashMap<Principal, Bucket>>,
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

    /// Takes one call from the principal's allowance, or tells how long to wait.
    pub fn take(&self, principal: &Principal, rules: &LimitRules) -> Result<(), Duration> {
        let limiter = self.limiter(principal, rules);
        limiter.check().map_err(|not_until| not_until.wait_time_from(limiter.clock().now()))
    }

    fn limiter(&self, principal: &Principal, rules: &LimitRules) -> Arc<DefaultDirectRateLimiter> {
        let rule = self.rule(principal, rules);
        let mut buckets = self.buckets.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match buckets.get(principal) {
            // A changed rule starts with a full bucket.
            Some(bucket) if bucket.rule == rule => Arc::clone(&bucket.limiter),
            _ => {
                let limiter = Arc::new(RateLimiter::direct(quota(rule)));
                buckets.insert(principal.clone(), Bucket { rule, limiter: Arc::clone(&limiter) });
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
        assert!(limits.take(&app, &rules).is_ok() && limits.take(&app, &rules).is_ok());
        let wait = limits.take(&app, &rules).unwrap_err();
        assert!(wait > Duration::from_secs(5) && wait <= Duration::from_secs(10), "{wait:?}");
        assert!(
            limits.take(&Principal::Person(PersonId::new("newsroom")), &rules).is_ok(),
            "another caller has its own"
        );
    }

    #[test]
    fn an_apps_own_rule_replaces_the_standard() {
        let limits = Limits::new(DefaultLimit { calls_per_minute: 600, burst: 100 });
        let app = Principal::App(AppId::new("careers"));
        let mut rules = LimitRules::default();
        rules.apps.insert(AppId::new("careers"), Limit { calls_per_minute: 1, burst: Some(1) });
        assert!(limits.take(&app, &rules).is_ok());
        assert!(limits.take(&app, &rules).is_err());
    }
}
