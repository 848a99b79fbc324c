//! Releases.

use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use crate::clock::Clock;
use crate::model::{Account, Draft, Finding, Outcome};

/// How the host works.
#[derive(Clone)]
pub struct HostOptions {
    /// Folder of the compiled-code cache, which only the gateway may write; none compiles anew at each start.
    pub cache_dir: Option<PathBuf>,
    /// Authenticates the cache; from the vault.
    pub cache_key: [u8; 32],
    /// Instances at the same time, over all plugins.
    pub instances_max: u32,
}

/// Loads plugins and runs their calls.
pub struct Host;

/// What the operator granted a plugin beyond the account's endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PluginGrant {
    /// Origins: `https://cdn.example`.
    pub hosts: Vec<String>,
}

/// A loaded plugin with one version of its configuration.
#[derive(Debug)]
pub struct Release;

#[allow(unused_variables, clippy::unused_async, reason = "signatures first")]
impl Host {
    /// Starts the engine.
    pub fn new(options: HostOptions, clock: Arc<dyn Clock>) -> Result<Arc<Self>, HostError> {
        unimplemented!()
    }
    /// Loads a plugin. Compiles, so it takes long: call it where blocking is allowed.
    pub fn load(
        &self,
        wasm: &[u8],
        grant: &PluginGrant,
        config: &serde_json::Value,
    ) -> Result<Arc<Release>, LoadError> {
        unimplemented!()
    }
    /// The same plugin with another configuration. Compiles nothing.
    pub fn reconfigure(&self, release: &Arc<Release>, config: &serde_json::Value) -> Result<Arc<Release>, LoadError> {
        unimplemented!()
    }
}

#[allow(unused_variables, clippy::unused_async, reason = "signatures first")]
impl Release {
    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        unimplemented!()
    }
    /// SHA-256 of the component, hexadecimal.
    pub fn digest(&self) -> &str {
        unimplemented!()
    }
    /// Name and version: `guidelines 0.1.0`.
    pub fn label(&self) -> &str {
        unimplemented!()
    }
    /// SHA-256 of the configuration, hexadecimal.
    pub fn config_digest(&self) -> &str {
        unimplemented!()
    }
    /// Judges one draft for one account.
    pub async fn review(
        &self,
        draft: &Draft,
        context: &ReviewContext,
        media: &MediaFiles,
    ) -> Result<(Outcome, Vec<Finding>), PluginError> {
        unimplemented!()
    }
    /// Facts that never change.
    pub async fn describe(&self) -> Result<Description, PluginError> {
        unimplemented!()
    }
    /// Can this draft be published with these facts?
    pub async fn check(
        &self,
        account: &Account,
        draft: &Draft,
        facts: Option<&Facts>,
        media: &MediaFiles,
    ) -> Result<Vec<Finding>, PluginError> {
        unimplemented!()
    }
    /// Asks the network for its limits. The inner error's sentence goes to the operators.
    pub async fn discover(
        &self,
        account: &Account,
        out: Arc<dyn Outbound>,
    ) -> Result<Result<Facts, String>, PluginError> {
        unimplemented!()
    }
    /// What does this request of the network's own API do?
    pub async fn classify(&self, account: &Account, request: &PluginRequest) -> Result<Classification, PluginError> {
        unimplemented!()
    }
    /// Does the call. With the answer comes the plugin's new note for the account, where it set one.
    pub async fn perform(
        &self,
        call: &PerformCall,
        out: Arc<dyn Outbound>,
        media: &MediaFiles,
    ) -> Result<(Result<Performed, Failure>, Option<Vec<u8>>), PluginError> {
        unimplemented!()
    }
    /// Did this unanswered step happen?
    pub async fn reconcile(
        &self,
        call: &PerformCall,
        step: &str,
        out: Arc<dyn Outbound>,
    ) -> Result<Reconciliation, PluginError> {
        unimplemented!()
    }
    /// What do the headers of an answer say about limits?
    pub async fn observe(&self, status: u16, headers: &[(String, String)]) -> Result<Vec<Budget>, PluginError> {
        unimplemented!()
    }
    /// The gateway's refusal in the network's own error shape.
    pub async fn render_refusal(
        &self,
        refusal: &RefusalView,
        request: &PluginRequest,
    ) -> Result<PluginResponse, PluginError> {
        unimplemented!()
    }
}
