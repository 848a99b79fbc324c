//! Strict JSON: UTF-8, one value, no key twice, no unknown field, no list for an object; each fault with its place.

use std::fmt;

use bytes::Bytes;
use serde::{
    Deserialize,
    de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

use super::{shape::Shaped, text::shortened};
use crate::refusal::{Fault, Refusal, Stage, problem};

/// Longest pointer and message that are shown: both may repeat names that the caller made up.
const POINTER_CHARS_MAX: usize = 200;
const MESSAGE_CHARS_MAX: usize = 500;

/// Reads a body as `T`.
pub fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Refusal> {
    let text = std::str::from_utf8(body)
        .map_err(|error| malformed(format!("The body is not UTF-8 from byte {} on.", error.valid_up_to())))?;
    let value = value(text)?;
    serde_path_to_error::deserialize(Shaped(value)).map_err(|error| {
        let pointer = shortened(&pointer(error.path()), POINTER_CHARS_MAX);
        let message = shortened(&error.into_inner().to_string(), MESSAGE_CHARS_MAX);
        let detail = format!("{} at {}.", capitalised(&message), if pointer.is_empty() { "the top" } else { &pointer });
        let fault = Fault {
            pointer: Some(pointer),
            account: None,
            code: "schema".into(),
            message,
            measured: None,
            allowed: None,
        };
        Refusal::new(problem::INVALID, Stage::Door, detail).with_faults(vec![fault])
    })
}

/// Reads one JSON value in which no object has a key twice.
pub fn value(text: &str) -> Result<Value, Refusal> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Strict.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    value.map_err(|error| malformed(format!("The body is not a JSON value: {error}.")))
}

fn malformed(detail: String) -> Refusal {
    Refusal::new(problem::MALFORMED, Stage::Door, detail)
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { variant } => format!("/{variant}"),
            Segment::Unknown => String::new(),
        })
        .collect()
}

/// Builds a [`Value`] and refuses duplicate keys, which `serde_json` would let the last one win: two readers of such a body
/// could see different things.
struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }
    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element_seed(Strict)? {
            all.push(item);
        }
        Ok(Value::Array(all))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some(key) = fields.next_key::<String>()? {
            if all.contains_key(&key) {
                return Err(A::Error::custom(format!("the key `{}` stands twice in one object", shortened(&key, 64))));
            }
            let value = fields.next_value_seed(Strict)?;
            all.insert(key, value);
        }
        Ok(Value::Object(all))
    }
}

/// A field that tells `null` and absent from a value alike.
pub fn some<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_twice_is_refused_at_any_depth() {
        for body in [r#"{"a":1,"a":1}"#, r#"[{"b":{"c":1,"c":2}}]"#, "{\"a\":1,\"\\u0061\":2}"] {
            assert_eq!(value(body).unwrap_err().problem, problem::MALFORMED, "{body}");
        }
        assert!(value(r#"[{"a":1},{"a":1}]"#).is_ok());
    }

    #[test]
    fn a_fault_names_its_place() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Outer {
            #[allow(dead_code, reason = "only its faults are looked at")]
            inner: Vec<u8>,
        }
        let refusal = read::<Outer>(&Bytes::from_static(br#"{"inner":[1,"x"]}"#)).unwrap_err();
        assert_eq!(refusal.faults[0].pointer.as_deref(), Some("/inner/1"));
        let refusal = read::<Outer>(&Bytes::from_static(br#"{"inner":[],"more":1}"#)).unwrap_err();
        assert!(refusal.faults[0].message.contains("more"), "{refusal:?}");
    }

    proptest! {
        #[test]
        fn what_serde_json_reads_is_read_alike_unless_a_key_repeats(text in "[\\[\\]{}:,\"a0-9. \\\\ntrue]{0,40}") {
            if let (Ok(strict), Ok(loose)) = (value(&text), serde_json::from_str::<Value>(&text)) {
                prop_assert_eq!(strict, loose);
            }
        }
    }
}
