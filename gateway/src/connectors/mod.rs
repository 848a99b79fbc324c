//! Connectors: events of the log, handed to other systems by plugins of `connectors.toml`.
//!
//! Order, position, pauses and what is given up are those of every line ([`crate::events::lines`]). What is added here is the plugin: `deliver`
//! asks it and says what its answer means, `wire` is what its requests go through, `settle` looks after a step that was not answered.

mod deliver;
mod settle;
mod wire;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    audit::{
        Leaf,
        leaf::{self, DeliveryResult},
    },
    config::{Connector, Governance},
    events::{
        Event,
        lines::{Attempt, Attempted, DeadView, Endpoint, Lines, Receiver, Unsettled},
    },
    gateway::Gateway,
    model::EventType,
};

/// The connectors of a gateway.
#[derive(Default)]
pub struct Connectors(Lines<Connector>);

/// How one connector is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectorView {
    /// Its name.
    pub id: String,
    /// Its plugin: name and version.
    pub plugin: String,
    /// Scheme, host and port of the other system.
    pub origin: String,
    /// Who answers for it.
    pub owner: String,
    /// `ready`, `down` (nothing can be handed over for now) or `no-plugin`.
    pub state: String,
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

impl Receiver for Connector {
    const WORD: &'static str = "connector";
    const DEAD_LETTER: &'static str = "connector-dead-letter";
    const DISABLED: &'static str = "connector-disabled";
    // What was not handed over is somebody's ticket.
    const FORGETS_DEAD: bool = false;

    fn names(governance: &Governance) -> Vec<String> {
        governance.connectors.keys().cloned().collect()
    }

    fn find(governance: &Governance, id: &str) -> Option<Self> {
        governance.connectors.get(id).cloned()
    }

    fn wants(&self, kind: EventType) -> bool {
        self.types.is_empty() || self.types.contains(&kind)
    }

    fn deliver<'a>(
        &'a self,
        gateway: &'a Arc<Gateway>,
        endpoint: &'a Arc<Endpoint>,
        event: &'a Event,
    ) -> Attempted<'a, Attempt> {
        Box::pin(deliver::deliver(gateway, endpoint, self, event))
    }

    fn given_up<'a>(&'a self, gateway: &'a Arc<Gateway>, event: &'a Event, unknown: bool) -> Attempted<'a, ()> {
        Box::pin(async move {
            let result = if unknown { DeliveryResult::Unknown } else { DeliveryResult::GivenUp };
            if let Err(error) = tell(gateway, self, event, result, None).await {
                tracing::warn!(connector = self.id, error, "what was given up is not in the log");
            }
        })
    }
}

/// Writes into the log what became of an event.
async fn tell(
    gateway: &Gateway,
    connector: &Connector,
    event: &Event,
    result: DeliveryResult,
    reference: Option<String>,
) -> Result<(), String> {
    let snapshot = gateway.registry.snapshot();
    let release = snapshot.connectors.get(&connector.id);
    let told = leaf::Delivery {
        connector: connector.id.clone(),
        plugin: release.map_or_else(|| connector.plugin.to_string(), |release| release.label().to_owned()),
        plugin_digest: release.map_or_else(String::new, |release| release.digest().to_owned()),
        event: event.index,
        event_kind: event.kind.as_str().to_owned(),
        post: Some(event.post.clone()).filter(|post| !post.is_empty()),
        brand: event.brand.clone(),
        result,
        reference,
    };
    let leaf = Leaf::new(gateway.clock.now().as_millisecond(), told);
    gateway.audit.append(leaf).await.map(drop).map_err(|error| error.to_string())
}

impl Connectors {
    /// Hands events over until the gateway stops.
    pub async fn run(&self, gateway: &Arc<Gateway>) {
        self.0.run(gateway).await;
    }

    /// How every connector of the governance is.
    ///
    /// # Errors
    /// A sentence, where what is kept of one can't be read.
    pub async fn list(&self, gateway: &Gateway) -> Result<Vec<ConnectorView>, String> {
        let mut views = Vec::new();
        let snapshot = gateway.registry.snapshot();
        for connector in gateway.governance.load_full().connectors.values() {
            let figures = self.0.endpoint(gateway, &connector.id).await?.figures(gateway.audit.next_index());
            let release = snapshot.connectors.get(&connector.id);
            views.push(ConnectorView {
                id: connector.id.clone(),
                plugin: release.map_or_else(|| connector.plugin.to_string(), |release| release.label().to_owned()),
                origin: connector.system.origin(),
                owner: connector.owner.to_string(),
                state: match (release, figures.down) {
                    (None, _) => "no-plugin",
                    (_, true) => "down",
                    _ => "ready",
                }
                .to_owned(),
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

    /// What was given up of a connector, oldest first; none where there is no such connector.
    ///
    /// # Errors
    /// A sentence, where what is kept of it can't be read.
    pub async fn dead(&self, gateway: &Gateway, id: &str) -> Result<Option<Vec<DeadView>>, String> {
        self.0.dead(gateway, id).await
    }

    /// Has events that were given up tried again: all that were refused, or these. Answers how many, or the first that is not on the list;
    /// none where there is no such connector.
    ///
    /// # Errors
    /// A sentence, where what is kept of it can't be read.
    pub async fn retry(
        &self,
        gateway: &Gateway,
        id: &str,
        leaves: &[u64],
    ) -> Result<Option<Result<u64, Unsettled>>, String> {
        let now_ms = gateway.clock.now().as_millisecond();
        self.changed(gateway, id, |endpoint| endpoint.retry(leaves, now_ms)).await
    }

    /// Takes events off the list of what was given up. Answers as [`Self::retry`].
    ///
    /// # Errors
    /// A sentence, where what is kept of it can't be read.
    pub async fn close(
        &self,
        gateway: &Gateway,
        id: &str,
        leaves: &[u64],
    ) -> Result<Option<Result<u64, Unsettled>>, String> {
        self.changed(gateway, id, |endpoint| endpoint.close(leaves)).await
    }

    async fn changed(
        &self,
        gateway: &Gateway,
        id: &str,
        change: impl FnOnce(&Endpoint) -> Result<u64, Unsettled>,
    ) -> Result<Option<Result<u64, Unsettled>>, String> {
        let mut answer = Ok(0);
        let changed = self.0.change(gateway, id, |endpoint| {
            answer = change(endpoint);
            answer.unwrap_or_default()
        });
        Ok(changed.await?.map(|_| answer))
    }
}
