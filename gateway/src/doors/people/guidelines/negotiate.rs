//! Which form and which language of a text suits a request (RFC 9110 section 12.5, RFC 4647).
//!
//! Of our own, because it is short: the crates for it choose among their own types, or do not look up parents of a language.

use axum::http::{HeaderMap, HeaderName};

/// Most entries of one header that are looked at.
const ENTRIES_MAX: usize = 64;
/// The most a weight can be, in thousandths.
const WHOLE: u16 = 1_000;

/// A form that texts are served in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A page.
    Html,
    /// The text as it was written.
    Markdown,
    /// With all that is known of it.
    Json,
}

impl Form {
    const ALL: [Self; 3] = [Self::Html, Self::Markdown, Self::Json];

    /// Its media type.
    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Html => "text/html",
            Self::Markdown => "text/markdown",
            Self::Json => "application/json",
        }
    }

    /// The form that a request prefers; a page where it prefers none, or none that there is.
    pub(super) fn wanted(headers: &HeaderMap) -> Self {
        let wishes = weighted(headers, &axum::http::header::ACCEPT);
        let mut best = (0, Self::Html);
        for form in Self::ALL {
            let weight = weight_of(form.media_type(), &wishes);
            if weight > best.0 {
                best = (weight, form);
            }
        }
        best.1
    }
}

/// The weight of a media type: that of the most specific range it is in.
fn weight_of(media_type: &str, wishes: &[(String, u16)]) -> u16 {
    let of = |range: &str| wishes.iter().find(|(wish, _)| wish == range).map(|(_, weight)| *weight);
    let (kind, _) = media_type.split_once('/').unwrap_or((media_type, ""));
    of(media_type).or_else(|| of(&format!("{kind}/*"))).or_else(|| of("*/*")).unwrap_or(0)
}

/// The languages that a request prefers, the most wanted first.
pub(super) fn languages(headers: &HeaderMap) -> Vec<(String, u16)> {
    weighted(headers, &axum::http::header::ACCEPT_LANGUAGE)
}

/// The tag that suits best: by lookup (RFC 4647 section 3.4), which takes `zh-Hant` for `zh-Hant-TW`; else by basic filtering
/// (section 3.3.1), which takes `en-GB` for `en`. None where nothing suits; what has the weight 0 is not taken.
pub(super) fn choose<'t>(ranges: &[(String, u16)], tags: &[&'t str]) -> Option<&'t str> {
    let refused = |tag: &str| ranges.iter().any(|(range, weight)| *weight == 0 && tag.eq_ignore_ascii_case(range));
    let tags: Vec<&'t str> = tags.iter().copied().filter(|tag| !refused(tag)).collect();
    let wanted =
        || ranges.iter().filter(|(range, weight)| *weight > 0 && range != "*").map(|(range, _)| range.as_str());
    let looked_up = wanted().find_map(|range| {
        parents(range).find_map(|range| tags.iter().copied().find(|tag| tag.eq_ignore_ascii_case(range)))
    });
    let below = |tag: &str, range: &str| {
        let start = tag.get(..range.len()).is_some_and(|start| start.eq_ignore_ascii_case(range));
        start && tag.as_bytes().get(range.len()) == Some(&b'-')
    };
    looked_up.or_else(|| wanted().find_map(|range| tags.iter().copied().find(|tag| below(tag, range))))
}

/// A range and what it is shortened to, one part after the other; a part of one letter goes with the one that it introduces.
fn parents(range: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(range), |range| {
        let mut shorter = range.get(..range.rfind('-')?)?;
        while let Some(cut) = shorter.rfind('-').filter(|cut| shorter.len().saturating_sub(*cut) == 2) {
            shorter = shorter.get(..cut)?;
        }
        Some(shorter)
    })
}

/// The entries of a list with weights, the heaviest first; of equal ones in their order. What can't be read counts for nothing.
fn weighted(headers: &HeaderMap, name: &HeaderName) -> Vec<(String, u16)> {
    let lines = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    let entries = lines.flat_map(|line| line.split(',')).take(ENTRIES_MAX);
    let mut all: Vec<(String, u16)> = entries.filter_map(entry).collect();
    all.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
    all
}

fn entry(text: &str) -> Option<(String, u16)> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty())?;
    let is_weight = |part: &str| {
        part.split_once('=')
            .filter(|(key, _)| key.trim().eq_ignore_ascii_case("q"))
            .map(|(_, value)| value.trim().to_owned())
    };
    let weight = match parts.find_map(is_weight) {
        Some(written) => thousandths(&written)?,
        None => WHOLE,
    };
    Some((name.to_ascii_lowercase(), weight))
}

/// A weight as RFC 9110 section 12.4.2 writes it: `0.25`.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if part.len() > 3 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part: u16 = format!("{part:0<3}").parse().ok()?;
    match whole {
        "0" => Some(part),
        "1" if part == 0 => Some(WHOLE),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static(name), value.parse().unwrap())])
    }

    #[test]
    fn forms_are_chosen_by_weight() {
        for (accept, expected) in [
            ("", Form::Html),
            ("*/*", Form::Html),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Form::Html),
            ("text/markdown", Form::Markdown),
            ("text/Markdown; charset=utf-8", Form::Markdown),
            ("application/json, text/html;q=0.9", Form::Json),
            ("text/*;q=0.5, application/json;q=0.4", Form::Html),
            ("text/html;q=0, text/*", Form::Markdown),
            ("text/html;q=0, */*", Form::Markdown),
            ("image/png", Form::Html),
            ("application/json;q=7, text/markdown;q=0.1", Form::Markdown),
            (",;,,q=1", Form::Html),
        ] {
            assert_eq!(Form::wanted(&headers("accept", accept)), expected, "{accept}");
        }
        assert_eq!(Form::wanted(&HeaderMap::new()), Form::Html);
    }

    #[test]
    fn languages_are_looked_up() {
        for (accept, tags, expected) in [
            ("cs", &["cs", "en"][..], Some("cs")),
            ("CS-cz, en;q=0.9", &["cs", "en"], Some("cs")),
            ("da, en-gb;q=0.8, en;q=0.7", &["cs", "en"], Some("en")),
            ("en;q=0.7, cs;q=0.8", &["cs", "en"], Some("cs")),
            ("zh-Hant-CN-x-private1-private2", &["zh", "zh-hant"], Some("zh-hant")),
            ("zh-Hant-CN-x-private1-private2", &["zh-x", "zh"], Some("zh")),
            ("pt", &["pt-BR"], Some("pt-BR")),
            ("pt, en", &["pt-BR", "en"], Some("en")),
            ("p", &["pt-BR"], None),
            ("fr, *;q=0.5", &["cs"], None),
            ("*", &["cs"], None),
            ("", &["cs"], None),
            ("de-AT, de;q=0", &["de"], None),
            ("en-GB;q=0, en", &["en-GB", "en-US"], Some("en-US")),
            ("cs;q=0.0001, en;q=x", &["cs", "en"], None),
            ("cs", &[], None),
        ] {
            let ranges = languages(&headers("accept-language", accept));
            assert_eq!(choose(&ranges, tags), expected, "{accept} of {tags:?}");
        }
    }

    #[test]
    fn weights_are_read_strictly() {
        for (text, expected) in [
            ("1", Some(1_000)),
            ("1.000", Some(1_000)),
            ("0.5", Some(500)),
            ("0.", Some(0)),
            ("0.123", Some(123)),
            ("0.1234", None),
            ("1.1", None),
            ("-1", None),
            ("", None),
            ("0.+1", None),
        ] {
            assert_eq!(thousandths(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_header_chooses_something_that_is_there(accept in "[ -~]{0,80}", tags in prop::collection::vec("[a-z]{2}(-[A-Z]{2})?", 0..4)) {
            let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
            let chosen = choose(&languages(&headers("accept-language", &accept)), &tags);
            prop_assert!(chosen.is_none_or(|tag| tags.contains(&tag)));
            Form::wanted(&headers("accept", &accept));
        }
    }
}
