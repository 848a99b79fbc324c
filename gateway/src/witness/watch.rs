//! Looks how long a checkpoint waits for a witness, and writes alarms to the log: one leaf when an alarm begins and one when it ends.
//! The leaf makes a new checkpoint, which waits too, and changes nothing of that.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

use super::standing::{MISSING, REFUSED, Standing};
use crate::{
    audit::{Leaf, TreeStatus, leaf::Alarm},
    stop::Stop,
};

/// How often.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Runs until the gateway stops.
pub(super) async fn watch(standing: Arc<Standing>, tree: watch::Receiver<TreeStatus>, stop: Arc<Stop>) {
    loop {
        let published = tree.borrow().published.as_ref().map(|published| published.checkpoint.clone());
        if let Some(checkpoint) = published {
            standing.published(&checkpoint);
        }
        tokio::select! {
            // A log that can't be written must not hold up a stop.
            () = stop.wait() => return,
            () = look(&standing) => {}
        }
        tokio::select! {
            () = stop.wait() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Raises and clears what has to be.
async fn look(standing: &Standing) {
    for code in [REFUSED, MISSING] {
        let wanted = standing.wanted(code);
        if wanted == standing.is_raised(code) {
            continue;
        }
        let alarm = Alarm { code: code.to_owned(), subject: standing.witness.name.clone(), raised: wanted };
        match standing.audit.append(Leaf::new(standing.now_ms(), alarm)).await {
            Ok(_) => standing.told(code, wanted).await,
            Err(error) => tracing::warn!(%error, code, "an alarm is not in the log yet"),
        }
    }
}
