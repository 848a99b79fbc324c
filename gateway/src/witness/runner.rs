//! One witness: shows it each new checkpoint, and keeps what it cosigns.

use std::{sync::Arc, time::Duration};

use pressgate_audit::tree::Published;
use tokio::{sync::watch, time::Instant};

use super::{
    ask::{Asker, Failed},
    kept::{Cosigned, Kept},
    standing::Standing,
};
use crate::{audit::TreeStatus, export::Backoff, stop::Stop};

/// A witness is not asked more often.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// The task of one witness.
pub(super) struct Runner {
    standing: Arc<Standing>,
    asker: Asker,
    kept: Kept,
    tree: watch::Receiver<TreeStatus>,
    backoff: Backoff,
}

impl Runner {
    pub(super) fn new(standing: Arc<Standing>, asker: Asker, kept: Kept, tree: watch::Receiver<TreeStatus>) -> Self {
        Self { standing, asker, kept, tree, backoff: Backoff::default() }
    }

    /// How the tree stands.
    pub(super) fn tree(&self) -> watch::Receiver<TreeStatus> {
        self.tree.clone()
    }

    /// Runs until the gateway stops. A request under way is let go: the witness may have cosigned it, and says so the next time.
    pub(super) async fn run(mut self, stop: Arc<Stop>) {
        loop {
            let pause = tokio::select! {
                () = stop.wait() => return,
                pause = self.step() => pause,
            };
            tokio::select! {
                () = stop.wait() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// The next checkpoint; gives the pause before the one after it.
    async fn step(&mut self) -> Duration {
        let published = self.next().await;
        let began = Instant::now();
        match self.cosign(&published).await {
            Ok(cosigned) => {
                self.standing.cosigned(cosigned);
                self.backoff.reset();
                ASK_EVERY.saturating_sub(began.elapsed())
            }
            Err(failed) => {
                self.standing.failed(failed);
                self.backoff.next(None).max(ASK_EVERY)
            }
        }
    }

    /// Waits for a checkpoint that is not the one that was cosigned last; a smaller one is another too.
    async fn next(&mut self) -> Published {
        loop {
            let published = self.tree.borrow_and_update().published.clone();
            if let Some(published) = published.filter(|published| self.standing.is_news(&published.checkpoint)) {
                return published;
            }
            if self.tree.changed().await.is_err() {
                // The log was closed; the stop follows.
                std::future::pending::<()>().await;
            }
        }
    }

    async fn cosign(&self, published: &Published) -> Result<Cosigned, Failed> {
        let (note, cosigned) = self.asker.ask(published, self.standing.known_size()).await?;
        let kept = self.kept.clone();
        let failed = |why: String| Failed::Else(format!("the cosignature can't be kept: {why}"));
        let stored = tokio::task::spawn_blocking(move || kept.store(&note)).await;
        stored.map_err(|error| failed(error.to_string()))?.map_err(|error| failed(error.to_string()))?;
        Ok(cosigned)
    }
}
