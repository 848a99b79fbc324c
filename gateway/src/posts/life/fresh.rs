//! The life of a post that is being made: decided in memory, kept where people or time have a say in it.

use jiff::Timestamp;
use pressgate_workflow::{
    Command, Facts, Life, Refused, TargetState, decide,
    decide::Verdict as Reviewed,
    ids::Actor,
    life::{Content, Event, Plan},
};

use super::{Known, leaves, made::content, turn::actor, wake::wake_at};
use crate::{
    audit::Leaf,
    call::{Caller, Judgement, approve::holds},
    gateway::Gateway,
    model::Verdict,
    posts::plan::covered,
    records::{NewLife, NewPost},
};

/// A life that nobody has kept yet.
pub struct Fresh {
    known: Known,
    actor: Actor,
    life: Life,
    events: Vec<Event>,
}

impl Fresh {
    /// Of a new post.
    pub fn of(gateway: &Gateway, post: &NewPost, plan: Plan) -> Self {
        let targets = post.targets.iter().map(|target| (&target.account, &target.draft));
        let content = content(&covered(&post.salt, &post.digest, &plan), targets, plan);
        let known = Known::about(gateway, &post.author, actor(&post.author));
        Self::begin(known, actor(&post.author), post.id.as_str(), content, post.created_at)
    }

    /// Of a single call, which leaves now or never.
    pub fn of_call(gateway: &Gateway, judgement: &Judgement) -> Self {
        let call = judgement.call();
        let author = call.caller().author();
        let target = (&call.account().id, call.draft());
        let content = content(call.post().as_str(), std::iter::once(target), Plan::Now { until: None });
        let known = Known::about(gateway, &author, actor(&author));
        let at = known.now();
        let mut fresh = Self::begin(known, actor(&author), call.post().as_str(), content, at);
        fresh.submit(judgement.verdicts());
        fresh
    }

    fn begin(known: Known, by: Actor, id: &str, content: Content, at: Timestamp) -> Self {
        let (life, first) = Life::created(id.into(), content, by.clone(), at);
        Self { known, actor: by, life, events: vec![first] }
    }

    /// Its author is done, and the policies have looked at it.
    pub fn submit(&mut self, verdicts: &[Verdict]) {
        let version = self.life.version().number;
        let author = self.actor.clone();
        self.decide(Command::Submit { saw: version }, &author);
        let verdict = Reviewed::Pass(holds(verdicts));
        self.decide(Command::Reviewed { version, verdict }, &Actor::Gate);
    }

    fn decide(&mut self, command: Command, by: &Actor) {
        let decided = decide(&self.life, command, None, &self.known.facts(by));
        let taken = decided.and_then(|events| {
            for event in events {
                self.life.apply(&event).map_err(|_| Refused::WrongState(self.life.state()))?;
                self.events.push(event);
            }
            Ok(())
        });
        if let Err(refused) = taken {
            // Then it stays a draft, which nobody sends.
            tracing::error!(%refused, "a new post can't be decided on");
        }
    }

    /// The life.
    pub fn life(&self) -> &Life {
        &self.life
    }

    /// What is true at this moment.
    pub fn facts(&self) -> Facts<'_> {
        self.known.facts(&self.actor)
    }

    /// True where nothing is waited for: every target is due.
    pub fn leaves_now(&self) -> bool {
        self.life.targets().iter().all(|target| target.state() == TargetState::Accepted)
    }

    /// What the log says of it so far.
    pub(in crate::posts) fn leaves(&self, gateway: &Gateway, caller: &Caller, post: &NewPost) -> Vec<Leaf> {
        leaves::of_new(gateway, caller, post, &self.events, &self.life)
    }

    /// As it is kept with its post.
    pub fn kept(self, plan: Option<String>) -> NewLife {
        let wake_at = wake_at(&self.life, &self.known.facts(&self.actor), true);
        NewLife { events: self.events, life: self.life, plan, wake_at }
    }
}
