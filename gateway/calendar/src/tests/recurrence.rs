//! Rules and series, by example. That they agree with another implementation is tested in `tests/it/calendar.rs`.

use jiff::SignedDuration;
use jiff::civil::date;

use super::{at, locals, series, wall};
use crate::{Dates, Rule, RuleError, Series, SeriesError};

fn days(start: &str, rule: &str) -> Vec<String> {
    let all = locals(&series(&format!("{start}T09:00"), "America/New_York", rule));
    all.into_iter().map(|local| local.strip_suffix(" 09:00").unwrap().to_owned()).collect()
}

#[test]
fn the_examples_of_the_standard() {
    for (rule, start, expected) in [
        ("FREQ=DAILY;COUNT=3", "2027-09-02", vec!["2027-09-02", "2027-09-03", "2027-09-04"]),
        ("FREQ=DAILY;INTERVAL=10;COUNT=3", "2027-09-02", vec!["2027-09-02", "2027-09-12", "2027-09-22"]),
        (
            "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO",
            "1997-08-05",
            vec!["1997-08-05", "1997-08-10", "1997-08-19", "1997-08-24"],
        ),
        (
            "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU",
            "1997-08-05",
            vec!["1997-08-05", "1997-08-17", "1997-08-19", "1997-08-31"],
        ),
        ("FREQ=MONTHLY;COUNT=3;BYDAY=1FR", "1997-09-05", vec!["1997-09-05", "1997-10-03", "1997-11-07"]),
        ("FREQ=MONTHLY;COUNT=3;BYDAY=-2MO", "1997-09-22", vec!["1997-09-22", "1997-10-20", "1997-11-17"]),
        ("FREQ=MONTHLY;BYMONTHDAY=-3;COUNT=3", "1997-09-28", vec!["1997-09-28", "1997-10-29", "1997-11-28"]),
        ("FREQ=MONTHLY;COUNT=3;BYMONTHDAY=1,-1", "1997-09-30", vec!["1997-09-30", "1997-10-01", "1997-10-31"]),
        ("FREQ=YEARLY;COUNT=3;BYMONTH=6,7", "1997-06-10", vec!["1997-06-10", "1997-07-10", "1998-06-10"]),
        ("FREQ=YEARLY;BYDAY=20MO;COUNT=3", "1997-05-19", vec!["1997-05-19", "1998-05-18", "1999-05-17"]),
        ("FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13;COUNT=3", "1997-09-02", vec!["1998-02-13", "1998-03-13", "1998-11-13"]),
        (
            "FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3",
            "1997-09-04",
            vec!["1997-09-04", "1997-10-07", "1997-11-06"],
        ),
        (
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2;COUNT=3",
            "1997-09-29",
            vec!["1997-09-29", "1997-10-30", "1997-11-27"],
        ),
        (
            "FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=4",
            "2007-01-15",
            vec!["2007-01-15", "2007-01-30", "2007-02-15", "2007-03-15"],
        ),
        (
            "FREQ=YEARLY;BYMONTH=11;BYMONTHDAY=2,3,4,5,6,7,8;BYDAY=TU;COUNT=2;INTERVAL=4",
            "1996-11-05",
            vec!["1996-11-05", "2000-11-07"],
        ),
        // A month without the day has no occurrence.
        ("FREQ=MONTHLY;COUNT=4", "2027-01-31", vec!["2027-01-31", "2027-03-31", "2027-05-31", "2027-07-31"]),
        // A number and a bare weekday together are both meant.
        ("FREQ=MONTHLY;BYDAY=1MO,TU;COUNT=3", "2027-03-01", vec!["2027-03-01", "2027-03-02", "2027-03-09"]),
        ("FREQ=DAILY;UNTIL=20270903", "2027-09-02", vec!["2027-09-02", "2027-09-03"]),
        ("FREQ=DAILY;UNTIL=20270903T085959", "2027-09-02", vec!["2027-09-02"]),
        ("FREQ=DAILY;UNTIL=20270903T130000Z", "2027-09-02", vec!["2027-09-02", "2027-09-03"]),
        ("FREQ=DAILY;UNTIL=20270903T125959Z", "2027-09-02", vec!["2027-09-02"]),
    ] {
        assert_eq!(days(start, rule), expected, "{rule}");
    }
}

#[test]
fn dates_are_added_and_left_out_and_one_that_is_left_out_counts() {
    let start = wall("2027-03-01T09:00", "Europe/Prague");
    let dates = Dates {
        added: vec![
            date(2027, 3, 2).at(12, 0, 0, 0),
            date(2027, 3, 3).at(9, 0, 0, 0),
            date(2027, 3, 20).at(9, 0, 0, 0),
        ],
        excluded: vec![date(2027, 3, 2).at(9, 0, 0, 0)],
    };
    let rule = Rule::parse("FREQ=DAILY;COUNT=4").unwrap();
    let series = Series::of_post(&start, rule, &dates, at("2027-02-01T00:00:00Z")).unwrap();
    let expected = ["2027-03-01 09:00", "2027-03-02 12:00", "2027-03-03 09:00", "2027-03-04 09:00", "2027-03-20 09:00"];
    assert_eq!(locals(&series), expected);
    let next = series.next_after(at("2027-03-04T08:00:00Z")).unwrap();
    assert_eq!(next.at, at("2027-03-20T08:00:00Z"));
    assert_eq!(series.next_after(next.at), None);
}

#[test]
fn an_added_time_may_stand_before_one_that_was_moved() {
    let start = wall("2027-03-27T02:30", "Europe/Prague");
    let dates = Dates { added: vec![date(2027, 3, 28).at(3, 5, 0, 0)], excluded: Vec::new() };
    let rule = Rule::parse("FREQ=DAILY;COUNT=3").unwrap();
    let series = Series::of_post(&start, rule, &dates, at("2027-03-01T00:00:00Z")).unwrap();
    assert_eq!(locals(&series), ["2027-03-27 02:30", "2027-03-28 03:05", "2027-03-28 03:30", "2027-03-29 02:30"]);
}

#[test]
fn a_recurring_post_must_end_in_time() {
    let start = wall("2027-03-01T09:00", "Europe/Prague");
    let now = at("2027-02-01T00:00:00Z");
    let made = |rule: &str| Series::of_post(&start, Rule::parse(rule).unwrap(), &Dates::default(), now).map(|_| ());
    assert_eq!(made("FREQ=DAILY"), Err(SeriesError::Endless));
    assert!(made("FREQ=DAILY").unwrap_err().to_string().contains("COUNT=52"));
    assert_eq!(made("FREQ=DAILY;COUNT=1000"), Ok(()));
    assert_eq!(made("FREQ=DAILY;COUNT=1001"), Err(SeriesError::TooMany));
    assert_eq!(made("FREQ=DAILY;UNTIL=20301231"), Err(SeriesError::TooMany));
    assert_eq!(made("FREQ=WEEKLY;UNTIL=20320101"), Ok(()));
    assert!(matches!(made("FREQ=WEEKLY;UNTIL=20320301"), Err(SeriesError::TooFar { .. })));
    assert!(matches!(made("FREQ=YEARLY;COUNT=6"), Err(SeriesError::TooFar { .. })));
    for far in ["FREQ=YEARLY;COUNT=1000;INTERVAL=1000", "FREQ=YEARLY;INTERVAL=20;COUNT=2", "FREQ=YEARLY;UNTIL=20990101"]
    {
        assert!(matches!(made(far), Err(SeriesError::TooFar { .. })), "{far}");
    }
    assert_eq!(made("FREQ=DAILY;UNTIL=20270228"), Err(SeriesError::Empty));
    assert_eq!(made("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30;COUNT=5"), Err(SeriesError::Empty));
    assert_eq!(made("FREQ=DAILY;BYHOUR=9;BYMINUTE=0;COUNT=5"), Ok(()));
    assert_eq!(made("FREQ=DAILY;BYHOUR=10;COUNT=5"), Err(SeriesError::OtherTime(start.local)));
    let old = wall("2017-03-01T09:00", "Europe/Prague");
    let error = Series::of_post(&old, Rule::parse("FREQ=YEARLY;COUNT=3").unwrap(), &Dates::default(), now);
    assert_eq!(error, Err(SeriesError::TooOld(old.local)));
    let dates = Dates { added: Vec::new(), excluded: vec![start.local] };
    let error = Series::of_post(&start, Rule::parse("FREQ=DAILY;COUNT=1").unwrap(), &dates, now);
    assert_eq!(error, Err(SeriesError::Empty));
    let many = Dates { added: vec![start.local; 1_001], excluded: Vec::new() };
    let error = Series::of_post(&start, Rule::parse("FREQ=DAILY;COUNT=1").unwrap(), &many, now);
    assert_eq!(error, Err(SeriesError::TooManyDates));
}

#[test]
fn what_is_no_rule_is_told() {
    for (text, says) in [
        ("", "NAME=VALUE"),
        ("COUNT=3", "no FREQ"),
        ("FREQ=DAILY;COUNT=3;COUNT=4", "COUNT is given twice"),
        ("FREQ=DAILY;COUNT=3;UNTIL=20270101", "both COUNT and UNTIL"),
        ("FREQ=HOURLY;COUNT=3", "not supported"),
        ("FREQ=FORTNIGHTLY", "write DAILY"),
        ("FREQ=DAILY;INTERVAL=0", "from 1 to 1000"),
        ("FREQ=DAILY;INTERVAL=99999999999999999999", "from 1 to 1000"),
        ("FREQ=DAILY;COUNT=0", "from 1 to 10000"),
        ("FREQ=DAILY;COUNT=-1", "from 1 to 10000"),
        ("FREQ=DAILY;UNTIL=2027-01-01", "20271231"),
        ("FREQ=WEEKLY;BYDAY=1MO", "needs FREQ=MONTHLY"),
        ("FREQ=MONTHLY;BYDAY=6MO", "more than five"),
        ("FREQ=MONTHLY;BYDAY=0MO", "BYDAY can't be"),
        ("FREQ=MONTHLY;BYDAY=MON", "BYDAY can't be"),
        ("FREQ=MONTHLY;BYDAY=é", "BYDAY can't be"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "BYMONTHDAY can't be"),
        ("FREQ=MONTHLY;BYMONTHDAY=32", "BYMONTHDAY can't be"),
        ("FREQ=WEEKLY;BYMONTHDAY=3", "no meaning with FREQ=WEEKLY"),
        ("FREQ=MONTHLY;BYSETPOS=1", "add one"),
        ("FREQ=YEARLY;BYWEEKNO=20", "not supported"),
        ("FREQ=DAILY;BYHOUR=9,10", "several series"),
        ("FREQ=DAILY;RSCALE=CHINESE", "RSCALE is not supported"),
    ] {
        let error = Rule::parse(text).unwrap_err().to_string();
        assert!(error.contains(says), "{text}: {error}");
    }
    assert_eq!(Rule::parse(&"FREQ=DAILY;".repeat(100)), Err(RuleError::TooLong));
}

#[test]
fn the_next_is_found_without_those_before() {
    // The first of 1,000 and the last of them are found by as many steps as any.
    let series = series("2027-03-01T09:00", "Europe/Prague", "FREQ=DAILY;COUNT=1000");
    let all: Vec<_> = series.from(jiff::Timestamp::MIN).collect();
    for pair in all.windows(2) {
        let just_before = pair[1].at - SignedDuration::from_secs(1);
        assert_eq!(series.next_after(pair[0].at), Some(pair[1]));
        assert_eq!(series.next_after(just_before), Some(pair[1]));
        assert_eq!(series.from(pair[1].at).next(), Some(pair[1]));
    }
    assert_eq!(series.next_after(all[999].at), None);
    assert_eq!(series.first(), Some(all[0]));
}
