//! Send: the adapter speaks, the host injects the credential, the outcome is durable before the app hears.
//!
//! `perform` is replayed, not resumed: it runs from the start at each attempt, and steps that were answered are answered
//! from the journal. An answer is journalled when the adapter goes on from it, before anything else is sent. A step that was sent and not answered is settled first.

pub(crate) mod approved;
mod conclude;
mod outgoing;
pub mod relay;
mod series;
mod settle;
mod watched;
mod wire;

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

pub(super) use approved::names;
pub use outgoing::{ReadOnly, scope};
pub(crate) use outgoing::{is_read, outgoing, told, transmit};

use super::Intent;
use crate::{
    audit::{Leaf, leaf},
    host::{Failure, MediaFiles, PerformCall, PluginError, manifest::Limits},
    model::{TargetState, hex::unhex},
    records::{Attempt, ClaimFor, TargetFinish, UnknownStep},
    refusal::{Refusal, Stage, problem},
};
use conclude::Conclusion;
pub use conclude::{ATTEMPTS_MAX, FROZEN_BEGUN};
pub use series::Series;
use settle::Settled;
use wire::Wire;

/// The longest that one attempt may wait for its adapter, in milliseconds: `discover`, `reconcile` and `perform`, one after the
/// other, and where the network is still at work `perform` again.
pub const ADAPTER_MS_MAX: u64 = 3 * Limits::CEILING.wall_ms + NOT_YET_HERE_MS;
/// An attempt waits this long itself for a network that is still at work on what was prepared; then another attempt does.
const NOT_YET_HERE_MS: u64 = 10_000;

/// How an attempt ended; durable in log and records.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// The target's state.
    pub state: TargetState,
    /// The attempt.
    pub attempt: Attempt,
    /// Why not, where it did not succeed.
    pub refusal: Option<Refusal>,
}

/// Carries a recorded intent out.
#[tracing::instrument(target = "pressgate::span", name = "send", skip_all)]
pub async fn send(intent: Intent) -> Result<Receipt, Refusal> {
    let intent = Arc::new(intent);
    let gateway = Arc::clone(intent.gateway());
    let call = intent.call();
    let facts = gateway.facts.of(&gateway, call.account(), call.adapter()).await;
    let perform = PerformCall {
        key: unhex(&intent.target().call_key)
            .ok_or_else(|| Refusal::new(problem::INTERNAL, Stage::Send, "The call's key can't be read."))?,
        created_at: intent.claim().begun_at,
        attempt: intent.claim().attempt,
        account: Arc::clone(call.account()),
        draft: call.draft().clone(),
        facts,
        note: intent.claim().note.clone(),
        answered: Vec::new(),
    };
    let wire = Arc::new(Wire::new(Arc::clone(&intent)));
    let conclusion = match settle::settle(&wire, &perform).await? {
        Settled::Clear => {
            let media = gateway.media.files_for(&call.account().id, call.draft(), &gateway.public_media);
            let result = performed(&wire, &perform, &media).await;
            wire.confirm_before_denial().await;
            wire.cut_off().await;
            conclude::conclude(&intent, &wire, result)
        }
        Settled::Later(conclusion) => *conclusion,
    };
    finish(&intent, &wire, conclusion).await
}

/// Asks the adapter, and again where it wants to wait for the network a little.
async fn performed(wire: &Arc<Wire>, perform: &PerformCall, media: &MediaFiles) -> conclude::Performing {
    let adapter = wire.intent().call().adapter();
    let until = Instant::now() + Duration::from_millis(NOT_YET_HERE_MS);
    loop {
        let result = adapter.perform(perform, Arc::clone(wire) as _, media).await;
        let Ok((Err(Failure::NotYet(_, wait_ms)), _)) = &result else { return result };
        let next = Instant::now() + Duration::from_millis(*wait_ms);
        // What was answered is kept in any case: the adapter understood it.
        if !wire.again().await || next > until {
            return result;
        }
        tokio::time::sleep_until(next).await;
    }
}

/// Writes the end of the attempt: first the log, then the records.
async fn finish(intent: &Intent, wire: &Wire, conclusion: Conclusion) -> Result<Receipt, Refusal> {
    let gateway = intent.gateway();
    let now = gateway.clock.now();
    let call = intent.call();
    let ids = conclusion.published.iter().map(|part| part.platform_id.clone()).collect::<Vec<_>>();
    let event: leaf::Event = match wire.take_pending() {
        Some(mut outcome) => {
            outcome.target_state = Some(conclusion.state.as_str().to_owned());
            outcome.platform_ids = ids;
            outcome.into()
        }
        None => leaf::Finished {
            post: call.post().to_string(),
            account: call.account().id.to_string(),
            brand: Some(call.account().brand.to_string()),
            target_state: conclusion.state.as_str().to_owned(),
            platform_ids: ids,
            code: conclusion.code.clone(),
        }
        .into(),
    };
    let touched = wire.sent_anything();
    let logged = intent.append(vec![Leaf::new(now.as_millisecond(), event)]).await;
    if logged.is_err() {
        // The log will say `unknown`; with the answer in the journal, nobody has to ask the network again.
        wire.keep_answer().await;
    }
    let attempt = Attempt {
        number: intent.claim().attempt,
        at: now,
        state: conclusion.state,
        status: conclusion.status,
        code: conclusion.code,
        problem: conclusion.refusal.as_ref().map(|refusal| refusal.problem.slug.to_owned()),
        retry: conclusion.refusal.as_ref().is_some_and(|refusal| refusal.retry),
        message: conclusion.message,
        body: conclusion.body,
    };
    let (note, leaf) =
        (conclusion.note.map(|note| (call.account().adapter.to_string(), note)), logged.as_ref().ok().copied());
    let finish = TargetFinish {
        state: conclusion.state,
        published: conclusion.published,
        attempt: attempt.clone(),
        retry_at: conclusion.retry_at,
        unknown_step: conclusion.unknown_step,
        note,
        leaf,
    };
    let kept = gateway.records.finish_target(call.post().clone(), call.account().id.clone(), finish).await;
    if kept.is_ok() {
        wire.settle_intents();
    }
    // Whoever hears of a log that can't be written must know whether anything left before that.
    logged.map_err(|refusal| Refusal { stage: if touched { Stage::Send } else { Stage::Record }, ..refusal })?;
    if let Err(error) = kept {
        // The log has the outcome; the records catch up from it at the next start.
        tracing::error!(post = %call.post(), account = %call.account().id, %error, "the outcome is logged but not in the records");
    }
    Ok(Receipt { state: conclusion.state, attempt, refusal: conclusion.refusal })
}

/// The name of a step in the journal: a recall has steps of its own.
fn journal_name(purpose: Purpose, step: &str) -> String {
    match purpose {
        ClaimFor::Publish => step.to_owned(),
        ClaimFor::Recall => format!("recall:{step}"),
    }
}

type Purpose = ClaimFor;

/// What an attempt is for, from the claimed call.
fn purpose(intent: &Intent) -> Purpose {
    if intent.call().draft().action == crate::model::Action::POST_DELETE { ClaimFor::Recall } else { ClaimFor::Publish }
}

/// An unknown step for the records.
fn unknown(intent: &Intent, step: &str, safety: &crate::host::Safety, leaf: u64) -> UnknownStep {
    UnknownStep {
        step: journal_name(purpose(intent), step),
        safety: safety.to_string(),
        sent_at: intent.gateway().clock.now(),
        intent: leaf,
    }
}

/// A plugin's failure during an attempt.
fn plugin_refusal(error: &PluginError) -> Refusal {
    super::review::plugin_failure(Stage::Send, error)
}

/// A store's failure during an attempt.
fn state_unavailable(error: &crate::records::RecordsError) -> Refusal {
    Refusal::new(problem::STATE_UNAVAILABLE, Stage::Send, "The record store can't be written.").because(error)
}
