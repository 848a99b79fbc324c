//! GCRA: a rate with a burst, kept as one time (ITU-T I.371, the virtual scheduling algorithm).

use super::{LENGTH_US_MAX, Standing, UNITS_MAX};

/// So many in the long run, so many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Time from one unit to the next.
    pub interval_us: u64,
    /// Units that may be drawn at once.
    pub burst: u32,
}

impl Rate {
    /// A rate of units in a minute. The interval is rounded up: never more than the rule says.
    pub fn per_minute(units: u32, burst: u32) -> Self {
        Self::checked(60_000_000_u64.div_ceil(u64::from(units.max(1))), burst)
    }

    fn checked(interval_us: u64, burst: u32) -> Self {
        let burst = burst.clamp(1, UNITS_MAX);
        // An interval times a burst stays far below 2^53.
        Self { interval_us: interval_us.clamp(1, LENGTH_US_MAX * 30 / u64::from(burst)), burst }
    }

    /// The share of one of `nodes`. A rate keeps at least one at once, so that it can be used at all; its interval grows.
    pub fn share(self, nodes: u32) -> Self {
        let nodes = nodes.max(1);
        Self::checked(self.interval_us.saturating_mul(u64::from(nodes)), self.burst / nodes)
    }

    /// The time that a full burst takes to come back.
    pub fn refill_us(self) -> u64 {
        self.interval_us.saturating_mul(u64::from(self.burst))
    }

    /// Where `tat_us` (the time until which everything is drawn) would go, and how long that must wait. A time further ahead than
    /// the burst allows is cut, so that a clock that was set back or a smaller burst locks nobody out.
    pub(super) fn draw(self, tat_us: u64, cost: u32, now_us: u64) -> (u64, u64) {
        let tolerance = self.refill_us();
        let drawn = tat_us.clamp(now_us, now_us.saturating_add(tolerance));
        // More than the burst never fits, however much more it is.
        let units = u64::from(cost).min(u64::from(self.burst) + 1);
        let next = drawn.saturating_add(self.interval_us.saturating_mul(units));
        (next, next.saturating_sub(now_us.saturating_add(tolerance)))
    }

    /// How the rate stands.
    pub(super) fn standing(self, tat_us: u64, wait_us: u64, now_us: u64) -> Standing {
        let tolerance = self.refill_us();
        let drawn = tat_us.clamp(now_us, now_us.saturating_add(tolerance)) - now_us;
        let remaining = u32::try_from((tolerance - drawn) / self.interval_us).unwrap_or(u32::MAX);
        // The next whole unit comes when what is drawn has shrunk to a multiple of the interval.
        let more_us = match drawn % self.interval_us {
            0 if drawn == 0 => 0,
            0 => self.interval_us,
            part => part,
        };
        Standing { limit: self.burst, remaining, more_us, wait_us }
    }
}
