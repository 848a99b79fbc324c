//! Who waits for a budget, and whose turn it is: deficit round robin between callers (Shreedhar and Varghese, 1995).
//!
//! A call that finds nobody waiting may try at once. Whoever must wait and may, joins the line of its caller; the lines take turns, by
//! units and not by calls. Only the one whose turn it is tries, so nobody overtakes. What a caller drew of the same window before
//! there was a line is made up for: it begins with that much less.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

/// Calls of one caller that wait for one budget.
pub const WAITING_OF_ONE_MAX: usize = 1_000;
/// The one whose turn it is looks this often: a clock may be moved, and another gateway may give something back.
const LOOK: Duration = Duration::from_millis(100);

/// A place in a line.
pub type Ticket = u64;

/// The lines of all callers that wait for one budget, and whose turn it is.
#[derive(Default)]
pub struct Round {
    /// Callers in the order of their turns.
    turns: VecDeque<String>,
    lines: HashMap<String, Line>,
    /// The first of `turns` has had what its turn gives.
    given: bool,
    next: Ticket,
    /// What callers drew without waiting, and until when that counts.
    drawn: HashMap<String, i64>,
    drawn_until: Option<Instant>,
    /// Who waited through that window is made up to in the next one.
    debt_until: Option<Instant>,
}

#[derive(Default)]
struct Line {
    deficit: i64,
    /// Until when a debt counts.
    debt_until: Option<Instant>,
    calls: VecDeque<(Ticket, i64)>,
}

impl Round {
    /// Joins the caller's line; none where it is too long.
    pub fn join(&mut self, caller: &str, cost: u32) -> Option<Ticket> {
        let Self { turns, lines, drawn, debt_until, .. } = self;
        let line = lines.entry(caller.to_owned()).or_insert_with(|| {
            turns.push_back(caller.to_owned());
            Line { deficit: -drawn.remove(caller).unwrap_or(0), debt_until: *debt_until, calls: VecDeque::new() }
        });
        if line.calls.len() >= WAITING_OF_ONE_MAX {
            return None;
        }
        self.next += 1;
        line.calls.push_back((self.next, i64::from(cost.max(1))));
        Some(self.next)
    }

    /// Somebody drew without waiting, from a window of that length.
    pub fn drew(&mut self, caller: &str, cost: u32, window: Duration) {
        let now = Instant::now();
        if self.drawn_until.is_none_or(|until| until <= now) {
            self.drawn.clear();
            self.drawn_until = Some(now + window);
            self.debt_until = Some(now + window * 2);
        }
        let drawn = self.drawn.entry(caller.to_owned()).or_default();
        *drawn = drawn.saturating_add(i64::from(cost));
    }

    /// Forgets what was drawn too long ago.
    fn forget(&mut self) {
        if self.drawn_until.is_some_and(|until| until <= Instant::now()) {
            self.drawn.clear();
            self.drawn_until = None;
        }
    }

    /// Whose turn it is. Asking again changes nothing.
    pub fn head(&mut self) -> Option<Ticket> {
        loop {
            let caller = self.turns.front()?;
            let line = self.lines.get_mut(caller)?;
            let (ticket, cost) = *line.calls.front()?;
            if self.turns.len() == 1 {
                // Nobody is kept waiting, so nothing is saved or paid.
                return Some(ticket);
            }
            if line.deficit < 0 && line.debt_until.is_none_or(|until| until <= Instant::now()) {
                line.deficit = 0;
            }
            if !self.given {
                line.deficit += 1;
                self.given = true;
            }
            if line.deficit >= cost {
                return Some(ticket);
            }
            self.turns.rotate_left(1);
            self.given = false;
        }
    }

    /// The head got what it waited for.
    pub fn served(&mut self) {
        if self.head().is_none() {
            return;
        }
        let alone = self.turns.len() == 1;
        let Some(line) = self.turns.front().and_then(|caller| self.lines.get_mut(caller)) else { return };
        if let Some((_, cost)) = line.calls.pop_front().filter(|_| !alone) {
            line.deficit -= cost;
        }
        self.tidy();
    }

    /// One of the caller's waits no longer.
    pub fn leave(&mut self, caller: &str, ticket: Ticket) {
        if let Some(line) = self.lines.get_mut(caller) {
            line.calls.retain(|(waiting, _)| *waiting != ticket);
        }
        self.tidy();
    }

    /// True where nobody waits.
    pub fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// A caller without calls loses its turn, and what it had saved.
    fn tidy(&mut self) {
        let Self { turns, lines, given, .. } = self;
        let first_ends = turns.front().and_then(|caller| lines.get(caller)).is_some_and(|line| line.calls.is_empty());
        *given &= !first_ends;
        if lines.values().any(|line| line.calls.is_empty()) {
            lines.retain(|_, line| !line.calls.is_empty());
            turns.retain(|caller| lines.contains_key(caller));
        }
    }
}

/// All rounds, by what is waited for.
#[derive(Default)]
pub struct Lines {
    rounds: Mutex<HashMap<String, Waiting>>,
}

#[derive(Default)]
struct Waiting {
    round: Round,
    bells: HashMap<Ticket, Arc<Notify>>,
}

/// A try that came too early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooEarly<E> {
    /// How long the budget lets wait, at least.
    pub wait: Duration,
    /// What the try says of it.
    pub why: E,
}

impl Lines {
    /// Tries until it succeeds, or waiting until `until` can't help. `budget` is what is waited for.
    ///
    /// # Errors
    /// The last try's, or the first one's where there is no time to wait.
    pub async fn pass<T, E, F: Future<Output = Result<T, TooEarly<E>>>>(
        &self,
        budget: &str,
        caller: &str,
        cost: u32,
        window: Duration,
        until: Option<Instant>,
        mut attempt: impl FnMut(bool) -> F,
    ) -> Result<T, TooEarly<E>> {
        // Who can't wait behind others must not overtake them: it only looks.
        let first = match attempt(self.is_empty(budget)).await {
            Ok(value) => {
                self.rounds().entry(budget.to_owned()).or_default().round.drew(caller, cost, window);
                return Ok(value);
            }
            Err(early) => early,
        };
        let Some(until) = until.filter(|until| Instant::now() + first.wait <= *until) else { return Err(first) };
        let Some(mut place) = self.join(budget, caller, cost) else { return Err(first) };
        let mut last = first;
        loop {
            if !place.is_head() {
                if timeout_at(until, place.bell.notified()).await.is_err() {
                    return Err(last);
                }
                continue;
            }
            match attempt(true).await {
                Ok(value) => {
                    place.served = true;
                    return Ok(value);
                }
                Err(early) => last = early,
            }
            let now = Instant::now();
            if now + last.wait > until {
                return Err(last);
            }
            tokio::time::sleep_until(until.min(now + last.wait.min(LOOK).max(Duration::from_millis(1)))).await;
        }
    }

    fn is_empty(&self, budget: &str) -> bool {
        self.rounds().get(budget).is_none_or(|waiting| waiting.round.is_empty())
    }

    fn join<'a>(&'a self, budget: &str, caller: &str, cost: u32) -> Option<Place<'a>> {
        let mut rounds = self.rounds();
        let waiting = rounds.entry(budget.to_owned()).or_default();
        waiting.round.forget();
        let ticket = waiting.round.join(caller, cost)?;
        let bell = Arc::new(Notify::new());
        waiting.bells.insert(ticket, Arc::clone(&bell));
        Some(Place { lines: self, budget: budget.to_owned(), caller: caller.to_owned(), ticket, bell, served: false })
    }

    fn rounds(&self) -> MutexGuard<'_, HashMap<String, Waiting>> {
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place that is given up when it is dropped, served or not.
struct Place<'a> {
    lines: &'a Lines,
    budget: String,
    caller: String,
    ticket: Ticket,
    bell: Arc<Notify>,
    served: bool,
}

impl Place<'_> {
    fn is_head(&self) -> bool {
        let mut rounds = self.lines.rounds();
        rounds.get_mut(&self.budget).and_then(|waiting| waiting.round.head()) == Some(self.ticket)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut rounds = self.lines.rounds();
        let Some(waiting) = rounds.get_mut(&self.budget) else { return };
        waiting.bells.remove(&self.ticket);
        if self.served && waiting.round.head() == Some(self.ticket) {
            waiting.round.served();
        } else {
            waiting.round.leave(&self.caller, self.ticket);
        }
        match waiting.round.head() {
            None => {}
            Some(head) => {
                if let Some(bell) = waiting.bells.get(&head) {
                    bell.notify_one();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
