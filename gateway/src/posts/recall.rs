//! Taking a post back: a published one where the network can, a held one before anybody released it.

use std::sync::Arc;

use super::{
    deliver, not_found, read,
    sight::{any_of, deletable, is_own, sees},
    unavailable,
};
use crate::{
    audit::{Leaf, leaf},
    call::{
        Caller,
        authorise::authorise,
        classify::resume,
        clear::is_free,
        journey::{self, Journey},
        record,
        send::FROZEN_BEGUN,
    },
    gateway::Gateway,
    model::{AccountId, Action, PostId, PostState, TargetState},
    records::{ClaimFor, PostRecord, TargetRecord, VoteResult},
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
    if !sees(gateway, caller, &post) && !any_of(&post, &deletable(gateway, caller)) {
        return Err(not_found(id));
    }
    if post.state == PostState::Held {
        return withdraw(gateway, caller, &post, only).await;
    }
    let wanted: Vec<_> = post.targets.iter().filter(|target| only.is_none_or(|only| *only == target.account)).collect();
    if wanted.is_empty() {
        return Err(not_found(id));
    }
    let mut allowed = Vec::with_capacity(wanted.len());
    for target in wanted {
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
    record::log_takes_effects(gateway)?;
    for account in allowed {
        deliver::recall(gateway, caller.clone(), id.clone(), account).await?;
    }
    Ok(post)
}

/// Takes a held post out of the approvers' hands: by its author, or by whoever may delete on all its accounts. It is withdrawn
/// whole, as it would have been released whole.
async fn withdraw(
    gateway: &Arc<Gateway>,
    caller: &Caller,
    post: &PostRecord,
    only: Option<&AccountId>,
) -> Result<PostRecord, Refusal> {
    if only.is_some() {
        let detail = "The post is `held`, and waits for a vote as a whole. Withdraw it without `account`.";
        return Err(Refusal::new(problem::NOT_RECALLABLE, Stage::Classify, detail));
    }
    if is_partly_out(post) {
        let detail = "A freeze stopped it after a part was on the network. Approve it, so that it goes on, and delete it then; or delete that part at the network.";
        return Err(Refusal::new(problem::NOT_RECALLABLE, Stage::Classify, detail));
    }
    let may = deletable(gateway, caller);
    if !is_own(caller, post) && !post.targets.iter().all(|target| may.contains(&target.account)) {
        let detail = "A held post is withdrawn by its author, or by whoever may do `post.delete` on every account that it is for.";
        return Err(Refusal::new(problem::NO_GRANT, Stage::Authorise, detail));
    }
    let now = gateway.clock.now();
    let who = journey::who(caller);
    let event = leaf::Withdrawal {
        post: post.id.to_string(),
        app: who.app,
        person: who.person,
        key: caller.key().to_string(),
        content_digest: post.digest.clone(),
        brand: journey::brand(gateway, post.targets.iter().map(|target| &target.account)),
    };
    gateway.audit.append(Leaf::new(now.as_millisecond(), event)).await.map_err(|error| record::unavailable(&error))?;
    match gateway.records.withdraw(post.id.clone(), now).await.map_err(|error| unavailable(&error))? {
        VoteResult::NotHeld(state) => {
            let detail = format!("Somebody voted meanwhile: the post is `{}`.", state.as_str());
            Err(Refusal::new(problem::NOT_RECALLABLE, Stage::Classify, detail))
        }
        VoteResult::Counted | VoteResult::DigestChanged => read(gateway, &post.id).await,
    }
}

/// True where a freeze stopped a thread between two of its parts: it is not to look as if nothing of it were out.
pub(super) fn is_partly_out(post: &PostRecord) -> bool {
    let stopped = |target: &TargetRecord| {
        target.state == TargetState::Held
            && target.attempts.last().and_then(|attempt| attempt.code.as_deref()) == Some(FROZEN_BEGUN)
    };
    post.targets.iter().any(stopped)
}
