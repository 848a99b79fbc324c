//! Words for weekly times: `mon`, `mon-fri`, `09:00`. And weekly times as instants, in order.

use jiff::Timestamp;
use jiff::civil::{Date, Time, Weekday};

use crate::limits::{HORIZON_YEARS, WEEKLY_BYTES_MAX, WEEKLY_MAX, shown};
use crate::rule::plus_days;
use crate::zone::Zone;

/// Why weekly times are not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WeekError {
    /// Nothing stands there.
    #[error("no time is given; write for example `mon 09:00, wed 14:30`")]
    Empty,
    /// Too much text or too many entries.
    #[error("more than {WEEKLY_MAX} entries or {WEEKLY_BYTES_MAX} bytes")]
    TooMany,
    /// Not a day or a range of days.
    #[error("`{0}` is no day; write mon, tue, wed, thu, fri, sat, sun, daily, or a range such as mon-fri")]
    Day(String),
    /// Not a time of day.
    #[error("`{0}` is no time of day; write it as 09:00")]
    Time(String),
    /// An entry of another shape.
    #[error("`{0}` is not a day and a time; write it as {1}")]
    Entry(String, &'static str),
}

const NAMES: [(&str, &str, Weekday); 7] = [
    ("mon", "monday", Weekday::Monday),
    ("tue", "tuesday", Weekday::Tuesday),
    ("wed", "wednesday", Weekday::Wednesday),
    ("thu", "thursday", Weekday::Thursday),
    ("fri", "friday", Weekday::Friday),
    ("sat", "saturday", Weekday::Saturday),
    ("sun", "sunday", Weekday::Sunday),
];

/// The entries of a list, each days and the rest: `mon-fri 09:00, sat 10:00`.
pub(crate) fn entries<'a>(text: &'a str, shape: &'static str) -> Result<Vec<(Vec<Weekday>, &'a str)>, WeekError> {
    if text.len() > WEEKLY_BYTES_MAX {
        return Err(WeekError::TooMany);
    }
    if text.trim().is_empty() {
        return Err(WeekError::Empty);
    }
    let mut all = Vec::new();
    let mut count = 0;
    for entry in text.split(',').map(str::trim) {
        let (days, rest) =
            entry.split_once(char::is_whitespace).ok_or_else(|| WeekError::Entry(shown(entry), shape))?;
        let days = weekdays(days)?;
        count += days.len();
        if count > WEEKLY_MAX {
            return Err(WeekError::TooMany);
        }
        all.push((days, rest.trim()));
    }
    Ok(all)
}

fn weekdays(text: &str) -> Result<Vec<Weekday>, WeekError> {
    let wrong = || WeekError::Day(shown(text));
    let lower = text.to_ascii_lowercase();
    if lower == "daily" {
        return Ok(NAMES.iter().map(|(_, _, day)| *day).collect());
    }
    let one = |text: &str| {
        let found = NAMES.iter().find(|(short, long, _)| *short == text || *long == text);
        found.map(|(_, _, day)| *day).ok_or_else(wrong)
    };
    let Some((from, to)) = lower.split_once('-') else { return Ok(vec![one(&lower)?]) };
    let (from, to) = (one(from)?, one(to)?);
    Ok(from.cycle_forward().take(usize::from(to.since(from).unsigned_abs()) + 1).collect())
}

/// `09:00`
pub(crate) fn time(text: &str) -> Result<Time, WeekError> {
    let wrong = || WeekError::Time(shown(text));
    let two =
        |text: &str| (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok());
    let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
    let (hour, minute) = two(hour).flatten().zip(two(minute).flatten()).ok_or_else(wrong)?;
    Time::new(hour, minute, 0, 0).map_err(|_| wrong())
}

/// How a weekday is written back.
pub(crate) fn name(weekday: Weekday) -> &'static str {
    NAMES.iter().find(|(_, _, day)| *day == weekday).map_or("mon", |(short, _, _)| short)
}

/// The first weekly time after an instant that is wanted, within [`HORIZON_YEARS`].
///
/// A week is cut out by its instants, not by its dates: a time that is moved over midnight still comes in order.
pub(crate) fn first_after(
    zone: &Zone,
    times: &[(Weekday, Time)],
    after: Timestamp,
    mut wanted: impl FnMut(Timestamp) -> bool,
) -> Option<Timestamp> {
    const WEEKS_MAX: i64 = HORIZON_YEARS * 53;
    let today = zone.local(after).date();
    let begin = |date: Date| zone.settle(date.to_datetime(Time::midnight()));
    for week in 0..WEEKS_MAX {
        let monday = plus_days(today, week * 7)?;
        let (from, to) = (begin(monday)?, begin(plus_days(monday, 7)?)?);
        let mut instants = Vec::new();
        for day in (-1..=7).filter_map(|day| plus_days(monday, day)) {
            let of_day = times.iter().filter(|(weekday, _)| *weekday == day.weekday());
            instants.extend(of_day.filter_map(|(_, time)| zone.settle(day.to_datetime(*time))));
        }
        instants.retain(|at| *at >= from && *at < to && *at > after);
        instants.sort_unstable();
        instants.dedup();
        if let Some(found) = instants.into_iter().find(|at| wanted(*at)) {
            return Some(found);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_times_have_one_shape() {
        assert_eq!(
            weekdays("fri-Mon").unwrap(),
            [Weekday::Friday, Weekday::Saturday, Weekday::Sunday, Weekday::Monday]
        );
        assert_eq!(weekdays("mon-mon").unwrap(), [Weekday::Monday]);
        assert_eq!(weekdays("daily").unwrap().len(), 7);
        assert!(weekdays("monn").is_err() && weekdays("mon-").is_err() && weekdays("").is_err());
        for wrong in ["9:00", "24:00", "09:60", "09", "09:00:00", "+9:00", "0９:00", ""] {
            assert_eq!(time(wrong), Err(WeekError::Time(wrong.to_owned())), "{wrong}");
        }
    }
}
