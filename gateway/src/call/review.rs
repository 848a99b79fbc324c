//! Review: does the content fit the network, and do the policies allow it? Deny wins, then hold.

use super::{Admission, Call, classify::call_name};
use crate::{
    gateway::Gateway,
    host::{PluginError, PluginFault, ReviewContext},
    model::{Action, Finding, Outcome, Principal, Severity, Verdict},
    refusal::{Fault, Refusal, Stage, problem},
    telemetry::{self, spans::key},
};

/// Seconds after which a call that met a busy plugin may come again, where the plugin host gives no time.
const BUSY_RETRY_S: u64 = 1;

/// Proof that no policy denies the call.
#[derive(Clone)]
pub struct Judgement {
    admission: Admission,
    outcome: Outcome,
    verdicts: Vec<Verdict>,
}

impl Judgement {
    /// The judged call.
    pub fn call(&self) -> &Call {
        self.admission.permit().call()
    }
    /// Its admission.
    pub fn admission(&self) -> &Admission {
        &self.admission
    }
    /// Allow or hold.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }
    /// What each policy said.
    pub fn verdicts(&self) -> &[Verdict] {
        &self.verdicts
    }
}

/// Asks the adapter whether the draft fits, then every policy of the brand in order.
#[tracing::instrument(target = "pressgate::span", name = "review", skip_all)]
pub async fn review(gateway: &Gateway, admission: Admission) -> Result<Judgement, Refusal> {
    let call = admission.permit().call();
    // Taking a post back says nothing new, and must work above all when what was said is wrong.
    if call.draft().action == Action::POST_DELETE {
        return Ok(Judgement { admission, outcome: Outcome::Allow, verdicts: Vec::new() });
    }
    fits(gateway, call).await?;
    judged(gateway, admission).await
}

/// Asks every policy of the brand in order. Whether the content fits, the network itself says of a client's own request.
#[tracing::instrument(target = "pressgate::span", name = "review", skip_all)]
pub async fn judge(gateway: &Gateway, admission: Admission) -> Result<Judgement, Refusal> {
    judged(gateway, admission).await
}

async fn judged(gateway: &Gateway, admission: Admission) -> Result<Judgement, Refusal> {
    let call = admission.permit().call();
    if call.draft().action == Action::POST_DELETE || call.draft().action.is_read() {
        return Ok(Judgement { admission, outcome: Outcome::Allow, verdicts: Vec::new() });
    }
    let verdicts = verdicts(gateway, call).await?;
    let outcome = verdicts.iter().map(|verdict| verdict.outcome).max().unwrap_or(Outcome::Allow);
    telemetry::note(key::OUTCOME, || outcome.as_str());
    if outcome == Outcome::Deny {
        let rules =
            verdicts.iter().filter(|verdict| verdict.outcome == Outcome::Deny).map(|verdict| verdict.policy.as_str());
        let detail =
            format!("The content for `{}` is against: {}.", call.account().id, rules.collect::<Vec<_>>().join(", "));
        let faults = verdicts
            .iter()
            .filter(|v| v.outcome == Outcome::Deny)
            .flat_map(|v| &v.findings)
            .map(|f| fault(call, f))
            .collect();
        return Err(Refusal::new(problem::POLICY_DENIED, Stage::Review, detail)
            .with_faults(faults)
            .with_verdicts(verdicts));
    }
    Ok(Judgement { admission, outcome, verdicts })
}

async fn fits(gateway: &Gateway, call: &Call) -> Result<(), Refusal> {
    let facts = gateway.facts.of(gateway, call.account(), call.adapter()).await;
    let media = gateway.media.files_for(&call.account().id, call.draft(), &gateway.public_media);
    let findings = call
        .adapter()
        .check(call.account(), call.draft(), facts.as_ref(), &media)
        .await
        .map_err(|error| plugin_failure(Stage::Review, &error))?;
    let faults: Vec<_> = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| fault(call, finding))
        .collect();
    if faults.is_empty() {
        return Ok(());
    }
    let detail = format!(
        "The content does not fit `{}`: {}",
        call.account().id,
        faults.first().map_or("", |fault| &fault.message)
    );
    Err(Refusal::new(problem::CONTENT_INVALID, Stage::Review, detail).with_faults(faults))
}

async fn verdicts(gateway: &Gateway, call: &Call) -> Result<Vec<Verdict>, Refusal> {
    let governance = call.governance();
    let brand = &call.account().brand;
    let caller = call.caller();
    let (app, person) = match caller.principal() {
        Principal::App(app) => (Some(app.clone()), caller.on_behalf_of().cloned()),
        Principal::Person(person) => (None, Some(person.clone())),
    };
    let context = ReviewContext {
        account: call.account().clone(),
        languages: governance.languages_of(brand).to_vec(),
        app,
        person,
    };
    let media = gateway.media.files(call.draft());
    let mut verdicts = Vec::new();
    for rule in governance.policies_of(brand) {
        let Some(release) = call.snapshot().policy_for(&rule.name, &call_name(call.post(), &call.account().id)) else {
            let detail = format!("The policy `{}` is not loaded, so nothing passes.", rule.name);
            return Err(Refusal::new(problem::PLUGIN_FAILED, Stage::Review, detail));
        };
        let (outcome, findings) = release
            .review(call.draft(), &context, &media)
            .await
            .map_err(|error| plugin_failure(Stage::Review, &error))?;
        verdicts.push(Verdict {
            policy: rule.name.clone(),
            plugin: release.label().to_owned(),
            plugin_digest: release.digest().to_owned(),
            outcome,
            findings,
        });
    }
    Ok(verdicts)
}

fn fault(call: &Call, finding: &Finding) -> Fault {
    Fault {
        pointer: call.sources().pointer(finding),
        account: Some(call.account().id.to_string()),
        code: finding.code.clone(),
        message: finding.message.clone(),
        measured: finding.measure.map(|(measured, _)| measured),
        allowed: finding.measure.map(|(_, allowed)| allowed),
    }
}

/// A plugin's failure as a refusal: the plugin and the reason are named, and nothing passes.
pub fn plugin_failure(stage: Stage, error: &PluginError) -> Refusal {
    match error.fault {
        PluginFault::Busy { retry_after_ms } => Refusal::new(problem::PLUGIN_BUSY, stage, error.to_string())
            .retry_after(retry_after_ms.div_ceil(1000).max(BUSY_RETRY_S)),
        PluginFault::Broken { retry_after_ms } => Refusal::new(problem::PLUGIN_FAILED, stage, error.to_string())
            .with_retry(true)
            .retry_after(retry_after_ms.div_ceil(1000).max(BUSY_RETRY_S)),
        PluginFault::Internal(_) => {
            let detail = format!("{} could not be run.", error.plugin);
            Refusal::new(problem::PLUGIN_FAILED, stage, detail).because(error).with_retry(true)
        }
        // A slow machine or network may be quicker next time; a crash or nonsense comes again.
        PluginFault::WallDeadline { .. } => {
            Refusal::new(problem::PLUGIN_FAILED, stage, error.to_string()).with_retry(true)
        }
        PluginFault::Trapped { .. }
        | PluginFault::CpuBudget { .. }
        | PluginFault::Memory { .. }
        | PluginFault::HostCallBytes { .. }
        | PluginFault::BadAnswer(_) => Refusal::new(problem::PLUGIN_FAILED, stage, error.to_string()),
    }
}
