//! The watch: a canary, or a release that came into place lately, that fails more often than what served before is taken back by itself.

use std::{str::FromStr, sync::Arc, time::Duration};

use super::change::{Swap, swap};
use crate::{
    gateway::Gateway,
    host::{Release, SHARE_WHOLE_BP, Snapshot},
    operator::{By, OpsError},
    records::SlotRecord,
    releases::{
        Slot,
        routing::{Wish, is_fresh},
        sequential::{self, Beside, Worse},
        serve::route_of,
    },
};

/// Failures that come together are looked at once.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// After a rollback that could not be made: the log or the records can't be written.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Looks after each failure of a plugin, until the gateway stops.
pub async fn watch(gateway: Arc<Gateway>) {
    loop {
        tokio::select! {
            () = gateway.stopping.wait() => return,
            () = gateway.host.failures().notified() => {}
        }
        let pause = match look(&gateway).await {
            Ok(()) => LOOK_EVERY,
            Err(error) => {
                tracing::error!(%error, "a release that fails could not be taken back; it is tried again");
                gateway.host.failures().notify_one();
                AFTER_FAILURE
            }
        };
        tokio::time::sleep(pause).await;
    }
}

async fn look(gateway: &Arc<Gateway>) -> Result<(), OpsError> {
    let snapshot = gateway.registry.snapshot();
    if snapshot.version == 0 {
        return Ok(());
    }
    let routing = gateway.records.routing().await?;
    for (name, record) in &routing.routing.slots {
        let Ok(slot) = Slot::from_str(name) else { continue };
        let Some((release, worse)) = failing(gateway, &snapshot, &slot, record) else { continue };
        let why = format!("{} fails more often than what served before: {worse}", release.label());
        tracing::error!(%slot, release = release.label(), digest = release.digest(), %worse, "a release is taken back");
        swap(
            gateway,
            &By::Gate,
            &slot,
            &Wish::Rollback,
            Swap { version: Some(routing.version), loaded: None, why: Some(why) },
        )
        .await?;
        // The routing is another now.
        gateway.host.failures().notify_one();
        return Ok(());
    }
    Ok(())
}

/// The watched release of a slot, where it is worse than what served before.
fn failing(gateway: &Gateway, snapshot: &Snapshot, slot: &Slot, record: &SlotRecord) -> Option<(Arc<Release>, Worse)> {
    let route = route_of(&snapshot.routes, slot)?;
    let (watched, before, beside) = match (&route.canary, &record.parked) {
        (Some(canary), _) => {
            let share = f64::from(canary.share_bp) / f64::from(SHARE_WHOLE_BP);
            (&canary.release, &route.active, Some(Beside { at_first: &canary.at_first, share }))
        }
        (None, Some(parked)) if is_fresh(record, gateway.clock.now()) => {
            (&route.active, snapshot.parked.get(parked)?, None)
        }
        _ => return None,
    };
    let worse = sequential::worse(&watched.vitals().counts(), &before.vitals().counts(), beside)?;
    Some((Arc::clone(watched), worse))
}
