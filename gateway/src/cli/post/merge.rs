//! The difference of two JSON values as a merge patch (RFC 7396).

use serde_json::{Map, Value};

/// The patch that makes `new` of `old`; an empty object where they are the same. `new` has no `null` of its own: a patch can't say that.
pub fn difference(old: &Value, new: &Value) -> Value {
    let (Value::Object(old), Value::Object(new)) = (old, new) else { return new.clone() };
    let mut patch = Map::new();
    for (name, value) in new {
        match old.get(name) {
            Some(before) if before == value => {}
            Some(before) => {
                patch.insert(name.clone(), difference(before, value));
            }
            None => {
                patch.insert(name.clone(), value.clone());
            }
        }
    }
    for name in old.keys().filter(|name| !new.contains_key(*name)) {
        patch.insert(name.clone(), Value::Null);
    }
    Value::Object(patch)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// RFC 7396, section 2, as it stands there.
    fn merged(target: Value, patch: &Value) -> Value {
        let Value::Object(patch) = patch else { return patch.clone() };
        let Value::Object(mut fields) = (if target.is_object() { target } else { json!({}) }) else { unreachable!() };
        for (name, value) in patch {
            if value.is_null() {
                fields.remove(name);
            } else {
                let before = fields.remove(name).unwrap_or(Value::Null);
                fields.insert(name.clone(), merged(before, value));
            }
        }
        Value::Object(fields)
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![any::<bool>().prop_map(Value::from), any::<u8>().prop_map(Value::from)];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[a-d]", inner, 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_patch_makes_the_new_of_the_old(old in value(), new in value()) {
            prop_assert_eq!(merged(old.clone(), &difference(&old, &new)), new);
        }
    }

    #[test]
    fn what_stays_is_not_in_the_patch() {
        let old = json!({"accounts": ["a"], "content": {"text": "x", "language": "en"}, "labels": ["l"]});
        let new = json!({"accounts": ["a"], "content": {"text": "y", "language": "en"}});
        assert_eq!(difference(&old, &new), json!({"content": {"text": "y"}, "labels": null}));
        assert_eq!(difference(&old, &old), json!({}));
    }
}
