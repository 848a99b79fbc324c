//! The wire of a delivery: what a connector's `http.send` reaches. A step is noted before it leaves, and its answer when the connector
//! goes on from it; an attempt that comes later is answered from there.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    call::send::{is_read, outgoing, told, transmit},
    egress::Scope,
    events::lines::{Endpoint, Journal, KeptAnswer, KeptStep},
    gateway::Gateway,
    host::{Outbound, PluginRequest, PluginResponse, Safety, SendError, StepKind},
};

/// Steps of one delivery that change something.
const STEPS_MAX: usize = 32;
/// What of an answer is kept, and given: the same at each attempt.
const BODY_BYTES_MAX: usize = 16 << 10;
const HEADERS_MAX: usize = 32;
const HEADER_BYTES_MAX: usize = 1 << 10;
/// Marks an answer that was found out later; what was asked for then is not compared.
const RECONCILED: &str = "reconciled";

/// The wire of one attempt.
pub(super) struct Wire {
    gateway: Arc<Gateway>,
    endpoint: Arc<Endpoint>,
    leaf: u64,
    scope: Scope,
    plugin: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Answered, and the connector has not shown that it understands.
    unconfirmed: Option<(String, KeptAnswer)>,
    /// Sent and not answered.
    unknown: Option<Safety>,
    /// The other system as a whole did not answer the last request, or asked for patience.
    away: bool,
}

impl Wire {
    pub(super) fn new(gateway: Arc<Gateway>, endpoint: Arc<Endpoint>, leaf: u64, scope: Scope, plugin: String) -> Self {
        Self { gateway, endpoint, leaf, scope, plugin, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The step that was sent and not answered, by its safety.
    pub(super) fn unknown(&self) -> Option<Safety> {
        self.state().unknown
    }

    /// True where the last request says that nothing can be handed over for now.
    pub(super) fn is_away(&self) -> bool {
        self.state().away
    }

    fn journal(&self) -> Journal {
        self.endpoint.journal(self.leaf).unwrap_or_default()
    }

    fn change(&self, change: impl FnOnce(&mut Journal)) {
        let mut journal = self.journal();
        change(&mut journal);
        self.endpoint.set_journal(self.leaf, journal);
    }

    /// The connector goes on, so it understood the last answer: from now on every attempt is given it.
    pub(super) async fn confirm(&self) -> Result<(), String> {
        let Some((name, answer)) = self.state().unconfirmed.take() else { return Ok(()) };
        self.change(|journal| {
            if let Some(step) = journal.steps.iter_mut().find(|step| step.name == name) {
                step.answer = Some(answer);
            }
        });
        self.endpoint.keep().await
    }

    fn forget(&self, name: &str) {
        self.change(|journal| journal.steps.retain(|step| step.name != name));
    }

    async fn step(&self, name: String, kind: StepKind, request: PluginRequest) -> Result<PluginResponse, SendError> {
        if self.state().unknown.is_some() {
            return Err(SendError::Denied("an earlier step was not answered".into()));
        }
        let unkept = |why: String| SendError::NotSent(format!("the journal can't be written: {why}"));
        self.confirm().await.map_err(unkept)?;
        let (safety, effect) = match kind {
            StepKind::Read => {
                is_read(&request)?;
                return self.transmit(request).await;
            }
            StepKind::Prepare(safety) => (safety, false),
            StepKind::Effect(safety) => (safety, true),
        };
        let digest = request.digest();
        let journal = self.journal();
        if let Some(known) = journal.steps.iter().find(|step| step.name == name) {
            return replayed(known, &digest);
        }
        if journal.steps.len() >= STEPS_MAX {
            return Err(SendError::Denied(format!("a delivery has at most {STEPS_MAX} steps that change something")));
        }
        let sent_ms = self.gateway.clock.now().as_millisecond();
        let step = KeptStep { name: name.clone(), effect, safety: safety.to_string(), digest, sent_ms, answer: None };
        self.change(|journal| journal.steps.push(step));
        if let Err(why) = self.endpoint.keep().await {
            self.forget(&name);
            return Err(unkept(why));
        }
        match self.transmit(request).await {
            Ok(answer) => self.answered(name, effect, safety, answer),
            Err(error @ (SendError::NotSent(_) | SendError::Denied(_))) => {
                self.forget(&name);
                Err(error)
            }
            Err(SendError::Unknown(_) | SendError::TooLarge) if effect => {
                self.state().unknown = Some(safety);
                Err(SendError::Unknown(format!("no whole answer to `{name}`")))
            }
            Err(error) => {
                // Nobody sees a preparation, so doing it again harms nobody.
                self.forget(&name);
                Err(error)
            }
        }
    }

    /// 2xx means that it happened; 3xx and 4xx that it did not. A 5xx leaves it open unless repeating is safe.
    fn answered(
        &self,
        name: String,
        effect: bool,
        safety: Safety,
        mut answer: PluginResponse,
    ) -> Result<PluginResponse, SendError> {
        answer.body.truncate(BODY_BYTES_MAX);
        answer.headers.retain(|(name, value)| name.len() + value.len() <= HEADER_BYTES_MAX);
        answer.headers.truncate(HEADERS_MAX);
        if (200..300).contains(&answer.status) {
            let body = STANDARD.encode(&answer.body);
            let kept = KeptAnswer { status: answer.status, headers: answer.headers.clone(), body };
            self.state().unconfirmed = Some((name, kept));
            return Ok(answer);
        }
        let repeatable = matches!(safety, Safety::NativeKey { .. } | Safety::ClientId);
        if answer.status >= 500 && effect && !repeatable {
            self.state().unknown = Some(safety);
            return Err(SendError::Unknown(format!("`{name}` was answered with {}", answer.status)));
        }
        self.forget(&name);
        Ok(answer)
    }

    async fn transmit(&self, request: PluginRequest) -> Result<PluginResponse, SendError> {
        let out = outgoing(request, &self.gateway.media, None)?;
        let answer = transmit(&self.gateway.egress, &self.scope, &self.plugin, out).await.map_err(told);
        self.state().away = match &answer {
            Ok(answer) => matches!(answer.status, 429 | 502..=504),
            Err(SendError::NotSent(_) | SendError::Unknown(_)) => true,
            Err(_) => false,
        };
        answer
    }
}

/// What an earlier attempt was answered.
fn replayed(known: &KeptStep, digest: &str) -> Result<PluginResponse, SendError> {
    let Some(answer) = &known.answer else {
        return Err(SendError::Denied(format!("the step `{}` was sent in this attempt", known.name)));
    };
    if known.digest != digest && known.digest != RECONCILED {
        return Err(SendError::Denied(format!(
            "the step `{}` asks for something else than at an earlier attempt",
            known.name
        )));
    }
    let body = STANDARD.decode(&answer.body).unwrap_or_default();
    Ok(PluginResponse { status: answer.status, headers: answer.headers.clone(), body })
}

/// Notes an answer that was found out.
pub(super) fn reconciled(step: &mut KeptStep, mut answer: PluginResponse) {
    answer.body.truncate(BODY_BYTES_MAX);
    let body = STANDARD.encode(&answer.body);
    step.digest = RECONCILED.to_owned();
    step.answer = Some(KeptAnswer { status: answer.status, headers: answer.headers, body });
}

/// The bodies of answers, by step, where they are text.
pub(super) fn bodies(journal: &Journal) -> Vec<(String, String)> {
    let text = |answer: &KeptAnswer| String::from_utf8(STANDARD.decode(&answer.body).ok()?).ok();
    let body = |step: &KeptStep| Some((step.name.clone(), step.answer.as_ref().and_then(text)?));
    journal.steps.iter().filter_map(body).collect()
}

impl Outbound for Wire {
    fn send(
        &self,
        step: String,
        kind: StepKind,
        request: PluginRequest,
    ) -> Pin<Box<dyn Future<Output = Result<PluginResponse, SendError>> + Send + '_>> {
        Box::pin(self.step(step, kind, request))
    }
}
