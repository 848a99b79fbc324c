//! What policies and adapters say about a draft.

use serde::{Deserialize, Serialize};

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// A person should look.
    Warning,
    /// The content can't go out as it is.
    Error,
}

/// Something that a plugin noticed in a draft.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable identifier of the rule: `text-too-long`.
    pub code: String,
    /// How grave.
    pub severity: Severity,
    /// A sentence for the author: what is wrong and what to do.
    pub message: String,
    /// Entry of the thread, from 0.
    pub part: Option<u32>,
    /// What is meant where it is not the entry's text: `media`, `media/1`, `media/1/alt`, `options/content_warning`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// UTF-8 byte range in that entry's text.
    pub range: Option<(u32, u32)>,
    /// Measured and allowed amount, where the rule counts.
    pub measure: Option<(u64, u64)>,
}

/// What a policy decides, weakest first: of several verdicts the greatest wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Nothing against it.
    Allow,
    /// A person must look first.
    Hold,
    /// It must not go out.
    Deny,
}

impl Outcome {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Hold => "hold",
            Self::Deny => "deny",
        }
    }
}

/// A policy's decision and its reasons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The policy's name in `policies.toml`.
    pub policy: String,
    /// Name and version of the plugin that judged: `guidelines 0.1.0`.
    pub plugin: String,
    /// SHA-256 of its component, hexadecimal; empty for a verdict that an earlier version kept.
    #[serde(default)]
    pub plugin_digest: String,
    /// Decision.
    pub outcome: Outcome,
    /// Reasons.
    pub findings: Vec<Finding>,
}
