//! Does a release fail more often than what served before it? A test that may be looked at after every call.
//!
//! With `p0` the rate of failures of what served before, `n` calls of the new release of which `k` failed, and rates `p_j > p0`,
//!
//! ```text
//! E(n, k) = Σ_j w_j · (p_j / p0)^k · ((1 − p_j) / (1 − p0))^(n − k),   Σ_j w_j = 1
//! ```
//!
//! is a mixture of likelihood ratios. Where the new release fails at a rate of at most `p0`, `E` is a supermartingale that starts at 1,
//! so by Ville's inequality the chance that it *ever* reaches `1/α` is at most `α`, however often somebody looks. This is the mixture
//! sequential probability ratio test (Robbins, *Statistical methods related to the law of the iterated logarithm*, Ann. Math. Statist.
//! 41, 1970; Wald's test of 1945 is the case of a single `p_j`). `E` follows from the two counts alone, so nothing is kept for each call.
//!
//! `p0` is not known but estimated, from above: with a prior of one failure in fifty calls, and never below [`RATE_FLOOR`], so that a single failure
//! after a spotless past proves nothing. The estimate grows with what the release before does at the same time: where a network is
//! down for both, the new one is not blamed.

use crate::host::{Count, HOOKS};

/// The chance that a release which is no worse is rolled back, over all its functions.
const ALPHA: f64 = 0.005;
/// No release is held against a lower rate than one failure in a thousand calls.
const RATE_FLOOR: f64 = 0.001;
/// What is assumed of a function that was hardly ever asked: one failure in so many calls.
const PRIOR_CALLS: f64 = 50.0;
/// How many rates are mixed: `p0 + (1 − p0) / 2^j` for j from 1.
const RATES: i32 = 8;

/// What was found: a function that fails more often than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worse {
    /// The function.
    pub function: &'static str,
    /// What was counted of it.
    pub now: Count,
    /// What was counted of it before.
    pub before: Count,
}

impl std::fmt::Display for Worse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { function, now, before } = self;
        write!(f, "`{function}` failed {} of {} calls, before {} of {}", bad(now), now.calls, bad(before), before.calls)
    }
}

/// The function that has got worse beyond doubt, if one has.
pub fn worse(now: &[(&'static str, Count)], before: &[(&'static str, Count)]) -> Option<Worse> {
    now.iter().find_map(|(function, count)| {
        let past = before.iter().find(|(name, _)| name == function).map_or_else(Count::default, |(_, past)| *past);
        let found = Worse { function, now: *count, before: past };
        (ln_evidence(count.calls, bad(count), rate(&past)) >= threshold()).then_some(found)
    })
}

fn bad(count: &Count) -> u64 {
    count.failed.saturating_add(count.refused).min(count.calls)
}

/// The functions share the chance of a mistake.
fn threshold() -> f64 {
    (float(HOOKS.len() as u64) / ALPHA).ln()
}

/// The rate of what served before, from above.
fn rate(past: &Count) -> f64 {
    ((float(bad(past)) + 1.0) / (float(past.calls) + PRIOR_CALLS)).clamp(RATE_FLOOR, 0.99)
}

/// The logarithm of `E`.
fn ln_evidence(calls: u64, bad: u64, p0: f64) -> f64 {
    let (bad, good) = (float(bad), float(calls.saturating_sub(bad)));
    let of_rate = |j: i32| {
        let p = p0 + (1.0 - p0) / 2_f64.powi(j);
        bad * (p / p0).ln() + good * ((1.0 - p) / (1.0 - p0)).ln()
    };
    let all: Vec<f64> = (1..=RATES).map(of_rate).collect();
    let most = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    most + (all.iter().map(|ln| (ln - most).exp()).sum::<f64>() / f64::from(RATES)).ln()
}

#[allow(clippy::cast_precision_loss, reason = "counts of calls are far below 2^53")]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same numbers every time.
    struct Dice(u64);

    impl Dice {
        fn falls(&mut self, rate: f64) -> bool {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            float(self.0 >> 11) / float(1 << 53) < rate
        }
    }

    /// After how many calls a release that fails at this rate is found worse; none within `most`.
    fn found_after(dice: &mut Dice, rate: f64, before: Count, most: u64) -> Option<u64> {
        let mut count = Count::default();
        (1..=most).find(|_| {
            count.calls += 1;
            count.failed += u64::from(dice.falls(rate));
            worse(&[("perform", count)], &[("perform", before)]).is_some()
        })
    }

    fn past(calls: u64, failed: u64) -> Count {
        Count { calls, failed, refused: 0 }
    }

    #[test]
    fn five_per_cent_against_a_good_past_is_found_within_a_hundred_calls_or_so() {
        let mut dice = Dice(1);
        let mut all: Vec<u64> =
            (0..200).map(|_| found_after(&mut dice, 0.05, past(5_000, 1), 5_000).expect("found")).collect();
        all.sort_unstable();
        assert!(all[100] < 100 && all[190] < 300, "median {}, 95th of a hundred {}", all[100], all[190]);
    }

    #[test]
    fn a_release_that_is_no_worse_is_rarely_blamed_however_long_one_looks() {
        let mut dice = Dice(2);
        let blamed = (0..400).filter(|_| found_after(&mut dice, 0.02, past(10_000, 200), 3_000).is_some()).count();
        assert!(blamed <= 6, "{blamed} of 400");
        assert_eq!(found_after(&mut dice, 0.0, past(10_000, 200), 10_000), None);
    }

    #[test]
    fn one_failure_proves_nothing_and_a_release_that_always_fails_is_found_at_once() {
        let one = [("review", past(1, 1))];
        assert_eq!(worse(&one, &[("review", past(100_000, 0))]), None);
        let after = found_after(&mut Dice(3), 1.0, past(100_000, 0), 100).unwrap();
        assert!(after <= 3, "{after}");
        let unknown = found_after(&mut Dice(4), 1.0, Count::default(), 100).unwrap();
        assert!(unknown <= 5, "without a past: {unknown}");
    }

    #[test]
    fn what_fails_for_both_is_nobodys_fault() {
        let (now, before) = (past(200, 150), past(2_000, 1_500));
        assert_eq!(worse(&[("perform", now)], &[("perform", before)]), None);
        let found = worse(&[("perform", now)], &[("perform", past(2_000, 0))]).unwrap();
        assert_eq!(found.to_string(), "`perform` failed 150 of 200 calls, before 0 of 2000");
    }
}
