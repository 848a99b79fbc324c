//! What callers give, made safe to keep and to send: bounded, on one line, and an address that is one.

use aws_lc_rs::digest::{SHA256, digest};
use url::Url;

use super::{Address, Notice};
use crate::{model::hex::hex, records::NoticeText};

/// Characters of the sentence.
const LINE_CHARS_MAX: usize = 400;
/// Bytes of an addressee's name and of an event's; longer ones are replaced by their digest.
const NAME_BYTES_MAX: usize = 256;
/// Bytes of a link.
const LINK_BYTES_MAX: usize = 1_024;
/// Bytes of an e-mail address (RFC 5321 section 4.5.3.1.3).
const ADDRESS_BYTES_MAX: usize = 254;

/// The notice as it is kept.
pub(super) fn safe(notice: Notice) -> NoticeText {
    let addressee = bounded(notice.to.addressee());
    let (address, link) = match notice.to {
        Address::Person(_) => (None, notice.link_path),
        Address::External { address, link, .. } => (Some(address), link),
    };
    NoticeText {
        addressee,
        about: bounded(notice.about),
        kind: notice.kind.as_str().to_owned(),
        post: notice.post,
        account: notice.account,
        line: sentence(&notice.line),
        link_path: link,
        // One that is none is kept as it is, so that it is told of as given up.
        address: address.map(|address| cut(&address, ADDRESS_BYTES_MAX + 1)),
        at: notice.at,
    }
}

/// Control characters, line ends of Unicode and marks that turn the direction of what follows become spaces.
fn sentence(text: &str) -> String {
    let visible = |letter: char| {
        let turns = matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if letter.is_control() || turns || matches!(letter, '\u{2028}' | '\u{2029}') { ' ' } else { letter }
    };
    let mut letters = text.chars().map(visible);
    let mut sentence: String = letters.by_ref().take(LINE_CHARS_MAX).collect();
    if letters.next().is_some() {
        sentence.push('…');
    }
    sentence.trim().to_owned()
}

fn bounded(name: String) -> String {
    if name.len() <= NAME_BYTES_MAX {
        return name;
    }
    hex(digest(&SHA256, name.as_bytes()).as_ref())
}

fn cut(text: &str, bytes_max: usize) -> String {
    let mut cut = String::new();
    cut.extend(text.chars().take_while({
        let mut bytes = 0;
        move |letter| {
            bytes += letter.len_utf8();
            bytes <= bytes_max
        }
    }));
    cut
}

/// An e-mail address that mail can go to without extensions of the protocol; none where it is not one.
pub(super) fn address(text: &str) -> Option<lettre::Address> {
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"\"\\<>(),;:[]".contains(&byte);
    if text.len() > ADDRESS_BYTES_MAX || !text.bytes().all(plain) {
        return None;
    }
    text.parse().ok()
}

/// A whole link. What is no path of ours leads to the front door.
pub(super) fn link(base: &Url, path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"\"\\<>^`{|}".contains(&byte);
    let ours =
        path.starts_with('/') && !path.starts_with("//") && path.len() <= LINK_BYTES_MAX && path.bytes().all(plain);
    format!("{}{}", base.origin().ascii_serialization(), if ours { path } else { "/" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_one_line_and_bounded() {
        assert_eq!(sentence("Post waits\r\nBcc: x@evil.example"), "Post waits  Bcc: x@evil.example");
        assert_eq!(sentence(" \u{202e}Příliš\u{2028}žluťoučký\0 "), "Příliš žluťoučký");
        let long = sentence(&"ž".repeat(10_000));
        assert_eq!((long.chars().count(), long.ends_with('…')), (LINE_CHARS_MAX + 1, true));
    }

    #[test]
    fn an_address_is_one_and_nothing_else() {
        for good in ["a@example.org", "a.b+c@mail.example.org", "o'neil@example.org"] {
            assert!(address(good).is_some(), "{good}");
        }
        let long = format!("{}@example.org", "a".repeat(300));
        for bad in [
            "",
            "a",
            "@example.org",
            "a@",
            "a@b@c",
            "a b@example.org",
            "a@example.org\r\nRCPT TO:<b@example.org>",
            "a@example.org\nBcc: b@example.org",
            "<a@example.org>",
            "A <a@example.org>",
            "a@example.org,b@example.org",
            "ž@example.org",
            "a@žluť.example",
            "\"a\r\n\"@example.org",
            "a\0@example.org",
            &long,
        ] {
            assert!(address(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn a_link_leads_to_the_gateway() {
        let base = Url::parse("https://gate.acme.example").unwrap();
        assert_eq!(link(&base, "/people/posts/1?a=b#c"), "https://gate.acme.example/people/posts/1?a=b#c");
        for bad in ["", "x", "//evil.example/", "@evil.example/", ".evil.example", "/a b", "/a\r\nb", "/ž", "/<b>"] {
            assert_eq!(link(&base, bad), "https://gate.acme.example/", "{bad:?}");
        }
    }

    #[test]
    fn names_that_are_too_long_stay_apart() {
        let (one, other) = (bounded(format!("{}1", "x".repeat(300))), bounded(format!("{}2", "x".repeat(300))));
        assert!(one != other && one.len() == 64);
        assert_eq!(bounded("post_1/v2/vote-wanted".to_owned()), "post_1/v2/vote-wanted");
        assert_eq!(cut("žžž", 4), "žž");
    }
}
