//! Bytes → release: verified, compiled, configured and tried before anybody sees it.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::digest;
use tokio::sync::{Notify, Semaphore};
use wasmparser::{Parser, Payload};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::adapter::Description;
use super::cache::{self, CodeCache, Origin};
use super::code::{Code, LogAllowance, Plugin};
use super::compiler::Compiler;
use super::contract::{advice, range, takes};
use super::convert::answers;
use super::error::{HostError, LoadError, PluginFault, step};
use super::grant::{PluginGrant, Reach};
use super::manifest::{self, Manifest, extract, split};
use super::release::Release;
use super::runtime::{Runtime, Shared};
use super::settings::Settings;
use super::shape::Shape;
use super::vitals::Vitals;
use crate::clock::Clock;
use crate::model::hex::hex;

/// Longest component that is accepted.
pub const COMPONENT_BYTES_MAX: usize = 16 << 20;
const INTERFACES: &str = "pressgate:plugin/";

/// How the host works.
#[derive(Clone)]
pub struct HostOptions {
    /// Folder of the compiled-code cache, which is the gateway's alone (mode 0700) and made where it is missing; without one
    /// each start compiles.
    pub cache_dir: Option<PathBuf>,
    /// Authenticates the cache; from the vault.
    pub cache_key: [u8; 32],
    /// Instances at the same time, over all plugins.
    pub instances_max: u32,
    /// Compiles in a process of its own; without it, in this one.
    pub compiler: Option<Compiler>,
}

/// Loads plugins. One for the process.
pub struct Host {
    plain: Runtime,
    /// Made when the first plugin needs it.
    of_language: OnceLock<Runtime>,
    instances_max: u32,
    shared: Shared,
    cache: Option<CodeCache>,
    compiler: Option<Compiler>,
    clock: Arc<dyn Clock>,
}

impl Host {
    /// Starts the engine and its ticking thread, and opens the cache.
    ///
    /// # Errors
    /// The machine lacks what the engine needs, or the cache's folder is not safe.
    pub fn new(options: HostOptions, clock: Arc<dyn Clock>) -> Result<Arc<Self>, HostError> {
        let instances_max = options.instances_max.max(1);
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let lane = Arc::new(Semaphore::new(threads.saturating_sub(1).max(1)));
        let shared = Shared { lane, failures: Arc::default() };
        let plain = Runtime::plain(instances_max, &shared)?;
        let cache = match &options.cache_dir {
            Some(folder) => Some(CodeCache::open(folder, &options.cache_key, &plain.engine)?),
            None => None,
        };
        Ok(Arc::new(Self {
            plain,
            of_language: OnceLock::new(),
            instances_max,
            shared,
            cache,
            compiler: options.compiler,
            clock,
        }))
    }

    /// A host that only judges plugins, for commands: it keeps no compiled code.
    ///
    /// # Errors
    /// The machine lacks what the engine needs.
    pub fn for_judging(clock: Arc<dyn Clock>) -> Result<Arc<Self>, HostError> {
        Self::for_commands(1, clock)
    }

    /// The same with places for calls that ask the plugin again while they are under way, as `plugin test` makes them.
    ///
    /// # Errors
    /// The machine lacks what the engine needs.
    pub fn for_trying(clock: Arc<dyn Clock>) -> Result<Arc<Self>, HostError> {
        Self::for_commands(4, clock)
    }

    fn for_commands(instances_max: u32, clock: Arc<dyn Clock>) -> Result<Arc<Self>, HostError> {
        Self::new(HostOptions { cache_dir: None, cache_key: [0; 32], instances_max, compiler: None }, clock)
    }

    /// Would [`Self::load`] take this plugin? Everything is tried but a configuration, which nobody has written yet.
    ///
    /// # Errors
    /// The first reason why it is not accepted.
    pub fn judge(&self, wasm: &[u8]) -> Result<Arc<Release>, LoadError> {
        self.prepare(wasm, &PluginGrant::default(), Settings::unset, &mut |_, _| ()).map(|(release, _)| release)
    }

    /// As [`Self::judge`], with what an operator granted, and tells each step that was passed and what was found. The step that was
    /// not is [`LoadError::step`].
    ///
    /// # Errors
    /// The first reason why it is not accepted.
    pub fn try_out(
        &self,
        wasm: &[u8],
        grant: &PluginGrant,
        tell: &mut dyn FnMut(&'static str, String),
    ) -> Result<Arc<Release>, LoadError> {
        self.prepare(wasm, grant, Settings::unset, tell).map(|(release, _)| release)
    }

    /// Told whenever a call of any plugin ended badly.
    pub fn failures(&self) -> &Notify {
        &self.shared.failures
    }

    /// Loads a plugin. Compiles where the cache does not help, so it may take seconds: call it where blocking is allowed.
    ///
    /// # Errors
    /// The first reason why it is not accepted.
    pub fn load(
        &self,
        wasm: &[u8],
        grant: &PluginGrant,
        config: &serde_json::Value,
    ) -> Result<Arc<Release>, LoadError> {
        self.load_telling_origin(wasm, grant, config).map(|(release, _)| release)
    }

    /// As [`Self::load`], and says whether the code came from the cache.
    ///
    /// # Errors
    /// The first reason why it is not accepted.
    pub fn load_telling_origin(
        &self,
        wasm: &[u8],
        grant: &PluginGrant,
        config: &serde_json::Value,
    ) -> Result<(Arc<Release>, Origin), LoadError> {
        self.prepare(wasm, grant, |manifest| Settings::new(manifest, config), &mut |_, _| ())
    }

    fn prepare(
        &self,
        wasm: &[u8],
        grant: &PluginGrant,
        settings: impl FnOnce(&Manifest) -> Result<Settings, LoadError>,
        tell: &mut dyn FnMut(&'static str, String),
    ) -> Result<(Arc<Release>, Origin), LoadError> {
        if wasm.len() > COMPONENT_BYTES_MAX {
            return Err(LoadError::TooLarge { size_bytes: wasm.len(), max_bytes: COMPONENT_BYTES_MAX });
        }
        // From here on there is nothing but what a signature covers: the signature itself is read by nobody.
        let content = split(wasm).map_err(|error| LoadError::NotAComponent(error.to_string()))?.content;
        let json = extract(content).map_err(LoadError::NotAComponent)?.ok_or(LoadError::NoManifest)?;
        let manifest = Manifest::from_json(json)?;
        let digest = hex(digest::digest(&digest::SHA256, wasm).as_ref());
        tell(step::VERIFY, format!("{}, {} bytes, sha256 {digest}", manifest.label(), wasm.len()));
        if !takes(&manifest.wit) {
            let advice = advice(&manifest.wit);
            return Err(LoadError::Contract { wanted: manifest.wit, offered: range(), advice });
        }
        foreign_imports(content)?;
        let shape = Shape::read(content)?;
        shape.is_of(manifest.kind)?;
        tell(step::CONTRACT, format!("contract {}, nothing imported but its interfaces", manifest.wit));
        let settings = Arc::new(settings(&manifest)?);
        tell(step::FIT, shape.fits(&manifest.limits)?);
        let runtime = self.runtime(manifest.runtime)?;
        let (component, origin) =
            self.compiled(&runtime.engine, content, &hex(digest::digest(&digest::SHA256, content).as_ref()))?;
        tell(step::COMPILE, if origin == Origin::Cache { "from the cache" } else { "compiled" }.into());
        component.initialize_copy_on_write_image().map_err(|error| LoadError::Resources(format!("{error:#}")))?;
        let code = Arc::new(Code {
            entry: runtime.entry(manifest.kind, &component)?,
            engine: runtime.engine.clone(),
            bulkhead: Semaphore::new(usize::try_from(manifest.limits.concurrent).unwrap_or(1)),
            warm: runtime.warm(),
            house: Arc::clone(&runtime.house),
            plugin: Arc::new(Plugin {
                label: manifest.label(),
                reach: Reach::new(&manifest, grant),
                clock: Arc::clone(&self.clock),
                log_allowance: LogAllowance::default(),
                manifest,
                digest,
            }),
        });
        let description = described(&code, &settings)?;
        tell(step::INSTANTIATE, "an instance starts".into());
        Ok((Arc::new(Release { code, settings, description, vitals: Vitals::default() }), origin))
    }

    /// The same plugin with another configuration. Compiles nothing, and shares the plugin's bulkhead.
    ///
    /// # Errors
    /// The configuration does not fit.
    pub fn reconfigure(&self, release: &Arc<Release>, config: &serde_json::Value) -> Result<Arc<Release>, LoadError> {
        let settings = Arc::new(Settings::new(&release.code.plugin.manifest, config)?);
        let description = match &release.description {
            Some(_) => described(&release.code, &settings)?,
            None => None,
        };
        Ok(Arc::new(Release { code: Arc::clone(&release.code), settings, description, vitals: Vitals::default() }))
    }

    /// Makes so many instances and throws them away: the first calls find the pool's places warm.
    ///
    /// # Errors
    /// An instance fails.
    pub fn prewarm(&self, release: &Arc<Release>, instances: usize) -> Result<(), LoadError> {
        let code = &release.code;
        (0..instances).try_for_each(|_| described(code, &release.settings).map(drop))?;
        if let Some(warm) = &code.warm {
            warm.refill(code, &release.settings);
        }
        Ok(())
    }

    fn runtime(&self, of: Option<manifest::Runtime>) -> Result<&Runtime, LoadError> {
        match (of, self.of_language.get()) {
            (None, _) => Ok(&self.plain),
            (Some(_), Some(runtime)) => Ok(runtime),
            (Some(_), None) => {
                let runtime = Runtime::of_language(self.instances_max, &self.shared);
                let runtime = runtime.map_err(|error| LoadError::Resources(error.to_string()))?;
                Ok(self.of_language.get_or_init(|| runtime))
            }
        }
    }

    fn compiled(&self, engine: &Engine, wasm: &[u8], digest: &str) -> Result<(Component, Origin), LoadError> {
        if let Some(component) = self.cache.as_ref().and_then(|cache| cache.get(engine, digest)) {
            return Ok((component, Origin::Cache));
        }
        let fault = |error: wasmtime::Error| LoadError::Compile(format!("{error:#}"));
        let component = match &self.compiler {
            Some(compiler) => cache::fresh(engine, &compiler.compile(wasm)?).map_err(fault)?,
            None => Component::from_binary(engine, wasm).map_err(fault)?,
        };
        if let Some(cache) = &self.cache {
            cache.put(&component, digest);
        }
        Ok((component, Origin::Compiler))
    }
}

/// Tries an instance, and lets an adapter say what it is: a bad description is found before anybody needs it.
fn described(code: &Arc<Code>, settings: &Arc<Settings>) -> Result<Option<Arc<Description>>, LoadError> {
    let told = code.trial(settings).map_err(|fault| LoadError::Trial(code.failed(fault)))?;
    let Some(told) = told else { return Ok(None) };
    let description = told.and_then(|told| answers::description(told).map_err(PluginFault::BadAnswer));
    description.map(|description| Some(Arc::new(description))).map_err(|fault| LoadError::Describe(code.failed(fault)))
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}

/// Names an import that is not ours before the engine says it in its own words.
pub(crate) fn foreign_imports(wasm: &[u8]) -> Result<(), LoadError> {
    let fault = |error: wasmparser::BinaryReaderError| LoadError::NotAComponent(error.to_string());
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.map_err(fault)? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    let name = import.map_err(fault)?.name.name;
                    if !name.starts_with(INTERFACES) {
                        return Err(LoadError::Import(name.to_owned()));
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A component that imports one function of that name.
    fn importing(name: &str) -> Vec<u8> {
        let mut section = vec![1, 0, u8::try_from(name.len()).unwrap()];
        section.extend_from_slice(name.as_bytes());
        section.extend_from_slice(&[1, 0]);
        let mut component = b"\0asm\x0d\0\x01\0\x0a".to_vec();
        component.push(u8::try_from(section.len()).unwrap());
        component.append(&mut section);
        component
    }

    #[test]
    fn only_our_interfaces_may_be_imported() {
        assert!(foreign_imports(&importing("pressgate:plugin/log@0.1.0")).is_ok());
        for name in ["wasi:cli/environment@0.2.0", "wasi:http/outgoing-handler@0.2.0", "pressgate:other/log", "env"] {
            let error = foreign_imports(&importing(name)).unwrap_err();
            assert!(matches!(&error, LoadError::Import(import) if import == name), "{error}");
        }
    }
}
