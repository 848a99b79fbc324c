//! How values are written into columns and read back.

use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    model::{PostState, TargetState},
    records::{ClaimFor, RecordsError},
};

/// Microseconds since 1970. Digits below are cut.
pub(super) fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// The time of a column in microseconds.
pub(super) fn time(micros: i64) -> Result<Timestamp, RecordsError> {
    Timestamp::from_microsecond(micros).map_err(|_| corrupt("a time"))
}

/// The time of a column that may be null.
pub(super) fn maybe_time(micros: Option<i64>) -> Result<Option<Timestamp>, RecordsError> {
    micros.map(time).transpose()
}

/// JSON text of a value.
pub(super) fn to_json<T: Serialize>(value: &T, what: &str) -> Result<String, RecordsError> {
    serde_json::to_string(value).map_err(|_| corrupt(what))
}

/// The value of a JSON text. The error names the column and not the text, which may be personal.
pub(super) fn from_json<T: DeserializeOwned>(text: &str, what: &str) -> Result<T, RecordsError> {
    serde_json::from_str(text).map_err(|error| {
        RecordsError::Corrupt(format!("{what} can't be read (line {}, column {})", error.line(), error.column()))
    })
}

/// A whole number that SQLite can hold.
pub(super) fn signed(number: u64, what: &str) -> Result<i64, RecordsError> {
    i64::try_from(number).map_err(|_| corrupt(what))
}

/// A whole number that is never negative.
pub(super) fn unsigned(number: i64, what: &str) -> Result<u64, RecordsError> {
    u64::try_from(number).map_err(|_| corrupt(what))
}

/// A target's state.
pub(super) fn target_state(name: &str) -> Result<TargetState, RecordsError> {
    TargetState::parse(name).ok_or_else(|| corrupt("a target's state"))
}

/// A post's state.
pub(super) fn post_state(name: &str) -> Result<PostState, RecordsError> {
    PostState::parse(name).ok_or_else(|| corrupt("a post's state"))
}

/// Name of a purpose.
pub(super) fn purpose_name(purpose: ClaimFor) -> &'static str {
    match purpose {
        ClaimFor::Publish => "publish",
        ClaimFor::Recall => "recall",
    }
}

/// The purpose of that name.
pub(super) fn purpose(name: &str) -> Result<ClaimFor, RecordsError> {
    match name {
        "publish" => Ok(ClaimFor::Publish),
        "recall" => Ok(ClaimFor::Recall),
        _ => Err(corrupt("a target's purpose")),
    }
}

/// A stored value that can't be.
pub(super) fn corrupt(what: &str) -> RecordsError {
    RecordsError::Corrupt(format!("{what} is out of range or not readable"))
}
