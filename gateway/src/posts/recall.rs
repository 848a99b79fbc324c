//! Taking a post back: a published one where the network can, a held one before anybody released it.

use std::sync::Arc;

use pressgate_workflow::{Command, Life};

use super::{
    deliver,
    life::{self, By, Extra},
    not_found, read,
    sight::{any_of, deletable, is_own, sees},
    write::nothing_unanswered,
};
use crate::{
    call::{
        Caller, authorise::authorise, classify::resume, clear::is_free, journey::Journey, record, send::FROZEN_BEGUN,
    },
    gateway::Gateway,
    model::{AccountId, Action, PostId, PostState, TargetState},
    records::{ClaimFor, PostRecord, TargetRecord},
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
    if WAITING.contains(&post.state) {
        return withdraw(gateway, caller, &post, only).await;
    }
    let wanted: Vec<_> = post.targets.iter().filter(|target| only.is_none_or(|only| *only == target.account)).collect();
    if wanted.is_empty() {
        return Err(not_found(id));
    }
    let mut allowed = Vec::with_capacity(wanted.len());
    for target in wanted {
        let call = resume(gateway, gateway.registry.snapshot(), caller.clone(), &post, target, ClaimFor::Recall)?;
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
    nothing_unanswered(post)?;
    let saw = life::of(post).version().number;
    // Of a held post as ever; the others have a word for it.
    let withdrawn = post.state == PostState::Held;
    let extra = |_: &Life| Extra { withdrawn, ..Extra::default() };
    life::act(gateway, &post.id, By::Caller(caller), Command::Cancel { saw }, None, extra).await
}

/// States in which a post waits for people or its time.
const WAITING: [PostState; 5] =
    [PostState::Draft, PostState::Held, PostState::Approved, PostState::Scheduled, PostState::Frozen];

/// True where a freeze stopped a thread between two of its parts: it is not to look as if nothing of it were out.
pub(super) fn is_partly_out(post: &PostRecord) -> bool {
    let stopped = |target: &TargetRecord| {
        matches!(target.state, TargetState::Held | TargetState::Frozen)
            && target.attempts.last().and_then(|attempt| attempt.code.as_deref()) == Some(FROZEN_BEGUN)
    };
    post.targets.iter().any(stopped)
}
