//! What is to be said: content for one account, after variants and options were resolved.

use serde::{Deserialize, Serialize};

use super::{Action, MediaId};

/// A stored medium as part of a post.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaRef {
    /// The stored medium.
    pub id: MediaId,
    /// IANA media type, found in the bytes.
    pub media_type: String,
    /// Length in bytes.
    pub size_bytes: u64,
    /// Pixels, where the format says.
    pub width: Option<u32>,
    /// Pixels, where the format says.
    pub height: Option<u32>,
    /// SHA-256 of the bytes, lower-case hexadecimal.
    pub digest: String,
    /// Text for people who do not see the medium.
    pub alt: Option<String>,
}

/// One entry of a thread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// What the entry says.
    pub text: String,
    /// What it shows, in order.
    pub media: Vec<MediaRef>,
}

/// Content for one account: what is reviewed, approved and sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// What the call does.
    pub action: Action,
    /// At least one; more than one is a thread.
    pub parts: Vec<Part>,
    /// Declared language, BCP 47.
    pub language: Option<String>,
    /// The platform's reference of what is answered or deleted.
    pub target: Option<String>,
    /// The network's options, a JSON object.
    pub options: serde_json::Map<String, serde_json::Value>,
    /// Labels that the author set.
    pub labels: Vec<String>,
    /// The campaign that the author named.
    pub campaign: Option<String>,
}
