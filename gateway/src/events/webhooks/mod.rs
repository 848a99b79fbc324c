//! Signed webhooks (Standard Webhooks 1.0): one request for each event, to the receivers of `events.toml`.

mod attempt;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use super::lines::DeadView;
use super::{
    Event,
    lines::{Attempt, Attempted, Endpoint, Lines, Receiver},
};
use crate::{
    config::{Governance, Webhook},
    gateway::Gateway,
    model::EventType,
};

/// The receivers of a gateway.
#[derive(Default)]
pub struct Webhooks(Lines<Webhook>);

/// How one receiver is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookView {
    /// Its name.
    pub id: String,
    /// Scheme, host and port of where events are posted to.
    pub origin: String,
    /// Who answers for it.
    pub owner: String,
    /// `ready`, `no-secret`, `down` (it can't be reached), or `disabled` (it answered 410).
    pub state: String,
    /// Signatures that a delivery has now: 2 after a rotation.
    pub secrets: usize,
    /// The next leaf to look at.
    pub next: u64,
    /// Leaves of the log that were not looked at yet.
    pub lag_leaves: u64,
    /// Events that wait for another attempt.
    pub waiting: usize,
    /// Events that were given up.
    pub dead: usize,
    /// Events that were taken since the start of the process.
    pub delivered: u64,
    /// Why the last delivery failed; none after a good one.
    pub last_error: Option<String>,
}

impl Receiver for Webhook {
    const WORD: &'static str = "webhook";
    const DEAD_LETTER: &'static str = "webhook-dead-letter";
    const DISABLED: &'static str = "webhook-disabled";
    const FORGETS_DEAD: bool = true;

    fn names(governance: &Governance) -> Vec<String> {
        governance.webhooks.keys().cloned().collect()
    }

    fn find(governance: &Governance, id: &str) -> Option<Self> {
        governance.webhooks.get(id).cloned()
    }

    fn wants(&self, kind: EventType) -> bool {
        self.types.is_empty() || self.types.contains(&kind)
    }

    fn deliver<'a>(
        &'a self,
        gateway: &'a Arc<Gateway>,
        _endpoint: &'a Arc<Endpoint>,
        event: &'a Event,
    ) -> Attempted<'a, Attempt> {
        Box::pin(attempt::deliver(gateway, self, event))
    }

    fn given_up<'a>(&'a self, _gateway: &'a Arc<Gateway>, _event: &'a Event, _unknown: bool) -> Attempted<'a, ()> {
        Box::pin(std::future::ready(()))
    }
}

impl Webhooks {
    /// Delivers until the gateway stops.
    pub async fn run(&self, gateway: &Arc<Gateway>) {
        self.0.run(gateway).await;
    }

    /// How every receiver of the governance is.
    ///
    /// # Errors
    /// A sentence, where what is kept of one can't be read.
    pub async fn list(&self, gateway: &Gateway) -> Result<Vec<WebhookView>, String> {
        let mut views = Vec::new();
        for hook in gateway.governance.load_full().webhooks.values() {
            let secrets = gateway.vault.webhook_secrets(&hook.id).await.map_err(|error| error.to_string())?.len();
            let figures = self.0.endpoint(gateway, &hook.id).await?.figures(gateway.audit.next_index());
            views.push(WebhookView {
                id: hook.id.clone(),
                origin: hook.url.origin().ascii_serialization(),
                owner: hook.owner.to_string(),
                state: match (figures.disabled, secrets, figures.down) {
                    (true, ..) => "disabled",
                    (_, 0, _) => "no-secret",
                    (_, _, true) => "down",
                    _ => "ready",
                }
                .to_owned(),
                secrets,
                next: figures.next,
                lag_leaves: figures.lag_leaves,
                waiting: figures.waiting,
                dead: figures.dead,
                delivered: figures.delivered,
                last_error: figures.last_error,
            });
        }
        Ok(views)
    }

    /// What was given up of a receiver, oldest first; none where there is no such receiver.
    ///
    /// # Errors
    /// A sentence, where what is kept of it can't be read.
    pub async fn dead(&self, gateway: &Gateway, id: &str) -> Result<Option<Vec<DeadView>>, String> {
        self.0.dead(gateway, id).await
    }

    /// Sends again what was given up, or everything from a leaf on, and enables a receiver that was disabled. Answers how many
    /// events, or leaves, that are; none where there is no such receiver.
    ///
    /// # Errors
    /// A sentence, where what is kept of it can't be read or written.
    pub async fn replay(&self, gateway: &Gateway, id: &str, from: Option<u64>) -> Result<Option<u64>, String> {
        let (now_ms, log_next) = (gateway.clock.now().as_millisecond(), gateway.audit.next_index());
        self.0.change(gateway, id, |endpoint| endpoint.replay(from, now_ms, log_next)).await
    }
}
