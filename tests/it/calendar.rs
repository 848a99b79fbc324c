//! Recurrence and iCalendar beside other implementations: python-dateutil with zoneinfo expands the same rules, `icalendar` reads what
//! is written, `recurring-ical-events` says what happens in the calendars that block. `make deps` installs them.
//!
//! `PRESSGATE_SOAK=<count>` sets how many rules are compared, `PRESSGATE_SEED=<seed>` tells the same ones again.

mod feeds;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use jiff::civil::{Date, DateTime};
use jiff::{SignedDuration, Timestamp};
use pressgate_calendar::ics::{self, Entry, Feed, Status};
use pressgate_calendar::{Calendar, Dates, Rule, Series, SeriesError, WallTime, Zone};
use serde_json::{Value, json};
use tests::skip::skipped;

const RULES: u64 = 3_000;
/// So many must be left when those that go on for too long are refused.
const COMPARED_MIN: usize = 2_000;
/// Whole hours and half ones, at midnight and in the middle of the night, on both sides of the equator, and one that never changes.
const ZONES: [&str; 9] = [
    "Europe/Prague",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "America/Santiago",
    "Africa/Casablanca",
    "Asia/Beirut",
    "Pacific/Chatham",
    "Asia/Kolkata",
];
const WEEKDAYS: [&str; 7] = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];

/// What the other implementations answer. None, with a line that says so, where they are not installed.
fn others(asked: &Value) -> Option<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("calendar");
    let python = folder.join("venv/bin/python");
    if !python.is_file() {
        skipped("other implementations of iCalendar are not installed; run `make deps`");
        return None;
    }
    let mut child = Command::new(python)
        .arg(folder.join("other.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    // It reads all before it writes.
    child.stdin.take().expect("piped").write_all(asked.to_string().as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "the other implementation failed");
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
}

/// SplitMix64: the same rules for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    fn between(&mut self, least: i64, most: i64) -> i64 {
        least + i64::try_from(self.roll(u64::try_from(most - least + 1).expect("an order"))).expect("small")
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.roll(of.len() as u64)).expect("small")]
    }

    fn some<T: Copy>(&mut self, of: &[T], most: u64) -> Vec<T> {
        let mut all: Vec<T> = of.to_vec();
        let count = 1 + self.roll(most);
        (0..count.min(of.len() as u64))
            .map(|_| all.remove(usize::try_from(self.roll(all.len() as u64)).expect("small")))
            .collect()
    }

    /// Not 0.
    fn signed(&mut self, most: i64) -> i64 {
        let number = self.between(1, most);
        if self.roll(2) == 0 { number } else { -number }
    }
}

struct Case {
    start: WallTime,
    rule: String,
    until: Option<Timestamp>,
    dates: Dates,
}

fn joined<T: ToString>(values: &[T]) -> String {
    values.iter().map(T::to_string).collect::<Vec<_>>().join(",")
}

fn start(dice: &mut Dice) -> WallTime {
    let date =
        Date::constant(2027, 1, 1).checked_add(SignedDuration::from_hours(24 * dice.between(0, 800))).expect("a day");
    // Every second one in the hours that clocks skip and repeat.
    let hour = if dice.roll(2) == 0 { dice.between(0, 3) } else { dice.between(0, 23) };
    let local = date.at(hour as i8, dice.one(&[0i8, 15, 30, 45, 59]), 0, 0);
    WallTime { local, zone: Zone::named(dice.one(&ZONES)).expect("a zone") }
}

fn case(dice: &mut Dice) -> Case {
    let mut start = start(dice);
    let frequency = dice.one(&["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]);
    let mut rule = format!("FREQ={frequency}");
    if dice.roll(2) == 0 {
        rule += &format!(";INTERVAL={}", dice.between(1, 5));
    }
    let mut picks = false;
    if dice.roll(2) == 0 {
        // dateutil takes a number and a bare weekday together as both at once; the standard, and we, as either.
        let nth = match frequency {
            "MONTHLY" if dice.roll(2) == 0 => dice.signed(5).to_string(),
            "YEARLY" if dice.roll(2) == 0 => dice.signed(5).to_string(),
            _ => String::new(),
        };
        let days: Vec<String> = dice.some(&WEEKDAYS, 4).iter().map(|day| format!("{nth}{day}")).collect();
        rule += &format!(";BYDAY={}", days.join(","));
        picks = true;
    }
    if frequency != "WEEKLY" && dice.roll(3) == 0 {
        let days: Vec<i64> = (0..=dice.roll(3)).map(|_| dice.signed(31)).collect();
        rule += &format!(";BYMONTHDAY={}", joined(&days));
        picks = true;
    }
    if dice.roll(3) == 0 {
        let months: Vec<i8> = (1..=12).collect();
        rule += &format!(";BYMONTH={}", joined(&dice.some(&months, 5)));
        picks = true;
    }
    let week_start = dice.one(&WEEKDAYS);
    if picks && dice.roll(3) == 0 {
        let positions: Vec<i64> = (0..=dice.roll(2)).map(|_| dice.signed(5)).collect();
        rule += &format!(";BYSETPOS={}", joined(&positions));
        // dateutil counts positions of the first week from the start, not from the first day of the week.
        while frequency == "WEEKLY" && start.local.strftime("%A").to_string()[..2].to_uppercase() != week_start {
            start.local = start.local.checked_add(SignedDuration::from_hours(24)).expect("a day");
        }
    }
    rule += &format!(";WKST={week_start}");
    let until = if dice.roll(2) == 0 {
        rule += &format!(";COUNT={}", dice.between(1, 60));
        None
    } else {
        let at = start.recurring().expect("an instant");
        Some(at + SignedDuration::from_mins(dice.between(0, 3 * 365 * 24 * 60)))
    };
    let near = |dice: &mut Dice| {
        start.local.checked_add(SignedDuration::from_hours(24 * dice.between(0, 100))).expect("a day")
    };
    let mut dates = Dates::default();
    for _ in 0..dice.roll(4) {
        let added = near(dice).date().at(dice.between(0, 3) as i8, 20, 0, 0);
        dates.added.push(added);
        dates.excluded.push(near(dice));
    }
    Case { start, rule, until, dates }
}

/// Our own expansion; None for what goes on for too long to be taken.
fn expand(case: &Case) -> Option<Vec<i64>> {
    let until = case.until.map(|at| at.strftime(";UNTIL=%Y%m%dT%H%M%SZ").to_string()).unwrap_or_default();
    let rule = Rule::parse(&format!("{}{until}", case.rule)).unwrap_or_else(|error| panic!("{}: {error}", case.rule));
    let now = case.start.recurring().expect("an instant");
    match Series::of_post(&case.start, rule, &case.dates, now) {
        Ok(series) => Some(series.from(Timestamp::MIN).map(|occurrence| occurrence.at.as_second()).collect()),
        Err(SeriesError::Empty) => Some(Vec::new()),
        Err(SeriesError::TooFar { .. } | SeriesError::TooMany) => None,
        Err(other) => panic!("{}: {other}", case.rule),
    }
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[test]
fn counted_rules_give_what_another_implementation_gives() {
    let seed = setting("PRESSGATE_SEED").unwrap_or(5_545);
    let mut dice = Dice(seed);
    let all: Vec<(Case, Vec<i64>)> = (0..setting("PRESSGATE_SOAK").unwrap_or(RULES))
        .map(|_| case(&mut dice))
        .filter_map(|case| expand(&case).map(|ours| (case, ours)))
        .collect();
    let local = |times: &[DateTime]| times.iter().map(DateTime::to_string).collect::<Vec<_>>();
    let asked: Vec<Value> = all
        .iter()
        .map(|(case, _)| {
            json!({
                "start": case.start.local.to_string(), "zone": case.start.zone.name(), "rule": case.rule,
                "until": case.until.map(Timestamp::as_second),
                "added": local(&case.dates.added), "excluded": local(&case.dates.excluded),
            })
        })
        .collect();
    let Some(answers) = others(&json!({"expand": asked})) else { return };
    let theirs = answers["expand"].as_array().expect("a list");
    assert_eq!(theirs.len(), all.len());
    let (mut times, mut moved) = (0, 0);
    for ((case, ours), theirs) in all.iter().zip(theirs) {
        let (rule, at) = (&case.rule, &case.start);
        assert_eq!(
            &json!(ours),
            theirs,
            "seed {seed}: {} {} {rule} {:?} {:?}",
            at.local,
            at.zone,
            case.until,
            case.dates
        );
        times += ours.len();
        let shows = |at: &i64| case.start.zone.local(Timestamp::from_second(*at).expect("an instant"));
        // Those that were added come at twenty past.
        let is_moved = |at: &&i64| shows(at).time() != case.start.local.time() && shows(at).minute() != 20;
        moved += ours.iter().filter(is_moved).count();
    }
    println!("{} rules, {times} times, {moved} of them moved", all.len());
    assert!(all.len() >= COMPARED_MIN || setting("PRESSGATE_SOAK").is_some(), "only {} were compared", all.len());
    assert!(moved > 10 || setting("PRESSGATE_SOAK").is_some(), "only {moved} were in a gap");
}

#[test]
fn another_implementation_reads_what_is_written() {
    let entry = |number: u32| Entry {
        uid: format!("post_{number}@gate.example"),
        summary: "Příliš, žluťoučký; kůň \\ 🐎\nand a second line ".repeat(usize::try_from(number).expect("small") + 1),
        at: Timestamp::from_second(1_800_000_000 + i64::from(number) * 86_400).expect("an instant"),
        length: SignedDuration::from_mins(i64::from(number) * 10),
        status: [Status::Confirmed, Status::Tentative, Status::Cancelled][usize::try_from(number % 3).expect("small")],
        sequence: number,
        modified: Timestamp::from_second(1_790_000_000).expect("an instant"),
        categories: (0..number).map(|index| format!("label, {index}; \\")).collect(),
        extra: vec![("X-PRESSGATE-STATE".into(), "scheduled; really".into())],
    };
    let entries: Vec<Entry> = (0..10).map(entry).collect();
    let feed = Feed { name: "Posts, all; \\".into(), product: "-//Pressgate//Calendar//EN".into() };
    let text = ics::write(&feed, &entries).expect("written");
    let Some(answers) = others(&json!({"read": text})) else { return };
    let read = &answers["read"];
    assert_eq!(read["name"], feed.name);
    let events = read["events"].as_array().expect("a list");
    assert_eq!(events.len(), entries.len());
    for (entry, event) in entries.iter().zip(events) {
        let end = (!entry.length.is_zero()).then(|| (entry.at + entry.length).as_second());
        let status = match entry.status {
            Status::Confirmed => "CONFIRMED",
            Status::Tentative => "TENTATIVE",
            Status::Cancelled => "CANCELLED",
        };
        let modified = entry.modified.as_second();
        let expected = json!({
            "uid": entry.uid, "summary": entry.summary, "status": status, "sequence": entry.sequence,
            "at": entry.at.as_second(), "end": end, "modified": modified, "stamp": modified,
            "categories": entry.categories, "extra": entry.extra[0].1,
        });
        assert_eq!(event, &expected);
    }
}

#[test]
fn calendars_block_when_another_implementation_says_that_something_happens() {
    let mut dice = Dice(2_445);
    let mut text = String::from("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//x//EN\r\n");
    for number in 0..60 {
        let zone = dice.one(&ZONES);
        let day = Date::constant(2027, 1, 4)
            .checked_add(SignedDuration::from_hours(24 * dice.between(0, 300)))
            .expect("a day");
        let begin = day.at(dice.between(8, 18) as i8, dice.one(&[0i8, 30]), 0, 0);
        let shown = |at: DateTime| at.strftime("%Y%m%dT%H%M%S").to_string();
        let end = begin.checked_add(SignedDuration::from_mins(dice.between(15, 180))).expect("a time");
        let step = dice.between(1, 3);
        let out = begin.checked_add(SignedDuration::from_hours(24 * step)).expect("a time");
        let rule =
            dice.one(&["FREQ=DAILY;COUNT=30", "FREQ=WEEKLY", "FREQ=MONTHLY;BYDAY=-1FR", "FREQ=MONTHLY;BYMONTHDAY=13"]);
        text += &format!(
            "BEGIN:VEVENT\r\nUID:{number}\r\nDTSTAMP:20260101T000000Z\r\nSUMMARY:event {number}\r\nDTSTART;TZID={zone}:{}\r\nDTEND;TZID={zone}:{}\r\nRRULE:{rule};INTERVAL={step}\r\nEXDATE;TZID={zone}:{}\r\nEND:VEVENT\r\n",
            shown(begin),
            shown(end),
            shown(out),
        );
    }
    text += "END:VCALENDAR\r\n";
    let (from, to) = (1_812_000_000, 1_835_000_000);
    let Some(answers) = others(&json!({"happen": {"text": text, "from": from, "to": to}})) else { return };
    let theirs = answers["happen"].as_array().expect("a list");
    assert!(theirs.len() > 500, "only {} happen", theirs.len());
    let instant = |second| Timestamp::from_second(second).expect("an instant");
    let ics = ics::read(text.as_bytes(), &Zone::utc()).expect("readable");
    let mut ours = Vec::new();
    for event in &ics.events {
        let times =
            event.series.from(instant(from) - event.length.exact).take_while(|occurrence| occurrence.at < instant(to));
        // The start of a series belongs to it there whether it fits the rule or not: such a one is not compared.
        let starts = event.series.start();
        for occurrence in times.filter(|occurrence| occurrence.local != starts) {
            let end = occurrence.at + event.length.exact;
            if end > instant(from) {
                ours.push(json!([event.summary, occurrence.at.as_second(), end.as_second()]));
            }
        }
    }
    let first = |event: &Value| {
        let series = ics.events.iter().find(|known| event[0] == known.summary).expect("known");
        series.series.zone().local(instant(event[1].as_i64().expect("a number"))) == series.series.start()
    };
    let theirs: Vec<Value> = theirs.iter().filter(|event| !first(event)).cloned().collect();
    ours.sort_by_key(|event| (event[0].to_string(), event[1].as_i64()));
    assert_eq!(ours, theirs);
    let calendar = Calendar::new("both", ics);
    for event in &theirs {
        let (begin, end) = (event[1].as_i64().expect("a number"), event[2].as_i64().expect("a number"));
        for second in [begin, end - 1] {
            let block = calendar.blocked_at(instant(second)).expect("blocked");
            assert!(block.to.as_second() >= end, "{event}");
        }
    }
}
