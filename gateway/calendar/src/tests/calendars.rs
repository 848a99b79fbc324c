//! Blackouts and embargoes from calendars.

use super::{at, zone};
use crate::ics::{Ics, read};
use crate::{Blackouts, Calendar, EmbargoError, Embargoes};

fn calendar(events: &str) -> Ics {
    let text = format!("BEGIN:VCALENDAR\nVERSION:2.0\n{}\nEND:VCALENDAR\n", events.trim());
    read(text.as_bytes(), &zone("Europe/Prague")).unwrap()
}

const HOLIDAYS: &str = "
BEGIN:VEVENT
UID:christmas
SUMMARY:Christmas\\, quiet
DTSTART;VALUE=DATE:20201224
DTEND;VALUE=DATE:20201227
RRULE:FREQ=YEARLY
END:VEVENT
BEGIN:VEVENT
UID:results
SUMMARY:Before results
DTSTART;TZID=America/New_York:20270104T090000
DURATION:PT4H
RRULE:FREQ=WEEKLY;BYDAY=MO;COUNT=20
EXDATE;TZID=America/New_York:20270118T090000
END:VEVENT
BEGIN:VEVENT
UID:results
RECURRENCE-ID;TZID=America/New_York:20270111T090000
SUMMARY:Before results\\, later
DTSTART;TZID=America/New_York:20270111T150000
DURATION:PT4H
END:VEVENT
BEGIN:VEVENT
UID:results
RECURRENCE-ID;TZID=America/New_York:20270125T090000
SUMMARY:Dropped
STATUS:CANCELLED
DTSTART;TZID=America/New_York:20270125T090000
DURATION:PT4H
END:VEVENT
BEGIN:VEVENT
UID:nothing
SUMMARY:A reminder
DTSTART:20270201T120000Z
END:VEVENT";

fn holidays() -> Blackouts {
    Blackouts::new(vec![Calendar::new("holidays", calendar(HOLIDAYS))])
}

#[test]
fn a_window_blocks_from_its_start_to_its_end_with_its_name() {
    let blackouts = holidays();
    let event = |instant: &str| blackouts.blocked_at(at(instant)).map(|block| block.event.to_owned());
    for (instant, expected) in [
        ("2030-12-23T22:59:59Z", None),
        ("2030-12-23T23:00:00Z", Some("Christmas, quiet")),
        ("2030-12-26T22:59:59Z", Some("Christmas, quiet")),
        ("2030-12-26T23:00:00Z", None),
        ("2019-12-25T12:00:00Z", None),
        ("2027-01-04T13:59:59Z", None),
        ("2027-01-04T14:00:00Z", Some("Before results")),
        ("2027-01-04T17:59:59Z", Some("Before results")),
        ("2027-01-04T18:00:00Z", None),
        // Moved to the afternoon, left out, cancelled.
        ("2027-01-11T14:30:00Z", None),
        ("2027-01-11T20:30:00Z", Some("Before results, later")),
        ("2027-01-18T14:30:00Z", None),
        ("2027-01-25T14:30:00Z", None),
        // Summer time in New York since 14 March.
        ("2027-03-15T13:00:00Z", Some("Before results")),
        ("2027-03-15T17:00:00Z", None),
        // The twentieth was on 17 May.
        ("2027-05-17T13:30:00Z", Some("Before results")),
        ("2027-05-24T13:30:00Z", None),
        ("2027-02-01T12:00:00Z", None),
    ] {
        assert_eq!(event(instant).as_deref(), expected, "{instant}");
    }
    let block = blackouts.blocked_at(at("2027-12-25T00:00:00Z")).unwrap();
    let span = (block.calendar, block.from, block.to);
    assert_eq!(span, ("holidays", at("2027-12-23T23:00:00Z"), at("2027-12-26T23:00:00Z")));
}

#[test]
fn the_next_free_instant_is_after_all_that_overlap() {
    let blackouts = Blackouts::new(vec![
        Calendar::new("holidays", calendar(HOLIDAYS)),
        Calendar::new(
            "works",
            calendar("BEGIN:VEVENT\nSUMMARY:Works\nDTSTART:20271226T220000Z\nDTEND:20271227T060000Z\nEND:VEVENT"),
        ),
    ]);
    assert_eq!(blackouts.next_free(at("2027-12-24T12:00:00Z")), Some(at("2027-12-27T06:00:00Z")));
    assert_eq!(blackouts.next_free(at("2027-12-23T12:00:00Z")), Some(at("2027-12-23T12:00:00Z")));
    let always = calendar("BEGIN:VEVENT\nSUMMARY:Never\nDTSTART;VALUE=DATE:20270101\nRRULE:FREQ=DAILY\nEND:VEVENT");
    assert_eq!(Blackouts::new(vec![Calendar::new("always", always)]).next_free(at("2027-12-24T12:00:00Z")), None);
    assert_eq!(Blackouts::default().blocked_at(at("2027-12-24T12:00:00Z")), None);
}

#[test]
fn a_long_window_is_seen_from_its_last_day() {
    let long = calendar(
        "BEGIN:VEVENT\nSUMMARY:Sabbatical\nDTSTART;VALUE=DATE:20270101\nDTEND;VALUE=DATE:20280101\nEND:VEVENT",
    );
    let blackouts = Blackouts::new(vec![Calendar::new("long", long)]);
    assert!(blackouts.blocked_at(at("2027-12-31T22:00:00Z")).is_some());
    assert!(blackouts.blocked_at(at("2027-12-31T23:00:00Z")).is_none());
}

#[test]
fn an_event_that_overlaps_itself_blocks_until_its_last_end() {
    // Each lasts 300 days and one begins every day of 2027: the last of them ends in October 2028.
    let event = "BEGIN:VEVENT\nSUMMARY:Long\nDTSTART;VALUE=DATE:20270101\nDURATION:P300D\nRRULE:FREQ=DAILY;COUNT=365\nEND:VEVENT";
    let blackouts = Blackouts::new(vec![Calendar::new("long", calendar(event))]);
    assert_eq!(blackouts.next_free(at("2027-06-01T00:00:00Z")), Some(at("2028-10-25T22:00:00Z")));
    assert!(blackouts.blocked_at(at("2028-10-25T21:59:59Z")).is_some());
    assert!(blackouts.blocked_at(at("2028-10-25T22:00:00Z")).is_none());
    let block = blackouts.blocked_at(at("2027-06-01T00:00:00Z")).unwrap();
    assert_eq!((block.from, block.to), (at("2027-05-31T22:00:00Z"), at("2028-03-26T22:00:00Z")));
}

#[test]
fn a_day_of_a_changing_clock_has_its_own_length() {
    let days =
        calendar("BEGIN:VEVENT\nSUMMARY:Day\nDTSTART;VALUE=DATE:20270321\nRRULE:FREQ=WEEKLY;COUNT=3\nEND:VEVENT");
    let blackouts = Blackouts::new(vec![Calendar::new("days", days)]);
    // 23 hours, from midnight at UTC+1 to midnight at UTC+2.
    let block = blackouts.blocked_at(at("2027-03-28T12:00:00Z")).unwrap();
    assert_eq!((block.from, block.to), (at("2027-03-27T23:00:00Z"), at("2027-03-28T22:00:00Z")));
}

const EMBARGOES: &str = "
BEGIN:VEVENT
SUMMARY:Launch
CATEGORIES:launch,campaign:spring
DTSTART;TZID=Europe/Prague:20270301T090000
END:VEVENT
BEGIN:VEVENT
SUMMARY:Figures
CATEGORIES:figures,launch
DTSTART;VALUE=DATE:20270315
END:VEVENT
BEGIN:VEVENT
SUMMARY:Dropped
CATEGORIES:launch
STATUS:CANCELLED
DTSTART;VALUE=DATE:20280315
END:VEVENT";

#[test]
fn an_embargo_holds_its_labels_and_campaigns_until_it_is_lifted() {
    let embargoes = Embargoes::from_ics(calendar(EMBARGOES)).unwrap();
    let holds = |labels: &[&str], campaign, instant| {
        embargoes.holds(labels, campaign, at(instant)).map(|embargo| (embargo.name.clone(), embargo.until.to_string()))
    };
    let launch = Some(("Launch".to_owned(), "2027-03-01T08:00:00Z".to_owned()));
    let figures = Some(("Figures".to_owned(), "2027-03-14T23:00:00Z".to_owned()));
    assert_eq!(holds(&[], Some("spring"), "2027-03-01T07:59:59Z"), launch);
    assert_eq!(holds(&[], Some("spring"), "2027-03-01T08:00:00Z"), None);
    assert_eq!(holds(&["other"], Some("launch"), "2027-01-01T00:00:00Z"), None);
    // Of two the one that is lifted last.
    assert_eq!(holds(&["launch"], None, "2027-01-01T00:00:00Z"), figures);
    assert_eq!(holds(&["launch"], None, "2027-03-14T23:00:00Z"), None);
    // Several calendars hold together.
    let other = EMBARGOES.replace("20270315", "20280315").replace("figures,launch", "launch");
    let other = Embargoes::from_ics(calendar(&other)).unwrap();
    let joined = Embargoes::joined([&embargoes, &other]);
    assert_eq!(joined.all().count(), 4);
    assert_eq!(joined.holds(&["launch"], None, at("2027-05-01T00:00:00Z")).unwrap().name, "Figures");
}

#[test]
fn an_event_that_holds_nothing_or_recurs_is_no_embargo() {
    let nothing = calendar("BEGIN:VEVENT\nSUMMARY:Launch\nDTSTART:20270301T090000Z\nEND:VEVENT");
    assert_eq!(Embargoes::from_ics(nothing), Err(EmbargoError::Nothing { line: 3 }));
    for more in ["RRULE:FREQ=DAILY", "RDATE:20270401T090000Z"] {
        let event = format!("BEGIN:VEVENT\nCATEGORIES:launch\nDTSTART:20270301T090000Z\n{more}\nEND:VEVENT");
        assert_eq!(Embargoes::from_ics(calendar(&event)), Err(EmbargoError::Recurs { line: 3 }), "{more}");
    }
}
