//! How long a call into a plugin takes, in a fresh instance, with nothing else running.

use std::time::Instant;

use pressgate::host::{MediaFiles, Release, ReviewContext};
use pressgate::model::Draft;

/// Percentiles of one call's time, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Latency {
    /// The middle.
    pub p50_us: f64,
    /// All but one in a hundred are faster.
    pub p99_us: f64,
}

/// Reviews `draft` `calls` times, one after the other, after a tenth as many to warm up.
///
/// # Panics
/// The policy fails.
pub async fn of_review(release: &Release, draft: &Draft, context: &ReviewContext, calls: usize) -> Latency {
    let media = MediaFiles::none();
    for _ in 0..calls / 10 {
        release.review(draft, context, &media).await.expect("a verdict");
    }
    let mut times_ns = Vec::with_capacity(calls);
    for _ in 0..calls {
        let start = Instant::now();
        std::hint::black_box(release.review(draft, context, &media).await.expect("a verdict"));
        times_ns.push(start.elapsed().as_nanos());
    }
    times_ns.sort_unstable();
    let at = |share: f64| {
        let index = (share * (times_ns.len().saturating_sub(1)) as f64).round() as usize;
        times_ns.get(index).map_or(0.0, |ns| *ns as f64 / 1_000.0)
    };
    Latency { p50_us: at(0.5), p99_us: at(0.99) }
}
