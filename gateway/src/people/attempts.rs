//! Sign-ins under way: between the address that a browser was sent to and its answer.
//!
//! In memory only, as connections of accounts are: after a restart a person clicks once more. An attempt belongs to the browser that
//! began it, so that nobody is signed in as somebody else by a link.

use std::{
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

use crate::{egress::Begun, vault::SecretString};

/// How long an answer is awaited.
const ATTEMPT_FOR: SignedDuration = SignedDuration::from_mins(10);
/// Most at once. Beyond, the oldest goes.
const ATTEMPTS_MAX: usize = 4_096;
/// Most of one source at once, so that one pushes nobody else's out.
const ATTEMPTS_PER_SOURCE_MAX: usize = 64;

/// All attempts, newest last.
#[derive(Default)]
pub(crate) struct Attempts(Mutex<Vec<Attempt>>);

struct Attempt {
    begun: Begun,
    nonce: String,
    to: String,
    browser: [u8; 32],
    source: IpAddr,
    until: Timestamp,
}

/// An attempt whose answer came.
pub(super) struct Answered {
    /// For the exchange of the code (PKCE).
    pub(super) verifier: SecretString,
    /// What the identity token must repeat.
    pub(super) nonce: String,
    /// Where the person wanted to go.
    pub(super) to: String,
}

impl Attempts {
    /// Notes an attempt of a browser.
    pub(super) fn begin(
        &self,
        (begun, nonce): (Begun, String),
        to: &str,
        browser: [u8; 32],
        source: IpAddr,
        now: Timestamp,
    ) {
        let mut all = self.lock();
        all.retain(|attempt| now < attempt.until);
        let of_source = all.iter().filter(|attempt| attempt.source == source).count();
        let crowded = of_source >= ATTEMPTS_PER_SOURCE_MAX;
        let oldest = all.iter().position(|attempt| !crowded || attempt.source == source);
        if let Some(oldest) = oldest.filter(|_| crowded || all.len() >= ATTEMPTS_MAX) {
            all.remove(oldest);
        }
        let until = now.saturating_add(ATTEMPT_FOR).unwrap_or(Timestamp::MAX);
        all.push(Attempt { begun, nonce, to: to.to_owned(), browser, source, until });
    }

    /// Takes the attempt that an answer belongs to. It is taken once, and only for the browser that began it.
    pub(super) fn take(&self, state: &str, browser: [u8; 32], now: Timestamp) -> Option<Answered> {
        let mut all = self.lock();
        let found = all.iter().position(|attempt| attempt.browser == browser && attempt.begun.is_for(state))?;
        let attempt = all.remove(found);
        let Attempt { begun, nonce, to, until, .. } = attempt;
        (now < until).then_some(Answered { verifier: begun.verifier, nonce, to })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Attempt>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(state: &str) -> (Begun, String) {
        (Begun { url: String::new(), state: state.into(), verifier: "v".into() }, "n".to_owned())
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
    }

    #[test]
    fn an_answer_counts_once_in_its_own_browser_and_in_time() {
        let (attempts, here) = (Attempts::default(), IpAddr::from([127, 0, 0, 1]));
        attempts.begin(begun("a"), "/people/device", [1; 32], here, at(0));
        attempts.begin(begun("b"), "/people/", [1; 32], here, at(0));
        assert!(attempts.take("a", [2; 32], at(1)).is_none(), "another browser");
        assert!(attempts.take("x", [1; 32], at(1)).is_none() && attempts.take("", [1; 32], at(1)).is_none());
        assert_eq!(attempts.take("a", [1; 32], at(1)).map(|answered| answered.to), Some("/people/device".to_owned()));
        assert!(attempts.take("a", [1; 32], at(1)).is_none(), "single use");
        assert!(attempts.take("b", [1; 32], at(600)).is_none(), "too late");
    }

    #[test]
    fn one_source_pushes_only_its_own_out() {
        let attempts = Attempts::default();
        let (one, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        attempts.begin(begun("mine"), "/people/", [1; 32], other, at(0));
        for number in 0..ATTEMPTS_PER_SOURCE_MAX + 5 {
            attempts.begin(begun(&format!("s{number}")), "/people/", [2; 32], one, at(0));
        }
        assert_eq!(attempts.lock().len(), ATTEMPTS_PER_SOURCE_MAX + 1);
        assert!(attempts.take("mine", [1; 32], at(1)).is_some());
        assert!(attempts.take("s0", [2; 32], at(1)).is_none() && attempts.take("s5", [2; 32], at(1)).is_some());
    }

    #[test]
    fn there_are_never_more_than_the_most() {
        let attempts = Attempts::default();
        for number in 0..=u32::try_from(ATTEMPTS_MAX).unwrap() {
            attempts.begin(
                begun(&format!("s{number}")),
                "/people/",
                [1; 32],
                IpAddr::from(number.to_be_bytes()),
                at(0),
            );
        }
        assert_eq!(attempts.lock().len(), ATTEMPTS_MAX);
        assert!(attempts.take("s0", [1; 32], at(1)).is_none());
    }
}
