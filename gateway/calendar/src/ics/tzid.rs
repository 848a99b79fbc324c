//! From the `TZID` of a calendar to a zone of the database.
//!
//! The rules within a `VTIMEZONE` are not followed: programs write them for the year that they know, and the database knows better.
//! What counts is which zone is meant; only one without any change of clocks is taken as it is described.

use std::collections::HashMap;

use jiff::tz::Offset;

use super::components::RawZone;
use super::{At, IcsError, Problem};
use crate::limits::shown;
use crate::windows::iana_name;
use crate::zone::Zone;

pub(crate) struct Zones {
    described: HashMap<String, RawZone>,
    found: HashMap<String, Zone>,
}

impl Zones {
    pub(crate) fn new(described: Vec<RawZone>) -> Self {
        let described = described.into_iter().map(|zone| (zone.tzid.clone(), zone)).collect();
        Self { described, found: HashMap::new() }
    }

    pub(crate) fn find(&mut self, tzid: &str, line: u32) -> Result<Zone, IcsError> {
        if let Some(zone) = self.found.get(tzid) {
            return Ok(zone.clone());
        }
        let described = self.described.get(tzid);
        let location = described.and_then(|zone| zone.location.as_deref());
        let found = by_name(tzid).or_else(|| by_name(location?)).or_else(|| unchanging(described?));
        let zone = match found {
            Some(zone) => zone,
            None => {
                let name = tzid.trim_matches('"');
                let unknown = Zone::named(name)
                    .err()
                    .unwrap_or_else(|| crate::UnknownZone { name: shown(name), nearest: Vec::new() });
                return Err(Problem::Zone { tzid: shown(tzid), unknown }).at(line);
            }
        };
        self.found.insert(tzid.to_owned(), zone.clone());
        Ok(zone)
    }
}

/// `Europe/Prague`, `/example.org/20250101_1/Europe/Prague`, `Central Europe Standard Time`.
fn by_name(tzid: &str) -> Option<Zone> {
    let tzid = tzid.trim();
    if let Some(zone) = Zone::known(tzid).or_else(|| Zone::known(iana_name(tzid)?)) {
        return Some(zone);
    }
    // Of a path that some program made unique, the end: three parts (America/Argentina/Salta), two, or one.
    let path = tzid.strip_prefix('/')?;
    let starts = path.rmatch_indices('/').take(3).map(|(index, _)| index + 1);
    let mut ends: Vec<&str> = starts.filter_map(|start| path.get(start..)).collect();
    ends.reverse();
    ends.into_iter().find_map(Zone::known)
}

fn unchanging(zone: &RawZone) -> Option<Zone> {
    let first = zone.offsets.first()?;
    if zone.offsets.iter().any(|offset| offset != first) {
        return None;
    }
    let (sign, digits) = first.split_at_checked(1)?;
    if !matches!(digits.len(), 4 | 6) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let two = |from: usize| digits.get(from..from + 2).map_or(Some(0), |two| two.parse::<i32>().ok());
    let seconds = two(0)? * 3_600 + two(2)? * 60 + two(4)?;
    let seconds = match sign {
        "+" => seconds,
        "-" => -seconds,
        _ => return None,
    };
    Offset::from_seconds(seconds).ok().map(Zone::fixed)
}
