//! The pulse: what the log says of itself and of the gateway without being asked. Heartbeats with counters at an even pace, so that
//! missing records can be noticed, and every change of the log's own state.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio::time::MissedTickBehavior;

use crate::{
    audit::{AuditLog, Leaf, leaf},
    gateway::Gateway,
    metrics::{Counters, Registry},
};

/// How often it looks whether something is to be said.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Runs until the gateway stops.
pub async fn beat(gateway: &Arc<Gateway>) {
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut next = after(gateway, gateway.clock.now());
    loop {
        tokio::select! {
            () = gateway.stopping.wait() => return,
            _ = look.tick() => {}
        }
        tell_changes(gateway).await;
        let now = gateway.clock.now();
        // A clock that was set back would otherwise silence the heart for as long.
        if now >= next || after(gateway, now) < next {
            next = after(gateway, now);
            heartbeat(gateway).await;
        }
    }
}

/// Says the last of it: at a stop, when no call is under way any more.
pub async fn last(gateway: &Gateway) {
    tell_changes(gateway).await;
    heartbeat(gateway).await;
}

fn after(gateway: &Gateway, now: Timestamp) -> Timestamp {
    let seconds = i64::try_from(gateway.config.audit.heartbeat_seconds).unwrap_or(i64::MAX);
    now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}

/// The counters are read before the leaf is queued, so what they count is in the log before it.
async fn heartbeat(gateway: &Gateway) {
    let counters = &gateway.counters;
    let event = leaf::Heartbeat {
        started_ms: gateway.started_ms,
        accepted: counters.accepted.get(),
        denied: counters.denied.get(),
        sent: counters.sent.get(),
        failed: counters.failed.get(),
    };
    // A log that can't be written says so itself, afterwards; the next heartbeat has the same counters and more.
    if let Err(error) = gateway.audit.append(Leaf::new(gateway.clock.now().as_millisecond(), event)).await {
        tracing::warn!(%error, "a heartbeat is missing in the audit log");
    }
}

/// Writes the changes of the log's state that are in no leaf yet. A blocked log tells of it afterwards.
async fn tell_changes(gateway: &Gateway) {
    let changes = gateway.audit.take_changes();
    if changes.is_empty() {
        return;
    }
    let at_ms = gateway.clock.now().as_millisecond();
    let leaves = changes.iter().map(|change| Leaf::new(at_ms, change.clone())).collect();
    if gateway.audit.append_all(leaves).await.is_err() {
        gateway.audit.untake_changes(changes);
    }
}

/// A registry with what the log and the counters measure.
pub fn metrics(audit: &AuditLog, counters: &Arc<Counters>) -> Registry {
    let registry = Registry::default();
    let (audit, counters) = (audit.clone(), Arc::clone(counters));
    registry.add(move |page| audit.show(page));
    registry.add(move |page| counters.show(page));
    registry
}
