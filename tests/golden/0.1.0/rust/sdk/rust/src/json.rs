//! Looking into small JSON texts without building a tree: for plugins that must stay tiny and start fast.
//!
//! Meant for what the gateway gives (`config::get`, `draft.options`), which is valid JSON. On anything else these functions
//! find nothing; they never panic.

use std::borrow::Cow;

/// The member `name` of the object `json`, as JSON text. Names with escapes in them are not found.
pub fn field<'a>(json: &'a str, name: &str) -> Option<&'a str> {
    members(json).find(|(own, _)| *own == name).map(|(_, member)| member)
}

/// The members of the object `json` in order: name and value, each as JSON text, the name without its quotation marks.
pub fn members(json: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = json.trim_ascii_start().strip_prefix('{').unwrap_or_default();
    std::iter::from_fn(move || {
        let key = value(rest)?;
        let after = rest_after(rest, key).strip_prefix(':')?;
        let member = value(after)?;
        rest = rest_after(after, member).strip_prefix(',').unwrap_or_default();
        let name = key.strip_prefix('"').and_then(|key| key.strip_suffix('"'))?;
        Some((name, member))
    })
}

/// The entries of the array `json`, each as JSON text.
pub fn items(json: &str) -> impl Iterator<Item = &str> {
    let mut rest = json.trim_ascii_start().strip_prefix('[').unwrap_or_default();
    std::iter::from_fn(move || {
        let item = value(rest)?;
        let after = rest_after(rest, item);
        rest = after.strip_prefix(',').unwrap_or_default();
        Some(item)
    })
}

/// The text that the JSON string `json` stands for; none where it is not a string.
pub fn string(json: &str) -> Option<Cow<'_, str>> {
    let raw = json.trim_ascii().strip_prefix('"')?.strip_suffix('"')?;
    Some(if raw.contains('\\') { Cow::Owned(unescape(raw)) } else { Cow::Borrowed(raw) })
}

/// True where the array `json` has the plain string `wanted`.
pub fn has_string(json: &str, wanted: &str) -> bool {
    items(json).any(|item| string(item).is_some_and(|s| s == wanted))
}

/// Calls `found` with every string value at any depth of `json` (names of members are not values).
pub fn each_string(json: &str, found: &mut dyn FnMut(&str)) {
    let mut rest = json;
    while let Some(at) = rest.find('"') {
        rest = &rest[at..];
        let Some(text) = value(rest) else { return };
        rest = rest_after(rest, text);
        if !rest.starts_with(':')
            && let Some(text) = string(text)
        {
            found(&text);
        }
    }
}

/// The value that `json` starts with, white space aside.
fn value(json: &str) -> Option<&str> {
    let json = json.trim_ascii_start();
    let bytes = json.as_bytes();
    let end = match bytes.first()? {
        b'"' => string_end(bytes, 0)?,
        b'{' | b'[' => nested_end(bytes)?,
        _ => {
            let ends = |byte: &u8| matches!(byte, b',' | b':' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t');
            bytes.iter().position(ends).unwrap_or(bytes.len())
        }
    };
    if end == 0 { None } else { json.get(..end) }
}

/// Where the string that starts at `start` ends, with its quotation marks.
fn string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// Where the object or array that `bytes` start with ends.
fn nested_end(bytes: &[u8]) -> Option<usize> {
    let (mut depth, mut at) = (0_usize, 0);
    loop {
        match bytes.get(at)? {
            b'"' => {
                at = string_end(bytes, at)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 1 => return Some(at + 1),
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
}

/// What follows `part`, a slice of `whole`, white space aside.
fn rest_after<'a>(whole: &'a str, part: &str) -> &'a str {
    let end = part.as_ptr() as usize + part.len() - whole.as_ptr() as usize;
    whole.get(end..).unwrap_or_default().trim_ascii_start()
}

fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let tail = &rest[at + 1..];
        let (c, length) = escape(tail);
        out.push(c);
        rest = tail.get(length..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// The character of an escape (without its backslash) and the length of the escape.
fn escape(tail: &str) -> (char, usize) {
    let unit = |at: usize| tail.get(at..at + 4).and_then(|hex| u32::from_str_radix(hex, 16).ok());
    match tail.bytes().next() {
        Some(b'n') => ('\n', 1),
        Some(b't') => ('\t', 1),
        Some(b'r') => ('\r', 1),
        Some(b'b') => ('\u{8}', 1),
        Some(b'f') => ('\u{c}', 1),
        Some(b'u') => match (unit(1), unit(7)) {
            (Some(high @ 0xD800..=0xDBFF), Some(low @ 0xDC00..=0xDFFF)) => {
                (char::from_u32(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)).unwrap_or('\u{FFFD}'), 11)
            }
            (Some(code), _) => (char::from_u32(code).unwrap_or('\u{FFFD}'), 5),
            _ => ('\u{FFFD}', 1),
        },
        Some(_) => {
            let c = tail.chars().next().unwrap_or('\u{FFFD}');
            (c, c.len_utf8())
        }
        None => ('\u{FFFD}', 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_members_items_and_strings() {
        let json = r#" { "a" : [1, "x,]", {"b": "}"}], "c":"p\"\u00e1\ud83d\ude00\\", "d": null , "e":true}"#;
        assert_eq!(field(json, "d"), Some("null"));
        assert_eq!(field(json, "e"), Some("true"));
        assert_eq!(field(json, "b"), None);
        let names: Vec<&str> = members(json).map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "c", "d", "e"]);
        assert_eq!(members("[1]").chain(members("{}")).chain(members("{,}")).count(), 0);
        assert_eq!(items(field(json, "a").unwrap()).collect::<Vec<_>>(), ["1", "\"x,]\"", r#"{"b": "}"}"#]);
        assert_eq!(string(field(json, "c").unwrap()).unwrap(), "p\"á😀\\");
        assert!(has_string(r#"["k", "l"]"#, "l") && !has_string("[]", "l"));
        let mut all = Vec::new();
        each_string(json, &mut |s| all.push(s.to_owned()));
        assert_eq!(all, ["x,]", "}", "p\"á😀\\"]);
    }

    proptest::proptest! {
        #[test]
        fn never_panics_and_finds_what_serde_finds(text in "\\PC*", key in "[a-z]{1,3}") {
            for broken in [text.as_str(), "{\"a", "{\"a\\", "[\"\\u12", "{a:[", "\"\\"] {
                let _ = (field(broken, "a"), items(broken).count(), string(broken));
                each_string(broken, &mut |_| {});
            }
            let json = serde_json::json!({ "z": [text, { "z": 1 }], &key: { "y": text } }).to_string();
            let inner = field(&json, &key).and_then(|v| field(v, "y")).and_then(string);
            if key != "z" {
                proptest::prop_assert_eq!(inner.as_deref(), Some(text.as_str()));
            }
        }
    }
}
