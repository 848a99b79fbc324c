//! A loaded plugin, and each call that can be made to it.

use std::sync::Arc;

use wasmtime::component::{ComponentNamedList, Lift, Lower};

use super::adapter::{
    Budget, Classification, Description, Facts, Failure, Login, PerformCall, Performed, Reconciliation, RefusalView,
    SessionView,
};
use super::code::Code;
use super::convert::{self, answers};
use super::entry::{Entry, Ready};
use super::error::{PluginError, PluginFault};
use super::exchange::{Outbound, PluginRequest, PluginResponse};
use super::imports::{CallState, CallWorld, Exchange, NOTE_BYTES_MAX, Purpose, Seeded, Time};
use super::manifest::Manifest;
use super::media::MediaFiles;
use super::policy::ReviewContext;
use super::settings::Settings;
use super::vitals::{self, Vitals};
use crate::model::{Account, Draft, Finding, Outcome};

/// A loaded plugin with one version of its configuration. Each call runs in a fresh instance, and dropping a call's future
/// ends it.
#[derive(Debug)]
pub struct Release {
    pub(super) code: Arc<Code>,
    pub(super) settings: Arc<Settings>,
    pub(super) description: Option<Arc<Description>>,
    pub(super) vitals: Vitals,
}

impl Release {
    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.code.plugin.manifest
    }

    /// SHA-256 of the component, hexadecimal.
    pub fn digest(&self) -> &str {
        &self.code.plugin.digest
    }

    /// Name and version: `guidelines 0.1.0`.
    pub fn label(&self) -> &str {
        &self.code.plugin.label
    }

    /// SHA-256 of the configuration, hexadecimal; the order of its keys does not matter.
    pub fn config_digest(&self) -> &str {
        self.settings.digest()
    }

    /// What an adapter says of itself, asked once when it was loaded; none for a policy.
    pub fn description(&self) -> Option<&Arc<Description>> {
        self.description.as_ref()
    }

    /// How it fares.
    pub fn vitals(&self) -> &Vitals {
        &self.vitals
    }

    /// A policy's verdict on one draft for one account.
    ///
    /// # Errors
    /// The plugin failed, or is no policy.
    pub async fn review(
        &self,
        draft: &Draft,
        context: &ReviewContext,
        media: &MediaFiles,
    ) -> Result<(Outcome, Vec<Finding>), PluginError> {
        let context = convert::context(context, draft);
        let sent = convert::draft(draft);
        let world = CallWorld::pure(media.clone());
        let (verdict, _) = self.call("review", world, (&sent, &context)).await?;
        answers::verdict(verdict, draft).map_err(|reason| self.nonsense("review", reason))
    }

    /// Can this draft be published with these facts? A finding of severity `error` stops the post.
    ///
    /// # Errors
    /// The plugin failed, or is no adapter. The same for every function below.
    pub async fn check(
        &self,
        account: &Account,
        draft: &Draft,
        facts: Option<&Facts>,
        media: &MediaFiles,
    ) -> Result<Vec<Finding>, PluginError> {
        let (account, sent, facts) = (convert::account(account), convert::draft(draft), facts.map(convert::facts));
        let (answer, _) = self.call("check", CallWorld::pure(media.clone()), (&account, &sent, facts.as_ref())).await?;
        answers::findings(answer, draft).map_err(|reason| self.nonsense("check", reason))
    }

    /// Asks the network for its limits. The inner error's sentence goes to the operators.
    #[allow(clippy::missing_errors_doc, reason = "see `check`")]
    pub async fn discover(
        &self,
        account: &Account,
        out: Arc<dyn Outbound>,
    ) -> Result<Result<Facts, String>, PluginError> {
        let world = CallWorld {
            media: MediaFiles::none(),
            time: Time::Real,
            exchange: Some(Exchange::boxed(Purpose::Discover, out, account.origin(), Vec::new())),
        };
        let account = convert::account(account);
        let (answer, _) = self.call("discover", world, (&account,)).await?;
        answers::facts(answer).map_err(|reason| self.nonsense("discover", reason))
    }

    /// What does this request of the network's own API do? Its address may be absolute or start with `/`.
    #[allow(clippy::missing_errors_doc, reason = "see `check`")]
    pub async fn classify(&self, account: &Account, request: &PluginRequest) -> Result<Classification, PluginError> {
        let (account, request) = (convert::account(account), convert::request_out(request));
        let (answer, _) = self.call("classify", CallWorld::pure(MediaFiles::none()), (&account, &request)).await?;
        answers::classification(answer).map_err(|reason| self.nonsense("classify", reason))
    }

    /// Does the call. With the answer comes the plugin's new note for the account, where it set one.
    #[allow(clippy::missing_errors_doc, reason = "see `check`")]
    pub async fn perform(
        &self,
        call: &PerformCall,
        out: Arc<dyn Outbound>,
        media: &MediaFiles,
    ) -> Result<(Result<Performed, Failure>, Option<Vec<u8>>), PluginError> {
        let world = replayed(call, Purpose::Perform, out, media.clone());
        let sent = convert::call(call);
        let (answer, state) = self.call("perform", world, (&sent,)).await?;
        let exchange = state.world.exchange.ok_or_else(|| self.failed(PluginFault::Internal("no exchange".into())))?;
        let answer = answers::performed(answer, &call.draft, &exchange.steps)
            .map_err(|reason| self.nonsense("perform", reason))?;
        // A network that asks for a pause, or is still at work, says nothing against the release.
        if answer.as_ref().is_err_and(|failure| !matches!(failure, Failure::RateLimited(..) | Failure::NotYet(..))) {
            self.vitals.refused("perform");
            self.code.house.failures.notify_one();
        }
        Ok((answer, exchange.new_note))
    }

    /// Did this unanswered step happen? A note that the plugin sets here is not kept.
    #[allow(clippy::missing_errors_doc, reason = "see `check`")]
    pub async fn reconcile(
        &self,
        call: &PerformCall,
        step: &str,
        out: Arc<dyn Outbound>,
    ) -> Result<Reconciliation, PluginError> {
        let world = replayed(call, Purpose::Reconcile, out, MediaFiles::none());
        let sent = convert::call(call);
        let (answer, _) = self.call("reconcile", world, (&sent, step)).await?;
        answers::reconciliation(answer).map_err(|reason| self.nonsense("reconcile", reason))
    }

    /// What do the headers of an answer say about limits?
    #[allow(clippy::missing_errors_doc, reason = "see `check`")]
    pub async fn observe(
        &self,
        method: &str,
        url: &str,
        status: u16,
        headers: &[(String, String)],
    ) -> Result<Vec<Budget>, PluginError> {
        let read = self.description().and_then(|description| description.limit_headers.as_ref());
        if read.is_some_and(|read| !headers.iter().any(|(name, _)| read.contains(name))) {
            return Ok(Vec::new());
        }
        let (answer, _) =
            self.call("observe", CallWorld::pure(MediaFiles::none()), (method, url, status, headers)).await?;
        answers::budgets(answer).map_err(|reason| self.nonsense("observe", reason))
    }

    /// The answer to a login in the network's own shape.
    #[allow(clippy::missing_errors_doc, reason = "see `check`")]
    pub async fn render_session(
        &self,
        account: &Account,
        login: Login,
        session: &SessionView,
        request: &PluginRequest,
    ) -> Result<PluginResponse, PluginError> {
        let (account, login) = (convert::account(account), convert::login(login));
        let (session, request) = (convert::session(session), convert::request_out(request));
        let (answer, _) = self
            .call("render-session", CallWorld::pure(MediaFiles::none()), (&account, login, &session, &request))
            .await?;
        answers::response(answer).map_err(|reason| self.nonsense("render-session", reason))
    }

    /// The gateway's refusal in the network's own error shape.
    #[allow(clippy::missing_errors_doc, reason = "see `check`")]
    pub async fn render_refusal(
        &self,
        refusal: &RefusalView,
        request: &PluginRequest,
    ) -> Result<PluginResponse, PluginError> {
        let (refusal, request) = (convert::refusal(refusal), convert::request_out(request));
        let (answer, _) =
            self.call("render-refusal", CallWorld::pure(MediaFiles::none()), (&refusal, &request)).await?;
        answers::refusal(answer).map_err(|reason| self.nonsense("render-refusal", reason))
    }

    /// Calls one function of the plugin; what it answers is a tuple of one.
    pub(super) async fn call<Params, Answer>(
        &self,
        function: &'static str,
        world: CallWorld,
        params: Params,
    ) -> Result<(Answer, CallState), PluginError>
    where
        Params: ComponentNamedList + Lower + Copy + std::fmt::Debug,
        Answer: 'static,
        (Answer,): ComponentNamedList + Lift,
    {
        if let Some(why) = self.code.entry.lacks(function) {
            return Err(self.failed(PluginFault::Internal(why.to_owned())));
        }
        let run = async |ready: &mut Ready, entry: &Entry| -> wasmtime::Result<Answer> {
            let (answer,) = entry.call(ready, function, params).await?;
            Ok(answer)
        };
        let asked =
            self.vitals.ask(function).map_err(|wait| self.failed(PluginFault::Broken { retry_after_ms: wait }))?;
        let ended = self.code.run(&self.settings, (function, self.vitals.usage(function)), world, run).await;
        let input = || vitals::fingerprint(&params);
        if asked.ended(ended.as_ref().err().map(|error| &error.fault), input) {
            self.code.house.failures.notify_one();
        }
        ended
    }

    pub(super) fn failed(&self, fault: PluginFault) -> PluginError {
        self.code.failed(fault)
    }

    pub(super) fn nonsense(&self, function: &'static str, reason: String) -> PluginError {
        self.vitals.nonsense(function);
        self.code.house.failures.notify_one();
        self.failed(PluginFault::BadAnswer(reason))
    }
}

/// The world of `perform` and `reconcile`: time and randomness follow from the call, so that every attempt sees the same.
fn replayed(call: &PerformCall, purpose: Purpose, out: Arc<dyn Outbound>, media: MediaFiles) -> CallWorld {
    let now_ms = convert::millis(call.created_at);
    let note = call.note.get(..NOTE_BYTES_MAX).unwrap_or(&call.note).to_vec();
    CallWorld {
        media,
        time: Time::Replayed { now_ms, random: Seeded::new(call.key, now_ms) },
        exchange: Some(Exchange::boxed(purpose, out, call.account.origin(), note)),
    }
}
