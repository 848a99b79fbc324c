//! What time alone brings. A tick is decided from the life and the clock only, so it may come late, twice, or on two nodes.

use super::{clearance::Point, work::Work};
use crate::{
    approval::tally,
    ids::{AccountId, FreezeId},
    life::{Change, Expiry, Failure, Lease, Target, Wait},
    plant::{Plant, planted},
    refused::Refused,
    state::{Step, TargetState},
    time::after,
};

impl Work<'_> {
    pub(super) fn tick(&mut self) -> Result<(), Refused> {
        self.lapse(|work, target, lease| {
            let over = lease.until <= work.now() && !work.facts.working.contains(target.account());
            over || planted(Plant::LeaseIgnored)
        })?;
        self.window()?;
        self.votes_wanted()?;
        self.settle()?;
        self.fire()?;
        self.gone()?;
        self.thaw()?;
        self.used_up()?;
        self.hold_back()
    }

    /// A target whose attempts ended without a word is not claimed for ever.
    fn used_up(&mut self) -> Result<(), Refused> {
        let max = self.facts.governance.limits.attempts_max;
        let idle =
            |target: &Target, state| target.state() == state && target.lease().is_none() && target.tries() >= max;
        for account in self.accounts(|target| idle(target, TargetState::Accepted)) {
            self.emit(Change::Failed { account, failure: Failure::AttemptsUsedUp })?;
        }
        for account in self.accounts(|target| idle(target, TargetState::Recalling)) {
            self.emit(Change::Kept { account })?;
        }
        Ok(())
    }

    /// Ends leases.
    pub(super) fn lapse(&mut self, is_over: impl Fn(&Self, &Target, &Lease) -> bool) -> Result<(), Refused> {
        for account in self.accounts(|target| target.lease().is_some_and(|lease| is_over(self, target, lease))) {
            self.emit(Change::Lapsed { account })?;
        }
        Ok(())
    }

    /// The end of the window: what waits for its time or for people will not be sent any more.
    fn window(&mut self) -> Result<(), Refused> {
        if self.life.content().plan.until().is_none_or(|until| until > self.now()) {
            return Ok(());
        }
        let waits = |target: &Target| target.allows(Step::Expire) && target.state() != TargetState::Accepted;
        self.give_up(&waits)
    }

    /// What was never tried expires; what was tried failed.
    fn give_up(&mut self, which: &dyn Fn(&Target) -> bool) -> Result<(), Refused> {
        let expired = self.accounts(|target| which(target) && target.tries() == 0);
        let failed = self.accounts(|target| which(target) && target.tries() > 0);
        if !expired.is_empty() {
            self.emit(Change::Expired { accounts: expired, expiry: Expiry::Window })?;
        }
        for account in failed {
            self.emit(Change::Failed { account, failure: Failure::Window })?;
        }
        Ok(())
    }

    fn votes_wanted(&mut self) -> Result<(), Refused> {
        let waiting = self.accounts(|target| target.wait() == Some(Wait::Votes));
        let Some(asked_at) = self.life.asked_at().filter(|_| !waiting.is_empty()) else { return Ok(()) };
        for count in tally(&self.life, self.facts).rules {
            if count.open_stage().is_none() {
                continue;
            }
            let rule = &count.rule;
            if rule.expires_after_s.is_some_and(|seconds| after(asked_at, seconds) <= self.now()) {
                return self.emit(Change::Expired { accounts: waiting, expiry: Expiry::Votes(rule.name.clone()) });
            }
            for escalation in rule.escalate.iter().skip(count.escalated) {
                if after(asked_at, escalation.after_s) > self.now() {
                    break;
                }
                self.emit(Change::Escalated { rule: rule.name.clone() })?;
            }
        }
        Ok(())
    }

    /// What waited for its time is due.
    fn fire(&mut self) -> Result<(), Refused> {
        let accounts = self.accounts(|target| target.state() == TargetState::Scheduled);
        match self.life.due() {
            Some(due) if due <= self.now() && !accounts.is_empty() => {
                self.emit(Change::Released { accounts, due, not_before: None, confirmed: false })
            }
            _ => Ok(()),
        }
    }

    /// What was due on an account that is no longer there will not be sent. It keeps nothing back of what goes to the others.
    fn gone(&mut self) -> Result<(), Refused> {
        let waits = |target: &Target| match target.state() {
            TargetState::Accepted | TargetState::Frozen => true,
            TargetState::Held => target.wait() != Some(Wait::Votes),
            _ => false,
        };
        let known = &self.facts.governance.accounts;
        for account in self.accounts(|target| waits(target) && !known.contains_key(target.account())) {
            self.emit(Change::Failed { account, failure: Failure::AccountGone })?;
        }
        Ok(())
    }

    /// What a freeze held is asked about, one by one.
    fn thaw(&mut self) -> Result<(), Refused> {
        let frozen = |target: &Target| target.state() == TargetState::Frozen;
        let accounts = self.accounts(|target| {
            frozen(target) && !matches!(self.clearance(target, Point::Claim), Err(Refused::Frozen(_)))
        });
        if accounts.is_empty() { Ok(()) } else { self.emit(Change::Held { accounts, wait: Wait::Thawed }) }
    }

    /// What is due and may not be sent says why. Before the first attempt what stops one target stops them all.
    fn hold_back(&mut self) -> Result<(), Refused> {
        let accepted = self.accounts(|target| target.state() == TargetState::Accepted);
        let blocked: Vec<(AccountId, Refused)> = accepted
            .iter()
            .filter_map(|account| {
                let refused = self.clearance(self.life.target(account)?, Point::Claim).err()?;
                Some((account.clone(), refused))
            })
            .collect();
        match blocked.first() {
            Some((_, refused)) if !self.life.has_begun() => self.stop(accepted, refused.clone()),
            _ => blocked.into_iter().try_for_each(|(account, refused)| self.stop(vec![account], refused)),
        }
    }

    fn stop(&mut self, accounts: Vec<AccountId>, refused: Refused) -> Result<(), Refused> {
        match refused {
            Refused::Frozen(freeze) => self.freeze(accounts, freeze),
            Refused::NotApproved => self.emit(Change::Held { accounts, wait: Wait::Votes }),
            Refused::Overdue { .. } => self.emit(Change::Held { accounts, wait: Wait::Overdue }),
            Refused::WindowOver(_) => self.give_up(&|target| accounts.contains(target.account())),
            other => Err(other),
        }
    }

    fn freeze(&mut self, accounts: Vec<AccountId>, freeze: FreezeId) -> Result<(), Refused> {
        self.emit(Change::Frozen { accounts, freeze })
    }
}
