//! The string formats of the lexicon language (<https://atproto.com/specs/lexicon#string-formats>).

use jiff::Timestamp;

/// Whether a text is of a format. A format that is not known here is never fulfilled, so that it is noticed.
pub(super) fn is_format(format: &str, text: &str) -> bool {
    match format {
        "at-identifier" => is_did(text) || is_handle(text),
        "at-uri" => is_at_uri(text),
        "cid" => is_cid(text),
        "datetime" => is_datetime(text),
        "did" => is_did(text),
        "handle" => is_handle(text),
        "language" => is_language(text),
        "nsid" => is_nsid(text),
        "record-key" => is_record_key(text),
        "tid" => is_tid(text),
        "uri" => is_uri(text),
        _ => false,
    }
}

/// `did:method:specific`.
fn is_did(text: &str) -> bool {
    let Some((method, specific)) = text.strip_prefix("did:").and_then(|rest| rest.split_once(':')) else {
        return false;
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._:%-".contains(c);
    !method.is_empty()
        && method.chars().all(|c| c.is_ascii_lowercase())
        && !specific.is_empty()
        && specific.chars().all(allowed)
        && !specific.ends_with([':', '%'])
        && text.len() <= 2048
}

/// A domain name of at least two labels whose last does not begin with a digit.
fn is_handle(text: &str) -> bool {
    let labels: Vec<&str> = text.split('.').collect();
    let last_ok = labels.last().is_some_and(|last| last.starts_with(|c: char| c.is_ascii_alphabetic()));
    text.len() <= 253 && labels.len() >= 2 && last_ok && labels.into_iter().all(is_label)
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// `com.example.nameOfThing`.
fn is_nsid(text: &str) -> bool {
    let Some((authority, name)) = text.rsplit_once('.') else { return false };
    let name_ok = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.len() <= 63
        && name.chars().all(|c| c.is_ascii_alphanumeric());
    let starts_ok = authority.starts_with(|c: char| c.is_ascii_alphabetic());
    text.len() <= 317 && authority.contains('.') && starts_ok && authority.split('.').all(is_label) && name_ok
}

/// `at://authority[/collection[/key]]`.
fn is_at_uri(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("at://") else { return false };
    let mut segments = rest.split('/');
    let authority = segments.next().unwrap_or("");
    let collection_ok = segments.next().is_none_or(is_nsid);
    let key_ok = segments.next().is_none_or(is_record_key);
    (is_did(authority) || is_handle(authority)) && collection_ok && key_ok && segments.next().is_none()
}

fn is_record_key(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._:~-".contains(c);
    (1..=512).contains(&text.len()) && text != "." && text != ".." && text.chars().all(allowed)
}

/// Thirteen characters of the sortable base 32, the first of which has its high bit clear.
fn is_tid(text: &str) -> bool {
    const ALPHABET: &str = "234567abcdefghijklmnopqrstuvwxyz";
    text.len() == 13
        && text.chars().all(|c| ALPHABET.contains(c))
        && text.starts_with(|c| "234567abcdefghij".contains(c))
}

/// Version 1 in base 32, which is what the protocol writes, or another multibase text without blanks.
fn is_cid(text: &str) -> bool {
    let long = (8..=256).contains(&text.len());
    let v1_base32 = text.starts_with("baf") && text.chars().all(|c| matches!(c, 'a'..='z' | '2'..='7'));
    let other = !text.starts_with("baf") && text.chars().all(|c| c.is_ascii_alphanumeric() || "+/=".contains(c));
    long && (v1_base32 || other)
}

/// RFC 3339 with a capital `T`, seconds and a zone; not `-00:00`, not before the year 10.
fn is_datetime(text: &str) -> bool {
    let bytes = text.as_bytes();
    let shape = bytes.len() <= 64 && bytes.len() >= 20 && bytes[10] == b'T' && bytes[13] == b':' && bytes[16] == b':';
    let zone = text.ends_with('Z')
        || text.len() > 6 && text.is_ascii() && {
            let zone = &text[text.len() - 6..];
            zone.starts_with(['+', '-']) && zone.as_bytes()[3] == b':' && zone != "-00:00"
        };
    shape && zone && !text.starts_with("000") && text.parse::<Timestamp>().is_ok()
}

/// A scheme, a colon and something, without blanks.
fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let scheme_ok = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+.-".contains(c));
    scheme_ok && !rest.is_empty() && text.len() <= 8192 && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}

/// Well-formed after BCP 47, as far as its outline goes.
fn is_language(text: &str) -> bool {
    let mut tags = text.split('-');
    let primary = tags.next().unwrap_or("");
    let private = matches!(primary, "i" | "x");
    let primary_ok = (2..=8).contains(&primary.len()) && primary.chars().all(|c| c.is_ascii_alphabetic());
    let tag_ok = |tag: &str| (1..=8).contains(&tag.len()) && tag.chars().all(|c| c.is_ascii_alphanumeric());
    (primary_ok || private && text.contains('-')) && tags.all(tag_ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// format, those that are, those that are not
    const CASES: &[(&str, &[&str], &[&str])] = &[
        (
            "did",
            &["did:plc:pgvatuzar5i2dfpvguzk6qan", "did:web:a.example%3A8080"],
            &["did:plc:", "plc:abc", "did:PLC:a"],
        ),
        ("handle", &["acme.test", "a-b.c1.example"], &["acme", "-a.test", "a..test", "a.1", "@acme.test"]),
        ("nsid", &["app.bsky.feed.post"], &["app.bsky", "app.bsky.feed-post", "1app.bsky.feed"]),
        (
            "at-uri",
            &["at://did:plc:abc/app.bsky.feed.post/3n2vzqpyrw225", "at://acme.test"],
            &["https://acme.test", "at://acme.test/post/1", "at://did:plc:abc/app.bsky.feed.post/a/b", "at://"],
        ),
        ("tid", &["3jzfcijpj2z2a"], &["3jzfcijpj2z2", "0000000000000", "zzzzzzzzzzzzz"]),
        ("record-key", &["self", "a:b~c"], &["", "..", "a/b"]),
        (
            "cid",
            &["bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a"],
            &["bafyrei", "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz0!", ""],
        ),
        (
            "datetime",
            &["2026-11-22T18:00:00Z", "2026-11-22T18:00:00.123456+01:00"],
            &[
                "2026-11-22",
                "2026-11-22 18:00:00Z",
                "2026-11-22T18:00:00",
                "2026-11-22T18:00:00-00:00",
                "2026-13-22T18:00:00Z",
            ],
        ),
        ("uri", &["https://a.example/?q=ž", "did:plc:abc"], &["a.example", "https://a b", "https:"]),
        ("language", &["cs", "pt-BR", "i-klingon"], &["", "c", "pt_BR", "english-x-toolonglonger"]),
        ("at-identifier", &["acme.test", "did:plc:abc"], &["acme"]),
        ("never-heard-of", &[], &["anything"]),
    ];

    #[test]
    fn formats_take_what_they_should_and_nothing_else() {
        for (format, good, bad) in CASES {
            good.iter().for_each(|text| assert!(is_format(format, text), "{text:?} is {format}"));
            bad.iter().for_each(|text| assert!(!is_format(format, text), "{text:?} is not {format}"));
        }
    }
}
