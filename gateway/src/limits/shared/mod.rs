//! The ledger that the gateway decides with: in memory, or shared by several gateways through Redis.
//!
//! While the shared one is away each gateway goes on with its share of every limit, never without one. What it draws is written down
//! in memory all the time, so that the share counts what this gateway drew before; and what it draws meanwhile is added to the
//! shared ledger when that is back.

mod redis;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

pub use redis::Redis;

use super::engine::{Decision, Draw, Hold, Key, Ledger, LedgerGone, Memory, Outcome, Seen, Standing};
use crate::clock::Clock;

/// A ledger that is away is looked for this often.
const RETRY: Duration = Duration::from_millis(500);
/// Keys whose draws are remembered while the shared ledger is away.
const OWED_MAX: usize = 10_000;

/// Where the shared ledger is.
#[derive(Clone, PartialEq, Eq)]
pub struct Place {
    /// `redis://…`; may hold a password.
    pub url: String,
    /// Gateways that share it.
    pub nodes: u32,
    /// Longest wait for its answer.
    pub patience: Duration,
}

/// Decides for the gateway.
pub struct Shared {
    memory: Arc<Memory>,
    away: Option<Arc<Away>>,
}

/// Reservations in both ledgers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Held {
    here: Hold,
    there: Hold,
}

impl Held {
    /// True where nothing is reserved.
    pub fn is_empty(&self) -> bool {
        self.here.reserved.is_empty() && self.there.reserved.is_empty()
    }
}

struct Away {
    place: Place,
    memory: Arc<Memory>,
    state: Mutex<State>,
    looking: AtomicBool,
}

#[derive(Default)]
struct State {
    redis: Option<Redis>,
    look_at: Option<Instant>,
    /// The server's run that was used last.
    run: Option<String>,
    /// What was drawn here while the shared ledger was away.
    owed: HashMap<Key, Draw>,
}

impl Shared {
    /// In memory, or shared where there is a place for it. The first decision connects.
    pub fn new(clock: Arc<dyn Clock>, place: Option<Place>) -> Self {
        let memory = Arc::new(Memory::new(clock));
        let away = place.map(|place| {
            let (memory, looking) = (Arc::clone(&memory), AtomicBool::new(false));
            Arc::new(Away { place, memory, state: Mutex::default(), looking })
        });
        Self { memory, away }
    }

    /// Connects before the first decision, where there is something to connect to; a gateway starts without it too.
    pub async fn connect(&self) {
        if let Some(away) = &self.away {
            away.look().await;
        }
    }

    /// True where limits are shared and the shared ledger is there, or where they are not shared.
    pub fn is_whole(&self) -> bool {
        self.away.as_ref().is_none_or(|away| away.state().redis.is_some())
    }

    /// Draws everything or nothing.
    pub async fn decide(&self, draws: &[Draw]) -> (Decision, Held) {
        let Some(away) = &self.away else {
            let decision = self.memory.draw(draws, 1, None);
            let here = decision.hold.clone();
            return (decision, Held { here, there: Hold::default() });
        };
        if let Some(redis) = away.redis() {
            match redis.decide(draws, None).await {
                Ok(decision) => {
                    let here =
                        if decision.taken { self.memory.charge(draws, away.place.nodes) } else { Hold::default() };
                    let there = decision.hold.clone();
                    return (decision, Held { here, there });
                }
                Err(error) => away.lost(&error),
            }
        }
        let decision = self.memory.draw(draws, away.place.nodes, None);
        if decision.taken {
            away.owe(draws);
        }
        let here = decision.hold.clone();
        (decision, Held { here, there: Hold::default() })
    }

    /// Ends reservations.
    pub async fn settle(&self, held: &Held, outcome: Outcome) {
        self.memory.end(&held.here, outcome, None);
        let Some(away) = &self.away else { return };
        if held.there.reserved.is_empty() {
            // Drawn while the shared ledger was away. What was not sent need not be told to it.
            if outcome == Outcome::NotSent {
                away.forgive(&held.here);
            }
            return;
        }
        // Where it is away, the reservation ends on its own, later.
        if let Some(redis) = away.redis()
            && let Err(error) = redis.settle(&held.there, outcome, None).await
        {
            away.lost(&error);
        }
    }

    /// Ends reservations at once here; where they are shared too, soon.
    pub fn settle_later(this: &Arc<Self>, held: Held, outcome: Outcome) {
        if held.is_empty() {
            return;
        }
        if this.away.is_none() {
            return this.memory.end(&held.here, outcome, None);
        }
        let shared = Arc::clone(this);
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(async move { shared.settle(&held, outcome).await })),
            // The gateway ends. What nobody settles ends on its own.
            Err(_) => shared.memory.end(&held.here, outcome, None),
        }
    }

    /// Learns what a network says of a window.
    pub async fn observe(&self, seen: &Seen) {
        self.memory.learn(seen, None);
        if let Some(redis) = self.away.as_ref().and_then(|away| away.redis())
            && let Err(error) = redis.observe(seen, None).await
            && let Some(away) = &self.away
        {
            away.lost(&error);
        }
    }

    /// How limits stand as far as this gateway knows, without drawing.
    pub fn look(&self, draws: &[Draw]) -> Vec<Standing> {
        self.memory.look(draws, 1)
    }
}

impl Away {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection; where there is none, somebody looks for it and nobody waits.
    fn redis(self: &Arc<Self>) -> Option<Redis> {
        {
            let state = self.state();
            if state.redis.is_some() {
                return state.redis.clone();
            }
            if state.look_at.is_some_and(|at| Instant::now() < at) {
                return None;
            }
        }
        if !self.looking.swap(true, Ordering::AcqRel) {
            let this = Arc::clone(self);
            tokio::spawn(async move {
                this.look().await;
                this.looking.store(false, Ordering::Release);
            });
        }
        None
    }

    async fn look(&self) {
        match self.find().await {
            Ok(()) => tracing::info!("the shared limits are there"),
            Err(error) => {
                tracing::warn!(%error, "each limit is this gateway's share");
                self.state().look_at = Some(Instant::now() + RETRY);
            }
        }
    }

    /// Connects, adds what is owed, and only then decides there again.
    async fn find(&self) -> Result<(), LedgerGone> {
        let redis = Redis::connect(&self.place.url, self.place.patience).await?;
        if self.state().run.as_deref().is_some_and(|run| run != redis.run()) {
            // It may have forgotten everything, so it is told all that this gateway knows. Where it has not, that counts twice for
            // the length of a window.
            let used = self.memory.used();
            self.state().owed.extend(used.into_iter().map(|draw| (draw.key.clone(), draw)));
        }
        loop {
            let owed: Vec<Draw> = {
                let mut state = self.state();
                if state.owed.is_empty() {
                    state.run = Some(redis.run().to_owned());
                    state.redis = Some(redis);
                    return Ok(());
                }
                state.owed.drain().map(|(_, draw)| draw).collect()
            };
            for (at, draw) in owed.iter().enumerate() {
                if let Err(error) = redis.charge(std::slice::from_ref(draw)).await {
                    self.owe(owed.get(at..).unwrap_or_default());
                    return Err(error);
                }
            }
        }
    }

    fn lost(&self, error: &LedgerGone) {
        let mut state = self.state();
        if state.redis.take().is_some() {
            tracing::warn!(%error, "each limit is this gateway's share");
        }
        state.look_at = Some(Instant::now() + RETRY);
    }

    fn owe(&self, draws: &[Draw]) {
        let mut state = self.state();
        for draw in draws {
            if state.owed.len() >= OWED_MAX && !state.owed.contains_key(&draw.key) {
                continue;
            }
            let owed = state.owed.entry(draw.key.clone()).or_insert_with(|| Draw { cost: 0, ..draw.clone() });
            owed.cost = owed.cost.saturating_add(draw.cost);
        }
    }

    fn forgive(&self, hold: &Hold) {
        let mut state = self.state();
        for reserved in &hold.reserved {
            let Some(owed) = state.owed.get_mut(&reserved.key) else { continue };
            owed.cost = owed.cost.saturating_sub(reserved.cost);
            if owed.cost == 0 {
                state.owed.remove(&reserved.key);
            }
        }
    }
}

#[cfg(test)]
mod tests;
