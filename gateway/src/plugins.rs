//! The shelf of plugins: the components in the plugin folder, and which of them serve under a governance.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::Arc,
};

use aws_lc_rs::digest;
use serde_json::json;

use crate::{
    config::{Catalogue, Governance, PluginInfo, PluginKind as GovernedKind},
    host::{COMPONENT_BYTES_MAX, Host, LoadError, Manifest, PluginGrant, Release, Snapshot, manifest},
    model::PluginName,
    trust::{Standing, Trust, TrustError},
};

const REBUILD: &str = "build it with `pressgate plugin build`";

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
    #[error("{one} and {other} both carry the plugin `{name}`; take one of them out of the folder")]
    Twice {
        /// The plugin.
        name: PluginName,
        /// A file.
        one: String,
        /// Another file.
        other: String,
    },
    /// It can't be loaded.
    #[error("the plugin `{plugin}` can't be loaded: {error}")]
    Load {
        /// Which.
        plugin: String,
        /// Why.
        error: LoadError,
    },
}

/// The components of the plugin folder, as they were when it was read.
#[derive(Default)]
pub struct Shelf {
    dir: PathBuf,
    trust: Trust,
    plugins: BTreeMap<PluginName, Shelved>,
    strays: Vec<Stray>,
}

/// A `*.wasm` in the plugin folder that is no plugin. It is in nobody's way, unless the governance names a plugin of its name.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Stray {
    /// Which.
    pub path: String,
    /// Why.
    pub reason: String,
    /// It may be a plugin, and may not run here.
    pub untrusted: bool,
}

impl Stray {
    /// For a line of its own.
    pub fn told(&self) -> String {
        format!("{}: {self}", if self.untrusted { "plugin refused" } else { "no plugin" })
    }
}

impl std::fmt::Display for Stray {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path, self.reason)
    }
}

struct Shelved {
    path: String,
    manifest: Manifest,
    standing: Standing,
    wasm: Vec<u8>,
}

/// The plugins that the configuration names, under a governance.
#[derive(Default)]
pub struct Serving {
    /// By plugin name.
    pub adapters: HashMap<PluginName, Arc<Release>>,
    /// By the policy's name in `policies.toml`.
    pub policies: HashMap<String, Arc<Release>>,
    /// By the connector's name in `connectors.toml`.
    pub connectors: HashMap<String, Arc<Release>>,
}

impl Serving {
    /// What the configuration names of what serves now.
    pub fn of(snapshot: &Snapshot) -> Self {
        let Snapshot { adapters, policies, connectors, .. } = snapshot;
        Self { adapters: adapters.clone(), policies: policies.clone(), connectors: connectors.clone() }
    }

    /// Every release, those of accounts first.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Release>> {
        self.adapters.values().chain(self.policies.values()).chain(self.connectors.values())
    }
}

impl Shelf {
    /// Reads every `*.wasm` in the folder, its signatures and its manifest; nothing is compiled. What is not trusted is a stray. A missing
    /// folder is an empty one.
    ///
    /// # Errors
    /// The folder can't be read, or two files carry plugins of one name.
    pub fn read(dir: &Path, trust: &Trust) -> Result<Self, ShelfError> {
        let unreadable = |path: &Path, error: std::io::Error| ShelfError::Unreadable {
            path: path.display().to_string(),
            reason: error.to_string(),
        };
        let mut shelf = Self { dir: dir.to_owned(), trust: trust.clone(), ..Self::default() };
        let entries = match std::fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(shelf),
            Err(error) => return Err(unreadable(dir, error)),
        };
        let mut paths = Vec::new();
        for entry in entries {
            paths.push(entry.map_err(|error| unreadable(dir, error))?.path());
        }
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "wasm"));
        paths.sort_unstable();
        for path in paths {
            let shown = path.display().to_string();
            match Shelved::read(&path, trust) {
                Ok(shelved) => {
                    let name = shelved.manifest.name.clone();
                    if let Some(before) = shelf.plugins.insert(name.clone(), shelved) {
                        return Err(ShelfError::Twice { name, one: before.path, other: shown });
                    }
                }
                Err((reason, untrusted)) => shelf.strays.push(Stray { path: shown, reason, untrusted }),
            }
        }
        Ok(shelf)
    }

    /// The files that are no plugins.
    pub fn strays(&self) -> &[Stray] {
        &self.strays
    }

    /// Where the plugin was read from.
    pub fn path(&self, name: &PluginName) -> Option<&str> {
        self.plugins.get(name).map(|shelved| shelved.path.as_str())
    }

    /// Would the gateway load this plugin? For who has no configuration for it.
    ///
    /// # Errors
    /// Why not.
    pub fn judge(&self, host: &Host, name: &PluginName) -> Result<(), ShelfError> {
        let shelved = self.shelved(name)?;
        host.judge(&shelved.wasm)
            .map(drop)
            .map_err(|error| ShelfError::Load { plugin: format!("{name} ({})", shelved.path), error })
    }

    /// Who vouches for a plugin on the shelf.
    pub fn standing(&self, name: &PluginName) -> Option<&Standing> {
        self.plugins.get(name).map(|shelved| &shelved.standing)
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

    /// A plugin's component.
    pub fn component(&self, name: &PluginName) -> Option<&[u8]> {
        self.plugins.get(name).map(|shelved| shelved.wasm.as_slice())
    }

    /// Every manifest, by name.
    pub fn manifests(&self) -> impl Iterator<Item = &Manifest> {
        self.plugins.values().map(|shelved| &shelved.manifest)
    }

    /// Loads what the governance uses: the adapters of its accounts, and each policy with its configuration.
    pub fn load(&self, host: &Host, governance: &Governance, before: Option<&Serving>) -> Result<Serving, ShelfError> {
        let mut serving = Serving::default();
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
            let known = before.and_then(|before| before.policies.get(&rule.name));
            let others = before.into_iter().flat_map(|before| before.policies.values());
            let others = others.chain(serving.policies.values());
            let loaded = self.configured(host, &rule.plugin, &rule.config, known, others)?;
            serving.policies.insert(rule.name.clone(), loaded);
        }
        for connector in governance.connectors.values() {
            let known = before.and_then(|before| before.connectors.get(&connector.id));
            let others = before.into_iter().flat_map(|before| before.connectors.values());
            let others = others.chain(serving.connectors.values());
            let loaded = self.configured(host, &connector.plugin, &connector.config, known, others)?;
            serving.connectors.insert(connector.id.clone(), loaded);
        }
        Ok(serving)
    }

    /// A plugin with a configuration. Nothing is compiled where one of it is loaded, and nothing is changed where `known` is the same.
    fn configured<'a>(
        &self,
        host: &Host,
        plugin: &PluginName,
        config: &serde_json::Value,
        known: Option<&'a Arc<Release>>,
        others: impl Iterator<Item = &'a Arc<Release>>,
    ) -> Result<Arc<Release>, ShelfError> {
        let mut of_plugin = known.into_iter().chain(others).filter(|release| release.manifest().name == *plugin);
        let Some(release) = of_plugin.next() else { return self.release(host, plugin, config) };
        let fitted = host.reconfigure(release, config);
        let fitted = fitted.map_err(|error| ShelfError::Load { plugin: plugin.to_string(), error })?;
        let same =
            known.filter(|known| known.digest() == fitted.digest() && known.config_digest() == fitted.config_digest());
        Ok(same.map_or(fitted, Arc::clone))
    }

    fn release(&self, host: &Host, name: &PluginName, config: &serde_json::Value) -> Result<Arc<Release>, ShelfError> {
        let shelved = self.shelved(name)?;
        host.load(&shelved.wasm, &PluginGrant::default(), config)
            .map_err(|error| ShelfError::Load { plugin: name.to_string(), error })
    }

    fn shelved(&self, name: &PluginName) -> Result<&Shelved, ShelfError> {
        self.plugins.get(name).ok_or_else(|| ShelfError::NotAPlugin {
            path: name.to_string(),
            reason: "there is no such plugin in the plugin folder".into(),
        })
    }
}

impl Shelved {
    /// Reads one file, or says why it is no plugin, or none that may run here.
    fn read(path: &Path, trust: &Trust) -> Result<Self, (String, bool)> {
        let wasm = Self::bytes(path).map_err(|reason| (reason, false))?;
        // Before anything else of it is read.
        let standing = trust.judge(&wasm).map_err(|error| {
            let untrusted = !matches!(error, TrustError::NotAComponent(_));
            (Self::refused(error), untrusted)
        })?;
        let manifest = Self::described(&wasm).map_err(|reason| (reason, false))?;
        Ok(Self { path: path.display().to_string(), manifest, standing, wasm })
    }

    fn refused(error: TrustError) -> String {
        match error {
            TrustError::NotAComponent(why) => format!("not a whole WebAssembly component ({why}); {REBUILD}"),
            other => other.to_string(),
        }
    }

    fn bytes(path: &Path) -> Result<Vec<u8>, String> {
        let facts = std::fs::metadata(path).map_err(|error| error.to_string())?;
        if !facts.is_file() {
            return Err("not a file".into());
        }
        if facts.len() > COMPONENT_BYTES_MAX as u64 {
            return Err(format!("{} bytes; a plugin has at most {COMPONENT_BYTES_MAX}", facts.len()));
        }
        std::fs::read(path).map_err(|error| error.to_string())
    }

    fn described(wasm: &[u8]) -> Result<Manifest, String> {
        let section = manifest::extract(wasm)
            .map_err(|reason| format!("not a whole WebAssembly component ({reason}); {REBUILD}"))?
            .ok_or_else(|| format!("the component carries no manifest; {REBUILD}"))?;
        Manifest::from_json(section).map_err(|error| format!("its manifest: {error}"))
    }
}

impl Catalogue for Shelf {
    fn plugin(&self, name: &PluginName) -> Option<PluginInfo> {
        let manifest = &self.plugins.get(name)?.manifest;
        Some(PluginInfo {
            kind: match manifest.kind {
                manifest::PluginKind::Adapter => GovernedKind::Adapter,
                manifest::PluginKind::Policy => GovernedKind::Policy,
                manifest::PluginKind::Connector => GovernedKind::Connector,
            },
            networks: manifest.networks.clone(),
            config_schema: manifest.config_schema.clone(),
        })
    }

    fn names(&self) -> Vec<PluginName> {
        self.plugins.keys().cloned().collect()
    }

    fn absence(&self, name: &PluginName) -> String {
        let of_this_name =
            |stray: &&Stray| Path::new(&stray.path).file_stem().is_some_and(|stem| stem == name.as_str());
        if let Some(stray) = self.strays.iter().find(of_this_name) {
            return format!("; {stray}");
        }
        // Plugins are read when a gateway starts: there may be more in the folder by now.
        let now = Self::read(&self.dir, &self.trust).unwrap_or_default();
        match now.plugins.get(name) {
            Some(shelved) => format!("; {} was added after the gateway had started: restart it", shelved.path),
            None if self.dir.as_os_str().is_empty() => String::new(),
            None => format!("; put {name}.wasm into {} (and restart the gateway, where one runs)", self.dir.display()),
        }
    }
}
