//! Rules from text.

use jiff::civil::Weekday;

use super::{Day, End, Frequency, Rule, Until, WEEKDAYS};
use crate::ics::value::{Stamp, parse_stamp};
use crate::limits::{COUNT_MAX, INTERVAL_MAX, RULE_BYTES_MAX, shown};

/// Why a recurrence rule is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// More text than any rule needs.
    #[error("the rule is longer than {RULE_BYTES_MAX} bytes")]
    TooLong,
    /// Not `NAME=VALUE`.
    #[error("`{0}` is not NAME=VALUE; a rule looks like FREQ=WEEKLY;BYDAY=MO,WE;COUNT=10")]
    Part(String),
    /// A part that stands twice.
    #[error("{0} is given twice")]
    Twice(String),
    /// No `FREQ`.
    #[error("the rule has no FREQ; write FREQ=DAILY, WEEKLY, MONTHLY or YEARLY")]
    NoFrequency,
    /// A part or frequency of RFC 5545 that is not offered.
    #[error("{0} is not supported; {1}")]
    Unsupported(String, &'static str),
    /// A value that the part can't have.
    #[error("{part} can't be `{value}`; {expected}")]
    Value {
        /// The part's name.
        part: &'static str,
        /// What was written, shortened.
        value: String,
        /// What may be written.
        expected: &'static str,
    },
    /// `COUNT` and `UNTIL`.
    #[error("the rule has both COUNT and UNTIL; keep one")]
    TwoEnds,
    /// Parts that have no meaning together.
    #[error("{0}")]
    Together(&'static str),
}

impl Rule {
    /// A rule of RFC 5545 section 3.3.10, with or without `RRULE:` before it: `FREQ=WEEKLY;BYDAY=MO,WE;COUNT=10`.
    ///
    /// # Errors
    /// For what the standard does not allow, and for what repeats within a day, `BYYEARDAY` and `BYWEEKNO`.
    pub fn parse(text: &str) -> Result<Self, RuleError> {
        if text.len() > RULE_BYTES_MAX {
            return Err(RuleError::TooLong);
        }
        let text = text.strip_prefix("RRULE:").unwrap_or(text);
        let (mut rule, mut frequency, mut seen) = (Self { end: End::Never, ..Self::once() }, None, Vec::new());
        for part in text.trim_end_matches(';').split(';') {
            let (name, value) = part.split_once('=').ok_or_else(|| RuleError::Part(shown(part)))?;
            let name = name.trim().to_ascii_uppercase();
            if seen.contains(&name) {
                return Err(RuleError::Twice(shown(&name)));
            }
            if name == "FREQ" {
                frequency = Some(parse_frequency(value)?);
            } else {
                rule.take(&name, &value.to_ascii_uppercase())?;
            }
            seen.push(name);
        }
        rule.frequency = frequency.ok_or(RuleError::NoFrequency)?;
        rule.consistent()
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), RuleError> {
        match name {
            "INTERVAL" => {
                let expected = "write a whole number from 1 to 1000";
                self.interval = number("INTERVAL", value, 1..=i64::from(INTERVAL_MAX), expected)?;
            }
            "COUNT" | "UNTIL" if self.end != End::Never => return Err(RuleError::TwoEnds),
            "COUNT" => {
                let expected = "write a whole number from 1 to 10000";
                self.end = End::Count(number("COUNT", value, 1..=i64::from(COUNT_MAX), expected)?);
            }
            "UNTIL" => self.end = End::Until(until(value)?),
            "BYMONTH" => self.by_month = numbers("BYMONTH", value, 12, false, "write months from 1 to 12")?,
            "BYMONTHDAY" => {
                self.by_month_day = numbers("BYMONTHDAY", value, 31, true, "write days from 1 to 31 or -31 to -1")?;
            }
            "BYSETPOS" => {
                self.by_set_pos = numbers("BYSETPOS", value, 366, true, "write positions from 1 to 366 or -366 to -1")?;
            }
            "BYDAY" => self.by_day = days(value)?,
            "WKST" => self.week_start = weekday("WKST", value)?,
            "BYHOUR" => self.time = self.at(0, "BYHOUR", value, 23)?,
            "BYMINUTE" => self.time = self.at(1, "BYMINUTE", value, 59)?,
            "BYSECOND" => self.time = self.at(2, "BYSECOND", value, 59)?,
            "BYYEARDAY" | "BYWEEKNO" => {
                return Err(RuleError::Unsupported(name.to_owned(), "use BYMONTH with BYMONTHDAY or BYDAY"));
            }
            _ => return Err(RuleError::Unsupported(shown(name), "leave it out")),
        }
        Ok(())
    }

    fn at(&self, index: usize, part: &'static str, value: &str, most: i64) -> Result<[Option<i8>; 3], RuleError> {
        let expected = "write one number, the start's: what repeats within a day is several series";
        let value = number(part, value, 0..=most, expected)?;
        let mut time = self.time;
        if let Some(place) = time.get_mut(index) {
            *place = Some(value);
        }
        Ok(time)
    }

    fn consistent(self) -> Result<Self, RuleError> {
        let ordinals = self.by_day.iter().any(|day| day.nth != 0);
        let monthly = self.frequency == Frequency::Monthly;
        let long = monthly || self.frequency == Frequency::Yearly;
        if ordinals && !long {
            return Err(RuleError::Together("BYDAY with a number (1MO, -1FR) needs FREQ=MONTHLY or FREQ=YEARLY"));
        }
        if self.by_day.iter().any(|day| day.nth.abs() > 5 && (monthly || !self.by_month.is_empty())) {
            return Err(RuleError::Together("no month has more than five of a weekday; write BYDAY from -5 to 5"));
        }
        if self.frequency == Frequency::Weekly && !self.by_month_day.is_empty() {
            return Err(RuleError::Together("BYMONTHDAY has no meaning with FREQ=WEEKLY; use FREQ=MONTHLY"));
        }
        let sets = [self.by_day.is_empty(), self.by_month_day.is_empty(), self.by_month.is_empty()];
        if !self.by_set_pos.is_empty() && sets.iter().all(|empty| *empty) {
            return Err(RuleError::Together("BYSETPOS picks from what BYDAY, BYMONTHDAY or BYMONTH give; add one"));
        }
        Ok(self)
    }
}

fn parse_frequency(value: &str) -> Result<Frequency, RuleError> {
    Ok(match value.to_ascii_uppercase().as_str() {
        "DAILY" => Frequency::Daily,
        "WEEKLY" => Frequency::Weekly,
        "MONTHLY" => Frequency::Monthly,
        "YEARLY" => Frequency::Yearly,
        "HOURLY" | "MINUTELY" | "SECONDLY" => {
            return Err(RuleError::Unsupported(shown(value), "use FREQ=DAILY, with a series for each time of day"));
        }
        _ => {
            let expected = "write DAILY, WEEKLY, MONTHLY or YEARLY";
            return Err(RuleError::Value { part: "FREQ", value: shown(value), expected });
        }
    })
}

fn number<T: TryFrom<i64>>(
    part: &'static str,
    value: &str,
    range: std::ops::RangeInclusive<i64>,
    expected: &'static str,
) -> Result<T, RuleError> {
    let wrong = || RuleError::Value { part, value: shown(value), expected };
    let parsed: i64 = value.parse().map_err(|_| wrong())?;
    if !range.contains(&parsed) {
        return Err(wrong());
    }
    T::try_from(parsed).map_err(|_| wrong())
}

/// Numbers from 1 to `most`, and the same from the end; sorted, each once.
fn numbers<T: TryFrom<i64> + Ord>(
    part: &'static str,
    value: &str,
    most: i64,
    from_end: bool,
    expected: &'static str,
) -> Result<Vec<T>, RuleError> {
    let least = if from_end { -most } else { 1 };
    let mut all = Vec::new();
    for text in value.split(',') {
        if text.trim_start_matches(['+', '-']).trim_start_matches('0').is_empty() {
            return Err(RuleError::Value { part, value: shown(text), expected });
        }
        all.push(number(part, text, least..=most, expected)?);
    }
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

fn days(value: &str) -> Result<Vec<Day>, RuleError> {
    let mut days = Vec::new();
    for text in value.split(',') {
        let expected =
            "write MO, TU, WE, TH, FR, SA or SU, with a number from 1 to 53 or -53 to -1 before it if you like";
        let wrong = || RuleError::Value { part: "BYDAY", value: shown(text), expected };
        let (nth, name) = text.split_at_checked(text.len().saturating_sub(2)).ok_or_else(wrong)?;
        let nth = if nth.is_empty() { 0 } else { number("BYDAY", nth, -53..=53, expected)? };
        if nth == 0 && text.len() > 2 {
            return Err(wrong());
        }
        let day = Day { nth, weekday: weekday("BYDAY", name)? };
        if !days.contains(&day) {
            days.push(day);
        }
    }
    Ok(days)
}

fn weekday(part: &'static str, value: &str) -> Result<Weekday, RuleError> {
    let known = WEEKDAYS.iter().find(|(name, _)| *name == value).map(|(_, day)| *day);
    let expected = "write MO, TU, WE, TH, FR, SA or SU";
    known.ok_or_else(|| RuleError::Value { part, value: shown(value), expected })
}

fn until(value: &str) -> Result<Until, RuleError> {
    let expected = "write 20271231T225959Z, 20271231T235959 or 20271231";
    match parse_stamp(value) {
        Some(Stamp::Utc(at)) => Ok(Until::Instant(at)),
        Some(Stamp::Local(at)) => Ok(Until::Local(at)),
        Some(Stamp::Day(at)) => Ok(Until::Day(at)),
        None => Err(RuleError::Value { part: "UNTIL", value: shown(value), expected }),
    }
}
