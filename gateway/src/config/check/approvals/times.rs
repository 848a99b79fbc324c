//! Hours of weekdays in a zone.

use jiff::civil::{Time, Weekday};
use pressgate_workflow::approval::Hours;

use super::super::{
    super::{
        fault::did_you_mean,
        table::{Entry, Report},
    },
    calendars,
};

const KEYS: &[&str] = &["zone", "days", "from", "until"];
const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];
/// How the end of a day may be written.
const DAY_END: &str = "24:00";

/// `{ zone = "Europe/Prague", days = ["mon", "fri"], from = "08:00", until = "18:00" }`
pub(super) fn hours(entry: &Entry<'_>, report: &Report) -> Option<Hours> {
    entry.only(KEYS, report);
    let zone = calendars::zone(entry, report);
    let days = days(entry, report);
    let (from, until) = (time(entry, "from", report), time(entry, "until", report));
    Some(Hours { zone: zone?.rules().clone(), days: days?, from: from?, until: until? })
}

fn days(entry: &Entry<'_>, report: &Report) -> Option<Vec<Weekday>> {
    if !entry.has("days") {
        entry.missing(report, "`days`");
    }
    let names = entry.strings("days", report)?;
    if names.is_empty() {
        entry.fault(entry.line_of("days"), report, "`days` must name at least one day");
        return None;
    }
    let mut days = Vec::new();
    for name in names {
        match DAYS.iter().find(|(known, _)| *known == name.value) {
            Some((_, day)) if days.contains(day) => {
                entry.fault(name.line, report, format!("`days`: `{}` is given twice", name.value));
            }
            Some((_, day)) => days.push(*day),
            None => {
                let hint = did_you_mean(&name.value, DAYS.map(|(known, _)| known));
                entry.fault(name.line, report, format!("`days`: write mon, tue, wed, thu, fri, sat or sun{hint}"));
            }
        }
    }
    Some(days)
}

fn time(entry: &Entry<'_>, key: &'static str, report: &Report) -> Option<Time> {
    let text = entry.required(key, report)?;
    // The end of a day is the beginning of the next: hours that end there go up to midnight.
    if key == "until" && text.value == DAY_END {
        return Some(Time::midnight());
    }
    let two =
        |text: &str| (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok());
    let parts = text.value.split_once(':');
    let parsed = parts.and_then(|(hour, minute)| Some((two(hour)??, two(minute)??)));
    let time = parsed.and_then(|(hour, minute)| Time::new(hour, minute, 0, 0).ok());
    if time.is_none() {
        entry.fault(text.line, report, format!("`{key}`: `{}` is no time of day; write it as 09:00", text.value));
    }
    time
}
