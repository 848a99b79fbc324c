//! Connections that somebody is making: between the address that an operator opened and the answer in their browser.
//!
//! In memory only. After a restart the operator begins again, which costs a click; a state on disk would be one more secret.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::{
    egress::Begun,
    model::{AccountId, PersonId},
    vault::SecretString,
};

/// How long an answer is awaited.
pub const PENDING_FOR: SignedDuration = SignedDuration::from_mins(10);
/// Most at once; operators are few. Beyond, the oldest goes.
const PENDING_MAX: usize = 64;

/// Who connects what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The account.
    pub account: AccountId,
    /// Which of its credentials.
    pub label: String,
    /// The operator who began.
    pub by: PersonId,
    /// Where the browser is sent back to.
    pub redirect_uri: String,
}

/// An attempt whose answer came, with what proves that it is the same gateway.
pub struct Ended {
    /// Its id, which is no secret.
    pub id: String,
    /// Who connects what.
    pub attempt: Attempt,
    /// For the exchange of the code (PKCE).
    pub verifier: SecretString,
}

/// How far an attempt is, for the operator who waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// No answer came yet.
    Waiting,
    /// The account is connected.
    Connected,
    /// It is not, and why.
    Failed(String),
    /// No answer came in time.
    Expired,
}

/// All attempts, newest last.
#[derive(Default)]
pub struct Pending(Mutex<Vec<Known>>);

struct Known {
    id: String,
    until: Timestamp,
    attempt: Attempt,
    /// Gone once an answer came: a state is good for one.
    open: Option<Begun>,
    progress: Progress,
}

impl Pending {
    /// Notes an attempt, and gives its end. An earlier one for the same credential is over.
    pub fn begin(&self, id: &str, attempt: Attempt, begun: Begun, now: Timestamp) -> Timestamp {
        let until = now.saturating_add(PENDING_FOR).unwrap_or(Timestamp::MAX);
        let mut all = self.lock();
        for known in all.iter_mut().filter(|known| {
            known.attempt.account == attempt.account && known.attempt.label == attempt.label && known.open.is_some()
        }) {
            known.open = None;
            known.progress = Progress::Failed("somebody began to connect it again".to_owned());
        }
        // What ended is remembered as long again, for whoever asks how it went.
        all.retain(|known| now < known.until.saturating_add(PENDING_FOR).unwrap_or(Timestamp::MAX));
        let surplus = (all.len() + 1).saturating_sub(PENDING_MAX);
        all.drain(..surplus);
        all.push(Known { id: id.to_owned(), until, attempt, open: Some(begun), progress: Progress::Waiting });
        until
    }

    /// Takes the attempt that an answer with this state belongs to. It is taken once; a late one is none.
    pub fn take(&self, state: &str, now: Timestamp) -> Option<Ended> {
        let mut all = self.lock();
        let known = all.iter_mut().find(|known| known.open.as_ref().is_some_and(|begun| begun.is_for(state)))?;
        let begun = known.open.take()?;
        if now >= known.until {
            known.progress = Progress::Expired;
            return None;
        }
        Some(Ended { id: known.id.clone(), attempt: known.attempt.clone(), verifier: begun.verifier })
    }

    /// How an attempt ended.
    pub fn ended(&self, id: &str, progress: Progress) {
        if let Some(known) = self.lock().iter_mut().find(|known| known.id == id) {
            known.progress = progress;
        }
    }

    /// How far an attempt is; none for one that nobody began.
    pub fn progress(&self, id: &str, now: Timestamp) -> Option<Progress> {
        let mut all = self.lock();
        let known = all.iter_mut().find(|known| known.id == id)?;
        if known.open.is_some() && now >= known.until {
            known.open = None;
            known.progress = Progress::Expired;
        }
        Some(known.progress.clone())
    }

    /// Ends the attempts for a credential: it is revoked.
    pub fn drop_of(&self, account: &AccountId, label: &str) {
        self.lock().retain(|known| known.attempt.account != *account || known.attempt.label != label);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(account: &str) -> Attempt {
        let (account, by) = (AccountId::new(account), PersonId::new("ops-1"));
        Attempt { account, label: "token".into(), by, redirect_uri: "http://127.0.0.1:8421/oauth/callback".into() }
    }

    fn begun(state: &str) -> Begun {
        Begun { url: String::new(), state: state.into(), verifier: "v".into() }
    }

    #[test]
    fn a_state_is_good_once_and_for_ten_minutes() {
        let (pending, start) = (Pending::default(), Timestamp::UNIX_EPOCH);
        let at = |seconds| start + SignedDuration::from_secs(seconds);
        pending.begin("a", attempt("one"), begun("state-a"), start);
        pending.begin("b", attempt("two"), begun("state-b"), start);
        assert!(pending.take("state-x", start).is_none() && pending.take("", start).is_none());
        assert_eq!(pending.take("state-a", at(599)).map(|ended| ended.id), Some("a".into()));
        assert!(pending.take("state-a", at(599)).is_none(), "single use");
        assert_eq!(pending.progress("b", at(599)), Some(Progress::Waiting));
        assert!(pending.take("state-b", at(600)).is_none(), "too late");
        assert_eq!(pending.progress("b", at(601)), Some(Progress::Expired));
        assert_eq!(pending.progress("c", start), None);
    }

    #[test]
    fn who_begins_again_ends_the_attempt_before() {
        let (pending, now) = (Pending::default(), Timestamp::UNIX_EPOCH);
        pending.begin("a", attempt("one"), begun("state-a"), now);
        pending.begin("b", attempt("one"), begun("state-b"), now);
        assert!(pending.take("state-a", now).is_none());
        assert!(matches!(pending.progress("a", now), Some(Progress::Failed(_))));
        pending.drop_of(&AccountId::new("one"), "token");
        assert!(pending.take("state-b", now).is_none());
    }

    #[test]
    fn there_are_never_more_than_the_most() {
        let (pending, now) = (Pending::default(), Timestamp::UNIX_EPOCH);
        for number in 0..=PENDING_MAX {
            pending.begin(&number.to_string(), attempt(&format!("a{number}")), begun(&format!("s{number}")), now);
        }
        assert_eq!(pending.lock().len(), PENDING_MAX);
        assert!(pending.take("s0", now).is_none());
        assert!(pending.take("s1", now).is_some());
    }
}
