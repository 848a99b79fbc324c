//! An engine with what its plugins are linked against. Plugins that carry the engine of a language have one of their own: its pool has
//! places for instances that wait ready, and theirs is a longer stack.

use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, Semaphore};
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

use super::code::House;
use super::engine::{self, Pool};
use super::entry::Entry;
use super::error::{HostError, LoadError};
use super::imports::{self, CallState};
use super::manifest::PluginKind;
use super::warm::{Places, Warm};

/// Instances that wait ready, over all plugins.
const READY_MAX: u32 = 64;

/// What calls of all engines share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) lane: Arc<Semaphore>,
    pub(super) failures: Arc<Notify>,
}

/// An engine with its linkers.
pub(super) struct Runtime {
    pub(super) engine: Engine,
    pub(super) house: Arc<House>,
    adapters: Linker<CallState>,
    policies: Linker<CallState>,
    connectors: Linker<CallState>,
    places: Option<Arc<Places>>,
}

impl Runtime {
    /// For components that are their own code.
    ///
    /// # Errors
    /// The machine lacks what the engine needs.
    pub(super) fn plain(instances_max: u32, shared: &Shared) -> Result<Self, HostError> {
        Self::new(Pool::plain(instances_max), instances_max, shared, None)
    }

    /// For components that carry the engine of a language.
    ///
    /// # Errors
    /// The machine lacks what the engine needs.
    pub(super) fn of_language(instances_max: u32, shared: &Shared) -> Result<Self, HostError> {
        let places = Places::new(usize::try_from(READY_MAX).unwrap_or(0));
        Self::new(Pool::of_language(instances_max.saturating_add(READY_MAX)), instances_max, shared, Some(places))
    }

    fn new(pool: Pool, instances_max: u32, shared: &Shared, places: Option<Arc<Places>>) -> Result<Self, HostError> {
        let engine = engine::start(pool)?;
        let fault = |error: wasmtime::Error| HostError::Engine(format!("{error:#}"));
        Ok(Self {
            adapters: imports::adapter_linker(&engine).map_err(fault)?,
            policies: imports::policy_linker(&engine).map_err(fault)?,
            connectors: imports::connector_linker(&engine).map_err(fault)?,
            house: Arc::new(House {
                instances: Semaphore::new(usize::try_from(instances_max).unwrap_or(1)),
                trials: Mutex::new(()),
                lane: Arc::clone(&shared.lane),
                failures: Arc::clone(&shared.failures),
            }),
            engine,
            places,
        })
    }

    /// Where instances of one plugin wait.
    pub(super) fn warm(&self) -> Option<Warm> {
        self.places.as_ref().map(Warm::new)
    }

    /// Links a component.
    ///
    /// # Errors
    /// It is not of the world of its kind.
    pub(super) fn entry(&self, kind: PluginKind, component: &Component) -> Result<Entry, LoadError> {
        let (linker, make): (_, fn(_) -> _) = match kind {
            PluginKind::Adapter => (&self.adapters, Entry::adapter),
            PluginKind::Connector => (&self.connectors, Entry::connector),
            PluginKind::Policy => (&self.policies, Entry::policy),
        };
        linker.instantiate_pre(component).and_then(make).map_err(|error| LoadError::World(format!("{error:#}")))
    }
}
