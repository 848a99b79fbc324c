//! Calendars of windows in which nothing is published.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::ics::{Event, Ics, Length, Status};
use crate::limits::horizon;
use crate::rule::plus_days;
use crate::series::Series;

/// A named calendar whose events block. Cheap to clone.
#[derive(Debug, Clone, PartialEq)]
pub struct Calendar {
    name: String,
    windows: Arc<[Window]>,
}

/// Several calendars that hold for the same posts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Blackouts {
    calendars: Vec<Calendar>,
}

/// What stands in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block<'a> {
    /// Whose event.
    pub calendar: &'a str,
    /// The event's name. It is a text of whoever writes the calendar: not for the audit log.
    pub event: &'a str,
    /// Since when, inclusive.
    pub from: Timestamp,
    /// Until when, exclusive.
    pub to: Timestamp,
}

#[derive(Debug, Clone, PartialEq)]
struct Window {
    summary: String,
    series: Series,
    length: Length,
}

impl Calendar {
    /// A calendar of all events that are not cancelled. An event without length blocks nothing.
    pub fn new(name: impl Into<String>, ics: Ics) -> Self {
        let blocks = |event: &Event| event.status != Status::Cancelled && event.length != Length::default();
        let windows = ics
            .events
            .into_iter()
            .filter(blocks)
            .map(|event| Window { summary: event.summary, series: event.series, length: event.length })
            .collect();
        Self { name: name.into(), windows }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What blocks at an instant: of several events the one that lasts longest.
    pub fn blocked_at(&self, at: Timestamp) -> Option<Block<'_>> {
        let blocks = self.windows.iter().filter_map(|window| {
            let (from, to) = window.around(at)?;
            Some(Block { calendar: &self.name, event: &window.summary, from, to })
        });
        blocks.max_by_key(|block| block.to)
    }
}

impl Blackouts {
    /// All of these calendars.
    pub fn new(calendars: Vec<Calendar>) -> Self {
        Self { calendars }
    }

    /// What blocks at an instant: of several events the one that lasts longest.
    pub fn blocked_at(&self, at: Timestamp) -> Option<Block<'_>> {
        self.calendars.iter().filter_map(|calendar| calendar.blocked_at(at)).max_by_key(|block| block.to)
    }

    /// The first instant at or after `at` that nothing blocks. None when there is none for five years, or within 2,000 blocks.
    pub fn next_free(&self, at: Timestamp) -> Option<Timestamp> {
        const BLOCKS_MAX: usize = 2_000;
        let latest = horizon(at);
        let mut free = at;
        for _ in 0..BLOCKS_MAX {
            match self.blocked_at(free) {
                None => return Some(free),
                Some(block) if block.to > latest => return None,
                Some(block) => free = block.to,
            }
        }
        None
    }
}

impl Window {
    /// The occurrence that an instant lies in; of several the one that lasts longest.
    ///
    /// What began last ends last, so it looks back in steps that double: an event that overlaps itself a thousand times costs no more
    /// than one that doesn't.
    fn around(&self, at: Timestamp) -> Option<(Timestamp, Timestamp)> {
        // A day of the calendar lasts at most 48 hours, where clocks have been moved over the date line.
        let longest = SignedDuration::from_hours(self.length.days.saturating_add(2).saturating_mul(24))
            .checked_add(self.length.exact)?;
        let begins_after = at.checked_sub(longest).unwrap_or(Timestamp::MIN);
        if self.series.over().is_some_and(|over| over < begins_after) {
            return None;
        }
        let mut back = SignedDuration::from_hours(48);
        loop {
            let from = at.checked_sub(back).unwrap_or(Timestamp::MIN).max(begins_after);
            if let Some(found) = self.between(from, at) {
                return Some(found);
            }
            if from == begins_after {
                return None;
            }
            back = back.checked_mul(2)?;
        }
    }

    /// Of the occurrences that begin in a time and last beyond it, the one that lasts longest.
    fn between(&self, from: Timestamp, at: Timestamp) -> Option<(Timestamp, Timestamp)> {
        // Where clocks go back over midnight, tomorrow has begun.
        let tomorrow = plus_days(self.series.zone().local(at).date(), 1)?;
        let begun = self.series.through(from, tomorrow).take_while(|occurrence| occurrence.at <= at);
        let spans = begun.filter_map(|occurrence| {
            let local = plus_days(occurrence.local.date(), self.length.days)?.to_datetime(occurrence.local.time());
            // A length in hours counts from where the start was moved to.
            let end = if self.length.days == 0 { occurrence.at } else { self.series.zone().settle(local)? };
            Some((occurrence.at, end.checked_add(self.length.exact).ok()?))
        });
        spans.filter(|(_, end)| *end > at).max_by_key(|(_, end)| *end)
    }
}
