//! How long to wait after a failure: longer each time, never for long, and never in step with others.

use std::time::Duration;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

/// The first pause, before chance.
const FIRST: Duration = Duration::from_millis(500);
/// The longest pause, before chance.
const LONGEST: Duration = Duration::from_secs(30);
/// The longest pause that a receiver may ask for with `Retry-After`.
const ASKED_LONGEST: Duration = Duration::from_secs(600);

/// Failures in a row.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// It went well.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// It failed again: how long to wait. `asked` is what the receiver asked for.
    pub(crate) fn next(&mut self, asked: Option<Duration>) -> Duration {
        let pause = FIRST.saturating_mul(1_u32.checked_shl(self.failures.min(16)).unwrap_or(u32::MAX)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        // Between a half and the whole of it.
        let pause = pause / 2 + (pause / 2).mul_f64(chance());
        asked.map_or(pause, |asked| asked.min(ASKED_LONGEST).max(pause))
    }
}

/// Between 0 and 1.
fn chance() -> f64 {
    let mut bytes = [0_u8; 2];
    match SystemRandom::new().fill(&mut bytes) {
        Ok(()) => f64::from(u16::from_le_bytes(bytes)) / f64::from(u16::MAX),
        Err(_) => 0.5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_a_receiver_may_ask_for_more() {
        let mut backoff = Backoff::default();
        for whole_ms in [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000] {
            let whole = Duration::from_millis(whole_ms);
            let pause = backoff.next(None);
            assert!((whole / 2..=whole).contains(&pause), "{pause:?} of {whole:?}");
        }
        for _ in 0..100 {
            assert!(backoff.next(None) <= LONGEST);
        }
        assert_eq!(backoff.next(Some(Duration::from_secs(90))), Duration::from_secs(90));
        assert_eq!(backoff.next(Some(Duration::MAX)), ASKED_LONGEST);
        assert!(backoff.next(Some(Duration::ZERO)) >= LONGEST / 2, "asking for nothing is not asking to be flooded");
        backoff.reset();
        assert!(backoff.next(None) <= FIRST);
    }
}
