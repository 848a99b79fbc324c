//! The shelf of plugins: the components in the plugin folder, and which of them serve under a governance.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::Arc,
};

use aws_lc_rs::digest;
use serde_json::json;

use crate::{
    config::{Catalogue, Governance, PluginInfo, PluginKind as GovernedKind},
    host::{Host, LoadError, Manifest, PluginGrant, Release, manifest},
    model::PluginName,
};

/// A component larger than this is not read.
const COMPONENT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Why a folder of plugins can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// The folder or a file in it can't be read.
    #[error("{path}: {reason}")]
    Unreadable {
        /// Which.
        path: String,
        /// Why.
        reason: String,
    },
    /// Not a plugin.
    #[error("{path}: {reason}. Build it with `pressgate plugin build`")]
    NotAPlugin {
        /// Which.
        path: String,
        /// Why.
        reason: String,
    },
    /// Two files carry plugins of one name.
    #[error("two files in the plugin folder are named `{0}` in their manifests; keep one")]
    Twice(PluginName),
    /// It can't be loaded.
    #[error("the plugin `{plugin}` can't be loaded: {error}")]
    Load {
        /// Which.
        plugin: String,
        /// Why.
        error: LoadError,
    },
}

/// The components of the plugin folder.
#[derive(Default)]
pub struct Shelf {
    plugins: BTreeMap<PluginName, Shelved>,
}

struct Shelved {
    manifest: Manifest,
    wasm: Vec<u8>,
}

/// The plugins that serve under a governance.
pub struct Serving {
    /// By plugin name.
    pub adapters: HashMap<PluginName, Arc<Release>>,
    /// By the policy's name in `policies.toml`.
    pub policies: HashMap<String, Arc<Release>>,
}

impl Shelf {
    /// Reads every `*.wasm` in the folder and its manifest; nothing is compiled.
    pub fn read(dir: &Path) -> Result<Self, ShelfError> {
        let unreadable = |path: &Path, error: std::io::Error| ShelfError::Unreadable {
            path: path.display().to_string(),
            reason: error.to_string(),
        };
        let mut shelf = Self::default();
        let entries = match std::fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(shelf),
            Err(error) => return Err(unreadable(dir, error)),
        };
        for entry in entries {
            let path = entry.map_err(|error| unreadable(dir, error))?.path();
            if path.extension().is_none_or(|extension| extension != "wasm") {
                continue;
            }
            let size = std::fs::metadata(&path).map_err(|error| unreadable(&path, error))?.len();
            if size > COMPONENT_BYTES_MAX {
                return Err(ShelfError::NotAPlugin {
                    path: path.display().to_string(),
                    reason: format!("{size} bytes are too many"),
                });
            }
            let wasm = std::fs::read(&path).map_err(|error| unreadable(&path, error))?;
            let manifest = manifest_of(&wasm)
                .map_err(|reason| ShelfError::NotAPlugin { path: path.display().to_string(), reason })?;
            let name = manifest.name.clone();
            if shelf.plugins.insert(name.clone(), Shelved { manifest, wasm }).is_some() {
                return Err(ShelfError::Twice(name));
            }
        }
        Ok(shelf)
    }

    /// The manifest of a plugin on the shelf.
    pub fn manifest(&self, name: &PluginName) -> Option<&Manifest> {
        self.plugins.get(name).map(|shelved| &shelved.manifest)
    }

    /// SHA-256 of a plugin's component, hexadecimal, as [`Release::digest`] has it.
    pub fn digest(&self, name: &str) -> Option<String> {
        let shelved = self.plugins.get(name)?;
        let digest = digest::digest(&digest::SHA256, &shelved.wasm);
        Some(digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Every manifest, by name.
    pub fn manifests(&self) -> impl Iterator<Item = &Manifest> {
        self.plugins.values().map(|shelved| &shelved.manifest)
    }

    /// Loads what the governance uses: the adapters of its accounts, and each policy with its configuration.
    pub fn load(&self, host: &Host, governance: &Governance, before: Option<&Serving>) -> Result<Serving, ShelfError> {
        let mut serving = Serving { adapters: HashMap::new(), policies: HashMap::new() };
        for account in governance.accounts.values() {
            if serving.adapters.contains_key(&account.adapter) {
                continue;
            }
            let loaded = match before.and_then(|before| before.adapters.get(&account.adapter)) {
                Some(release) => Arc::clone(release),
                None => self.release(host, &account.adapter, &json!({}))?,
            };
            serving.adapters.insert(account.adapter.clone(), loaded);
        }
        for rule in &governance.policies {
            let loaded = match serving.policies.values().find(|release| release.manifest().name == rule.plugin) {
                Some(release) => host
                    .reconfigure(release, &rule.config)
                    .map_err(|error| ShelfError::Load { plugin: rule.plugin.to_string(), error })?,
                None => self.release(host, &rule.plugin, &rule.config)?,
            };
            serving.policies.insert(rule.name.clone(), loaded);
        }
        Ok(serving)
    }

    fn release(&self, host: &Host, name: &PluginName, config: &serde_json::Value) -> Result<Arc<Release>, ShelfError> {
        let shelved = self.plugins.get(name).ok_or_else(|| ShelfError::NotAPlugin {
            path: name.to_string(),
            reason: "there is no such plugin in the plugin folder".into(),
        })?;
        host.load(&shelved.wasm, &PluginGrant::default(), config)
            .map_err(|error| ShelfError::Load { plugin: name.to_string(), error })
    }
}

fn manifest_of(wasm: &[u8]) -> Result<Manifest, String> {
    let section = manifest::extract(wasm)?.ok_or("the component carries no manifest")?;
    Manifest::from_json(section).map_err(|error| error.to_string())
}

impl Catalogue for Shelf {
    fn plugin(&self, name: &PluginName) -> Option<PluginInfo> {
        let manifest = &self.plugins.get(name)?.manifest;
        Some(PluginInfo {
            kind: match manifest.kind {
                manifest::PluginKind::Adapter => GovernedKind::Adapter,
                manifest::PluginKind::Policy => GovernedKind::Policy,
            },
            networks: manifest.networks.clone(),
            config_schema: manifest.config_schema.clone(),
        })
    }

    fn names(&self) -> Vec<PluginName> {
        self.plugins.keys().cloned().collect()
    }
}
