//! Whether who asks has the answer already.

use axum::http::{HeaderMap, header::IF_NONE_MATCH};

/// `If-None-Match` (RFC 9110 section 13.1.2), by weak comparison.
pub(super) fn has(asked: &HeaderMap, tag: &str) -> bool {
    let lines = asked.get_all(IF_NONE_MATCH).into_iter().filter_map(|value| value.to_str().ok());
    let mut entries = lines.flat_map(|line| line.split(',')).map(str::trim);
    entries.any(|entry| entry == "*" || entry.strip_prefix("W/").unwrap_or(entry) == tag)
}
