//! One version of a plugin's configuration: validated, its patterns built, its values ready to hand out.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::digest;
use serde_json::Value;

use super::error::{ConfigFault, LoadError};
use super::manifest::Manifest;
use super::patterns::PatternSets;
use crate::model::hex::hex;

/// Faults that are reported at once.
const FAULTS_MAX: usize = 32;
/// Longest message of a fault, so that a wrong value in it does not flood the answer.
const FAULT_CHARS_MAX: usize = 300;
/// Pointers whose values are kept ready. A plugin asks for a handful.
const KEPT_POINTERS_MAX: usize = 1024;
/// Values that are kept ready, in all; what does not fit is serialised at each call.
const KEPT_BYTES_MAX: usize = 16 << 20;

/// A configuration that a release runs with.
#[derive(Debug)]
pub(super) struct Settings {
    value: Value,
    digest: String,
    patterns: PatternSets,
    kept: RwLock<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    bytes: usize,
    values: HashMap<String, Option<Arc<str>>>,
}

impl Settings {
    /// Validates and builds.
    pub(super) fn new(manifest: &Manifest, value: &Value) -> Result<Self, LoadError> {
        validate(manifest, value)?;
        Self::build(manifest, value)
    }

    /// No configuration at all, although the schema may demand one: to try a plugin, never to serve.
    pub(super) fn unset(manifest: &Manifest) -> Result<Self, LoadError> {
        Self::build(manifest, &Value::Object(serde_json::Map::new()))
    }

    fn build(manifest: &Manifest, value: &Value) -> Result<Self, LoadError> {
        let patterns =
            PatternSets::build(&manifest.matches, value).map_err(|error| LoadError::Patterns(error.to_string()))?;
        let canonical = canonical(value);
        let digest = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
        Ok(Self { value: value.clone(), digest, patterns, kept: RwLock::default() })
    }

    pub(super) fn digest(&self) -> &str {
        &self.digest
    }

    pub(super) fn patterns(&self) -> &PatternSets {
        &self.patterns
    }

    /// The JSON at a pointer.
    pub(super) fn get(&self, pointer: &str) -> Option<Arc<str>> {
        if let Some(kept) = self.kept.read().unwrap_or_else(PoisonError::into_inner).values.get(pointer) {
            return kept.clone();
        }
        let json: Option<Arc<str>> = self.value.pointer(pointer).map(|value| value.to_string().into());
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        let bytes = pointer.len() + json.as_ref().map_or(0, |json| json.len());
        if kept.values.len() < KEPT_POINTERS_MAX && kept.bytes.saturating_add(bytes) <= KEPT_BYTES_MAX {
            kept.bytes += bytes;
            kept.values.insert(pointer.to_owned(), json.clone());
        }
        json
    }
}

fn validate(manifest: &Manifest, value: &Value) -> Result<(), LoadError> {
    let Some(schema) = &manifest.config_schema else {
        if value.as_object().is_some_and(serde_json::Map::is_empty) {
            return Ok(());
        }
        let message = "this plugin takes no configuration; leave it empty".to_owned();
        return Err(LoadError::Config { faults: vec![ConfigFault { pointer: String::new(), message }] });
    };
    let validator = jsonschema::validator_for(schema).map_err(|error| LoadError::Schema(error.to_string()))?;
    let faults: Vec<ConfigFault> = validator
        .iter_errors(value)
        .take(FAULTS_MAX)
        .map(|error| ConfigFault {
            pointer: error.instance_path().to_string(),
            message: error.to_string().chars().take(FAULT_CHARS_MAX).collect(),
        })
        .collect();
    if faults.is_empty() { Ok(()) } else { Err(LoadError::Config { faults }) }
}

/// The same text for the same value, whatever the order of its keys was.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by(|a, b| a.0.cmp(b.0));
            let body: Vec<String> = entries
                .into_iter()
                .map(|(key, value)| format!("{}:{}", Value::String(key.clone()), canonical(value)))
                .collect();
            format!("{{{}}}", body.join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn manifest(schema: Option<Value>) -> Manifest {
        let text = "[plugin]\nname = \"p\"\nversion = \"0.1.0\"\nkind = \"policy\"\nwit = \"0.1.0\"\n";
        Manifest { config_schema: schema, ..Manifest::from_toml(text, |_| Err(String::new())).unwrap() }
    }

    #[test]
    fn each_fault_is_named_with_its_pointer() {
        let schema = json!({"type": "object", "additionalProperties": false,
            "properties": {"a": {"type": "array", "items": {"type": "string"}}, "b": {"type": "integer"}}});
        let error = Settings::new(&manifest(Some(schema)), &json!({"a": ["x", 1], "b": "2", "c": 0})).unwrap_err();
        let LoadError::Config { faults } = error else { panic!("{error}") };
        let mut pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        pointers.sort_unstable();
        assert_eq!(pointers, ["", "/a/1", "/b"]);
    }

    #[test]
    fn a_plugin_without_schema_takes_an_empty_configuration_only() {
        assert!(Settings::new(&manifest(None), &json!({})).is_ok());
        assert!(Settings::new(&manifest(None), &json!({"a": 1})).is_err());
        assert!(Settings::new(&manifest(None), &json!(null)).is_err());
    }

    #[test]
    fn a_schema_that_reaches_out_is_refused() {
        let schema = json!({"$ref": "https://elsewhere.example/schema.json"});
        assert!(matches!(Settings::new(&manifest(Some(schema)), &json!({})), Err(LoadError::Schema(_))));
    }

    #[test]
    fn values_come_at_pointers_and_the_digest_knows_no_order() {
        let any = manifest(Some(json!(true)));
        let one = Settings::new(&any, &json!({"a": {"b/c": [1, "é"]}, "d": null})).unwrap();
        for _ in 0..2 {
            assert_eq!(one.get("/a/b~1c/1").as_deref(), Some("\"é\""));
            assert_eq!(one.get("/nowhere"), None);
            assert_eq!(one.get("/d").as_deref(), Some("null"));
            assert_eq!(one.get("").as_deref(), Some(r#"{"a":{"b/c":[1,"é"]},"d":null}"#));
        }
        let other = Settings::new(&any, &json!({"d": null, "a": {"b/c": [1, "é"]}})).unwrap();
        assert_eq!(one.digest(), other.digest());
        assert_ne!(one.digest(), Settings::new(&any, &json!({"d": null})).unwrap().digest());
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let settings = Settings::new(&manifest(Some(json!(true))), &json!({})).unwrap();
        for number in 0..3 * KEPT_POINTERS_MAX {
            assert_eq!(settings.get(&format!("/{number}")), None);
        }
        assert_eq!(settings.kept.read().unwrap().values.len(), KEPT_POINTERS_MAX);
    }
}
