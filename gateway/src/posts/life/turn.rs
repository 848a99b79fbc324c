//! One decision: the life as it is now, what was decided, and keeping it.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use pressgate_workflow::{
    Command, Facts, Life, Refused, TargetState as T, decide,
    ids::{AccountId as Account, Actor},
    life::{Change, Event, Plan, Wait},
};

use super::{By, Known, leaves, made, wake::wake_at};
use crate::{
    call::{digest, record},
    gateway::Gateway,
    model::{AccountId, Principal, Verdict},
    posts::{plan, unavailable},
    records::{
        Advance, Author, CommentRecord, LinkRecord, NewContent, NewNotice, Opening, PostRecord, PublishedPart,
        TargetMove, Vote,
    },
    refusal::{Refusal, Stage, problem},
};

/// What is kept with a decision.
#[derive(Debug, Default)]
pub struct Extra {
    /// The vote that was taken.
    pub vote: Option<Vote>,
    /// The comment that was made.
    pub comment: Option<CommentRecord>,
    /// The new content.
    pub version: Option<NewContent>,
    /// How its time is asked for now, JSON.
    pub plan: Option<String>,
    /// What policies say of it now.
    pub verdicts: Option<Vec<Verdict>>,
    /// What leaves commit to.
    pub openings: Vec<Opening>,
    /// Links that outside parties got.
    pub links: Vec<LinkRecord>,
    /// What they are told.
    pub notices: Vec<NewNotice>,
    /// Another occurrence begins: nothing that was answered before counts.
    pub anew: bool,
    /// Somebody took the post out of the approvers' hands.
    pub withdrawn: bool,
}

/// A decision in the making. Only while [`super::Lives::alone`] is held.
pub struct Turn<'a> {
    gateway: &'a Arc<Gateway>,
    post: PostRecord,
    by: By<'a>,
    actor: Actor,
    known: Known,
    life: Life,
    from: u64,
    events: Vec<Event>,
    /// Events from here on were decided in this turn.
    decided: usize,
    before: Vec<(Account, T)>,
}

/// Somebody who made a post, as its life knows them.
pub fn actor(author: &Author) -> Actor {
    match &author.principal {
        Principal::Person(person) => Actor::Person { person: person.as_str().into() },
        Principal::App(app) => Actor::App {
            app: app.as_str().into(),
            on_behalf_of: author.on_behalf_of.as_ref().map(|person| person.as_str().into()),
        },
    }
}

impl<'a> Turn<'a> {
    /// Begins with what is kept, and what delivery did since.
    pub fn begin(gateway: &'a Arc<Gateway>, post: PostRecord, by: By<'a>) -> Self {
        let (life, from, events) = made::current(&post);
        let before = life.targets().iter().map(|target| (target.account().clone(), target.state())).collect();
        let known = Known::of(gateway, &post, &life);
        Self { gateway, by, actor: by.actor(), known, from, decided: events.len(), events, before, life, post }
    }

    /// The life, with everything that was decided so far.
    pub fn life(&self) -> &Life {
        &self.life
    }

    /// The post as it is kept.
    pub fn post(&self) -> &PostRecord {
        &self.post
    }

    /// True where something other than the end of a lease was decided in this turn.
    pub(super) fn brought_anything(&self) -> bool {
        let decided = self.events.get(self.decided..).unwrap_or_default();
        decided.iter().any(|event| !matches!(event.change, Change::Lapsed { .. }))
    }

    /// What is true while it is made.
    pub fn facts(&self) -> Facts<'_> {
        self.known.facts(&self.actor)
    }

    /// Decides a command.
    ///
    /// # Errors
    /// What the rules say; nothing happened then.
    pub fn decide(&mut self, command: Command, why: Option<&str>) -> Result<(), Refused> {
        let events = decide(&self.life, command, why, &self.known.facts(&self.actor))?;
        for event in events {
            self.take(event)?;
        }
        Ok(())
    }

    /// Lets time go on after what was decided, so that who decided it hears what truly is: that a freeze stops it, or that votes are missing.
    pub fn settle(&mut self) {
        let ticked = decide(&self.life, Command::Tick, None, &self.known.facts(&Actor::Gate));
        let taken = ticked.and_then(|events| events.into_iter().try_for_each(|event| self.take(event)));
        if let Err(refused) = taken {
            tracing::error!(post = %self.post.id, %refused, "time can't go on for a post");
        }
    }

    fn take(&mut self, event: Event) -> Result<(), Refused> {
        self.life.apply(&event).map_err(|_| Refused::WrongState(self.life.state()))?;
        self.events.push(event);
        Ok(())
    }

    /// An attempt of an earlier process, or one that ended without a word, holds its target no longer.
    pub(super) fn lapse(&mut self, account: &AccountId) {
        let account: Account = account.as_str().into();
        if self.life.target(&account).is_none_or(|target| target.state() != T::Publishing) {
            return;
        }
        let (seq, at) = (self.life.seq() + 1, self.known.now());
        let lapsed = Event { seq, at, by: Actor::Gate, why: None, change: Change::Lapsed { account } };
        if let Err(refused) = self.take(lapsed) {
            tracing::error!(post = %self.post.id, %refused, "an attempt that ended can't be ended");
        }
    }

    /// Plans the next occurrence of a recurring post whose last one is over; true where there is one.
    pub(super) fn next_occurrence(&mut self) -> bool {
        let Plan::At(timing) = &self.life.content().plan else { return false };
        let over = |target: &pressgate_workflow::life::Target| matches!(target.state(), T::Published | T::Failed);
        if !timing.recurs || !self.life.targets().iter().all(over) {
            return false;
        }
        let Some(due) = self.next_due() else { return false };
        match self.decide(Command::Next { due }, None) {
            Ok(()) => true,
            Err(refused) => {
                tracing::debug!(post = %self.post.id, %refused, "no further occurrence");
                false
            }
        }
    }

    /// Passes over an occurrence of which nothing was tried while its time went by, and those after it that were missed as well. The last
    /// one has none after it, and waits for a person as any late post does.
    pub(super) fn pass_over_missed(&mut self) {
        let Plan::At(timing) = &self.life.content().plan else { return };
        let missed = self.life.due().filter(|due| timing.recurs && *due < self.missed_before());
        let waits = self.life.targets().iter().all(|target| target.state() == T::Scheduled);
        // What a person was asked about before is theirs to say.
        let held = |event: &Event| matches!(event.change, Change::Held { wait: Wait::Overdue, .. });
        let held = self.events.get(self.decided..).unwrap_or_default().iter().any(held);
        let Some(missed) = missed.filter(|_| waits || held) else { return };
        let Some(due) = self.next_due() else { return };
        match self.decide(Command::Next { due }, None) {
            Ok(()) => {
                tracing::warn!(post = %self.post.id, %missed, %due, "an occurrence was missed and is passed over")
            }
            Err(refused) => tracing::debug!(post = %self.post.id, %refused, "a missed occurrence is not passed over"),
        }
    }

    /// The next time of a recurring post that may still be kept.
    fn next_due(&self) -> Option<Timestamp> {
        let last = self.life.due().max(self.life.fired());
        let kept = self.post.life.as_ref().and_then(|kept| kept.plan.as_deref());
        kept.zip(last).and_then(|(kept, last)| plan::next_due(kept, last, self.missed_before()))
    }

    /// An occurrence that was due before this was missed.
    fn missed_before(&self) -> Timestamp {
        let late_max_s = match &self.life.content().plan {
            Plan::At(timing) => timing.late_max_s.unwrap_or_default(),
            Plan::Unplanned | Plan::Now { .. } => 0,
        };
        let after = plan::MISSED_AFTER.max(SignedDuration::from_secs(i64::from(late_max_s)));
        self.known.now().checked_sub(after).unwrap_or(Timestamp::MIN)
    }

    /// Tells the log, then keeps it. Nothing happens where nothing was decided and nothing else is to be kept.
    ///
    /// # Errors
    /// Log or records can't be written.
    pub async fn keep(self, extra: Extra) -> Result<(), Refusal> {
        let news = self.events.len() > self.decided;
        let wake_at = wake_at(&self.life, &self.known.facts(&self.actor), news);
        let woken = self.post.life.as_ref().is_some_and(|kept| kept.wake_at != wake_at);
        if !news && !woken && extra.comment.is_none() {
            return Ok(());
        }
        let decided = self.events.get(self.decided..).unwrap_or_default();
        let leaves = leaves::of(self.gateway, &self.post, self.by, decided, &self.life, &extra);
        if !leaves.is_empty() {
            record::log_is_writable(self.gateway)?;
            self.gateway.audit.append_all(leaves).await.map_err(|error| record::unavailable(&error))?;
        }
        let targets = self.moves(extra.anew, extra.version.is_some())?;
        let wakes = targets.iter().any(|moved| moved.state == T::Accepted);
        let once = match self.by {
            By::Caller(caller) => caller.once().cloned(),
            By::Link(_) | By::Gate => None,
        };
        let tells = !extra.notices.is_empty();
        let advance = Advance {
            post: self.post.id.clone(),
            from: self.from,
            events: self.events,
            life: self.life,
            plan: extra.plan,
            wake_at,
            targets,
            version: extra.version,
            vote: extra.vote,
            comment: extra.comment,
            verdicts: extra.verdicts,
            openings: extra.openings,
            links: extra.links,
            notices: extra.notices,
            once,
            at: self.known.now(),
        };
        if !self.gateway.records.advance(advance).await.map_err(|error| unavailable(&error))? {
            // Nothing else decides while this turn lasts; only another process on the same records could.
            let detail = "The post changed at the same time. Read it again.";
            return Err(Refusal::new(problem::CONTENT_CHANGED, Stage::Approve, detail));
        }
        if tells {
            self.gateway.notices.put_elsewhere();
        }
        if wakes {
            self.gateway.due.notify_one();
        }
        self.gateway.changed.notify_waiters();
        Ok(())
    }

    /// What follows for the targets. Claims and recalls are delivery's own.
    fn moves(&self, anew: bool, all: bool) -> Result<Vec<TargetMove>, Refusal> {
        let mut moves = Vec::new();
        for target in self.life.targets() {
            let before = self.before.iter().find(|(account, _)| account == target.account()).map(|(_, state)| *state);
            let state = target.state();
            if (before == Some(state) && !all) || matches!(state, T::Publishing | T::Unknown | T::Recalling) {
                continue;
            }
            let told = state == T::Published && before == Some(T::Unknown);
            let part = |part: &pressgate_workflow::life::PublishedPart| PublishedPart {
                platform_id: part.id.clone(),
                url: part.url.clone(),
            };
            moves.push(TargetMove {
                account: AccountId::new(target.account().as_str()),
                state,
                retry_at: target.not_before().filter(|_| state == T::Accepted),
                published: told.then(|| target.published().iter().map(part).collect()),
                anew: if anew && before != Some(state) { Some(digest::random_hex()?) } else { None },
            });
        }
        Ok(moves)
    }
}
