//! Looks after connections: renews those that are due though nobody uses them, and tells the log which need a person.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use jiff::SignedDuration;
use tokio::time::MissedTickBehavior;

use super::RECONNECT_NEEDED;
use crate::{
    audit::{Leaf, leaf},
    call::send::scope,
    gateway::Gateway,
    model::Account,
    vault::Connection,
};

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// A token that runs out within this time is looked at by egress, which knows when it is due.
const SOON: SignedDuration = SignedDuration::from_mins(2);
/// The note that says which alarms are raised.
const NOTE: &str = "reconnect-alarms";

/// What is known of all connections, as of a change of the vault and of the governance.
#[derive(Default)]
struct Seen {
    as_of: Option<(u64, String)>,
    all: BTreeMap<String, (Arc<Account>, String, Connection)>,
    /// Alarms that the log has as raised; none until the note was read.
    raised: Option<BTreeSet<String>>,
}

/// Runs until the gateway stops.
pub async fn watch(gateway: &Arc<Gateway>) {
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen = Seen::default();
    loop {
        tokio::select! {
            () = gateway.stopping.wait() => return,
            _ = look.tick() => {}
        }
        if let Err(why) = seen.look(gateway).await {
            tracing::warn!(why, "connections can't be looked after; it is tried again");
        }
        seen.renew(gateway);
    }
}

impl Seen {
    async fn look(&mut self, gateway: &Gateway) -> Result<(), String> {
        let governance = gateway.governance.load_full();
        let now = (gateway.vault.changes(), governance.digest.clone());
        if self.as_of.as_ref() == Some(&now) {
            return Ok(());
        }
        let mut all = BTreeMap::new();
        for account in governance.accounts.values() {
            let Some(manifest) = gateway.shelf.manifest(&account.adapter) else { continue };
            for declared in manifest.credentials.iter().filter(|declared| declared.scheme.connects()) {
                let found = gateway.vault.connection(&account.id, &declared.label).await;
                if let Some(connection) = found.map_err(|error| error.to_string())? {
                    let name = format!("{}/{}", account.id, declared.label);
                    all.insert(name, (Arc::clone(account), declared.label.clone(), connection));
                }
            }
        }
        self.all = all;
        self.tell(gateway).await?;
        self.as_of = Some(now);
        Ok(())
    }

    /// Writes an alarm for each connection that came to need a person, and for each that no longer does. What is told twice after a
    /// crash harms nobody; what is not told would.
    async fn tell(&mut self, gateway: &Gateway) -> Result<(), String> {
        let raised = match &self.raised {
            Some(raised) => raised.clone(),
            None => {
                let note = gateway.vault.note(NOTE).await.map_err(|error| error.to_string())?;
                note.unwrap_or_default().lines().map(str::to_owned).collect()
            }
        };
        let needed: BTreeSet<String> = self
            .all
            .iter()
            .filter(|(_, (.., connection))| connection.reconnect_since.is_some())
            .map(|(name, _)| name.clone())
            .collect();
        gateway.connections.waiting.store(u64::try_from(needed.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
        let at_ms = gateway.clock.now().as_millisecond();
        let alarm = |subject: &String, raised| {
            Leaf::new(at_ms, leaf::Alarm { code: RECONNECT_NEEDED.to_owned(), subject: subject.clone(), raised })
        };
        let mut leaves: Vec<Leaf> = needed.difference(&raised).map(|name| alarm(name, true)).collect();
        leaves.extend(raised.difference(&needed).map(|name| alarm(name, false)));
        if !leaves.is_empty() {
            for name in needed.difference(&raised) {
                tracing::error!(credential = name, "ALARM {RECONNECT_NEEDED}: run `pressgate credential connect`");
            }
            gateway.audit.append_all(leaves).await.map_err(|error| error.to_string())?;
            let lines = needed.iter().cloned().collect::<Vec<_>>().join("\n");
            gateway.vault.keep_note(NOTE, &lines).await.map_err(|error| error.to_string())?;
        }
        self.raised = Some(needed);
        Ok(())
    }

    /// Each on a task of its own: one server that does not answer must not keep the others waiting.
    fn renew(&self, gateway: &Arc<Gateway>) {
        let soon = gateway.clock.now().saturating_add(SOON).unwrap_or(jiff::Timestamp::MAX);
        let serving = gateway.registry.snapshot();
        for (account, label, connection) in self.all.values() {
            let ends = connection.expires_at.is_some_and(|expires| expires <= soon);
            let Some(adapter) = serving.adapter(account) else { continue };
            if !ends || connection.reconnect_since.is_some() {
                continue;
            }
            let (egress, label) = (Arc::clone(&gateway.egress), label.clone());
            let scope = scope(gateway, account, adapter);
            tokio::spawn(async move { egress.renew_where_due(&scope, &label).await });
        }
    }
}
