//! Attempts that run in this process. A lease in the records ends by the clock; an attempt that takes longer keeps its target all
//! the same, so that nobody works on it beside it.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::model::{AccountId, PostId};

type Target = (PostId, AccountId);

/// Attempts on one account at once that nobody waits for.
const AT_ONCE: usize = 8;

/// The targets that are being worked on. Clones are the same set.
#[derive(Debug, Clone, Default)]
pub struct RunningAttempts(Arc<Running>);

#[derive(Debug, Default)]
struct Running {
    targets: Mutex<HashSet<Target>>,
    turns: Mutex<HashMap<AccountId, Arc<Semaphore>>>,
    ended: Notify,
}

/// One attempt; it ends when this is dropped.
#[derive(Debug)]
pub struct RunningAttempt {
    attempts: RunningAttempts,
    target: Target,
}

impl RunningAttempts {
    /// Begins an attempt; none while another one runs.
    pub fn begin(&self, post: &PostId, account: &AccountId) -> Option<RunningAttempt> {
        let target = (post.clone(), account.clone());
        self.lock().insert(target.clone()).then(|| RunningAttempt { attempts: self.clone(), target })
    }

    /// Waits until few attempts run on the account that nobody waits for, so that many posts that fall due at once leave room in its
    /// plugin for calls. None where the gateway ends.
    pub async fn turn(&self, account: &AccountId) -> Option<OwnedSemaphorePermit> {
        let turns = {
            let mut all = self.0.turns.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(account.clone()).or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE))))
        };
        turns.acquire_owned().await.ok()
    }

    /// True while an attempt runs.
    pub fn runs(&self, post: &PostId, account: &AccountId) -> bool {
        self.lock().contains(&(post.clone(), account.clone()))
    }

    /// Begins an attempt as soon as none runs any more. Records may tell of an attempt's end a moment before it is over.
    pub async fn begin_after(&self, post: &PostId, account: &AccountId) -> RunningAttempt {
        loop {
            let ended = self.0.ended.notified();
            if let Some(attempt) = self.begin(post, account) {
                return attempt;
            }
            ended.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Target>> {
        self.0.targets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RunningAttempt {
    fn drop(&mut self) {
        self.attempts.lock().remove(&self.target);
        self.attempts.0.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_attempt_at_a_time_on_a_target() {
        let attempts = RunningAttempts::default();
        let (post, one, two) = (PostId::new("p"), AccountId::new("a"), AccountId::new("b"));
        let first = attempts.begin(&post, &one);
        assert!(first.is_some() && attempts.begin(&post, &one).is_none());
        assert!(attempts.begin(&post, &two).is_some(), "another target");
        let waits = tokio::spawn({
            let (attempts, post, one) = (attempts.clone(), post.clone(), one.clone());
            async move { attempts.begin_after(&post, &one).await }
        });
        tokio::task::yield_now().await;
        assert!(!waits.is_finished());
        drop(first);
        let second = waits.await.unwrap();
        assert!(attempts.begin(&post, &one).is_none());
        drop(second);
        assert!(attempts.begin(&post, &one).is_some(), "it has ended");
    }
}
