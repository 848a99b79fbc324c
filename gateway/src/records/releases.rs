//! Releases of plugins, and which of them serves where.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A release of a plugin that was installed: a component with its manifest, named by the SHA-256 over both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseRecord {
    /// SHA-256 of the component, hexadecimal; the manifest is a section of it.
    pub digest: String,
    /// The plugin's name.
    pub name: String,
    /// The plugin's own version.
    pub version: String,
    /// `adapter` or `policy`.
    pub kind: String,
    /// Length of the component.
    pub size_bytes: u64,
    /// When it was installed.
    pub installed_at: Timestamp,
    /// By whom.
    pub installed_by: String,
    /// Whether it may serve.
    pub state: ReleaseState,
    /// What was looked at, in order, the last time.
    pub steps: Vec<ReleaseStep>,
    /// Capabilities that a person accepted.
    #[serde(default)]
    pub accepted: Vec<String>,
    /// The trusted keys that had signed it when it was installed, by name and id.
    #[serde(default)]
    pub signed_by: Vec<String>,
}

/// Whether a release may serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReleaseState {
    /// It passed every step.
    Ready,
    /// A step failed; its component is not kept.
    Rejected,
}

/// One step of the way from a file to a release that serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseStep {
    /// Which: `verify`, `contract`, `fit`, `compile`, `instantiate`, `self-test`, `capabilities`, `prewarm`.
    pub step: String,
    /// When it ended.
    pub at: Timestamp,
    /// Whether the release passed.
    pub passed: bool,
    /// What was found, or why it failed.
    pub note: String,
}

/// Which release serves where: one value, replaced as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routing {
    /// By slot, as operators write it: `network:…`, `account:…`, `policy:…`.
    pub slots: BTreeMap<String, SlotRecord>,
}

/// What serves in a slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotRecord {
    /// The plugin.
    pub plugin: String,
    /// Digest of the release that serves.
    pub active: String,
    /// Since when.
    pub since: Timestamp,
    /// By whom.
    pub by: String,
    /// Digest of the release that served before, for a rollback.
    pub parked: Option<String>,
    /// Rolled back by itself where it fails: nobody has promoted it yet.
    #[serde(default)]
    pub fresh: bool,
    /// A release that serves a share of the calls.
    pub canary: Option<CanaryRecord>,
    /// Why it is as it is, where the gate decided.
    #[serde(default)]
    pub why: Option<String>,
}

/// A release that serves a share of the calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanaryRecord {
    /// Its digest.
    pub release: String,
    /// Its share of the calls, in hundredths of a per cent.
    pub share_bp: u16,
    /// Since when.
    pub since: Timestamp,
    /// By whom.
    pub by: String,
}

/// The routing, with the number of the change that made it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoutingRecord {
    /// Counts changes; 0 where nobody has changed anything yet.
    pub version: u64,
    /// What it is.
    pub routing: Routing,
}
