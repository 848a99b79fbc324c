//! The network of a scenario: it hears what the plugin asks for, holds that against the script, and answers as the script says.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;

use super::{
    differ,
    file::{Answer, Step},
};
use crate::{
    call::send::approved::{self, Answered, Approved, Put},
    gateway::PublicMedia,
    host::{FormValue, Outbound, PluginRequest, PluginResponse, Release, RequestBody, SendError, Sending, StepKind},
    model::{Account, Draft},
};

/// What the network does instead of what the script says.
#[derive(Debug, Clone)]
pub enum Twist {
    /// The attempt ends before this request of a step is sent.
    StopBefore(usize),
    /// The request with this number is answered so.
    Answer(usize, Result<PluginResponse, SendError>),
}

/// A request that was made, and its answer.
#[derive(Debug, Clone)]
pub struct Made {
    /// The step's name.
    pub name: String,
    /// Its kind.
    pub kind: StepKind,
    /// SHA-256 of the request.
    pub digest: String,
}

/// The network of one scenario.
pub struct Network {
    release: Arc<Release>,
    account: Arc<Account>,
    draft: Draft,
    public: PublicMedia,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    script: Vec<Step>,
    /// How many of the script were asked for.
    asked: usize,
    twist: Option<Twist>,
    names: HashSet<String>,
    done: Vec<Answered>,
    journal: BTreeMap<String, (String, PluginResponse, bool, Put)>,
    made: Vec<Made>,
    faults: Vec<String>,
    stopped: bool,
}

impl Network {
    /// For a draft of an account, with this script.
    pub fn new(
        release: &Arc<Release>,
        account: &Arc<Account>,
        draft: &Draft,
        script: &[Step],
        twist: Option<Twist>,
    ) -> Self {
        let state = State { script: script.to_vec(), twist, ..State::default() };
        let public = PublicMedia::new(&[0; 32], "https://media.example".parse().ok(), 3600);
        let (release, account) = (Arc::clone(release), Arc::clone(account));
        Self { release, account, draft: draft.clone(), public, state: Mutex::new(state) }
    }

    /// Addresses of the draft's media.
    pub fn urls(&self) -> Vec<(String, Result<String, String>)> {
        let media = self.draft.parts.iter().flat_map(|part| &part.media);
        media.map(|medium| (medium.id.to_string(), self.public.url(&self.account.id, &medium.id))).collect()
    }

    /// The next attempt: names are free again, and what was done is answered from the journal.
    pub fn next_attempt(&self) {
        let mut state = self.state();
        state.names.clear();
        state.done.clear();
        state.stopped = false;
        if matches!(state.twist, Some(Twist::StopBefore(_))) {
            state.twist = None;
        }
    }

    /// Is something still to be answered otherwise than the script says?
    pub fn awaits_twist(&self) -> bool {
        let state = self.state();
        matches!(state.twist, Some(Twist::Answer(at, _)) if state.asked <= at)
    }

    /// What was not asked for.
    pub fn left(&self) -> Vec<String> {
        let state = self.state();
        state.script.iter().skip(state.asked).map(|step| step.name.clone()).collect()
    }

    /// Every request so far.
    pub fn made(&self) -> Vec<Made> {
        self.state().made.clone()
    }

    /// How what was asked for differs from the script, or from what was approved.
    pub fn faults(&self) -> Vec<String> {
        self.state().faults.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fault(&self, text: String) -> SendError {
        self.state().faults.push(text.clone());
        SendError::Denied(text)
    }

    async fn answer(&self, name: String, kind: StepKind, request: PluginRequest) -> Result<PluginResponse, SendError> {
        if !self.state().names.insert(name.clone()) {
            return Err(self.fault(format!("the step `{name}` is used twice in one attempt")));
        }
        let visible = matches!(kind, StepKind::Effect(_));
        let put = match kind {
            StepKind::Read if request.method != "GET" => {
                return Err(self.fault(format!("`{name}` is a read, and sends {}", request.method)));
            }
            StepKind::Read => Put::default(),
            StepKind::Prepare(_) | StepKind::Effect(_) => self.compare(&name, &request, visible).await?,
        };
        let digest = request.digest();
        let known = self.state().journal.get(&name).cloned();
        if let Some((first, response, effect, put)) = known {
            if first != digest {
                return Err(self.fault(format!("`{name}` asks for something else than at the first attempt")));
            }
            self.state().done.push(Answered { put, effect, body: response.body.clone() });
            return Ok(response);
        }
        let (step, twisted) = self.take(&name)?;
        let wanted = step.ok_or_else(|| {
            self.fault(format!(
                "`{name}` is asked for, {} {}, and the scenario does not have it",
                request.method, request.url
            ))
        })?;
        if let Some(difference) = self.difference(&wanted, kind, &request) {
            return Err(self.fault(format!("`{name}`: {difference}")));
        }
        self.state().made.push(Made { name: name.clone(), kind, digest: digest.clone() });
        let answered = match twisted {
            Some(answer) => answer,
            None => wanted.answer.given(),
        };
        if let Ok(response) = &answered
            && (200..300).contains(&response.status)
            && kind != StepKind::Read
        {
            let mut state = self.state();
            state.done.push(Answered { put: put.clone(), effect: visible, body: response.body.clone() });
            state.journal.insert(name, (digest, response.clone(), visible, put));
        }
        answered
    }

    /// The next step of the script, where it has this name; and the answer that it gets in place of its own.
    #[allow(clippy::type_complexity, reason = "a step and what is answered instead")]
    fn take(&self, name: &str) -> Result<(Option<Step>, Option<Result<PluginResponse, SendError>>), SendError> {
        let mut state = self.state();
        if state.stopped {
            return Err(SendError::NotSent("the gateway stopped".into()));
        }
        let number = state.asked;
        let twist = state.twist.clone();
        match twist {
            Some(Twist::StopBefore(stop)) if number == stop => {
                state.stopped = true;
                return Err(SendError::NotSent("the gateway stopped".into()));
            }
            // After an answer that the script does not have, what follows is the plugin's to choose.
            Some(Twist::Answer(at, _)) if number > at => {
                let step = state.script.iter().find(|step| step.name == name).cloned();
                state.asked = state.asked.max(number);
                return match step {
                    Some(step) => Ok((Some(step), None)),
                    None => Err(SendError::NotSent("the network is gone".into())),
                };
            }
            _ => {}
        }
        // A read is asked anew at each attempt.
        let again = state.script.iter().take(number).find(|step| step.name == name && step.kind == "read").cloned();
        let next = state.script.get(number).filter(|step| step.name == name).cloned();
        if next.is_none() {
            return Ok((again, None));
        }
        state.asked += 1;
        match twist {
            Some(Twist::Answer(at, answer)) if number == at => Ok((next, Some(answer))),
            _ => Ok((next, None)),
        }
    }

    /// What was approved is what is sent.
    async fn compare(&self, name: &str, request: &PluginRequest, visible: bool) -> Result<Put, SendError> {
        let classified = match self.release.classify(&self.account, request).await {
            Ok(classified) => classified,
            Err(error) => return Err(self.fault(format!("`{name}` can't be classified: {error}"))),
        };
        let done = self.state().done.clone();
        let approved = Approved { draft: &self.draft, done: &done, account: &self.account.id, public: &self.public };
        let compared = if visible {
            approved::effect(&approved, &classified).map(|()| Put::default())
        } else {
            approved::prepare(&approved, &classified, request)
        };
        compared.map_err(|why| self.fault(format!("`{name}` is not what was approved: {why}")))
    }

    fn difference(&self, wanted: &Step, kind: StepKind, request: &PluginRequest) -> Option<String> {
        let (word, safety) = match kind {
            StepKind::Prepare(safety) => ("prepare", Some(safety.to_string())),
            StepKind::Effect(safety) => ("effect", Some(safety.to_string())),
            StepKind::Read => ("read", None),
        };
        let origin = self.account.origin();
        let path = request.url.strip_prefix(&origin).unwrap_or(&request.url);
        differ::text("the kind", &wanted.kind, word)
            .or_else(|| differ::text("the safety", wanted.safety.as_deref()?, safety.as_deref().unwrap_or("none")))
            .or_else(|| differ::text("the method", &wanted.method, &request.method))
            .or_else(|| differ::text("the path", &wanted.path, path))
            .or_else(|| headers(wanted, request))
            .or_else(|| body(wanted, &request.body))
    }
}

fn headers(wanted: &Step, request: &PluginRequest) -> Option<String> {
    wanted.headers.iter().find_map(|(name, value)| {
        let found = request.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        match found {
            Some((_, found)) => differ::text(&format!("the header `{name}`"), value, found),
            None => Some(format!("the header `{name}` is missing")),
        }
    })
}

fn body(wanted: &Step, found: &RequestBody) -> Option<String> {
    let bytes = match found {
        RequestBody::Bytes(bytes) => bytes.as_slice(),
        _ => &[],
    };
    match (&wanted.json, &wanted.body, &wanted.form) {
        (Some(json), _, _) => match serde_json::from_slice::<Value>(bytes) {
            Ok(found) => differ::json(json, &found),
            Err(_) => Some("the body should be JSON and is none".to_owned()),
        },
        (None, Some(text), _) => match found {
            RequestBody::Media(id) => differ::text("the body", text, &format!("@{id}")),
            _ => differ::text("the body", text, &String::from_utf8_lossy(bytes)),
        },
        (None, None, Some(form)) => {
            let RequestBody::Multipart(fields) = found else {
                return Some("the body should be a form and is none".to_owned());
            };
            let told: Vec<Value> =
                fields.iter().map(|field| Value::from(vec![field.name.clone(), value(&field.value)])).collect();
            let wanted: Vec<Value> =
                form.iter().map(|(name, value)| Value::from(vec![name.clone(), value.clone()])).collect();
            differ::json(&Value::from(wanted), &Value::from(told))
        }
        (None, None, None) => None,
    }
}

fn value(value: &FormValue) -> String {
    match value {
        FormValue::Text(text) => text.clone(),
        FormValue::Media(id) => format!("@{id}"),
        FormValue::MediaSlice { id, offset, length } => format!("@{id} {offset}+{length}"),
    }
}

impl Answer {
    /// The answer as the plugin hears it.
    pub fn given(&self) -> Result<PluginResponse, SendError> {
        match self.error.as_deref() {
            Some("not-sent") => return Err(SendError::NotSent("the network can't be reached".into())),
            Some(_) => return Err(SendError::Unknown("no answer came".into())),
            None => {}
        }
        let mut headers: Vec<(String, String)> =
            self.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
        let body = match (&self.json, &self.body) {
            (Some(json), _) => {
                headers.push(("content-type".into(), "application/json".into()));
                json.to_string().into_bytes()
            }
            (None, Some(text)) => text.clone().into_bytes(),
            (None, None) => Vec::new(),
        };
        Ok(PluginResponse { status: self.status.unwrap_or(200), headers, body })
    }
}

impl Outbound for Network {
    fn send(&self, step: String, kind: StepKind, request: PluginRequest) -> Sending<'_> {
        Box::pin(self.answer(step, kind, request))
    }

    fn denied(&self, step: &str, reason: &str) {
        self.state().faults.push(format!("`{step}` is denied: {reason}"));
    }
}
