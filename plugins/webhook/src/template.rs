//! Values of an event in the places of a template.

use pressgate_sdk::connector::Event;
use serde_json::{Map, Value};

/// The whole event, where a text is nothing else.
const WHOLE: &str = "{event}";

/// The template with the event's values in its texts. What is no name of a value stays as it is.
pub fn filled(template: &Value, event: &Event) -> Value {
    match template {
        Value::String(text) if text == WHOLE => serde_json::from_str(&event.json).unwrap_or_default(),
        Value::String(text) => Value::String(texts(text, event, |value| value.to_owned())),
        Value::Array(items) => items.iter().map(|item| filled(item, event)).collect(),
        Value::Object(map) => {
            Value::Object(map.iter().map(|(name, value)| (name.clone(), filled(value, event))).collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

/// A path with the event's values, percent-encoded, so that no value adds a step or a parameter.
pub fn path(template: &str, event: &Event) -> String {
    texts(template, event, encoded)
}

fn texts(template: &str, event: &Event, written: impl Fn(&str) -> String) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        match after.split_once('}').and_then(|(name, tail)| Some((value(name, event)?, tail))) {
            Some((value, tail)) => {
                out.push_str(&written(&value));
                rest = tail;
            }
            None => {
                out.push('{');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

fn value(name: &str, event: &Event) -> Option<String> {
    let there = |value: &Option<String>| Some(value.clone().unwrap_or_default());
    match name {
        "id" => Some(event.id.clone()),
        "kind" => Some(event.kind.clone()),
        "at_ms" => Some(event.at_ms.to_string()),
        "brand" => there(&event.brand),
        "post" => there(&event.post),
        "account" => there(&event.account),
        "accounts" => Some(event.accounts.join(", ")),
        "campaign" => there(&event.campaign),
        "app" => there(&event.app),
        "person" => there(&event.person),
        "detail" => there(&event.detail),
        "codes" => Some(event.codes.join(", ")),
        "platform_ids" => Some(event.platform_ids.join(", ")),
        _ => None,
    }
}

fn encoded(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    value.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use pressgate_sdk::testing;
    use serde_json::json;

    use super::*;

    #[test]
    fn values_stand_where_they_are_named_and_nowhere_else() {
        let event = testing::delivery("post.held").event;
        let template = json!({"a": ["{kind} {campaign}|", 7], "b": "{unknown} {", "c": "{event}"});
        let made = filled(&template, &event);
        assert_eq!(
            (&made["a"][0], &made["a"][1], &made["b"]),
            (&json!("post.held |"), &json!(7), &json!("{unknown} {"))
        );
        assert_eq!(made["c"]["type"], "post.held");
    }

    #[test]
    fn no_value_leaves_its_place_in_a_path() {
        let mut event = testing::delivery("post.held").event;
        event.brand = Some("acme/snacks?x=1&ž".to_owned());
        assert_eq!(path("/b/{brand}/in", &event), "/b/acme%2Fsnacks%3Fx%3D1%26%C5%BE/in");
    }

    #[test]
    fn a_value_is_not_a_template_again() {
        let mut event = testing::delivery("post.held").event;
        event.detail = Some("{post}".to_owned());
        assert_eq!(filled(&json!("{detail}"), &event), json!("{post}"));
    }
}
