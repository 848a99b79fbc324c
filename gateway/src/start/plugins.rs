//! Plugins at a start: the host that runs them, the folder and the store that they come from, and what serves.

use std::sync::Arc;

use super::{StartError, files};
use crate::{
    clock::Clock,
    config::{Config, Governance},
    host::{Compiler, Host, HostOptions, Registry, Snapshot},
    operator::served,
    plugins::Shelf,
    records::Records,
    releases::{ReleaseStore, Releases, serve},
    trust::{Standing, Trust},
    vault::Vault,
};

/// Plugin instances at once.
const INSTANCES_MAX: u32 = 512;

/// The components of installed releases.
fn open_releases(config: &Config) -> Result<Releases, StartError> {
    let folder = config.releases_dir();
    let trust = Trust::new(&config.plugins);
    ReleaseStore::open(&folder).map(|store| Releases::new(store, trust)).map_err(|error| files(&folder, &error))
}

/// What plugins are loaded from, and for.
pub(super) struct Loading<'a> {
    pub(super) host: &'a Host,
    pub(super) shelf: &'a Shelf,
    pub(super) governance: &'a Governance,
}

impl Loading<'_> {
    /// What serves: what the configuration names, and what operators put in its place. The former is kept as a release too, so that posts
    /// which it began are finished by it whatever lies in the folder later. With what the log says of the former.
    pub(super) async fn routed(
        self,
        config: &Config,
        records: &dyn Records,
        clock: &dyn Clock,
    ) -> Result<(served::Components, Releases, Registry), StartError> {
        let Loading { host, shelf, governance } = self;
        let releases = open_releases(config)?;
        let serving = shelf.load(host, governance, None)?;
        let components = served::components(&serving);
        let mut known = records.releases().await?;
        for release in serving.all() {
            if known.iter().any(|record| record.digest == release.digest())
                && releases.store.get(release.digest()).is_ok()
            {
                continue;
            }
            let Some(component) = shelf.component(&release.manifest().name) else { continue };
            releases.store.put(component).map_err(|error| files(&config.releases_dir(), &error))?;
            let mut record = serve::first(release, component.len(), clock.now());
            let standing = shelf.standing(&release.manifest().name).cloned();
            record.signed_by = standing.map(Standing::signers).unwrap_or_default();
            records.put_release(record.clone()).await?;
            known.push(record);
        }
        let (routing, bound) = (records.routing().await?, records.bound_releases().await?);
        let parts = serve::Parts {
            host,
            releases: &releases,
            records: &known,
            governance,
            before: &Snapshot::default(),
            loaded: &[],
            bound: &bound,
        };
        let built = parts.build(serving, &routing);
        for note in &built.notes {
            tracing::error!("{note}");
        }
        let registry = Registry::default();
        registry.replace(built.snapshot);
        Ok((components, releases, registry))
    }
}

/// The components in the plugin folder.
pub(super) fn shelf(config: &Config) -> Result<Shelf, StartError> {
    let trust = Trust::new(&config.plugins);
    if let Some(warning) = trust.warning() {
        tracing::warn!("{warning}");
    }
    let shelf = Shelf::read(&config.plugins.dir, &trust)?;
    for stray in shelf.strays() {
        let what = if stray.untrusted { "plugin refused" } else { "no plugin" };
        tracing::warn!(file = stray.path, "{what}: {}", stray.reason);
    }
    Ok(shelf)
}

/// The plugin host of a data folder.
pub fn host(config: &Config, vault: &Vault, clock: &Arc<dyn Clock>) -> Result<Arc<Host>, StartError> {
    host_with(Some(config.plugin_cache_dir()), compiler(config), vault, clock)
}

/// A plugin host that keeps nothing.
pub fn host_without_cache(vault: &Vault, clock: &Arc<dyn Clock>) -> Result<Arc<Host>, StartError> {
    host_with(None, None, vault, clock)
}

fn host_with(
    cache_dir: Option<std::path::PathBuf>,
    compiler: Option<Compiler>,
    vault: &Vault,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<Host>, StartError> {
    let cache_key = *vault.derive("plugin-cache").as_bytes();
    let options = HostOptions { cache_dir, cache_key, instances_max: INSTANCES_MAX, compiler };
    Host::new(options, Arc::clone(clock)).map_err(|error| StartError::Other(error.to_string()))
}

/// Plugins are compiled by a child of this program, where this is the program: tests run the gateway within themselves.
fn compiler(config: &Config) -> Option<Compiler> {
    let program = std::env::current_exe().ok()?;
    let is_ours = program.file_name().is_some_and(|name| name == env!("CARGO_PKG_NAME"));
    is_ours.then_some(Compiler {
        program,
        wall_ms_max: config.plugins.compile_ms_max,
        memory_bytes_max: config.plugins.compile_bytes_max,
    })
}
