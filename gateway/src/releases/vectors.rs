//! Self-test vectors: what a component says that it answers, in the custom section `pressgate:self-test`. Each is put to it before it serves.
//!
//! `plugin build` takes them from `self-test.json` beside `plugin.toml`. They are covered by the release's digest like everything in the
//! component.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    host::{
        Classification, Host, MediaFiles, PluginRequest, Release, RequestBody, ReviewContext,
        manifest::{PluginKind, section},
    },
    model::{Account, AccountId, Action, BrandPath, Draft, Finding, NativeHold, Part},
};

/// Name of the section, at the component's top level.
pub const SECTION: &str = "pressgate:self-test";
/// The most that a component carries.
const SECTION_BYTES_MAX: usize = 256 << 10;
const VECTORS_MAX: usize = 100;
/// Where nobody is.
const NOWHERE: &str = "https://self-test.invalid";

/// The vectors of a component.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vectors {
    vectors: Vec<Vector>,
}

/// What is put to it, and what it should answer. One of `review`, `check` and `classify`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    name: String,
    /// A draft for a policy.
    review: Option<Review>,
    /// A draft for an adapter.
    check: Option<Content>,
    /// A request of the network's own API for an adapter.
    classify: Option<Request>,
    expect: Expect,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Review {
    #[serde(flatten)]
    content: Content,
    #[serde(default)]
    config: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
struct Content {
    /// The entries of a thread; `text` is short for one.
    #[serde(default)]
    texts: Vec<String>,
    text: Option<String>,
    language: Option<String>,
    #[serde(default)]
    options: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    method: String,
    path: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    body: String,
}

/// What is not given is not looked at.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    /// `allow`, `deny` or `hold`.
    outcome: Option<String>,
    /// The codes of all findings, in any order.
    findings: Option<Vec<String>>,
    /// An action, `login` or `refuse`.
    action: Option<String>,
    text: Option<String>,
    target: Option<String>,
}

impl Vectors {
    /// Those of a component; none where it carries none.
    ///
    /// # Errors
    /// The section does not hold what it should.
    pub fn of(component: &[u8]) -> Result<Option<Self>, String> {
        section(component, SECTION)?.map(Self::read).transpose()
    }

    /// Reads the JSON.
    ///
    /// # Errors
    /// The fault.
    pub fn read(json: &[u8]) -> Result<Self, String> {
        if json.len() > SECTION_BYTES_MAX {
            return Err(format!("the self-test has {} bytes; {SECTION_BYTES_MAX} are allowed", json.len()));
        }
        let read: Self = serde_json::from_slice(json).map_err(|error| format!("the self-test: {error}"))?;
        match read.vectors.len() {
            0 => Err("the self-test has no vectors".into()),
            many if many > VECTORS_MAX => Err(format!("the self-test has {many} vectors; {VECTORS_MAX} are allowed")),
            _ => Ok(read),
        }
    }

    /// Puts each to the release.
    ///
    /// # Errors
    /// The first that is answered otherwise.
    pub async fn put(&self, host: &Host, release: &Arc<Release>) -> Result<String, String> {
        for vector in &self.vectors {
            vector.put(host, release).await.map_err(|error| format!("`{}`: {error}", vector.name))?;
        }
        Ok(match self.vectors.len() {
            1 => "1 vector answered as it says".to_owned(),
            many => format!("{many} vectors answered as they say"),
        })
    }
}

impl Vector {
    async fn put(&self, host: &Host, release: &Arc<Release>) -> Result<(), String> {
        let account = account(release)?;
        let kind = release.manifest().kind;
        match (kind, &self.review, &self.check, &self.classify) {
            (PluginKind::Policy, Some(review), None, None) => {
                let release = host.reconfigure(release, &Value::Object(review.config.clone()));
                let release = release.map_err(|error| error.to_string())?;
                let context = ReviewContext { account, languages: Vec::new(), app: None, person: None };
                let answer = release.review(&review.content.draft(), &context, &MediaFiles::none()).await;
                let (outcome, findings) = answer.map_err(|error| error.to_string())?;
                same("outcome", self.expect.outcome.as_deref(), outcome.as_str())?;
                self.expect.codes(&findings)
            }
            (PluginKind::Adapter, None, Some(content), None) => {
                let answer = release.check(&account, &content.draft(), None, &MediaFiles::none()).await;
                self.expect.codes(&answer.map_err(|error| error.to_string())?)
            }
            (PluginKind::Adapter, None, None, Some(request)) => {
                let answer = release.classify(&account, &request.shown()).await.map_err(|error| error.to_string())?;
                self.expect.classified(&answer)
            }
            _ => Err(format!(
                "a vector has one of `review` (for a policy), `check` and `classify` (for an adapter); this is a vector for another kind than {kind:?}"
            )),
        }
    }
}

impl Expect {
    fn codes(&self, findings: &[Finding]) -> Result<(), String> {
        let Some(wanted) = &self.findings else { return Ok(()) };
        let (mut wanted, mut found): (Vec<&str>, Vec<&str>) = (
            wanted.iter().map(String::as_str).collect(),
            findings.iter().map(|finding| finding.code.as_str()).collect(),
        );
        wanted.sort_unstable();
        found.sort_unstable();
        same("findings", Some(&wanted.join(", ")), &found.join(", "))
    }

    fn classified(&self, answer: &Classification) -> Result<(), String> {
        let (action, text, target) = match answer {
            Classification::Act(act) => (act.action.as_str(), act.text.as_str(), act.target.as_deref()),
            Classification::Login(_) => ("login", "", None),
            Classification::Refuse(_) => ("refuse", "", None),
        };
        same("action", self.action.as_deref(), action)?;
        same("text", self.text.as_deref(), text)?;
        same("target", self.target.as_deref(), target.unwrap_or_default())
    }
}

fn same(what: &str, wanted: Option<&str>, found: &str) -> Result<(), String> {
    match wanted {
        Some(wanted) if wanted != found => Err(format!("{what} should be `{wanted}` and is `{found}`")),
        _ => Ok(()),
    }
}

impl Content {
    fn draft(&self) -> Draft {
        let part = |text: &String| Part { text: text.clone(), media: Vec::new() };
        Draft {
            action: Action::POST_CREATE,
            parts: self.text.iter().chain(&self.texts).map(part).collect(),
            language: self.language.clone(),
            target: None,
            options: self.options.clone(),
            labels: Vec::new(),
            campaign: None,
        }
    }
}

impl Request {
    fn shown(&self) -> PluginRequest {
        PluginRequest {
            method: self.method.clone(),
            url: format!("{NOWHERE}{}", self.path),
            headers: self.headers.clone(),
            body: if self.body.is_empty() {
                RequestBody::None
            } else {
                RequestBody::Bytes(self.body.clone().into_bytes())
            },
            credential: None,
        }
    }
}

/// An account that there is nowhere.
fn account(release: &Release) -> Result<Arc<Account>, String> {
    let manifest = release.manifest();
    Ok(Arc::new(Account {
        id: AccountId::new("self-test"),
        network: manifest.networks.first().cloned().unwrap_or_else(|| "self-test".to_owned()),
        adapter: manifest.name.clone(),
        endpoint: NOWHERE.parse().map_err(|_| "no address for a self-test".to_owned())?,
        private_endpoint: false,
        brand: BrandPath::new("self-test"),
        handle: None,
        native_hold: NativeHold::Refuse,
    }))
}
