//! Requests of adapters on their way out, and the seam through which they leave.
//!
//! The host decides whether the plugin may make a request at all (manifest ∩ operator's grant) and hands it to an [`Outbound`],
//! which journals, injects the credential and sends.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::str::FromStr;

use aws_lc_rs::digest;

use crate::model::hex::hex;

/// A request to the network, as a plugin made it or as a door received it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginRequest {
    /// `GET`, `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: String,
    /// Absolute address. What a plugin gives relative to the account's endpoint is made absolute before [`Outbound`] sees it.
    pub url: String,
    /// Headers in order.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: RequestBody,
    /// Label of the credential to inject, from the manifest.
    pub credential: Option<String>,
}

/// Body of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestBody {
    /// No body.
    None,
    /// These bytes.
    Bytes(Vec<u8>),
    /// A medium of the post by its id, as the whole body.
    Media(String),
    /// `multipart/form-data`.
    Multipart(Vec<FormField>),
}

/// One field of a multipart form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormField {
    /// Field name.
    pub name: String,
    /// File name, for a field that carries a medium.
    pub filename: Option<String>,
    /// The value.
    pub value: FormValue,
}

/// Value of a form field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormValue {
    /// Text.
    Text(String),
    /// A medium of the post by its id.
    Media(String),
    /// A piece of a medium of the post.
    MediaSlice {
        /// The medium's id.
        id: String,
        /// First byte.
        offset: u64,
        /// How many bytes.
        length: u64,
    },
}

impl FormValue {
    /// The medium of which this carries something.
    pub fn medium(&self) -> Option<&String> {
        match self {
            Self::Media(id) | Self::MediaSlice { id, .. } => Some(id),
            Self::Text(_) => None,
        }
    }
}

/// An answer of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginResponse {
    /// HTTP status.
    pub status: u16,
    /// Headers in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Decoded body.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Not allowed; the sentence says what forbids it.
    #[error("denied: {0}")]
    Denied(String),
    /// It certainly never reached the network.
    #[error("not sent: {0}")]
    NotSent(String),
    /// It was sent and no whole answer came.
    #[error("unknown: {0}")]
    Unknown(String),
    /// The answer is longer than allowed.
    #[error("the answer is too large")]
    TooLarge,
}

/// How a step avoids happening twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Safety {
    /// The network keeps a key of ours and answers a repetition with the first result.
    NativeKey {
        /// For how many seconds it does.
        window_s: u32,
    },
    /// The identifier is ours.
    ClientId,
    /// A prepared thing is committed once.
    TwoPhase,
    /// `reconcile` can find out.
    LookUp,
    /// Nothing helps.
    None,
}

impl fmt::Display for Safety {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NativeKey { window_s } => write!(f, "native-key:{window_s}"),
            Self::ClientId => f.write_str("client-id"),
            Self::TwoPhase => f.write_str("two-phase"),
            Self::LookUp => f.write_str("look-up"),
            Self::None => f.write_str("none"),
        }
    }
}

/// The text names no safety.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not how a step avoids happening twice")]
pub struct UnknownSafety(String);

impl FromStr for Safety {
    type Err = UnknownSafety;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "client-id" => Ok(Self::ClientId),
            "two-phase" => Ok(Self::TwoPhase),
            "look-up" => Ok(Self::LookUp),
            "none" => Ok(Self::None),
            _ => text
                .strip_prefix("native-key:")
                .and_then(|window| window.parse().ok())
                .map(|window_s| Self::NativeKey { window_s })
                .ok_or_else(|| UnknownSafety(text.chars().take(40).collect())),
        }
    }
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepKind {
    /// Changes the network in a way that nobody sees.
    Prepare(Safety),
    /// Is seen by others.
    Effect(Safety),
    /// Changes nothing.
    Read,
}

/// A request on its way.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<PluginResponse, SendError>> + Send + 'a>>;

/// Sends steps. The gateway's implementation journals them; a call that runs into its wall deadline drops the future.
pub trait Outbound: Send + Sync {
    /// Sends `request` as the step `step`. The time until the answer is not the plugin's.
    fn send(&self, step: String, kind: StepKind, request: PluginRequest) -> Sending<'_>;

    /// Hears of a request that the host itself denied; it goes nowhere.
    fn denied(&self, step: &str, reason: &str) {
        let _ = (step, reason);
    }
}

impl PluginRequest {
    /// SHA-256, hexadecimal, over an encoding in which no two different requests are alike: every text is preceded by its
    /// length, header names are in lower case.
    pub fn digest(&self) -> String {
        let mut encoder = Encoder(digest::Context::new(&digest::SHA256));
        encoder.text("pressgate request 1");
        encoder.text(&self.method);
        encoder.text(&self.url);
        encoder.count(self.headers.len());
        for (name, value) in &self.headers {
            encoder.text(&name.to_ascii_lowercase());
            encoder.text(value);
        }
        match &self.body {
            RequestBody::None => encoder.text("none"),
            RequestBody::Bytes(bytes) => {
                encoder.text("bytes");
                encoder.bytes(bytes);
            }
            RequestBody::Media(id) => {
                encoder.text("media");
                encoder.text(id);
            }
            RequestBody::Multipart(fields) => {
                encoder.text("multipart");
                encoder.count(fields.len());
                fields.iter().for_each(|field| encoder.field(field));
            }
        }
        encoder.option(self.credential.as_deref());
        hex(encoder.0.finish().as_ref())
    }
}

struct Encoder(digest::Context);

impl Encoder {
    fn count(&mut self, count: usize) {
        self.0.update(&(count as u64).to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.update(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn option(&mut self, text: Option<&str>) {
        match text {
            None => self.count(0),
            Some(text) => {
                self.count(1);
                self.text(text);
            }
        }
    }

    fn field(&mut self, field: &FormField) {
        self.text(&field.name);
        self.option(field.filename.as_deref());
        match &field.value {
            FormValue::Text(text) => {
                self.text("text");
                self.text(text);
            }
            FormValue::Media(id) => {
                self.text("media");
                self.text(id);
            }
            FormValue::MediaSlice { id, offset, length } => {
                self.text("media-slice");
                self.text(id);
                self.0.update(&offset.to_be_bytes());
                self.0.update(&length.to_be_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(headers: &[(&str, &str)], body: &[u8]) -> PluginRequest {
        PluginRequest {
            method: "POST".into(),
            url: "https://social.example/api".into(),
            headers: headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
            body: RequestBody::Bytes(body.to_vec()),
            credential: None,
        }
    }

    #[test]
    fn moving_a_letter_from_one_field_to_the_next_changes_the_digest() {
        assert_ne!(request(&[("ab", "c")], b"").digest(), request(&[("a", "bc")], b"").digest());
        assert_eq!(request(&[("A", "b")], b"x").digest(), request(&[("a", "b")], b"x").digest());
        let mut labelled = request(&[], b"");
        labelled.credential = Some(String::new());
        assert_ne!(labelled.digest(), request(&[], b"").digest());
    }

    #[test]
    fn a_body_is_not_mistaken_for_another_kind_of_body() {
        let mut bodies = [
            RequestBody::None,
            RequestBody::Bytes(vec![]),
            RequestBody::Bytes(b"media".to_vec()),
            RequestBody::Media("media".into()),
            RequestBody::Multipart(vec![]),
            RequestBody::Multipart(vec![FormField {
                name: "f".into(),
                filename: None,
                value: FormValue::Text("x".into()),
            }]),
            RequestBody::Multipart(vec![FormField {
                name: "f".into(),
                filename: None,
                value: FormValue::Media("x".into()),
            }]),
        ]
        .map(|body| PluginRequest { body, ..request(&[], b"") }.digest())
        .to_vec();
        bodies.sort();
        bodies.dedup();
        assert_eq!(bodies.len(), 7);
    }

    proptest! {
        #[test]
        fn a_safety_reads_back_as_written(window_s in any::<u32>(), which in 0..5u8) {
            let safety = match which {
                0 => Safety::NativeKey { window_s },
                1 => Safety::ClientId,
                2 => Safety::TwoPhase,
                3 => Safety::LookUp,
                _ => Safety::None,
            };
            prop_assert_eq!(safety.to_string().parse::<Safety>(), Ok(safety));
        }

        #[test]
        fn other_texts_are_no_safety(text in "native-key:?[a-z-]*|[a-z-]{0,12}") {
            let known = ["client-id", "two-phase", "look-up", "none"].contains(&text.as_str());
            prop_assert_eq!(text.parse::<Safety>().is_ok(), known);
        }
    }
}
