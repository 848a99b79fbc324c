//! Where events go: a file, a webhook, an OTLP receiver. Each delivery has a timeout.

pub(super) mod file;
pub(super) mod otlp;
mod webhook;

use std::{path::Path, sync::Arc, time::Duration};

use jiff::Timestamp;

use self::{file::FileSink, otlp::OtlpSink, webhook::WebhookSink};
use super::batch::{Batch, Encoding};
use crate::{
    clock::Clock,
    config::process::{Export, ExportTo, SecretFrom},
    egress::{Egress, OutResponse, SendFailure, WebhookKey},
    vault::{OutsideSecret, SecretString},
};

/// The largest answer of a receiver, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// The sink took a batch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Taken {
    /// Events that the receiver took and refused, and does not want again.
    pub(super) rejected: u64,
    /// Why.
    pub(super) why: Option<String>,
}

/// It did not, or nobody knows: the same comes again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failed {
    /// In a sentence, without what the receiver wrote.
    pub(super) why: String,
    /// How long the receiver asks to wait.
    pub(super) retry_after: Option<Duration>,
    /// Fewer events might be taken.
    pub(super) too_large: bool,
}

impl Failed {
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), retry_after: None, too_large: false }
    }
}

impl From<SendFailure> for Failed {
    fn from(failure: SendFailure) -> Self {
        Self::new(failure.to_string())
    }
}

/// A sink that is open.
pub(super) enum Sink {
    File(FileSink),
    Webhook(Box<WebhookSink>),
    Otlp(OtlpSink),
}

impl Sink {
    /// Opens it. The receiver is not asked.
    pub(super) fn open(config: &Export, egress: &Arc<Egress>, clock: &Arc<dyn Clock>) -> Result<Self, String> {
        let timeout = Duration::from_millis(config.timeout_ms);
        let line = Line {
            name: format!("export/{}", config.name),
            egress: Arc::clone(egress),
            clock: Arc::clone(clock),
            timeout,
        };
        Ok(match &config.to {
            ExportTo::File { path, rotate_bytes, rotate_keep } => {
                Self::File(FileSink::new(path, *rotate_bytes, *rotate_keep, timeout))
            }
            ExportTo::Webhook { url, secret, private_endpoint } => {
                let key = webhook_key(secret)?;
                Self::Webhook(Box::new(WebhookSink { line, url: url.clone(), private: *private_endpoint, key }))
            }
            ExportTo::Otlp { url, header, private_endpoint } => {
                let header = match header {
                    Some((name, from)) => Some((name.clone(), secret(from)?)),
                    None => None,
                };
                Self::Otlp(OtlpSink { line, url: otlp::logs_url(url), private: *private_endpoint, header })
            }
        })
    }

    /// How it wants events.
    pub(super) fn encoding(&self) -> Encoding {
        match self {
            Self::File(_) => Encoding::Lines,
            Self::Webhook(_) => Encoding::Array,
            Self::Otlp(_) => Encoding::Otlp,
        }
    }

    /// Delivers one batch of the log `origin`.
    pub(super) async fn deliver(&mut self, origin: &str, batch: &Batch) -> Result<Taken, Failed> {
        match self {
            Self::File(sink) => sink.deliver(batch).await,
            Self::Webhook(sink) => sink.deliver(origin, batch).await,
            Self::Otlp(sink) => sink.deliver(batch).await,
        }
    }
}

/// What sinks over HTTP have in common.
pub(super) struct Line {
    name: String,
    egress: Arc<Egress>,
    clock: Arc<dyn Clock>,
    timeout: Duration,
}

fn secret(from: &SecretFrom) -> Result<SecretString, String> {
    let outside = match from {
        SecretFrom::File(path) => OutsideSecret::File(path.clone()),
        SecretFrom::Env(name) => OutsideSecret::Env(name.clone()),
    };
    outside.read().map_err(|error| error.to_string())
}

fn webhook_key(from: &SecretFrom) -> Result<WebhookKey, String> {
    WebhookKey::parse(&secret(from)?).map_err(|why| {
        format!(
            "{why}; make one with `echo \"whsec_$(head -c 32 /dev/urandom | base64)\"`, and give it to the receiver too"
        )
    })
}

/// Looks whether a sink could be opened, without opening it.
pub(super) fn check(config: &Export) -> Result<String, String> {
    match &config.to {
        ExportTo::File { path, .. } => {
            let folder = path.parent().unwrap_or(Path::new("."));
            if !folder.is_dir() {
                return Err(format!("{}: there is no such folder; make it", folder.display()));
            }
            Ok(format!("to {}", path.display()))
        }
        ExportTo::Webhook { url, secret: from, .. } => {
            webhook_key(from).map(|_| format!("to {}, signed", url.origin().ascii_serialization()))
        }
        ExportTo::Otlp { url, header, .. } => {
            let told = format!("to {}", url.origin().ascii_serialization());
            header.as_ref().map_or(Ok(told.clone()), |(_, from)| secret(from).map(|_| told))
        }
    }
}

/// What a status that is no success means.
fn refused(answer: &OutResponse, now: Timestamp) -> Failed {
    let retry_after = answer.headers.iter().find(|(name, _)| name == "retry-after");
    Failed {
        why: format!("the receiver answered {}", answer.status),
        retry_after: retry_after.and_then(|(_, value)| asked(value, now)),
        too_large: answer.status == 413,
    }
}

/// `Retry-After` (RFC 9110 section 10.2.3): seconds, or a date.
fn asked(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
    Some(Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        assert_eq!(asked(" 7 ", now), Some(Duration::from_secs(7)));
        assert_eq!(asked("Sun, 01 Mar 2026 12:00:30 GMT", now), Some(Duration::from_secs(30)));
        assert_eq!(asked("Sun, 01 Mar 2026 11:00:30 GMT", now), Some(Duration::ZERO));
        for bad in ["", "-1", "soon", "1.5"] {
            assert_eq!(asked(bad, now), None, "{bad}");
        }
        let answer = |status, value: &str| OutResponse {
            status,
            headers: vec![("retry-after".to_owned(), value.to_owned())],
            body: Vec::new(),
        };
        assert_eq!(refused(&answer(503, "3"), now).retry_after, Some(Duration::from_secs(3)));
        assert!(refused(&answer(413, ""), now).too_large && !refused(&answer(400, ""), now).too_large);
    }
}
