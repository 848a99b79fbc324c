//! The days that a rule gives, one period (a day, a week, a month, a year) after another.

use jiff::SignedDuration;
use jiff::civil::{Date, Weekday};

use super::{Day, Frequency, Rule};

/// The day `days` days later.
pub(crate) fn plus_days(date: Date, days: i64) -> Option<Date> {
    date.checked_add(SignedDuration::from_hours(days.checked_mul(24)?)).ok()
}

/// Ascending days of a rule from `from` to `stop`, both included. `COUNT` and `UNTIL` are the caller's.
#[derive(Debug, Clone)]
pub(crate) struct Days<'a> {
    rule: &'a Rule,
    start: Date,
    from: Date,
    stop: Date,
    /// Which period is made next; the start lies in period 0, and each is `INTERVAL` units after the one before.
    period: i64,
    ready: std::vec::IntoIter<Date>,
    /// How many more periods may be looked at.
    pub(crate) steps_left: u32,
}

impl<'a> Days<'a> {
    /// Jumps to the period of `from`: what lies before costs nothing.
    pub(crate) fn new(rule: &'a Rule, start: Date, from: Date, stop: Date, steps_max: u32) -> Self {
        let from = from.max(start);
        let period = rule.period_of(start, from);
        Self { rule, start, from, stop, period, ready: Vec::new().into_iter(), steps_left: steps_max }
    }
}

impl Iterator for Days<'_> {
    type Item = Date;

    fn next(&mut self) -> Option<Date> {
        loop {
            for date in self.ready.by_ref() {
                if date > self.stop {
                    return None;
                }
                if date >= self.from {
                    return Some(date);
                }
            }
            let first = self.rule.first_of(self.start, self.period)?;
            if first > self.stop {
                return None;
            }
            self.steps_left = self.steps_left.checked_sub(1)?;
            self.ready = self.rule.days_of(self.start, first).into_iter();
            self.period += 1;
        }
    }
}

impl Rule {
    /// The period that a day on or after the start lies in, or the one before it when it lies between two.
    fn period_of(&self, start: Date, date: Date) -> i64 {
        let units = match self.frequency {
            Frequency::Daily => days_between(start, date),
            Frequency::Weekly => days_between(week_of(start, self.week_start), date) / 7,
            Frequency::Monthly => months(date) - months(start),
            Frequency::Yearly => i64::from(date.year()) - i64::from(start.year()),
        };
        units.max(0) / i64::from(self.interval.max(1))
    }

    /// The first day of a period. None when no calendar has it.
    fn first_of(&self, start: Date, period: i64) -> Option<Date> {
        let units = period.checked_mul(i64::from(self.interval.max(1)))?;
        match self.frequency {
            Frequency::Daily => plus_days(start, units),
            Frequency::Weekly => plus_days(week_of(start, self.week_start), units.checked_mul(7)?),
            Frequency::Monthly => {
                let month = months(start).checked_add(units)?;
                let year = i16::try_from(month.div_euclid(12)).ok()?;
                Date::new(year, i8::try_from(month.rem_euclid(12)).ok()? + 1, 1).ok()
            }
            Frequency::Yearly => Date::new(i16::try_from(i64::from(start.year()).checked_add(units)?).ok()?, 1, 1).ok(),
        }
    }

    /// The sorted days of the period that begins with `first`, as the table of RFC 5545 section 3.3.10 expands and limits them.
    fn days_of(&self, start: Date, first: Date) -> Vec<Date> {
        let mut days = match self.frequency {
            Frequency::Daily => self.limited(vec![first]),
            Frequency::Weekly => self.week(start, first),
            Frequency::Monthly => self.month(start, first),
            Frequency::Yearly => self.year(start, first),
        };
        if self.frequency != Frequency::Yearly && !self.by_month.is_empty() {
            days.retain(|day| self.by_month.contains(&day.month()));
        }
        days.sort_unstable();
        days.dedup();
        self.positions(days)
    }

    /// `BYMONTHDAY` and `BYDAY` where they only limit.
    fn limited(&self, mut days: Vec<Date>) -> Vec<Date> {
        days.retain(|day| {
            let from_end = day.day() - day.days_in_month() - 1;
            let listed = self.by_month_day.iter().any(|listed| *listed == day.day() || *listed == from_end);
            (self.by_month_day.is_empty() || listed)
                && (self.by_day.is_empty() || self.by_day.iter().any(|listed| listed.weekday == day.weekday()))
        });
        days
    }

    fn week(&self, start: Date, first: Date) -> Vec<Date> {
        let wanted = |weekday| match self.by_day.as_slice() {
            [] => weekday == start.weekday(),
            listed => listed.iter().any(|day| day.weekday == weekday),
        };
        (0..7).filter_map(|offset| plus_days(first, offset)).filter(|day| wanted(day.weekday())).collect()
    }

    fn month(&self, start: Date, first: Date) -> Vec<Date> {
        let last = first.last_of_month();
        match (self.by_month_day.as_slice(), self.by_day.as_slice()) {
            ([], []) => of_month(first, &[start.day()]),
            ([], listed) => weekdays_within(first, last, listed),
            (numbers, []) => of_month(first, numbers),
            (numbers, listed) => {
                let weekdays = weekdays_within(first, last, listed);
                of_month(first, numbers).into_iter().filter(|day| weekdays.contains(day)).collect()
            }
        }
    }

    fn year(&self, start: Date, first: Date) -> Vec<Date> {
        let months = |all: &[i8]| -> Vec<Date> {
            all.iter().filter_map(|month| Date::new(first.year(), *month, 1).ok()).collect()
        };
        let (numbers, listed) = (self.by_month_day.as_slice(), self.by_day.as_slice());
        if !self.by_month.is_empty() {
            return months(&self.by_month).into_iter().flat_map(|month| self.month(start, month)).collect();
        }
        let every: [i8; 12] = std::array::from_fn(|index| i8::try_from(index).unwrap_or_default() + 1);
        let by_number = || months(&every).into_iter().flat_map(|month| of_month(month, numbers));
        match (numbers, listed) {
            ([], []) => {
                months(&[start.month()]).into_iter().flat_map(|month| of_month(month, &[start.day()])).collect()
            }
            ([], listed) => weekdays_within(first, first.last_of_year(), listed),
            (_, []) => by_number().collect(),
            (_, listed) => {
                let weekdays = weekdays_within(first, first.last_of_year(), listed);
                by_number().filter(|day| weekdays.contains(day)).collect()
            }
        }
    }

    /// `BYSETPOS`
    fn positions(&self, days: Vec<Date>) -> Vec<Date> {
        if self.by_set_pos.is_empty() {
            return days;
        }
        let count = i16::try_from(days.len()).unwrap_or(i16::MAX);
        let picked = |index: usize| {
            let position = i16::try_from(index).unwrap_or(i16::MAX).saturating_add(1);
            self.by_set_pos.iter().any(|wanted| *wanted == position || *wanted == position - count - 1)
        };
        days.into_iter().enumerate().filter(|(index, _)| picked(*index)).map(|(_, day)| day).collect()
    }
}

fn days_between(from: Date, to: Date) -> i64 {
    to.duration_since(from).as_hours() / 24
}

fn months(date: Date) -> i64 {
    i64::from(date.year()) * 12 + i64::from(date.month()) - 1
}

/// The first day of the week of a day.
fn week_of(date: Date, week_start: Weekday) -> Date {
    plus_days(date, -i64::from(date.weekday().since(week_start))).unwrap_or(date)
}

/// Days of the month by number, from its end when negative. A day that the month has not is left out.
fn of_month(first: Date, numbers: &[i8]) -> Vec<Date> {
    let length = first.days_in_month();
    let day = |number: i8| if number < 0 { length + 1 + number } else { number };
    numbers.iter().filter_map(|number| Date::new(first.year(), first.month(), day(*number)).ok()).collect()
}

/// The listed weekdays between two days, both included, counted from the first or the last.
fn weekdays_within(first: Date, last: Date, listed: &[Day]) -> Vec<Date> {
    let mut days = Vec::new();
    for day in listed {
        let (anchor, step) = if day.nth < 0 {
            (plus_days(last, -i64::from(last.weekday().since(day.weekday))), -7)
        } else {
            (plus_days(first, i64::from(day.weekday.since(first.weekday()))), 7)
        };
        let mut next = anchor.and_then(|anchor| plus_days(anchor, step * (i64::from(day.nth.abs()) - 1).max(0)));
        while let Some(date) = next.filter(|date| *date >= first && *date <= last) {
            days.push(date);
            next = if day.nth == 0 { plus_days(date, step) } else { None };
        }
    }
    days
}
