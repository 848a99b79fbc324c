//! Queue slots, working hours and rotas.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::{at, wall, zone};
use crate::{Period, Rota, RotaError, Slots, WeekError, WorkingHours};

fn slots(text: &str, name: &str) -> Slots {
    Slots::parse(text, zone(name)).unwrap()
}

#[test]
fn the_next_free_slot_passes_over_taken_ones() {
    let slots = slots("wed 14:30, mon 09:00,mon-tue 09:00", "Europe/Prague");
    assert_eq!(slots.to_string(), "mon 09:00, tue 09:00, wed 14:30");
    assert_eq!(Slots::parse(&slots.to_string(), zone("Europe/Prague")).unwrap(), slots);
    // Monday, 1 March 2027, 09:00 in Prague.
    let monday = at("2027-03-01T08:00:00Z");
    let free = |after, taken: &BTreeSet<_>| slots.next_free(after, |at| taken.contains(&at)).unwrap();
    let none = BTreeSet::new();
    assert_eq!(free(monday - SignedDuration::from_secs(1), &none), monday);
    assert_eq!(free(monday, &none), at("2027-03-02T08:00:00Z"));
    let taken: BTreeSet<_> = [at("2027-03-02T08:00:00Z"), at("2027-03-03T13:30:00Z")].into();
    assert_eq!(free(monday, &taken), at("2027-03-08T08:00:00Z"));
    // After the clocks are put forward on 28 March it is still nine o'clock.
    assert_eq!(free(at("2027-03-28T10:00:00Z"), &none), at("2027-03-29T07:00:00Z"));
    assert_eq!(slots.next_free(monday, |_| true), None);
}

#[test]
fn a_slot_in_the_gap_is_moved_and_may_meet_another() {
    let slots = slots("sun 02:30, sun 03:05, sun 03:30", "Europe/Prague");
    let mut after = at("2027-03-27T12:00:00Z");
    let mut next = || {
        after = slots.next_free(after, |_| false).unwrap();
        after
    };
    // 02:30 becomes 03:30, which is a slot already; 03:05 comes first.
    assert_eq!(next(), at("2027-03-28T01:05:00Z"));
    assert_eq!(next(), at("2027-03-28T01:30:00Z"));
    assert_eq!(next(), at("2027-04-04T00:30:00Z"));
}

#[test]
fn what_is_no_slot_is_told() {
    let error = |text: &str| Slots::parse(text, zone("UTC")).unwrap_err();
    assert_eq!(error(" "), WeekError::Empty);
    assert!(matches!(error("mon"), WeekError::Entry(..)));
    assert!(matches!(error("mon 09:00,"), WeekError::Entry(..)));
    assert!(matches!(error("monday-fruday 09:00"), WeekError::Day(_)));
    assert!(matches!(error("mon 9"), WeekError::Time(_)));
    assert_eq!(error(&"daily 09:00,".repeat(100)), WeekError::TooMany);
    assert_eq!(error(&"x".repeat(10_000)), WeekError::TooMany);
}

#[test]
fn working_hours_begin_and_end() {
    let hours = WorkingHours::parse("mon-fri 09:00-17:00, fri 22:00-02:00", zone("Europe/Prague")).unwrap();
    for (instant, within) in [
        ("2027-03-01T07:59:59Z", false),
        ("2027-03-01T08:00:00Z", true),
        ("2027-03-01T15:59:59Z", true),
        ("2027-03-01T16:00:00Z", false),
        // Friday night, until two o'clock on Saturday.
        ("2027-03-05T20:59:59Z", false),
        ("2027-03-05T23:30:00Z", true),
        ("2027-03-06T00:59:59Z", true),
        ("2027-03-06T01:00:00Z", false),
    ] {
        assert_eq!(hours.is_within(at(instant)), within, "{instant}");
    }
    assert_eq!(hours.next_start(at("2027-03-01T08:00:00Z")), Some(at("2027-03-02T08:00:00Z")));
    assert_eq!(hours.next_within(at("2027-03-01T08:30:00Z")), Some(at("2027-03-01T08:30:00Z")));
    assert_eq!(hours.next_within(at("2027-03-06T01:00:00Z")), Some(at("2027-03-08T08:00:00Z")));
    let all = WorkingHours::parse("daily 00:00-24:00", zone("America/New_York")).unwrap();
    assert!((0..400).all(|hours| all.is_within(at("2027-03-01T00:00:00Z") + SignedDuration::from_hours(hours))));
    for wrong in ["mon 09:00", "mon 09:00-25:00", "mon-fri", "mon 24:00-25:00"] {
        assert!(WorkingHours::parse(wrong, zone("UTC")).is_err(), "{wrong}");
    }
}

#[test]
fn a_span_that_the_change_of_clocks_swallows_starts_nowhere() {
    let hours = WorkingHours::parse("sun 02:00-03:00", zone("Europe/Prague")).unwrap();
    // On 28 March there is no time from two to three.
    assert_eq!(hours.next_start(at("2027-03-27T00:00:00Z")), Some(at("2027-04-04T00:00:00Z")));
    assert!(!hours.is_within(at("2027-03-28T01:00:00Z")));
}

#[test]
fn a_rota_changes_at_its_local_time() {
    let people: Vec<String> = ["ada", "ben", "cyd"].map(str::to_owned).into();
    let rota = Rota::new(people.clone(), Period::Weeks(1), wall("2027-03-01T09:00", "Europe/Prague")).unwrap();
    let person = |instant: &str| rota.on_call(at(instant)).map(|on| on.person);
    assert_eq!(person("2027-03-01T07:59:59Z"), None);
    assert_eq!(person("2027-03-01T08:00:00Z"), Some("ada"));
    assert_eq!(person("2027-03-08T07:59:59Z"), Some("ada"));
    assert_eq!(person("2027-03-08T08:00:00Z"), Some("ben"));
    // Summer time: nine o'clock is an hour earlier.
    assert_eq!(person("2027-03-29T06:59:59Z"), Some("ada"));
    assert_eq!(person("2027-03-29T07:00:00Z"), Some("ben"));
    let turn = rota.on_call(at("2027-03-25T00:00:00Z")).unwrap();
    assert_eq!((turn.since, turn.until), (at("2027-03-22T08:00:00Z"), at("2027-03-29T07:00:00Z")));
    // Without a gap or an overlap, for a year of hours.
    let mut next = at("2027-03-01T08:00:00Z");
    for turn in 0..52 {
        let on = rota.on_call(next).unwrap();
        assert_eq!((on.person, on.since), (people[turn % 3].as_str(), next));
        assert_eq!(rota.on_call(on.until - SignedDuration::from_nanos(1)), Some(on));
        next = on.until;
    }
    let made = |people: Vec<String>, period| Rota::new(people, period, wall("2027-03-01T09:00", "UTC")).map(|_| ());
    assert_eq!(made(Vec::new(), Period::Days(1)), Err(RotaError::Nobody));
    assert_eq!(made(vec!["ada".into(); 201], Period::Days(1)), Err(RotaError::TooMany));
    assert_eq!(made(people.clone(), Period::Days(0)), Err(RotaError::Period));
    assert_eq!(made(people, Period::Weeks(60)), Err(RotaError::Period));
}
