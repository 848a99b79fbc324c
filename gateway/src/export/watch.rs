//! Looks how far the exports are behind, and writes alarms to the log.

use std::{sync::Arc, time::Duration};

use super::shared::{LAG, REJECTED, Shared};
use crate::{
    audit::{Leaf, leaf::Alarm},
    stop::Stop,
};

/// How often.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Runs until the gateway stops.
pub(super) async fn watch(exports: Vec<Arc<Shared>>, stop: Arc<Stop>) {
    loop {
        tokio::select! {
            () = stop.wait() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        for shared in &exports {
            tokio::select! {
                // A log that can't be written must not hold up a stop.
                () = stop.wait() => return,
                () = look(shared) => {}
            }
        }
    }
}

/// Raises and clears what has to be. Each alarm is one leaf when it begins and one when it ends.
pub(super) async fn look(shared: &Shared) {
    for code in [LAG, REJECTED] {
        let Some(wanted) = shared.wanted(code) else { continue };
        if wanted == shared.is_raised(code) {
            continue;
        }
        let alarm = Alarm { code: code.to_owned(), subject: shared.export.name.clone(), raised: wanted };
        match shared.audit.append(Leaf::new(shared.now_ms(), alarm)).await {
            Ok(_) => {
                shared.told(code, wanted);
                shared.store().await;
            }
            Err(error) => tracing::warn!(%error, code, "an alarm is not in the log yet"),
        }
    }
}
