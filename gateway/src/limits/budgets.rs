//! What a network gives each account: reserved before anything is sent, given back where nothing was.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::Instant;

use super::{
    Limits, duration,
    engine::{Counts, Draw, Key, Outcome, Rate, Rule, SECOND_US, Seen, Standing, Window},
    line::TooEarly,
    shared::{Held, Shared},
    told,
};
use crate::{
    config::{LimitRules, NetworkLimit},
    host::{Budget, RateClass},
    model::{Account, Action, ActionClass, Draft, Principal},
};

/// The end of a window is believed so much later: two clocks are never the same.
const RESET_MARGIN_US: u64 = SECOND_US;

/// A call that wants to draw on an account's budgets.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// Who speaks.
    pub account: &'a Account,
    /// What its adapter knows of the network's budgets.
    pub classes: &'a [RateClass],
    /// What is to be sent.
    pub draft: &'a Draft,
    /// Who asks for it.
    pub principal: &'a Principal,
    /// The rules of the moment.
    pub rules: &'a LimitRules,
}

/// A budget has no room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Busy {
    /// Which one.
    pub budget: String,
    /// How long it takes until there is room, at least.
    pub wait: Duration,
    /// There will never be room: the call costs more than there is in a whole window. What it costs, and what there is.
    pub never: Option<(u32, u32)>,
}

/// What a call may use up. Given back when it is dropped, unless [`Reservation::leaves`] was called.
pub struct Reservation {
    ledger: Arc<Shared>,
    held: Held,
    left: AtomicBool,
}

impl Reservation {
    /// Something of the call is about to leave; from now on it counts.
    pub fn leaves(&self) {
        self.left.store(true, Ordering::Release);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let outcome = if self.left.load(Ordering::Acquire) { Outcome::Sent } else { Outcome::NotSent };
        Shared::settle_later(&self.ledger, std::mem::take(&mut self.held), outcome);
    }
}

/// A budget as it is counted for one call.
struct Drawn {
    name: String,
    draw: Draw,
    limit: u32,
    /// An operator's own number is the most that is believed.
    firm: bool,
}

impl Limits {
    /// Reserves all that the call may use up, or nothing. Where there is no room it waits its turn until `until`.
    ///
    /// # Errors
    /// The budget that is full for longest.
    pub async fn reserve(&self, ask: Ask<'_>, until: Option<Instant>) -> Result<Reservation, Busy> {
        let drawn = drawn(&ask);
        let draws: Vec<Draw> = drawn.iter().map(|drawn| drawn.draw.clone()).collect();
        let reservation = |held| Reservation { ledger: Arc::clone(&self.ledger), held, left: AtomicBool::new(false) };
        if draws.is_empty() {
            return Ok(reservation(Held::default()));
        }
        let busy = |index: usize, wait_us: u64, standings: &[Standing]| {
            let budget = drawn.get(index).map(|drawn| drawn.name.clone()).unwrap_or_default();
            let most = standings.get(index).map_or(u32::MAX, |standing| standing.limit);
            let costs = drawn.get(index).map_or(0, |drawn| drawn.draw.cost);
            // A share may be too small where the whole is not.
            let never = (costs > most && self.ledger.is_whole()).then_some((costs, most));
            let wait = duration(wait_us);
            TooEarly { wait, why: Busy { budget, wait, never } }
        };
        let cost = draws.iter().map(|draw| draw.cost).max().unwrap_or(1);
        // Replies do not stand behind posts: what is kept for them is not there for posts.
        let line = format!("{}{}", ask.account.id, if is_urgent(&ask) { " urgent" } else { "" });
        let (ledger, draws, drawn, busy) = (&self.ledger, &draws, &drawn, &busy);
        let attempt = |may_draw: bool| async move {
            let (standings, held, wait) = if may_draw {
                let (decision, held) = ledger.decide(draws).await;
                let wait = decision.wait();
                (decision.standings, held, wait)
            } else {
                let standings = ledger.look(draws);
                let longest =
                    standings.iter().map(|standing| standing.wait_us).enumerate().max_by_key(|(_, wait)| *wait);
                // Others wait already, so it is a while.
                (standings, Held::default(), longest.map(|(index, wait)| (index, wait.max(SECOND_US))))
            };
            for (drawn, standing) in drawn.iter().zip(&standings) {
                told::note(&drawn.name, &drawn.draw, standing);
            }
            wait.map_or(Ok(held), |(index, wait_us)| Err(busy(index, wait_us, &standings)))
        };
        let caller = ask.principal.to_string();
        let lengths = draws.iter().map(|draw| match draw.rule {
            Rule::Rate(rate) => rate.refill_us(),
            Rule::Window(window) => window.length_us,
        });
        let window = duration(lengths.max().unwrap_or(0));
        match self.lines.pass(&line, &caller, cost, window, until, attempt).await {
            Ok(held) => Ok(reservation(held)),
            Err(early) => Err(early.why),
        }
    }

    /// Whether the call would find room now, without reserving anything.
    ///
    /// # Errors
    /// The budget that is full for longest.
    pub fn room(&self, ask: Ask<'_>) -> Result<(), Busy> {
        let drawn = drawn(&ask);
        let draws: Vec<Draw> = drawn.iter().map(|drawn| drawn.draw.clone()).collect();
        let standings = self.ledger.look(&draws);
        let full = drawn.iter().zip(&standings).max_by_key(|(_, standing)| standing.wait_us);
        match full.filter(|(_, standing)| standing.wait_us > 0) {
            None => Ok(()),
            Some((drawn, standing)) => {
                Err(Busy { budget: drawn.name.clone(), wait: duration(standing.wait_us), never: None })
            }
        }
    }

    /// Learns from what a network says of an account when it is asked for its limits. What has no end of its own holds until `asked_again`.
    pub async fn told(
        &self,
        account: &Account,
        (classes, rules): (&[RateClass], &LimitRules),
        budgets: &[Budget],
        asked_again: Option<Timestamp>,
    ) {
        let all = every(account, classes, rules);
        for budget in budgets {
            let known = all.get(budget.class.as_str());
            let Some((limit, window_s)) = known.and_then(|(documented, configured)| size(*documented, *configured))
            else {
                continue;
            };
            let configured = known.and_then(|(_, configured)| *configured);
            let mut window = window(limit, window_s, configured, 0);
            let mut budget = budget.clone();
            if budget.reset_at.is_none() {
                // Nobody knows when it ends; what is counted here goes on counting, and the rest is told anew.
                (window.counts, budget.reset_at) = (Counts::Rolling, asked_again);
            }
            let key = window_key(account, &budget.class);
            self.ledger.observe(&seen(key, window, limit, configured.is_some(), &budget)).await;
        }
    }

    /// Learns from an answer. Gives back what is said of budgets that the call does not draw on.
    pub async fn observe(&self, ask: Ask<'_>, budgets: &[Budget]) -> Vec<Budget> {
        let drawn = drawn(&ask);
        let mut strange = Vec::new();
        for budget in budgets {
            let Some((drawn, window)) = meant(&drawn, &ask, budget) else {
                strange.push(budget.clone());
                continue;
            };
            self.ledger.observe(&seen(drawn.draw.key.clone(), window, drawn.limit, drawn.firm, budget)).await;
        }
        strange
    }
}

/// What an answer says of a window, in the ledger's words. A limit of our own (`firm`) is never raised.
fn seen(key: Key, window: Window, ours: u32, firm: bool, budget: &Budget) -> Seen {
    let reset_us = budget.reset_at.and_then(|reset| u64::try_from(reset.as_microsecond()).ok());
    let all = budget.limit.unwrap_or(ours);
    Seen {
        key,
        window,
        limit: budget.limit.map(|limit| if firm { limit.min(ours) } else { limit }),
        used: budget.remaining.map(|remaining| all.saturating_sub(remaining)),
        reset_us: reset_us.map(|reset| reset.saturating_add(RESET_MARGIN_US)),
    }
}

/// The budget that is meant. An adapter that can't tell which one names any; the limit tells then.
fn meant<'d>(drawn: &'d [Drawn], ask: &Ask<'_>, budget: &Budget) -> Option<(&'d Drawn, Window)> {
    let windows = || {
        drawn.iter().filter_map(|drawn| match drawn.draw.rule {
            Rule::Window(window) => Some((drawn, window)),
            Rule::Rate(_) => None,
        })
    };
    let named = windows().find(|(drawn, _)| drawn.name == name_of(ask.account, &budget.class))?;
    let fitting = |limit: u32| windows().find(|(drawn, _)| drawn.limit == limit);
    match budget.limit {
        Some(limit) if limit != named.0.limit => Some(fitting(limit).unwrap_or(named)),
        _ => Some(named),
    }
}

fn name_of(account: &Account, class: &str) -> String {
    format!("{}.{class}", account.id)
}

/// What is documented of a budget, and what is configured.
type Known<'a> = (Option<&'a RateClass>, Option<&'a NetworkLimit>);

/// All budgets of an account.
fn every<'a>(account: &Account, classes: &'a [RateClass], rules: &'a LimitRules) -> BTreeMap<&'a str, Known<'a>> {
    let mut budgets: BTreeMap<&str, Known<'a>> = BTreeMap::new();
    for class in classes {
        budgets.entry(&class.name).or_default().0 = Some(class);
    }
    for ((of, name), limit) in &rules.networks {
        if *of == account.network {
            budgets.entry(name).or_default().1 = Some(limit);
        }
    }
    budgets
}

/// Calls in a window and its length in seconds; what is configured goes first.
fn size(documented: Option<&RateClass>, configured: Option<&NetworkLimit>) -> Option<(u32, u32)> {
    let configured = configured.map(|limit| (limit.limit, limit.window_s));
    configured.or(documented.map(|class| (class.limit, class.window_s)))
}

fn window(limit: u32, window_s: u32, configured: Option<&NetworkLimit>, keep_percent: u32) -> Window {
    let counts = if configured.is_some_and(|limit| limit.rolling) { Counts::Rolling } else { Counts::Fixed };
    Window { counts, keep_percent, ..Window::of_seconds(limit, window_s) }
}

fn key(kind: &str, account: &Account, class: &str) -> Key {
    Key::new(&format!("account:{}", account.id), &format!("{kind}:{class}"))
}

fn window_key(account: &Account, class: &str) -> Key {
    key("window", account, class)
}

/// Everything that the call draws on, each budget once.
fn drawn(ask: &Ask<'_>) -> Vec<Drawn> {
    let keep_percent = if is_urgent(ask) { 0 } else { ask.rules.urgent.percent };
    let mut drawn = Vec::new();
    for (class, (documented, configured)) in every(ask.account, ask.classes, ask.rules) {
        let cost = cost(ask.draft, documented, configured);
        let Some((limit, window_s)) = size(documented, configured) else { continue };
        if cost == 0 {
            continue;
        }
        let window = window(limit, window_s, configured, keep_percent);
        let name = name_of(ask.account, class);
        let firm = configured.is_some();
        if let Some(pace) = configured.and_then(|limit| limit.pace) {
            let rate = Rate::per_minute(pace.calls_per_minute, pace.burst.unwrap_or(1));
            let draw = Draw { key: key("pace", ask.account, class), rule: Rule::Rate(rate), cost };
            drawn.push(Drawn { name: format!("{name}.pace"), draw, limit, firm });
        }
        let draw = Draw { key: window_key(ask.account, class), rule: Rule::Window(window), cost };
        drawn.push(Drawn { name, draw, limit, firm });
    }
    drawn
}

/// Replies, and what an app that may says is urgent.
fn is_urgent(ask: &Ask<'_>) -> bool {
    let urgent = &ask.rules.urgent;
    let may = matches!(ask.principal, Principal::App(app) if urgent.apps.contains(app));
    ask.draft.action.class() == ActionClass::Reply
        || may && ask.draft.labels.iter().any(|label| urgent.labels.contains(label))
}

/// What the call costs: for each entry its action, for each medium an upload; a deletion once for each entry that goes.
fn cost(draft: &Draft, documented: Option<&RateClass>, configured: Option<&NetworkLimit>) -> u32 {
    let points = |action: Action| match configured {
        Some(limit) if !limit.points.is_empty() => limit.points.get(&action).copied().unwrap_or(0),
        _ => u32::from(documented.is_some_and(|class| class.actions.contains(&action))),
    };
    let narrow = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    if draft.action.class() == ActionClass::Delete {
        let entries = draft.target.as_deref().map_or(1, |target| target.lines().count().max(1));
        return points(draft.action).saturating_mul(narrow(entries));
    }
    let media: usize = draft.parts.iter().map(|part| part.media.len()).sum();
    let entries = points(draft.action).saturating_mul(narrow(draft.parts.len().max(1)));
    entries.saturating_add(points(Action::MEDIA_UPLOAD).saturating_mul(narrow(media)))
}

#[cfg(test)]
mod tests;
