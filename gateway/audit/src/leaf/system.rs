//! Leaves about the gateway and the log itself.

use serde::{Deserialize, Serialize};

use super::Commitment;

/// Somebody changed what the gateway works by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What was changed.
    pub what: Changed,
    /// What was done to it, as a stable identifier.
    pub action: String,
    /// The id of the thing.
    pub subject: String,
    /// Digest of its new form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Who did it: an opaque id or `local-signal`.
    pub by: String,
}

/// What a change was made to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Changed {
    /// Brands, accounts, grants, policies.
    Governance,
    /// A Pressgate key.
    Key,
    /// An account's credential.
    Credential,
    /// A plugin.
    Plugin,
    /// A setting of the gateway.
    Setting,
    /// A person: a sign-in, courses that people passed.
    Person,
    /// A freeze: begun, asked to be lifted, lifted; a post that it stopped goes on.
    Freeze,
    /// An address by which calendar programs read.
    Feed,
    /// The log itself: a backup, a restore, its second checkpoint.
    Log,
    /// A value of a later version.
    #[serde(other)]
    Other,
}

/// Refusals before authentication, summed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unauthenticated {
    /// Where they came from, as an opaque id or a network prefix.
    pub source: String,
    /// The second that is summed, as its first millisecond since 1970-01-01 UTC.
    pub second_ms: i64,
    /// How many.
    pub count: u64,
}

/// The gateway started or stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifecycle {
    /// Which of the two.
    pub event: LifecycleEvent,
    /// The gateway's version.
    pub version: String,
}

/// Start or stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LifecycleEvent {
    /// It started.
    Start,
    /// It stopped in order.
    Stop,
    /// A value of a later version.
    #[serde(other)]
    Other,
}

/// A torn tail was cut when the log was opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// Whole frames in what was cut.
    pub cut_frames: u64,
    /// Bytes that were cut.
    pub cut_bytes: u64,
    /// File name of the segment.
    pub segment: String,
    /// The index that was cut from; leaves before it are all there.
    pub from_index: u64,
}

/// Somebody read platform data or the log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// What was read, as a stable identifier.
    pub what: String,
    /// App id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// Person id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// Id of the Pressgate key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The grant that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<String>,
    /// Account id, where platform data was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Path of the brand that owns the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brand: Option<String>,
    /// The door that the reader came in by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub door: Option<String>,
    /// Id of the session whose token was shown in place of the key (never a token).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Commitments to values that no leaf may hold: where the reader came from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commitments: Vec<Commitment>,
    /// Which leaves: names and values of the filters. A searched text is not here but its digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// The first index that was given out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// How many leaves were given out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// The leaf whose commitments were opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaf: Option<u64>,
    /// Why, in the reader's words, where a reason is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The second person, where two are asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<String>,
}

/// The counters of the gateway since its start, at an even pace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// When the gateway started, in milliseconds since 1970-01-01 UTC: the counters begin there.
    pub started_ms: i64,
    /// Calls that passed all stages up to `record`.
    pub accepted: u64,
    /// Calls that were refused, strangers' included.
    pub denied: u64,
    /// Requests that left, `prepare` and `effect` alike: one intent leaf each.
    pub sent: u64,
    /// Requests of these that the network refused, or that stayed without an answer.
    pub failed: u64,
}

/// The log's own state changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// `normal`, `slow`, `low-disk` or `blocked`.
    pub state: String,
    /// The state before.
    pub before: String,
    /// Since when the gateway is in it, in milliseconds since 1970-01-01 UTC. A blocked log can say so only afterwards.
    pub since_ms: i64,
    /// Why, as a stable identifier.
    pub code: String,
}

/// Something beside the log needs a person, or no longer does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// What, as a stable identifier: `witness-missing`, `export-lag`, `clock-step`, …
    pub code: String,
    /// The id of the thing.
    pub subject: String,
    /// It began; otherwise it ended.
    pub raised: bool,
}

/// An event was handed to another system, or will not be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The connector of `connectors.toml`.
    pub connector: String,
    /// Name and version of its plugin.
    pub plugin: String,
    /// SHA-256 of the plugin's component, hexadecimal.
    pub plugin_digest: String,
    /// The index of the leaf that is the event.
    pub event: u64,
    /// What the event is: `post.held`.
    pub event_kind: String,
    /// The post that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post: Option<String>,
    /// The brand that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brand: Option<String>,
    /// What became of it.
    pub result: DeliveryResult,
    /// What the other system calls it: the number of a ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeliveryResult {
    /// The other system took it.
    Delivered,
    /// It was refused, or tried for too long: an operator may have it tried again.
    GivenUp,
    /// Something was sent and not answered, and nobody can tell what became of it.
    Unknown,
    /// A value of a later version.
    #[serde(other)]
    Other,
}

/// The values and keys of a subject are gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// The opaque id of whose values they were.
    pub subject: String,
    /// The legal basis, as a stable identifier.
    pub basis: String,
    /// The person ids of those who asked and confirmed.
    pub by: Vec<String>,
    /// How many leaves have commitments that can't be opened any more.
    pub leaves: u64,
    /// How many values were erased.
    pub values: u64,
    /// Which leaves, as first and last index of each run; empty where they would not fit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ranges: Vec<(u64, u64)>,
}

/// Entry bundles were dropped; hash tiles stay, so that proofs hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// The entries of leaves below this index are gone.
    pub below: u64,
    /// How many bundles were dropped.
    pub bundles: u64,
}

/// The key that signs checkpoints was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyChange {
    /// The verifier key that checkpoints had so far (C2SP signed-note, `<name>+<hash>+<key>`).
    pub from: String,
    /// The verifier key that they have from now on.
    pub to: String,
    /// Who did it: an opaque id or `local-signal`.
    pub by: String,
}

/// The checkpoint that covers a change of key, signed with both keys: who trusts the old one may go on to the new one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyHandover {
    /// Index of the [`KeyChange`].
    pub change: u64,
    /// The signed note.
    pub checkpoint: String,
}
