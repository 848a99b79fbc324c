//! Effects that are being sent: a freeze waits for those that it can't stop any more.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use pressgate_workflow::freeze::Scope;
use tokio::{sync::Notify, time::Instant};

use super::Place;

/// What is being sent now.
#[derive(Default)]
pub struct UnderWay {
    tokens: AtomicU64,
    going: Mutex<HashMap<u64, Place>>,
    ended: Notify,
}

/// An effect that is being sent; it ends when this is dropped.
pub struct Going {
    all: Arc<UnderWay>,
    token: u64,
}

impl UnderWay {
    /// Before its intent is written, while no freeze can begin.
    pub fn begin(self: &Arc<Self>, place: Place) -> Going {
        let token = self.tokens.fetch_add(1, Ordering::Relaxed);
        self.lock().insert(token, place);
        Going { all: Arc::clone(self), token }
    }

    /// Those of a scope, now.
    pub(super) fn of(&self, scope: &Scope) -> Vec<u64> {
        self.lock().iter().filter(|(_, place)| place.is_in(scope)).map(|(token, _)| *token).collect()
    }

    /// Waits until these are over, so long at most; how many are left.
    pub(super) async fn over(&self, mut tokens: Vec<u64>, patience: Duration) -> usize {
        let until = Instant::now() + patience;
        loop {
            let ended = self.ended.notified();
            tokio::pin!(ended);
            // From here on an end is not missed.
            ended.as_mut().enable();
            {
                let going = self.lock();
                tokens.retain(|token| going.contains_key(token));
            }
            if tokens.is_empty() || tokio::time::timeout_at(until, ended).await.is_err() {
                return tokens.len();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Place>> {
        self.going.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        self.all.lock().remove(&self.token);
        self.all.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AccountId, BrandPath};

    #[tokio::test(start_paused = true)]
    async fn what_was_on_its_way_is_waited_for_and_no_longer_than_said() {
        let all = Arc::new(UnderWay::default());
        let place = |brand| Place::new(&AccountId::new("a"), &BrandPath::new(brand), None);
        let (mine, other) = (all.begin(place("acme")), all.begin(place("other")));
        let scope = Scope::Brand("acme".into());
        let tokens = all.of(&scope);
        assert_eq!(tokens.len(), 1);
        let begun = Instant::now();
        assert_eq!(all.over(tokens.clone(), Duration::from_secs(2)).await, 1, "it is still going");
        assert_eq!(begun.elapsed(), Duration::from_secs(2));
        let waits = tokio::spawn({
            let all = Arc::clone(&all);
            async move { all.over(tokens, Duration::from_secs(2)).await }
        });
        tokio::task::yield_now().await;
        drop(other);
        // One that begins later is none of those.
        let _later = all.begin(place("acme"));
        drop(mine);
        assert_eq!(waits.await.unwrap(), 0);
    }
}
