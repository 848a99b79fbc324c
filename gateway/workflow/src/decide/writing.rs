//! Versions: edits, submission, review, the time, and the end of what nobody wants.

use jiff::Timestamp;

use super::{command::Verdict, work::Work};
use crate::{
    approval::tally,
    ids::Actor,
    life::{Change, Content, Holds, Plan, TARGETS_MAX, Wait},
    plant::{Plant, planted},
    refused::Refused,
    state::{Step, TargetState},
};

/// Names every account once, and not too many.
pub(super) fn check(content: &Content) -> Result<(), Refused> {
    if content.targets.is_empty() {
        return Err(Refused::Invalid("A post needs at least one account."));
    }
    if content.targets.len() > TARGETS_MAX {
        return Err(Refused::TooMany("accounts"));
    }
    if content
        .targets
        .iter()
        .enumerate()
        .any(|(index, account)| content.targets.iter().skip(index + 1).any(|other| other == account))
    {
        return Err(Refused::Invalid("An account is named twice."));
    }
    if let Plan::At(timing) = &content.plan
        && !timing.permits(timing.due)
    {
        return Err(Refused::OutsideWindow(timing.due));
    }
    Ok(())
}

impl Work<'_> {
    pub(super) fn edit(&mut self, saw: u32, content: Content) -> Result<(), Refused> {
        self.person_or_app()?;
        self.check_saw(saw)?;
        check(&content)?;
        let sent = |target: &crate::life::Target| target.answered() > 0 && target.published().is_empty();
        if self.life.targets().iter().any(|target| !target.allows(Step::Edit) || sent(target)) {
            return self.wrong_state();
        }
        if content.digest == self.life.content().digest && !content.is_like(self.life.content()) {
            return Err(Refused::SameDigest);
        }
        self.not_fired(match &content.plan {
            Plan::At(timing) => Some(timing.due),
            _ => None,
        })?;
        let version = self.life.version().number.checked_add(1).ok_or(Refused::TooMany("versions"))?;
        self.emit(Change::Edited { version, content })
    }

    fn not_fired(&self, due: Option<Timestamp>) -> Result<(), Refused> {
        match (due, self.life.fired()) {
            (Some(due), Some(fired)) if due <= fired && !planted(Plant::FiresAgain) => {
                Err(Refused::AlreadyFired(fired))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn submit(&mut self, saw: u32) -> Result<(), Refused> {
        self.person_or_app()?;
        self.check_saw(saw)?;
        self.emit(Change::Submitted)
    }

    pub(super) fn reviewed(&mut self, version: u32, verdict: Verdict) -> Result<(), Refused> {
        self.check_saw(version)?;
        if !self.life.targets().iter().any(|target| target.allows(Step::Deny)) {
            return self.wrong_state();
        }
        match verdict {
            Verdict::Deny(policy) => self.emit(Change::Denied { policy }),
            Verdict::Pass(holds) => {
                let in_review = self.life.targets().iter().any(|target| target.state() == TargetState::Review);
                let fresh = !in_review && !all_seen(&holds, self.life.holds());
                if in_review || fresh || holds != *self.life.holds() {
                    self.emit(Change::Reviewed { holds, fresh })?;
                }
                if in_review && tally(&self.life, self.facts).is_complete() {
                    self.emit(Change::Approved)?;
                }
                self.ask()?;
                self.settle()
            }
        }
    }

    /// Holds what can't go on without people.
    fn ask(&mut self) -> Result<(), Refused> {
        if tally(&self.life, self.facts).is_complete() {
            return Ok(());
        }
        let asks = |target: &crate::life::Target| {
            use TargetState::{Accepted, Approved, Review, Scheduled};
            matches!(target.state(), Review | Approved | Scheduled | Accepted)
        };
        let accounts = self.accounts(asks);
        if accounts.is_empty() { Ok(()) } else { self.emit(Change::Held { accounts, wait: Wait::Votes }) }
    }

    /// Lets go on what nobody's agreement is missing for.
    pub(super) fn settle(&mut self) -> Result<(), Refused> {
        // What policies have not seen yet is nobody's to let go.
        if self.life.targets().iter().any(|target| target.state() == TargetState::Review) {
            return Ok(());
        }
        let waits = self.life.targets().iter().any(|target| target.wait() == Some(Wait::Votes));
        if waits && tally(&self.life, self.facts).is_complete() {
            self.emit(Change::Approved)?;
        }
        let approved = self.accounts(|target| target.state() == TargetState::Approved);
        if approved.is_empty() {
            return Ok(());
        }
        let due = match self.life.content().plan {
            Plan::Unplanned => return Ok(()),
            Plan::Now { .. } => self.life.due().unwrap_or(self.now()),
            Plan::At(ref timing) => {
                let due = self.life.due().unwrap_or(timing.due);
                if due > self.now() {
                    return self.emit(Change::Scheduled { due });
                }
                due
            }
        };
        self.emit(Change::Released { accounts: approved, due, not_before: None, confirmed: false })
    }

    pub(super) fn reschedule(&mut self, saw: u32, due: Timestamp) -> Result<(), Refused> {
        self.person_or_app()?;
        self.check_saw(saw)?;
        let Plan::At(timing) = &self.life.content().plan else { return self.wrong_state() };
        if !timing.permits(due) {
            return Err(Refused::OutsideWindow(due));
        }
        if self.life.targets().iter().any(|target| !target.allows(Step::Edit)) {
            return self.wrong_state();
        }
        self.not_fired(Some(due))?;
        self.emit(Change::Rescheduled { due })
    }

    pub(super) fn next(&mut self, due: Timestamp) -> Result<(), Refused> {
        let Plan::At(timing) = &self.life.content().plan else { return self.wrong_state() };
        if !timing.recurs {
            return self.wrong_state();
        }
        if !timing.permits(due) {
            return Err(Refused::OutsideWindow(due));
        }
        let last = self.life.due().max(self.life.fired());
        if let Some(last) = last.filter(|last| due <= *last && !planted(Plant::FiresAgain)) {
            return Err(Refused::AlreadyFired(last));
        }
        // While one target is on its way the occurrence is not over.
        if self
            .life
            .targets()
            .iter()
            .any(|target| matches!(target.state(), TargetState::Accepted | TargetState::Publishing))
        {
            return self.wrong_state();
        }
        let by_person = matches!(self.facts.by, Actor::Person { .. });
        let waits = |target: &crate::life::Target| {
            matches!(target.wait(), Some(Wait::Overdue | Wait::Thawed | Wait::Attention))
        };
        // Time passes over only what was missed as a whole: a part of an occurrence that is out is not all that there is of it.
        let missed = !by_person && self.is_missed();
        if !by_person && !missed && self.life.targets().iter().any(waits) {
            return self.wrong_state();
        }
        let passed =
            |target: &crate::life::Target| waits(target) || (missed && target.state() == TargetState::Scheduled);
        let over =
            |target: &crate::life::Target| matches!(target.state(), TargetState::Published | TargetState::Failed);
        let accounts = self.accounts(|target| over(target) || passed(target));
        let skipped = self.life.due().filter(|_| self.life.targets().iter().any(passed));
        self.emit(Change::Rearmed { accounts, due, skipped })
    }

    /// Nothing of the occurrence was tried, and all of it waits, later than it may be.
    fn is_missed(&self) -> bool {
        let waits = |target: &crate::life::Target| {
            target.state() == TargetState::Scheduled || target.wait() == Some(Wait::Overdue)
        };
        let late = |target: &crate::life::Target| matches!(self.not_overdue(target), Err(Refused::Overdue { .. }));
        !self.life.has_begun() && self.life.targets().iter().all(|target| waits(target) && late(target))
    }

    pub(super) fn cancel(&mut self, saw: u32) -> Result<(), Refused> {
        self.person_or_app()?;
        self.check_saw(saw)?;
        let accounts = self.accounts(|target| {
            target.allows(Step::Cancel) && !(target.answered() > 0 && target.published().is_empty())
        });
        self.emit(Change::Cancelled { accounts })
    }

    pub(super) fn reopen(&mut self, saw: u32) -> Result<(), Refused> {
        self.person_or_app()?;
        self.check_saw(saw)?;
        if self.life.targets().iter().any(|target| !target.allows(Step::Reopen)) {
            return self.wrong_state();
        }
        self.emit(Change::Reopened)
    }
}

/// Every reason to hold was told before.
fn all_seen(holds: &Holds, seen: &Holds) -> bool {
    holds.iter().all(|(policy, codes)| seen.get(policy).is_some_and(|known| codes.is_subset(known)))
}
