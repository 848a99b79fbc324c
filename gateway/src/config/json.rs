//! Plugin configuration as JSON, made from TOML or read from JSON, with the line of each value.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Number, Value};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    fault::LineIndex,
    table::{Document, Report},
};

/// A value with the place of its parts.
pub(super) struct Located {
    pub(super) value: Value,
    /// Where it is written.
    pub(super) file: String,
    /// Line of each part by JSON pointer; the root is the empty pointer.
    lines: Lines,
    /// Parts that JSON can't hold; they were reported.
    unusable: BTreeSet<String>,
}

/// Line by JSON pointer.
type Lines = BTreeMap<String, usize>;

impl Located {
    /// An empty object.
    pub(super) fn empty(file: &str, line: usize) -> Self {
        let lines = BTreeMap::from([(String::new(), line)]);
        Self { value: Value::Object(Map::new()), file: file.to_owned(), lines, unusable: BTreeSet::new() }
    }

    /// True for a part that could not be taken over.
    pub(super) fn is_unusable(&self, pointer: &str) -> bool {
        self.unusable.contains(pointer)
    }

    /// The line of a part, else of the nearest part around it.
    pub(super) fn line_of(&self, pointer: &str) -> usize {
        let around = std::iter::successors(Some(pointer), |at| at.rfind('/').and_then(|cut| at.get(..cut)));
        around.filter_map(|at| self.lines.get(at)).next().copied().unwrap_or(1)
    }
}

/// A key as it stands in a JSON pointer (RFC 6901).
pub(super) fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// A whole TOML file.
pub(super) fn from_toml_document(document: &Document<'_>, report: &Report) -> Located {
    let mut reader = TomlReader { document, located: Located::empty(document.file, 1), report };
    reader.located.value = reader.table(document.root(), "");
    reader.located
}

/// A value within a TOML file.
pub(super) fn from_toml(document: &Document<'_>, root: &Spanned<DeValue<'_>>, report: &Report) -> Located {
    let mut reader = TomlReader { document, located: Located::empty(document.file, 1), report };
    reader.located.value = reader.value(root, "");
    reader.located
}

struct TomlReader<'a> {
    document: &'a Document<'a>,
    located: Located,
    report: &'a Report,
}

impl TomlReader<'_> {
    fn table(&mut self, from: &DeTable<'_>, at: &str) -> Value {
        let mut object = Map::new();
        for (key, item) in from.iter() {
            let pointer = format!("{at}/{}", escaped(key.get_ref()));
            let item = self.value(item, &pointer);
            // A key's own line is nearer to what a reader looks for than that of a table below it.
            self.located.lines.insert(pointer, self.document.line(key.span().start));
            object.insert(key.get_ref().to_string(), item);
        }
        Value::Object(object)
    }

    /// Strings, numbers, booleans, arrays and tables are what they are; a date or time becomes its text.
    fn value(&mut self, from: &Spanned<DeValue<'_>>, at: &str) -> Value {
        let line = self.document.line(from.span().start);
        self.located.lines.insert(at.to_owned(), line);
        match from.get_ref() {
            DeValue::String(text) => Value::String(text.to_string()),
            DeValue::Boolean(yes) => Value::Bool(*yes),
            DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
                Ok(number) => Value::from(number),
                Err(_) => self.unusable(at, line, "the number does not fit 64 bits"),
            },
            DeValue::Float(float) => match float.as_str().parse().ok().and_then(Number::from_f64) {
                Some(number) => Value::Number(number),
                None => self.unusable(at, line, "plugin configuration can't hold infinity or not-a-number"),
            },
            DeValue::Datetime(datetime) => Value::String(datetime.to_string()),
            DeValue::Array(array) => {
                let items = array.iter().enumerate();
                Value::Array(items.map(|(place, item)| self.value(item, &format!("{at}/{place}"))).collect())
            }
            DeValue::Table(from) => self.table(from, at),
        }
    }

    fn unusable(&mut self, at: &str, line: usize, message: &str) -> Value {
        self.report.fault(self.document.file, line, format!("`{at}`: {message}"));
        self.located.unusable.insert(at.to_owned());
        Value::Null
    }
}

/// A whole JSON file. The same key twice in an object is a fault, because readers differ on which one counts.
pub(super) fn from_json(file: &str, text: &str, report: &Report) -> Option<Located> {
    let value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => {
            report.fault(file, error.line(), format!("invalid JSON: {error}"));
            return None;
        }
    };
    let mut walk =
        Walk { file, text, index: LineIndex::new(text), at: 0, lines: BTreeMap::new(), report, twice: false };
    walk.value("");
    (!walk.twice).then(|| Located { value, file: file.to_owned(), lines: walk.lines, unusable: BTreeSet::new() })
}

/// Walks over text that serde_json accepted (so it is valid and not nested deeply) and notes where each value starts.
struct Walk<'a> {
    file: &'a str,
    text: &'a str,
    index: LineIndex,
    at: usize,
    lines: Lines,
    report: &'a Report,
    twice: bool,
}

impl Walk<'_> {
    fn peek(&mut self) -> Option<u8> {
        let rest = self.text.as_bytes().get(self.at..)?;
        self.at += rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).count();
        self.text.as_bytes().get(self.at).copied()
    }

    fn value(&mut self, pointer: &str) {
        let first = self.peek();
        self.lines.entry(pointer.to_owned()).or_insert_with(|| self.index.line(self.at));
        match first {
            Some(b'{') => self.items(b'}', pointer),
            Some(b'[') => self.items(b']', pointer),
            Some(b'"') => drop(self.string()),
            _ => self.skip(|byte| !matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n')),
        }
    }

    /// The members of an object or the elements of an array, up to and over the closing bracket.
    fn items(&mut self, close: u8, pointer: &str) {
        self.at += 1;
        let mut keys = BTreeSet::new();
        let mut count = 0_usize;
        while let Some(byte) = self.peek() {
            match byte {
                b',' => self.at += 1,
                byte if byte == close => {
                    self.at += 1;
                    return;
                }
                _ if close == b']' => {
                    self.value(&format!("{pointer}/{count}"));
                    count += 1;
                }
                _ => self.member(pointer, &mut keys),
            }
        }
    }

    fn member(&mut self, pointer: &str, keys: &mut BTreeSet<String>) {
        let line = self.index.line(self.at);
        let key = self.string();
        let pointer = format!("{pointer}/{}", escaped(&key));
        self.lines.insert(pointer.clone(), line);
        if keys.contains(&key) {
            self.twice = true;
            self.report.fault(self.file, line, format!("the key `{key}` stands twice in the same object"));
        }
        keys.insert(key);
        if self.peek() == Some(b':') {
            self.at += 1;
        }
        self.value(&pointer);
    }

    fn string(&mut self) -> String {
        let start = self.at;
        self.at += 1;
        while let Some(byte) = self.text.as_bytes().get(self.at) {
            self.at += 1;
            match byte {
                b'\\' => self.at += 1,
                b'"' => break,
                _ => {}
            }
        }
        serde_json::from_str(self.text.get(start..self.at).unwrap_or_default()).unwrap_or_default()
    }

    /// Over a number or a literal; always at least one byte, so that the walk ends.
    fn skip(&mut self, within: impl Fn(u8) -> bool) {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        self.at += rest.iter().take_while(|byte| within(**byte)).count().max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_lines_point_at_keys_and_elements() {
        let report = Report::default();
        let text = "{\n \"a\": [1,\n  {\"b/c\": \"}\\\"]\"}\n ],\n \"é\\u0041\":\n  null }";
        let located = from_json("x.json", text, &report).unwrap();
        let lines = ["", "/a", "/a/0", "/a/1", "/a/1/b~1c", "/éA", "/a/1/b~1c/zz"].map(|at| located.line_of(at));
        assert_eq!(lines, [1, 2, 2, 3, 3, 5, 3]);
        assert!(report.into_faults().is_empty());
    }

    #[test]
    fn the_same_key_twice_is_found_however_it_is_escaped() {
        let report = Report::default();
        assert!(from_json("x.json", "{\"a\": {\"k\": 1,\n\"\\u006b\": 2}}", &report).is_none());
        let faults = report.into_faults();
        assert_eq!(
            faults.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["x.json:2: the key `k` stands twice in the same object"]
        );
    }

    #[test]
    fn toml_becomes_json_with_lines() {
        let report = Report::default();
        let text = "n = 0x10\nf = 1.5\nd = 2030-01-01\n[t]\nlist = [\n  1,\n  { x = true },\n]\n";
        let document = Document::parse("x.toml", text, &report);
        let located = from_toml_document(&document, &report);
        let expected = serde_json::json!({"n": 16, "f": 1.5, "d": "2030-01-01", "t": {"list": [1, {"x": true}]}});
        assert_eq!(located.value, expected);
        assert_eq!(
            ["/n", "/d", "/t", "/t/list", "/t/list/0", "/t/list/1/x"].map(|at| located.line_of(at)),
            [1, 3, 4, 5, 6, 7]
        );
        assert!(report.into_faults().is_empty());
    }

    #[test]
    fn what_json_cannot_hold_is_a_fault() {
        let report = Report::default();
        let text = "a = inf\nb = nan\nc = 99999999999999999999\n";
        from_toml_document(&Document::parse("x.toml", text, &report), &report);
        let lines: Vec<_> = report.into_faults().iter().map(|fault| fault.line).collect();
        assert_eq!(lines, [1, 2, 3]);
    }

    proptest::proptest! {
        #[test]
        fn every_part_of_a_json_file_has_a_line(value in crate::config::diff::tests::any_json()) {
            let report = Report::default();
            let text = serde_json::to_string_pretty(&value).unwrap();
            let located = from_json("x.json", &text, &report).unwrap();
            fn pointers(value: &Value, at: String, all: &mut Vec<String>) {
                match value {
                    Value::Array(items) => items.iter().enumerate().for_each(|(i, v)| pointers(v, format!("{at}/{i}"), all)),
                    Value::Object(items) => items.iter().for_each(|(k, v)| pointers(v, format!("{at}/{}", escaped(k)), all)),
                    _ => {}
                }
                all.push(at);
            }
            let mut all = Vec::new();
            pointers(&value, String::new(), &mut all);
            all.sort();
            proptest::prop_assert_eq!(located.lines.keys().cloned().collect::<Vec<_>>(), all);
        }
    }
}
