//! A real OAuth 2.0 authorization server (oidc-provider) on one origin with a network's API, as a child process.
//! `npm ci --prefix tests/issuer` installs it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use pressgate::host::manifest::{Manifest, embed, extract};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::pds::first_line;
use crate::harness::{Endpoint, TOKEN, built};
use crate::http;
use crate::skip::skipped;

/// How long the start may take.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// The secret of its clients.
pub const CLIENT_SECRET: &str = "client-secret-canary-91f3";

/// A running authorization server before a network. It ends when this is dropped, or with this process.
#[derive(Debug)]
pub struct Issuer {
    /// Address without a slash at the end: of the server and of the API.
    pub url: String,
    _child: Child,
}

/// What it saw.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// Requests to the token endpoint.
    pub token: Vec<TokenRequest>,
    /// Requests to the revocation endpoint.
    pub revocation: Vec<Value>,
    /// Requests with a good access token.
    pub api: Vec<Value>,
    /// Requests without.
    pub refused_api: u64,
}

/// A request to the token endpoint. Tokens are told by a digest.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenRequest {
    /// `authorization_code`, `refresh_token`; `cut` and `raw` where it misbehaved instead.
    pub grant: Option<String>,
    /// The refresh token that was shown.
    pub refresh: Option<String>,
    /// What was answered.
    pub status: Option<u16>,
    /// `invalid_grant`, …
    pub error: Option<String>,
    /// The refresh token that was given.
    pub issued_refresh: Option<String>,
    /// Whether the client authenticated with HTTP Basic.
    #[serde(default)]
    pub basic: bool,
}

impl Seen {
    /// Refreshes, of any outcome.
    pub fn refreshes(&self) -> Vec<&TokenRequest> {
        self.token.iter().filter(|request| request.grant.as_deref() == Some("refresh_token")).collect()
    }
}

impl Endpoint for Issuer {
    fn address(&self) -> &str {
        &self.url
    }
}

impl Issuer {
    /// Starts it before a sample network. None, with a line that says so, where it is not installed.
    ///
    /// # Panics
    /// When it does not start, or is not installed and `PRESSGATE_NO_SKIP=1`.
    pub async fn start(upstream: &str) -> Option<Self> {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("issuer");
        if !scripts.join("node_modules/oidc-provider").is_dir() {
            skipped("oidc-provider is not installed; run `make deps`");
            return None;
        }
        let mut child = Command::new("node")
            .arg(scripts.join("run-issuer.mjs"))
            .env("UPSTREAM_URL", upstream)
            .env("UPSTREAM_TOKEN", TOKEN)
            .env("CLIENT_SECRET", CLIENT_SECRET)
            // It ends when its standard input does, so it does not outlive a test that was killed.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run node: {error}"));
        let ready = tokio::time::timeout(START_TIMEOUT, first_line(&mut child)).await;
        let line = ready.unwrap_or_else(|_| panic!("the issuer was not ready within {START_TIMEOUT:?}"));
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        Some(Self { url: ready["url"].as_str().expect("an address").to_owned(), _child: child })
    }

    /// What it saw so far.
    pub async fn seen(&self) -> Seen {
        serde_json::from_value(self.control("seen", &json!({})).await).expect("what it saw")
    }

    /// Every token that it gave so far.
    pub async fn secrets(&self) -> Vec<String> {
        serde_json::from_value(self.control("secrets", &json!({})).await).expect("texts")
    }

    /// Every identity token that it gave so far.
    pub async fn id_tokens(&self) -> Vec<String> {
        serde_json::from_value(self.control("id-tokens", &json!({})).await).expect("texts")
    }

    /// Changes how it behaves: `{"token": {"mode": "cut"}}`, `{"rotate": false}`, `{"decline": true}`, `{"expiresIn": 0}`, `{"subject": "acme"}`.
    pub async fn set(&self, wish: &Value) {
        self.control("set", wish).await;
    }

    /// Refuses every access token that was used so far, as if a person had ended the session.
    pub async fn refuse_access(&self) {
        self.control("refuse-access", &json!({})).await;
    }

    /// Opens an address as a person does in a browser, agrees, and gives where the browser was sent back to.
    ///
    /// # Panics
    /// When it was not sent anywhere.
    pub async fn browse(&self, url: &str) -> String {
        let answer = self.control("browse", &json!({ "url": url })).await;
        answer["callback"].as_str().unwrap_or_else(|| panic!("not sent back: {answer}")).to_owned()
    }

    async fn control(&self, what: &str, body: &Value) -> Value {
        http::post(&format!("{}/control/{what}", self.url), "", body).await.expect(200)
    }
}

/// A plugin folder with the adapter of the sample network, whose credential has the scheme `oauth2` as `oauth2` says.
///
/// # Panics
/// When the plugin was not built, or the manifest does not hold.
pub fn plugins(oauth2: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let from: PathBuf = built::plugins().join("mastodon.wasm");
    let mut component = std::fs::read(&from).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    let manifest = extract(&component).expect("a component").expect("a manifest");
    let manifest = String::from_utf8(manifest.to_vec()).expect("text");
    let mut tail = Vec::new();
    embed(&mut tail, &manifest);
    assert!(component.ends_with(&tail), "the manifest is the last section");
    component.truncate(component.len() - tail.len());
    let toml = include_str!("../../../plugins/mastodon/plugin.toml");
    let scheme = format!("scheme = \"oauth2\"\n[credential.oauth2]\n{oauth2}");
    let toml = toml.replace("scheme = \"bearer\"\nsecrets = [\"token\"]", &scheme);
    // So many calls at once are a test's own.
    let toml = toml.replace("wall_ms = 120000", "wall_ms = 120000\nconcurrent = 256");
    assert!(toml.contains("oauth2") && toml.contains("concurrent"), "the manifest was changed");
    let (_, json) = Manifest::source(&toml, |file| Err(format!("no {file}"))).unwrap_or_else(|error| panic!("{error}"));
    embed(&mut component, &json);
    std::fs::write(folder.path().join("mastodon.wasm"), component).expect("written");
    folder
}
