//! Where what was found differs from what a scenario says, in words.

use serde_json::Value;

/// Stands for any value.
pub const ANY: &str = "*";
const SHOWN_CHARS_MAX: usize = 160;

/// The first difference between two JSON values; none where they fit.
pub fn json(wanted: &Value, found: &Value) -> Option<String> {
    at("", wanted, found)
}

fn at(pointer: &str, wanted: &Value, found: &Value) -> Option<String> {
    let place = if pointer.is_empty() { "the body" } else { pointer };
    match (wanted, found) {
        (Value::String(any), _) if any == ANY => None,
        (Value::Object(wanted), Value::Object(found)) => {
            let missing = wanted.keys().find(|name| !found.contains_key(*name));
            let more = found.keys().find(|name| !wanted.contains_key(*name));
            if let Some(name) = missing {
                return Some(format!("{pointer}/{name} is missing"));
            }
            if let Some(name) = more {
                return Some(format!("{pointer}/{name} is there, and the scenario does not have it"));
            }
            wanted.iter().find_map(|(name, value)| {
                at(&format!("{pointer}/{name}"), value, found.get(name).unwrap_or(&Value::Null))
            })
        }
        (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => {
            let pairs = wanted.iter().zip(found).enumerate();
            pairs.into_iter().find_map(|(index, (wanted, found))| at(&format!("{pointer}/{index}"), wanted, found))
        }
        _ if wanted == found => None,
        _ => Some(format!("{place} should be {} and is {}", shown(&wanted.to_string()), shown(&found.to_string()))),
    }
}

/// Two texts; none where they are the same.
pub fn text(what: &str, wanted: &str, found: &str) -> Option<String> {
    let same = wanted == found || wanted == ANY;
    (!same).then(|| format!("{what} should be `{}` and is `{}`", shown(wanted), shown(found)))
}

fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_difference_is_named_by_its_place() {
        let wanted = json!({"text": "a", "media": [{"id": "1", "at": "*"}]});
        assert_eq!(json(&wanted, &json!({"text": "a", "media": [{"id": "1", "at": 7}]})), None);
        for (found, says) in [
            (json!({"text": "b", "media": []}), "/text should be \"a\" and is \"b\""),
            (json!({"text": "a", "media": []}), "/media should be"),
            (json!({"text": "a", "media": [{"id": "2", "at": 7}]}), "/media/0/id should be \"1\" and is \"2\""),
            (json!({"text": "a"}), "/media is missing"),
            (json!({"text": "a", "media": [{"id": "1", "at": 7}], "x": 1}), "/x is there"),
            (json!([]), "the body should be"),
        ] {
            assert!(
                json(&wanted, &found).is_some_and(|text| text.contains(says)),
                "{says}: {:?}",
                json(&wanted, &found)
            );
        }
        assert_eq!(text("the path", "*", "/x"), None);
        assert!(text("the path", "/x", "/y").is_some());
    }
}
