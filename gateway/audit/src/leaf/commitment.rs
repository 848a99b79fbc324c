//! Commitments: a leaf names a value that it must not hold.
//!
//! A commitment is HMAC-SHA-256 with a fresh 32-byte salt as its key, over origin, call, field and value, each after its length
//! (8 bytes, big-endian). So equal values do not look equal, and who knows the log alone can't try values. Salt and value are the
//! opening; they live outside the log and can be erased, which leaves the log as it was.

use serde::{Deserialize, Serialize};

/// A commitment to one value of a leaf.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commitment {
    /// Which value: `text`, `source`, `reply-to`, …
    pub field: String,
    /// The commitment, 64 hexadecimal digits.
    pub hmac: String,
}
