//! How long rounds take, and order statistics of their values.

use std::time::Duration;

/// How long a round takes: so many seconds, or what `PRESSGATE_BENCH_SECONDS` says. Short rounds show that all of it works.
pub fn seconds(usual: u64) -> Duration {
    let wanted = std::env::var("PRESSGATE_BENCH_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(wanted.unwrap_or(usual))
}

/// The values in order.
pub fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// The value below which this share of the sorted values lies; not a number where there are none.
pub fn at(sorted: &[f64], share: f64) -> f64 {
    let index = (share * (sorted.len().saturating_sub(1)) as f64).round() as usize;
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_measured_values() {
        let values = sorted(&[5.0, 1.0, 3.0, 2.0, 4.0]);
        assert_eq!((at(&values, 0.0), at(&values, 0.5), at(&values, 1.0)), (1.0, 3.0, 5.0));
        let hundred: Vec<f64> = (0..=100).map(f64::from).collect();
        assert_eq!(at(&hundred, 0.99), 99.0);
        assert!(at(&[], 0.5).is_nan());
    }
}
