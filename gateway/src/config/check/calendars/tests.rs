//! Tests of `calendars.toml` and its calendars: what they say, and each planted fault with its line.

use super::super::tests::{good, now, plugins};
use crate::{
    config::{Files, Governance},
    model::{AccountId, BrandPath},
};

const CALENDARS: &str = r#"[account.acme-m]
zone = "Europe/Prague"
slots = ["mon 09:00", "wed 14:30"]
[[blackout]]
name = "holidays"
file = "calendars/holidays.ics"
brands = ["acme"]
zone = "Europe/Prague"
[[blackout]]
name = "snacks"
file = "calendars/snacks.ics"
brands = ["acme/snacks"]
[[embargo]]
name = "launches"
file = "calendars/launches.ics"
brands = ["acme/snacks"]
"#;
const HOLIDAYS: &str =
    "BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:Christmas Eve\nDTSTART;VALUE=DATE:20271224\nEND:VEVENT\nEND:VCALENDAR\n";
const SNACKS: &str = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:Recall\r\nDTSTART:20271224T230000Z\r\nDURATION:PT2H\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
const LAUNCHES: &str = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:Launch\nCATEGORIES:launch,campaign:spring\n\
    DTSTART;TZID=Europe/Prague:20270301T090000\nEND:VEVENT\nEND:VCALENDAR\n";

/// A folder with calendars.
pub(in super::super) fn house() -> Files {
    let mut files = good();
    let all = [
        ("calendars.toml", CALENDARS),
        ("calendars/holidays.ics", HOLIDAYS),
        ("calendars/snacks.ics", SNACKS),
        ("calendars/launches.ics", LAUNCHES),
    ];
    files.extend(all.map(|(name, text)| (name.to_owned(), text.to_owned())));
    files
}

fn checked(files: &Files) -> Result<Governance, Vec<String>> {
    Governance::check(files, &plugins(), now()).map_err(|faults| faults.iter().map(ToString::to_string).collect())
}

fn with(name: &str, from: &str, to: &str) -> Result<Governance, Vec<String>> {
    let mut files = house();
    let text = files.get_mut(name).unwrap();
    assert!(text.contains(from), "{from:?} is not in {name}");
    *text = text.replacen(from, to, 1);
    checked(&files)
}

#[test]
fn queues_and_calendars_are_read_as_they_are_written() {
    let governance = checked(&house()).unwrap();
    let calendars = &governance.calendars;
    let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
    let account = AccountId::new("acme-m");
    assert_eq!(calendars.zone(&account).unwrap().name(), "Europe/Prague");
    let slots = calendars.slots(&account).unwrap();
    assert_eq!(slots.to_string(), "mon 09:00, wed 14:30");
    assert_eq!(slots.next_free(at("2027-07-05T07:00:00Z"), |_| false), Some(at("2027-07-07T12:30:00Z")));
    assert!(calendars.slots(&AccountId::new("other")).is_none() && calendars.zone(&AccountId::new("other")).is_none());

    // A brand has its own and those above; the day is that of Prague.
    let (acme, snacks, other) = (BrandPath::new("acme"), BrandPath::new("acme/snacks"), BrandPath::new("other"));
    let blocked = |brand, instant| {
        calendars
            .blackouts_for(brand)
            .blocked_at(at(instant))
            .map(|block| (block.calendar.to_owned(), block.event.to_owned()))
    };
    let (eve, recall) =
        (("holidays".to_owned(), "Christmas Eve".to_owned()), ("snacks".to_owned(), "Recall".to_owned()));
    assert_eq!(
        [blocked(&acme, "2027-12-23T22:59:59Z"), blocked(&acme, "2027-12-23T23:00:00Z")],
        [None, Some(eve.clone())]
    );
    assert_eq!(
        [blocked(&acme, "2027-12-24T23:00:00Z"), blocked(&snacks, "2027-12-24T23:00:00Z")],
        [None, Some(recall)]
    );
    assert_eq!([blocked(&snacks, "2027-12-24T12:00:00Z"), blocked(&other, "2027-12-24T12:00:00Z")], [Some(eve), None]);
    let held = |brand, instant| {
        let embargoes = calendars.embargoes_for(brand);
        embargoes.holds(&["launch"], None, at(instant)).map(|embargo| embargo.name.clone())
    };
    assert_eq!(held(&snacks, "2027-03-01T07:59:59Z").as_deref(), Some("Launch"));
    assert_eq!([held(&snacks, "2027-03-01T08:00:00Z"), held(&acme, "2027-01-01T00:00:00Z")], [None, None]);

    // Without brands for all of them.
    let all = with("calendars.toml", "brands = [\"acme\"]\n", "").unwrap();
    assert!(all.calendars.blackouts_for(&other).blocked_at(at("2027-12-24T12:00:00Z")).is_some());
}

#[test]
fn a_calendar_is_part_of_the_governance() {
    let governance = checked(&house()).unwrap();
    let moved = with("calendars/holidays.ics", "20271224", "20271225").unwrap();
    assert_ne!(governance.digest, moved.digest);
    let changes = Governance::diff(&governance, &moved);
    assert!(changes.len() == 1 && changes[0].to_string().starts_with("~ blackout holidays: text "), "{changes:?}");
    let later = with("calendars.toml", "wed 14:30", "wed 15:30").unwrap();
    let changes: Vec<_> = Governance::diff(&governance, &later).iter().map(ToString::to_string).collect();
    assert_eq!(changes, ["~ times acme-m: slots -wed 14:30 +wed 15:30"]);
    let none: Vec<_> =
        Governance::diff(&governance, &checked(&good()).unwrap()).iter().map(ToString::to_string).collect();
    assert_eq!(none[0], "- times acme-m: zone Europe/Prague; slots mon 09:00, wed 14:30");
    assert_eq!(none.len(), 4, "{none:#?}");
}

const TOML: &str = "calendars.toml";
/// The file, what is replaced by what in it, the place of the fault, and a part of it.
const FAULTS: &[(&str, &str, &str, &str, &str)] = &[
    (
        TOML,
        "[account.acme-m]",
        "[account.acme-n]",
        "calendars.toml:1",
        "there is no account `acme-n` in accounts.toml; did you mean",
    ),
    (TOML, "zone = \"Europe/Prague\"\nslots", "slots", "calendars.toml:1", "`zone` is missing"),
    (TOML, "\"Europe/Prague\"\nslots", "\"Prague\"\nslots", "calendars.toml:2", "did you mean `Europe/Prague`?"),
    (TOML, "\"wed 14:30\"", "\"wen 14:30\"", "calendars.toml:3", "`wen` is no day"),
    (TOML, "\"wed 14:30\"", "\"wed\"", "calendars.toml:3", "write it as mon 09:00"),
    (TOML, "\"wed 14:30\"", "\"daily 25:00\"", "calendars.toml:3", "no time of day"),
    (TOML, "\"mon 09:00\", \"wed 14:30\"", "", "calendars.toml:3", "leave it out for no queue"),
    (
        TOML,
        "slots = [\"mon 09:00\", \"wed 14:30\"]",
        "slots = \"mon 09:00\"",
        "calendars.toml:3",
        "an array of strings",
    ),
    (TOML, "slots", "slot", "calendars.toml:3", "did you mean `slots`?"),
    (TOML, "name = \"holidays\"\n", "", "calendars.toml:4", "`name` is missing"),
    (TOML, "name = \"snacks\"", "name = \"holidays\"", "calendars.toml:10", "there is another `holidays` above"),
    (
        TOML,
        "calendars/holidays.ics",
        "calendars/holiday.ics",
        "calendars.toml:6",
        "did you mean `calendars/holidays.ics`?",
    ),
    (TOML, "calendars/holidays.ics", "../holidays.ics", "calendars.toml:6", "calendars lie in `calendars/`"),
    (TOML, "file = \"calendars/holidays.ics\"\n", "", "calendars.toml:4", "`file` is missing"),
    (TOML, "brands = [\"acme\"]", "brands = [\"acne\"]", "calendars.toml:7", "did you mean `acme`?"),
    (TOML, "brands = [\"acme\"]", "brands = []", "calendars.toml:7", "leave it out to mean all"),
    (TOML, "zone = \"Europe/Prague\"\n[[b", "zone = \"CEST\"\n[[b", "calendars.toml:8", "there is no time zone `CEST`"),
    (TOML, "zone = \"Europe/Prague\"\n[[b", "[[b", "calendars.toml:4", "has days, or times without a zone"),
    (TOML, "[[blackout]]", "[[blackouts]]", "calendars.toml:4", "did you mean `blackout`?"),
    ("calendars/holidays.ics", "20271224", "20271324", "calendars/holidays.ics:4", "20271324"),
    ("calendars/holidays.ics", "END:VCALENDAR\n", "", "calendars/holidays.ics:", "END:VCALENDAR"),
    (
        "calendars/launches.ics",
        "CATEGORIES:launch,campaign:spring\n",
        "",
        "calendars/launches.ics:2",
        "the embargo names nothing",
    ),
    (
        "calendars/launches.ics",
        "CATEGORIES",
        "RRULE:FREQ=DAILY\nCATEGORIES",
        "calendars/launches.ics:2",
        "an embargo is lifted once",
    ),
    ("calendars/launches.ics", "TZID=Europe/Prague", "TZID=Mars/Base", "calendars/launches.ics:5", "Mars/Base"),
];

#[test]
fn each_fault_is_told_with_its_line() {
    for (file, from, to, place, part) in FAULTS {
        let faults = with(file, from, to).expect_err(part);
        let told = |fault: &&String| fault.starts_with(*place) && fault.contains(*part);
        assert!(faults.iter().any(|fault| told(&fault)), "{part}: {faults:#?}");
        // A misspelt header, or path, also leaves the file without an entry.
        let unnamed = faults.iter().filter(|fault| fault.contains("names this file")).count();
        assert_eq!(faults.len(), 1 + unnamed, "{part}: {faults:#?}");
    }
}

#[test]
fn a_calendar_that_nobody_names_would_block_nothing() {
    let mut files = good();
    files.insert("calendars/holidays.ics".to_owned(), HOLIDAYS.to_owned());
    let faults = checked(&files).unwrap_err();
    assert_eq!(
        faults,
        ["calendars/holidays.ics: no `[[blackout]]` and no `[[embargo]]` of calendars.toml names this file"]
    );
    // Where the entries can't be read, nobody knows.
    files.insert("calendars.toml".to_owned(), "[[blackout]\n".to_owned());
    let faults = checked(&files).unwrap_err();
    assert!(faults.iter().all(|fault| fault.starts_with("calendars.toml:1: invalid TOML")), "{faults:#?}");
    files.insert("calendars.toml".to_owned(), "[[blackout]]\nname = \"a\"\nfile = 3\n".to_owned());
    assert_eq!(checked(&files).unwrap_err().len(), 1);
}

#[test]
fn nothing_is_without_a_bound() {
    let mut files = house();
    let more: String =
        (0..63).map(|n| format!("[[blackout]]\nname = \"b{n}\"\nfile = \"calendars/snacks.ics\"\n")).collect();
    files.get_mut("calendars.toml").unwrap().push_str(&more);
    let faults = checked(&files).unwrap_err();
    assert!(faults.len() == 1 && faults[0].contains("there may be 64 of them"), "{faults:#?}");
    let large = with("calendars/snacks.ics", "Recall", &"a".repeat(1 << 20)).unwrap_err();
    assert!(large.len() == 1 && large[0].starts_with("calendars/snacks.ics:1: the calendar is larger"), "{large:#?}");
    let many = with("calendars.toml", "\"wed 14:30\"", &"\"daily 14:30\",".repeat(29)).unwrap_err();
    assert!(many.len() == 1 && many[0].starts_with("calendars.toml:3: "), "{many:#?}");
}
