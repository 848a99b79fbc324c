//! Settle: a step that was sent and not answered comes first. Whether it may be sent again, its safety says.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use crate::{
    call::send::ReadOnly,
    config::Connector,
    events::lines::{Attempt, Endpoint},
    gateway::Gateway,
    host::{
        DeliverCall, Outbound, PluginRequest, PluginResponse, Reconciliation, Release, Safety, SendError, StepKind,
    },
};

use super::{deliver::failed, wire};

/// Looks after the steps of an event that nobody knows the end of. The error ends the attempt.
pub(super) async fn settle(
    gateway: &Gateway,
    endpoint: &Endpoint,
    connector: &Connector,
    release: &Release,
    call: &DeliverCall,
    leaf: u64,
) -> Result<(), Attempt> {
    let mut journal = endpoint.journal(leaf).unwrap_or_default();
    let open: Vec<usize> = (0..journal.steps.len()).filter(|at| is_open(&journal.steps, *at)).collect();
    // From the last, so that what is taken out moves none of the others.
    for at in open.into_iter().rev() {
        let Some(step) = journal.steps.get_mut(at) else { continue };
        let safety = step.safety.parse().unwrap_or(Safety::None);
        let age_ms = gateway.clock.now().as_millisecond().saturating_sub(step.sent_ms);
        let again = match safety {
            _ if !step.effect => true,
            Safety::ClientId => true,
            Safety::NativeKey { window_s } => age_ms < i64::from(window_s).saturating_mul(1_000),
            Safety::TwoPhase | Safety::LookUp => false,
            Safety::None => {
                let why = format!("`{}` was sent and not answered, and nothing tells what became of it", step.name);
                return Err(Attempt::Hopeless { why, unknown: true });
            }
        };
        if again {
            journal.steps.remove(at);
            continue;
        }
        let looking = Arc::new(Looking {
            wire: ReadOnly::new(gateway, &connector.system, release),
            in_vain: AtomicBool::new(false),
        });
        let out: Arc<dyn Outbound> = looking.clone();
        match release.reconcile_delivery(call, &step.name, out).await.map_err(|error| failed(&error))? {
            Reconciliation::Happened(answer) => wire::reconciled(step, answer),
            Reconciliation::DidNot => drop(journal.steps.remove(at)),
            // Nobody can tell while the other system does not answer.
            Reconciliation::CannotKnow(why) if looking.in_vain.load(Relaxed) => {
                return Err(Attempt::Down(format!("`{}` was not answered: {why}", step.name), None));
            }
            Reconciliation::CannotKnow(why) => {
                return Err(Attempt::Hopeless { why: format!("`{}`: {why}", step.name), unknown: true });
            }
        }
    }
    endpoint.set_journal(leaf, journal);
    endpoint.keep().await.map_err(|why| Attempt::Down(format!("the journal can't be written: {why}"), None))
}

fn is_open(steps: &[crate::events::lines::KeptStep], at: usize) -> bool {
    steps.get(at).is_some_and(|step| step.answer.is_none())
}

/// Lets only reads through, and notes when one was not answered well.
struct Looking {
    wire: ReadOnly,
    in_vain: AtomicBool,
}

impl Outbound for Looking {
    fn send(
        &self,
        step: String,
        kind: StepKind,
        request: PluginRequest,
    ) -> Pin<Box<dyn Future<Output = Result<PluginResponse, SendError>> + Send + '_>> {
        Box::pin(async move {
            let answer = self.wire.send(step, kind, request).await;
            let good = answer.as_ref().is_ok_and(|answer| (200..300).contains(&answer.status));
            self.in_vain.fetch_or(!good, Relaxed);
            answer
        })
    }
}
