//! A scenario as its file says it: a call, what the plugin asks the network for meanwhile, and what comes of it.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::model::{Account, AccountId, Action, BrandPath, Draft, MediaId, MediaRef, NativeHold, Part, PluginName};

/// Where the account is that every scenario has, unless it says otherwise.
const ENDPOINT: &str = "https://social.example";

/// One file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it shows, in a sentence.
    pub about: String,
    /// The draft that is published or deleted.
    pub perform: Option<Content>,
    /// The draft that the adapter looks at.
    pub check: Option<Content>,
    /// The draft that the policy judges.
    pub review: Option<Content>,
    /// The request of a client of the network's own API.
    pub classify: Option<Request>,
    /// What the account is.
    #[serde(default)]
    pub account: AccountText,
    /// What the network told of its limits, as `discover` writes it.
    pub facts: Option<Value>,
    /// The policy's configuration.
    #[serde(default)]
    pub config: Map<String, Value>,
    /// What the plugin asks for, in order, over all attempts.
    #[serde(default, rename = "step")]
    pub steps: Vec<Step>,
    /// What comes of it.
    pub expect: Expect,
}

/// A draft.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Content {
    action: Option<String>,
    text: Option<String>,
    /// Entries of a thread.
    texts: Vec<String>,
    language: Option<String>,
    target: Option<String>,
    options: Map<String, Value>,
    labels: Vec<String>,
    campaign: Option<String>,
    /// Media of the first entry.
    media: Vec<Medium>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Medium {
    id: String,
    #[serde(rename = "type")]
    media_type: String,
    #[serde(default = "thousand")]
    size_bytes: u64,
    width: Option<u32>,
    height: Option<u32>,
    alt: Option<String>,
}

fn thousand() -> u64 {
    1000
}

/// The account.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccountText {
    network: Option<String>,
    endpoint: Option<String>,
    handle: Option<String>,
}

/// A request that a client made.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// A JSON body.
    pub json: Option<Value>,
    /// Any other body.
    pub body: Option<String>,
}

/// A request that the plugin makes, and its answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The plugin's name for it.
    pub name: String,
    /// `prepare`, `effect` or `read`.
    pub kind: String,
    /// How it avoids happening twice: `native-key:3600`, `client-id`, `two-phase`, `look-up`, `none`. Not looked at where it is not given.
    pub safety: Option<String>,
    /// Method.
    pub method: String,
    /// Path and query at the account's endpoint.
    pub path: String,
    /// Headers that it must have; `*` for any value.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The JSON body; `"*"` stands for any value.
    pub json: Option<Value>,
    /// Any other body, as text.
    pub body: Option<String>,
    /// A multipart form: names and texts, or `@` and the id of a medium.
    pub form: Option<Vec<(String, String)>>,
    /// What the network answers.
    pub answer: Answer,
}

/// What the network answers: a response, or why there is none.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Answer {
    /// HTTP status.
    pub status: Option<u16>,
    /// Headers.
    pub headers: BTreeMap<String, String>,
    /// A JSON body.
    pub json: Option<Value>,
    /// Any other body.
    pub body: Option<String>,
    /// `not-sent` or `unknown`.
    pub error: Option<String>,
}

/// What should come of it. What is not given is not looked at.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// The network's ids of what was published, in order.
    pub published: Option<Vec<String>>,
    /// `rejected`, `unauthorized`, `rate-limited`, `temporary`, `not-yet` or `unknown`.
    pub failure: Option<String>,
    /// The failure's code.
    pub code: Option<String>,
    /// Codes of all findings, in any order.
    pub findings: Option<Vec<String>>,
    /// `allow`, `hold` or `deny`.
    pub outcome: Option<String>,
    /// An action, `login` or `refuse`.
    pub action: Option<String>,
    /// The text that others would read.
    pub text: Option<String>,
    /// What is answered or deleted.
    pub target: Option<String>,
}

impl Scenario {
    /// Reads a file.
    ///
    /// # Errors
    /// A sentence with the line.
    pub fn read(path: &Path) -> Result<Self, String> {
        let told = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| told(&error))?;
        let scenario: Self = toml::from_str(&text).map_err(|error| told(&error))?;
        let calls = [
            scenario.perform.is_some(),
            scenario.check.is_some(),
            scenario.review.is_some(),
            scenario.classify.is_some(),
        ];
        if calls.iter().filter(|given| **given).count() != 1 {
            return Err(told(&"a scenario has one of [perform], [check], [review] and [classify]"));
        }
        if scenario.perform.is_none() && !scenario.steps.is_empty() {
            return Err(told(&"only [perform] speaks to the network: a [[step]] belongs to it"));
        }
        Ok(scenario)
    }

    /// The account of the call.
    ///
    /// # Errors
    /// The endpoint is no address.
    pub fn account(&self, plugin: &PluginName, network: Option<&String>) -> Result<Account, String> {
        let network = self.account.network.as_ref().or(network).cloned().unwrap_or_else(|| "sample".to_owned());
        let endpoint = self.account.endpoint.as_deref().unwrap_or(ENDPOINT);
        Ok(Account {
            id: AccountId::new(format!("acme-{network}")),
            network,
            adapter: plugin.clone(),
            endpoint: endpoint.parse().map_err(|error| format!("account.endpoint: {error}"))?,
            private_endpoint: false,
            brand: BrandPath::new("acme"),
            handle: self.account.handle.clone(),
            native_hold: NativeHold::Refuse,
        })
    }
}

impl Content {
    /// The draft. A medium's digest follows from its id and length, as its bytes do.
    ///
    /// # Errors
    /// The action is not in the gateway's list.
    pub fn draft(&self) -> Result<Draft, String> {
        let action =
            self.action.as_deref().unwrap_or(if self.target.is_some() { "comment.create" } else { "post.create" });
        let action =
            Action::parse(action).ok_or_else(|| format!("the action `{action}` is not in the gateway's list"))?;
        let mut parts: Vec<Part> =
            self.text.iter().chain(&self.texts).map(|text| Part { text: text.clone(), media: Vec::new() }).collect();
        if parts.is_empty() {
            parts.push(Part { text: String::new(), media: Vec::new() });
        }
        if let Some(first) = parts.first_mut() {
            first.media = self.media.iter().map(Medium::known).collect();
        }
        Ok(Draft {
            action,
            parts,
            language: self.language.clone(),
            target: self.target.clone(),
            options: self.options.clone(),
            labels: self.labels.clone(),
            campaign: self.campaign.clone(),
        })
    }

    /// The same with this as its only text.
    pub fn saying(&self, text: String) -> Self {
        Self { text: Some(text), texts: Vec::new(), ..self.clone() }
    }
}

impl Medium {
    fn known(&self) -> MediaRef {
        MediaRef {
            id: MediaId::new(&self.id),
            media_type: self.media_type.clone(),
            size_bytes: self.size_bytes,
            width: self.width,
            height: self.height,
            digest: "0".repeat(64),
            alt: self.alt.clone(),
        }
    }
}
