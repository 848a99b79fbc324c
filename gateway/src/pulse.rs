//! The pulse: what the log says of itself and of the gateway without being asked. Heartbeats with counters at an even pace, so that
//! missing records can be noticed, and every change of the log's own state.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio::time::MissedTickBehavior;

use crate::{
    audit::{AuditLog, Leaf, leaf},
    export::Exports,
    gateway::Gateway,
    index::AuditIndex,
    metrics::{Counters, Page, Registry},
};

/// How often it looks whether something is to be said.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A tree that can't be written for so long is an alarm, in milliseconds.
const TREE_STUCK_MS: i64 = 10_000;

/// Runs until the gateway stops.
pub async fn beat(gateway: &Arc<Gateway>) {
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut next = after(gateway, gateway.clock.now());
    let mut stuck = false;
    loop {
        tokio::select! {
            () = gateway.stopping.wait() => return,
            _ = look.tick() => {}
        }
        tell_changes(gateway).await;
        stuck = tell_tree(gateway, stuck).await;
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

/// Says once that the tree can't be written for long, and once that it can again.
async fn tell_tree(gateway: &Gateway, told: bool) -> bool {
    let Some(status) = gateway.audit.tree().map(|tree| tree.borrow().clone()) else { return told };
    let now_ms = gateway.clock.now().as_millisecond();
    let stuck = status.failing.is_some_and(|(since_ms, _)| told || now_ms.saturating_sub(since_ms) >= TREE_STUCK_MS);
    if stuck == told {
        return told;
    }
    let alarm = leaf::Alarm { code: "tree-stuck".into(), subject: "log".into(), raised: stuck };
    match gateway.audit.append(Leaf::new(now_ms, alarm)).await {
        Ok(_) => stuck,
        Err(_) => told,
    }
}

/// A registry with what the log, its tree, its exports and the counters measure.
pub fn metrics(
    audit: &AuditLog,
    exports: &Arc<Exports>,
    index: &Arc<AuditIndex>,
    counters: &Arc<Counters>,
) -> Registry {
    let registry = Registry::default();
    let log = audit.clone();
    registry.add(move |page| log.show(page));
    let counters = Arc::clone(counters);
    registry.add(move |page| counters.show(page));
    let log = audit.clone();
    registry.add(move |page| show_tree(&log, page));
    let (log, index) = (audit.clone(), Arc::clone(index));
    registry.add(move |page| {
        let behind = log.next_index().saturating_sub(index.mark().unwrap_or(0));
        page.gauge("pressgate_audit_index_lag_leaves", "Leaves that a search can't find yet.", &[], behind as f64);
    });
    let exports = Arc::clone(exports);
    registry.add(move |page| show_exports(&exports, page));
    registry
}

fn show_tree(audit: &AuditLog, page: &mut Page) {
    let Some(status) = audit.tree().map(|tree| tree.borrow().clone()) else { return };
    let size = status.published.map_or(0, |published| published.checkpoint.size);
    page.gauge("pressgate_audit_checkpoint_size", "Leaves that the last checkpoint covers.", &[], size as f64);
    let behind = audit.next_index().saturating_sub(size);
    page.gauge("pressgate_audit_checkpoint_lag_leaves", "Leaves that no checkpoint covers yet.", &[], behind as f64);
    let failing = f64::from(u8::from(status.failing.is_some()));
    page.gauge("pressgate_audit_tree_failing", "1 while the tree of the log can't be written.", &[], failing);
}

fn show_exports(exports: &Exports, page: &mut Page) {
    for export in exports.status() {
        let labels = [("export", export.name.as_str())];
        let help = "Leaves that an export has not delivered yet.";
        page.gauge("pressgate_export_lag_leaves", help, &labels, export.lag_leaves as f64);
        let help = "Age of the oldest leaf that an export has not delivered yet.";
        page.gauge("pressgate_export_lag_seconds", help, &labels, export.lag_ms as f64 / 1_000.0);
        page.counter("pressgate_export_delivered_total", "Events that an export delivered.", &labels, export.delivered);
        let help = "Deliveries of an export that failed.";
        page.counter("pressgate_export_failures_total", help, &labels, export.failures);
        let help = "Events that a receiver took and refused.";
        page.counter("pressgate_export_rejected_total", help, &labels, export.rejected);
    }
}
