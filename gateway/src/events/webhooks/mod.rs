//! Signed webhooks (Standard Webhooks 1.0): one request for each event, to the receivers of `events.toml`.
//!
//! Each receiver has a line of its own that reads the log from a position of its own. In reading order: `kept` is what a line
//! remembers on disk, `attempt` makes one delivery, `line` decides what comes next.

mod attempt;
mod kept;
mod line;
mod told;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{sync::Mutex, task::JoinSet};

pub use told::{DeadView, WebhookView};

use self::{line::Line, told::Endpoint};
use crate::gateway::Gateway;

/// How often governance is looked at for new receivers.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The receivers of a gateway.
#[derive(Default)]
pub struct Webhooks {
    open: Mutex<BTreeMap<String, Arc<Endpoint>>>,
}

impl Webhooks {
    /// Delivers until the gateway stops.
    pub async fn run(&self, gateway: &Arc<Gateway>) {
        let mut lines = JoinSet::new();
        let mut running = BTreeMap::new();
        loop {
            while let Some(ended) = lines.try_join_next() {
                if let Err(error) = ended {
                    tracing::error!(%error, "a webhook's line ended by itself and begins anew");
                }
            }
            running.retain(|_, task: &mut tokio::task::AbortHandle| !task.is_finished());
            let wanted: Vec<String> = gateway.governance.load().webhooks.keys().cloned().collect();
            for id in wanted.into_iter().filter(|id| !running.contains_key(id)).collect::<Vec<_>>() {
                match self.endpoint(gateway, &id).await {
                    Ok(endpoint) => {
                        let line = Line::new(Arc::clone(gateway), endpoint);
                        running.insert(id, lines.spawn(line.run()));
                    }
                    Err(why) => tracing::error!(webhook = id, why, "a webhook can't begin"),
                }
            }
            tokio::select! {
                () = gateway.stopping.wait() => break,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
        while lines.join_next().await.is_some() {}
    }

    /// What there is of a receiver, read from disk where it was not yet.
    async fn endpoint(&self, gateway: &Gateway, id: &str) -> Result<Arc<Endpoint>, String> {
        // Held until it is there: two that open one file would each remember something else.
        let mut open = self.open.lock().await;
        if let Some(endpoint) = open.get(id) {
            return Ok(Arc::clone(endpoint));
        }
        let (dir, name) = (gateway.config.export_dir(), id.to_owned());
        let (origin, next) = (gateway.audit.origin().to_owned(), gateway.audit.next_index());
        let opened = tokio::task::spawn_blocking(move || Endpoint::open(&dir, &name, &origin, next));
        let opened = Arc::new(opened.await.map_err(|error| error.to_string())??);
        open.insert(id.to_owned(), Arc::clone(&opened));
        Ok(opened)
    }

    /// How every receiver of the governance is.
    ///
    /// # Errors
    /// A sentence, where what is kept of one can't be read.
    pub async fn list(&self, gateway: &Gateway) -> Result<Vec<WebhookView>, String> {
        let mut views = Vec::new();
        for hook in gateway.governance.load_full().webhooks.values() {
            let secrets = gateway.vault.webhook_secrets(&hook.id).await.map_err(|error| error.to_string())?;
            let endpoint = self.endpoint(gateway, &hook.id).await?;
            views.push(endpoint.view(hook, secrets.len(), gateway.audit.next_index()));
        }
        Ok(views)
    }

    /// What was given up of a receiver, oldest first; none where there is no such receiver.
    ///
    /// # Errors
    /// A sentence, where what is kept of it can't be read.
    pub async fn dead(&self, gateway: &Gateway, id: &str) -> Result<Option<Vec<DeadView>>, String> {
        if !gateway.governance.load().webhooks.contains_key(id) {
            return Ok(None);
        }
        Ok(Some(self.endpoint(gateway, id).await?.dead()))
    }

    /// Sends again what was given up, or everything from a leaf on, and enables a receiver that was disabled. Answers how many
    /// events, or leaves, that are; none where there is no such receiver.
    ///
    /// # Errors
    /// A sentence, where what is kept of it can't be read or written.
    pub async fn replay(&self, gateway: &Gateway, id: &str, from: Option<u64>) -> Result<Option<u64>, String> {
        if !gateway.governance.load().webhooks.contains_key(id) {
            return Ok(None);
        }
        let endpoint = self.endpoint(gateway, id).await?;
        let now_ms = gateway.clock.now().as_millisecond();
        let (count, cleared) = endpoint.replay(from, now_ms, gateway.audit.next_index());
        endpoint.store().await;
        for code in cleared {
            line::alarm(gateway, code, id, false).await;
        }
        Ok(Some(count))
    }
}
