//! Leaves: what the log says happened, as typed, versioned values and as the exact bytes that are logged.
//!
//! A leaf is one line of JSON of at most [`LEAF_BYTES_MAX`] bytes, so that it fits an entry bundle of C2SP tlog-tiles. It
//! holds no text of a post, no secret and no personal value: contents are digests, persons are opaque ids.
//!
//! Old and new logs stay readable: an unknown `kind`, or a version after [`LEAF_VERSION`], reads as [`Event::Unknown`]; an
//! unknown value of an enumeration reads as its `Other`; unknown fields are passed over.

mod call;
mod commitment;
mod system;

pub use call::*;
pub use commitment::*;
pub use system::*;

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

/// Most leaves have fewer bytes than this.
const LEAF_BYTES_USUAL: usize = 1_200;

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
        let mut bytes = Vec::with_capacity(LEAF_BYTES_USUAL);
        serde_json::to_writer(&mut bytes, self)?;
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
    /// Something was decided of a post's life.
    Transition(Box<Transition>),
    /// Somebody changed what the gateway works by.
    Change(Change),
    /// Refusals before authentication, summed for one source and second, so that strangers can't fill the log.
    Unauthenticated(Unauthenticated),
    /// The gateway started or stopped.
    Lifecycle(Lifecycle),
    /// A torn tail was cut when the log was opened.
    Recovery(Recovery),
    /// Somebody read platform data or the log.
    Read(Box<Read>),
    /// The counters of the gateway, at an even pace, so that missing records can be noticed.
    Heartbeat(Heartbeat),
    /// The log's own state changed.
    State(State),
    /// Something beside the log needs a person, or no longer does.
    Alarm(Alarm),
    /// An event was handed to another system, or will not be.
    Delivery(Box<Delivery>),
    /// The values and keys of a subject are gone.
    Erasure(Box<Erasure>),
    /// Entry bundles were dropped; hash tiles stay.
    Retention(Retention),
    /// The key that signs checkpoints was changed.
    KeyChange(KeyChange),
    /// The checkpoint that covers a change of key, signed with both keys.
    KeyHandover(KeyHandover),
    /// A kind that this version does not know. Never written.
    #[serde(other)]
    Unknown,
}

impl Event {
    /// Values that the leaf commits to instead of holding them.
    pub fn commitments(&self) -> &[Commitment] {
        match self {
            Self::Intent(intent) => &intent.commitments,
            Self::Refused(refused) => &refused.commitments,
            Self::Read(read) => &read.commitments,
            _ => &[],
        }
    }

    /// The call of the leaf's commitments: its post's id, or empty where it has none.
    pub fn call(&self) -> &str {
        match self {
            Self::Intent(intent) => &intent.post,
            Self::Refused(refused) => refused.post.as_deref().unwrap_or_default(),
            _ => "",
        }
    }

    /// Whose values the leaf commits to: the person for whom somebody acted, else the person, else the app, as
    /// `person:editor-7` or `app:newsroom`.
    pub fn subject(&self) -> Option<String> {
        let (on_behalf_of, person, app) = match self {
            Self::Intent(leaf) => (&leaf.on_behalf_of, &leaf.person, &leaf.app),
            Self::Refused(leaf) => (&leaf.on_behalf_of, &leaf.person, &leaf.app),
            Self::Read(leaf) => (&None, &leaf.person, &leaf.app),
            _ => return None,
        };
        let person = on_behalf_of.as_ref().or(person.as_ref()).map(|person| format!("person:{person}"));
        person.or_else(|| app.as_ref().map(|app| format!("app:{app}")))
    }
}

macro_rules! into_event {
    ($($kind:ident)*; $($boxed:ident)*) => {
        $(impl From<$kind> for Event { fn from(value: $kind) -> Self { Self::$kind(value) } })*
        $(impl From<$boxed> for Event { fn from(value: $boxed) -> Self { Self::$boxed(Box::new(value)) } })*
    };
}
into_event!(
    Finished Vote Withdrawal Change Unauthenticated Lifecycle Recovery Heartbeat State Alarm Retention KeyChange KeyHandover;
    Intent Outcome Refused Held Transition Read Delivery Erasure
);
