//! Settle: a step that was sent and not answered comes first. Whether it may be sent again, its safety says.

use crate::{
    call::send::ReadOnly,
    config::Connector,
    events::lines::{Attempt, Endpoint},
    gateway::Gateway,
    host::{DeliverCall, Reconciliation, Release, Safety},
};
use std::sync::Arc;

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
        let out = Arc::new(ReadOnly::new(gateway, &connector.system, release));
        match release.reconcile_delivery(call, &step.name, out).await.map_err(|error| failed(&error))? {
            Reconciliation::Happened(answer) => wire::reconciled(step, answer),
            Reconciliation::DidNot => drop(journal.steps.remove(at)),
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
