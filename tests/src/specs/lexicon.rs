//! AT Protocol records against their lexicons (<https://atproto.com/specs/lexicon>).
//!
//! Records are held to more than the language asks for: fields that a lexicon does not name and union members that it
//! does not list are faults, so that a mistyped name is found. `knownValues` and `default` say nothing about validity
//! and are passed over.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Map, Value};
use unicode_segmentation::UnicodeSegmentation;

use super::Faults;

mod formats;

use formats::is_format;

/// Values are nested so deep and no deeper.
const DEPTH_MAX: usize = 32;

/// A set of lexicons, by their ids.
#[derive(Debug, Default)]
pub struct Lexicons {
    documents: HashMap<String, Value>,
}

/// Where in the lexicons a definition stands, and where in the record its value.
#[derive(Clone)]
struct Place<'a> {
    /// Lexicon that local references are for.
    lexicon: &'a str,
    /// Path in the record: `record/facets/0`.
    path: String,
    depth: usize,
}

impl<'a> Place<'a> {
    fn below(&self, name: &str) -> Self {
        Self { lexicon: self.lexicon, path: format!("{}/{name}", self.path), depth: self.depth + 1 }
    }

    fn within(&self, lexicon: &'a str) -> Self {
        Self { lexicon, path: self.path.clone(), depth: self.depth + 1 }
    }

    fn fault(&self, what: impl std::fmt::Display) -> String {
        format!("{}: {what}", self.path)
    }
}

impl Lexicons {
    /// Reads all lexicons below a folder.
    ///
    /// # Panics
    /// When a file cannot be read or is not a lexicon of version 1.
    pub fn load(folder: &Path) -> Self {
        let mut lexicons = Self::default();
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
            for entry in entries {
                let path = entry.expect("a readable folder").path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "json") {
                    let text = std::fs::read(&path).expect("a readable file");
                    let document = serde_json::from_slice(&text).expect("JSON");
                    lexicons.add(document);
                }
            }
        }
        lexicons
    }

    /// Adds one lexicon.
    ///
    /// # Panics
    /// When it is not one of version 1.
    pub fn add(&mut self, document: Value) {
        assert_eq!(document.get("lexicon"), Some(&Value::from(1)), "a lexicon of version 1");
        let id = document.get("id").and_then(Value::as_str).expect("an id").to_owned();
        self.documents.insert(id, document);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.documents.len()
    }

    /// Checks a record of a collection: `app.bsky.feed.post`.
    ///
    /// # Errors
    /// Every fault that was found.
    pub fn check_record(&self, collection: &str, record: &Value) -> Result<(), Faults> {
        let place = Place { lexicon: collection, path: "record".to_owned(), depth: 0 };
        let Some(main) = self.definition(collection, "main") else {
            return Err(vec![format!("there is no lexicon {collection}")]);
        };
        let Some(schema) = main.get("record").filter(|_| kind(main) == "record") else {
            return Err(vec![format!("{collection} is not a record but {}", kind(main))]);
        };
        let mut faults = Vec::new();
        if record.get("$type").and_then(Value::as_str) != Some(collection) {
            faults.push(place.fault(format!("`$type` must be {collection}")));
        }
        self.check(schema, record, &place, &mut faults);
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn definition(&self, id: &str, name: &str) -> Option<&Value> {
        self.documents.get(id)?.get("defs")?.get(name)
    }

    fn check<'a>(&'a self, schema: &'a Value, value: &Value, place: &Place<'a>, faults: &mut Faults) {
        if place.depth > DEPTH_MAX {
            faults.push(place.fault("nested too deep"));
            return;
        }
        match kind(schema) {
            "object" => self.check_object(schema, value, place, faults),
            "array" => self.check_array(schema, value, place, faults),
            "string" => check_string(schema, value, place, faults),
            "integer" => check_integer(schema, value, place, faults),
            "boolean" => {
                if !value.is_boolean() || schema.get("const").is_some_and(|wanted| wanted != value) {
                    faults.push(place.fault(format!("{value} is not the boolean that is wanted")));
                }
            }
            "ref" => {
                let target = schema.get("ref").and_then(Value::as_str).unwrap_or("");
                self.check_ref(target, value, place, faults);
            }
            "union" => self.check_union(schema, value, place, faults),
            "blob" => check_blob(schema, value, place, faults),
            "cid-link" => check_link(value.get("$link"), value, place, faults),
            "bytes" => {
                if value.get("$bytes").and_then(Value::as_str).is_none() {
                    faults.push(place.fault("bytes are written {\"$bytes\": …}"));
                }
            }
            "unknown" => {
                if !value.is_object() {
                    faults.push(place.fault("must be an object"));
                }
            }
            other => faults.push(place.fault(format!("a definition of type {other:?} holds no value"))),
        }
    }

    fn check_object<'a>(&'a self, schema: &'a Value, value: &Value, place: &Place<'a>, faults: &mut Faults) {
        let Some(object) = value.as_object() else {
            faults.push(place.fault(format!("{value} is not an object")));
            return;
        };
        let empty = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
        let named = |list: &str, name: &str| {
            schema.get(list).and_then(Value::as_array).is_some_and(|names| names.iter().any(|known| known == name))
        };
        for name in properties.keys().filter(|name| named("required", name) && !object.contains_key(*name)) {
            faults.push(place.fault(format!("`{name}` is missing")));
        }
        for (name, value) in object.iter().filter(|(name, _)| *name != "$type") {
            match properties.get(name) {
                None => faults.push(place.fault(format!("there is no field `{name}`"))),
                Some(_) if value.is_null() && named("nullable", name) => {}
                Some(schema) => self.check(schema, value, &place.below(name), faults),
            }
        }
    }

    fn check_array<'a>(&'a self, schema: &'a Value, value: &Value, place: &Place<'a>, faults: &mut Faults) {
        let Some(items) = value.as_array() else {
            faults.push(place.fault(format!("{value} is not a list")));
            return;
        };
        check_range("entries", items.len(), schema, "minLength", "maxLength", place, faults);
        for (at, item) in items.iter().enumerate() {
            self.check(&schema["items"], item, &place.below(&at.to_string()), faults);
        }
    }

    fn check_ref<'a>(&'a self, target: &'a str, value: &Value, place: &Place<'a>, faults: &mut Faults) {
        let (id, name) = parted(target, place.lexicon);
        match self.definition(id, name) {
            None => faults.push(place.fault(format!("the lexicons have no {id}#{name}"))),
            // A token stands for itself.
            Some(definition) if kind(definition) == "token" => {
                if value.as_str() != Some(&full_name(id, name)) {
                    faults.push(place.fault(format!("{value} is not the token {id}#{name}")));
                }
            }
            Some(definition) => self.check(definition, value, &place.within(id), faults),
        }
    }

    fn check_union<'a>(&'a self, schema: &'a Value, value: &Value, place: &Place<'a>, faults: &mut Faults) {
        let Some(found) = value.get("$type").and_then(Value::as_str) else {
            faults.push(place.fault("a union member must be an object with `$type`"));
            return;
        };
        let members = schema.get("refs").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let wanted = |target: &&str| {
            let (id, name) = parted(target, place.lexicon);
            full_name(id, name) == found.strip_suffix("#main").unwrap_or(found)
        };
        match members.clone().find(wanted) {
            Some(member) => self.check_ref(member, value, place, faults),
            None => {
                let members: Vec<_> = members.collect();
                faults.push(place.fault(format!("`$type` {found} is not among {}", members.join(", "))));
            }
        }
    }
}

fn check_string(schema: &Value, value: &Value, place: &Place<'_>, faults: &mut Faults) {
    let Some(text) = value.as_str() else {
        faults.push(place.fault(format!("{value} is not a text")));
        return;
    };
    check_range("bytes", text.len(), schema, "minLength", "maxLength", place, faults);
    let graphemes = text.graphemes(true).count();
    check_range("graphemes", graphemes, schema, "minGraphemes", "maxGraphemes", place, faults);
    if let Some(format) = schema.get("format").and_then(Value::as_str)
        && !is_format(format, text)
    {
        faults.push(place.fault(format!("{text:?} is not of the format {format}")));
    }
    if schema.get("const").is_some_and(|wanted| wanted != value) {
        faults.push(place.fault(format!("{text:?} is not the one value that is allowed")));
    }
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array)
        && !allowed.contains(value)
    {
        faults.push(place.fault(format!("{text:?} is not among the allowed values")));
    }
}

fn check_integer(schema: &Value, value: &Value, place: &Place<'_>, faults: &mut Faults) {
    let Some(number) = value.as_i64() else {
        faults.push(place.fault(format!("{value} is not an integer")));
        return;
    };
    let limit = |name: &str| schema.get(name).and_then(Value::as_i64);
    if limit("minimum").is_some_and(|least| number < least) || limit("maximum").is_some_and(|most| number > most) {
        faults.push(place.fault(format!("{number} is out of range")));
    }
}

fn check_blob(schema: &Value, value: &Value, place: &Place<'_>, faults: &mut Faults) {
    if value.get("$type").and_then(Value::as_str) != Some("blob") {
        faults.push(place.fault("a blob has the `$type` blob"));
    }
    check_link(value.pointer("/ref/$link"), value, place, faults);
    let media_type = value.get("mimeType").and_then(Value::as_str).unwrap_or("");
    let accepts = |pattern: &str| match pattern.strip_suffix('*') {
        Some(start) => media_type.starts_with(start),
        None => media_type == pattern,
    };
    let patterns = schema.get("accept").and_then(Value::as_array);
    let accepted = patterns.is_none_or(|patterns| patterns.iter().filter_map(Value::as_str).any(accepts));
    if !media_type.contains('/') || !accepted {
        faults.push(place.fault(format!("the media type {media_type:?} is not accepted")));
    }
    match value.get("size").and_then(Value::as_u64) {
        None | Some(0) => faults.push(place.fault("a blob has a size above 0")),
        Some(size) => {
            if schema.get("maxSize").and_then(Value::as_u64).is_some_and(|most| size > most) {
                faults.push(place.fault(format!("{size} bytes are too many")));
            }
        }
    }
    let known = ["$type", "ref", "mimeType", "size"];
    for name in value.as_object().into_iter().flatten().map(|(name, _)| name).filter(|n| !known.contains(&n.as_str())) {
        faults.push(place.fault(format!("a blob has no field `{name}`")));
    }
}

fn check_link(link: Option<&Value>, value: &Value, place: &Place<'_>, faults: &mut Faults) {
    if !link.and_then(Value::as_str).is_some_and(|cid| is_format("cid", cid)) {
        faults.push(place.fault(format!("{value} has no link to content ({{\"$link\": CID}})")));
    }
}

fn check_range(
    what: &str,
    count: usize,
    schema: &Value,
    least: &str,
    most: &str,
    place: &Place<'_>,
    faults: &mut Faults,
) {
    let limit = |name: &str| schema.get(name).and_then(Value::as_u64);
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    if let Some(least) = limit(least).filter(|least| count < *least) {
        faults.push(place.fault(format!("{count} {what}, at least {least} are needed")));
    }
    if let Some(most) = limit(most).filter(|most| count > *most) {
        faults.push(place.fault(format!("{count} {what}, at most {most} are allowed")));
    }
}

fn kind(schema: &Value) -> &str {
    schema.get("type").and_then(Value::as_str).unwrap_or("")
}

/// `#name` is in the same lexicon, `id` is its `main`, `id#name` says both.
fn parted<'a>(target: &'a str, lexicon: &'a str) -> (&'a str, &'a str) {
    match target.split_once('#') {
        Some(("", name)) => (lexicon, name),
        Some((id, name)) => (id, name),
        None => (target, "main"),
    }
}

fn full_name(id: &str, name: &str) -> String {
    if name == "main" { id.to_owned() } else { format!("{id}#{name}") }
}
