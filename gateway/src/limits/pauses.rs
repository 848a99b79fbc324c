//! Pauses that networks ask for, by account.

use std::{collections::HashMap, sync::Mutex};

use jiff::{SignedDuration, Timestamp};

use crate::{host::Budget, model::AccountId};

/// No network keeps an account waiting longer than this, whatever it says.
const PAUSE_MAX: SignedDuration = SignedDuration::from_hours(24);

/// Until when each account is left alone.
#[derive(Default)]
pub struct Pauses {
    until: Mutex<HashMap<AccountId, Timestamp>>,
}

impl Pauses {
    /// Leaves the account alone for that long.
    pub fn pause(&self, account: &AccountId, wait_ms: u64, now: Timestamp) {
        let wait = SignedDuration::from_millis(i64::try_from(wait_ms).unwrap_or(i64::MAX)).min(PAUSE_MAX);
        if let Ok(until) = now.checked_add(wait) {
            self.until(account, until);
        }
    }

    /// Learns from an answer: a window that is used up is a pause until it ends.
    pub fn learn(&self, account: &AccountId, budgets: &[Budget], now: Timestamp) {
        for budget in budgets {
            if let (Some(0), Some(reset)) = (budget.remaining, budget.reset_at) {
                let latest = now.checked_add(PAUSE_MAX).unwrap_or(reset);
                self.until(account, reset.min(latest));
            }
        }
    }

    /// How long the account must still be left alone.
    pub fn left(&self, account: &AccountId, now: Timestamp) -> Option<SignedDuration> {
        let mut until = self.until.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let end = *until.get(account)?;
        if end <= now {
            until.remove(account);
            return None;
        }
        Some(end.duration_since(now))
    }

    fn until(&self, account: &AccountId, end: Timestamp) {
        let mut until = self.until.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let entry = until.entry(account.clone()).or_insert(end);
        *entry = (*entry).max(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_pause_holds_and_ends() {
        let pauses = Pauses::default();
        let account = AccountId::new("acme");
        let start = Timestamp::UNIX_EPOCH;
        pauses.pause(&account, 5_000, start);
        pauses.pause(&account, 1_000, start);
        let budget = |remaining, reset_s| Budget {
            class: "posts".into(),
            limit: None,
            remaining,
            reset_at: Timestamp::from_second(reset_s).ok(),
        };
        pauses.learn(&account, &[budget(Some(3), 100), budget(Some(0), 9)], start);
        assert_eq!(pauses.left(&account, start), Some(SignedDuration::from_secs(9)));
        assert_eq!(pauses.left(&account, Timestamp::from_second(9).unwrap()), None);
        pauses.pause(&account, u64::MAX, start);
        assert_eq!(pauses.left(&account, start), Some(PAUSE_MAX));
    }
}
