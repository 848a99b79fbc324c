//! Recurrence rules, RFC 5545 section 3.3.10: daily to yearly, one time a day.
//!
//! What repeats within a day (`HOURLY` and below, several `BYHOUR`) is refused: two posts a day are two series. So a rule gives days,
//! and the time of day is the start's.

mod parse;
mod days;

use std::fmt;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time, Weekday};

pub use parse::RuleError;

pub(crate) use days::{Days, plus_days};

/// `FREQ`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Frequency {
    /// `DAILY`
    Daily,
    /// `WEEKLY`
    Weekly,
    /// `MONTHLY`
    Monthly,
    /// `YEARLY`
    Yearly,
}

/// One entry of `BYDAY`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Day {
    /// Which of the month or year: 1 the first, -1 the last, 0 each.
    pub nth: i8,
    /// The day of the week.
    pub weekday: Weekday,
}

/// Where a rule ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// It doesn't.
    Never,
    /// After this many occurrences (`COUNT`), those that `EXDATE` takes away included.
    Count(u32),
    /// At a time (`UNTIL`), which is included.
    Until(Until),
}

/// `UNTIL`, in the three shapes that calendars write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Until {
    /// `20271231T225959Z`
    Instant(Timestamp),
    /// `20271231T235959`, by the clocks of the series.
    Local(DateTime),
    /// `20271231`, the whole day.
    Day(Date),
}

/// A recurrence rule. Made by [`Rule::parse`]; its `Display` is the text that `parse` reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rule {
    pub(crate) frequency: Frequency,
    pub(crate) interval: u16,
    pub(crate) end: End,
    pub(crate) by_month: Vec<i8>,
    pub(crate) by_month_day: Vec<i8>,
    pub(crate) by_day: Vec<Day>,
    pub(crate) by_set_pos: Vec<i16>,
    pub(crate) week_start: Weekday,
    /// Hour, minute and second where the rule says them; they must be the start's.
    pub(crate) time: [Option<i8>; 3],
}

impl Rule {
    /// The rule of what happens once.
    pub(crate) fn once() -> Self {
        Self {
            frequency: Frequency::Daily,
            interval: 1,
            end: End::Count(1),
            by_month: Vec::new(),
            by_month_day: Vec::new(),
            by_day: Vec::new(),
            by_set_pos: Vec::new(),
            week_start: Weekday::Monday,
            time: [None; 3],
        }
    }

    /// How often.
    pub fn frequency(&self) -> Frequency {
        self.frequency
    }

    /// Where it ends.
    pub fn end(&self) -> End {
        self.end
    }

    /// Whether `BYHOUR`, `BYMINUTE` and `BYSECOND` say the time that the start says.
    pub(crate) fn fits(&self, time: Time) -> bool {
        let of_start = [time.hour(), time.minute(), time.second()];
        self.time.iter().zip(of_start).all(|(said, is)| said.is_none_or(|said| said == is))
    }
}

pub(crate) const WEEKDAYS: [(&str, Weekday); 7] = [
    ("MO", Weekday::Monday),
    ("TU", Weekday::Tuesday),
    ("WE", Weekday::Wednesday),
    ("TH", Weekday::Thursday),
    ("FR", Weekday::Friday),
    ("SA", Weekday::Saturday),
    ("SU", Weekday::Sunday),
];

fn letters(weekday: Weekday) -> &'static str {
    WEEKDAYS.iter().find(|(_, day)| *day == weekday).map_or("MO", |(name, _)| name)
}

impl fmt::Display for Frequency {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Self::Daily => "DAILY",
            Self::Weekly => "WEEKLY",
            Self::Monthly => "MONTHLY",
            Self::Yearly => "YEARLY",
        })
    }
}

impl fmt::Display for Day {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nth != 0 {
            write!(to, "{}", self.nth)?;
        }
        to.write_str(letters(self.weekday))
    }
}

impl fmt::Display for Until {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instant(at) => write!(to, "{}", at.strftime("%Y%m%dT%H%M%SZ")),
            Self::Local(at) => write!(to, "{}", at.strftime("%Y%m%dT%H%M%S")),
            Self::Day(at) => write!(to, "{}", at.strftime("%Y%m%d")),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list<T: fmt::Display>(to: &mut fmt::Formatter<'_>, name: &str, values: &[T]) -> fmt::Result {
            let texts: Vec<String> = values.iter().map(T::to_string).collect();
            if texts.is_empty() { Ok(()) } else { write!(to, ";{name}={}", texts.join(",")) }
        }
        write!(to, "FREQ={}", self.frequency)?;
        match self.end {
            End::Never => {}
            End::Count(count) => write!(to, ";COUNT={count}")?,
            End::Until(until) => write!(to, ";UNTIL={until}")?,
        }
        if self.interval != 1 {
            write!(to, ";INTERVAL={}", self.interval)?;
        }
        for (name, value) in ["BYSECOND", "BYMINUTE", "BYHOUR"].iter().zip(self.time.iter().rev()) {
            list(to, name, value.as_slice())?;
        }
        list(to, "BYDAY", &self.by_day)?;
        list(to, "BYMONTHDAY", &self.by_month_day)?;
        list(to, "BYMONTH", &self.by_month)?;
        list(to, "BYSETPOS", &self.by_set_pos)?;
        if self.week_start == Weekday::Monday { Ok(()) } else { write!(to, ";WKST={}", letters(self.week_start)) }
    }
}
