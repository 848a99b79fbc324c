//! The life of a post that nobody has said anything of yet: what it would be, had it been kept from the start.

use pressgate_workflow::{
    Life,
    ids::Actor,
    life::{Change, Content, Event, Plan, Wait},
};

use super::{follow::follow, turn::actor};
use crate::{
    call::approve::holds,
    model::{AccountId, Draft, TargetState},
    posts::plan::covered,
    records::PostRecord,
};

/// The life as it is now, the number of its last event that is kept, and those that are not.
pub(super) fn current(post: &PostRecord) -> (Life, u64, Vec<Event>) {
    match &post.life {
        Some(kept) => {
            let mut life = kept.life.clone();
            let from = life.seq();
            let events = follow(&mut life, post);
            (life, from, events)
        }
        None => {
            let (mut life, mut events) = begin(post);
            events.extend(follow(&mut life, post));
            (life, 0, events)
        }
    }
}

/// What a version says, where and when, as its life knows it. Labels and campaign are the same in each draft of a post.
pub(in crate::posts) fn content<'a>(
    digest: &str,
    targets: impl Iterator<Item = (&'a AccountId, &'a Draft)>,
    plan: Plan,
) -> Content {
    let mut content =
        Content { digest: digest.into(), targets: Vec::new(), labels: Default::default(), campaign: None, plan };
    for (account, draft) in targets {
        if content.targets.is_empty() {
            content.labels = draft.labels.iter().map(|label| label.as_str().into()).collect();
            content.campaign = draft.campaign.as_deref().map(Into::into);
        }
        content.targets.push(account.as_str().into());
    }
    content
}

fn begin(post: &PostRecord) -> (Life, Vec<Event>) {
    let by = actor(&post.author);
    let plan = Plan::Now { until: None };
    let digest = covered(&post.salt, &post.digest, &plan);
    let targets = post.targets.iter().map(|target| (&target.account, &target.draft));
    let content = content(&digest, targets, plan);
    let accounts = content.targets.clone();
    let (mut life, first) = Life::created(post.id.as_str().into(), content, by.clone(), post.created_at);
    let mut events = vec![first];
    let mut then = |by: Actor, change: Change, life: &mut Life| {
        let event = Event { seq: life.seq() + 1, at: post.created_at, by, why: None, change };
        if life.apply(&event).is_ok() {
            events.push(event);
        }
    };
    then(by, Change::Submitted, &mut life);
    let waits = post.targets.iter().any(|target| matches!(target.state, TargetState::Held | TargetState::Rejected));
    let holds = holds(&post.verdicts);
    let asked = waits && !holds.is_empty();
    then(Actor::Gate, Change::Reviewed { holds, fresh: false }, &mut life);
    if asked {
        then(Actor::Gate, Change::Held { accounts, wait: Wait::Votes }, &mut life);
    } else {
        then(Actor::Gate, Change::Approved, &mut life);
        let released = Change::Released { accounts, due: post.created_at, not_before: None, confirmed: false };
        then(Actor::Gate, released, &mut life);
    }
    (life, events)
}
