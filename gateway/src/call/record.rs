//! Record: the intent, durable before the first byte leaves. Only this stage makes an [`Intent`], and only `send` takes one.

mod passage;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

pub use passage::{Passage, Reading, login, look, pass};

use super::{Call, Clearance, authorise, digest, frozen, journey};
use crate::{
    audit::{AuditHealth, AuditUnavailable, Leaf, leaf},
    freezes::Going,
    gateway::Gateway,
    host::Safety,
    model::Action,
    records::{Claim, Commitment, TargetRecord},
    refusal::{Refusal, Stage, problem},
};

/// When to come back while the disk is nearly full, in seconds: somebody has to make room.
const LOW_DISK_RETRY_S: u64 = 30;
/// When to come back while the log is slow, in seconds.
const SLOW_RETRY_S: u64 = 10;

/// Proof that a target is claimed and that what is sent for it will be recorded first.
pub struct Intent {
    gateway: Arc<Gateway>,
    clearance: Clearance,
    claim: Claim,
    target: TargetRecord,
    started: AtomicBool,
}

/// One request that is about to leave.
pub(super) struct Effect<'a> {
    /// The adapter's name for it.
    pub step: &'a str,
    /// `Prepare` or `Effect`.
    pub kind: leaf::EffectKind,
    /// How it avoids a duplicate.
    pub safety: &'a Safety,
    /// Digest of the request without its credential; the leaf has it under the post's salt.
    pub request_digest: String,
}

/// Takes a cleared call whose target was claimed.
#[tracing::instrument(target = "pressgate::span", name = "record", skip_all)]
pub async fn record(gateway: &Arc<Gateway>, clearance: Clearance, claim: Claim) -> Result<Intent, Refusal> {
    log_takes_effects(gateway)?;
    let account = &clearance.call().account().id;
    let Some(target) = claim.post.targets.iter().find(|target| target.account == *account).cloned() else {
        return Err(Refusal::new(problem::INTERNAL, Stage::Record, "The claim is for another account."));
    };
    // A call whose first effect is already on the network has started; revoking its grant now would leave half a thread.
    let started =
        claim.steps.iter().any(|step| step.kind == "effect") && clearance.call().draft().action != Action::POST_DELETE;
    gateway.counters.accepted.add(1);
    Ok(Intent { gateway: Arc::clone(gateway), clearance, claim, target, started: AtomicBool::new(started) })
}

/// Refuses early while the log can't be written: nothing leaves unrecorded.
pub fn log_is_writable(gateway: &Gateway) -> Result<(), Refusal> {
    let health = gateway.audit.health();
    if health.takes_leaves() { Ok(()) } else { Err(unavailable(&health.reason().unwrap_or_default())) }
}

/// Refuses side effects before the disk is full: what room is left is for refusals, votes and what operators do. A call whose
/// first effect is out goes on, since half a thread would be worse.
pub fn log_takes_effects(gateway: &Gateway) -> Result<(), Refusal> {
    let health = gateway.audit.health();
    if health.takes_effects() {
        return Ok(());
    }
    let reason = health.reason().unwrap_or_default();
    if !health.takes_leaves() {
        return Err(unavailable(&reason));
    }
    let detail = "The audit log's disk is nearly full. What room is left is kept for refusals, votes and operators, so nothing was sent.";
    let refusal = Refusal::new(problem::AUDIT_UNAVAILABLE, Stage::Record, detail);
    Err(refusal.because(reason).retry_after(LOW_DISK_RETRY_S))
}

/// Puts reads of low priority off while the log is slow: what asks only to know, and could ask later. No leaf tells of it, since
/// that would make the log slower still; a counter does.
pub fn may_read(gateway: &Gateway) -> Result<(), Refusal> {
    if !matches!(gateway.audit.health(), AuditHealth::Slow { .. }) {
        return Ok(());
    }
    gateway.counters.shed.add(1);
    let detail = "The audit log is slow, and what only asks is put off until it is not. Nothing was done.";
    Err(Refusal::new(problem::AUDIT_SLOW, Stage::Record, detail).retry_after(SLOW_RETRY_S))
}

/// The refusal for a log that can't be written.
pub fn unavailable(cause: &dyn std::fmt::Display) -> Refusal {
    let detail = "The audit log can't be written. Nothing leaves unrecorded, so nothing was sent.";
    Refusal::new(problem::AUDIT_UNAVAILABLE, Stage::Record, detail).because(cause).retry_after(1)
}

impl Intent {
    /// The call.
    pub fn call(&self) -> &Call {
        self.clearance.call()
    }
    /// How it was cleared.
    pub fn clearance(&self) -> &Clearance {
        &self.clearance
    }
    /// The claimed target as it was when it was claimed.
    pub fn target(&self) -> &TargetRecord {
        &self.target
    }
    /// The claim.
    pub fn claim(&self) -> &Claim {
        &self.claim
    }
    pub(super) fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }

    /// Writes the intent leaf, together with the outcome of the effect before it, and returns its index. While it is written,
    /// `apply` can't answer; so a call starts either before the change in the log or under the new rules. A freeze is looked for
    /// before every effect, and waits for those that started before it as long as the second value lives.
    pub(super) async fn effect(
        &self,
        effect: Effect<'_>,
        before: Option<leaf::Outcome>,
    ) -> Result<(u64, Going), Refusal> {
        let _start = self.gateway.starts.read().await;
        if !self.started.load(Ordering::Acquire) {
            authorise::still_allowed(&self.gateway, self.clearance.approval().judgement().admission().permit())?;
            self.started.store(true, Ordering::Release);
        }
        let going = frozen::start(&self.gateway, self.clearance.approval())?;
        let at_ms = self.gateway.clock.now().as_millisecond();
        let mut leaves: Vec<Leaf> = before.map(|outcome| Leaf::new(at_ms, outcome)).into_iter().collect();
        let ahead = leaves.len() as u64;
        leaves.push(Leaf::new(at_ms, self.leaf(effect)));
        let first = self.append(leaves).await?;
        Ok((first + ahead, going))
    }

    pub(super) async fn append(&self, leaves: Vec<Leaf>) -> Result<u64, Refusal> {
        self.gateway.audit.append_all(leaves).await.map_err(|error: AuditUnavailable| unavailable(&error))
    }

    /// What the leaves of this attempt commit to; the openings are kept since the claim. A recall is somebody's own call.
    fn commitments(&self) -> &[Commitment] {
        match self.call().draft().action {
            Action::POST_DELETE => self.call().caller().kept(),
            _ => &self.target.commitments,
        }
    }

    fn leaf(&self, effect: Effect<'_>) -> leaf::Intent {
        let call = self.call();
        let judgement = self.clearance.approval().judgement();
        let who = journey::who(call.caller());
        leaf::Intent {
            post: call.post().to_string(),
            account: call.account().id.to_string(),
            action: call.draft().action.to_string(),
            step: effect.step.to_owned(),
            attempt: self.claim.attempt,
            effect_kind: effect.kind,
            safety: effect.safety.to_string(),
            app: who.app,
            person: who.person,
            on_behalf_of: who.on_behalf_of,
            key: call.caller().key().to_string(),
            grant: judgement.admission().permit().grant().id.to_string(),
            content_digest: self.target.digest.clone(),
            post_digest: Some(self.claim.post.digest.clone()),
            request_digest: digest::keyed(&self.claim.post.salt, &effect.request_digest),
            brand: Some(call.account().brand.to_string()),
            door: Some(call.caller().door().to_owned()),
            session: journey::session(call.caller()),
            commitments: self.commitments().to_vec(),
            adapter: call.adapter().label().to_owned(),
            adapter_digest: call.adapter().digest().to_owned(),
            verdicts: journey::notes(judgement.verdicts()),
            approvals: self.clearance.approval().by().to_vec(),
        }
    }
}
