//! The bounds of every input, in one place.

use jiff::Timestamp;

/// How far ahead anything may be scheduled, in years of 365.25 days.
pub const HORIZON_YEARS: i64 = 5;
const HORIZON_HOURS: i64 = HORIZON_YEARS * 8_766;

/// The most occurrences that a recurring post may have.
pub const OCCURRENCES_MAX: usize = 1_000;
/// The most single dates (`RDATE`, `EXDATE`) of one series.
pub const DATES_MAX: usize = 1_000;
/// The longest text of a recurrence rule.
pub const RULE_BYTES_MAX: usize = 500;
/// The largest `INTERVAL`.
pub const INTERVAL_MAX: u16 = 1_000;
/// The largest `COUNT` of an event in a calendar that was read; a post has [`OCCURRENCES_MAX`].
pub const COUNT_MAX: u32 = 10_000;
/// How many days, weeks, months or years the rules of one calendar may walk over in total to find the ends of their `COUNT`s.
pub const COUNT_STEPS_MAX: u32 = 500_000;
/// How far [`crate::Series::next_after`] follows a rule, in days: more than twice [`HORIZON_YEARS`].
pub const SEARCH_DAYS_MAX: i64 = 3_660;

/// The most weekly slots of one account, or spans of working hours.
pub const WEEKLY_MAX: usize = 200;
/// The longest text of slots or working hours.
pub const WEEKLY_BYTES_MAX: usize = 8_192;
/// The most people of a rota.
pub const ROTA_PEOPLE_MAX: usize = 200;

/// The largest iCalendar text.
pub const ICS_BYTES_MAX: usize = 1_048_576;
/// The most events of one iCalendar text.
pub const ICS_EVENTS_MAX: usize = 2_000;
/// The longest line, after folded lines were joined.
pub const ICS_LINE_BYTES_MAX: usize = 65_536;
/// The most parameters of one line.
pub const ICS_PARAMETERS_MAX: usize = 20;
/// The deepest nesting of components; RFC 5545 needs three.
pub const ICS_DEPTH_MAX: usize = 4;
/// The most `X-` properties that are kept of one event.
pub const ICS_EXTRA_MAX: usize = 50;
/// The longest that one event of a calendar may last, in days. What lasts longer is a freeze.
pub const EVENT_DAYS_MAX: i64 = 400;

/// The years that a start may lie in.
pub(crate) const YEARS: std::ops::RangeInclusive<i16> = 1900..=2300;

/// The last instant that may be scheduled when it is `now`.
pub(crate) fn horizon(now: Timestamp) -> Timestamp {
    now.checked_add(jiff::SignedDuration::from_hours(HORIZON_HOURS)).unwrap_or(Timestamp::MAX)
}

/// As much of a text as an error repeats.
pub(crate) fn shown(text: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 64;
    let mut shown: String = text.chars().filter(|letter| !letter.is_control()).take(SHOWN_CHARS_MAX).collect();
    if text.chars().nth(SHOWN_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}
