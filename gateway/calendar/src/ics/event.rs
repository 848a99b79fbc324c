//! From the lines of an event to its meaning.

use std::collections::HashMap;

use jiff::civil::{Date, Time};
use jiff::{SignedDuration, Timestamp};

use super::components::{Raw, RawEvent};
use super::lines::Line;
use super::tzid::Zones;
use super::value::{Stamp, parse_duration, parse_stamp, split_list, unescape};
use super::{At, Event, Ics, IcsError, Length, Problem, Status};
use crate::limits::{COUNT_STEPS_MAX, DATES_MAX, EVENT_DAYS_MAX, ICS_EXTRA_MAX, shown};
use crate::rule::Rule;
use crate::series::Series;
use crate::wall::WallTime;
use crate::zone::Zone;

/// What is known of a calendar while its events are built.
struct Reader {
    zones: Zones,
    /// Of days and of floating times.
    zone: Zone,
    /// For all rules of the calendar.
    steps_left: u32,
}

/// A time with its zone, or a day.
#[derive(Debug, Clone)]
enum Moment {
    Day(Date),
    Time(WallTime, Timestamp),
}

/// An occurrence that another event replaces.
struct Replaced {
    uid: String,
    moment: Moment,
}

pub(crate) fn build(raw: Raw, zone: &Zone) -> Result<Ics, IcsError> {
    let mut reader = Reader { zones: Zones::new(raw.zones), zone: zone.clone(), steps_left: COUNT_STEPS_MAX };
    let mut ics = Ics::default();
    for line in raw.calendar {
        match line.name.as_str() {
            "X-WR-CALNAME" => ics.name = Some(unescape(&line.value)),
            "X-WR-TIMEZONE" => reader.zone = reader.zones.find(&line.value, line.number)?,
            _ => {}
        }
    }
    let mut replaced = Vec::new();
    let mut masters: HashMap<String, usize> = HashMap::new();
    for event in raw.events {
        let (event, instead_of) = reader.event(event)?;
        match instead_of {
            Some(moment) => replaced.push(Replaced { uid: event.uid.clone(), moment }),
            None => {
                masters.insert(event.uid.clone(), ics.events.len());
            }
        }
        ics.events.push(event);
    }
    let mut leave_out: HashMap<usize, (Vec<Timestamp>, Vec<Date>)> = HashMap::new();
    for Replaced { uid, moment } in replaced {
        let Some(master) = masters.get(&uid) else { continue };
        let (instants, days) = leave_out.entry(*master).or_default();
        match moment {
            Moment::Day(day) => days.push(day),
            Moment::Time(_, at) => instants.push(at),
        }
    }
    for (master, (instants, days)) in leave_out {
        if let Some(event) = ics.events.get_mut(master) {
            event.series.exclude(instants, days);
        }
    }
    Ok(ics)
}

/// The lines of an event by what they are, each at most once but for dates and categories.
#[derive(Default)]
struct Parts<'a> {
    once: HashMap<&'a str, &'a Line>,
    dates: Vec<&'a Line>,
    categories: Vec<&'a Line>,
    extra: Vec<(String, String)>,
}

impl<'a> Parts<'a> {
    fn of(event: &'a RawEvent) -> Result<Self, IcsError> {
        const ONCE: [&str; 10] = [
            "UID",
            "SUMMARY",
            "STATUS",
            "SEQUENCE",
            "LAST-MODIFIED",
            "DTSTART",
            "DTEND",
            "DURATION",
            "RRULE",
            "RECURRENCE-ID",
        ];
        let mut parts = Self::default();
        for line in &event.lines {
            match line.name.as_str() {
                "RDATE" | "EXDATE" => parts.dates.push(line),
                "CATEGORIES" => parts.categories.push(line),
                name if name.starts_with("X-") => {
                    if parts.extra.len() < ICS_EXTRA_MAX {
                        parts.extra.push((line.name.clone(), unescape(&line.value)));
                    }
                }
                name => {
                    let known = ONCE.iter().find(|known| **known == name).copied().unwrap_or("a property");
                    if parts.once.insert(name, line).is_some() {
                        return Err(Problem::Twice(known)).at(line.number);
                    }
                }
            }
        }
        Ok(parts)
    }

    fn get(&self, name: &str) -> Option<&'a Line> {
        self.once.get(name).copied()
    }

    fn text(&self, name: &str) -> String {
        self.get(name).map(|line| unescape(&line.value)).unwrap_or_default()
    }
}

impl Reader {
    fn event(&mut self, raw: RawEvent) -> Result<(Event, Option<Moment>), IcsError> {
        let parts = Parts::of(&raw)?;
        let number = raw.number;
        let start_line = parts.get("DTSTART").ok_or(Problem::Missing("DTSTART")).at(number)?;
        let start = self.moment(start_line, &start_line.value)?;
        let instead_of = match parts.get("RECURRENCE-ID") {
            Some(line) if line.parameter("RANGE").is_some() => {
                let unfit = "RECURRENCE-ID with RANGE is not supported; end the series with UNTIL and begin another";
                return Err(Problem::Unfit(unfit)).at(line.number);
            }
            Some(line) => Some(self.moment(line, &line.value)?),
            None => None,
        };
        let event = Event {
            uid: parts.text("UID"),
            summary: parts.text("SUMMARY"),
            categories: parts
                .categories
                .iter()
                .flat_map(|line| split_list(&line.value))
                .map(|text| unescape(text).trim().to_owned())
                .filter(|text| !text.is_empty())
                .collect(),
            status: status(parts.get("STATUS"))?,
            sequence: sequence(parts.get("SEQUENCE"))?,
            modified: modified(parts.get("LAST-MODIFIED"))?,
            all_day: matches!(start, Moment::Day(_)),
            length: self.length(&parts, &start)?,
            series: self.series(&parts, &start, start_line.number)?,
            extra: parts.extra,
            line: number,
        };
        Ok((event, instead_of))
    }

    fn series(&mut self, parts: &Parts<'_>, start: &Moment, number: u32) -> Result<Series, IcsError> {
        let wall = match start {
            Moment::Day(day) => WallTime { local: day.to_datetime(Time::midnight()), zone: self.zone.clone() },
            Moment::Time(wall, _) => wall.clone(),
        };
        let rule = parts.get("RRULE");
        let number = rule.map_or(number, |line| line.number);
        let rule = rule.map(|line| Rule::parse(&line.value).at(line.number)).transpose()?;
        let mut series = Series::new(&wall, rule, &mut self.steps_left).at(number)?;
        let (mut added, mut excluded, mut excluded_days, mut count) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for line in &parts.dates {
            if line.parameter("VALUE").is_some_and(|kind| kind.eq_ignore_ascii_case("PERIOD")) {
                let unfit = "RDATE with periods is not supported; write an event for each";
                return Err(Problem::Unfit(unfit)).at(line.number);
            }
            for text in line.value.split(',') {
                count += 1;
                if count > DATES_MAX {
                    return Err(Problem::TooMany("dates")).at(line.number);
                }
                match (self.moment(line, text)?, line.name.as_str()) {
                    (Moment::Time(_, at), "RDATE") => added.push(at),
                    (Moment::Time(_, at), _) => excluded.push(at),
                    (Moment::Day(day), "RDATE") => {
                        added.extend(self.zone.settle(day.to_datetime(wall.local.time())));
                    }
                    (Moment::Day(day), _) => excluded_days.push(day),
                }
            }
        }
        // Without a rule the start is one of the dates; with RDATE it still happens.
        series.add(added);
        series.exclude(excluded, excluded_days);
        Ok(series)
    }

    fn length(&mut self, parts: &Parts<'_>, start: &Moment) -> Result<Length, IcsError> {
        let unfit = |line: &Line, why| Err(Problem::Unfit(why)).at(line.number);
        let length = match (parts.get("DTEND"), parts.get("DURATION"), start) {
            (Some(_), Some(line), _) => return unfit(line, "the event has both DTEND and DURATION; keep one"),
            (None, None, Moment::Day(_)) => Length { days: 1, ..Length::default() },
            (None, None, Moment::Time(..)) => Length::default(),
            (None, Some(line), start) => {
                let what = "duration of at most 400 days, such as PT1H30M or P2D";
                let value = || Problem::Value { value: shown(&line.value), what };
                let length = parse_duration(line.value.trim()).ok_or_else(value).at(line.number)?;
                if matches!(start, Moment::Day(_)) && !length.exact.is_zero() {
                    return unfit(line, "an event of whole days has a DURATION of whole days");
                }
                length
            }
            (Some(line), None, start) => match (start, self.moment(line, &line.value)?) {
                (Moment::Day(start), Moment::Day(end)) => {
                    let days = end.duration_since(*start).as_hours() / 24;
                    // Some programs write the same day for one day.
                    Length { days: if days == 0 { 1 } else { days }, ..Length::default() }
                }
                (Moment::Time(_, start), Moment::Time(_, end)) => Length { days: 0, exact: end.duration_since(*start) },
                _ => return unfit(line, "DTSTART and DTEND must both be days or both be times"),
            },
        };
        let (line, most) = (parts.get("DTEND"), SignedDuration::from_hours(EVENT_DAYS_MAX * 24));
        match line {
            Some(line) if length.days < 0 || length.exact.is_negative() => unfit(line, "DTEND is before DTSTART"),
            Some(line) if length.days > EVENT_DAYS_MAX || length.exact > most => {
                unfit(line, "the event lasts longer than 400 days")
            }
            _ => Ok(length),
        }
    }

    /// A day or time as a line of this kind has it, with its parameters.
    fn moment(&mut self, line: &Line, text: &str) -> Result<Moment, IcsError> {
        let what = "date or time, such as 20270301T090000Z";
        let wrong = || Problem::Value { value: shown(text), what };
        let stamp = parse_stamp(text.trim()).ok_or_else(wrong).at(line.number)?;
        let (local, zone) = match stamp {
            Stamp::Day(day) => return Ok(Moment::Day(day)),
            Stamp::Utc(at) => {
                return Ok(Moment::Time(WallTime { local: Zone::utc().local(at), zone: Zone::utc() }, at));
            }
            Stamp::Local(local) => match line.parameter("TZID") {
                Some(tzid) => (local, self.zones.find(tzid, line.number)?),
                None => (local, self.zone.clone()),
            },
        };
        let at = zone.settle(local).ok_or_else(wrong).at(line.number)?;
        Ok(Moment::Time(WallTime { local, zone }, at))
    }
}

fn status(line: Option<&Line>) -> Result<Status, IcsError> {
    let Some(line) = line else { return Ok(Status::default()) };
    match line.value.trim().to_ascii_uppercase().as_str() {
        "CONFIRMED" => Ok(Status::Confirmed),
        "TENTATIVE" => Ok(Status::Tentative),
        "CANCELLED" => Ok(Status::Cancelled),
        _ => Err(Problem::Value { value: shown(&line.value), what: "status (CONFIRMED, TENTATIVE, CANCELLED)" })
            .at(line.number),
    }
}

fn sequence(line: Option<&Line>) -> Result<u32, IcsError> {
    let Some(line) = line else { return Ok(0) };
    let wrong = |_| Problem::Value { value: shown(&line.value), what: "whole number" };
    line.value.trim().parse().map_err(wrong).at(line.number)
}

fn modified(line: Option<&Line>) -> Result<Option<Timestamp>, IcsError> {
    let Some(line) = line else { return Ok(None) };
    match parse_stamp(line.value.trim()) {
        Some(Stamp::Utc(at)) => Ok(Some(at)),
        _ => Err(Problem::Value { value: shown(&line.value), what: "time in UTC, such as 20270301T080000Z" })
            .at(line.number),
    }
}
