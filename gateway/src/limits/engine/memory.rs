//! The ledger of one gateway, in memory.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    Counts, Decision, Draw, Hold, Key, Ledger, LedgerGone, Outcome, Reserved, Rule, Seen, Standing, Window, WindowState,
};
use crate::clock::Clock;

/// Idle keys are looked for when there are so many.
const SWEEP_MIN: usize = 1_024;

/// A ledger in memory.
pub struct Memory {
    clock: Arc<dyn Clock>,
    states: Mutex<States>,
}

#[derive(Default)]
struct States {
    /// For each rate the time until which everything is drawn.
    rates: HashMap<Key, u64>,
    windows: HashMap<Key, WindowState>,
    sweep_at: usize,
}

impl Memory {
    /// Nothing is drawn yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, states: Mutex::default() }
    }

    /// The time of its clock.
    pub fn now_us(&self) -> u64 {
        u64::try_from(self.clock.now().as_microsecond()).unwrap_or(0)
    }

    /// [`Ledger::decide`], at once. With `nodes` more than 1 each limit is the share of one of them.
    pub fn draw(&self, draws: &[Draw], nodes: u32, now_us: Option<u64>) -> Decision {
        let now_us = now_us.unwrap_or_else(|| self.now_us());
        let mut states = self.states();
        states.sweep(now_us);
        let waits: Vec<u64> = draws.iter().map(|draw| states.wait(draw, nodes, now_us)).collect();
        let taken = waits.iter().all(|wait| *wait == 0);
        let reserved =
            if taken { draws.iter().filter_map(|draw| states.take(draw, nodes, now_us)).collect() } else { Vec::new() };
        let standings =
            draws.iter().zip(waits).map(|(draw, wait)| states.standing(draw, nodes, wait, now_us)).collect();
        Decision { taken, standings, hold: Hold { reserved } }
    }

    /// Draws whatever there is: what another ledger allowed.
    pub fn charge(&self, draws: &[Draw], nodes: u32) -> Hold {
        let now_us = self.now_us();
        let mut states = self.states();
        states.sweep(now_us);
        for draw in draws {
            // Forgets what is over.
            states.wait(draw, nodes, now_us);
        }
        Hold { reserved: draws.iter().filter_map(|draw| states.take(draw, nodes, now_us)).collect() }
    }

    /// [`Ledger::settle`], at once.
    pub fn end(&self, hold: &Hold, outcome: Outcome, now_us: Option<u64>) {
        let now_us = now_us.unwrap_or_else(|| self.now_us());
        let mut states = self.states();
        for Reserved { key, cost, until_us, length_us } in &hold.reserved {
            let state = states.windows.entry(key.clone()).or_default();
            state.settle(*length_us, *until_us, *cost, outcome == Outcome::Sent, now_us);
        }
    }

    /// [`Ledger::observe`], at once.
    pub fn learn(&self, seen: &Seen, now_us: Option<u64>) {
        let now_us = now_us.unwrap_or_else(|| self.now_us());
        let state = &mut *self.states();
        let state = state.windows.entry(seen.key.clone()).or_default();
        state.observe(seen.window, seen.limit, seen.used, seen.reset_us, now_us);
    }

    /// What is used of every window, as draws that would use as much of one that is empty.
    pub fn used(&self) -> Vec<Draw> {
        let now_us = self.now_us();
        let mut states = self.states();
        let draw = |(key, state): (&Key, &mut WindowState)| {
            state.forget(now_us);
            let (units, length_us) = state.drawn();
            let window = Window { length_us, limit: 0, counts: Counts::Fixed, keep_percent: 0 };
            let cost = u32::try_from(units).unwrap_or(u32::MAX);
            (units > 0 && length_us > 0).then(|| Draw { key: key.clone(), rule: Rule::Window(window), cost })
        };
        states.windows.iter_mut().filter_map(draw).collect()
    }

    /// How limits stand, without drawing.
    pub fn look(&self, draws: &[Draw], nodes: u32) -> Vec<Standing> {
        let now_us = self.now_us();
        let mut states = self.states();
        let look = |draw: &Draw| {
            let wait = states.wait(draw, nodes, now_us);
            states.standing(draw, nodes, wait, now_us)
        };
        draws.iter().map(look).collect()
    }

    fn states(&self) -> MutexGuard<'_, States> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl States {
    fn wait(&mut self, draw: &Draw, nodes: u32, now_us: u64) -> u64 {
        match draw.rule {
            Rule::Rate(rate) => {
                let tat_us = self.rates.get(&draw.key).copied().unwrap_or(0);
                rate.share(nodes).draw(tat_us, draw.cost, now_us).1
            }
            Rule::Window(window) => match self.windows.get_mut(&draw.key) {
                Some(state) => {
                    state.forget(now_us);
                    state.wait(window, nodes, draw.cost, now_us)
                }
                None => WindowState::default().wait(window, nodes, draw.cost, now_us),
            },
        }
    }

    fn take(&mut self, draw: &Draw, nodes: u32, now_us: u64) -> Option<Reserved> {
        match draw.rule {
            Rule::Rate(rate) => {
                let tat_us = self.rates.entry(draw.key.clone()).or_default();
                *tat_us = rate.share(nodes).draw(*tat_us, draw.cost, now_us).0;
                None
            }
            Rule::Window(window) => {
                let state = self.windows.entry(draw.key.clone()).or_default();
                let until_us = state.reserve(window, draw.cost, now_us);
                Some(Reserved { key: draw.key.clone(), cost: draw.cost, until_us, length_us: window.length_us })
            }
        }
    }

    fn standing(&self, draw: &Draw, nodes: u32, wait_us: u64, now_us: u64) -> Standing {
        match draw.rule {
            Rule::Rate(rate) => {
                rate.share(nodes).standing(self.rates.get(&draw.key).copied().unwrap_or(0), wait_us, now_us)
            }
            Rule::Window(window) => match self.windows.get(&draw.key) {
                Some(state) => state.standing(window, nodes, wait_us, now_us),
                None => WindowState::default().standing(window, nodes, wait_us, now_us),
            },
        }
    }

    /// Drops what says nothing any more, now and then.
    fn sweep(&mut self, now_us: u64) {
        if self.rates.len() + self.windows.len() < self.sweep_at.max(SWEEP_MIN) {
            return;
        }
        self.rates.retain(|_, tat_us| *tat_us > now_us);
        self.windows.retain(|_, state| {
            state.forget(now_us);
            !state.is_idle()
        });
        self.sweep_at = 2 * (self.rates.len() + self.windows.len());
    }
}

impl Ledger for Memory {
    async fn decide(&self, draws: &[Draw], now_us: Option<u64>) -> Result<Decision, LedgerGone> {
        Ok(self.draw(draws, 1, now_us))
    }

    async fn settle(&self, hold: &Hold, outcome: Outcome, now_us: Option<u64>) -> Result<(), LedgerGone> {
        self.end(hold, outcome, now_us);
        Ok(())
    }

    async fn observe(&self, seen: &Seen, now_us: Option<u64>) -> Result<(), LedgerGone> {
        self.learn(seen, now_us);
        Ok(())
    }
}
