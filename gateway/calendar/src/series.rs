//! What recurs: a start, a zone, a rule, and single dates that are added or left out.

use std::iter::Peekable;

use jiff::civil::{Date, DateTime};
use jiff::{SignedDuration, Timestamp};

use crate::limits::{COUNT_STEPS_MAX, DATES_MAX, HORIZON_YEARS, OCCURRENCES_MAX, SEARCH_DAYS_MAX, YEARS, horizon};
use crate::rule::{Days, End, Rule, Until, plus_days};
use crate::wall::WallTime;
use crate::zone::Zone;

/// A series of times. Each is found without the ones before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    start: DateTime,
    zone: Zone,
    rule: Rule,
    /// The last day that the rule may give. None: it never ends.
    last: Option<Date>,
    /// Sorted, each once.
    added: Vec<Timestamp>,
    excluded: Vec<Timestamp>,
    excluded_days: Vec<Date>,
}

/// Single dates of a recurring post, by the clocks of the series.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dates {
    /// `RDATE`: times beside the rule.
    pub added: Vec<DateTime>,
    /// `EXDATE`: times of the rule that are left out. They count for `COUNT`.
    pub excluded: Vec<DateTime>,
}

/// One time of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occurrence {
    /// When.
    pub at: Timestamp,
    /// What the rule says; the clocks show it unless `moved`.
    pub local: DateTime,
    /// The clocks skip `local`, and it is moved forward by this much.
    pub moved: Option<SignedDuration>,
}

/// Why a recurring post is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SeriesError {
    /// The rule never ends.
    #[error("the recurrence never ends; add COUNT (;COUNT=52) or UNTIL (;UNTIL=20271231T225959Z) to the rule")]
    Endless,
    /// Too many occurrences.
    #[error("the recurrence has more than {OCCURRENCES_MAX} occurrences; lower COUNT or choose an earlier UNTIL")]
    TooMany,
    /// Too many single dates.
    #[error("more than {DATES_MAX} dates are added or left out")]
    TooManyDates,
    /// It goes on for too long.
    #[error(
        "the recurrence goes on beyond {latest}, {HORIZON_YEARS} years ahead; lower COUNT or choose an earlier UNTIL"
    )]
    TooFar {
        /// The last instant that is possible.
        latest: Timestamp,
    },
    /// It began too long ago.
    #[error("the recurrence starts at {0}, more than {HORIZON_YEARS} years ago; choose a later start")]
    TooOld(DateTime),
    /// Nothing is left.
    #[error("the recurrence has no occurrence: UNTIL is before the first, all are left out, or no day fits the rule")]
    Empty,
    /// `BYHOUR`, `BYMINUTE` or `BYSECOND` beside another start.
    #[error("the rule names another time of day than its start ({0}); leave BYHOUR, BYMINUTE and BYSECOND out")]
    OtherTime(DateTime),
    /// Years that nobody schedules in.
    #[error("{0} is outside the years 1900 to 2300")]
    Year(DateTime),
    /// The rules of one calendar are too costly to follow.
    #[error("it takes too many steps to find where COUNT ends; use UNTIL")]
    TooSparse,
}

impl Series {
    /// The series of a recurring post. The start itself belongs to it only if it fits the rule.
    ///
    /// # Errors
    /// For a rule that never ends, more than [`OCCURRENCES_MAX`] occurrences, one more than [`HORIZON_YEARS`] after `now`, a start as
    /// long before it, or none. `now` is the time when the post was accepted, also when it is read back later.
    pub fn of_post(start: &WallTime, rule: Rule, dates: &Dates, now: Timestamp) -> Result<Self, SeriesError> {
        match rule.end {
            End::Never => return Err(SeriesError::Endless),
            End::Count(count) if usize::try_from(count).unwrap_or(usize::MAX) > OCCURRENCES_MAX => {
                return Err(SeriesError::TooMany);
            }
            _ => {}
        }
        if dates.added.len() > DATES_MAX || dates.excluded.len() > DATES_MAX {
            return Err(SeriesError::TooManyDates);
        }
        let latest = horizon(now);
        let begins = start.zone.settle(start.local).ok_or(SeriesError::Year(start.local))?;
        if horizon(begins) < now {
            return Err(SeriesError::TooOld(start.local));
        }
        let mut series = Self::new(start, Some(rule), &mut COUNT_STEPS_MAX.clone()).map_err(|error| match error {
            SeriesError::TooSparse => SeriesError::TooFar { latest },
            other => other,
        })?;
        // The day of UNTIL, whether the rule still gives it or not; of COUNT the last that it gives.
        if series.last.is_none_or(|last| last > start.zone.local(latest).date()) {
            return Err(SeriesError::TooFar { latest });
        }
        let settled = |all: &[DateTime]| all.iter().filter_map(|local| start.zone.settle(*local)).collect();
        series.add(settled(&dates.added));
        series.exclude(settled(&dates.excluded), Vec::new());
        let (mut count, mut last) = (0, None);
        for occurrence in series.from(Timestamp::MIN).take(OCCURRENCES_MAX + 1) {
            if occurrence.at > latest {
                return Err(SeriesError::TooFar { latest });
            }
            (count, last) = (count + 1, Some(occurrence.at));
        }
        match last {
            None => Err(SeriesError::Empty),
            Some(_) if count > OCCURRENCES_MAX => Err(SeriesError::TooMany),
            Some(_) => Ok(series),
        }
    }

    /// A series of a calendar: it may have no rule, or one that never ends. `steps_left` bounds the work for the whole calendar.
    pub(crate) fn new(start: &WallTime, rule: Option<Rule>, steps_left: &mut u32) -> Result<Self, SeriesError> {
        let rule = rule.unwrap_or_else(Rule::once);
        if !YEARS.contains(&start.local.year()) {
            return Err(SeriesError::Year(start.local));
        }
        if !rule.fits(start.local.time()) {
            return Err(SeriesError::OtherTime(start.local));
        }
        let last = match rule.end {
            End::Never => None,
            End::Count(count) => Some(counted(&rule, start.local.date(), count, steps_left)?),
            End::Until(Until::Day(day)) => Some(day),
            End::Until(Until::Local(local)) => Some(local.date()),
            // A time in a gap may be a day later than it says.
            End::Until(Until::Instant(at)) => plus_days(start.zone.local(at).date(), 1),
        };
        let (zone, none) = (start.zone.clone(), Vec::new());
        Ok(Self {
            start: start.local,
            zone,
            rule,
            last,
            added: none.clone(),
            excluded: none,
            excluded_days: Vec::new(),
        })
    }

    pub(crate) fn add(&mut self, more: Vec<Timestamp>) {
        self.added.extend(more);
        self.added.sort_unstable();
        self.added.dedup();
    }

    pub(crate) fn exclude(&mut self, instants: Vec<Timestamp>, days: Vec<Date>) {
        self.excluded.extend(instants);
        self.excluded.sort_unstable();
        self.excluded_days.extend(days);
        self.excluded_days.sort_unstable();
    }

    /// Where its clocks hang.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The start that it was made with.
    pub fn start(&self) -> DateTime {
        self.start
    }

    /// Its rule; `COUNT=1` for what happens once.
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// The first occurrence.
    pub fn first(&self) -> Option<Occurrence> {
        self.from(Timestamp::MIN).next()
    }

    /// The first occurrence after an instant, within [`SEARCH_DAYS_MAX`] days of it or of the start.
    pub fn next_after(&self, instant: Timestamp) -> Option<Occurrence> {
        self.from(instant).find(|occurrence| occurrence.at > instant)
    }

    /// The occurrences at or after an instant, ascending, each instant once. It begins near the instant, not at the start, and
    /// follows the rule for [`SEARCH_DAYS_MAX`] days from there: all of a post's series, which can't be longer.
    pub fn from(&self, instant: Timestamp) -> Occurrences<'_> {
        self.through(instant, Date::MAX)
    }

    /// The same, up to the end of a local day.
    pub(crate) fn through(&self, instant: Timestamp, stop: Date) -> Occurrences<'_> {
        // The day before yesterday: a local time may be moved forward, at most by a day.
        let near = plus_days(self.zone.local(instant).date(), -2).unwrap_or(Date::MIN).max(self.start.date());
        let searched = plus_days(near, SEARCH_DAYS_MAX).unwrap_or(Date::MAX);
        let stop = self.last.unwrap_or(Date::MAX).min(searched).min(stop);
        let days = Days::new(&self.rule, self.start.date(), near, stop, u32::MAX);
        let added = self.added.get(self.added.partition_point(|at| *at < instant)..).unwrap_or_default();
        let by_rule = ByRule { series: self, days };
        Occurrences { series: self, from: instant, by_rule: by_rule.peekable(), added, previous: None }
    }

    /// An instant after which nothing begins. None: it never ends.
    pub(crate) fn over(&self) -> Option<Timestamp> {
        // A time may be moved forward, at most by a day.
        let by_rule = self.zone.settle(plus_days(self.last?, 2)?.to_datetime(self.start.time()))?;
        Some(self.added.last().copied().unwrap_or(by_rule).max(by_rule))
    }

    fn of_rule(&self, date: Date) -> Option<Occurrence> {
        let local = date.to_datetime(self.start.time());
        let at = self.zone.settle(local)?;
        let ended = match self.rule.end {
            End::Until(Until::Instant(until)) => at > until,
            End::Until(Until::Local(until)) => local > until,
            _ => false,
        };
        let wall = WallTime { local, zone: self.zone.clone() };
        (!ended).then(|| Occurrence { at, local, moved: wall.moved_by() })
    }

    fn is_left_out(&self, occurrence: &Occurrence) -> bool {
        self.excluded.binary_search(&occurrence.at).is_ok()
            || self.excluded_days.binary_search(&occurrence.local.date()).is_ok()
    }
}

/// The day of the last of `count` occurrences, or of the last that there is.
fn counted(rule: &Rule, start: Date, count: u32, steps_left: &mut u32) -> Result<Date, SeriesError> {
    let stop = Date::new(*YEARS.end(), 12, 31).unwrap_or(Date::MAX);
    let mut days = Days::new(rule, start, start, stop, *steps_left);
    let mut last = None;
    for _ in 0..count {
        match days.next() {
            Some(day) => last = Some(day),
            None if days.steps_left == 0 => return Err(SeriesError::TooSparse),
            // It goes on, beyond the years that anybody schedules in.
            None => {
                last = last.map(|_| stop);
                break;
            }
        }
    }
    *steps_left = days.steps_left;
    Ok(last.unwrap_or(start))
}

/// See [`Series::from`].
#[derive(Debug, Clone)]
pub struct Occurrences<'a> {
    series: &'a Series,
    from: Timestamp,
    by_rule: Peekable<ByRule<'a>>,
    added: &'a [Timestamp],
    previous: Option<Timestamp>,
}

/// What the rule alone gives. Ascending, since it gives one time a day; two may be one instant, where a whole day was skipped.
#[derive(Debug, Clone)]
struct ByRule<'a> {
    series: &'a Series,
    days: Days<'a>,
}

impl Iterator for ByRule<'_> {
    type Item = Occurrence;

    fn next(&mut self) -> Option<Occurrence> {
        self.series.of_rule(self.days.next()?)
    }
}

impl Iterator for Occurrences<'_> {
    type Item = Occurrence;

    fn next(&mut self) -> Option<Occurrence> {
        loop {
            let added = self.added.first().copied();
            let by_rule = self.by_rule.next_if(|next| added.is_none_or(|added| next.at <= added));
            let next = match (by_rule, added) {
                (Some(next), _) => next,
                (None, Some(at)) => {
                    self.added = self.added.get(1..).unwrap_or_default();
                    Occurrence { at, local: self.series.zone.local(at), moved: None }
                }
                (None, None) => return None,
            };
            if next.at >= self.from && self.previous != Some(next.at) && !self.series.is_left_out(&next) {
                self.previous = Some(next.at);
                return Some(next);
            }
        }
    }
}
