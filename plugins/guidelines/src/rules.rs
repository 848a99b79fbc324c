//! The rules of brands: read for the call's brands only, nearest first.

use std::borrow::Cow;

use pressgate_sdk::{config, json};

/// The rules of the call's brand, of those above it, and of `*`, as JSON texts; nearest first.
pub(crate) fn read(brands: &[String]) -> Vec<String> {
    let mut levels = Vec::with_capacity(brands.len() + 1);
    for brand in brands.iter().map(String::as_str).chain(["*"]) {
        let mut pointer = String::with_capacity(16 + brand.len());
        pointer.push_str("/brands/");
        for c in brand.chars() {
            match c {
                '~' => pointer.push_str("~0"),
                '/' => pointer.push_str("~1"),
                _ => pointer.push(c),
            }
        }
        levels.extend(config::get(&pointer));
    }
    levels
}

/// What the levels say, each as JSON text.
#[derive(Default)]
pub(crate) struct BrandRules<'a> {
    /// The nearest rule for links.
    pub(crate) links: Option<&'a str>,
    /// The nearest rule for the language.
    pub(crate) language: Option<&'a str>,
    /// The required phrases of all levels.
    pub(crate) required: Vec<&'a str>,
}

impl<'a> BrandRules<'a> {
    /// Takes the levels apart.
    pub(crate) fn of(levels: &'a [String]) -> Self {
        let mut rules = Self::default();
        for (name, rule) in levels.iter().flat_map(|level| json::members(level)) {
            match name {
                "links" => rules.links = rules.links.or(Some(rule)),
                "language" => rules.language = rules.language.or(Some(rule)),
                "required" => rules.required.push(rule),
                _ => {}
            }
        }
        rules
    }
}

/// True where a list of brands (JSON) is absent or has one of the call's brands.
pub(crate) fn applies_to(list: Option<&str>, brands: &[String]) -> bool {
    list.is_none_or(|list| brands.iter().any(|brand| json::has_string(list, brand)))
}

/// The text of a member.
pub(crate) fn text_at<'a>(object: &'a str, name: &str) -> Option<Cow<'a, str>> {
    json::field(object, name).and_then(json::string)
}

/// The rule's own message, or `otherwise`.
pub(crate) fn sentence<'a>(rule: &'a str, otherwise: &'a str) -> Cow<'a, str> {
    text_at(rule, "message").unwrap_or(Cow::Borrowed(otherwise))
}

/// Appends a number in decimal, without the weight of `format!`.
pub(crate) fn append_number(text: &mut String, number: u32) {
    if number >= 10 {
        append_number(text, number / 10);
    }
    text.push(char::from(b'0' + (number % 10) as u8));
}
