//! Record at the native door: one request, one intent.

use std::sync::Arc;

use super::{journey, log_is_writable, log_takes_effects, may_read, unavailable};
use crate::{
    audit::{Leaf, leaf},
    call::{Call, Caller, Clearance, authorise, committed, digest, frozen},
    freezes::Going,
    gateway::Gateway,
    model::{Account, Action},
    refusal::Refusal,
};

/// The step's name in leaves: the client's request is the only one.
const STEP: &str = "native";

/// Proof that a client's request is recorded and may leave, once.
pub struct Passage {
    gateway: Arc<Gateway>,
    clearance: Clearance,
    intent: u64,
    salt: String,
    /// Held until the answer is there: a freeze waits for it.
    _going: Going,
}

/// Writes the intent of a client's request. Its outcome closes it, also where the client goes away.
///
/// # Errors
/// The log or the records can't be written, or the right is gone; nothing was sent then.
#[tracing::instrument(target = "pressgate::span", name = "record", skip_all)]
pub async fn pass(gateway: &Arc<Gateway>, clearance: Clearance, request_digest: &str) -> Result<Passage, Refusal> {
    log_takes_effects(gateway)?;
    let salt = digest::random_hex()?;
    let committed = committed::of_draft(gateway, clearance.call()).await?;
    // No leaf commits to what could never be shown.
    let beside = gateway.openings.beside(committed.openings).await.map_err(|error| committed::unavailable(&error))?;
    let event = leaf_of(&clearance, committed.commitments, &salt, request_digest);
    let opening = gateway.open_intents.begin();
    let _start = gateway.starts.read().await;
    authorise::still_allowed(gateway, clearance.approval().judgement().admission().permit())?;
    let going = frozen::start(gateway, clearance.approval())?;
    let leaf = Leaf::new(gateway.clock.now().as_millisecond(), event);
    let intent = gateway.audit.append_beside(vec![leaf], beside).await.map_err(|error| unavailable(&error))?;
    opening.became(intent);
    clearance.leaves();
    gateway.counters.accepted.add(1);
    gateway.counters.sent.add(1);
    Ok(Passage { gateway: Arc::clone(gateway), clearance, intent, salt, _going: going })
}

/// Proof that a client's request that changes nothing is recorded, so that its answer may be given out.
pub struct Reading {
    gateway: Arc<Gateway>,
    clearance: Clearance,
}

/// Writes the leaf of a read.
///
/// # Errors
/// The log can't be written, or is too slow for what only asks.
#[tracing::instrument(target = "pressgate::span", name = "record", skip_all)]
pub async fn look(gateway: &Arc<Gateway>, clearance: Clearance) -> Result<Reading, Refusal> {
    log_is_writable(gateway)?;
    may_read(gateway)?;
    let call = clearance.call();
    let grant = clearance.approval().judgement().admission().permit().grant().id.to_string();
    let what = call.draft().action.to_string();
    read(gateway, call.caller(), call.account(), leaf::Read { what, grant: Some(grant), ..leaf::Read::default() })
        .await?;
    clearance.leaves();
    gateway.counters.accepted.add(1);
    Ok(Reading { gateway: Arc::clone(gateway), clearance })
}

/// Writes the leaf of a login, which is a read of who the account is. `session` is the one that it is about, where it is not the one
/// that was shown.
///
/// # Errors
/// The log can't be written; nobody is to hear of tokens then.
pub async fn login(
    gateway: &Gateway,
    caller: &Caller,
    account: &Account,
    what: &str,
    session: Option<String>,
) -> Result<(), Refusal> {
    log_is_writable(gateway)?;
    read(gateway, caller, account, leaf::Read { what: what.to_owned(), session, ..leaf::Read::default() }).await?;
    gateway.counters.accepted.add(1);
    Ok(())
}

/// Writes the leaf of what only asks, with whose it is.
async fn read(gateway: &Gateway, caller: &Caller, account: &Account, event: leaf::Read) -> Result<(), Refusal> {
    let who = journey::who(caller);
    let (commitments, beside) = committed::source(gateway, caller).await;
    let event = leaf::Read {
        door: Some(caller.door().to_owned()),
        session: event.session.or_else(|| journey::session(caller)),
        commitments,
        app: who.app,
        person: who.person,
        key: Some(caller.key().to_string()),
        account: Some(account.id.to_string()),
        brand: Some(account.brand.to_string()),
        ..event
    };
    let leaf = Leaf::new(gateway.clock.now().as_millisecond(), event);
    gateway.audit.append_beside(vec![leaf], beside).await.map(drop).map_err(|error| unavailable(&error))
}

impl Reading {
    /// The call.
    pub fn call(&self) -> &Call {
        self.clearance.call()
    }

    pub(in crate::call) fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }
}

fn leaf_of(
    clearance: &Clearance,
    commitments: Vec<crate::records::Commitment>,
    salt: &str,
    request_digest: &str,
) -> leaf::Intent {
    let call = clearance.call();
    let judgement = clearance.approval().judgement();
    let who = journey::who(call.caller());
    let prepares = call.draft().action == Action::MEDIA_UPLOAD;
    leaf::Intent {
        post: call.post().to_string(),
        account: call.account().id.to_string(),
        action: call.draft().action.to_string(),
        step: STEP.to_owned(),
        attempt: 1,
        effect_kind: if prepares { leaf::EffectKind::Prepare } else { leaf::EffectKind::Effect },
        safety: crate::host::Safety::None.to_string(),
        app: who.app,
        person: who.person,
        on_behalf_of: who.on_behalf_of,
        key: call.caller().key().to_string(),
        grant: judgement.admission().permit().grant().id.to_string(),
        content_digest: digest::of_draft(salt, &call.account().id, call.draft()),
        post_digest: None,
        request_digest: digest::keyed(salt, request_digest),
        brand: Some(call.account().brand.to_string()),
        door: Some(call.caller().door().to_owned()),
        session: journey::session(call.caller()),
        commitments,
        adapter: call.adapter().label().to_owned(),
        adapter_digest: call.adapter().digest().to_owned(),
        verdicts: journey::notes(judgement.verdicts()),
        approvals: Vec::new(),
    }
}

impl Passage {
    /// The call.
    pub fn call(&self) -> &Call {
        self.clearance.call()
    }

    pub(in crate::call) fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }

    /// Writes how it ended; durable when this returns.
    pub(in crate::call) async fn close(
        &self,
        result: leaf::OutcomeResult,
        answer: Option<(u16, &[u8])>,
    ) -> Result<(), Refusal> {
        let call = self.call();
        let outcome = leaf::Outcome {
            intent: self.intent,
            post: call.post().to_string(),
            account: call.account().id.to_string(),
            brand: Some(call.account().brand.to_string()),
            action: Some(call.draft().action.to_string()),
            step: STEP.to_owned(),
            result,
            status: answer.map(|(status, _)| status),
            // A network repeats what it was told, so this is a digest of the text too.
            response_digest: answer.map(|(_, body)| digest::keyed(&self.salt, &digest::sha256_hex(body))),
            target_state: None,
            platform_ids: Vec::new(),
            recovered: false,
        };
        let leaf = Leaf::new(self.gateway.clock.now().as_millisecond(), outcome);
        let written = self.gateway.audit.append(leaf).await;
        // Nothing of it is in the records, so nothing there waits for it.
        self.gateway.open_intents.close(self.intent);
        written.map(drop).map_err(|error| unavailable(&error))
    }
}
