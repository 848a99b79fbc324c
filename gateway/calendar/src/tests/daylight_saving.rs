//! Weekly posts for two years over both changes of the clocks: the local time is kept wherever it exists.

use jiff::civil::{DateTime, Weekday};
use jiff::{SignedDuration, Timestamp};

use super::{series, wall, zone};
use crate::{Blackouts, Calendar, Disambiguation, Period, Rota, TimeError, WorkingHours, ics};

/// A zone, the local time that its changes touch, how far they go, and the two instants at which each of them happens in the two years
/// from 2027 on, as the database of another implementation (Python's) tells them.
struct Place {
    zone: &'static str,
    time_in_gap: &'static str,
    time_in_fold: &'static str,
    gap_min: i64,
    gaps: [&'static str; 2],
    folds: [&'static str; 2],
}

const PLACES: [Place; 3] = [
    Place {
        zone: "Europe/Prague",
        time_in_gap: "02:30",
        time_in_fold: "02:30",
        gap_min: 60,
        gaps: ["2027-03-28T01:00:00Z", "2028-03-26T01:00:00Z"],
        folds: ["2027-10-31T01:00:00Z", "2028-10-29T01:00:00Z"],
    },
    Place {
        zone: "America/New_York",
        time_in_gap: "02:30",
        time_in_fold: "01:30",
        gap_min: 60,
        gaps: ["2027-03-14T07:00:00Z", "2028-03-12T07:00:00Z"],
        folds: ["2027-11-07T06:00:00Z", "2028-11-05T06:00:00Z"],
    },
    Place {
        zone: "Australia/Lord_Howe",
        time_in_gap: "02:15",
        time_in_fold: "01:45",
        gap_min: 30,
        gaps: ["2027-10-02T15:30:00Z", "2028-09-30T15:30:00Z"],
        folds: ["2027-04-03T15:00:00Z", "2028-04-01T15:00:00Z"],
    },
];

/// The first Sunday of 2027; all three change their clocks on a Sunday.
const SUNDAY: &str = "2027-01-03";
const WEEKS: i64 = 104;

fn rule() -> String {
    format!("FREQ=WEEKLY;BYDAY=SU;COUNT={WEEKS}")
}

#[test]
fn weekly_posts_keep_their_local_time_for_two_years() {
    for place in PLACES {
        for time in [place.time_in_gap, place.time_in_fold, "09:00"] {
            let series = series(&format!("{SUNDAY}T{time}"), place.zone, &rule());
            let all: Vec<_> = series.from(Timestamp::MIN).collect();
            assert_eq!(all.len(), 104);
            let mut moved = Vec::new();
            for (week, occurrence) in (0..).zip(&all) {
                let wanted: DateTime = format!("{SUNDAY}T{time}").parse().unwrap();
                let wanted = wanted.checked_add(SignedDuration::from_hours(week * 7 * 24)).unwrap();
                assert_eq!(occurrence.local, wanted);
                assert_eq!(wanted.weekday(), Weekday::Sunday);
                let shows = zone(place.zone).local(occurrence.at);
                if shows == wanted {
                    assert_eq!(occurrence.moved, None);
                } else {
                    let by = SignedDuration::from_mins(place.gap_min);
                    assert_eq!(
                        (shows, occurrence.moved),
                        (wanted.checked_add(by).unwrap(), Some(by)),
                        "{}",
                        place.zone
                    );
                    moved.push(occurrence.at);
                }
            }
            // Moved are those in a gap and no others.
            let expected = if time == place.time_in_gap { 2 } else { 0 };
            assert_eq!(moved.len(), expected, "{} {time}", place.zone);
            for (at, change) in moved.iter().zip(place.gaps) {
                let change: Timestamp = change.parse().unwrap();
                assert!(*at >= change && at.duration_since(change) < SignedDuration::from_mins(place.gap_min));
            }
        }
    }
}

#[test]
fn in_the_fold_the_first_is_meant() {
    for place in PLACES {
        let series = series(&format!("{SUNDAY}T{}", place.time_in_fold), place.zone, &rule());
        for change in place.folds {
            let change: Timestamp = change.parse().unwrap();
            let by = SignedDuration::from_mins(place.gap_min);
            let first =
                series.next_after(change.checked_sub(by).unwrap().checked_sub(SignedDuration::from_secs(1)).unwrap());
            let first = first.unwrap();
            assert!(first.at < change, "{}: {} is the second", place.zone, first.at);
            // The clocks show the same again, and nothing happens then.
            let again = first.at.checked_add(by).unwrap();
            assert_eq!(zone(place.zone).local(again), first.local);
            let next = series.next_after(first.at).unwrap();
            assert!(next.at.duration_since(first.at) > SignedDuration::from_hours(6 * 24));
        }
    }
}

#[test]
fn a_single_post_there_is_an_error_with_both_instants() {
    for place in PLACES {
        let by = SignedDuration::from_mins(place.gap_min);
        let days = place.gaps.map(|at| (at, true, place.time_in_gap)).into_iter();
        for (change, gap, time) in days.chain(place.folds.map(|at| (at, false, place.time_in_fold))) {
            let change: Timestamp = change.parse().unwrap();
            let day = zone(place.zone).local(change).date();
            let single = wall(&format!("{day}T{time}"), place.zone);
            let error = single.single(None).unwrap_err();
            assert_eq!(matches!(error, TimeError::Gap { .. }), gap, "{error}");
            let (earlier, later) = error.candidates().unwrap();
            assert_eq!(later.duration_since(earlier), by);
            assert!(earlier < change && later >= change);
            assert_eq!(single.single(Some(Disambiguation::Earlier)), Ok(earlier));
            assert_eq!(single.single(Some(Disambiguation::Later)), Ok(later));
            assert_eq!(single.recurring(), Ok(if gap { later } else { earlier }));
        }
    }
}

#[test]
fn a_day_that_an_island_skipped_is_not_posted_twice() {
    // Samoa had no 30 December 2011: what was meant for it comes a day later, at the instant of the next.
    let series = series("2011-12-28T10:00", "Pacific/Apia", "FREQ=DAILY;COUNT=5");
    assert_eq!(
        super::locals(&series),
        ["2011-12-28 10:00", "2011-12-29 10:00", "2011-12-31 10:00", "2012-01-01 10:00"]
    );
}

#[test]
fn a_day_that_has_begun_stays_begun_when_clocks_go_back_over_midnight() {
    // In Newfoundland, one minute after the midnight to 7 November 2010, clocks went back to 23:01 of the sixth.
    let again = "2010-11-07T02:45:00Z".parse().unwrap();
    assert_eq!(zone("America/St_Johns").local(again).to_string(), "2010-11-06T23:15:00");
    let people = vec!["ada".to_owned(), "ben".to_owned()];
    let rota = Rota::new(people, Period::Days(1), wall("2010-11-06T00:00", "America/St_Johns")).unwrap();
    assert_eq!(rota.on_call(again).unwrap().person, "ben");
    let hours = WorkingHours::parse("sun 00:00-02:00", zone("America/St_Johns")).unwrap();
    assert!(hours.is_within(again));
    let text = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:20101107\nEND:VEVENT\nEND:VCALENDAR";
    let ics = ics::read(text.as_bytes(), &zone("America/St_Johns")).unwrap();
    assert!(Blackouts::new(vec![Calendar::new("sunday", ics)]).blocked_at(again).is_some());
}
