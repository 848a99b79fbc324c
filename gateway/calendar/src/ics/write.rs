//! Calendars of posts, for programs that subscribe to them.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};

use super::Status;
use super::value::escape;

const LINE_BYTES_MAX: usize = 75;

/// A calendar to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// What subscribers see.
    pub name: String,
    /// `PRODID`: which program made it.
    pub product: String,
}

/// An event to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The same for ever, for the same thing: that is how subscribers see that it was moved.
    pub uid: String,
    /// What subscribers see. Whoever has the address of the calendar reads it.
    pub summary: String,
    /// When.
    pub at: Timestamp,
    /// How long; a moment where it is zero.
    pub length: SignedDuration,
    /// Whether it is certain.
    pub status: Status,
    /// Goes up with each change of the time or the status.
    pub sequence: u32,
    /// When it was last changed; also written as `DTSTAMP`, so that the same posts give the same bytes.
    pub modified: Timestamp,
    /// Labels.
    pub categories: Vec<String>,
    /// Properties of one's own: names begin with `X-`; letters, digits and hyphens.
    pub extra: Vec<(String, String)>,
}

/// What can't be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// A property of one's own with another name.
    #[error("`{0}` is no name for a property; it begins with X- and has letters, digits and hyphens")]
    Name(String),
    /// A length below zero.
    #[error("an event can't end before it begins")]
    Length,
}

/// The text of a calendar: UTC times to the second, lines folded at 75 bytes, ended by CRLF.
///
/// # Errors
/// For a property whose name is not `X-…`, and a negative length.
pub fn write(feed: &Feed, entries: &[Entry]) -> Result<String, WriteError> {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| fold(&mut text, name, value);
    line("BEGIN", "VCALENDAR");
    line("VERSION", "2.0");
    line("PRODID", &escape(&feed.product));
    line("CALSCALE", "GREGORIAN");
    line("METHOD", "PUBLISH");
    line("X-WR-CALNAME", &escape(&feed.name));
    for entry in entries {
        line("BEGIN", "VEVENT");
        line("UID", &escape(&entry.uid));
        line("DTSTAMP", &utc(entry.modified));
        line("LAST-MODIFIED", &utc(entry.modified));
        line("SEQUENCE", &entry.sequence.to_string());
        line("DTSTART", &utc(entry.at));
        if entry.length.is_negative() {
            return Err(WriteError::Length);
        }
        if let Some(end) = entry.at.checked_add(entry.length).ok().filter(|end| *end > entry.at) {
            line("DTEND", &utc(end));
        }
        line("SUMMARY", &escape(&entry.summary));
        line(
            "STATUS",
            match entry.status {
                Status::Confirmed => "CONFIRMED",
                Status::Tentative => "TENTATIVE",
                Status::Cancelled => "CANCELLED",
            },
        );
        if !entry.categories.is_empty() {
            let all: Vec<String> = entry.categories.iter().map(|category| escape(category)).collect();
            line("CATEGORIES", &all.join(","));
        }
        for (name, value) in &entry.extra {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            if !name.starts_with("X-") || name.len() < 3 || !name.bytes().all(fits) {
                return Err(WriteError::Name(crate::limits::shown(name)));
            }
            line(&name.to_ascii_uppercase(), &escape(value));
        }
        line("END", "VEVENT");
    }
    line("END", "VCALENDAR");
    Ok(text)
}

fn utc(at: Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Section 3.1: no line is longer than 75 bytes, and no letter is cut.
fn fold(text: &mut String, name: &str, value: &str) {
    let mut whole = String::with_capacity(name.len() + value.len() + 1);
    // Writing to a String can't fail.
    let _ = write!(whole, "{name}:{value}");
    let mut rest = whole.as_str();
    let mut room = LINE_BYTES_MAX;
    while rest.len() > room {
        let cut = rest.floor_char_boundary(room);
        let (now, later) = rest.split_at_checked(cut).unwrap_or((rest, ""));
        text.push_str(now);
        text.push_str("\r\n ");
        rest = later;
        room = LINE_BYTES_MAX - 1;
    }
    text.push_str(rest);
    text.push_str("\r\n");
}
