//! May a target be sent now? Asked when it falls due, before a claim, and again before every effect.

use super::work::Work;
use crate::{
    approval::tally,
    facts::Facts,
    freeze::{Effect, EffectKind, PostEffect, may_send},
    ids::{AccountId, FreezeId},
    life::{Life, Plan, Target},
    plant::{Plant, planted},
    refused::Refused,
    time::seconds_between,
};

/// At which point it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Point {
    /// Before an attempt.
    Claim,
    /// Before an effect of an attempt.
    Effect,
}

/// The freeze that stops a post on an account now.
pub fn frozen_by(life: &Life, account: &AccountId, facts: &Facts<'_>) -> Option<FreezeId> {
    let known = facts.governance.accounts.get(account)?;
    let content = life.content();
    let effect = Effect {
        kind: EffectKind::Change,
        account,
        brand: &known.brand,
        campaign: content.campaign.as_ref(),
        post: Some(PostEffect {
            id: life.id(),
            version: life.version().number,
            labels: &content.labels,
            approved_at: life.approved_at(),
        }),
    };
    may_send(facts.freezes, &effect).err().map(|freeze| freeze.id.clone())
}

impl Work<'_> {
    pub(super) fn clearance(&self, target: &Target, point: Point) -> Result<(), Refused> {
        if !self.facts.governance.accounts.contains_key(target.account()) {
            return Err(Refused::AccountGone(target.account().clone()));
        }
        if let Some(until) = self.life.content().plan.until().filter(|until| *until <= self.now()) {
            return Err(Refused::WindowOver(until));
        }
        if point == Point::Claim || !planted(Plant::FreezeAtClaim) {
            self.not_frozen(target)?;
        }
        if !tally(&self.life, self.facts).is_complete() {
            return Err(Refused::NotApproved);
        }
        if point == Point::Claim && target.tries() == 0 {
            self.not_overdue(target)?;
        }
        Ok(())
    }

    fn not_frozen(&self, target: &Target) -> Result<(), Refused> {
        if !self.facts.governance.accounts.contains_key(target.account()) {
            return Err(Refused::AccountGone(target.account().clone()));
        }
        frozen_by(&self.life, target.account(), self.facts).map_or(Ok(()), |freeze| Err(Refused::Frozen(freeze)))
    }

    pub(super) fn not_overdue(&self, target: &Target) -> Result<(), Refused> {
        let late_max_s = match &self.life.content().plan {
            Plan::At(timing) => timing.late_max_s.unwrap_or(self.facts.governance.limits.late_max_s),
            Plan::Unplanned | Plan::Now { .. } => self.facts.governance.limits.late_max_s,
        };
        let Some(from) = self.life.due().max(target.confirmed_at) else { return Ok(()) };
        let late_s = seconds_between(from, self.now());
        if late_s > u64::from(late_max_s) { Err(Refused::Overdue { late_s }) } else { Ok(()) }
    }
}
