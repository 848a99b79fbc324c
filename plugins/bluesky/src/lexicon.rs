//! Checks records against the published lexicons, for tests. Reads them where `PRESSGATE_SPECS` says they are.

use std::path::PathBuf;

use pressgate_sdk::text::Measure;
use serde_json::Value;

/// The folder of lexicons; none where the environment does not say, which `PRESSGATE_NO_SKIP` forbids.
pub fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("PRESSGATE_SPECS");
    assert!(folder.is_some() || std::env::var_os("PRESSGATE_NO_SKIP").is_none(), "PRESSGATE_SPECS is not set");
    Some(PathBuf::from(folder?).join("atproto/lexicons"))
}

/// Faults of a value against a definition: `app.bsky.feed.post`, `app.bsky.richtext.facet#link`. A property that the
/// lexicon does not have is a fault here, though the protocol permits it.
pub fn faults(lexicons: &std::path::Path, name: &str, value: &Value) -> Vec<String> {
    let (file, part) = name.split_once('#').unwrap_or((name, "main"));
    let path = lexicons.join(file.replace('.', "/")).with_extension("json");
    let lexicon: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut checker = Checker { lexicons, file: file.to_owned(), faults: Vec::new() };
    let definition = &lexicon["defs"][part];
    let schema = match definition["type"].as_str() {
        Some("record") => &definition["record"],
        Some("procedure") => &definition["input"]["schema"],
        _ => definition,
    };
    checker.check(schema, value, name);
    checker.faults
}

struct Checker<'a> {
    lexicons: &'a std::path::Path,
    file: String,
    faults: Vec<String>,
}

impl Checker<'_> {
    fn check(&mut self, schema: &Value, value: &Value, at: &str) {
        let kind = schema["type"].as_str().unwrap_or_default();
        let fits = match kind {
            "object" => return self.object(schema, value, at),
            "array" => value.as_array().is_some_and(|items| {
                items.iter().for_each(|item| self.check(&schema["items"], item, &format!("{at}[]")));
                schema["maxLength"].as_u64().is_none_or(|max| items.len() as u64 <= max)
            }),
            "string" => value.as_str().is_some_and(|text| {
                let within = |limit: &str, length: usize| schema[limit].as_u64().is_none_or(|max| length as u64 <= max);
                within("maxLength", text.len()) && within("maxGraphemes", Measure::graphemes().of(text))
            }),
            "integer" => {
                value.as_i64().is_some_and(|number| schema["minimum"].as_i64().is_none_or(|min| number >= min))
            }
            "boolean" => value.is_boolean(),
            "unknown" => value.is_object(),
            "blob" => {
                value["$type"] == "blob"
                    && value["ref"]["$link"].is_string()
                    && value["mimeType"].is_string()
                    && value["size"].is_u64()
            }
            "ref" => return self.reference(schema["ref"].as_str().unwrap(), value),
            "union" => {
                let named = value["$type"].as_str().unwrap_or_default().to_owned();
                let refs = schema["refs"].as_array().unwrap();
                let known = refs.iter().filter_map(Value::as_str).find(|one| self.full(one) == named);
                return match known {
                    Some(one) => self.reference(one, value),
                    None => self.faults.push(format!("{at}: `{named}` is not in the union")),
                };
            }
            other => panic!("{at}: lexicon type {other}"),
        };
        if !fits {
            self.faults.push(format!("{at}: {value} is no such {kind}"));
        }
    }

    fn object(&mut self, schema: &Value, value: &Value, at: &str) {
        let Some(object) = value.as_object() else { return self.faults.push(format!("{at}: not an object")) };
        for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !object.contains_key(required) {
                self.faults.push(format!("{at}: `{required}` is missing"));
            }
        }
        for (name, value) in object.iter().filter(|(name, _)| *name != "$type") {
            match schema["properties"].get(name) {
                Some(property) => self.check(property, value, &format!("{at}.{name}")),
                None => self.faults.push(format!("{at}: `{name}` is not in the lexicon")),
            }
        }
    }

    fn full(&self, name: &str) -> String {
        if name.starts_with('#') { format!("{}{name}", self.file) } else { name.to_owned() }
    }

    fn reference(&mut self, name: &str, value: &Value) {
        self.faults.extend(faults(self.lexicons, &self.full(name), value));
    }
}
