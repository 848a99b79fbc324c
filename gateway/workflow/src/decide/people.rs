//! What people say: votes, links, comments, and that something late goes after all.

use jiff::Timestamp;

use super::{SAID_MAX, clearance::Point, work::Work};
use crate::{
    approval::{NoCount, Voter, part_in, tally, would_count},
    ids::{AccountId, Actor, External, LinkId},
    life::{Change, Wait},
    refused::Refused,
    time::after,
};

impl Work<'_> {
    pub(super) fn vote(&mut self, saw: u32, approve: bool) -> Result<(), Refused> {
        let voter = self.voter()?;
        self.check_saw(saw)?;
        if !self.life.targets().iter().any(|target| target.wait() == Some(Wait::Votes)) {
            return self.wrong_state();
        }
        if !approve {
            self.reason()?;
        }
        if let Voter::Person(person) = &voter {
            if let Some(part) = part_in(&self.life, self.facts, person) {
                return Err(Refused::Own(part));
            }
            if approve && self.life.has_approved(person) {
                return Err(Refused::AlreadyVoted);
            }
        }
        let count = would_count(&self.life, self.facts, &tally(&self.life, self.facts), &voter, approve);
        count.map_err(|no| match no {
            NoCount::NotWanted => Refused::NotWanted,
            NoCount::OtherTime => Refused::NotStandingIn,
            NoCount::Later { rule, stage } => Refused::NotYourTurn { rule, stage },
        })?;
        if self.life.votes().len() >= SAID_MAX {
            return Err(Refused::TooMany("votes"));
        }
        let digest = self.life.content().digest.clone();
        self.emit(Change::Voted { voter, approve, version: saw, digest })?;
        if approve { self.settle() } else { self.emit(Change::Rejected) }
    }

    fn voter(&self) -> Result<Voter, Refused> {
        match self.facts.by {
            Actor::Person { person } => Ok(Voter::Person(person.clone())),
            Actor::App { .. } | Actor::Gate => Err(Refused::NotAPerson),
            Actor::Link { link: id } => {
                let link = self.life.link(id).ok_or(Refused::NoLink)?;
                if link.used {
                    return Err(Refused::LinkUsed);
                }
                if self.now() >= link.expires_at {
                    return Err(Refused::LinkExpired(link.expires_at));
                }
                // A link shows one version; it can't be turned to another.
                self.check_saw(link.version)?;
                Ok(Voter::Link(id.clone()))
            }
        }
    }

    pub(super) fn invite(
        &mut self,
        saw: u32,
        link: LinkId,
        external: External,
        expires_at: Timestamp,
    ) -> Result<(), Refused> {
        if matches!(self.facts.by, Actor::Link { .. }) {
            return Err(Refused::NotAPerson);
        }
        self.check_saw(saw)?;
        if !self.life.targets().iter().any(|target| target.wait() == Some(Wait::Votes)) {
            return self.wrong_state();
        }
        if !self.facts.governance.rules.externals.contains_key(&external) {
            return Err(Refused::Invalid("There is no such outside party."));
        }
        let latest = after(self.now(), self.facts.governance.limits.link_max_s);
        if expires_at <= self.now() || expires_at > latest || self.life.link(&link).is_some() {
            return Err(Refused::Invalid("A link needs an id of its own and an end within the limit."));
        }
        if self.life.links().len() >= SAID_MAX {
            return Err(Refused::TooMany("links"));
        }
        self.emit(Change::Invited { link, external, expires_at })
    }

    pub(super) fn comment(&mut self, saw: u32) -> Result<(), Refused> {
        self.check_saw(saw)?;
        let comment = u32::try_from(self.life.comments().len() + 1).unwrap_or(u32::MAX);
        if self.life.comments().len() >= SAID_MAX {
            return Err(Refused::TooMany("comments"));
        }
        self.emit(Change::Commented { comment })
    }

    pub(super) fn close_comment(&mut self, comment: u32) -> Result<(), Refused> {
        self.person_or_app()?;
        if !self.life.comments().iter().any(|known| known.number == comment && known.open) {
            return Err(Refused::Invalid("There is no such open comment."));
        }
        self.emit(Change::CommentClosed { comment })?;
        self.settle()
    }

    pub(super) fn confirm(&mut self, saw: u32, account: &AccountId) -> Result<(), Refused> {
        self.person()?;
        self.check_saw(saw)?;
        self.go_after_all(account, None, &[Wait::Overdue, Wait::Thawed, Wait::Attention])
    }

    pub(super) fn release(&mut self, account: &AccountId, at: Timestamp) -> Result<(), Refused> {
        self.go_after_all(account, Some(at), &[Wait::Thawed])
    }

    fn go_after_all(
        &mut self,
        account: &AccountId,
        not_before: Option<Timestamp>,
        from: &[Wait],
    ) -> Result<(), Refused> {
        let target = self.target(account)?;
        if !target.wait().is_some_and(|wait| from.contains(&wait)) {
            return self.wrong_state();
        }
        match self.clearance(target, Point::Claim) {
            Ok(()) | Err(Refused::Overdue { .. } | Refused::NotApproved) => {}
            Err(refused) => return Err(refused),
        }
        let due = self.life.due().unwrap_or(self.now());
        let accounts = vec![account.clone()];
        self.emit(Change::Released { accounts, due, not_before, confirmed: true })
    }
}
