//! Courses as CSV (RFC 4180), as learning systems and spreadsheets write them: `person,course,passed_at,expires_at`.
//!
//! Faults name the line and never quote a field: somebody may have put a name there.

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use crate::{model::PersonId, records::TrainingRecord};

/// Largest text, in bytes.
pub const CSV_BYTES_MAX: usize = 512 * 1024;
/// Most lines below the head.
pub const ROWS_MAX: usize = 10_000;
/// Most faults that are told.
const FAULTS_MAX: usize = 50;
/// The columns; the last may be left out, and so may its values.
const COLUMNS: [&str; 4] = ["person", "course", "passed_at", "expires_at"];

/// What is wrong, and in which line; the head is line 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Its number, from 1.
    pub line: usize,
    /// What to mend.
    pub what: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// Reads a text; what each record says is checked by [`fault_in`].
///
/// # Errors
/// Every fault, up to a bound.
pub fn read(text: &str, known: &dyn Fn(&str) -> bool, now: Timestamp) -> Result<Vec<TrainingRecord>, Vec<Fault>> {
    let whole = |what: String| Err(vec![Fault { line: 1, what }]);
    if text.len() > CSV_BYTES_MAX {
        return whole(format!("the file has more than {CSV_BYTES_MAX} bytes; import it in parts"));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = (1..).zip(text.lines());
    let head = lines.next().map(|(_, line)| fields(line)).unwrap_or_default().unwrap_or_default();
    let named: Vec<&str> = head.iter().map(|name| name.trim()).collect();
    if named != COLUMNS && named != COLUMNS.get(..3).unwrap_or_default() {
        return whole(format!("the first line must be `{}`", COLUMNS.join(",")));
    }
    let (mut records, mut faults) = (Vec::new(), Vec::new());
    for (line, row) in lines.filter(|(_, row)| !row.trim().is_empty()) {
        if records.len() >= ROWS_MAX {
            faults.push(Fault { line, what: format!("more than {ROWS_MAX} records; import the file in parts") });
            break;
        }
        match record(row, named.len()).and_then(|record| fault_in(&record, known, now).map_or(Ok(record), Err)) {
            Ok(record) => records.push(record),
            Err(what) => faults.push(Fault { line, what }),
        }
        if faults.len() == FAULTS_MAX {
            break;
        }
    }
    if faults.is_empty() { Ok(records) } else { Err(faults) }
}

fn record(row: &str, columns: usize) -> Result<TrainingRecord, String> {
    let fields = fields(row).ok_or("a quoted field does not end, or something follows its end")?;
    let mut fields = fields.iter().map(|field| field.trim());
    let count = fields.len();
    let (Some(person), Some(course), Some(passed_at)) = (fields.next(), fields.next(), fields.next()) else {
        return Err(format!("it has {count} fields, not {columns}"));
    };
    if count > columns {
        return Err(format!("it has {count} fields, not {columns}"));
    }
    let passed_at = time(passed_at).ok_or("`passed_at` is no date (2027-01-31) and no RFC 3339 date-time")?;
    let expires_at = match fields.next().unwrap_or_default() {
        "" => None,
        end => Some(time(end).ok_or("`expires_at` is no date (2027-01-31) and no RFC 3339 date-time")?),
    };
    Ok(TrainingRecord { person: PersonId::new(person), course: course.to_owned(), passed_at, expires_at })
}

/// What is wrong with a record: somebody whom nobody knows, a course of no name, times that can't be.
pub fn fault_in(record: &TrainingRecord, known: &dyn Fn(&str) -> bool, now: Timestamp) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.');
    let course = &record.course;
    if !known(record.person.as_str()) {
        return Some("people.toml, as it is applied, has no such person".to_owned());
    }
    if !(1..=64).contains(&course.len()) || !course.bytes().all(plain) {
        return Some("`course` must be 1 to 64 lower-case letters, digits, `-`, `_` or `.`".to_owned());
    }
    if record.passed_at > now {
        return Some("`passed_at` lies in the future".to_owned());
    }
    if record.expires_at.is_some_and(|end| end <= record.passed_at) {
        return Some("`expires_at` is not after `passed_at`".to_owned());
    }
    None
}

/// A date is the beginning of its day in UTC.
fn time(text: &str) -> Option<Timestamp> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    let date: Date = text.parse().ok()?;
    date.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// The fields of a line; none where a quote is out of place. No field of ours has a line break.
fn fields(line: &str) -> Option<Vec<String>> {
    let (mut fields, mut letters) = (Vec::new(), line.chars().peekable());
    loop {
        let mut field = String::new();
        if letters.next_if_eq(&'"').is_some() {
            loop {
                match letters.next()? {
                    '"' if letters.next_if_eq(&'"').is_some() => field.push('"'),
                    '"' => break,
                    letter => field.push(letter),
                }
            }
        } else {
            while let Some(letter) = letters.next_if(|letter| *letter != ',') {
                field.push(letter);
            }
        }
        fields.push(field);
        match letters.next() {
            Some(',') => {}
            None => return Some(fields),
            Some(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Vec<TrainingRecord>, Vec<String>> {
        let now = "2027-06-01T00:00:00Z".parse().unwrap();
        super::read(text, &|person| person == "editor-7", now)
            .map_err(|faults| faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn what_spreadsheets_write_is_read() {
        let text = "\u{feff}person,course,passed_at,expires_at\r\neditor-7,social-basics,2027-01-31,2028-01-31\r\n\r\n\
                    \"editor-7\",\"crisis\",2027-01-31T09:00:00+01:00,\r\n";
        let records = read(text).unwrap();
        let of = |record: &TrainingRecord| {
            let end = record.expires_at.map(|end| end.to_string()).unwrap_or_default();
            format!("{} {} {end}", record.course, record.passed_at)
        };
        let told: Vec<_> = records.iter().map(of).collect();
        assert_eq!(told, ["social-basics 2027-01-31T00:00:00Z 2028-01-31T00:00:00Z", "crisis 2027-01-31T08:00:00Z "]);
        assert_eq!(read("person,course,passed_at\neditor-7,a,2027-01-01").unwrap().len(), 1);
        assert_eq!(read("person,course,passed_at\n").unwrap(), []);
    }

    #[test]
    fn faults_name_their_line_and_quote_nothing() {
        let head = "person,course,passed_at,expires_at\n";
        let good = "editor-7,a,2027-01-01,\n";
        for bad in [
            "Jane Doe,a,2027-01-01,",
            "editor-7,Social Basics,2027-01-01,",
            "editor-7,,2027-01-01,",
            "editor-7,a,01.02.2027,",
            "editor-7,a,,",
            "editor-7,a,2027-07-01,",
            "editor-7,a,2027-01-01,2027-01-01",
            "editor-7,a,2027-01-01,soon",
            "editor-7,a",
            "editor-7,a,2027-01-01,,x",
            "\"editor-7,a,2027-01-01,",
            "\"editor-7\"x,a,2027-01-01,",
        ] {
            let faults = read(&format!("{head}{good}{bad}\n{good}{bad}\n")).unwrap_err();
            assert_eq!(faults.len(), 2, "{bad}");
            assert!(faults[0].starts_with("line 3: ") && faults[1].starts_with("line 5: "), "{faults:?}");
            assert!(!faults[0].contains("Jane") && !faults[0].contains("Social Basics"), "{faults:?}");
        }
        for bad in ["", "editor-7,a,2027-01-01\n", "person;course;passed_at\n"] {
            assert!(read(bad).unwrap_err()[0].starts_with("line 1: "), "{bad}");
        }
        assert_eq!(read(&format!("{head}{}", "x\n".repeat(1000))).unwrap_err().len(), FAULTS_MAX);
        assert!(read(&" ".repeat(CSV_BYTES_MAX + 1)).is_err());
        let many = format!("{head}{}", "editor-7,a,2027-01-01,\n".repeat(ROWS_MAX + 1));
        assert!(read(&many).unwrap_err()[0].contains("in parts"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC*|(person,course,passed_at,expires_at\n([a-z0-9\", -]{0,12},?){0,9})") {
            let _ = read(&text);
        }
    }
}
