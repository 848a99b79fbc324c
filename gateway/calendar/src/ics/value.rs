//! Values of RFC 5545 section 3.3: dates, date-times, durations, text.

use jiff::civil::{Date, DateTime};
use jiff::{SignedDuration, Timestamp};

use crate::limits::{EVENT_DAYS_MAX, YEARS};

/// A `DATE` or `DATE-TIME`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stamp {
    /// `20270301`
    Day(Date),
    /// `20270301T090000`
    Local(DateTime),
    /// `20270301T080000Z`
    Utc(Timestamp),
}

/// Exactly one of the three shapes, of a day that exists, between 1900 and 2300. A leap second is the second before it.
pub(crate) fn parse_stamp(text: &str) -> Option<Stamp> {
    let digits = |range: std::ops::Range<usize>| -> Option<i8> {
        let text = text.get(range)?;
        text.bytes().all(|byte| byte.is_ascii_digit()).then_some(text)?.parse().ok()
    };
    let year = i16::from(digits(0..2)?) * 100 + i16::from(digits(2..4)?);
    let date = Date::new(year, digits(4..6)?, digits(6..8)?).ok().filter(|date| YEARS.contains(&date.year()))?;
    if text.len() == 8 {
        return Some(Stamp::Day(date));
    }
    if !matches!(text.as_bytes().get(8), Some(b'T' | b't')) {
        return None;
    }
    let second = digits(13..15)?;
    let time =
        jiff::civil::Time::new(digits(9..11)?, digits(11..13)?, if second == 60 { 59 } else { second }, 0).ok()?;
    let local = date.to_datetime(time);
    match text.get(15..)? {
        "" => Some(Stamp::Local(local)),
        "Z" | "z" => local.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|at| Stamp::Utc(at.timestamp())),
        _ => None,
    }
}

/// How long something lasts: days by the calendar, then time by the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Length {
    /// Days of the calendar: the same local time that many days later, however long they are.
    pub days: i64,
    /// Hours, minutes and seconds, exactly.
    pub exact: SignedDuration,
}

/// `P1DT2H30M`, `PT15M`, `P2W`. None for other shapes, negative ones and more than 400 days.
pub(crate) fn parse_duration(text: &str) -> Option<Length> {
    let rest = text.strip_prefix('+').unwrap_or(text).strip_prefix('P')?;
    let (dates, times) = rest.split_once('T').map_or((rest, None), |(dates, times)| (dates, Some(times)));
    if (dates.is_empty() && times.is_none()) || times.is_some_and(str::is_empty) {
        return None;
    }
    let mut dates = Units { rest: dates };
    let weeks = dates.take('W')?;
    let days = dates.take('D')?.checked_add(weeks.checked_mul(7)?)?;
    let mut times = Units { rest: times.unwrap_or_default() };
    let (hours, minutes, seconds) = (times.take('H')?, times.take('M')?, times.take('S')?);
    let seconds = hours.checked_mul(3_600)?.checked_add(minutes.checked_mul(60)?)?.checked_add(seconds)?;
    let whole = dates.rest.is_empty() && times.rest.is_empty();
    (whole && days <= EVENT_DAYS_MAX && seconds <= EVENT_DAYS_MAX * 86_400)
        .then(|| Length { days, exact: SignedDuration::from_secs(seconds) })
}

struct Units<'a> {
    rest: &'a str,
}

impl Units<'_> {
    /// The number before `unit` at the beginning, 0 where another unit stands there. None where the number is none.
    fn take(&mut self, unit: char) -> Option<i64> {
        let end = self.rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(self.rest.len());
        let (number, after) = self.rest.split_at_checked(end)?;
        let Some(after) = after.strip_prefix(unit) else { return Some(0) };
        self.rest = after;
        number.parse().ok()
    }
}

/// Section 3.3.11: what `\n`, `\,`, `\;` and `\\` stand for. Another letter after a backslash stands for itself.
pub(crate) fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('n' | 'N') => plain.push('\n'),
                Some(other) => plain.push(other),
                None => plain.push('\\'),
            },
            other => plain.push(other),
        }
    }
    plain
}

/// The same, the other way. A carriage return before a line feed goes; other control characters but the tab are left out, since no
/// calendar may carry them.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' | ';' | ',' => escaped.extend(['\\', letter]),
            '\n' => escaped.push_str("\\n"),
            '\t' => escaped.push('\t'),
            other if other.is_control() => {}
            other => escaped.push(other),
        }
    }
    escaped
}

/// Splits a list at commas that are not escaped.
pub(crate) fn split_list(text: &str) -> impl Iterator<Item = &str> {
    let mut escaped = false;
    text.split(move |letter| {
        let splits = letter == ',' && !escaped;
        escaped = letter == '\\' && !escaped;
        splits
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_days_and_time() {
        let length = |days, seconds| Some(Length { days, exact: SignedDuration::from_secs(seconds) });
        for (text, expected) in [
            ("P2W", length(14, 0)),
            ("P1DT2H30M", length(1, 9_000)),
            ("PT15M", length(0, 900)),
            ("+PT0S", length(0, 0)),
            ("P", None),
            ("PT", None),
            ("P1", None),
            ("-PT15M", None),
            ("P1H", None),
            ("PT1D", None),
            ("P99999D", None),
            ("P99999999999999999999D", None),
            ("PTM", None),
        ] {
            assert_eq!(parse_duration(text), expected, "{text}");
        }
    }

    #[test]
    fn stamps_have_three_shapes() {
        assert!(matches!(parse_stamp("20280229"), Some(Stamp::Day(_))));
        assert!(matches!(parse_stamp("20270301T090000"), Some(Stamp::Local(_))));
        assert!(
            matches!(parse_stamp("20270301T090060Z"), Some(Stamp::Utc(at)) if at.to_string() == "2027-03-01T09:00:59Z")
        );
        for wrong in [
            "",
            "2027030",
            "20270229",
            "20270301T",
            "20270301T0900",
            "20270301T090000+0100",
            "20270301T250000",
            "+0270301",
            "2027é301",
        ] {
            assert_eq!(parse_stamp(wrong), None, "{wrong}");
        }
    }
}
