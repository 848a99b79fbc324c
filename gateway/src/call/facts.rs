//! What networks say about their limits, asked through the adapter and kept for each account; stale while they don't answer.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use jiff::{SignedDuration, Timestamp};

use super::{
    clear::{Credentials, credentials},
    send::ReadOnly,
};
use crate::{
    audit::AuditHealth,
    gateway::Gateway,
    host::{Facts, Release, Snapshot},
    model::{Account, AccountId},
};

/// After a failure the network is left alone for this long.
const FAILURE_PAUSE_S: i64 = 30;
/// Facts are kept at least and at most this long, whatever the adapter says.
const FRESH_MIN_S: u32 = 10;
const FRESH_MAX_S: u32 = 7 * 24 * 3600;

type Entries = HashMap<(AccountId, String), Arc<tokio::sync::Mutex<Entry>>>;

/// The facts of all accounts.
#[derive(Default)]
pub struct FactsBook {
    /// By account and the release that asked: what another release says of the network may have another form.
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entry {
    facts: Option<Facts>,
    endpoint: String,
    ask_again_at: Option<Timestamp>,
    trouble: Option<String>,
}

impl FactsBook {
    /// The account's facts, asked for where they are missing or old. One question at a time for each account; without an answer
    /// the old facts hold on, or there are none.
    pub async fn of(&self, gateway: &Gateway, account: &Arc<Account>, adapter: &Arc<Release>) -> Option<Facts> {
        let entry = Arc::clone(self.entries.lock().ok()?.entry(name(account, adapter)).or_default());
        let mut entry = entry.lock().await;
        if entry.endpoint != account.origin() {
            *entry = Entry { endpoint: account.origin(), ..Entry::default() };
        }
        let now = gateway.clock.now();
        if entry.ask_again_at.is_some_and(|at| now < at) {
            return entry.facts.clone();
        }
        if entry.facts.is_some() && matches!(gateway.audit.health(), AuditHealth::Slow { .. }) {
            // What is known holds on until the log has time again.
            return entry.facts.clone();
        }
        // Another call with a refused credential would only hear the same no.
        if matches!(credentials(gateway, account, adapter).await, Ok(Credentials::Refused(_))) {
            return entry.facts.clone();
        }
        let outbound = Arc::new(ReadOnly::new(gateway, account, adapter));
        let answer = match adapter.discover(account, outbound).await {
            Ok(answer) => answer,
            Err(error) => Err(error.to_string()),
        };
        let seconds = match answer {
            Ok(mut facts) => {
                let fresh = i64::from(facts.fresh_s.clamp(FRESH_MIN_S, FRESH_MAX_S));
                let budgets = std::mem::take(&mut facts.budgets);
                if let Some(description) = adapter.description().filter(|_| !budgets.is_empty()) {
                    let rules = &gateway.governance.load().limits;
                    let again = now.checked_add(SignedDuration::from_secs(fresh)).ok();
                    gateway.limits.told(account, (&description.rate_classes, rules), &budgets, again).await;
                }
                entry.facts = Some(facts);
                entry.trouble = None;
                fresh
            }
            Err(trouble) => {
                tracing::warn!(account = %account.id, trouble, "the network does not tell its limits");
                entry.trouble = Some(trouble);
                FAILURE_PAUSE_S
            }
        };
        entry.ask_again_at = now.checked_add(SignedDuration::from_secs(seconds)).ok();
        entry.facts.clone()
    }

    /// What is known without asking, and what went wrong when it was asked last.
    pub async fn known(&self, account: &Account, adapter: &Release) -> (Option<Facts>, Option<String>) {
        let name = name(account, adapter);
        let entry = self.entries.lock().ok().and_then(|entries| entries.get(&name).map(Arc::clone));
        match entry {
            Some(entry) => {
                let entry = entry.lock().await;
                (entry.facts.clone(), entry.trouble.clone())
            }
            None => (None, None),
        }
    }

    /// Forgets what releases asked that are here no more.
    pub fn keep(&self, snapshot: &Snapshot) {
        if let Ok(mut entries) = self.entries.lock() {
            entries.retain(|(_, digest), _| snapshot.adapter_of(digest).is_some());
        }
    }
}

fn name(account: &Account, adapter: &Release) -> (AccountId, String) {
    (account.id.clone(), adapter.digest().to_owned())
}
