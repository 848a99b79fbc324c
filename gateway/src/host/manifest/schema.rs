//! The configuration's schema: that it is one, and that the pattern sets look for lists which it describes.

use std::cell::Cell;

use serde_json::Value;

use super::MatchDecl;
use super::check::ManifestError;

/// Parts of a schema that are looked at for one pointer. References may run in circles.
const PARTS_MAX: usize = 10_000;
/// Parts within parts.
const DEPTH_MAX: usize = 64;

/// Checks the schema and each set's place in it.
pub(super) fn check(schema: Option<&Value>, matches: &[MatchDecl]) -> Result<(), ManifestError> {
    let Some(schema) = schema else {
        if matches.is_empty() {
            return Ok(());
        }
        let message = "a plugin without `[config] schema` has an empty configuration, so this set would be empty";
        return Err(ManifestError::at("match[0].pointer", message));
    };
    // As for configurations: a reference to elsewhere is not followed, and expressions are linear.
    jsonschema::validator_for(schema)
        .map_err(|error| ManifestError::at("config.schema", format!("is not a valid JSON Schema: {error}")))?;
    for (index, decl) in matches.iter().enumerate() {
        let place = |field: &str| format!("match[{index}].{field}");
        let list: Vec<String> = decl.pointer.split('/').skip(1).map(unescaped).collect();
        let mut entry = list.clone();
        entry.push("0".to_owned());
        if !describes(schema, &entry) {
            let what = if describes(schema, &list) { "no list" } else { "nothing" };
            let message = format!("the configuration's schema has {what} at `{}`", decl.pointer);
            return Err(ManifestError::at(place("pointer"), message));
        }
        let Some(field) = &decl.field else { continue };
        entry.push(field.clone());
        if !describes(schema, &entry) {
            let message = format!("the schema's entries at `{}` have no field `{field}`", decl.pointer);
            return Err(ManifestError::at(place("field"), message));
        }
    }
    Ok(())
}

/// One step of a JSON pointer (RFC 6901 §4).
fn unescaped(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}

/// Does the schema say that something may stand at these steps?
fn describes(schema: &Value, steps: &[String]) -> bool {
    may_stand(schema, schema, steps, DEPTH_MAX, &Cell::new(PARTS_MAX))
}

/// The same of a part of the schema. A part that says nothing about its inside allows all; one that names properties means those.
fn may_stand(root: &Value, part: &Value, steps: &[String], depth: usize, left: &Cell<usize>) -> bool {
    let (Some(depth), Some(fewer)) = (depth.checked_sub(1), left.get().checked_sub(1)) else { return false };
    left.set(fewer);
    let Some((step, rest)) = steps.split_first() else { return *part != Value::Bool(false) };
    let Some(part) = part.as_object() else { return *part == Value::Bool(true) };
    let below = |part: &Value| may_stand(root, part, rest, depth, left);
    let same = |part: &Value| may_stand(root, part, steps, depth, left);
    if let Some(target) = part.get("$ref").and_then(Value::as_str) {
        // What cannot be looked up so simply (an anchor) is not held against the author.
        let pointer = target.strip_prefix('#').filter(|rest| rest.is_empty() || rest.starts_with('/'));
        if pointer.is_none_or(|pointer| root.pointer(pointer).is_some_and(same)) {
            return true;
        }
    }
    let alternatives =
        ["allOf", "anyOf", "oneOf"].iter().filter_map(|word| part.get(*word)).filter_map(Value::as_array);
    if alternatives.flatten().any(same) {
        return true;
    }
    let is_index = step.bytes().all(|byte| byte.is_ascii_digit());
    let items = ["prefixItems", "items"].iter().filter_map(|word| part.get(*word));
    let of_items = |items: &Value| match items {
        Value::Array(list) => list.iter().any(below),
        one => below(one),
    };
    if is_index && items.clone().any(of_items) {
        return true;
    }
    if part.get("properties").and_then(|all| all.get(step)).is_some_and(below) {
        return true;
    }
    let by_pattern = part.get("patternProperties").and_then(Value::as_object);
    if by_pattern.is_some_and(|all| all.values().any(below)) {
        return true;
    }
    if let Some(others @ Value::Object(_)) = part.get("additionalProperties") {
        return below(others);
    }
    // Nothing names it. It may be there only where the part says nothing of what it holds.
    let says = ["$ref", "allOf", "anyOf", "oneOf", "properties", "patternProperties", "items", "prefixItems"];
    let closed = part.get("additionalProperties") == Some(&Value::Bool(false));
    let wanted = if is_index { "array" } else { "object" };
    let typed = match part.get("type") {
        None => true,
        Some(Value::Array(types)) => types.iter().any(|one| one == wanted),
        Some(one) => one == wanted,
    };
    typed && !closed && !says.iter().any(|word| part.contains_key(*word))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::host::patterns::{Fold, SetKind};

    fn judged(schema: Option<&Value>, pointer: &str, field: Option<&str>) -> Result<(), String> {
        let decl = MatchDecl {
            set: "s".into(),
            kind: SetKind::Phrases,
            pointer: pointer.into(),
            field: field.map(Into::into),
            fold: Fold::Case,
        };
        check(schema, &[decl]).map_err(|error| error.to_string())
    }

    #[test]
    fn a_set_looks_where_the_schema_has_a_list() {
        let schema = json!({
            "type": "object", "additionalProperties": false,
            "properties": {
                "plain": { "type": "array", "items": { "type": "string" } },
                "rich": { "type": "array", "items": { "oneOf": [{ "type": "string" }, { "$ref": "#/$defs/entry" }] } },
                "deep": { "type": "object", "properties": { "a/b": { "$ref": "#/properties/plain" } } },
                "number": { "type": "integer" },
                "free": {},
                "untyped_list": { "type": "array" },
                "circle": { "$ref": "#/properties/circle" }
            },
            "$defs": { "entry": { "type": "object", "properties": { "phrase": { "type": "string" } } } }
        });
        for (pointer, field, fault) in [
            ("/plain", None, None),
            ("/rich", Some("phrase"), None),
            ("/deep/a~1b", None, None),
            ("/free/any", None, None),
            ("/untyped_list", Some("x"), None),
            ("/nothing", None, Some("has nothing at `/nothing`")),
            ("/deep/c", None, Some("has nothing")),
            ("/number", None, Some("has no list at `/number`")),
            ("", None, Some("has no list")),
            ("/rich", Some("text"), Some("have no field `text`")),
            ("/plain", Some("text"), Some("have no field `text`")),
            ("/circle", None, Some("has no")),
        ] {
            let judged = judged(Some(&schema), pointer, field);
            match fault {
                None => assert_eq!(judged, Ok(()), "{pointer}"),
                Some(part) => assert!(judged.as_ref().is_err_and(|text| text.contains(part)), "{pointer}: {judged:?}"),
            }
        }
        assert!(judged(None, "/plain", None).unwrap_err().contains("without `[config] schema`"));
    }

    #[test]
    fn what_is_no_schema_or_reaches_out_is_refused() {
        for schema in [
            json!({ "type": "strng" }),
            json!({ "$ref": "https://elsewhere.example/schema.json" }),
            json!({ "properties": { "a": { "pattern": "(" } } }),
            json!("text"),
        ] {
            let error = check(Some(&schema), &[]).unwrap_err();
            assert!(error.place == "config.schema" && error.message.contains("JSON Schema"), "{schema}: {error}");
        }
        assert_eq!(check(Some(&json!(true)), &[]), Ok(()));
    }

    proptest! {
        #[test]
        fn no_pointer_and_no_schema_make_it_panic(pointer in "(/[a-z0-9~]{0,3}){0,4}", text in "[\\[{\"a-z$#/:,0}\\]]{0,30}") {
            let schema = serde_json::from_str(&text).unwrap_or(Value::Bool(true));
            let _ = judged(Some(&schema), &pointer, Some("x"));
        }
    }
}
