//! Calendars as programs write them, and calendars that are wrong.

use std::fmt::Write as _;

use jiff::SignedDuration;

use super::{at, zone};
use crate::ics::{Entry, Feed, IcsError, Length, Problem, Status, WriteError, read, write};
use crate::limits::{ICS_BYTES_MAX, ICS_EVENTS_MAX, ICS_LINE_BYTES_MAX};

fn wrap(event: &str) -> String {
    format!("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n{event}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n")
}

/// Where the only event of a calendar begins.
fn begins(text: &str) -> Result<String, IcsError> {
    let ics = read(text.as_bytes(), &zone("Asia/Tokyo"))?;
    Ok(ics.events[0].series.first().unwrap().at.to_string())
}

#[test]
fn zones_are_understood_as_programs_write_them() {
    let with_zone = |tzid: &str, more: &str| {
        format!(
            "BEGIN:VCALENDAR\nBEGIN:VTIMEZONE\nTZID:{tzid}\n{more}\nEND:VTIMEZONE\nBEGIN:VEVENT\nDTSTART;TZID=\"{tzid}\":20270701T090000\nEND:VEVENT\nEND:VCALENDAR"
        )
    };
    let fixed = |from: &str, to: &str| {
        format!("BEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:{from}\nTZOFFSETTO:{to}\nEND:STANDARD")
    };
    for (tzid, more, expected) in [
        ("Europe/Prague", String::new(), "2027-07-01T07:00:00Z"),
        ("Central Europe Standard Time", String::new(), "2027-07-01T07:00:00Z"),
        ("/freeassociation.sourceforge.net/Europe/Prague", String::new(), "2027-07-01T07:00:00Z"),
        ("/example.org/20250101_1/America/Argentina/Salta", String::new(), "2027-07-01T12:00:00Z"),
        ("Office", "X-LIC-LOCATION:America/New_York".to_owned(), "2027-07-01T13:00:00Z"),
        ("Ship", fixed("+0530", "+0530"), "2027-07-01T03:30:00Z"),
    ] {
        assert_eq!(begins(&with_zone(tzid, &more)).as_deref(), Ok(expected), "{tzid}");
    }
    // One whose clocks change, and which is not said to be any that is known, is not guessed.
    let error = begins(&with_zone("Prage", &fixed("+0100", "+0200"))).unwrap_err();
    assert_eq!(error.line, 11);
    assert!(error.to_string().contains("`Prage` is not known here"), "{error}");
    assert!(error.to_string().contains("Europe/Prague"), "{error}");
    // Floating times are where the caller says, or the calendar itself.
    assert_eq!(begins(&wrap("DTSTART:20270701T090000")).as_deref(), Ok("2027-07-01T00:00:00Z"));
    let own =
        wrap("DTSTART:20270701T090000").replacen("BEGIN:VEVENT", "X-WR-TIMEZONE:Europe/Prague\r\nBEGIN:VEVENT", 1);
    assert_eq!(begins(&own).as_deref(), Ok("2027-07-01T07:00:00Z"));
}

#[test]
fn lengths_are_days_or_time() {
    let length = |event: &str| read(wrap(event).as_bytes(), &zone("UTC")).map(|ics| ics.events[0].length);
    let of = |days, hours| Ok(Length { days, exact: SignedDuration::from_hours(hours) });
    assert_eq!(length("DTSTART;VALUE=DATE:20270301"), of(1, 0));
    assert_eq!(length("DTSTART;VALUE=DATE:20270301\nDTEND;VALUE=DATE:20270304"), of(3, 0));
    assert_eq!(length("DTSTART;VALUE=DATE:20270301\nDTEND;VALUE=DATE:20270301"), of(1, 0));
    assert_eq!(length("DTSTART:20270301T090000Z"), of(0, 0));
    assert_eq!(length("DTSTART:20270301T090000Z\nDTEND;TZID=Asia/Tokyo:20270301T200000"), of(0, 2));
    assert_eq!(length("DTSTART:20270301T090000Z\nDURATION:P1DT2H"), of(1, 2));
    for wrong in [
        "DTSTART:20270301T090000Z\nDTEND:20270301T080000Z",
        "DTSTART;VALUE=DATE:20270301\nDTEND;VALUE=DATE:20270228",
        "DTSTART;VALUE=DATE:20270301\nDTEND:20270301T080000Z",
        "DTSTART;VALUE=DATE:20270301\nDTEND;VALUE=DATE:20570301",
        "DTSTART:20270301T090000Z\nDTEND:20270301T100000Z\nDURATION:PT1H",
        "DTSTART;VALUE=DATE:20270301\nDURATION:PT1H",
        "DTSTART:20270301T090000Z\nDURATION:-PT1H",
    ] {
        assert!(length(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    for (text, line, says) in [
        ("", 1, "expected BEGIN:VCALENDAR"),
        ("hello", 1, "not a line"),
        ("SUMMARY:x", 1, "expected BEGIN:VCALENDAR"),
        ("BEGIN:VEVENT\nEND:VEVENT", 1, "expected BEGIN:VCALENDAR"),
        ("BEGIN:VCALENDAR\nBEGIN:VCALENDAR", 2, "expected BEGIN:VCALENDAR"),
        ("BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VCALENDAR", 3, "END:VCALENDAR does not end BEGIN:VEVENT"),
        ("BEGIN:VCALENDAR\nBEGIN:VEVENT\n", 2, "ends before END:VEVENT"),
        ("BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VEVENT\nEND:VCALENDAR", 2, "no DTSTART"),
        (" BEGIN:VCALENDAR", 1, "begins with a space"),
        ("BEGIN:VCALENDAR\nBEGIN:A\nBEGIN:B\nBEGIN:C\nBEGIN:D", 5, "nested deeper"),
        (&wrap("DTSTART:20270230T090000Z"), 3, "no date or time"),
        (&wrap("DTSTART:20270301T090000Z\nDTSTART:20270301T090000Z"), 4, "DTSTART is given twice"),
        (&wrap("DTSTART:20270301T090000Z\nRRULE:FREQ=HOURLY"), 4, "RRULE: HOURLY is not supported"),
        (&wrap("DTSTART:20270301T090000Z\nRRULE:FREQ=DAILY;BYHOUR=3"), 4, "another time of day"),
        (&wrap("DTSTART:20270301T090000Z\nEXRULE:FREQ=DAILY"), 4, "write EXDATE"),
        (&wrap("DTSTART:20270301T090000Z\nSTATUS:MAYBE"), 4, "no status"),
        (&wrap("DTSTART:20270301T090000Z\nSEQUENCE:-1"), 4, "no whole number"),
        (&wrap("DTSTART:20270301T090000Z\nRDATE;VALUE=PERIOD:20270301T090000Z/PT1H"), 4, "periods"),
        (&wrap("DTSTART:20270301T090000Z\nRECURRENCE-ID;RANGE=THISANDFUTURE:20270301T090000Z"), 4, "RANGE"),
        (
            &wrap(&format!("DTSTART:20270301T090000Z\nEXDATE:{}20270301T090000Z", "20270301T090000Z,".repeat(1_000))),
            4,
            "too many dates",
        ),
        (&wrap(&format!("DTSTART{}:20270301T090000Z", ";A=b".repeat(21))), 3, "too many parameters"),
        (&wrap(&format!("SUMMARY:{}", "x".repeat(ICS_LINE_BYTES_MAX))), 3, "longer than"),
        (&wrap(&format!("SUMMARY:{}", "xxx\r\n ".repeat(ICS_LINE_BYTES_MAX / 3))), 3, "longer than"),
    ] {
        let error = read(text.as_bytes(), &zone("UTC")).unwrap_err();
        assert_eq!(error.line, line, "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
    let error = read(b"BEGIN:VCALENDAR\nX:\xff", &zone("UTC")).unwrap_err();
    assert_eq!(error, IcsError { line: 2, problem: Problem::NotUtf8 });
}

#[test]
fn sizes_are_bounded() {
    let large = vec![b'\n'; ICS_BYTES_MAX + 1];
    assert_eq!(read(&large, &zone("UTC")), Err(IcsError { line: 1, problem: Problem::TooLarge }));
    let event = "BEGIN:VEVENT\nDTSTART:20270301T090000Z\nEND:VEVENT\n";
    let of = |count: usize| format!("BEGIN:VCALENDAR\n{}END:VCALENDAR\n", event.repeat(count));
    assert_eq!(read(of(ICS_EVENTS_MAX).as_bytes(), &zone("UTC")).unwrap().events.len(), ICS_EVENTS_MAX);
    let error = read(of(ICS_EVENTS_MAX + 1).as_bytes(), &zone("UTC")).unwrap_err();
    assert_eq!(error.problem, Problem::TooManyEvents);
    // As deep as bytes allow: refused at the fifth level, whatever follows.
    let deep = format!("BEGIN:VCALENDAR\n{}", "BEGIN:X\n".repeat(130_000));
    let error = read(deep.as_bytes(), &zone("UTC")).unwrap_err();
    assert_eq!((error.line, error.problem), (5, Problem::TooDeep));
    // Rules that are costly to follow share one allowance.
    let mut costly = String::from("BEGIN:VCALENDAR\n");
    for _ in 0..100 {
        let rule = "RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=29;COUNT=10000";
        let _ = write!(costly, "BEGIN:VEVENT\nDTSTART:20240229T090000Z\n{rule}\nEND:VEVENT\n");
    }
    let error = read(format!("{costly}END:VCALENDAR").as_bytes(), &zone("UTC")).unwrap_err();
    assert!(error.to_string().contains("too many steps"), "{error}");
}

fn entry() -> Entry {
    Entry {
        uid: "post_1@gate.example".into(),
        summary: "Spring, part 1; \\ \n and more".into(),
        at: at("2027-03-01T08:00:00Z"),
        length: SignedDuration::from_mins(15),
        status: Status::Tentative,
        sequence: 3,
        modified: at("2027-02-01T08:00:00Z"),
        categories: vec!["launch".into(), "a,b;c".into()],
        extra: vec![("X-PRESSGATE-STATE".into(), "scheduled".into())],
    }
}

#[test]
fn what_is_written_has_the_shape_of_the_standard() {
    let long = Entry { summary: "Příliš žluťoučký kůň 🐎 ".repeat(10), ..entry() };
    let feed = Feed { name: "Posts; all".into(), product: "-//Pressgate//EN".into() };
    let text = write(&feed, &[entry(), long.clone()]).unwrap();
    assert!(text.starts_with("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n") && text.ends_with("END:VCALENDAR\r\n"));
    assert!(text.split("\r\n").all(|line| line.len() <= 75 && !line.contains(['\r', '\n'])));
    assert!(text.contains("SUMMARY:Spring\\, part 1\\; \\\\ \\n and more\r\n"), "{text}");
    assert!(text.contains("DTSTART:20270301T080000Z\r\nDTEND:20270301T081500Z\r\n"));
    let ics = read(text.as_bytes(), &zone("UTC")).unwrap();
    assert_eq!(ics.name.as_deref(), Some("Posts; all"));
    assert_eq!(ics.events[1].summary, long.summary);
    assert_eq!(ics.events[0].categories, entry().categories);
    let moment = write(&feed, &[Entry { length: SignedDuration::ZERO, ..entry() }]).unwrap();
    assert!(!moment.contains("DTEND"));
}

#[test]
fn nothing_is_smuggled_into_what_is_written() {
    let feed = Feed { name: "x\r\nBEGIN:VEVENT".into(), product: "y\nEND:VCALENDAR".into() };
    let bad = "a\r\nATTENDEE:mailto:x\u{0}\u{7f}";
    let text = write(&feed, &[Entry { uid: bad.into(), summary: bad.into(), categories: vec![bad.into()], ..entry() }])
        .unwrap();
    assert_eq!(text.matches("\r\nBEGIN:VEVENT\r\n").count(), 1);
    assert!(!text.contains("\r\nATTENDEE") && !text.contains(['\u{0}', '\u{7f}']));
    for name in ["ATTENDEE", "X-", "X-A:B", "X-A\r\nB", "x-é"] {
        let extra = vec![(name.to_owned(), String::new())];
        assert!(matches!(write(&feed, &[Entry { extra, ..entry() }]), Err(WriteError::Name(_))), "{name}");
    }
    let backwards = Entry { length: SignedDuration::from_secs(-1), ..entry() };
    assert_eq!(write(&feed, &[backwards]), Err(WriteError::Length));
}
