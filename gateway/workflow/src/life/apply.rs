//! A life is the sum of its events.

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    Change, Comment, Content, Event, Life, Link, OpenEffect, Plan, Target, Version, Vote, Wait, target::Lease,
};
use crate::{
    ids::{AccountId, Actor, PostId},
    state::{Step, TargetState},
};

/// An event that does not fit: the store mixed up two posts, lost an event, or gives one twice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {seq} does not follow event {after} of post {post}")]
pub struct Broken {
    /// Post.
    pub post: String,
    /// The event.
    pub seq: u64,
    /// The last one that was applied.
    pub after: u64,
}

impl Life {
    /// The life of a post that is made now, and its first event.
    pub fn created(post: PostId, content: Content, by: Actor, at: Timestamp) -> (Self, Event) {
        let change = Change::Created { post: post.clone(), content: content.clone() };
        let event = Event { seq: 1, at, by, why: None, change };
        (Self::first(post, content, &event), event)
    }

    /// The life that begins with this event, or none where it is not a first one.
    pub fn begin(event: &Event) -> Option<Self> {
        let Change::Created { post, content } = &event.change else { return None };
        (event.seq == 1).then(|| Self::first(post.clone(), content.clone(), event))
    }

    fn first(id: PostId, content: Content, event: &Event) -> Self {
        let version = Version { number: 1, content, by: event.by.clone(), at: event.at };
        Self {
            id,
            seq: 1,
            author: event.by.clone(),
            due: due_of(&version),
            targets: version.content.targets.iter().map(|account| Target::new(account.clone(), false)).collect(),
            version: Arc::new(version),
            holds: Default::default(),
            asked_at: None,
            escalated: Default::default(),
            votes: Vec::new(),
            links: Vec::new(),
            comments: Vec::new(),
            approved_at: None,
            fired: None,
        }
    }

    /// The life that these events make.
    ///
    /// # Errors
    /// The first event that does not fit.
    pub fn replay<'a>(events: impl IntoIterator<Item = &'a Event>) -> Result<Self, Broken> {
        let mut events = events.into_iter();
        let broken = || Broken { post: String::new(), seq: 0, after: 0 };
        let mut life = events.next().and_then(Self::begin).ok_or_else(broken)?;
        for event in events {
            life.take(event)?;
        }
        Ok(life)
    }

    /// Takes over an event.
    ///
    /// # Errors
    /// It does not fit; the life is as it was.
    pub fn apply(&mut self, event: &Event) -> Result<(), Broken> {
        let mut next = self.clone();
        next.take(event)?;
        *self = next;
        Ok(())
    }

    /// [`Life::apply`] that may leave a part done.
    pub(crate) fn take(&mut self, event: &Event) -> Result<(), Broken> {
        if event.seq != self.seq + 1 || !self.change(event) {
            return Err(Broken { post: self.id.to_string(), seq: event.seq, after: self.seq });
        }
        self.seq = event.seq;
        Ok(())
    }

    fn change(&mut self, event: &Event) -> bool {
        let at = event.at;
        match &event.change {
            Change::Created { .. } => false,
            Change::Edited { version, content } => self.edited(event, *version, content),
            Change::Submitted => self.all(Step::Submit),
            Change::Reviewed { holds, fresh } => {
                self.holds = holds.clone();
                if *fresh {
                    self.votes.iter_mut().for_each(|vote| vote.void = true);
                    self.approved_at = None;
                }
                true
            }
            Change::Denied { .. } => self.some(Step::Deny),
            Change::Approved => self.approved(at),
            Change::Rejected => self.waiting(Wait::Votes, Step::Reject),
            Change::Voted { .. }
            | Change::Escalated { .. }
            | Change::Invited { .. }
            | Change::Commented { .. }
            | Change::CommentClosed { .. } => self.said(event),
            Change::Scheduled { due } => {
                self.due = Some(*due);
                self.in_state(TargetState::Approved, Step::Schedule)
            }
            Change::Rescheduled { due } => {
                self.due = Some(*due);
                true
            }
            Change::Reopened => {
                self.asked_at = None;
                self.some(Step::Reopen)
            }
            Change::Held { .. }
            | Change::Expired { .. }
            | Change::Frozen { .. }
            | Change::Released { .. }
            | Change::Cancelled { .. }
            | Change::Rearmed { .. } => self.several(event),
            _ => self.sending(event),
        }
    }

    fn edited(&mut self, event: &Event, number: u32, content: &Content) -> bool {
        let submitted = self.targets.iter().any(|target| target.state() != TargetState::Draft);
        if number != self.version.number + 1 || !self.all(Step::Edit) {
            return false;
        }
        self.version = Arc::new(Version { number, content: content.clone(), by: event.by.clone(), at: event.at });
        let mut old = std::mem::take(&mut self.targets);
        for account in &content.targets {
            let known = old.iter().position(|target| target.account() == account);
            self.targets.push(match known {
                Some(known) => old.swap_remove(known),
                None => Target::new(account.clone(), submitted),
            });
        }
        for target in &mut self.targets {
            (target.tries, target.not_before, target.confirmed_at) = (0, None, None);
        }
        self.holds.clear();
        self.escalated.clear();
        (self.asked_at, self.approved_at, self.due) = (None, None, due_of(&self.version));
        true
    }

    fn approved(&mut self, at: Timestamp) -> bool {
        self.approved_at = self.approved_at.or(Some(at));
        let mut any = false;
        for target in &mut self.targets {
            if target.state() == TargetState::Review || target.wait() == Some(Wait::Votes) {
                any |= target.step(Step::Approve);
            }
        }
        any
    }

    /// What people say changes no state by itself.
    fn said(&mut self, event: &Event) -> bool {
        match &event.change {
            Change::Voted { voter, approve, version, digest } => {
                if let super::Voter::Link(id) = voter {
                    let Some(link) = self.links.iter_mut().find(|link| link.id == *id) else { return false };
                    link.used = true;
                }
                self.votes.push(Vote {
                    voter: voter.clone(),
                    approve: *approve,
                    version: *version,
                    digest: digest.clone(),
                    at: event.at,
                    void: false,
                });
            }
            Change::Escalated { rule } => *self.escalated.entry(rule.clone()).or_default() += 1,
            Change::Invited { link, external, expires_at } => self.links.push(Link {
                id: link.clone(),
                external: external.clone(),
                version: self.version.number,
                expires_at: *expires_at,
                used: false,
            }),
            Change::Commented { comment } => self.comments.push(Comment {
                number: *comment,
                by: event.by.clone(),
                version: self.version.number,
                open: true,
            }),
            Change::CommentClosed { comment } => {
                let Some(comment) = self.comments.iter_mut().find(|known| known.number == *comment) else {
                    return false;
                };
                comment.open = false;
            }
            _ => return false,
        }
        true
    }

    fn several(&mut self, event: &Event) -> bool {
        match &event.change {
            Change::Held { accounts, wait } => {
                if *wait == Wait::Votes {
                    self.asked_at = Some(event.at);
                    self.escalated.clear();
                }
                self.these(accounts, Step::Hold, |target| target.wait = Some(*wait))
            }
            Change::Expired { accounts, .. } => self.these(accounts, Step::Expire, |_| {}),
            Change::Frozen { accounts, .. } => self.these(accounts, Step::Freeze, |_| {}),
            Change::Released { accounts, due, not_before, confirmed } => {
                self.due = Some(*due);
                let confirmed_at = confirmed.then(|| not_before.unwrap_or(event.at));
                self.these(accounts, Step::Release, |target| {
                    target.not_before = *not_before;
                    target.confirmed_at = confirmed_at.or(target.confirmed_at);
                })
            }
            Change::Cancelled { accounts } => self.these(accounts, Step::Cancel, |_| {}),
            Change::Rearmed { accounts, due, .. } => {
                self.due = Some(*due);
                self.these(accounts, Step::Rearm, |target| {
                    (target.tries, target.answered) = (0, 0);
                    (target.not_before, target.confirmed_at) = (None, None);
                    target.published.clear();
                })
            }
            _ => false,
        }
    }

    fn sending(&mut self, event: &Event) -> bool {
        let (at, due) = (event.at, self.due);
        let Some(target) = account_of(&event.change).and_then(|account| self.target_mut(account)) else { return false };
        match &event.change {
            Change::Claimed { node, attempt, until, .. } => {
                if *attempt != target.attempt + 1
                    || !(target.state() == TargetState::Recalling || target.step(Step::Claim))
                {
                    return false;
                }
                target.attempt = *attempt;
                target.tries += 1;
                target.lease = Some(Lease { node: node.clone(), attempt: *attempt, until: *until });
                true
            }
            Change::Renewed { until, .. } => target.lease.as_mut().map(|lease| lease.until = *until).is_some(),
            Change::Began { step, .. } => {
                target.effect = Some(OpenEffect { step: step.clone(), at });
                if target.state() == TargetState::Publishing {
                    self.fired = self.fired.max(due);
                }
                true
            }
            Change::Answered { .. } => {
                target.answered += 1;
                target.effect.take().is_some()
            }
            Change::Lapsed { .. } => lapsed(target),
            Change::Lost { .. } => target.step(Step::Lose),
            Change::Published { parts, .. } => {
                (target.effect, target.published) = (None, parts.clone());
                target.step(Step::Publish)
            }
            Change::Again { not_before, .. } => again(target, *not_before),
            Change::Failed { failure, .. } => {
                target.effect = None;
                let failed = target.step(Step::Fail);
                target.failure = Some(failure.clone());
                failed
            }
            Change::NobodyKnows { .. } => {
                target.needs_person = true;
                target.state() == TargetState::Unknown
            }
            Change::Recalling { .. } => {
                (target.not_before, target.tries) = (None, 0);
                target.step(Step::Recall)
            }
            Change::Recalled { .. } => {
                target.effect = None;
                target.step(Step::Recalled)
            }
            Change::Kept { .. } => {
                target.effect = None;
                target.step(Step::Keep)
            }
            _ => false,
        }
    }

    pub(crate) fn target_mut(&mut self, account: &AccountId) -> Option<&mut Target> {
        self.targets.iter_mut().find(|target| target.account() == account)
    }

    fn all(&mut self, step: Step) -> bool {
        self.targets.iter_mut().all(|target| target.step(step))
    }

    fn some(&mut self, step: Step) -> bool {
        each(self.targets.iter_mut(), step)
    }

    fn in_state(&mut self, state: TargetState, step: Step) -> bool {
        each(self.targets.iter_mut().filter(|target| target.state() == state), step)
    }

    fn waiting(&mut self, wait: Wait, step: Step) -> bool {
        each(self.targets.iter_mut().filter(|target| target.wait() == Some(wait)), step)
    }

    fn these(&mut self, accounts: &[AccountId], step: Step, then: impl Fn(&mut Target)) -> bool {
        !accounts.is_empty()
            && accounts.iter().all(|account| {
                self.target_mut(account).is_some_and(|target| {
                    let moved = target.step(step);
                    then(target);
                    moved
                })
            })
    }
}

fn lapsed(target: &mut Target) -> bool {
    target.lease = None;
    match (target.state(), &target.effect) {
        (TargetState::Publishing, Some(_)) => target.step(Step::Lose),
        (TargetState::Publishing, None) => target.step(Step::Again),
        // A deletion can be asked for again without harm.
        _ => target.effect.take().is_some() || target.state() == TargetState::Recalling,
    }
}

fn again(target: &mut Target, not_before: Timestamp) -> bool {
    (target.effect, target.not_before) = (None, Some(not_before));
    if target.state() == TargetState::Recalling {
        target.lease = None;
        return true;
    }
    if target.state() == TargetState::Failed {
        (target.tries, target.confirmed_at) = (0, Some(not_before));
    }
    target.step(Step::Again)
}

/// Takes the step with each that can; true where one could.
fn each<'a>(targets: impl Iterator<Item = &'a mut Target>, step: Step) -> bool {
    let mut any = false;
    for target in targets {
        any |= target.step(step);
    }
    any
}

fn due_of(version: &Version) -> Option<Timestamp> {
    match &version.content.plan {
        Plan::At(timing) => Some(timing.due),
        Plan::Unplanned | Plan::Now { .. } => None,
    }
}

fn account_of(change: &Change) -> Option<&AccountId> {
    match change {
        Change::Claimed { account, .. }
        | Change::Renewed { account, .. }
        | Change::Began { account, .. }
        | Change::Answered { account, .. }
        | Change::Lapsed { account }
        | Change::Lost { account }
        | Change::Published { account, .. }
        | Change::Again { account, .. }
        | Change::Failed { account, .. }
        | Change::NobodyKnows { account }
        | Change::Recalling { account }
        | Change::Recalled { account }
        | Change::Kept { account } => Some(account),
        _ => None,
    }
}
