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
//! `p0` is not known but estimated: with a prior of one failure in fifty calls, and never below [`RATE_FLOOR`], so that a single failure
//! after a spotless past proves nothing.
//!
//! A past says nothing of a network that fails from now on. So a canary must be worse than what serves *beside* it, too. Of all failures since it
//! came, `k` were the canary's and `m` the others'. Where both fail at one rate, whatever it is and however it changes, a failure is the
//! canary's with the chance `s`, its share of the calls; so
//!
//! ```text
//! E(k, m) = Σ_j w_j · (θ_j / s)^k · ((1 − θ_j) / (1 − s))^m,   θ_j > s
//! ```
//!
//! is such a supermartingale again, with nothing estimated. A release that has all calls has nothing beside it; there the past must do.

use crate::host::{Count, HOOKS};

/// The chance that a release which is no worse is rolled back, over all its functions.
const ALPHA: f64 = 0.005;
/// No release is held against a lower rate than one failure in a thousand calls.
const RATE_FLOOR: f64 = 0.001;
/// What is assumed of a function that was hardly ever asked: one failure in so many calls.
const PRIOR_CALLS: f64 = 50.0;
/// How many rates are mixed: `p0 + (1 − p0) / 2^j` for j from 1.
const RATES: i32 = 8;
/// The chance that a canary which is no worse than what serves beside it is held to be, over all its functions.
const ALPHA_BESIDE: f64 = 0.02;
/// How far the canary's part of the failures may lie between its share of the calls and all of them.
const PARTS: [f64; 3] = [0.5, 0.8, 0.99];

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

/// What a canary serves beside.
#[derive(Debug, Clone, Copy)]
pub struct Beside<'a> {
    /// What was counted of the other release when the canary came.
    pub at_first: &'a [(&'static str, Count)],
    /// The canary's share of the calls, of 1.
    pub share: f64,
}

/// The function that has got worse beyond doubt, if one has.
pub fn worse(
    now: &[(&'static str, Count)],
    before: &[(&'static str, Count)],
    beside: Option<Beside<'_>>,
) -> Option<Worse> {
    now.iter().find_map(|(function, count)| {
        let past = of(before, function);
        let is_worse = ln_evidence(count.calls, bad(count), rate(&past)) >= threshold(ALPHA)
            && beside.is_none_or(|beside| {
                ln_evidence_beside(count, &since(&past, &of(beside.at_first, function)), beside.share)
                    >= threshold(ALPHA_BESIDE)
            });
        is_worse.then_some(Worse { function, now: *count, before: past })
    })
}

fn of(counts: &[(&'static str, Count)], function: &str) -> Count {
    counts.iter().find(|(name, _)| *name == function).map_or_else(Count::default, |(_, count)| *count)
}

fn since(now: &Count, at_first: &Count) -> Count {
    Count {
        calls: now.calls.saturating_sub(at_first.calls),
        failed: now.failed.saturating_sub(at_first.failed),
        refused: now.refused.saturating_sub(at_first.refused),
    }
}

fn bad(count: &Count) -> u64 {
    count.failed.saturating_add(count.refused).min(count.calls)
}

/// The functions share the chance of a mistake.
fn threshold(alpha: f64) -> f64 {
    (float(HOOKS.len() as u64) / alpha).ln()
}

/// The rate of what served before, with the prior.
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
    ln_mean(&(1..=RATES).map(of_rate).collect::<Vec<_>>())
}

/// The same for the failures of a canary and of what serves beside it. Functions that are asked otherwise than call by call may be asked of
/// the canary more often than its share.
fn ln_evidence_beside(canary: &Count, other: &Count, share: f64) -> f64 {
    let all = float(canary.calls.saturating_add(other.calls)).max(1.0);
    let s = share.max(float(canary.calls) / all).clamp(0.000_1, 0.999);
    let (own, others) = (float(bad(canary)), float(bad(other)));
    let of_part = |part: &f64| {
        let theta = s + (1.0 - s) * part;
        own * (theta / s).ln() + others * ((1.0 - theta) / (1.0 - s)).ln()
    };
    ln_mean(&PARTS.iter().map(of_part).collect::<Vec<_>>())
}

/// The logarithm of the mean of numbers whose logarithms these are.
fn ln_mean(all: &[f64]) -> f64 {
    let most = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    most + (all.iter().map(|ln| (ln - most).exp()).sum::<f64>() / float(all.len() as u64)).ln()
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
            worse(&[("perform", count)], &[("perform", before)], None).is_some()
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
        assert_eq!(worse(&one, &[("review", past(100_000, 0))], None), None);
        let after = found_after(&mut Dice(3), 1.0, past(100_000, 0), 100).unwrap();
        assert!(after <= 3, "{after}");
        let unknown = found_after(&mut Dice(4), 1.0, Count::default(), 100).unwrap();
        assert!(unknown <= 5, "without a past: {unknown}");
    }

    /// How many calls a canary with a tenth of them got until it was found worse than what serves beside it.
    fn canary_found_after(dice: &mut Dice, rate: f64, others_rate: f64, most: u64) -> Option<u64> {
        let first = past(20_000, 5);
        let (mut canary, mut other) = (Count::default(), first);
        let beside = Beside { at_first: &[("perform", first)], share: 0.1 };
        for _ in 0..most {
            let (count, rate) = if dice.falls(0.1) { (&mut canary, rate) } else { (&mut other, others_rate) };
            count.calls += 1;
            count.failed += u64::from(dice.falls(rate));
            if worse(&[("perform", canary)], &[("perform", other)], Some(beside)).is_some() {
                return Some(canary.calls);
            }
        }
        None
    }

    #[test]
    fn a_canary_is_found_quickly_and_not_blamed_for_a_network_that_begins_to_fail() {
        let mut dice = Dice(5);
        let mut all: Vec<u64> =
            (0..200).map(|_| canary_found_after(&mut dice, 0.05, 0.0, 50_000).expect("found")).collect();
        all.sort_unstable();
        assert!(all[100] <= 110, "median {}", all[100]);
        for rate in [0.2, 1.0] {
            let blamed = (0..300).filter(|_| canary_found_after(&mut dice, rate, rate, 2_000).is_some()).count();
            assert!(blamed <= 6, "{blamed} of 300 while {rate} fails for both");
        }
    }

    #[test]
    fn what_fails_for_both_is_nobodys_fault() {
        let (now, before) = (past(200, 150), past(2_000, 1_500));
        assert_eq!(worse(&[("perform", now)], &[("perform", before)], None), None);
        let found = worse(&[("perform", now)], &[("perform", past(2_000, 0))], None).unwrap();
        assert_eq!(found.to_string(), "`perform` failed 150 of 200 calls, before 0 of 2000");
    }
}
