//! Signed webhooks: Standard Webhooks 1.0. One request for each batch, its body a JSON array of events.
//!
//! An array, not an event for each request, because a log of a thousand leaves a second would be a thousand requests; a plain array,
//! because the collectors of security tools take one. The id follows from the log and the leaves in it, so that the same batch, sent
//! again, has the same id. A batch that was read again after a restart may hold more leaves and have another id: what tells
//! repetitions apart for certain is `metadata.uid` of each event.

use aws_lc_rs::digest::{SHA256, digest};
use url::Url;

use super::{ANSWER_BYTES_MAX, Failed, Line, Taken, refused};
use crate::{
    egress::{JSON, OwnRequest, Proof, WebhookKey},
    export::batch::Batch,
    model::hex::hex,
};

/// Characters of the log's digest in an id.
const LOG_CHARS: usize = 12;

/// A receiver.
pub(in crate::export) struct WebhookSink {
    pub(super) line: Line,
    pub(super) url: Url,
    pub(super) private: bool,
    pub(super) key: WebhookKey,
}

impl WebhookSink {
    pub(super) async fn deliver(&self, origin: &str, batch: &Batch) -> Result<Taken, Failed> {
        let id = id(origin, batch);
        let now = self.line.clock.now();
        let request = OwnRequest {
            name: &self.line.name,
            url: &self.url,
            private: self.private,
            body: batch.body.clone(),
            content_type: JSON,
            proof: Proof::Webhook { keys: std::slice::from_ref(&self.key), id: &id, at_s: now.as_second() },
            timeout: self.line.timeout,
            response_bytes_max: ANSWER_BYTES_MAX,
        };
        let answer = self.line.egress.post_own(request).await?;
        match answer.status {
            200..=299 => Ok(Taken::default()),
            _ => Err(refused(&answer, now)),
        }
    }
}

/// No full stop in it: the signature separates with full stops.
fn id(origin: &str, batch: &Batch) -> String {
    let log: String = hex(digest(&SHA256, origin.as_bytes()).as_ref()).chars().take(LOG_CHARS).collect();
    format!("audit_{log}_{}_{}", batch.first, batch.next)
}
