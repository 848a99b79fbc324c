//! Addresses of records: `at://{repository}/{collection}/{key}` (<https://atproto.com/specs/at-uri-scheme>).

use std::fmt;

/// A record's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordUri<'a> {
    /// DID or handle.
    pub repo: &'a str,
    /// NSID of the collection.
    pub collection: &'a str,
    /// Record key.
    pub rkey: &'a str,
}

impl<'a> RecordUri<'a> {
    /// Reads an address; none where it is not that of a record.
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut segments = text.strip_prefix("at://")?.split('/');
        let uri = Self { repo: segments.next()?, collection: segments.next()?, rkey: segments.next()? };
        let fits = segments.next().is_none()
            && (uri.repo.starts_with("did:") || is_handle(uri.repo))
            && [uri.repo, uri.collection, uri.rkey].iter().all(|segment| is_segment(segment));
        fits.then_some(uri)
    }
}

impl fmt::Display for RecordUri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at://{}/{}/{}", self.repo, self.collection, self.rkey)
    }
}

/// Letters, digits and the signs that DIDs, NSIDs and record keys have.
pub fn is_segment(segment: &str) -> bool {
    (1..=512).contains(&segment.len())
        && !matches!(segment, "." | "..")
        && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:~-%".contains(&byte))
}

/// The syntax of handles: <https://atproto.com/specs/handle>
pub fn is_handle(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let starts_with_letter = |top: &str| top.starts_with(|first: char| first.is_ascii_alphabetic());
    text.len() <= 253
        && text.split('.').all(label)
        && text.rsplit_once('.').is_some_and(|(_, top)| starts_with_letter(top))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_records_are_taken_apart() {
        let text = "at://did:plc:abc/app.bsky.feed.post/3k2a";
        let uri = RecordUri::parse(text).unwrap();
        assert_eq!((uri.repo, uri.collection, uri.rkey), ("did:plc:abc", "app.bsky.feed.post", "3k2a"));
        assert_eq!(uri.to_string(), text);
        assert!(RecordUri::parse("at://eva.acme.example/app.bsky.feed.post/3k2a").is_some());
        for wrong in [
            "",
            "https://bsky.app/profile/eva/post/3k2a",
            "at://did:plc:abc",
            "at://did:plc:abc/app.bsky.feed.post",
            "at://did:plc:abc/app.bsky.feed.post/",
            "at://did:plc:abc/app.bsky.feed.post/..",
            "at://did:plc:abc/app.bsky.feed.post/a/b",
            "at://did:plc:abc/app.bsky.feed.post/a b",
            "at://eva/app.bsky.feed.post/3k2a",
        ] {
            assert_eq!(RecordUri::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn handles_are_host_names_with_a_dot() {
        for handle in ["eva.bsky.social", "a-b.example", "EVA.example", "1.example"] {
            assert!(is_handle(handle), "{handle}");
        }
        for text in ["eva", "eva.", ".eva", "e_va.example", "-eva.example", "eva.1", "", "eva..example"] {
            assert!(!is_handle(text), "{text}");
        }
    }
}
