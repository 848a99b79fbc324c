//! May a target be sent now? Asked when it falls due, before a claim, and again before every effect.

use super::work::Work;
use crate::{
    approval::tally,
    freeze::{Effect, EffectKind, PostEffect, may_send},
    life::{Plan, Target},
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
        let Some(account) = self.facts.governance.accounts.get(target.account()) else {
            return Err(Refused::AccountGone(target.account().clone()));
        };
        let content = self.life.content();
        let effect = Effect {
            kind: EffectKind::Change,
            account: target.account(),
            brand: &account.brand,
            campaign: content.campaign.as_ref(),
            post: Some(PostEffect {
                id: self.life.id(),
                version: self.life.version().number,
                labels: &content.labels,
                approved_at: self.life.approved_at(),
            }),
        };
        may_send(self.facts.freezes, &effect).map_err(|freeze| Refused::Frozen(freeze.id.clone()))
    }

    fn not_overdue(&self, target: &Target) -> Result<(), Refused> {
        let late_max_s = match &self.life.content().plan {
            Plan::At(timing) => timing.late_max_s.unwrap_or(self.facts.governance.limits.late_max_s),
            Plan::Unplanned | Plan::Now { .. } => self.facts.governance.limits.late_max_s,
        };
        let Some(from) = self.life.due().max(target.confirmed_at) else { return Ok(()) };
        let late_s = seconds_between(from, self.now());
        if late_s > u64::from(late_max_s) { Err(Refused::Overdue { late_s }) } else { Ok(()) }
    }
}
