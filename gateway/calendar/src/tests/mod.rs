//! Tests across the modules of this package.

mod daylight_saving;
mod recurrence;
mod weekly;
mod calendars;
mod ics;
mod properties;

use jiff::Timestamp;

use crate::{Rule, Series, WallTime, Zone, parse_instant};

fn at(text: &str) -> Timestamp {
    parse_instant(text).unwrap()
}

fn zone(name: &str) -> Zone {
    Zone::named(name).unwrap()
}

fn wall(local: &str, zone: &str) -> WallTime {
    WallTime::parse(local, zone).unwrap()
}

/// A series of a post that is accepted a day before its start.
fn series(local: &str, zone: &str, rule: &str) -> Series {
    let start = wall(local, zone);
    let now = start.recurring().unwrap() - jiff::SignedDuration::from_hours(24);
    Series::of_post(&start, Rule::parse(rule).unwrap(), &crate::Dates::default(), now).unwrap()
}

/// All of a series, as the clocks show it.
fn locals(series: &Series) -> Vec<String> {
    let shown = |at| series.zone().local(at).strftime("%Y-%m-%d %H:%M").to_string();
    series.from(Timestamp::MIN).map(|occurrence| shown(occurrence.at)).collect()
}
