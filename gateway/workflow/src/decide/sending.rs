//! Sending once: claims, effects, how attempts end, what is unknown, and taking back.

use jiff::Timestamp;

use super::{
    clearance::Point,
    command::{Attempt, Finding, Outcome, Resolution},
    work::Work,
};
use crate::{
    ids::{AccountId, NodeId},
    life::{Change, Failure, Found, PublishedPart, Target, Wait},
    refused::Refused,
    state::TargetState,
    time::after,
};

impl Work<'_> {
    pub(super) fn claim(&mut self, account: &AccountId, node: NodeId, lease_s: u32) -> Result<(), Refused> {
        let target = self.target(account)?;
        if let Some(lease) = target.lease() {
            return Err(Refused::Leased { node: lease.node.clone(), until: lease.until });
        }
        if let Some(at) = target.not_before().filter(|at| *at > self.now()) {
            return Err(Refused::NotBefore(at));
        }
        match target.state() {
            TargetState::Recalling => {}
            TargetState::Accepted => self.may_claim(target)?,
            _ => return self.wrong_state(),
        }
        if target.tries() >= self.facts.governance.limits.attempts_max {
            return Err(Refused::TooMany("attempts"));
        }
        let attempt = target.attempt().checked_add(1).ok_or(Refused::TooMany("attempts"))?;
        let until = self.lease_end(lease_s);
        self.emit(Change::Claimed { account: account.clone(), node, attempt, until })
    }

    fn may_claim(&self, target: &Target) -> Result<(), Refused> {
        self.clearance(target, Point::Claim)?;
        if self.life.has_begun() {
            return Ok(());
        }
        for sibling in self.life.targets().iter().filter(|sibling| sibling.account() != target.account()) {
            let ready = match sibling.state() {
                TargetState::Accepted => self.clearance(sibling, Point::Claim).is_ok(),
                TargetState::Held | TargetState::Frozen => false,
                _ => true,
            };
            if !ready {
                return Err(Refused::Sibling(sibling.account().clone()));
            }
        }
        Ok(())
    }

    fn lease_end(&self, lease_s: u32) -> Timestamp {
        after(self.now(), lease_s.clamp(1, self.facts.governance.limits.lease_max_s.max(1)))
    }

    /// The target, if this attempt is the one that works on it.
    fn leased(&self, attempt: &Attempt) -> Result<&Target, Refused> {
        let target = self.target(&attempt.account)?;
        let holds = |lease: &crate::life::Lease| lease.node == attempt.node && lease.attempt == attempt.number;
        if target.lease().is_some_and(holds) { Ok(target) } else { Err(Refused::LeaseLost) }
    }

    /// And its lease is not over.
    fn in_time(&self, attempt: &Attempt) -> Result<&Target, Refused> {
        let target = self.leased(attempt)?;
        if target.lease().is_some_and(|lease| self.now() < lease.until) { Ok(target) } else { Err(Refused::LeaseLost) }
    }

    pub(super) fn renew(&mut self, attempt: &Attempt, lease_s: u32) -> Result<(), Refused> {
        self.in_time(attempt)?;
        let until = self.lease_end(lease_s);
        self.emit(Change::Renewed { account: attempt.account.clone(), until })
    }

    pub(super) fn begin(&mut self, attempt: &Attempt, step: String) -> Result<(), Refused> {
        let target = self.in_time(attempt)?;
        if let Some(effect) = target.effect() {
            return Err(Refused::EffectOpen(effect.step.clone()));
        }
        if attempt.digest != self.life.content().digest {
            return Err(Refused::Invalid("The content is another than the one that was claimed."));
        }
        // A deletion of one's own passes every freeze, and nobody is asked.
        if target.state() == TargetState::Publishing {
            self.clearance(target, Point::Effect)?;
        }
        self.emit(Change::Began { account: attempt.account.clone(), attempt: attempt.number, step })
    }

    pub(super) fn answer(&mut self, attempt: &Attempt) -> Result<(), Refused> {
        let target = self.leased(attempt)?;
        let Some(effect) = target.effect() else { return self.wrong_state() };
        let step = effect.step.clone();
        self.emit(Change::Answered { account: attempt.account.clone(), attempt: attempt.number, step })
    }

    pub(super) fn finish(&mut self, attempt: &Attempt, outcome: Outcome) -> Result<(), Refused> {
        let target = self.leased(attempt)?;
        let (account, open) = (attempt.account.clone(), target.effect().is_some());
        if target.state() == TargetState::Recalling {
            return match outcome {
                Outcome::Done { .. } => self.emit(Change::Recalled { account }),
                Outcome::Refused { .. } => self.emit(Change::Kept { account }),
                Outcome::Retry { at } => self.again_or(account, at, |account| Change::Kept { account }),
                Outcome::Unanswered | Outcome::Stopped => {
                    self.again_or(account, self.facts.now, |account| Change::Kept { account })
                }
            };
        }
        match outcome {
            Outcome::Done { parts } => self.published(account, parts, Found::Answered),
            Outcome::Refused { code } => self.emit(Change::Failed { account, failure: Failure::Refused { code } }),
            Outcome::Retry { at } => self.again(account, at),
            Outcome::Unanswered if open => self.emit(Change::Lost { account }),
            Outcome::Stopped if open => self.emit(Change::Lost { account }),
            Outcome::Unanswered | Outcome::Stopped => self.again(account, self.facts.now),
        }
    }

    fn published(&mut self, account: AccountId, parts: Vec<PublishedPart>, found: Found) -> Result<(), Refused> {
        if parts.is_empty() || parts.iter().any(|part| part.id.is_empty()) {
            return Err(Refused::NoId);
        }
        self.emit(Change::Published { account, parts, found })
    }

    fn again(&mut self, account: AccountId, at: Timestamp) -> Result<(), Refused> {
        if self.life.content().plan.until().is_some_and(|until| until <= at) {
            return self.emit(Change::Failed { account, failure: Failure::Window });
        }
        self.again_or(account, at, |account| Change::Failed { account, failure: Failure::AttemptsUsedUp })
    }

    fn again_or(
        &mut self,
        account: AccountId,
        at: Timestamp,
        end: impl Fn(AccountId) -> Change,
    ) -> Result<(), Refused> {
        let used_up = self.target(&account)?.tries() >= self.facts.governance.limits.attempts_max;
        self.emit(if used_up { end(account) } else { Change::Again { account, not_before: at } })
    }

    pub(super) fn process_ended(&mut self, node: &NodeId) -> Result<(), Refused> {
        self.lapse(|_, _, lease| lease.node == *node)
    }

    pub(super) fn set_aside(&mut self, account: &AccountId) -> Result<(), Refused> {
        let target = self.target(account)?;
        let (state, open) = (target.state(), target.effect().is_some());
        match state {
            TargetState::Publishing if !open => {
                self.emit(Change::Again { account: account.clone(), not_before: self.facts.now })?;
            }
            TargetState::Accepted => {}
            _ => return self.wrong_state(),
        }
        self.emit(Change::Held { accounts: vec![account.clone()], wait: Wait::Attention })
    }

    pub(super) fn reconcile(&mut self, account: &AccountId, finding: Finding) -> Result<(), Refused> {
        let target = self.target(account)?;
        if target.state() != TargetState::Unknown {
            return self.wrong_state();
        }
        let (account, known) = (account.clone(), target.needs_person());
        match finding {
            Finding::Happened { parts, complete: true } => self.published(account, parts, Found::LookedUp),
            Finding::Happened { complete: false, .. } | Finding::DidNot => self.again(account, self.facts.now),
            Finding::CannotKnow if known => Ok(()),
            Finding::CannotKnow => self.emit(Change::NobodyKnows { account }),
        }
    }

    pub(super) fn resolve(&mut self, account: &AccountId, resolution: Resolution) -> Result<(), Refused> {
        self.person()?;
        self.reason()?;
        if self.target(account)?.state() != TargetState::Unknown {
            return self.wrong_state();
        }
        let account = account.clone();
        match resolution {
            Resolution::Published(part) => self.published(account, vec![part], Found::Told),
            Resolution::NotPublished => self.emit(Change::Failed { account, failure: Failure::NotPublished }),
        }
    }

    pub(super) fn retry(&mut self, account: &AccountId) -> Result<(), Refused> {
        self.person_or_app()?;
        if self.target(account)?.state() != TargetState::Failed {
            return self.wrong_state();
        }
        if !self.facts.governance.accounts.contains_key(account) {
            return Err(Refused::AccountGone(account.clone()));
        }
        if let Some(until) = self.life.content().plan.until().filter(|until| *until <= self.now()) {
            return Err(Refused::WindowOver(until));
        }
        self.emit(Change::Again { account: account.clone(), not_before: self.facts.now })
    }

    pub(super) fn recall(&mut self, account: &AccountId) -> Result<(), Refused> {
        self.person_or_app()?;
        self.target(account)?;
        self.emit(Change::Recalling { account: account.clone() })
    }
}
