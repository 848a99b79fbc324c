//! Settling: an effect that was sent and not answered is looked up before anything is sent again.

use std::sync::Arc;

use jiff::SignedDuration;

use super::{
    ReadOnly,
    conclude::{self, Conclusion},
    state_unavailable,
    wire::{RECONCILED, Wire},
};
use crate::{
    audit::{Leaf, leaf},
    call::digest,
    host::{PerformCall, PluginResponse, Reconciliation, Safety},
    records::{StepRecord, UnknownStep},
    refusal::Refusal,
};

/// What is to be done now.
pub(super) enum Settled {
    /// Nothing is open: perform.
    Clear,
    /// It can't be known now.
    Later(Box<Conclusion>),
}

/// Settles the unanswered step of the target, if it has one.
pub(super) async fn settle(wire: &Arc<Wire>, perform: &PerformCall) -> Result<Settled, Refusal> {
    let intent = wire.intent();
    let Some(unknown) = intent.target().unknown_step.clone() else { return Ok(Settled::Clear) };
    if repetition_is_safe(wire, &unknown) {
        return Ok(Settled::Clear);
    }
    let call = intent.call();
    let step = unknown.step.strip_prefix("recall:").unwrap_or(&unknown.step);
    let outbound = Arc::new(ReadOnly::new(intent.gateway(), call.account(), call.adapter()));
    let perform = PerformCall { answered: wire.answered_before(), ..perform.clone() };
    let answer = call.adapter().reconcile(&perform, step, outbound).await;
    match answer {
        Ok(Reconciliation::Happened(answer)) => {
            happened(wire, &unknown, answer).await?;
            wire.settle_unknown();
            Ok(Settled::Clear)
        }
        Ok(Reconciliation::DidNot) => {
            log(wire, &unknown, leaf::OutcomeResult::NotSent, None).await?;
            wire.settle_unknown();
            Ok(Settled::Clear)
        }
        Ok(Reconciliation::CannotKnow(why)) => {
            // A look-up that failed may work later; one that can't tell leaves it to a person.
            let message = format!("Nobody can tell whether it happened: {why}");
            Ok(Settled::Later(Box::new(conclude::unsettled(intent, wire, unknown, &message))))
        }
        Err(error) => Ok(Settled::Later(Box::new(conclude::unsettled(intent, wire, unknown, &error.to_string())))),
    }
}

/// Within its window a native key makes the network answer a repetition with the first result. A deletion may be repeated.
fn repetition_is_safe(wire: &Wire, unknown: &UnknownStep) -> bool {
    let intent = wire.intent();
    match unknown.safety.parse() {
        Ok(Safety::NativeKey { window_s }) => unknown
            .sent_at
            .checked_add(SignedDuration::from_secs(i64::from(window_s)))
            .is_ok_and(|end| intent.gateway().clock.now() < end),
        _ => false,
    }
}

async fn happened(wire: &Wire, unknown: &UnknownStep, answer: PluginResponse) -> Result<(), Refusal> {
    let intent = wire.intent();
    let call = intent.call();
    log(wire, unknown, leaf::OutcomeResult::Answered, Some(&answer)).await?;
    let step = StepRecord {
        step: unknown.step.clone(),
        kind: "effect".into(),
        attempt: intent.claim().attempt,
        request_digest: RECONCILED.into(),
        status: answer.status,
        headers: answer.headers,
        body: answer.body,
        at: intent.gateway().clock.now(),
    };
    let kept =
        intent.gateway().records.journal_step(call.post().clone(), call.account().id.clone(), step.clone()).await;
    kept.map_err(|error| state_unavailable(&error))?;
    wire.add_to_journal(step);
    Ok(())
}

async fn log(
    wire: &Wire,
    unknown: &UnknownStep,
    result: leaf::OutcomeResult,
    answer: Option<&PluginResponse>,
) -> Result<(), Refusal> {
    let intent = wire.intent();
    let call = intent.call();
    let outcome = leaf::Outcome {
        intent: unknown.intent,
        post: call.post().to_string(),
        account: call.account().id.to_string(),
        brand: Some(call.account().brand.to_string()),
        action: Some(call.draft().action.to_string()),
        step: unknown.step.clone(),
        result,
        status: answer.map(|answer| answer.status),
        response_digest: answer.map(|answer| digest::sha256_hex(&answer.body)),
        target_state: None,
        platform_ids: Vec::new(),
        recovered: true,
    };
    intent.append(vec![Leaf::new(intent.gateway().clock.now().as_millisecond(), outcome)]).await.map(drop)
}
