//! Posts: accepted, written, voted on, scheduled, delivered, taken back; and what a start finds unfinished.

pub mod accept;
pub mod deliver;
pub mod life;
pub mod links;
pub mod mark;
pub mod permit;
pub mod plan;
pub mod recall;
pub mod recover;
pub mod running;
pub mod sight;
pub mod thaw;
pub mod times;
pub mod unattempted;
pub mod vote;
pub mod work;
pub mod write;

use std::{sync::Arc, time::Duration};

use crate::{
    gateway::Gateway,
    model::{PostId, TargetState},
    records::{PostRecord, RecordsError},
    refusal::{Refusal, Stage, problem},
};

/// Waits until no target of the post is being worked on, at most `wait`, and returns the post as it then is.
pub async fn settled(gateway: &Arc<Gateway>, id: &PostId, wait: Duration) -> Result<PostRecord, Refusal> {
    let deadline = tokio::time::Instant::now() + wait;
    loop {
        let changed = gateway.changed.notified();
        let post = read(gateway, id).await?;
        let working = |state| {
            matches!(
                state,
                TargetState::Accepted | TargetState::Publishing | TargetState::Recalling | TargetState::Unknown
            )
        };
        if !post.targets.iter().any(|target| working(target.state))
            || tokio::time::timeout_at(deadline, changed).await.is_err()
        {
            return read(gateway, id).await;
        }
    }
}

/// One post, or `not-found`.
pub async fn read(gateway: &Gateway, id: &PostId) -> Result<PostRecord, Refusal> {
    let post = gateway.records.post(id.clone()).await.map_err(|error| unavailable(&error))?;
    post.ok_or_else(|| not_found(id))
}

/// The refusal for a post that does not exist or is not the caller's to see.
pub fn not_found(id: &PostId) -> Refusal {
    Refusal::new(problem::NOT_FOUND, Stage::Door, format!("There is no post `{id}` that your grants let you see."))
}

/// The refusal for a record store that can't be used.
pub fn unavailable(error: &RecordsError) -> Refusal {
    Refusal::new(problem::STATE_UNAVAILABLE, Stage::Door, "The record store can't be used.")
        .because(error)
        .retry_after(1)
}
