//! Working hours: when somebody of a team is expected to be there.

use jiff::Timestamp;
use jiff::civil::{Date, Time, Weekday};

use crate::limits::shown;
use crate::rule::plus_days;
use crate::week::{WeekError, entries, first_after, time};
use crate::zone::Zone;

/// Weekly spans in a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkingHours {
    zone: Zone,
    spans: Vec<Span>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    day: Weekday,
    from: Time,
    to: Time,
    /// 1 when it ends on the next day.
    days: i64,
}

impl WorkingHours {
    /// `mon-fri 09:00-17:00, sat 10:00-12:00`. What ends at or before its start ends on the next day: `fri 22:00-06:00`,
    /// `sat 00:00-24:00`.
    ///
    /// # Errors
    /// For other shapes, none at all and more than [`crate::limits::WEEKLY_MAX`] spans.
    pub fn parse(text: &str, zone: Zone) -> Result<Self, WeekError> {
        let mut spans = Vec::new();
        for (days, rest) in entries(text, "mon-fri 09:00-17:00")? {
            let (from, to) =
                rest.split_once('-').ok_or_else(|| WeekError::Entry(shown(rest), "mon-fri 09:00-17:00"))?;
            let from = time(from.trim())?;
            let to = if to.trim() == "24:00" { Time::midnight() } else { time(to.trim())? };
            spans.extend(days.into_iter().map(|day| Span { day, from, to, days: i64::from(to <= from) }));
        }
        Ok(Self { zone, spans })
    }

    /// Whether an instant is within them. The start belongs to a span, the end doesn't.
    pub fn is_within(&self, at: Timestamp) -> bool {
        let today = self.zone.local(at).date();
        // A span of the day before may last until now, or its times may have been moved over midnight; where clocks go back over
        // midnight, one of tomorrow has begun.
        (-2..=1).filter_map(|days| plus_days(today, days)).any(|date| {
            let of_day = self.spans.iter().filter(|span| span.day == date.weekday());
            of_day.filter_map(|span| self.instants(date, span)).any(|(from, to)| from <= at && at < to)
        })
    }

    /// The first instant after `after` at which a span starts.
    pub fn next_start(&self, after: Timestamp) -> Option<Timestamp> {
        let starts: Vec<(Weekday, Time)> = self.spans.iter().map(|span| (span.day, span.from)).collect();
        // A span that a change of the clocks swallows whole starts nowhere.
        first_after(&self.zone, &starts, after, |at| self.is_within(at))
    }

    /// `at` itself when it is within working hours, else the next start.
    pub fn next_within(&self, at: Timestamp) -> Option<Timestamp> {
        if self.is_within(at) { Some(at) } else { self.next_start(at) }
    }

    fn instants(&self, date: Date, span: &Span) -> Option<(Timestamp, Timestamp)> {
        let from = self.zone.settle(date.to_datetime(span.from))?;
        Some((from, self.zone.settle(plus_days(date, span.days)?.to_datetime(span.to))?))
    }
}
