//! A network's budget: so many within a time, exact at the moments that matter and small in between.
//!
//! What a call may use is *pending* from its reservation until its answer, then *settled*. A settled unit counts for a whole window
//! after the answer, in one of [`BUCKETS`] buckets that are forgotten a little late: so whatever phase the network's own windows
//! have, none of them sees more than the limit. Where the network counts in fixed windows and says when its own ends, everything
//! that is settled is forgotten then.

use super::{LENGTH_US_MAX, SECOND_US, Standing};

/// Parts of a window that are kept apart.
const BUCKETS: u64 = 30;
/// A reservation that nobody settles (its gateway died) counts for this long beyond the window.
pub const PENDING_US_MAX: u64 = 600 * SECOND_US;
/// A limit that a network gave holds this long.
const SEEN_US: u64 = 86_400 * SECOND_US;

/// How a network counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Counts {
    /// In windows one after the other; everything is forgotten when one ends.
    #[default]
    Fixed,
    /// Over the time that lies behind; each call is forgotten on its own.
    Rolling,
}

/// So many within a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Units in the window.
    pub limit: u32,
    /// Its length.
    pub length_us: u64,
    /// How the network counts.
    pub counts: Counts,
    /// Of the limit, what this draw must leave for others, in per cent.
    pub keep_percent: u32,
}

impl Window {
    /// A window with a length in seconds.
    pub fn of_seconds(limit: u32, seconds: u32) -> Self {
        let length_us = (u64::from(seconds) * SECOND_US).clamp(SECOND_US, LENGTH_US_MAX);
        Self { limit, length_us, counts: Counts::Fixed, keep_percent: 0 }
    }

    /// The share of one of `nodes`; may be nothing.
    pub fn share(self, nodes: u32) -> Self {
        Self { limit: self.limit / nodes.max(1), ..self }
    }

    /// Until when a unit counts that is settled now.
    fn until(length_us: u64, now_us: u64) -> u64 {
        let width = (length_us / BUCKETS).max(1);
        (now_us / width).saturating_add(1).saturating_mul(width).saturating_add(length_us)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    until_us: u64,
    units: u64,
    pending: bool,
}

/// What is used of a window.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WindowState {
    entries: Vec<Entry>,
    /// The limit that the network gave, and until when that holds.
    seen: Option<(u32, u64)>,
    /// The window's length, as it was drawn on last.
    length_us: u64,
}

impl WindowState {
    /// Drops what is over.
    pub fn forget(&mut self, now_us: u64) {
        self.entries.retain(|entry| entry.until_us > now_us && entry.units > 0);
        self.seen = self.seen.filter(|(_, until)| *until > now_us);
    }

    /// True where nothing is known.
    pub fn is_idle(&self) -> bool {
        self.entries.is_empty() && self.seen.is_none()
    }

    /// What is used, and the window's length.
    pub(super) fn drawn(&self) -> (u64, u64) {
        (self.used(), self.length_us)
    }

    fn used(&self) -> u64 {
        self.entries.iter().map(|entry| entry.units).sum()
    }

    /// The limit as the network gave it last, but this node's share of it where `nodes` share it.
    fn limit(&self, window: Window, nodes: u32) -> u64 {
        let limit = self.seen.map_or(window.limit, |(limit, _)| limit);
        u64::from(limit / nodes.max(1))
    }

    /// How long `cost` must wait; 0 where it may be drawn. What can never be drawn waits for the length of the window. The state
    /// has forgotten what is over.
    pub(super) fn wait(&self, window: Window, nodes: u32, cost: u32, now_us: u64) -> u64 {
        let limit = self.limit(window, nodes);
        let cap = limit - limit * u64::from(window.keep_percent.min(100)) / 100;
        let cost = u64::from(cost);
        if cost > cap {
            return window.length_us;
        }
        let Some(mut excess) = (self.used() + cost).checked_sub(cap).filter(|excess| *excess > 0) else { return 0 };
        let mut ends: Vec<(u64, u64)> =
            self.entries.iter().map(|entry| (entry.ends(window, now_us), entry.units)).collect();
        ends.sort_unstable();
        for (end, units) in ends {
            excess = excess.saturating_sub(units);
            if excess == 0 {
                return end.saturating_sub(now_us);
            }
        }
        window.length_us
    }

    /// Reserves. The result is until when that counts where nobody settles it.
    pub(super) fn reserve(&mut self, window: Window, cost: u32, now_us: u64) -> u64 {
        let until_us = Window::until(window.length_us, now_us).saturating_add(PENDING_US_MAX);
        self.length_us = window.length_us;
        self.add(until_us, u64::from(cost), true);
        until_us
    }

    /// Ends a reservation.
    pub(super) fn settle(&mut self, length_us: u64, until_us: u64, cost: u32, sent: bool, now_us: u64) {
        let pending = |entry: &&mut Entry| entry.pending && entry.until_us == until_us;
        if let Some(entry) = self.entries.iter_mut().find(pending) {
            entry.units = entry.units.saturating_sub(u64::from(cost));
        }
        if sent {
            self.add(Window::until(length_us, now_us), u64::from(cost), false);
        }
        self.forget(now_us);
    }

    /// Learns what the network says; see [`super::Seen`].
    pub(super) fn observe(
        &mut self,
        window: Window,
        limit: Option<u32>,
        used: Option<u32>,
        reset_us: Option<u64>,
        now_us: u64,
    ) {
        self.forget(now_us);
        if let Some(limit) = limit {
            self.seen = Some((limit, now_us.saturating_add(SEEN_US)));
        }
        // No window is longer than it is known to be.
        let reset_us = reset_us.filter(|reset| *reset > now_us && *reset <= Window::until(window.length_us, now_us));
        if let (Counts::Fixed, Some(reset)) = (window.counts, reset_us) {
            let early: u64 = self.drain(reset);
            self.add(reset, early, false);
        }
        // What is pending may have been counted by the network already, or not: counting it twice would waste as much as is on its
        // way. Where somebody else draws on the account too, the next answer says the rest.
        let surplus = u64::from(used.unwrap_or(0)).saturating_sub(self.used());
        self.add(reset_us.unwrap_or_else(|| Window::until(window.length_us, now_us)), surplus, false);
    }

    /// Takes out the settled units that count beyond a time.
    fn drain(&mut self, after_us: u64) -> u64 {
        let mut units = 0;
        self.entries.retain(|entry| {
            let late = !entry.pending && entry.until_us > after_us;
            units += if late { entry.units } else { 0 };
            !late
        });
        units
    }

    fn add(&mut self, until_us: u64, units: u64, pending: bool) {
        if units == 0 {
            return;
        }
        match self.entries.iter_mut().find(|entry| entry.pending == pending && entry.until_us == until_us) {
            Some(entry) => entry.units += units,
            None => self.entries.push(Entry { until_us, units, pending }),
        }
    }

    /// How the window stands.
    pub(super) fn standing(&self, window: Window, nodes: u32, wait_us: u64, now_us: u64) -> Standing {
        let limit = self.limit(window, nodes);
        let narrow = |units: u64| u32::try_from(units).unwrap_or(u32::MAX);
        let more = self.entries.iter().map(|entry| entry.ends(window, now_us)).min();
        Standing {
            limit: narrow(limit),
            remaining: narrow(limit.saturating_sub(self.used())),
            more_us: more.map_or(0, |end| end.saturating_sub(now_us)),
            wait_us,
        }
    }
}

impl Entry {
    /// When it is likely to end: a pending unit is settled soon, and counts for a window then.
    fn ends(&self, window: Window, now_us: u64) -> u64 {
        if self.pending { self.until_us.min(Window::until(window.length_us, now_us)) } else { self.until_us }
    }
}
