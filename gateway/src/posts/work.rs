//! The worker: looks for due targets, and keeps house.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};

use super::{deliver, life, unattempted};
use crate::{connections, gateway::Gateway, model::PostId, pulse};

/// Targets that one look takes.
const DUE_MAX: u32 = 64;
/// How often it looks without being woken.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// After a full look, the next.
const MORE_AFTER: Duration = Duration::from_millis(20);
/// How often it looks for posts that time may have changed.
const WAKE_EVERY: Duration = Duration::from_millis(250);
/// Posts that fell due before the start, of one look: eight in a second.
const OVERDUE_MAX: u32 = 2;
/// Posts that one such look takes.
const WAKE_MAX: u32 = 256;
/// How often it keeps house.
const HOUSE_EVERY: Duration = Duration::from_secs(10);
/// Media that no post uses go after this.
const MEDIA_KEPT: SignedDuration = SignedDuration::from_hours(24);
/// Idempotency keys are kept this long.
const IDEMPOTENCY_KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Runs until the gateway stops. The log's own state is told beside it, so that neither waits for the other.
pub async fn work(gateway: Arc<Gateway>) {
    tokio::join!(
        pulse::beat(&gateway),
        connections::watch(&gateway),
        gateway.openings.keep_up(gateway.stopping.wait()),
        wake_up(Arc::clone(&gateway)),
        unattempted::watch(&gateway),
        deliver_and_clean(&gateway)
    );
}

async fn deliver_and_clean(gateway: &Arc<Gateway>) {
    let mut house = tokio::time::interval(HOUSE_EVERY);
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = gateway.stopping.wait() => return,
            _ = house.tick() => keep_house(gateway).await,
            _ = look.tick() => look_for_due(gateway).await,
            () = gateway.due.notified() => look_for_due(gateway).await,
        }
    }
}

async fn look_for_due(gateway: &Arc<Gateway>) {
    gateway.strangers.flush(&gateway.audit, gateway.clock.now()).await;
    match gateway.records.due(gateway.clock.now(), DUE_MAX).await {
        Ok(due) => {
            if due.len() == DUE_MAX as usize {
                more_soon(gateway);
            }
            due.into_iter().for_each(|(post, account, purpose)| deliver::again(gateway, post, account, purpose));
        }
        Err(error) => tracing::error!(%error, "due targets can't be read"),
    }
}

/// There is more than one look takes, and what it took is claimed in a moment.
fn more_soon(gateway: &Arc<Gateway>) {
    let gateway = Arc::clone(gateway);
    tokio::spawn(async move {
        tokio::time::sleep(MORE_AFTER).await;
        gateway.due.notify_one();
    });
}

/// Wakes posts that time may have changed: scheduled ones that are due, votes that nobody gave, windows that end. Many at a time, since
/// each waits for the disk.
async fn wake_up(gateway: Arc<Gateway>) {
    // What fell due while nobody served goes on at an even pace, and never in a burst.
    let started = gateway.clock.now();
    let mut look = tokio::time::interval(WAKE_EVERY);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = gateway.stopping.wait() => return,
            _ = look.tick() => {}
        }
        match gateway.records.to_wake(Timestamp::MIN, started, OVERDUE_MAX).await {
            Ok(overdue) => wake(&gateway, overdue).await,
            Err(error) => tracing::error!(%error, "posts that fell due before the start can't be read"),
        }
        loop {
            let posts = match gateway.records.to_wake(started, gateway.clock.now(), WAKE_MAX).await {
                Ok(posts) => posts,
                Err(error) => {
                    tracing::error!(%error, "posts that wait for their time can't be read");
                    break;
                }
            };
            let full = posts.len() == WAKE_MAX as usize;
            wake(&gateway, posts).await;
            if !full || gateway.stopping.is_set() {
                break;
            }
        }
    }
}

/// Lets these posts go on, beside each other.
async fn wake(gateway: &Arc<Gateway>, posts: Vec<PostId>) {
    let mut going = tokio::task::JoinSet::new();
    for post in posts {
        let gateway = Arc::clone(gateway);
        going.spawn(async move {
            if let Err(refusal) = life::go_on(&gateway, &post).await {
                tracing::error!(%post, %refusal, "a post can't be woken; it is tried again");
            }
        });
    }
    going.join_all().await;
}

/// Moves the mark up to which the log is in the records, and clears away what nobody needs.
pub async fn keep_house(gateway: &Gateway) {
    let now = gateway.clock.now();
    if let Err(error) = gateway.records.apply_leaves(gateway.open_intents.mark(), Vec::new()).await {
        tracing::warn!(%error, "the mark of applied leaves stays where it is");
    }
    if let Ok(before) = now.checked_sub(IDEMPOTENCY_KEPT)
        && let Err(error) = gateway.records.forget_idempotency(before).await
    {
        tracing::warn!(%error, "old idempotency keys stay");
    }
    let Ok(before) = now.checked_sub(MEDIA_KEPT) else { return };
    match gateway.records.take_unused_media(before, DUE_MAX).await {
        Ok(unused) => {
            for id in unused {
                if let Err(error) = gateway.media.remove(&id).await {
                    tracing::warn!(media = %id, %error, "an unused medium stays on disk");
                }
            }
        }
        Err(error) => tracing::warn!(%error, "unused media stay"),
    }
}
