//! The wire of an attempt: what the adapter's `http.send` reaches. Checks, records, sends, journals.

use std::{
    collections::HashSet,
    future::{Future, poll_fn},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
};

use super::{
    approved::{self, Answered, Approved, Put},
    journal_name,
    outgoing::{is_read, outgoing, scope, told, transmit},
    purpose, unknown,
};
use crate::{
    audit::leaf,
    call::{
        Intent, clear, digest,
        record::{self},
    },
    egress::{OutRequest, Scope, SendFailure},
    freezes::Going,
    host::{Outbound, PluginRequest, PluginResponse, Safety, SendError, StepKind},
    records::{StepRecord, UnknownStep},
    refusal::Refusal,
};

/// Most steps of one attempt.
const STEPS_MAX: usize = 512;
/// Longest answer that `reconcile` is told of.
const ANSWERED_BYTES_MAX: usize = 8 * 1024;
/// Marks a journalled answer that `reconcile` found out; its request was never seen by this process.
pub(super) const RECONCILED: &str = "reconciled";

/// The wire of one attempt.
pub(super) struct Wire {
    intent: Arc<Intent>,
    scope: Scope,
    state: Mutex<State>,
    writing: Mutex<Option<Writing>>,
}

#[derive(Default)]
struct State {
    names: HashSet<String>,
    journal: Vec<StepRecord>,
    done: Vec<Answered>,
    pending: Option<leaf::Outcome>,
    intents: Vec<u64>,
    /// The request whose intent is in the log and whose outcome is not known yet.
    under_way: Option<Sent>,
    unknown: Option<UnknownStep>,
    refused: Option<UnknownStep>,
    too_long: bool,
    unconfirmed: Option<Unconfirmed>,
    stopped: Option<Refusal>,
    mismatch: Option<String>,
    last: Option<(u16, Vec<u8>)>,
    label: Option<String>,
    denied: Option<Denied>,
    no_credential: Option<String>,
    /// It was found out what became of the step that an earlier attempt had left open.
    settled: bool,
}

/// A request that was not allowed.
#[derive(Debug, Clone)]
pub(super) struct Denied {
    /// The plugin's name for it.
    pub step: String,
    /// What forbids it.
    pub reason: String,
}

/// An answered step that the adapter has not shown to understand yet: it goes into the journal when the adapter goes on. Where
/// it gives up instead, the answer was none, and must not be what every later attempt is told.
struct Unconfirmed {
    record: StepRecord,
    unknown: Option<UnknownStep>,
}

/// An intent on its way into the log. Once begun it is written to its end, also where the plugin's deadline cuts off the call
/// that waits for it: whether it is in the log must be known.
struct Writing {
    sent: Sent,
    before: Option<leaf::Outcome>,
    written: Pin<Box<dyn Future<Output = Begun> + Send>>,
}

/// The index of an intent that was written, and what a freeze waits for until it is answered.
type Begun = Result<(u64, Going), Refusal>;

/// What an attempt left behind, for its conclusion.
pub(super) struct Trace {
    /// Answered steps in order.
    pub done: Vec<Answered>,
    /// A step that was sent and not answered.
    pub unknown: Option<UnknownStep>,
    /// An effect that was refused, of a kind that can be looked up: the adapter may find that it happened all the same.
    pub refused: Option<UnknownStep>,
    /// The unanswered step was answered, with more than the plugin may read.
    pub too_long: bool,
    /// Why the gateway itself stopped it.
    pub stopped: Option<Refusal>,
    /// How a request differed from what was approved.
    pub mismatch: Option<String>,
    /// The last answer: status and body.
    pub last: Option<(u16, Vec<u8>)>,
    /// The credential that was asked for last, by its label.
    pub label: Option<String>,
    /// The last request, where it was not allowed.
    pub denied: Option<Denied>,
    /// Why the last request found no credential that can be used.
    pub no_credential: Option<String>,
    /// It was found out what became of the step that an earlier attempt had left open.
    pub settled: bool,
}

impl Wire {
    pub(super) fn new(intent: Arc<Intent>) -> Self {
        let call = intent.call();
        let scope = scope(intent.gateway(), call.account(), call.adapter());
        let state = State { journal: intent.claim().steps.clone(), ..State::default() };
        Self { intent, scope, state: Mutex::new(state), writing: Mutex::new(None) }
    }

    pub(super) fn intent(&self) -> &Arc<Intent> {
        &self.intent
    }

    pub(super) fn trace(&self) -> Trace {
        let state = self.state();
        Trace {
            done: state.done.clone(),
            unknown: state.unknown.clone(),
            refused: state.refused.clone(),
            too_long: state.too_long,
            stopped: state.stopped.clone(),
            mismatch: state.mismatch.clone(),
            last: state.last.clone(),
            label: state.label.clone(),
            denied: state.denied.clone(),
            no_credential: state.no_credential.clone(),
            settled: state.settled,
        }
    }

    /// The plugin's instance is gone, perhaps in the middle of a step (its deadline, say): the request of that step gets the
    /// outcome that nobody waited for. One that may have left is unknown; one whose intent was still being written did not.
    pub(super) async fn cut_off(&self) {
        let left = self.writing().is_none();
        // Where it could not be written the attempt is stopped, which the conclusion sees.
        let _ = self.written().await;
        let Some(sent) = self.state().under_way.take() else { return };
        if left {
            self.intent.gateway().counters.failed.add(1);
            self.pend(&sent, leaf::OutcomeResult::Unanswered, None);
            self.mark_unknown(&sent);
        } else {
            self.pend(&sent, leaf::OutcomeResult::NotSent, None);
        }
    }

    /// The effect whose answer made the adapter give up.
    pub(super) fn take_unconfirmed(&self) -> Option<UnknownStep> {
        self.state().unconfirmed.take().and_then(|unconfirmed| unconfirmed.unknown)
    }

    /// True where a request of this attempt may have left.
    pub(super) fn sent_anything(&self) -> bool {
        !self.state().intents.is_empty()
    }

    /// An adapter that asked for more after an answer understood that, even where it was denied what it asked for.
    pub(super) async fn confirm_before_denial(&self) {
        if self.state().denied.is_some() {
            self.keep_answer().await;
        }
    }

    /// Journals the last answer although the adapter is done.
    pub(super) async fn keep_answer(&self) {
        // Where the journal fails as well, the step is looked up or repeated where that is safe.
        let _ = self.confirm().await;
    }

    /// The adapter wants to be run again from its beginning: what was answered so far is in the journal. False where the attempt must
    /// end instead.
    pub(super) async fn again(&self) -> bool {
        if self.confirm().await.is_err() {
            return false;
        }
        let mut state = self.state();
        if state.unknown.is_some() || state.refused.is_some() || state.stopped.is_some() || state.mismatch.is_some() {
            return false;
        }
        state.names.clear();
        state.done.clear();
        state.denied = None;
        true
    }

    /// The outcome of the last effect, which waits to be written together with what comes next.
    pub(super) fn take_pending(&self) -> Option<leaf::Outcome> {
        self.state().pending.take()
    }

    /// The attempt's intents are answered for; a start need not look for them any more.
    pub(super) fn settle_intents(&self) {
        for index in std::mem::take(&mut self.state().intents) {
            self.intent.gateway().open_intents.close(index);
        }
    }

    /// It is known what became of the step that an earlier attempt had left open.
    pub(super) fn settle_unknown(&self) {
        self.state().settled = true;
    }

    /// What earlier attempts were answered, by the adapter's names for the steps.
    pub(super) fn answered_before(&self) -> Vec<(String, String)> {
        let own = |step: &StepRecord| {
            let name = step.step.strip_prefix("recall:").unwrap_or(&step.step).to_owned();
            let of_this = journal_name(purpose(&self.intent), &name) == step.step;
            let body = String::from_utf8(step.body.clone()).ok().filter(|body| body.len() <= ANSWERED_BYTES_MAX)?;
            of_this.then_some((name, body))
        };
        self.state().journal.iter().filter_map(own).collect()
    }

    /// Adds an answer that `reconcile` found out.
    pub(super) fn add_to_journal(&self, step: StepRecord) {
        self.state().journal.push(step);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writing(&self) -> MutexGuard<'_, Option<Writing>> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn step(&self, step: String, kind: StepKind, request: PluginRequest) -> Result<PluginResponse, SendError> {
        self.take_name(&step)?;
        self.confirm().await?;
        let call = self.intent.call();
        let (safety, visible) = match kind {
            StepKind::Read => {
                is_read(&request)?;
                let out = outgoing(request, &self.intent.gateway().media, Some(call.draft()))?;
                return self.transmit(out).await;
            }
            StepKind::Prepare(safety) => (safety, false),
            StepKind::Effect(safety) => (safety, true),
        };
        let put = self.compare(&request, visible).await?;
        let request_digest = request.digest();
        let name = journal_name(purpose(&self.intent), &step);
        if let Some(answer) = self.replayed(&name, &request_digest)? {
            self.answered(visible, put, &answer);
            return Ok(answer);
        }
        let asked = (request.method.clone(), request.url.clone());
        // What can't be sent needs no intent.
        // Journal and digest know the address of a medium, which never changes; its ticket is made as it leaves.
        let gateway = self.intent.gateway();
        let mut request = request;
        gateway.public_media.stamp(&call.account().id, call.draft(), &mut request, gateway.clock.now());
        let out = outgoing(request, &gateway.media, Some(call.draft()))?;
        self.record(Sent { step, name, visible, safety, request_digest, asked, index: 0, put, _going: None }).await?;
        self.intent.clearance().leaves();
        self.intent.gateway().counters.sent.add(1);
        let result = self.transmit(out).await;
        self.conclude_step(result).await
    }

    async fn transmit(&self, out: OutRequest) -> Result<PluginResponse, SendError> {
        let sent =
            transmit(&self.intent.gateway().egress, &self.scope, self.intent.call().account().adapter.as_str(), out)
                .await;
        sent.map_err(|failure| {
            if let SendFailure::NoCredential(why) = &failure {
                self.state().no_credential = Some(why.clone());
            }
            told(failure)
        })
    }

    /// A step's name counts once; and nothing more is sent after the gateway stopped the attempt or lost an answer.
    fn take_name(&self, step: &str) -> Result<(), SendError> {
        let mut state = self.state();
        if let Some(refusal) = &state.stopped {
            return Err(SendError::Denied(refusal.detail.clone()));
        }
        if state.unknown.is_some() {
            return Err(SendError::Denied("an earlier step was not answered".into()));
        }
        if state.mismatch.is_some() {
            return Err(SendError::Denied("an earlier step was not what was approved".into()));
        }
        if step.is_empty() || step.len() > 128 || state.names.len() >= STEPS_MAX {
            return Err(SendError::Denied(format!(
                "step names have 1 to 128 bytes, and a call at most {STEPS_MAX} steps"
            )));
        }
        if !state.names.insert(step.to_owned()) {
            return Err(SendError::Denied(format!("the step `{step}` was used before in this call")));
        }
        Ok(())
    }

    /// The adapter goes on, so it understood the last answer: that is journalled before anything else is sent.
    async fn confirm(&self) -> Result<(), SendError> {
        let record = self.state().unconfirmed.as_ref().map(|unconfirmed| unconfirmed.record.clone());
        let Some(record) = record else { return Ok(()) };
        let call = self.intent.call();
        let records = &self.intent.gateway().records;
        let kept = records.journal_step(call.post().clone(), call.account().id.clone(), record).await;
        // Not before: where the deadline falls into the wait, the step is still unconfirmed.
        let unconfirmed = self.state().unconfirmed.take();
        match kept {
            Ok(()) => self.state().journal.extend(unconfirmed.map(|unconfirmed| unconfirmed.record)),
            Err(error) => {
                // It happened and can't be journalled: going on could repeat it after a crash. The log knows of it.
                self.state().unknown = unconfirmed.and_then(|unconfirmed| unconfirmed.unknown);
                return Err(self.stop(super::state_unavailable(&error)));
            }
        }
        Ok(())
    }

    /// Passes the request through the adapter's own `classify`, in an instance of its own.
    async fn compare(&self, request: &PluginRequest, visible: bool) -> Result<Put, SendError> {
        let call = self.intent.call();
        let classification = match call.adapter().classify(call.account(), request).await {
            Ok(classification) => classification,
            Err(error) => return Err(self.stop(super::plugin_refusal(&error))),
        };
        let done = self.state().done.clone();
        let public = &self.intent.gateway().public_media;
        let approved = Approved { draft: call.draft(), done: &done, account: &call.account().id, public };
        let compared = if visible {
            approved::effect(&approved, &classification).map(|()| Put::default())
        } else {
            approved::prepare(&approved, &classification, request)
        };
        compared.map_err(|mismatch| {
            tracing::error!(post = %call.post(), account = %call.account().id, adapter = call.adapter().label(), mismatch, "not what was approved");
            self.state().mismatch = Some(mismatch.clone());
            SendError::Denied(mismatch)
        })
    }

    fn replayed(&self, name: &str, request_digest: &str) -> Result<Option<PluginResponse>, SendError> {
        let state = self.state();
        let Some(step) = state.journal.iter().find(|step| step.step == name) else { return Ok(None) };
        if step.request_digest != request_digest && step.request_digest != RECONCILED {
            return Err(SendError::Denied(format!(
                "the step `{name}` asks for something else than at the first attempt"
            )));
        }
        Ok(Some(PluginResponse { status: step.status, headers: step.headers.clone(), body: step.body.clone() }))
    }

    /// Writes the intent; its request is under way from then on.
    async fn record(&self, sent: Sent) -> Result<(), SendError> {
        let before = self.take_pending();
        let kind = if sent.visible { leaf::EffectKind::Effect } else { leaf::EffectKind::Prepare };
        let (intent, step, safety) = (Arc::clone(&self.intent), sent.step.clone(), sent.safety);
        let (request_digest, outcome) = (sent.request_digest.clone(), before.clone());
        let written = Box::pin(async move {
            let opening = intent.gateway().open_intents.begin();
            let effect = record::Effect { step: &step, kind, safety: &safety, request_digest };
            let (index, going) = intent.effect(effect, outcome).await?;
            opening.became(index);
            Ok((index, going))
        });
        *self.writing() = Some(Writing { sent, before, written });
        self.written().await
    }

    /// Waits for the intent that is being written, if one is.
    async fn written(&self) -> Result<(), SendError> {
        let result = poll_fn(|context| match &mut *self.writing() {
            Some(writing) => writing.written.as_mut().poll(context).map(Some),
            None => Poll::Ready(None),
        });
        let Some(result) = result.await else { return Ok(()) };
        let Some(Writing { sent, before, .. }) = self.writing().take() else { return Ok(()) };
        match result {
            Ok((index, going)) => {
                let mut state = self.state();
                state.intents.push(index);
                state.under_way = Some(Sent { index, _going: Some(going), ..sent });
                Ok(())
            }
            Err(refusal) => {
                self.state().pending = before;
                Err(self.stop(refusal))
            }
        }
    }

    fn stop(&self, refusal: Refusal) -> SendError {
        let error = SendError::Denied(refusal.detail.clone());
        self.state().stopped = Some(refusal);
        error
    }

    /// Takes the outcome down at once: the deadline may fall into any wait.
    async fn conclude_step(&self, result: Result<PluginResponse, SendError>) -> Result<PluginResponse, SendError> {
        let Some(sent) = self.state().under_way.take() else {
            return Err(SendError::Denied("no request is under way".into()));
        };
        match result {
            Ok(answer) => self.conclude_answer(sent, answer).await,
            Err(error) => {
                self.intent.gateway().counters.failed.add(1);
                let certain = matches!(error, SendError::NotSent(_) | SendError::Denied(_));
                let result = if certain { leaf::OutcomeResult::NotSent } else { leaf::OutcomeResult::Unanswered };
                self.pend(&sent, result, None);
                if !certain {
                    self.mark_unknown(&sent);
                    self.state().too_long = error == SendError::TooLarge;
                    return Err(SendError::Unknown(format!("no whole answer to `{}`", sent.step)));
                }
                Err(error)
            }
        }
    }

    /// 2xx means that it happened: journalled when the adapter goes on. 3xx and 4xx mean that it did not. A 5xx leaves it open
    /// unless repeating is safe.
    async fn conclude_answer(&self, sent: Sent, answer: PluginResponse) -> Result<PluginResponse, SendError> {
        self.pend(&sent, leaf::OutcomeResult::Answered, Some(&answer));
        let asked = sent.asked.clone();
        self.intent.gateway().counters.failed.add(u64::from(!(200..300).contains(&answer.status)));
        let mut last = answer.body.clone();
        last.truncate(super::conclude::BODY_BYTES_MAX);
        self.state().last = Some((answer.status, last));
        if (200..300).contains(&answer.status) {
            let record = StepRecord {
                step: sent.name.clone(),
                kind: if sent.visible { "effect".into() } else { "prepare".into() },
                attempt: self.intent.claim().attempt,
                request_digest: sent.request_digest.clone(),
                status: answer.status,
                headers: answer.headers.clone(),
                body: answer.body.clone(),
                at: self.intent.gateway().clock.now(),
            };
            let unknown = sent.visible.then(|| unknown(&self.intent, &sent.step, &sent.safety, sent.index));
            self.state().unconfirmed = Some(Unconfirmed { record, unknown });
            self.answered(sent.visible, sent.put, &answer);
        } else if answer.status >= 500
            && sent.visible
            && !matches!(sent.safety, Safety::NativeKey { .. } | Safety::ClientId)
        {
            self.mark_unknown(&sent);
            self.observe(&asked, &answer).await;
            return Err(SendError::Unknown(format!("`{}` was answered with {}", sent.step, answer.status)));
        } else if sent.visible && matches!(sent.safety, Safety::TwoPhase | Safety::LookUp) {
            let step = unknown(&self.intent, &sent.step, &sent.safety, sent.index);
            self.state().refused = Some(step);
        }
        self.observe(&asked, &answer).await;
        Ok(answer)
    }

    fn mark_unknown(&self, sent: &Sent) {
        // Nobody sees a preparation, so doing it again harms nobody.
        if sent.visible {
            let step = unknown(&self.intent, &sent.step, &sent.safety, sent.index);
            self.state().unknown = Some(step);
        }
    }

    fn answered(&self, visible: bool, put: Put, answer: &PluginResponse) {
        self.state().done.push(Answered { put, effect: visible, body: answer.body.clone() });
    }

    fn pend(&self, sent: &Sent, result: leaf::OutcomeResult, answer: Option<&PluginResponse>) {
        let call = self.intent.call();
        self.state().pending = Some(leaf::Outcome {
            intent: sent.index,
            post: call.post().to_string(),
            account: call.account().id.to_string(),
            brand: Some(call.account().brand.to_string()),
            action: Some(call.draft().action.to_string()),
            step: sent.step.clone(),
            result,
            status: answer.map(|answer| answer.status),
            response_digest: answer.map(|answer| {
                // A network repeats what it was told, so this is a digest of the text too.
                digest::keyed(&self.intent.claim().post.salt, &digest::sha256_hex(&answer.body))
            }),
            target_state: None,
            platform_ids: Vec::new(),
            recovered: false,
        });
    }

    /// Lets the adapter read the network's limits from an answer.
    async fn observe(&self, (method, url): &(String, String), answer: &PluginResponse) {
        let call = self.intent.call();
        match call.adapter().observe(method, url, answer.status, &answer.headers).await {
            Ok(budgets) => {
                let gateway = self.intent.gateway();
                // What no budget of the call is known for is a pause of the whole account.
                let strange = gateway.limits.observe(clear::ask(call), &budgets).await;
                gateway.pauses.learn(&call.account().id, &strange, gateway.clock.now());
            }
            Err(error) => tracing::warn!(%error, adapter = call.adapter().label(), "observe failed"),
        }
    }
}

/// A request that left, or tried to.
struct Sent {
    step: String,
    name: String,
    visible: bool,
    safety: Safety,
    request_digest: String,
    /// Method and address.
    asked: (String, String),
    index: u64,
    put: Put,
    /// Until it is answered a freeze waits for it.
    _going: Option<Going>,
}

impl Outbound for Wire {
    fn send(
        &self,
        step: String,
        kind: StepKind,
        request: PluginRequest,
    ) -> Pin<Box<dyn Future<Output = Result<PluginResponse, SendError>> + Send + '_>> {
        Box::pin(async move {
            {
                let mut state = self.state();
                (state.denied, state.no_credential) = (None, None);
                if request.credential.is_some() {
                    state.label.clone_from(&request.credential);
                }
            }
            let name = step.clone();
            let answer = self.step(step, kind, request).await;
            if let Err(SendError::Denied(reason)) = &answer {
                self.denied(&name, reason);
            }
            answer
        })
    }

    fn denied(&self, step: &str, reason: &str) {
        let mut state = self.state();
        state.no_credential = None;
        state.denied = Some(Denied { step: step.to_owned(), reason: reason.to_owned() });
    }
}
