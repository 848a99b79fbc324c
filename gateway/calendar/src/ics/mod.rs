//! iCalendar (RFC 5545): calendars that others keep are read, calendars of posts are written.
//!
//! Reading takes one pass over lines and one over events; all is bounded by [`crate::limits`]. What a calendar may carry beside events
//! (to-dos, alarms, free/busy) is passed over. An error names the line.

mod lines;
mod components;
mod event;
mod tzid;
mod write;
pub(crate) mod value;

use jiff::Timestamp;

use crate::rule::RuleError;
use crate::series::{Series, SeriesError};
use crate::zone::{UnknownZone, Zone};

pub use value::Length;
pub use write::{Entry, Feed, WriteError, write};

/// A calendar that was read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ics {
    /// `X-WR-CALNAME`
    pub name: Option<String>,
    /// In the order of the text. An event that replaces one occurrence of another is an event of its own; the other leaves that out.
    pub events: Vec<Event>,
}

/// A `VEVENT`.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// `UID`; empty where there is none.
    pub uid: String,
    /// `SUMMARY`
    pub summary: String,
    /// `CATEGORIES`
    pub categories: Vec<String>,
    /// `STATUS`
    pub status: Status,
    /// `SEQUENCE`
    pub sequence: u32,
    /// `LAST-MODIFIED`
    pub modified: Option<Timestamp>,
    /// Properties whose names begin with `X-`, with the text of each.
    pub extra: Vec<(String, String)>,
    /// Whether it is about days, not times.
    pub all_day: bool,
    /// `DTSTART`, `RRULE`, `RDATE`, `EXDATE`. A day begins at midnight in the calendar's zone.
    pub series: Series,
    /// `DTEND` or `DURATION`; a day where an all-day event has none, else nothing.
    pub length: Length,
    /// Where it begins in the text; the first line is 1.
    pub line: u32,
}

/// `STATUS` of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Status {
    /// `CONFIRMED`; also where nothing is said.
    #[default]
    Confirmed,
    /// `TENTATIVE`
    Tentative,
    /// `CANCELLED`
    Cancelled,
}

/// Where a calendar is not readable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct IcsError {
    /// The first line is 1. Of a folded line it is where it begins.
    pub line: u32,
    /// What is wrong there.
    pub problem: Problem,
}

/// What can be wrong with a calendar.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Too many bytes.
    #[error("the calendar is larger than {} bytes; split it", crate::limits::ICS_BYTES_MAX)]
    TooLarge,
    /// Too many events.
    #[error("the calendar has more than {} events; split it", crate::limits::ICS_EVENTS_MAX)]
    TooManyEvents,
    /// A line that is too long, even unfolded.
    #[error("the line is longer than {} bytes", crate::limits::ICS_LINE_BYTES_MAX)]
    LongLine,
    /// Too many dates, or parameters of a line.
    #[error("too many {0}")]
    TooMany(&'static str),
    /// Not UTF-8.
    #[error("the text is not UTF-8")]
    NotUtf8,
    /// Not `NAME;PARAMETER=VALUE:VALUE`.
    #[error("not a line of iCalendar (NAME:VALUE)")]
    NotALine,
    /// A folded line that folds nothing.
    #[error("the line begins with a space, but no line comes before it")]
    NothingToFold,
    /// Something stands outside of any calendar.
    #[error("expected BEGIN:VCALENDAR")]
    Outside,
    /// Too deep.
    #[error("components are nested deeper than {}", crate::limits::ICS_DEPTH_MAX)]
    TooDeep,
    /// `END` of something else.
    #[error("END:{found} does not end BEGIN:{open}")]
    WrongEnd {
        /// What is open.
        open: String,
        /// What was ended.
        found: String,
    },
    /// The text ends within a component, or is none.
    #[error("the text ends before END:{0}")]
    Unfinished(String),
    /// A property that is needed.
    #[error("the event has no {0}")]
    Missing(&'static str),
    /// A property that stands twice.
    #[error("{0} is given twice")]
    Twice(&'static str),
    /// A value of another shape.
    #[error("`{value}` is no {what}")]
    Value {
        /// What was written, shortened.
        value: String,
        /// What it should be.
        what: &'static str,
    },
    /// A zone that is neither IANA's, nor one of Windows, nor described well enough.
    #[error("the zone `{tzid}` is not known here: {unknown}")]
    Zone {
        /// What was written, shortened.
        tzid: String,
        /// The nearest names.
        unknown: UnknownZone,
    },
    /// The rule.
    #[error("RRULE: {0}")]
    Rule(#[from] RuleError),
    /// The rule with its start.
    #[error("{0}")]
    Series(#[from] SeriesError),
    /// Parts that do not fit together, or that are not supported.
    #[error("{0}")]
    Unfit(&'static str),
}

/// Reads a calendar. `zone` is where its floating times and its days are, unless it says so itself (`X-WR-TIMEZONE`).
///
/// # Errors
/// With the line, for what is larger than [`crate::limits`] allow and for what is not understood: an event that is passed over in
/// silence would be a window that does not block.
pub fn read(bytes: &[u8], zone: &Zone) -> Result<Ics, IcsError> {
    if bytes.len() > crate::limits::ICS_BYTES_MAX {
        return Err(IcsError { line: 1, problem: Problem::TooLarge });
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = u32::try_from(before.iter().filter(|byte| **byte == b'\n').count()).unwrap_or(u32::MAX);
        IcsError { line: line.saturating_add(1), problem: Problem::NotUtf8 }
    })?;
    let raw = components::gather(text)?;
    event::build(raw, zone)
}

pub(crate) trait At<T> {
    /// The error with its line.
    fn at(self, line: u32) -> Result<T, IcsError>;
}

impl<T, E: Into<Problem>> At<T> for Result<T, E> {
    fn at(self, line: u32) -> Result<T, IcsError> {
        self.map_err(|problem| IcsError { line, problem: problem.into() })
    }
}
