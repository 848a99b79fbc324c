//! Leaves: what the log says happened, as typed, versioned values and as the exact bytes that are logged.
//!
//! A leaf is one line of JSON of at most [`LEAF_BYTES_MAX`] bytes, so that it fits an entry bundle of C2SP tlog-tiles. It
//! holds no text of a post, no secret and no personal value: contents are digests, persons are opaque ids.
//!
//! Old and new logs stay readable: an unknown `kind`, or a version after [`LEAF_VERSION`], reads as [`Event::Unknown`]; an
//! unknown value of an enumeration reads as its `Other`; unknown fields are passed over.

use serde::{Deserialize, Serialize};

/// The longest leaf in bytes: entry bundles of C2SP tlog-tiles count with 16 bits.
pub const LEAF_BYTES_MAX: usize = 65_535;

/// The version of leaf that this package writes.
pub const LEAF_VERSION: u32 = 1;

/// One record of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaf {
    /// Version of the leaf's form, [`LEAF_VERSION`].
    pub v: u32,
    /// When it happened, in milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// Why a leaf could not be written as bytes or read from them.
#[derive(Debug, thiserror::Error)]
pub enum LeafError {
    /// Longer than [`LEAF_BYTES_MAX`].
    #[error("the leaf has {bytes} bytes and may have {LEAF_BYTES_MAX}; log digests instead of values")]
    TooLong {
        /// How many bytes it has.
        bytes: usize,
    },
    /// [`Event::Unknown`] is for reading only.
    #[error("a leaf of unknown kind can be read but not written")]
    Unknown,
    /// Not the JSON of a leaf.
    #[error("the leaf's JSON can't be used: {0}")]
    Json(#[from] serde_json::Error),
}

impl Leaf {
    /// A leaf of this version.
    pub fn new(at_ms: i64, event: impl Into<Event>) -> Self {
        Self { v: LEAF_VERSION, at_ms, event: event.into() }
    }

    /// The bytes to log: one line of JSON. Fails when they are too many, or when the event is unknown.
    pub fn to_bytes(&self) -> Result<Vec<u8>, LeafError> {
        if self.event == Event::Unknown {
            return Err(LeafError::Unknown);
        }
        let bytes = serde_json::to_vec(self)?;
        if bytes.len() > LEAF_BYTES_MAX {
            return Err(LeafError::TooLong { bytes: bytes.len() });
        }
        Ok(bytes)
    }

    /// The bytes to log, of a leaf of any size: what is too long of it is cut, the longest texts first, and marked. A leaf is
    /// never lost for a text in it.
    pub fn to_bytes_cut(&self) -> Result<Vec<u8>, LeafError> {
        let first = self.to_bytes();
        let Err(LeafError::TooLong { bytes }) = first else { return first };
        for chars_max in [4096, 512, 256] {
            let mut value = serde_json::to_value(self)?;
            cut(&mut value, chars_max);
            let shorter = serde_json::to_vec(&value)?;
            if shorter.len() <= LEAF_BYTES_MAX {
                return Ok(shorter);
            }
        }
        Err(LeafError::TooLong { bytes })
    }

    /// Reads logged bytes. A later version of leaf reads as [`Event::Unknown`], with its time where it has one.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LeafError> {
        #[derive(Deserialize)]
        struct Envelope {
            v: u32,
            #[serde(default)]
            at_ms: i64,
        }
        let envelope: Envelope = serde_json::from_slice(bytes)?;
        if envelope.v != LEAF_VERSION {
            return Ok(Self { v: envelope.v, at_ms: envelope.at_ms, event: Event::Unknown });
        }
        Ok(serde_json::from_slice(bytes)?)
    }
}

/// Cuts texts to `chars_max` characters, and in the last resort lists to as many items as one would read.
fn cut(value: &mut serde_json::Value, chars_max: usize) {
    use serde_json::Value;
    match value {
        Value::String(text) => {
            if let Some((end, _)) = text.char_indices().nth(chars_max) {
                let bytes = text.len();
                text.truncate(end);
                text.push_str(&format!("…[cut, {bytes} bytes]"));
            }
        }
        Value::Array(items) => {
            if chars_max <= 256 {
                items.truncate(100);
            }
            items.iter_mut().for_each(|item| cut(item, chars_max));
        }
        Value::Object(fields) => fields.values_mut().for_each(|field| cut(field, chars_max)),
        _ => {}
    }
}

/// What happened, told apart by `kind`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Event {
    /// A request is about to leave. Durable before its first byte.
    Intent(Box<Intent>),
    /// What became of an intent.
    Outcome(Box<Outcome>),
    /// A call was refused; one for each denial, but one for each key and second where a limit is exceeded.
    Refused(Box<Refused>),
    /// A target ended without an effect, or a recovery settled its state.
    Finished(Finished),
    /// A post waits for a person.
    Held(Box<Held>),
    /// A person voted on a held post.
    Vote(Vote),
    /// Somebody took a held post out of the approvers' hands.
    Withdrawal(Withdrawal),
    /// Somebody changed what the gateway works by.
    Change(Change),
    /// Refusals before authentication, summed for one source and second, so that strangers can't fill the log.
    Unauthenticated(Unauthenticated),
    /// The gateway started or stopped.
    Lifecycle(Lifecycle),
    /// A torn tail was cut when the log was opened.
    Recovery(Recovery),
    /// Somebody read platform data or the log.
    Read(Read),
    /// A kind that this version does not know. Never written.
    #[serde(other)]
    Unknown,
}

macro_rules! into_event {
    ($($kind:ident)*; $($boxed:ident)*) => {
        $(impl From<$kind> for Event { fn from(value: $kind) -> Self { Self::$kind(value) } })*
        $(impl From<$boxed> for Event { fn from(value: $boxed) -> Self { Self::$boxed(Box::new(value)) } })*
    };
}
into_event!(Finished Vote Withdrawal Change Unauthenticated Lifecycle Recovery Read; Intent Outcome Refused Held);

/// A request is about to leave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Post id.
    pub post: String,
    /// Account id.
    pub account: String,
    /// Action, from the host's list.
    pub action: String,
    /// The step of the adapter that asks for it.
    pub step: String,
    /// Which attempt on this target, from 1.
    pub attempt: u32,
    /// Whether the request prepares or has the effect.
    pub effect_kind: EffectKind,
    /// How the step avoids a duplicate, as its adapter declares it.
    pub safety: String,
    /// App id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// Person id, where a person called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// Person id for whom an app acts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<String>,
    /// Id of the Pressgate key (never the key).
    pub key: String,
    /// The grant that decided.
    pub grant: String,
    /// Digest of the content that was reviewed and approved.
    pub content_digest: String,
    /// Digest of the request as it leaves, without its credential.
    pub request_digest: String,
    /// Adapter, name and version.
    pub adapter: String,
    /// Digest of the adapter's component.
    pub adapter_digest: String,
    /// What the policies said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verdicts: Vec<VerdictNote>,
    /// Person ids of those who approved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<String>,
}

/// What a request does at the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EffectKind {
    /// It prepares, and may be repeated.
    Prepare,
    /// It has the effect.
    Effect,
    /// A value of a later version.
    #[serde(other)]
    Other,
}

/// What one policy said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictNote {
    /// The configured policy.
    pub policy: String,
    /// Its plugin, name and version.
    pub plugin: String,
    /// SHA-256 of the plugin's component, hexadecimal.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub plugin_digest: String,
    /// `allow`, `deny` or `hold`.
    pub outcome: String,
    /// Stable identifiers of its findings, never their text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<String>,
}

/// What became of an intent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Index of the intent's leaf.
    pub intent: u64,
    /// Post id.
    pub post: String,
    /// Account id.
    pub account: String,
    /// The adapter's step.
    pub step: String,
    /// How the request ended.
    pub result: OutcomeResult,
    /// The platform's HTTP status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Digest of the platform's answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_digest: Option<String>,
    /// The target's state after it, where it changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_state: Option<String>,
    /// Ids that the platform gave.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platform_ids: Vec<String>,
    /// Written by a recovery, not by the call itself.
    pub recovered: bool,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutcomeResult {
    /// The platform answered.
    Answered,
    /// No byte left.
    NotSent,
    /// It left, and no answer came.
    Unanswered,
    /// Nobody knows whether it left.
    #[serde(other)]
    Unknown,
}

/// A call was refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The stage of the path.
    pub stage: String,
    /// The problem's slug.
    pub problem: String,
    /// App id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// Person id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// Person id for whom an app acts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<String>,
    /// Id of the Pressgate key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Account id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Post id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post: Option<String>,
    /// Stable identifiers of what was found, never its text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<String>,
    /// How many in one second, where refusals for a limit are summed; otherwise it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

/// A target ended without an effect (refused before sending), or a recovery settled its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {
    /// Post id.
    pub post: String,
    /// Account id.
    pub account: String,
    /// The target's last state.
    pub target_state: String,
    /// Ids that the platform gave.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platform_ids: Vec<String>,
    /// Why, as a stable identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// A post waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Post id.
    pub post: String,
    /// Account ids.
    pub accounts: Vec<String>,
    /// App id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// Person id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// Id of the Pressgate key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Digest of the content that waits.
    pub content_digest: String,
    /// What the policies said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verdicts: Vec<VerdictNote>,
}

/// A person voted on a held post.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// Post id.
    pub post: String,
    /// Person id.
    pub person: String,
    /// Id of the Pressgate key.
    pub key: String,
    /// `approve` or `reject`.
    pub decision: String,
    /// Digest of the content that the vote is about.
    pub content_digest: String,
}

/// Somebody took a held post out of the approvers' hands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawal {
    /// Post id.
    pub post: String,
    /// App id, where an app did.
    pub app: Option<String>,
    /// Person id, where a person did.
    pub person: Option<String>,
    /// Id of the Pressgate key.
    pub key: String,
    /// Digest of the content that was withdrawn.
    pub content_digest: String,
}

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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
}
