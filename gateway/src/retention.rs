//! Retention: the entries of leaves that are older than the configured time are dropped, their hashes stay.
//!
//! The order: a leaf says what goes; a checkpoint covers that leaf; then the entries go. What an export has not taken yet stays.

use std::{sync::Arc, time::Duration};

use jiff::SignedDuration;
use pressgate_audit::tile::TILE_WIDTH;

use crate::{
    audit::{Leaf, leaf},
    gateway::Gateway,
};

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_secs(3600);
/// After a start, recovery and exports come first.
const FIRST_LOOK_AFTER: Duration = Duration::from_secs(60);

/// Drops what is old enough until the gateway stops.
pub async fn run(gateway: Arc<Gateway>) {
    let Some(days) = gateway.config.audit.retention_days else { return };
    let mut pause = FIRST_LOOK_AFTER;
    loop {
        tokio::select! {
            () = gateway.stopping.wait() => return,
            () = tokio::time::sleep(pause) => pause = LOOK_EVERY,
        }
        match drop_older(&gateway, days).await {
            Ok(0) => {}
            Ok(below) => tracing::info!(below, "the entries of old leaves were dropped; their hashes stay"),
            Err(error) => tracing::warn!(error, "old leaves can't be dropped"),
        }
    }
}

/// Drops the entries of leaves that are older than so many days. The index below which they went, 0 where none did.
///
/// # Errors
/// A sentence that says what failed.
pub async fn drop_older(gateway: &Arc<Gateway>, days: u64) -> Result<u64, String> {
    let age = SignedDuration::from_hours(24 * i64::try_from(days).unwrap_or(i64::MAX / 24));
    let cutoff = gateway.clock.now().checked_sub(age).map_err(|error| error.to_string())?;
    let audit = gateway.audit.clone();
    let look = move || (audit.older_than(cutoff.as_millisecond()), audit.entries_from());
    let (older, from) = tokio::task::spawn_blocking(look).await.map_err(|error| error.to_string())?;
    let older = older.map_err(|error| error.to_string())?;
    let below =
        gateway.exports.exported_below().map_or(older, |exported| older.min(exported / TILE_WIDTH * TILE_WIDTH));
    if below <= from {
        return Ok(0);
    }
    let event = leaf::Retention { below, bundles: (below - from) / TILE_WIDTH };
    let leaf = Leaf::new(gateway.clock.now().as_millisecond(), event);
    let said = gateway.audit.append(leaf).await.map_err(|error| error.to_string())?;
    let mut tree = gateway.audit.tree().ok_or("the log has no tree")?;
    let covered =
        tree.wait_for(|status| status.published.as_ref().is_some_and(|published| published.checkpoint.size > said));
    tokio::select! {
        () = gateway.stopping.wait() => return Ok(0),
        covered = covered => drop(covered.map_err(|error| error.to_string())?),
    }
    let audit = gateway.audit.clone();
    let dropped = tokio::task::spawn_blocking(move || audit.drop_entries(below)).await;
    dropped.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    Ok(below)
}
