//! What the end of an attempt means for its target.

use jiff::{SignedDuration, Timestamp};

use super::{
    approved,
    series::Series,
    wire::{Denied, Trace, Wire},
};
use crate::{
    call::{Intent, clear},
    host::{Failure, Performed, PluginError, PluginFault, Rejection},
    model::{Action, TargetState},
    records::{PublishedPart, UnknownStep},
    refusal::{Refusal, Stage, problem},
};

/// An answer's body is kept with the attempt up to this length.
pub(super) const BODY_BYTES_MAX: usize = 4096;
/// Attempts on one target before it is given up.
pub const ATTEMPTS_MAX: usize = 8;
/// No attempt begins later by itself than this after the first of its series.
const DEADLINE_S: i64 = 3600;
/// An unknown step is looked up this often when the attempts are used up; only reads are sent.
const UNKNOWN_AGAIN_S: i64 = 3600;
/// The code of an attempt that a freeze stopped after a part of the post was out.
pub const FROZEN_BEGUN: &str = "frozen-begun";
/// An unknown step that only its repetition can settle is tried this often while a freeze is on.
const FROZEN_AGAIN_S: i64 = 60;
/// A network that is still at work on what was prepared is not asked later than this after the first attempt.
const NOT_YET_S_MAX: i64 = 6 * 3600;
/// Waits between attempts, in seconds; the last repeats.
const BACKOFF_S: &[i64] = &[1, 4, 15, 60, 300];

/// How an attempt ends.
pub(super) struct Conclusion {
    pub state: TargetState,
    pub published: Vec<PublishedPart>,
    pub status: Option<u16>,
    pub code: Option<String>,
    pub message: Option<String>,
    pub body: Option<String>,
    pub retry_at: Option<Timestamp>,
    pub unknown_step: Option<UnknownStep>,
    pub note: Option<Vec<u8>>,
    pub refusal: Option<Refusal>,
}

/// What came of asking the adapter.
pub(super) type Performing = Result<(Result<Performed, Failure>, Option<Vec<u8>>), PluginError>;

/// Judges what `perform` returned, against what really went over the wire.
pub(super) fn conclude(intent: &Intent, wire: &Wire, result: Performing) -> Conclusion {
    let trace = wire.trace();
    let end = End { intent, trace: &trace };
    if let Some(refusal) = &trace.stopped {
        return end.stopped(refusal.clone());
    }
    if let Some(unknown) = &trace.unknown {
        let message = if trace.too_long {
            "The network's answer was longer than the adapter may read (`response_bytes_max` in its plugin.toml). It will be asked what \
             happened before anything is sent again."
        } else {
            "The network did not answer. It will be asked what happened before anything is sent again."
        };
        return end.unknown(unknown.clone(), message);
    }
    // What the wire saw counts, whatever the adapter makes of it.
    if let (Ok((Err(failure), _)), Some(denied)) = (&result, &trace.denied) {
        return end.denied(denied, failure);
    }
    if let Some(mismatch) = &trace.mismatch {
        return end.mismatch(mismatch);
    }
    // An answer of success after which the adapter gave up was not understood: whether it happened is open.
    if !matches!(result, Ok((Ok(_), _)))
        && let Some(unknown) = wire.take_unconfirmed()
    {
        return end.unknown(
            unknown,
            "The network's answer could not be understood. It will be looked up, or repeated where that is safe.",
        );
    }
    match result {
        Err(error) => end.plugin_failed(&error),
        Ok((Ok(performed), note)) => end.performed(performed, note),
        Ok((Err(failure), _)) => match &trace.no_credential {
            Some(why) => end.no_credential(why, &failure),
            None => end.failed(failure),
        },
    }
}

struct End<'a> {
    intent: &'a Intent,
    trace: &'a Trace,
}

impl End<'_> {
    /// Nothing is known beyond what the last answer said.
    fn plain(&self, state: TargetState) -> Conclusion {
        let (status, body) = match &self.trace.last {
            Some((status, body)) => (Some(*status), Some(String::from_utf8_lossy(body).into_owned())),
            None => (None, None),
        };
        Conclusion {
            state,
            published: Vec::new(),
            status,
            code: None,
            message: None,
            body,
            retry_at: None,
            unknown_step: None,
            note: None,
            refusal: None,
        }
    }

    /// A target that is given up: as it was before for a recall, `failed` otherwise.
    fn given_up(&self) -> TargetState {
        if self.recalling() { TargetState::Published } else { TargetState::Failed }
    }

    fn recalling(&self) -> bool {
        self.intent.call().draft().action == Action::POST_DELETE
    }

    fn with_refusal(&self, mut conclusion: Conclusion, code: &str, refusal: Refusal) -> Conclusion {
        conclusion.code = Some(code.to_owned());
        conclusion.message = Some(refusal.detail.clone());
        conclusion.refusal = Some(refusal);
        conclusion
    }

    /// The gateway itself stopped the attempt: the log or the records can't be written, or the grant is gone.
    fn stopped(&self, refusal: Refusal) -> Conclusion {
        let code = refusal.problem.slug;
        if let Some(unknown) = &self.trace.unknown {
            return Conclusion {
                refusal: Some(refusal),
                ..self.unknown(unknown.clone(), "The answer could not be kept.")
            };
        }
        if refusal.problem == problem::FROZEN && !self.recalling() {
            return self.frozen(refusal);
        }
        // With a part of it on the network the target must not be forgotten; it goes on when the disk is back.
        let started = self.trace.done.iter().any(|step| step.effect);
        let mut conclusion =
            self.plain(if started && !self.recalling() { TargetState::Unknown } else { self.given_up() });
        if conclusion.state == TargetState::Unknown {
            conclusion.retry_at = self.retry_at(None).or_else(|| self.later(UNKNOWN_AGAIN_S));
        } else if refusal.retry {
            self.again(&mut conclusion, None);
        }
        self.with_refusal(conclusion, code, refusal)
    }

    /// A freeze began. The target waits for a person's word, also where a part of it is out: it goes on from there. A step that
    /// nobody knows the outcome of, and that only its repetition can settle, stays open.
    fn frozen(&self, refusal: Refusal) -> Conclusion {
        let open = self.intent.target().unknown_step.clone().filter(|_| !self.trace.settled);
        let mut conclusion = self.plain(if open.is_some() { TargetState::Unknown } else { TargetState::Frozen });
        conclusion.retry_at = self.later(FROZEN_AGAIN_S).filter(|_| open.is_some());
        conclusion.unknown_step = open;
        let begun = self.trace.done.iter().any(|step| step.effect);
        self.with_refusal(conclusion, if begun { FROZEN_BEGUN } else { problem::FROZEN.slug }, refusal)
    }

    fn mismatch(&self, mismatch: &str) -> Conclusion {
        let adapter = self.intent.call().adapter().label();
        let detail = format!(
            "The adapter `{adapter}` asked to send something that was not approved: {mismatch}. It was not sent."
        );
        let refusal = Refusal::new(problem::PLUGIN_FAILED, Stage::Send, detail);
        self.with_refusal(self.plain(self.given_up()), "not-as-approved", refusal)
    }

    /// The adapter gave up after a request that it may not make: its own fault, whatever it says, and the same at each attempt.
    fn denied(&self, denied: &Denied, failure: &Failure) -> Conclusion {
        let call = self.intent.call();
        let (plugin, Denied { step, reason }) = (call.adapter().label(), denied);
        tracing::warn!(plugin, account = %call.account().id, post = %call.post(), step, denied = reason, "an adapter asked for what it may not do");
        let detail =
            format!("The adapter `{plugin}` asked for something that it may not do: {reason}. It was not sent.");
        let refusal = Refusal::new(problem::PLUGIN_FAILED, Stage::Send, detail);
        self.with_refusal(self.plain(self.given_up()), rejection(failure).map_or("denied", |no| &no.code), refusal)
    }

    /// The credential can't be used, or the network refused the login with it.
    fn no_credential(&self, why: &str, failure: &Failure) -> Conclusion {
        let no = Rejection { status: None, code: "no-credential".into(), message: why.to_owned() };
        self.credential_refused(rejection(failure).unwrap_or(&no), why)
    }

    /// The account waits for another credential; until then no call runs into this again.
    fn credential_refused(&self, no: &Rejection, why: &str) -> Conclusion {
        let account = &self.intent.call().account().id;
        tracing::error!(%account, why, "the network refuses the credential; an operator must set a new one");
        let label = self.trace.label.as_deref().unwrap_or_default();
        let found = self.intent.clearance().mark(label);
        let label = found.map_or(label, |found| found.label.as_str());
        if let Some(found) = found {
            self.intent.gateway().vault.refuse(account, label, found.mark.clone());
        }
        let mut conclusion = self.plain(self.given_up());
        conclusion.status = no.status.or(conclusion.status);
        let remedy = clear::Remedy::of(self.intent.call().adapter(), label);
        self.with_refusal(conclusion, &no.code, clear::credential_refused(Stage::Send, account, remedy, Some(why)))
    }

    fn unknown(&self, unknown: UnknownStep, message: &str) -> Conclusion {
        // A deletion may be asked for again without harm, by whoever wants it: nothing has to be looked up.
        let mut conclusion = self.plain(if self.recalling() { self.given_up() } else { TargetState::Unknown });
        conclusion.unknown_step = Some(unknown).filter(|_| !self.recalling());
        conclusion.retry_at = self.retry_at(None).or_else(|| self.later(UNKNOWN_AGAIN_S));
        let refusal = Refusal::new(problem::PLATFORM_UNAVAILABLE, Stage::Send, message);
        self.with_refusal(conclusion, "unanswered", refusal)
    }

    fn plugin_failed(&self, error: &PluginError) -> Conclusion {
        let mut conclusion = self.plain(self.given_up());
        let busy = match error.fault {
            PluginFault::Busy { retry_after_ms } => Some(retry_after_ms),
            _ => None,
        };
        if busy.is_some() || self.trace.done.iter().any(|step| step.effect) {
            self.again(&mut conclusion, busy);
        }
        self.with_refusal(conclusion, "plugin-failed", super::plugin_refusal(error))
    }

    /// Success is believed only where the network's answers show it.
    fn performed(&self, performed: Performed, note: Option<Vec<u8>>) -> Conclusion {
        let draft = self.intent.call().draft();
        let effects: Vec<_> = self.trace.done.iter().filter(|step| step.effect).collect();
        let shown = if self.recalling() {
            // A network that does not have it any more answers so; that is as good.
            self.trace.last.is_some() || !effects.is_empty()
        } else {
            effects.len() == draft.parts.len()
                && performed.parts.len() == effects.len()
                && performed
                    .parts
                    .iter()
                    .zip(&effects)
                    .all(|(part, step)| approved::names(&step.body, &part.platform_id))
        };
        if !shown {
            let detail = format!(
                "The adapter `{}` reports a success that the network's answers do not show.",
                self.intent.call().adapter().label()
            );
            let state = if effects.is_empty() { self.given_up() } else { TargetState::Unknown };
            let mut conclusion = self.plain(state);
            conclusion.retry_at = if state == TargetState::Unknown { self.later(UNKNOWN_AGAIN_S) } else { None };
            return self.with_refusal(
                conclusion,
                "no-proof",
                Refusal::new(problem::PLUGIN_FAILED, Stage::Send, detail),
            );
        }
        let mut conclusion = self.plain(if self.recalling() { TargetState::Recalled } else { TargetState::Published });
        conclusion.body = None;
        conclusion.published = if self.recalling() { Vec::new() } else { performed.parts };
        conclusion.note = note;
        conclusion
    }

    fn failed(&self, failure: Failure) -> Conclusion {
        match failure {
            Failure::Rejected(no) => self.refused(no, problem::PLATFORM_REFUSED),
            Failure::Unauthorized(no) => {
                let said = format!("the network said: {}", no.message);
                self.credential_refused(&no, &said)
            }
            Failure::RateLimited(no, wait_ms) => {
                let gateway = self.intent.gateway();
                let wait_ms = wait_ms.unwrap_or(60_000);
                gateway.pauses.pause(&self.intent.call().account().id, wait_ms, gateway.clock.now());
                let seconds = wait_ms.div_ceil(1000);
                let mut conclusion = self.refused(no, problem::ACCOUNT_BUSY);
                if let Some(refusal) = &mut conclusion.refusal {
                    refusal.retry_after_s = Some(seconds);
                }
                self.again(&mut conclusion, Some(wait_ms));
                conclusion
            }
            Failure::Temporary(no) => {
                let mut conclusion = self.refused(no, problem::PLATFORM_UNAVAILABLE);
                self.again(&mut conclusion, None);
                conclusion
            }
            Failure::NotYet(no, wait_ms) => {
                let mut conclusion = self.refused(no, problem::NOT_READY);
                self.not_yet(&mut conclusion, wait_ms);
                conclusion
            }
            // The wire knows better than the adapter whether a step is unanswered, and it said no.
            Failure::Unknown(step) => {
                if let Some(refused) = self.trace.refused.clone().filter(|refused| refused.step == step) {
                    let message =
                        "The network refused a step that seems to have happened before. It will be looked up.";
                    return self.unknown(refused, message);
                }
                let no = Rejection {
                    status: None,
                    code: "unanswered".into(),
                    message: format!("The step `{step}` brought no usable answer."),
                };
                let mut conclusion = self.refused(no, problem::PLATFORM_UNAVAILABLE);
                self.again(&mut conclusion, None);
                conclusion
            }
        }
    }

    fn refused(&self, no: Rejection, kind: &'static crate::refusal::Problem) -> Conclusion {
        let call = self.intent.call();
        let account = &call.account().id;
        let mut conclusion = self.plain(self.given_up());
        conclusion.status = no.status.or(conclusion.status);
        let detail = match conclusion.status {
            Some(status @ 300..400) => format!(
                "The network of `{account}` answered with a redirect ({status}), and redirects are not followed. Check the \
                 account's `endpoint` in accounts.toml."
            ),
            Some(_) => format!("The network of `{account}` said: {}", no.message),
            // Nothing came from the network, so these are the adapter's own words.
            None => {
                format!("The adapter `{}` could not publish to `{account}`: {}", call.adapter().label(), no.message)
            }
        };
        self.with_refusal(conclusion, &no.code.clone(), Refusal::new(kind, Stage::Send, detail))
    }

    /// Schedules another attempt, unless they are used up.
    fn again(&self, conclusion: &mut Conclusion, wait_ms: Option<u64>) {
        conclusion.retry_at = self.retry_at(wait_ms);
        if conclusion.retry_at.is_some() {
            conclusion.state = TargetState::Publishing;
        }
    }

    /// Asks again later, ever more seldom, and after hours no more.
    fn not_yet(&self, conclusion: &mut Conclusion, wait_ms: u64) {
        if self.recalling() {
            return;
        }
        let series = Series::of(&self.intent.target().attempts);
        let now = self.intent.gateway().clock.now();
        let pace = BACKOFF_S.get(series.waits).or(BACKOFF_S.last()).copied().unwrap_or(60);
        let wait = SignedDuration::from_millis(i64::try_from(wait_ms).unwrap_or(i64::MAX));
        let at = now.checked_add(wait.max(SignedDuration::from_secs(pace))).ok();
        let end = series.begun_at.unwrap_or(now).checked_add(SignedDuration::from_secs(NOT_YET_S_MAX)).ok();
        if let (Some(at), Some(end)) = (at, end)
            && at <= end
        {
            conclusion.retry_at = Some(at);
            conclusion.state = TargetState::Publishing;
        }
    }

    fn later(&self, seconds: i64) -> Option<Timestamp> {
        self.intent.gateway().clock.now().checked_add(SignedDuration::from_secs(seconds)).ok()
    }

    fn retry_at(&self, wait_ms: Option<u64>) -> Option<Timestamp> {
        if self.recalling() {
            return None;
        }
        let now = self.intent.gateway().clock.now();
        let series = Series::of(&self.intent.target().attempts);
        if series.used + 1 >= ATTEMPTS_MAX {
            return None;
        }
        let backoff = BACKOFF_S.get(series.used).or(BACKOFF_S.last()).copied().unwrap_or(60);
        let wait = wait_ms
            .and_then(|ms| i64::try_from(ms).ok())
            .map_or(SignedDuration::from_secs(backoff), SignedDuration::from_millis);
        let at = now.checked_add(wait).ok()?;
        let deadline = series.begun_at.unwrap_or(now).checked_add(SignedDuration::from_secs(DEADLINE_S)).ok()?;
        (at <= deadline).then_some(at)
    }
}

/// What an adapter says of a failure.
fn rejection(failure: &Failure) -> Option<&Rejection> {
    match failure {
        Failure::Rejected(no)
        | Failure::Unauthorized(no)
        | Failure::RateLimited(no, _)
        | Failure::Temporary(no)
        | Failure::NotYet(no, _) => Some(no),
        Failure::Unknown(_) => None,
    }
}

/// The end of an attempt that could not begin because an earlier step is still unsettled.
pub(super) fn unsettled(intent: &Intent, wire: &Wire, unknown: UnknownStep, message: &str) -> Conclusion {
    let trace = wire.trace();
    let mut conclusion = End { intent, trace: &trace }.unknown(unknown, message);
    conclusion.code = Some("cannot-know".to_owned());
    conclusion
}
