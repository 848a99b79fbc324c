//! Puts a scenario to a component, and says how what comes of it differs.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::{
    differ,
    file::{Content, Expect, Request, Scenario},
    network::{Made, Network, Twist},
};
use crate::{
    host::{
        Classification, Facts, Failure, Host, MediaFiles, PerformCall, Performed, PluginRequest, Release, RequestBody,
        ReviewContext,
    },
    model::{Account, Finding},
};

/// When every call was accepted: 2027-03-01 09:00 UTC, as in the SDK's scripted host.
const CREATED_AT_MS: i64 = 1_803_891_600_000;
/// A call that has not come to its end after so many attempts never does.
const ATTEMPTS_MAX: u32 = 20;

/// How a call ended.
pub type Ended = Result<Performed, Failure>;

/// What a scenario needs.
pub struct Stage<'a> {
    /// The host.
    pub host: &'a Host,
    /// The component.
    pub release: &'a Arc<Release>,
    /// The scenario.
    pub scenario: &'a Scenario,
}

/// What came of `perform`.
pub struct Played {
    /// How it ended.
    pub ended: Ended,
    /// What was sent, over all attempts.
    pub made: Vec<Made>,
    /// How that differs from the script.
    pub faults: Vec<String>,
    /// What of the script was not asked for.
    pub left: Vec<String>,
}

impl Stage<'_> {
    /// Everything that differs; empty where the scenario holds.
    pub async fn differences(&self) -> Vec<String> {
        match self.differing().await {
            Ok(found) => found,
            Err(why) => vec![why],
        }
    }

    async fn differing(&self) -> Result<Vec<String>, String> {
        let Scenario { perform, check, review, classify, expect, .. } = self.scenario;
        let account = self.account()?;
        let mut found = Vec::new();
        if let Some(content) = perform {
            let played = self.play(content, None).await?;
            found.extend(played.faults);
            found.extend(played.left.iter().map(|name| format!("`{name}` is in the scenario, and was not asked for")));
            found.extend(expect.ended(&played.ended));
        } else if let Some(content) = check {
            let facts = self.facts();
            let answer = self.release.check(&account, &content.draft()?, facts.as_ref(), &MediaFiles::none()).await;
            found.extend(expect.codes(&answer.map_err(|error| error.to_string())?));
        } else if let Some(content) = review {
            let release = self.host.reconfigure(self.release, &Value::Object(self.scenario.config.clone()));
            let release = release.map_err(|error| error.to_string())?;
            let context = ReviewContext { account, languages: Vec::new(), app: None, person: None };
            let answer = release.review(&content.draft()?, &context, &MediaFiles::none()).await;
            let (outcome, findings) = answer.map_err(|error| error.to_string())?;
            found.extend(expect.word("the outcome", expect.outcome.as_deref(), outcome.as_str()));
            found.extend(expect.codes(&findings));
        } else if let Some(request) = classify {
            let answer = self.release.classify(&account, &shown(&account, request)).await;
            found.extend(expect.classified(&answer.map_err(|error| error.to_string())?));
        }
        Ok(found)
    }

    /// The account of the call.
    ///
    /// # Errors
    /// The scenario's account is none.
    pub fn account(&self) -> Result<Arc<Account>, String> {
        let manifest = self.release.manifest();
        self.scenario.account(&manifest.name, manifest.networks.first()).map(Arc::new)
    }

    /// What the network told of its limits.
    pub fn facts(&self) -> Option<Facts> {
        let json = self.scenario.facts.as_ref()?.to_string();
        Some(Facts { json, fresh_s: 3600, budgets: Vec::new() })
    }

    /// Performs the draft, attempt after attempt as long as the script has more.
    ///
    /// # Errors
    /// The plugin failed, which no plugin may.
    pub async fn play(&self, content: &Content, twist: Option<Twist>) -> Result<Played, String> {
        let (account, draft) = (self.account()?, content.draft()?);
        let stops = matches!(twist, Some(Twist::StopBefore(_)));
        let scripted = twist.is_none() || stops;
        let network = Arc::new(Network::new(self.release, &account, &draft, &self.scenario.steps, twist));
        let media = draft.parts.iter().flat_map(|part| &part.media).cloned().map(|medium| (medium, "/dev/null".into()));
        let media = MediaFiles::new(media).with_urls(network.urls());
        let mut call = PerformCall {
            key: std::array::from_fn(|index| u8::try_from(index).unwrap_or(0)),
            created_at: Timestamp::from_millisecond(CREATED_AT_MS).map_err(|error| error.to_string())?,
            attempt: 1,
            account,
            draft,
            facts: self.facts(),
            note: Vec::new(),
            answered: Vec::new(),
        };
        loop {
            let answer = self.release.perform(&call, Arc::clone(&network) as _, &media).await;
            let (ended, note) = answer.map_err(|error| format!("the plugin failed: {error}"))?;
            let more = ended.is_err() && !network.left().is_empty() && network.faults().is_empty();
            if !((scripted || network.awaits_twist()) && more) || call.attempt >= ATTEMPTS_MAX {
                return Ok(Played { ended, made: network.made(), faults: network.faults(), left: network.left() });
            }
            network.next_attempt();
            call.attempt += 1;
            call.note = note.unwrap_or(call.note);
        }
    }
}

fn shown(account: &Account, request: &Request) -> PluginRequest {
    let body = match (&request.json, &request.body) {
        (Some(json), _) => RequestBody::Bytes(json.to_string().into_bytes()),
        (None, Some(text)) => RequestBody::Bytes(text.clone().into_bytes()),
        (None, None) => RequestBody::None,
    };
    let mut headers: Vec<(String, String)> = request.headers.clone().into_iter().collect();
    if request.json.is_some() && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        headers.push(("content-type".into(), "application/json".into()));
    }
    let url = format!("{}{}", account.origin(), request.path);
    PluginRequest { method: request.method.clone(), url, headers, body, credential: None }
}

/// The kind of a failure, and its code.
pub fn named(failure: &Failure) -> (&'static str, &str) {
    match failure {
        Failure::Rejected(why) => ("rejected", &why.code),
        Failure::Unauthorized(why) => ("unauthorized", &why.code),
        Failure::RateLimited(why, _) => ("rate-limited", &why.code),
        Failure::Temporary(why) => ("temporary", &why.code),
        Failure::NotYet(why, _) => ("not-yet", &why.code),
        Failure::Unknown(step) => ("unknown", step),
    }
}

impl Expect {
    fn word(&self, what: &str, wanted: Option<&str>, found: &str) -> Option<String> {
        wanted.and_then(|wanted| differ::text(what, wanted, found))
    }

    fn ended(&self, ended: &Ended) -> Vec<String> {
        let mut found = Vec::new();
        match ended {
            Ok(performed) => {
                let ids: Vec<String> = performed.parts.iter().map(|part| part.platform_id.clone()).collect();
                if let Some(failure) = &self.failure {
                    found.push(format!("it should end as `{failure}`, and published {}", ids.join(", ")));
                }
                if let Some(wanted) = self.published.as_ref().filter(|wanted| **wanted != ids) {
                    found.push(format!("it should publish {}, and published {}", wanted.join(", "), ids.join(", ")));
                }
            }
            Err(failure) => {
                let (kind, code) = named(failure);
                if self.published.is_some() {
                    found.push(format!("it should publish, and ended as `{kind}`: {failure:?}"));
                }
                found.extend(self.word("the failure", self.failure.as_deref(), kind));
                found.extend(self.word("the code", self.code.as_deref(), code));
            }
        }
        found
    }

    fn codes(&self, findings: &[Finding]) -> Option<String> {
        let mut wanted: Vec<&str> = self.findings.as_ref()?.iter().map(String::as_str).collect();
        let mut found: Vec<&str> = findings.iter().map(|finding| finding.code.as_str()).collect();
        wanted.sort_unstable();
        found.sort_unstable();
        differ::text("the findings", &wanted.join(", "), &found.join(", "))
    }

    fn classified(&self, answer: &Classification) -> Vec<String> {
        let (action, text, target) = match answer {
            Classification::Act(act) => (act.action.as_str(), act.text.as_str(), act.target.as_deref()),
            Classification::Login(_) => ("login", "", None),
            Classification::Refuse(_) => ("refuse", "", None),
        };
        let action = self.word("the action", self.action.as_deref(), action);
        let text = self.word("the text", self.text.as_deref(), text);
        let target = self.word("the target", self.target.as_deref(), target.unwrap_or_default());
        [action, text, target].into_iter().flatten().collect()
    }
}
