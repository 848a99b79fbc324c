//! What a plugin says about itself: `plugin.toml`, embedded in the component as JSON by `pressgate plugin build`.
//!
//! What a plugin may do is what its manifest asks for ∩ what the operator granted.

mod check;
mod oauth2;
mod raw;
mod schema;
mod section;
mod signed;
#[cfg(test)]
mod stand_in_tests;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use check::{ManifestError, name};
pub use oauth2::{CLIENT_ID, CLIENT_SECRET, ClientAuthentication, Endpoint, OAuth2Decl};
pub use section::{SECTION, append, embed, extract, section};
pub use signed::{SIGNATURE_SECTION, Split, SplitError, split};

use crate::model::PluginName;

/// A checked manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// The plugin's name: lower-case letters, digits and dashes.
    pub name: PluginName,
    /// The plugin's own version.
    pub version: String,
    /// What it is.
    pub kind: PluginKind,
    /// Version of the contract that it was built for.
    pub wit: String,
    /// The language's own engine that it carries; none where it was compiled to wasm itself.
    pub runtime: Option<Runtime>,
    /// Networks that an adapter speaks; empty for others.
    pub networks: Vec<String>,
    /// Requests that it may make; empty for a policy.
    pub http: Vec<HttpRule>,
    /// Credentials that its requests may name; empty for a policy.
    pub credentials: Vec<CredentialDecl>,
    /// What a call may use, already within the host's own limits.
    pub limits: Limits,
    /// Pattern sets.
    pub matches: Vec<MatchDecl>,
    /// JSON Schema of its configuration; without one the configuration must be an empty object.
    pub config_schema: Option<serde_json::Value>,
}

/// The kinds of plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PluginKind {
    /// Speaks to a network.
    Adapter,
    /// Judges a call.
    Policy,
    /// Hands events to another system.
    Connector,
}

/// An engine of a language that a component carries with the source: it starts slowly, and instances are kept ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Runtime {
    /// JavaScript: `StarlingMonkey`, by `componentize-js`.
    JavaScript,
}

/// Requests that a plugin may make to one origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRule {
    /// Where to.
    pub origin: Origin,
    /// Methods, upper-case.
    pub methods: Vec<String>,
    /// Paths, each with all below it: `/api/v1` covers `/api/v1/statuses`, not `/api/v10`. Ends in no slash unless it is `/`.
    pub path_prefixes: Vec<String>,
    /// Further origins under which clients with a fixed host know the account's endpoint. Nothing is ever sent there.
    pub known_as: Vec<String>,
}

/// Where a request may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The endpoint of the account that speaks, or of the connector: `{account.endpoint}`, `{connector.endpoint}`.
    AccountEndpoint,
    /// This origin, as ASCII without a slash at the end, which the operator must grant.
    Fixed(String),
}

/// A credential that requests may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialDecl {
    /// The name that requests use.
    pub label: String,
    /// How it is put into a request.
    pub scheme: CredentialScheme,
    /// Names of the values that an operator sets, in order. All are kept encrypted and injected by the host alone.
    pub secrets: Vec<String>,
    /// Those of them that are no secret, such as a user name: they are not blanked in the network's answers.
    pub public: Vec<String>,
    /// The label in whose place it is taken, where the account has no such credential and has this one.
    pub instead_of: Option<String>,
}

/// How a credential is put into a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialScheme {
    /// `Authorization: Bearer …`.
    Bearer,
    /// `Authorization: Basic …` of two secrets.
    Basic,
    /// A header of this name.
    Header(String),
    /// A query parameter of this name.
    Query(String),
    /// A token that the host gets by logging in.
    Session(Box<SessionDecl>),
    /// `Authorization: OAuth …`: a signature of the request (RFC 5849, HMAC-SHA1) by four values.
    OAuth1,
    /// `webhook-signature`: a signature of the body (Standard Webhooks, HMAC-SHA256) by one value.
    Webhook,
    /// A token that a person's consent gives and the host renews.
    OAuth2(Box<OAuth2Decl>),
}

impl CredentialScheme {
    /// The word for it in `plugin.toml`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Bearer => "bearer",
            Self::Basic => "basic",
            Self::Header(_) => "header",
            Self::Query(_) => "query",
            Self::Session(_) => "session",
            Self::OAuth1 => "oauth1",
            Self::Webhook => "webhook",
            Self::OAuth2(_) => "oauth2",
        }
    }

    /// True where a person must connect the account before it can be used.
    pub fn connects(&self) -> bool {
        matches!(self, Self::OAuth2(_))
    }
}

/// How the host logs in and keeps the session alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionDecl {
    /// The login request.
    pub login: LoginRequest,
    /// The refresh request, where the network has one.
    pub refresh: Option<RefreshRequest>,
    /// JSON pointer to the access token in the answers.
    pub access_pointer: String,
    /// JSON pointer to the refresh token in the answers.
    pub refresh_pointer: Option<String>,
    /// How an answer says that the access token has expired.
    pub expired: Option<Expired>,
}

/// A login request to the account's endpoint, with a JSON body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginRequest {
    /// Method.
    pub method: String,
    /// Path.
    pub path: String,
    /// JSON object; `{name}` stands for the secret of that name.
    pub body: BTreeMap<String, String>,
}

/// A refresh request to the account's endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshRequest {
    /// Method.
    pub method: String,
    /// Path.
    pub path: String,
    /// Bearer token to send; `{refresh}` stands for the refresh token.
    pub bearer: String,
}

/// How an answer says that the access token has expired: one of these statuses and, where a pointer is given, one of these
/// values there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expired {
    /// HTTP statuses.
    pub statuses: Vec<u16>,
    /// JSON pointer into the answer.
    pub pointer: Option<String>,
    /// Values at the pointer.
    pub values: Vec<String>,
}

/// What one call may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Computing time, without waiting.
    pub guest_ms: u64,
    /// Time of the whole call.
    pub wall_ms: u64,
    /// Memories and tables together.
    pub memory_bytes: usize,
    /// What one call from or to the host may carry.
    pub host_call_bytes: usize,
    /// Longest answer of the network.
    pub response_bytes_max: usize,
    /// Calls at the same time, for the plugin.
    pub concurrent: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            guest_ms: 100,
            wall_ms: 30_000,
            memory_bytes: 32 << 20,
            host_call_bytes: 8 << 20,
            response_bytes_max: 1 << 20,
            concurrent: 64,
        }
    }
}

impl Limits {
    /// The most that the host gives any plugin.
    pub const CEILING: Self = Self {
        guest_ms: 2_000,
        wall_ms: 120_000,
        memory_bytes: 64 << 20,
        host_call_bytes: 16 << 20,
        response_bytes_max: 8 << 20,
        concurrent: 256,
    };

    /// The smaller of both, field by field.
    #[must_use]
    pub fn capped(self, ceiling: Self) -> Self {
        Self {
            guest_ms: self.guest_ms.min(ceiling.guest_ms),
            wall_ms: self.wall_ms.min(ceiling.wall_ms),
            memory_bytes: self.memory_bytes.min(ceiling.memory_bytes),
            host_call_bytes: self.host_call_bytes.min(ceiling.host_call_bytes),
            response_bytes_max: self.response_bytes_max.min(ceiling.response_bytes_max),
            concurrent: self.concurrent.min(ceiling.concurrent),
        }
    }
}

pub use super::patterns::{Fold, MatchDecl, SetKind as MatchKind};

impl Manifest {
    /// Reads `plugin.toml`. `schema` is the text of the file that `[config] schema` names, where it names one.
    ///
    /// # Errors
    /// The first fault, with its line.
    pub fn from_toml(text: &str, schema: impl FnOnce(&str) -> Result<String, String>) -> Result<Self, ManifestError> {
        Ok(Self::source(text, schema)?.0)
    }

    /// As [`Self::from_toml`], with the JSON that goes into the component.
    pub fn source(
        text: &str,
        schema: impl FnOnce(&str) -> Result<String, String>,
    ) -> Result<(Self, String), ManifestError> {
        let raw = raw::Raw::from_toml(text, schema)?;
        let manifest = check::check(&raw).and_then(|manifest| check::buildable(&raw).map(|()| manifest));
        let manifest = manifest.map_err(|mut error| {
            let file = raw.config.as_ref().and_then(|config| config.file.as_ref());
            if let Some(file) = file.filter(|_| error.place == "config.schema") {
                error.message = format!("{file} {}", error.message);
            }
            error.at_line_of(text)
        })?;
        let json = serde_json::to_string(&raw).map_err(|error| ManifestError::whole(error.to_string()))?;
        Ok((manifest, json))
    }

    /// Reads the JSON that a component carries.
    ///
    /// # Errors
    /// The first fault.
    pub fn from_json(json: &[u8]) -> Result<Self, ManifestError> {
        let raw: raw::Raw = serde_json::from_slice(json).map_err(|error| ManifestError::whole(error.to_string()))?;
        check::check(&raw)
    }

    /// Name and version: `guidelines 0.1.0`.
    pub fn label(&self) -> String {
        format!("{} {}", self.name, self.version)
    }
}
