//! From lines to components: which lines belong to which event and which zone.

use super::lines::{Line, Unfolded, parse};
use super::{At, IcsError, Problem};
use crate::limits::{ICS_DEPTH_MAX, ICS_EVENTS_MAX, shown};

/// What is used of a calendar, not yet understood.
#[derive(Debug, Default)]
pub(crate) struct Raw {
    /// `X-WR-CALNAME`, `X-WR-TIMEZONE` and the like.
    pub(crate) calendar: Vec<Line>,
    pub(crate) events: Vec<RawEvent>,
    pub(crate) zones: Vec<RawZone>,
}

#[derive(Debug, Default)]
pub(crate) struct RawEvent {
    pub(crate) number: u32,
    pub(crate) lines: Vec<Line>,
}

/// A `VTIMEZONE`, of which no more is needed than what it calls itself, and whether its clocks ever change.
#[derive(Debug, Default)]
pub(crate) struct RawZone {
    pub(crate) tzid: String,
    pub(crate) location: Option<String>,
    pub(crate) offsets: Vec<String>,
}

/// What is kept of an event beside `X-` properties.
const KEPT: [&str; 13] = [
    "UID",
    "SUMMARY",
    "CATEGORIES",
    "STATUS",
    "SEQUENCE",
    "LAST-MODIFIED",
    "DTSTART",
    "DTEND",
    "DURATION",
    "RRULE",
    "RDATE",
    "EXDATE",
    "RECURRENCE-ID",
];
/// What would change the meaning of an event if it were passed over.
const REFUSED: &str = "EXRULE";

pub(crate) fn gather(text: &str) -> Result<Raw, IcsError> {
    let mut raw = Raw::default();
    let mut open: Vec<String> = Vec::new();
    let (mut last, mut calendars) = (1, 0);
    for line in Unfolded::new(text) {
        let (number, text) = line?;
        last = number;
        let line = parse(number, &text)?;
        match line.name.as_str() {
            "BEGIN" => {
                let kind = line.value.trim().to_ascii_uppercase();
                if (kind == "VCALENDAR") != open.is_empty() {
                    return Err(Problem::Outside).at(number);
                }
                if open.len() == ICS_DEPTH_MAX {
                    return Err(Problem::TooDeep).at(number);
                }
                open.push(kind);
                calendars += usize::from(open.len() == 1);
                raw.begin(number, &open)?;
            }
            "END" => {
                let found = line.value.trim().to_ascii_uppercase();
                match open.pop() {
                    Some(kind) if kind == found => {}
                    Some(open) => {
                        return Err(Problem::WrongEnd { open: shown(&open), found: shown(&found) }).at(number);
                    }
                    None => return Err(Problem::Outside).at(number),
                }
            }
            _ if open.is_empty() => return Err(Problem::Outside).at(number),
            _ => raw.take(line, &open)?,
        }
    }
    match open.last() {
        Some(kind) => Err(Problem::Unfinished(shown(kind))).at(last),
        None if calendars == 0 => Err(Problem::Outside).at(last),
        None => Ok(raw),
    }
}

impl Raw {
    fn begin(&mut self, number: u32, open: &[String]) -> Result<(), IcsError> {
        match open {
            [_, kind] if kind == "VEVENT" => {
                if self.events.len() == ICS_EVENTS_MAX {
                    return Err(Problem::TooManyEvents).at(number);
                }
                self.events.push(RawEvent { number, lines: Vec::new() });
            }
            [_, kind] if kind == "VTIMEZONE" => self.zones.push(RawZone::default()),
            _ => {}
        }
        Ok(())
    }

    fn take(&mut self, line: Line, open: &[String]) -> Result<(), IcsError> {
        match open {
            [_] => self.calendar.push(line),
            [_, kind] if kind == "VEVENT" => {
                if line.name == REFUSED {
                    return Err(Problem::Unfit("EXRULE is not supported; write EXDATE")).at(line.number);
                }
                let kept = KEPT.contains(&line.name.as_str()) || line.name.starts_with("X-");
                if let Some(event) = self.events.last_mut().filter(|_| kept) {
                    event.lines.push(line);
                }
            }
            [_, kind] if kind == "VTIMEZONE" => {
                if let Some(zone) = self.zones.last_mut() {
                    match line.name.as_str() {
                        "TZID" => zone.tzid = line.value,
                        "X-LIC-LOCATION" => zone.location = Some(line.value),
                        _ => {}
                    }
                }
            }
            [_, kind, _] if kind == "VTIMEZONE" && line.name.starts_with("TZOFFSET") => {
                if let Some(zone) = self.zones.last_mut() {
                    zone.offsets.push(line.value);
                }
            }
            _ => {}
        }
        Ok(())
    }
}
