//! Reads leaves and encodes their events, as many as one delivery takes.

use bytes::Bytes;
use serde_json::Value;

use super::{ocsf, sinks::otlp};
use crate::audit::{LogReader, ReadError};

/// The most events of a batch.
pub(super) const EVENTS_MAX: usize = 512;
/// A batch ends with the event that takes it over this size, in bytes.
const BYTES_MAX: usize = 1024 * 1024;

/// How events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// One JSON object in each line.
    Lines,
    /// A JSON array.
    Array,
    /// `ExportLogsServiceRequest` of OTLP, as JSON.
    Otlp,
}

/// Events of leaves in a row.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    /// The first leaf's index.
    pub(super) first: u64,
    /// The index after the last leaf.
    pub(super) next: u64,
    /// When the first leaf was written, in milliseconds since 1970-01-01 UTC.
    pub(super) oldest_ms: i64,
    /// There may be more at once.
    pub(super) full: bool,
    /// The events, encoded.
    pub(super) body: Bytes,
}

impl Batch {
    /// How many events.
    pub(super) fn events(&self) -> u64 {
        self.next.saturating_sub(self.first)
    }
}

/// What a batch is made of and for.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) origin: String,
    pub(super) encoding: Encoding,
    /// At most so many events.
    pub(super) events_max: usize,
    /// Now, in milliseconds since 1970-01-01 UTC.
    pub(super) now_ms: i64,
}

/// Reads the next batch; none where there are no leaves. Blocks.
pub(super) fn read(reader: &mut LogReader, plan: &Plan) -> Result<Option<Batch>, ReadError> {
    let (mut body, mut count) = (Vec::new(), 0);
    let (mut first, mut next, mut oldest_ms) = (0, 0, 0);
    let mut full = false;
    while let Some((index, leaf)) = reader.next_bytes()? {
        let event = ocsf::event(&plan.origin, index, &leaf);
        if count == 0 {
            (first, oldest_ms) = (index, event.get("time").and_then(Value::as_i64).unwrap_or(plan.now_ms));
        } else if plan.encoding != Encoding::Lines {
            body.push(b',');
        }
        let value = if plan.encoding == Encoding::Otlp { otlp::record(&event, plan.now_ms) } else { event };
        // A value that was made of JSON is JSON again.
        serde_json::to_writer(&mut body, &value).unwrap_or_default();
        if plan.encoding == Encoding::Lines {
            body.push(b'\n');
        }
        next = index + 1;
        count += 1;
        if count >= plan.events_max || body.len() >= BYTES_MAX {
            full = true;
            break;
        }
    }
    if count == 0 {
        return Ok(None);
    }
    let body = match plan.encoding {
        Encoding::Lines => body,
        Encoding::Array => [b"[".as_slice(), &body, b"]"].concat(),
        Encoding::Otlp => otlp::request(&plan.origin, &body),
    };
    Ok(Some(Batch { first, next, oldest_ms, full, body: body.into() }))
}
