//! Arithmetic of instants that can't fail: beyond the end of time is the end of time.

use jiff::{SignedDuration, Timestamp};

/// `at` and so many seconds.
pub(crate) fn after(at: Timestamp, seconds: u32) -> Timestamp {
    at.checked_add(SignedDuration::from_secs(i64::from(seconds))).unwrap_or(Timestamp::MAX)
}

/// Whole seconds from one instant to a later one; 0 where it is not later.
pub(crate) fn seconds_between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.as_second().saturating_sub(from.as_second())).unwrap_or(0)
}
