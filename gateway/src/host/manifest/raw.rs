//! The manifest as it is written: every field that may stand there, none that may not.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::check::ManifestError;
use super::{Fold, MatchKind, PluginKind, Runtime};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    pub plugin: RawPlugin,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub http: Vec<RawHttp>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credential: Vec<RawCredential>,
    #[serde(default)]
    pub limits: RawLimits,
    #[serde(default, rename = "match", skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<RawMatch>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<RawConfig>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPlugin {
    pub name: String,
    pub version: String,
    pub kind: PluginKind,
    pub wit: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<Runtime>,
    #[serde(default)]
    pub networks: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawHttp {
    pub origin: String,
    pub methods: Vec<String>,
    pub path_prefixes: Vec<String>,
    /// Further addresses under which clients know the account's endpoint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known_as: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCredential {
    pub label: String,
    pub scheme: RawScheme,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The values that an operator sets; without it what the scheme needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<Vec<String>>,
    /// Those of them that are no secret (a user name): answers of the network keep them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub public: Vec<String>,
    /// The label in whose place it is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<RawSession>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth2: Option<RawOAuth2>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawScheme {
    Bearer,
    Basic,
    Header,
    Query,
    Session,
    OAuth1,
    Webhook,
    OAuth2,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOAuth2 {
    pub authorization_endpoint: String,
    pub token_endpoint: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation_endpoint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    pub client_authentication: RawClientAuthentication,
}

/// As the registry of OAuth parameters writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawClientAuthentication {
    ClientSecretBasic,
    ClientSecretPost,
    None,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSession {
    pub login: RawLogin,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh: Option<RawRefresh>,
    pub access_pointer: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_pointer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expired: Option<RawExpired>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLogin {
    pub method: String,
    pub path: String,
    pub body: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRefresh {
    pub method: String,
    pub path: String,
    pub bearer: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawExpired {
    pub statuses: Vec<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLimits {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guest_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_call_bytes: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_bytes_max: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrent: Option<u32>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMatch {
    pub set: String,
    pub kind: MatchKind,
    pub pointer: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    #[serde(default)]
    pub fold: Fold,
}

/// In `plugin.toml` the schema is a file name, in the component the schema itself.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfig {
    pub schema: serde_json::Value,
    /// The file that it was read from, for messages.
    #[serde(skip)]
    pub file: Option<String>,
}

impl Raw {
    /// Reads `plugin.toml` and puts the schema in the place of its file name.
    pub(super) fn from_toml(
        text: &str,
        schema: impl FnOnce(&str) -> Result<String, String>,
    ) -> Result<Self, ManifestError> {
        let mut raw: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| line_at(text, span.start));
            ManifestError { place: String::new(), line, message: error.message().trim().to_owned() }
        })?;
        if let Some(config) = &mut raw.config {
            let fault = |message: String| ManifestError::at("config.schema", message).at_line_of(text);
            let serde_json::Value::String(file) = &config.schema else {
                return Err(fault("must be the name of a JSON Schema file".into()));
            };
            let json = schema(file).map_err(fault)?;
            let file = file.clone();
            config.schema = serde_json::from_str(&json).map_err(|error| fault(format!("{file}: {error}")))?;
            config.file = Some(file);
        }
        Ok(raw)
    }
}

/// The line, from 1, in which the byte `offset` stands.
pub(super) fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
