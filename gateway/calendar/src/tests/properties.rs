//! What holds for every rule, every calendar and any bytes.

use jiff::civil::{Date, Time};
use jiff::{SignedDuration, Timestamp};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::zone;
use crate::ics::{Entry, Feed, Status, read, write};
use crate::rule::plus_days;
use crate::{Blackouts, Calendar, Dates, Rule, Series, Slots, WallTime, WorkingHours, parse_instant};

const ZONES: [&str; 6] =
    ["Europe/Prague", "America/New_York", "Australia/Lord_Howe", "UTC", "Pacific/Apia", "Africa/Casablanca"];

fn rules() -> impl Strategy<Value = String> {
    let weekdays = subsequence(vec!["MO", "TU", "WE", "TH", "FR", "SA", "SU"], 1..4);
    let end = prop_oneof![
        (1u32..60).prop_map(|count| format!("COUNT={count}")),
        (2027u32..2031, 1u32..13).prop_map(|(year, month)| format!("UNTIL={year}{month:02}15T120000Z")),
    ];
    let frequency = select(vec!["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]);
    let parts = (option::of(weekdays), option::of(-31i8..=31), option::of(1i8..=12), option::of(-3i16..=3), -5i8..=5);
    (frequency, 1u16..5, end, parts).prop_map(|(frequency, interval, end, (days, month_day, month, position, nth))| {
        let mut rule = format!("FREQ={frequency};INTERVAL={interval};{end}");
        let long = matches!(frequency, "MONTHLY" | "YEARLY");
        let picks = days.is_some() || month.is_some();
        if let Some(days) = days {
            let nth = if long && nth != 0 { nth.to_string() } else { String::new() };
            let days: Vec<String> = days.iter().map(|day| format!("{nth}{day}")).collect();
            rule += &format!(";BYDAY={}", days.join(","));
        }
        if let Some(day) = month_day.filter(|day| *day != 0 && frequency != "WEEKLY") {
            rule += &format!(";BYMONTHDAY={day}");
        }
        if let Some(month) = month {
            rule += &format!(";BYMONTH={month}");
        }
        if let Some(position) = position.filter(|position| *position != 0 && picks) {
            rule += &format!(";BYSETPOS={position}");
        }
        rule
    })
}

prop_compose! {
    fn starts()(zone_name in select(&ZONES[..]), day in 0i64..400, minute in 0i32..1440) -> WallTime {
        let date = plus_days(Date::constant(2027, 1, 1), day).unwrap();
        let time = Time::new((minute / 60) as i8, (minute % 60) as i8, 0, 0).unwrap();
        WallTime { local: date.to_datetime(time), zone: zone(zone_name) }
    }
}

prop_compose! {
    fn entries()(
        uid in "[ -~]{1,60}", summary in "[^\\p{Cc}]{0,120}(\n[^\\p{Cc}]{0,120})?", seconds in 1_700_000_000i64..2_000_000_000,
        length in 0i64..100_000, status in select(vec![Status::Confirmed, Status::Tentative, Status::Cancelled]), sequence: u32,
        modified in 1_700_000_000i64..2_000_000_000, categories in vec("[a-z,;:\\\\]{1,10}", 0..4),
        extra in vec(("X-[A-Z0-9-]{1,20}", "[^\\p{Cc}]{0,100}"), 0..4),
    ) -> Entry {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        Entry {
            uid, summary, at: at(seconds), length: SignedDuration::from_secs(length), status, sequence,
            modified: at(modified), categories, extra,
        }
    }
}

proptest! {
    #[test]
    fn a_rule_is_what_its_text_says(text in rules()) {
        let rule = Rule::parse(&text).unwrap();
        prop_assert_eq!(Rule::parse(&rule.to_string()).unwrap(), rule);
    }

    #[test]
    fn an_expansion_is_sorted_unique_and_within_bounds(start in starts(), text in rules(), probe in 0usize..1_000) {
        let rule = Rule::parse(&text).unwrap();
        let now = start.recurring().unwrap();
        let Ok(series) = Series::of_post(&start, rule, &Dates::default(), now) else { return Ok(()) };
        let all: Vec<_> = series.from(Timestamp::MIN).collect();
        prop_assert!(!all.is_empty() && all.len() <= 1_000);
        prop_assert!(all.windows(2).all(|pair| pair[0].at < pair[1].at), "sorted, each once");
        for occurrence in &all {
            prop_assert!(occurrence.at >= now && occurrence.at <= crate::limits::horizon(now));
            prop_assert_eq!(occurrence.local.time(), start.local.time());
            prop_assert_eq!(series.zone().local(occurrence.at) == occurrence.local, occurrence.moved.is_none());
        }
        // Beginning anywhere gives what is left, whatever was jumped over.
        let probe = &all[probe % all.len()];
        let after = all.iter().find(|occurrence| occurrence.at > probe.at).copied();
        prop_assert_eq!(series.next_after(probe.at), after);
        let just_before = probe.at - SignedDuration::from_nanos(1);
        prop_assert_eq!(series.next_after(just_before), Some(*probe));
    }

    #[test]
    fn what_is_written_is_read_back(entries in vec(entries(), 0..5)) {
        let feed = Feed { name: "Posts".into(), product: "-//Pressgate//EN".into() };
        let text = write(&feed, &entries).unwrap();
        prop_assert!(text.split("\r\n").all(|line| line.len() <= 75));
        let ics = read(text.as_bytes(), &zone("UTC")).unwrap();
        let back: Vec<Entry> = ics.events.into_iter().map(|event| Entry {
            at: event.series.first().unwrap().at,
            uid: event.uid, summary: event.summary, length: event.length.exact, status: event.status,
            sequence: event.sequence, modified: event.modified.unwrap(), categories: event.categories, extra: event.extra,
        }).collect();
        prop_assert_eq!(&back, &entries);
        prop_assert_eq!(write(&feed, &back).unwrap(), text);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..500)) {
        let _ = read(&bytes, &zone("UTC"));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
        let _ = (Rule::parse(&text), WallTime::parse(&text, &text), parse_instant(&text));
        let _ = (Slots::parse(&text, zone("UTC")), WorkingHours::parse(&text, zone("UTC")));
    }

    /// Lines that look like a calendar, in any order.
    #[test]
    fn pieces_of_a_calendar_are_read_or_refused(
        lines in vec(select(vec![
            "BEGIN:VEVENT", "END:VEVENT", "BEGIN:VTIMEZONE", "END:VTIMEZONE", "BEGIN:STANDARD", "END:STANDARD", "TZID:Odd",
            "TZOFFSETFROM:+0100", "DTSTART:20270301T090000Z", "DTSTART;TZID=Odd:20270301T090000", "DTSTART;VALUE=DATE:20270301",
            "DTEND:20270302T000000Z", "DURATION:P1D", "RRULE:FREQ=YEARLY;BYDAY=-53SU;BYSETPOS=-1", "RRULE:FREQ=DAILY;COUNT=10000",
            "EXDATE:20270301T090000Z,20270401", "RDATE;VALUE=DATE:20270301", "RECURRENCE-ID:20270301T090000Z", "UID:1",
            "RRULE:FREQ=MONTHLY;BYMONTHDAY=-31;INTERVAL=1000", " folded", "", "CATEGORIES:a,b\\,c", "DTSTART:19000101T000000Z",
        ]), 0..30),
        second in 0i64..4_000_000_000,
    ) {
        let text = format!("BEGIN:VCALENDAR\nBEGIN:VEVENT\n{}\nEND:VEVENT\nEND:VCALENDAR", lines.join("\n"));
        if let Ok(ics) = read(text.as_bytes(), &zone("America/New_York")) {
            let blackouts = Blackouts::new(vec![Calendar::new("any", ics)]);
            let at = Timestamp::from_second(second).unwrap();
            if let Some(block) = blackouts.blocked_at(at) {
                prop_assert!(block.from <= at && at < block.to);
            }
            if let Some(free) = blackouts.next_free(at) {
                prop_assert!(free >= at && blackouts.blocked_at(free).is_none());
            }
        }
    }
}
