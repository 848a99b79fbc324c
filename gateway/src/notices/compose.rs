//! A mail: plain text, one or several notices to one person.

use std::{fmt::Write as _, time::SystemTime};

use aws_lc_rs::digest::{Context, SHA256};
use jiff::Timestamp;
use lettre::{
    Address, Message,
    message::{
        Mailbox, SinglePart,
        header::{HeaderName, HeaderValue},
    },
};
use url::{Host, Url};

use super::{Kind, text};
use crate::{model::hex::hex, records::NoticeRecord};

/// Characters of a digest that tell one mail or request from every other.
const ID_CHARS: usize = 32;

/// What opens a mail, by kind; one that this version does not know is a notice.
pub(super) fn title(kind: &str) -> &'static str {
    match Kind::ALL.into_iter().find(|known| known.as_str() == kind) {
        Some(Kind::VoteWanted) => "Your vote is wanted",
        Some(Kind::Escalated) => "A vote was escalated to you",
        Some(Kind::Rejected) => "A post was rejected",
        Some(Kind::NeedsAttention) => "A post needs attention",
        Some(Kind::Reconnect) => "An account must be connected again",
        None => "A notice",
    }
}

/// One mail with these notices. The subject holds nothing of what a caller gave.
pub(super) fn mail(
    from: &Mailbox,
    to: Address,
    base: &Url,
    notices: &[NoticeRecord],
    now: Timestamp,
) -> Result<Message, lettre::error::Error> {
    let subject = match notices {
        [one] => title(&one.text.kind).to_owned(),
        several => format!("{} notices", several.len()),
    };
    let automatic = HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned());
    Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, to))
        .subject(format!("Pressgate: {subject}"))
        .date(SystemTime::from(now))
        .message_id(Some(format!("<notice.{}@{}>", id(notices), host(base))))
        .raw_header(automatic)
        .singlepart(SinglePart::plain(body(base, notices)))
}

fn body(base: &Url, notices: &[NoticeRecord]) -> String {
    let mut body = String::new();
    for notice in notices {
        let text = &notice.text;
        let at = text.at.strftime("%Y-%m-%d %H:%M UTC");
        // Writing to a text does not fail.
        let _ = write!(body, "{} ({at})\r\n{}\r\n", title(&text.kind), text.line);
        let _ = write!(body, "{}\r\n\r\n", text::link(base, &text.link_path));
    }
    let origin = base.origin().ascii_serialization();
    if notices.iter().any(|notice| notice.text.addressee.starts_with("person:")) {
        body.push_str("The links lead to pages of the gateway; you are asked to sign in there first.\r\n\r\n");
    }
    let _ = write!(body, "-- \r\nSent by Pressgate at {origin}. Nobody reads answers to this address.\r\n");
    body
}

/// The same notices to the same addressee have the same id, however often they are sent.
pub(super) fn id(notices: &[NoticeRecord]) -> String {
    let mut context = Context::new(&SHA256);
    for notice in notices {
        for part in [&notice.text.addressee, &notice.text.about] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
    }
    hex(context.finish().as_ref()).chars().take(ID_CHARS).collect()
}

/// The gateway's name in the protocol and in ids (RFC 5321 section 4.1.3).
pub(super) fn host(base: &Url) -> String {
    match base.host() {
        Some(Host::Domain(name)) => name.to_owned(),
        Some(Host::Ipv4(address)) => format!("[{address}]"),
        Some(Host::Ipv6(address)) => format!("[IPv6:{address}]"),
        None => "localhost".to_owned(),
    }
}
