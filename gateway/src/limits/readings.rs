//! How many read the audit log at once: a search, a stream or a stream of events takes a thread now and then, which calls need too.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::model::Principal;

/// Streams of one caller at once.
pub const STREAMS_OF_ONE_MAX: usize = 4;
/// Streams at once.
pub const STREAMS_MAX: usize = 64;
/// Searches of one caller at once.
pub const SEARCHES_OF_ONE_MAX: usize = 4;
/// Searches at once.
pub const SEARCHES_MAX: usize = 16;

/// Streams of events of one caller at once.
pub const EVENTS_OF_ONE_MAX: usize = 4;
/// Streams of events at once.
pub const EVENTS_MAX: usize = 256;

/// What is read.
#[derive(Clone, Copy)]
enum What {
    Search,
    Stream,
    Events,
}

/// Who reads the log now.
#[derive(Default)]
pub struct Readings {
    searches: Mutex<HashMap<Principal, usize>>,
    streams: Mutex<HashMap<Principal, usize>>,
    events: Mutex<HashMap<Principal, usize>>,
}

/// One that reads; ends when it is dropped.
pub struct Reading {
    readings: Arc<Readings>,
    who: Principal,
    what: What,
}

impl Readings {
    /// Begins a search; none where too many run.
    pub fn search(self: &Arc<Self>, who: &Principal) -> Option<Reading> {
        self.begin(who, What::Search)
    }

    /// Begins a stream; none where too many run.
    pub fn stream(self: &Arc<Self>, who: &Principal) -> Option<Reading> {
        self.begin(who, What::Stream)
    }

    /// Begins a stream of events; none where too many run.
    pub fn events(self: &Arc<Self>, who: &Principal) -> Option<Reading> {
        self.begin(who, What::Events)
    }

    fn begin(self: &Arc<Self>, who: &Principal, what: What) -> Option<Reading> {
        let (of_one_max, max) = match what {
            What::Search => (SEARCHES_OF_ONE_MAX, SEARCHES_MAX),
            What::Stream => (STREAMS_OF_ONE_MAX, STREAMS_MAX),
            What::Events => (EVENTS_OF_ONE_MAX, EVENTS_MAX),
        };
        let mut running = self.running(what);
        let own = running.get(who).copied().unwrap_or(0);
        if own >= of_one_max || running.values().sum::<usize>() >= max {
            return None;
        }
        running.insert(who.clone(), own + 1);
        drop(running);
        Some(Reading { readings: Arc::clone(self), who: who.clone(), what })
    }

    fn running(&self, what: What) -> MutexGuard<'_, HashMap<Principal, usize>> {
        let running = match what {
            What::Search => &self.searches,
            What::Stream => &self.streams,
            What::Events => &self.events,
        };
        running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut running = self.readings.running(self.what);
        let left = running.get(&self.who).copied().unwrap_or(1).saturating_sub(1);
        if left == 0 {
            running.remove(&self.who);
        } else {
            running.insert(self.who.clone(), left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::AppId;

    #[test]
    fn one_caller_can_not_take_all_places_and_an_end_gives_one_back() {
        let readings = Arc::new(Readings::default());
        let app = |number: usize| Principal::App(AppId::new(format!("app-{number}")));
        let mut own: Vec<_> = (0..STREAMS_OF_ONE_MAX).map(|_| readings.stream(&app(0)).unwrap()).collect();
        assert!(readings.stream(&app(0)).is_none());
        assert!(readings.search(&app(0)).is_some(), "searches count on their own");
        assert!(readings.events(&app(0)).is_some(), "and so do events");
        own.pop();
        own.push(readings.stream(&app(0)).unwrap());
        let others: Vec<_> = (1..).map_while(|number| readings.stream(&app(number))).take(1_000).collect();
        assert_eq!(own.len() + others.len(), STREAMS_MAX);
        drop((own, others));
        assert!(readings.streams.lock().unwrap().is_empty());
    }
}
