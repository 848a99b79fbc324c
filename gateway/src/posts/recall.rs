//! Taking a published post back, where the network can.

use std::sync::Arc;

use super::{deliver, not_found, read};
use crate::{
    call::{Caller, authorise::authorise, classify::resume, clear::is_free, journey::Journey, record},
    gateway::Gateway,
    model::{AccountId, Action, PostId, TargetState},
    records::{ClaimFor, PostRecord},
    refusal::{Refusal, Stage, problem},
};

/// Starts taking back every published target (or that of one account). All are authorised, and their way is free, before the first is touched. A
/// refusal is in the log when this returns.
pub async fn recall(
    gateway: &Arc<Gateway>,
    caller: &Caller,
    id: &PostId,
    only: Option<&AccountId>,
) -> Result<PostRecord, Refusal> {
    let journey = Journey::begin(caller).wanting(Action::POST_DELETE, Some(id));
    match start(gateway, caller, id, only).await {
        Ok(post) => Ok(post),
        Err(refusal) => Err(journey.refuse(gateway, refusal).await),
    }
}

async fn start(
    gateway: &Arc<Gateway>,
    caller: &Caller,
    id: &PostId,
    only: Option<&AccountId>,
) -> Result<PostRecord, Refusal> {
    record::log_is_writable(gateway)?;
    let post = read(gateway, id).await?;
    let wanted = |account: &AccountId| only.is_none_or(|only| only == account);
    let published: Vec<_> = post
        .targets
        .iter()
        .filter(|target| wanted(&target.account) && target.state == TargetState::Published)
        .collect();
    if !post.targets.iter().any(|target| wanted(&target.account)) {
        return Err(not_found(id));
    }
    let mut allowed = Vec::with_capacity(published.len());
    for target in &post.targets {
        if !wanted(&target.account) {
            continue;
        }
        let call = resume(gateway, caller.clone(), &post, target, ClaimFor::Recall)?;
        let permit = authorise(gateway, call)?;
        if target.state == TargetState::Published {
            is_free(gateway, permit.call()).await?;
            allowed.push(target.account.clone());
        }
    }
    if allowed.is_empty() {
        let detail = format!("The post is `{}`; only what is published can be taken back.", post.state.as_str());
        return Err(Refusal::new(problem::NOT_RECALLABLE, Stage::Classify, detail));
    }
    for account in allowed {
        deliver::recall(gateway, caller.clone(), id.clone(), account).await?;
    }
    Ok(post)
}
