//! Times as people write them: what a clock on the wall shall show, and where the wall is.

use jiff::civil::{Date, DateTime};
use jiff::tz::AmbiguousOffset;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::limits::{HORIZON_YEARS, YEARS, horizon, shown};
use crate::zone::{UnknownZone, Zone};

/// A local time with its zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WallTime {
    /// What the clock shows.
    pub local: DateTime,
    /// Where it hangs.
    pub zone: Zone,
}

/// Which instant a single local time means that a change of the clocks skips or repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Disambiguation {
    /// The earlier of the two.
    Earlier,
    /// The later of the two.
    Later,
    /// As recurring times do: in the gap the later, in the fold the earlier.
    Compatible,
}

/// Why a time is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Not a local time.
    #[error("`{0}` is no local time; write it as 2027-03-01T09:00, without an offset")]
    Local(String),
    /// A date that no calendar has.
    #[error("the date {0} does not exist; choose another day")]
    NoDate(String),
    /// Not an RFC 3339 instant.
    #[error("`{0}` is no instant; write it as 2027-03-01T09:00:00+01:00 or 2027-03-01T08:00:00Z")]
    Instant(String),
    /// No such zone.
    #[error(transparent)]
    Zone(#[from] UnknownZone),
    /// The clocks skip this local time.
    #[error(
        "the clocks in {zone} skip {local}; set `disambiguation` to `earlier` ({}) or `later` ({}), or choose another time",
        .zone.shown(*.earlier), .zone.shown(*.later)
    )]
    Gap {
        /// The time that does not exist.
        local: DateTime,
        /// Where.
        zone: Zone,
        /// By the offset that holds after the change.
        earlier: Timestamp,
        /// By the offset that holds before the change: moved forward by the gap.
        later: Timestamp,
    },
    /// The clocks show this local time twice.
    #[error(
        "the clocks in {zone} show {local} twice; set `disambiguation` to `earlier` ({}) or `later` ({}), or choose another time",
        .zone.shown(*.earlier), .zone.shown(*.later)
    )]
    Fold {
        /// The time that exists twice.
        local: DateTime,
        /// Where.
        zone: Zone,
        /// The first time that it is shown.
        earlier: Timestamp,
        /// The second time.
        later: Timestamp,
    },
    /// It is over.
    #[error("{at} is in the past: it is {now} now; choose a later time")]
    Past {
        /// The time that was asked for.
        at: Timestamp,
        /// The time that it is.
        now: Timestamp,
    },
    /// It is too far away.
    #[error("{at} is more than {HORIZON_YEARS} years ahead; the latest is {latest}")]
    TooFar {
        /// The time that was asked for.
        at: Timestamp,
        /// The last that is possible.
        latest: Timestamp,
    },
}

impl TimeError {
    /// For a gap or a fold: the two instants that may be meant, the earlier first.
    pub fn candidates(&self) -> Option<(Timestamp, Timestamp)> {
        match self {
            Self::Gap { earlier, later, .. } | Self::Fold { earlier, later, .. } => Some((*earlier, *later)),
            _ => None,
        }
    }
}

impl WallTime {
    /// A time as `2027-03-01T09:00` or `2027-03-01T09:00:00`, and an IANA name.
    ///
    /// # Errors
    /// For another shape, a date that no calendar has, years before 1900 or after 2300, and an unknown zone.
    pub fn parse(local: &str, zone: &str) -> Result<Self, TimeError> {
        Ok(Self { local: parse_local(local)?, zone: Zone::named(zone)? })
    }

    /// The instant of a single schedule.
    ///
    /// # Errors
    /// For a time in a gap or a fold, with both instants, unless `disambiguation` is given.
    pub fn single(&self, disambiguation: Option<Disambiguation>) -> Result<Timestamp, TimeError> {
        let ambiguous = self.zone.ambiguous(self.local);
        let outside = |_| TimeError::Local(self.local.to_string());
        match disambiguation {
            Some(Disambiguation::Earlier) => return ambiguous.earlier().map_err(outside),
            Some(Disambiguation::Later) => return ambiguous.later().map_err(outside),
            Some(Disambiguation::Compatible) => return ambiguous.compatible().map_err(outside),
            None => {}
        }
        let (local, zone) = (self.local, self.zone.clone());
        match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { .. } => ambiguous.compatible().map_err(outside),
            offset => {
                let (earlier, later) = (ambiguous.earlier().map_err(outside)?, ambiguous.later().map_err(outside)?);
                Err(match offset {
                    AmbiguousOffset::Gap { .. } => TimeError::Gap { local, zone, earlier, later },
                    _ => TimeError::Fold { local, zone, earlier, later },
                })
            }
        }
    }

    /// The instant of one occurrence of what recurs: in the gap moved forward by the gap, in the fold the first.
    ///
    /// # Errors
    /// Only at the ends of time.
    pub fn recurring(&self) -> Result<Timestamp, TimeError> {
        self.zone.settle(self.local).ok_or_else(|| TimeError::Local(self.local.to_string()))
    }

    /// By how much a recurring time is moved because the clocks skip it; None where it exists.
    pub fn moved_by(&self) -> Option<SignedDuration> {
        match self.zone.ambiguous(self.local).offset() {
            AmbiguousOffset::Gap { before, after } => {
                Some(SignedDuration::from_secs(i64::from(after.seconds()) - i64::from(before.seconds())))
            }
            _ => None,
        }
    }
}

/// An RFC 3339 instant.
///
/// # Errors
/// For every other shape: a time without an offset, a zone in brackets, years before 1900 or after 2300.
pub fn parse_instant(text: &str) -> Result<Timestamp, TimeError> {
    const BYTES_MAX: usize = 40;
    let wrong = || TimeError::Instant(shown(text));
    let plain = |byte: u8| byte.is_ascii_digit() || b"-:.TtZz+ ".contains(&byte);
    if text.len() > BYTES_MAX || !text.bytes().all(plain) || !has_shape(text.get(..19).unwrap_or_default()) {
        return Err(wrong());
    }
    let rest = text.get(19..).unwrap_or_default();
    let offset = rest.trim_start_matches(|letter: char| letter == '.' || letter.is_ascii_digit());
    let numeric = offset.len() == 6 && offset.as_bytes().get(3) == Some(&b':');
    if !numeric && !offset.eq_ignore_ascii_case("z") {
        return Err(wrong());
    }
    let at: Timestamp = text.parse().map_err(|_| no_date(text).unwrap_or_else(wrong))?;
    if YEARS.contains(&Zone::utc().local(at).year()) { Ok(at) } else { Err(wrong()) }
}

/// That something may be scheduled for `at` when it is `now`.
///
/// # Errors
/// For what is over, and for what is beyond [`HORIZON_YEARS`].
pub fn check_due(at: Timestamp, now: Timestamp) -> Result<(), TimeError> {
    let latest = horizon(now);
    if at < now {
        return Err(TimeError::Past { at, now });
    }
    if at > latest { Err(TimeError::TooFar { at, latest }) } else { Ok(()) }
}

/// A local time, strictly: what else the library reads (offsets, zones, weeks) would be lost in silence.
fn parse_local(text: &str) -> Result<DateTime, TimeError> {
    let wrong = || TimeError::Local(shown(text));
    let whole = if text.len() == 16 { format!("{text}:00") } else { text.to_owned() };
    if whole.len() != 19 || !has_shape(&whole) || whole.ends_with("60") {
        return Err(wrong());
    }
    let local: DateTime = whole.parse().map_err(|_| no_date(&whole).unwrap_or_else(wrong))?;
    if YEARS.contains(&local.year()) { Ok(local) } else { Err(wrong()) }
}

/// What is wrong with a text that has the shape, where it is its date.
fn no_date(text: &str) -> Option<TimeError> {
    let date = text.get(..10)?;
    date.parse::<Date>().is_err().then(|| TimeError::NoDate(date.to_owned()))
}

/// `dddd-dd-ddTdd:dd:dd`
fn has_shape(text: &str) -> bool {
    text.len() == 19
        && text.bytes().enumerate().all(|(index, byte)| match index {
            4 | 7 => byte == b'-',
            10 => matches!(byte, b'T' | b't' | b' '),
            13 | 16 => byte == b':',
            _ => byte.is_ascii_digit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn single(local: &str, zone: &str, way: Option<Disambiguation>) -> Result<String, TimeError> {
        WallTime::parse(local, zone)?.single(way).map(|at| at.to_string())
    }

    #[test]
    fn a_single_time_in_a_gap_or_fold_has_two_instants() {
        let table = [
            ("2027-03-28T02:30", "Europe/Prague", true, "2027-03-28T00:30:00Z", "2027-03-28T01:30:00Z"),
            ("2027-10-31T02:30", "Europe/Prague", false, "2027-10-31T00:30:00Z", "2027-10-31T01:30:00Z"),
            ("2027-03-14T02:30", "America/New_York", true, "2027-03-14T06:30:00Z", "2027-03-14T07:30:00Z"),
            ("2027-11-07T01:30", "America/New_York", false, "2027-11-07T05:30:00Z", "2027-11-07T06:30:00Z"),
            // Half an hour: UTC+10:30 in winter, UTC+11 in summer.
            ("2027-10-03T02:15", "Australia/Lord_Howe", true, "2027-10-02T15:15:00Z", "2027-10-02T15:45:00Z"),
            ("2027-04-04T01:45", "Australia/Lord_Howe", false, "2027-04-03T14:45:00Z", "2027-04-03T15:15:00Z"),
        ];
        for (local, zone, gap, earlier, later) in table {
            let error = single(local, zone, None).unwrap_err();
            assert_eq!(matches!(error, TimeError::Gap { .. }), gap, "{error}");
            let (one, other) = error.candidates().unwrap();
            assert_eq!((one.to_string(), other.to_string()), (earlier.to_owned(), later.to_owned()), "{local} {zone}");
            assert_eq!(single(local, zone, Some(Disambiguation::Earlier)).unwrap(), earlier);
            assert_eq!(single(local, zone, Some(Disambiguation::Later)).unwrap(), later);
            let compatible = if gap { later } else { earlier };
            assert_eq!(single(local, zone, Some(Disambiguation::Compatible)).unwrap(), compatible);
            assert_eq!(WallTime::parse(local, zone).unwrap().recurring().unwrap().to_string(), compatible);
            assert_eq!(WallTime::parse(local, zone).unwrap().moved_by().is_some(), gap);
        }
        let error = single("2027-03-28T02:30", "Europe/Prague", None).unwrap_err().to_string();
        let both = "`earlier` (2027-03-28T01:30:00+01:00) or `later` (2027-03-28T03:30:00+02:00)";
        assert!(error.contains(both), "{error}");
    }

    #[test]
    fn an_ordinary_time_has_one() {
        assert_eq!(single("2027-03-01T09:00", "Europe/Prague", None).unwrap(), "2027-03-01T08:00:00Z");
        assert_eq!(single("2027-07-01T09:00:30", "europe/prague", None).unwrap(), "2027-07-01T07:00:30Z");
    }

    #[test]
    fn other_shapes_are_no_local_time() {
        for wrong in [
            "",
            "tomorrow",
            "2027-03-01",
            "2027-03-01T09:00Z",
            "2027-03-01T09:00+01:00",
            "2027-03-01T24:00",
            "2027-03-01T09:60",
            "2027-03-01T09:00:60",
            "2027-03-01T09:00[Asia/Tokyo]",
            "1027-03-01T09:00",
            "２０２７-03-01T09:00",
        ] {
            assert!(matches!(WallTime::parse(wrong, "UTC"), Err(TimeError::Local(_))), "{wrong}");
        }
    }

    #[test]
    fn a_date_that_does_not_exist_is_named() {
        for (text, date) in [("2027-02-30T09:00", "2027-02-30"), ("2027-13-01T09:00:00", "2027-13-01")] {
            let error = WallTime::parse(text, "UTC").unwrap_err();
            assert_eq!(error.to_string(), format!("the date {date} does not exist; choose another day"));
        }
        let error = parse_instant("2027-02-29T09:00:00Z").unwrap_err();
        assert_eq!(error, TimeError::NoDate("2027-02-29".to_owned()));
        assert!(WallTime::parse("2028-02-29T09:00", "UTC").is_ok());
    }

    #[test]
    fn instants_are_rfc_3339() {
        for (text, instant) in [
            ("2027-03-01T09:00:00+01:00", "2027-03-01T08:00:00Z"),
            ("2027-03-01t09:00:00z", "2027-03-01T09:00:00Z"),
            ("2027-03-01T09:00:00.25-05:30", "2027-03-01T14:30:00.25Z"),
        ] {
            assert_eq!(parse_instant(text).unwrap().to_string(), instant);
        }
        for wrong in [
            "2027-03-01T09:00:00",
            "2027-03-01T09:00Z",
            "2027-03-01T09:00:00+01",
            "2027-03-01",
            "",
            "2027-03-01T09:00:00+01:00[Europe/Prague]",
            "9999-03-01T09:00:00Z",
            "2027-03-01T09:00:00Z0",
            "é027-03-01T09:00:00Z",
        ] {
            assert!(matches!(parse_instant(wrong), Err(TimeError::Instant(_))), "{wrong}");
        }
    }

    #[test]
    fn the_past_and_the_far_future_are_refused_with_both_times() {
        let at = |text: &str| parse_instant(text).unwrap();
        let now = at("2027-03-01T09:00:00Z");
        assert_eq!(check_due(now, now), Ok(()));
        let past = at("2027-03-01T08:59:59Z");
        assert_eq!(check_due(past, now), Err(TimeError::Past { at: past, now }));
        let text = check_due(past, now).unwrap_err().to_string();
        assert!(text.contains("2027-03-01T08:59:59Z") && text.contains("2027-03-01T09:00:00Z"), "{text}");
        assert_eq!(check_due(at("2032-02-28T00:00:00Z"), now), Ok(()));
        assert!(matches!(check_due(at("2032-03-02T00:00:00Z"), now), Err(TimeError::TooFar { .. })));
    }
}
