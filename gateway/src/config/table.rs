//! Reads TOML entry by entry with the line of each value, so that one bad entry hides no other.
//!
//! Serde stops at the first wrong type. Here each getter reports its own fault and the rest goes on.

use std::cell::RefCell;

use jiff::Timestamp;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    Fault,
    fault::{LineIndex, did_you_mean},
};

/// Collects faults.
#[derive(Default)]
pub(super) struct Report(RefCell<Vec<Fault>>);

impl Report {
    pub(super) fn fault(&self, file: &str, line: usize, message: impl Into<String>) {
        self.0.borrow_mut().push(Fault::new(file, line, message));
    }

    /// How many faults there are so far.
    pub(super) fn count(&self) -> usize {
        self.0.borrow().len()
    }

    /// True where nothing is wrong so far in these files.
    pub(super) fn none_in(&self, files: &[&str]) -> bool {
        self.0.borrow().iter().all(|fault| !files.contains(&fault.file.as_str()))
    }

    /// Sorted by file and line, each once.
    pub(super) fn into_faults(self) -> Vec<Fault> {
        let mut faults = self.0.into_inner();
        faults.sort();
        faults.dedup();
        faults
    }
}

/// A value and its line.
#[derive(Debug, Clone)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) line: usize,
}

/// One TOML file. What can be read of a file with errors is read, so that its other faults show too.
pub(super) struct Document<'f> {
    pub(super) file: &'f str,
    lines: LineIndex,
    table: DeTable<'f>,
    /// Something in the file can't be read: what seems to be missing from it may only be illegible.
    pub(super) damaged: bool,
}

impl<'f> Document<'f> {
    pub(super) fn parse(file: &'f str, text: &'f str, report: &Report) -> Self {
        let (table, errors) = DeTable::parse_recoverable(text);
        let lines = LineIndex::new(text);
        for error in &errors {
            let line = error.span().map_or(1, |span| lines.line(span.start));
            report.fault(file, line, format!("invalid TOML: {}", error.message()));
        }
        Self { file, lines, table: table.into_inner(), damaged: !errors.is_empty() }
    }

    /// A file that is there but can't be read.
    pub(super) fn unread(file: &'f str) -> Self {
        Self { file, lines: LineIndex::new(""), table: DeTable::new(), damaged: true }
    }

    pub(super) fn line(&self, offset: usize) -> usize {
        self.lines.line(offset)
    }

    /// True where every `[[kind]]` of the file can be seen, so that what is not there does not exist.
    pub(super) fn complete(&self, kind: &str) -> bool {
        !self.damaged && self.table.get(kind).is_none_or(|value| value.get_ref().is_array())
    }

    /// True where every `[kind.name]` of the file can be seen, so that what is not there does not exist.
    pub(super) fn complete_tables(&self, kind: &str) -> bool {
        !self.damaged && self.table.get(kind).is_none_or(|value| value.get_ref().is_table())
    }

    /// The keys at the top, for files that have a plugin's keys there.
    pub(super) fn root(&self) -> &DeTable<'f> {
        &self.table
    }

    /// Reports keys at the top that the file does not have. Behind a damaged header, an entry's keys look like that.
    pub(super) fn only(&self, known: &[&'static str], report: &Report) {
        for (key, _) in self.table.iter().filter(|_| !self.damaged) {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                let hint = did_you_mean(name, known.iter().copied());
                report.fault(self.file, self.line(key.span().start), format!("unknown key `{name}`{hint}"));
            }
        }
    }

    /// The entries `[[kind]]`, in order. The shape is reported once, where `report` is given.
    pub(super) fn entries<'d>(&'d self, kind: &'static str, report: Option<&Report>) -> Vec<Entry<'d>> {
        let Some(value) = self.table.get(kind) else { return Vec::new() };
        let DeValue::Array(array) = value.get_ref() else {
            if let Some(report) = report {
                let line = self.line(value.span().start);
                report.fault(self.file, line, format!("write `[[{kind}]]`, in double brackets, above each {kind}"));
            }
            return Vec::new();
        };
        let mut entries = Vec::with_capacity(array.len());
        for item in array.iter() {
            let line = self.line(item.span().start);
            match item.get_ref() {
                DeValue::Table(table) => entries.push(Entry { file: self, kind, table, line, name: None }.named()),
                other => {
                    if let Some(report) = report {
                        let found = other.type_str();
                        report.fault(self.file, line, format!("each {kind} must be a table, not {}", a(found)));
                    }
                }
            }
        }
        entries
    }

    /// The whole file as one entry.
    pub(super) fn whole(&self, kind: &'static str) -> Entry<'_> {
        Entry { file: self, kind, table: &self.table, line: 1, name: None }
    }

    /// The table `[kind]`.
    pub(super) fn table<'d>(&'d self, kind: &'static str, report: &Report) -> Option<Entry<'d>> {
        let value = self.table.get(kind)?;
        let line = self.line(value.span().start);
        let DeValue::Table(table) = value.get_ref() else {
            report.fault(self.file, line, format!("write `[{kind}]`"));
            return None;
        };
        Some(Entry { file: self, kind, table, line, name: None })
    }

    /// The tables `[kind.name]`, by line.
    pub(super) fn named_tables<'d>(&'d self, kind: &'static str, report: &Report) -> Vec<(At<String>, Entry<'d>)> {
        let Some(value) = self.table.get(kind) else { return Vec::new() };
        let DeValue::Table(tables) = value.get_ref() else {
            report.fault(self.file, self.line(value.span().start), format!("write `[{kind}.name]` above each {kind}"));
            return Vec::new();
        };
        self.tables_of(kind, tables, report)
    }

    fn tables_of<'d>(
        &'d self,
        kind: &'static str,
        tables: &'d DeTable<'d>,
        report: &Report,
    ) -> Vec<(At<String>, Entry<'d>)> {
        let mut entries = Vec::with_capacity(tables.len());
        for (key, value) in tables.iter() {
            let name = key.get_ref().to_string();
            let line = self.line(key.span().start);
            match value.get_ref() {
                DeValue::Table(table) => {
                    let entry = Entry { file: self, kind, table, line, name: Some(name.clone()) };
                    entries.push((At { value: name, line }, entry));
                }
                other => {
                    let found = a(other.type_str());
                    report.fault(self.file, line, format!("{kind} `{name}` must be a table, not {found}"));
                }
            }
        }
        entries.sort_by_key(|(name, _)| name.line);
        entries
    }
}

/// `2027-01-31`.
const DAY_BYTES: usize = 10;
/// A day, in seconds.
const DAY_S: u32 = 86_400;
/// The longest name, reason or address, in characters.
const STRING_CHARS_MAX: usize = 1_000;

/// One table of a file: an account, a grant.
pub(super) struct Entry<'d> {
    file: &'d Document<'d>,
    kind: &'static str,
    table: &'d DeTable<'d>,
    pub(super) line: usize,
    name: Option<String>,
}

impl<'d> Entry<'d> {
    /// Takes the name for messages from `id` or `name`.
    fn named(mut self) -> Self {
        self.name = ["id", "name"]
            .iter()
            .find_map(|key| self.table.get(*key).and_then(|value| value.get_ref().as_str()))
            .map(str::to_owned);
        self
    }

    pub(super) fn fault(&self, line: usize, report: &Report, message: impl std::fmt::Display) {
        let label = match &self.name {
            Some(name) => format!("{} `{name}`", self.kind),
            None => self.kind.to_owned(),
        };
        report.fault(self.file.file, line, format!("{label}: {message}"));
    }

    /// What kind of entry it is: `grant`.
    pub(super) fn kind(&self) -> &'static str {
        self.kind
    }

    /// The file's name.
    pub(super) fn file(&self) -> &'d str {
        self.file.file
    }

    /// Reports keys that such an entry does not have.
    pub(super) fn only(&self, known: &[&str], report: &Report) {
        for (key, _) in self.table.iter() {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                let hint = did_you_mean(name, known.iter().copied());
                self.fault(self.file.line(key.span().start), report, format!("unknown key `{name}`{hint}"));
            }
        }
    }

    /// The table under a key.
    pub(super) fn table(&self, key: &'static str, report: &Report) -> Option<Self> {
        let table = self.get(key, "a table", report, DeValue::as_table)?;
        let name = self.name.as_ref().map(|name| format!("{name}.{key}"));
        Some(Entry { file: self.file, kind: self.kind, table: table.value, line: table.line, name })
    }

    /// The tables of a list under a key, in order; wrong elements are reported one by one. Each is called by its place, from 1.
    pub(super) fn list(&self, key: &str, report: &Report) -> Option<Vec<Self>> {
        let array = self.get(key, "an array of tables", report, DeValue::as_array)?;
        let mut entries = Vec::with_capacity(array.value.len());
        for (place, item) in array.value.iter().enumerate() {
            let line = self.file.line(item.span().start);
            match item.get_ref() {
                DeValue::Table(table) => {
                    let name = self.name.as_ref().map(|name| format!("{name}.{key}.{}", place.saturating_add(1)));
                    entries.push(Entry { file: self.file, kind: self.kind, table, line, name });
                }
                other => {
                    let found = a(other.type_str());
                    self.fault(line, report, format!("`{key}` must hold tables only, not {found}"));
                }
            }
        }
        Some(entries)
    }

    /// The tables that this one holds, by line.
    pub(super) fn tables(&self, kind: &'static str, report: &Report) -> Vec<(At<String>, Self)> {
        self.file.tables_of(kind, self.table, report)
    }

    /// Its keys, with their lines.
    pub(super) fn keys(&self) -> Vec<At<String>> {
        let line = |key: &Spanned<_>| self.file.line(key.span().start);
        self.table.iter().map(|(key, _)| At { line: line(key), value: key.get_ref().to_string() }).collect()
    }

    /// The value of a key, whatever its type.
    pub(super) fn value(&self, key: &str) -> Option<&'d Spanned<DeValue<'d>>> {
        self.table.get(key)
    }

    /// The line of a key's value, else that of the entry.
    pub(super) fn line_of(&self, key: &str) -> usize {
        self.value(key).map_or(self.line, |value| self.file.line(value.span().start))
    }

    /// The document that the entry is in.
    pub(super) fn document(&self) -> &'d Document<'d> {
        self.file
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.table.get(key).is_some()
    }

    /// Reports a key that must be there. In a damaged file it may be there and illegible.
    pub(super) fn missing(&self, report: &Report, what: &str) {
        if !self.file.damaged {
            self.fault(self.line, report, format!("{what} is missing"));
        }
    }

    fn get<T>(
        &self,
        key: &str,
        expected: &str,
        report: &Report,
        take: impl FnOnce(&'d DeValue<'d>) -> Option<T>,
    ) -> Option<At<T>> {
        let value = self.table.get(key)?;
        let line = self.file.line(value.span().start);
        let taken = take(value.get_ref());
        if taken.is_none() {
            let found = a(value.get_ref().type_str());
            self.fault(line, report, format!("`{key}` must be {expected}, not {found}"));
        }
        taken.map(|value| At { value, line })
    }

    /// A string that is neither empty nor a novel.
    pub(super) fn string(&self, key: &str, report: &Report) -> Option<At<String>> {
        let text = self.get(key, "a string", report, |value| value.as_str().map(str::to_owned))?;
        if text.value.trim().is_empty() {
            self.fault(text.line, report, format!("`{key}` must not be empty"));
            return None;
        }
        if text.value.chars().count() > STRING_CHARS_MAX {
            self.fault(text.line, report, format!("`{key}` has more than {STRING_CHARS_MAX} characters"));
            return None;
        }
        Some(text)
    }

    /// A string that must be there.
    pub(super) fn required(&self, key: &str, report: &Report) -> Option<At<String>> {
        if !self.has(key) {
            self.missing(report, &format!("`{key}`"));
        }
        self.string(key, report)
    }

    /// An identifier that must be there.
    pub(super) fn id(&self, key: &str, report: &Report) -> Option<String> {
        let id = self.required(key, report)?;
        if is_id(&id.value) {
            return Some(id.value);
        }
        self.fault(id.line, report, format!("`{key}` must be {ID_RULE}"));
        None
    }

    /// An array of strings; wrong elements are reported one by one.
    pub(super) fn strings(&self, key: &str, report: &Report) -> Option<Vec<At<String>>> {
        let array = self.get(key, "an array of strings", report, DeValue::as_array)?;
        let mut strings = Vec::with_capacity(array.value.len());
        for item in array.value.iter() {
            let line = self.file.line(item.span().start);
            match item.get_ref().as_str() {
                Some(text) => strings.push(At { value: text.to_owned(), line }),
                None => {
                    let found = a(item.get_ref().type_str());
                    self.fault(line, report, format!("`{key}` must hold strings only, not {found}"));
                }
            }
        }
        Some(strings)
    }

    pub(super) fn boolean(&self, key: &str, report: &Report) -> Option<At<bool>> {
        self.get(key, "true or false", report, DeValue::as_bool)
    }

    /// A whole number of at least 1.
    pub(super) fn count(&self, key: &str, max: u32, report: &Report) -> Option<u32> {
        let number = self.get(key, "a whole number", report, |value| value.as_integer())?;
        let parsed = u32::from_str_radix(number.value.as_str(), number.value.radix());
        match parsed {
            Ok(count) if (1..=max).contains(&count) => Some(count),
            _ => {
                self.fault(number.line, report, format!("`{key}` must be within 1 and {max}"));
                None
            }
        }
    }

    /// A length of time in seconds: a whole number and `m`, `h`, `d` or `w`, such as `4h`.
    pub(super) fn seconds(&self, key: &str, days_max: u32, report: &Report) -> Option<At<u32>> {
        let text = self.string(key, report)?;
        let unit = [("m", 60), ("h", 3_600), ("d", DAY_S), ("w", 7 * DAY_S)];
        let seconds = unit.iter().find_map(|(unit, seconds)| {
            let digits = text.value.strip_suffix(unit)?;
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse::<u32>().ok().filter(|_| plain)?.checked_mul(*seconds)
        });
        match seconds.filter(|seconds| (1..=days_max.saturating_mul(DAY_S)).contains(seconds)) {
            Some(value) => Some(At { value, line: text.line }),
            None => {
                let rule = format!("must be a length of time such as `30m`, `4h` or `3d`, at most `{days_max}d`");
                self.fault(text.line, report, format!("`{key}` {rule}; `{}` is none", text.value));
                None
            }
        }
    }

    /// What a clock on the wall shows: a date and a time without an offset, as a string or as TOML's own.
    pub(super) fn local(&self, key: &str, report: &Report) -> Option<At<jiff::civil::DateTime>> {
        let text = self.get(key, "a local date-time", report, |value| match value {
            DeValue::String(text) => Some(text.to_string()),
            DeValue::Datetime(datetime) => Some(datetime.to_string()),
            _ => None,
        })?;
        // What the parser would drop: an offset, a zone.
        let plain = text.value.len() > DAY_BYTES && !text.value.contains(['Z', 'z', '+', '[']);
        match text.value.parse().ok().filter(|_| plain) {
            Some(value) => Some(At { value, line: text.line }),
            None => {
                let rule = "must be a local date-time without an offset, such as 2030-01-31T09:00:00";
                self.fault(text.line, report, format!("`{key}` {rule}; `{}` is none", text.value));
                None
            }
        }
    }

    /// A day, which begins at midnight UTC, or an instant.
    pub(super) fn day(&self, key: &str, report: &Report) -> Option<At<Timestamp>> {
        let day = self.value(key).and_then(|value| match value.get_ref() {
            DeValue::String(text) => text.parse::<jiff::civil::Date>().ok().filter(|_| text.len() == DAY_BYTES),
            DeValue::Datetime(day) if day.time.is_none() => day.to_string().parse().ok(),
            _ => None,
        });
        let Some(day) = day else { return self.instant(key, report) };
        let begin = day.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
        Some(At { value: begin, line: self.line_of(key) })
    }

    /// An instant: RFC 3339, as a string or as TOML's own date-time with an offset.
    pub(super) fn instant(&self, key: &str, report: &Report) -> Option<At<Timestamp>> {
        let text = self.get(key, "an RFC 3339 date-time", report, |value| match value {
            DeValue::String(text) => Some(text.to_string()),
            DeValue::Datetime(datetime) => Some(datetime.to_string()),
            _ => None,
        })?;
        match text.value.parse() {
            Ok(value) => Some(At { value, line: text.line }),
            Err(_) => {
                let rule = "must be an RFC 3339 date-time with an offset, such as 2030-01-31T00:00:00Z";
                self.fault(text.line, report, format!("`{key}` {rule}; `{}` is none", text.value));
                None
            }
        }
    }
}

/// What an identifier looks like, for messages.
pub(super) const ID_RULE: &str = "1 to 64 lower-case letters, digits, `-`, `_` or `.`, with a letter or digit first";

/// Identifiers stand in addresses, file names and the log, so they are plain.
pub(super) fn is_id(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=64).contains(&text.len())
        && text.bytes().next().is_some_and(plain)
        && text.bytes().all(|byte| plain(byte) || matches!(byte, b'-' | b'_' | b'.'))
}

/// A type's name with its article.
fn a(kind: &str) -> String {
    let article = if kind.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {kind}")
}
