//! Clear: is the way free? Credential, what the network asked for, and its budgets, which are reserved here.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{Approval, Call, frozen};
use crate::{
    gateway::Gateway,
    host::{Release, manifest::CredentialDecl},
    limits::{Ask, Busy, Reservation},
    model::{Account, AccountId},
    refusal::{Fault, Refusal, Stage, problem},
    vault::{CredentialMark, Standing, VaultError},
};

/// Proof that nothing stands in the way of sending.
#[derive(Clone)]
pub struct Clearance {
    approval: Approval,
    marks: Vec<Mark>,
    budgets: Arc<Reservation>,
}

impl Clearance {
    /// The cleared call.
    pub fn call(&self) -> &Call {
        self.approval.call()
    }
    /// Its approval.
    pub fn approval(&self) -> &Approval {
        &self.approval
    }
    /// Something is about to leave: what was reserved of the network's budgets counts.
    pub(in crate::call) fn leaves(&self) {
        self.budgets.leaves();
    }
    /// The credential that requests for that label get, as it was when the call was cleared.
    pub(super) fn mark(&self, label: &str) -> Option<&Mark> {
        self.marks.iter().find(|mark| mark.named == label)
    }
}

/// Checks the account's credential and the pauses that its network asked for, and reserves what the call may use of the network's
/// budgets. Where there is no room it waits its turn for `patience`, or for as long as the rules say.
#[tracing::instrument(target = "pressgate::span", name = "clear", skip_all)]
pub async fn clear(gateway: &Gateway, approval: Approval, patience: Option<Duration>) -> Result<Clearance, Refusal> {
    frozen::check(gateway, &approval, Stage::Clear)?;
    let cleared = clear_unanswered(gateway, approval, patience).await?;
    // It may have waited.
    frozen::check(gateway, &cleared.approval, Stage::Clear)?;
    Ok(cleared)
}

/// The same for a target with a step whose outcome nobody knows: it is looked up while it is frozen, which changes nothing. What
/// would be sent after that meets the freeze on the wire.
pub async fn clear_unanswered(
    gateway: &Gateway,
    approval: Approval,
    patience: Option<Duration>,
) -> Result<Clearance, Refusal> {
    way_is_free(gateway, approval.call()).await?;
    let wait_s = approval.call().governance().limits.wait_s;
    let patience = patience.unwrap_or(Duration::from_secs(u64::from(wait_s))).min(PATIENCE_MAX);
    let until = (!patience.is_zero()).then(|| Instant::now() + patience);
    let reserved = gateway.limits.reserve(ask(approval.call()), until).await;
    let budgets = reserved.map_err(|busy| spent(approval.call(), &busy))?;
    // It may have waited, and something may have happened to the credential.
    let marks = way_is_free(gateway, approval.call()).await?;
    Ok(Clearance { approval, marks, budgets: Arc::new(budgets) })
}

/// Nobody waits longer for a budget, whatever is asked for.
pub const PATIENCE_MAX: Duration = Duration::from_secs(60);

/// What `clear` looks at, for whoever wants to know before anything is claimed.
pub async fn is_free(gateway: &Gateway, call: &Call) -> Result<(), Refusal> {
    frozen::look(gateway, call)?;
    way_is_free(gateway, call).await?;
    gateway.limits.room(ask(call)).map_err(|busy| spent(call, &busy))
}

/// What the call draws on.
pub(in crate::call) fn ask(call: &Call) -> Ask<'_> {
    Ask {
        account: call.account(),
        classes: call.adapter().description().map_or(&[], |description| &description.rate_classes),
        draft: call.draft(),
        principal: call.caller().principal(),
        rules: &call.governance().limits,
    }
}

/// The refusal while a budget has no room.
fn spent(call: &Call, busy: &Busy) -> Refusal {
    let (account, budget) = (&call.account().id, &busy.budget);
    if let Some((costs, most)) = busy.never {
        let message = format!(
            "It uses {costs} of the network's budget `{budget}`, which has {most} in a whole window. Make it shorter."
        );
        let fault = Fault {
            pointer: None,
            account: Some(account.to_string()),
            code: "budget-exceeded".to_owned(),
            message: message.clone(),
            measured: Some(costs.into()),
            allowed: Some(most.into()),
        };
        return Refusal::new(problem::CONTENT_INVALID, Stage::Clear, message).with_faults(vec![fault]);
    }
    let seconds = u64::try_from(busy.wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX).max(1);
    let detail = format!("The network's budget `{budget}` of `{account}` is used up. Try again in {seconds} s.");
    Refusal::new(problem::ACCOUNT_BUSY, Stage::Clear, detail).retry_after(seconds)
}

async fn way_is_free(gateway: &Gateway, call: &Call) -> Result<Vec<Mark>, Refusal> {
    let account = &call.account().id;
    let marks = match credentials(gateway, call.account(), call.adapter()).await? {
        Credentials::Usable(marks) => marks,
        Credentials::Refused(set) => return Err(credential_refused(Stage::Clear, account, set, None)),
        Credentials::Missing(detail) => {
            return Err(Refusal::new(problem::CREDENTIAL_MISSING, Stage::Clear, detail));
        }
    };
    if let Some(refusal) = paused(gateway, Stage::Clear, account) {
        return Err(refusal);
    }
    Ok(marks)
}

/// What an operator does about a credential that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Sets another.
    Set,
    /// Connects the account again.
    Connect,
}

impl Remedy {
    /// For a credential of an adapter.
    pub(super) fn of(adapter: &Release, label: &str) -> Self {
        let declared = adapter.manifest().credentials.iter().find(|declared| declared.label == label);
        if declared.is_some_and(|declared| declared.scheme.connects()) { Self::Connect } else { Self::Set }
    }
}

/// How the credentials of an account stand.
pub enum Credentials {
    /// One is not there, or was set for another address; what to do, as a sentence.
    Missing(String),
    /// The network refused one of them, and nobody has set another, or connected the account again.
    Refused(Remedy),
    /// Nothing is known against them.
    Usable(Vec<Mark>),
}

/// A credential as it stands.
#[derive(Debug, Clone)]
pub struct Mark {
    /// The label that requests name.
    pub named: String,
    /// Its own label, another where it stands in for that one.
    pub label: String,
    /// Which value it has.
    pub mark: CredentialMark,
}

/// Looks at every credential that the account's adapter wants.
pub async fn credentials(gateway: &Gateway, account: &Account, adapter: &Release) -> Result<Credentials, Refusal> {
    let mut marks = Vec::new();
    let mut refused = None;
    let declared = &adapter.manifest().credentials;
    for wanted in declared.iter().filter(|credential| credential.instead_of.is_none()) {
        let mut credential = wanted;
        let mut standing = standing_of(gateway, account, wanted).await?;
        for other in declared.iter().filter(|other| other.instead_of.as_ref() == Some(&wanted.label)) {
            // Egress decides in the same way: by what is there.
            if !gateway.vault.has(&account.id, &credential.label).await.map_err(unreadable)? {
                (credential, standing) = (other, standing_of(gateway, account, other).await?);
            }
        }
        match standing {
            Standing::Usable(mark) => {
                marks.push(Mark { named: wanted.label.clone(), label: credential.label.clone(), mark });
            }
            Standing::Refused | Standing::Reconnect(_) => refused = Some(Remedy::of(adapter, &credential.label)),
            Standing::Unfit(detail) => return Ok(Credentials::Missing(detail)),
        }
    }
    Ok(refused.map_or(Credentials::Usable(marks), Credentials::Refused))
}

async fn standing_of(gateway: &Gateway, account: &Account, credential: &CredentialDecl) -> Result<Standing, Refusal> {
    let standing = gateway.vault.standing(account, &credential.label, credential.scheme.connects()).await;
    standing.map_err(unreadable)
}

fn unreadable(error: VaultError) -> Refusal {
    Refusal::new(problem::STATE_UNAVAILABLE, Stage::Clear, "The credential can't be looked up.").because(error)
}

/// The refusal while the network's pause lasts.
pub fn paused(gateway: &Gateway, stage: Stage, account: &AccountId) -> Option<Refusal> {
    let wait = gateway.pauses.left(account, gateway.clock.now())?;
    let seconds = u64::try_from(wait.as_millis().unsigned_abs().div_ceil(1000)).unwrap_or(u64::MAX);
    let detail = format!("The network asked `{account}` to pause. Try again in {seconds} s.");
    Some(Refusal::new(problem::ACCOUNT_BUSY, stage, detail).retry_after(seconds))
}

/// The refusal until somebody sets another credential, or connects the account again.
pub(super) fn credential_refused(stage: Stage, account: &AccountId, remedy: Remedy, why: Option<&str>) -> Refusal {
    let why = why.map(|why| format!(" ({})", why.trim_end_matches('.'))).unwrap_or_default();
    let detail = match remedy {
        Remedy::Set => format!(
            "The credential of `{account}` is not accepted{why}. An operator must set a new credential: `pressgate credential set \
             {account}`."
        ),
        Remedy::Connect => format!(
            "The credential of `{account}` is not accepted any more{why}. An operator must connect the account again: `pressgate \
             credential connect {account}`."
        ),
    };
    Refusal::new(problem::CREDENTIAL_REFUSED, stage, detail)
}
