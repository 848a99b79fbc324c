//! What connectors are asked and what they answer, in the gateway's words, and each call that can be made to one.

use std::sync::Arc;

use jiff::Timestamp;

use super::adapter::{Failure, Reconciliation};
use super::convert::{self, connector as answers};
use super::error::{PluginError, PluginFault};
use super::exchange::Outbound;
use super::imports::{CallWorld, Exchange, NOTE_BYTES_MAX, Purpose, Seeded, Time};
use super::media::MediaFiles;
use super::release::Release;

/// Something that happened, as a connector is told it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveredEvent {
    /// `evt_` and the index of its leaf.
    pub id: String,
    /// What happened.
    pub kind: &'static str,
    /// When.
    pub at_ms: u64,
    /// Of which brand.
    pub brand: Option<String>,
    /// To which post.
    pub post: Option<String>,
    /// On which account; none where it is about several.
    pub account: Option<String>,
    /// The accounts that it is about, as far as this connector hears of them.
    pub accounts: Vec<String>,
    /// Of which campaign.
    pub campaign: Option<String>,
    /// The app that made the post.
    pub app: Option<String>,
    /// The opaque id of the person who made it.
    pub person: Option<String>,
    /// What decided.
    pub detail: Option<String>,
    /// Why, in codes.
    pub codes: Vec<String>,
    /// What the network called what was published.
    pub platform_ids: Vec<String>,
    /// The whole event, as a webhook gets it.
    pub json: String,
}

/// One attempt to hand an event over.
#[derive(Debug, Clone)]
pub struct DeliverCall {
    /// The same for every attempt at this event by this connector.
    pub key: [u8; 32],
    /// When the first attempt began; the same for every attempt.
    pub created_at: Timestamp,
    /// From 1.
    pub attempt: u32,
    /// The connector's name.
    pub connector: String,
    /// The other system, as an origin.
    pub endpoint: String,
    /// What happened.
    pub event: DeliveredEvent,
    /// The connector's note, as the last event that was handed over left it.
    pub note: Vec<u8>,
    /// Steps that were answered at earlier attempts, and the bodies of the answers.
    pub answered: Vec<(String, String)>,
}

/// What the other system made of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handed {
    /// Its id there; none where it gave none or where nothing was to be done.
    pub id: Option<String>,
    /// Address for people.
    pub url: Option<String>,
}

impl Release {
    /// Hands an event over. With the answer comes the connector's new note, where it set one.
    ///
    /// # Errors
    /// The plugin failed, or is no connector.
    pub async fn deliver(
        &self,
        call: &DeliverCall,
        out: Arc<dyn Outbound>,
    ) -> Result<(Result<Handed, Failure>, Option<Vec<u8>>), PluginError> {
        let sent = convert::connector::delivery(call);
        let (answer, state) = self.call("deliver", world(call, Purpose::Perform, out), (&sent,)).await?;
        let exchange = state.world.exchange.ok_or_else(|| self.failed(PluginFault::Internal("no exchange".into())))?;
        let answer = answers::delivered(answer, &exchange.steps).map_err(|reason| self.nonsense("deliver", reason))?;
        Ok((answer, exchange.new_note))
    }

    /// Did this unanswered step of a delivery happen?
    ///
    /// # Errors
    /// The plugin failed, or is no connector.
    pub async fn reconcile_delivery(
        &self,
        call: &DeliverCall,
        step: &str,
        out: Arc<dyn Outbound>,
    ) -> Result<Reconciliation, PluginError> {
        let sent = convert::connector::delivery(call);
        let (answer, _) = self.call("reconcile", world(call, Purpose::Reconcile, out), (&sent, step)).await?;
        answers::reconciliation(answer).map_err(|reason| self.nonsense("reconcile", reason))
    }
}

/// Time and randomness follow from the delivery, so that every attempt sees the same.
fn world(call: &DeliverCall, purpose: Purpose, out: Arc<dyn Outbound>) -> CallWorld {
    let now_ms = convert::millis(call.created_at);
    let note = call.note.get(..NOTE_BYTES_MAX).unwrap_or(&call.note).to_vec();
    CallWorld {
        media: MediaFiles::none(),
        time: Time::Replayed { now_ms, random: Seeded::new(call.key, now_ms) },
        exchange: Some(Exchange::boxed(purpose, out, call.endpoint.clone(), note)),
    }
}
