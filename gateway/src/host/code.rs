//! A compiled plugin, ready to be instantiated, shared by all its configurations.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tracing::Instrument;
use wasmtime::{Engine, Store, Trap, UpdateDeadline};

use super::bindings::adapter_api;
use super::entry::{Entry, Ready};
use super::error::{PluginError, PluginFault};
use super::grant::Reach;
use super::imports::{CallState, CallWorld, HostFailed};
use super::manifest::Manifest;
use super::meter::{Meter, Tick};
use super::settings::Settings;
use super::usage::Usage;
use super::warm::Warm;
use crate::clock::Clock;
use crate::telemetry::spans;

/// How long a call waits for its turn before it is told to come back.
const QUEUE_MS_MAX: u64 = 1_000;
/// When a call that was turned away should come back.
const RETRY_AFTER_MS: u64 = 1_000;
/// Live handles of an instance. The contract has no resources.
const HANDLES_MAX: usize = 64;
/// Lines that one plugin may log in a second, over all calls.
pub(super) const LOG_LINES_PER_S: u64 = 100;

/// What a compiled plugin needs to run.
pub(super) struct Code {
    pub(super) plugin: Arc<Plugin>,
    pub(super) entry: Entry,
    pub(super) engine: Engine,
    /// Calls of this plugin at the same time.
    pub(super) bulkhead: Semaphore,
    /// Instances that are ready; none where making one costs next to nothing.
    pub(super) warm: Option<Warm>,
    pub(super) house: Arc<House>,
}

/// What a call sees of its plugin.
pub(super) struct Plugin {
    pub(super) manifest: Manifest,
    pub(super) label: String,
    pub(super) digest: String,
    pub(super) reach: Reach,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) log_allowance: LogAllowance,
}

/// What all plugins of an engine share.
pub(super) struct House {
    /// Instances at the same time.
    pub(super) instances: Semaphore,
    /// Trial instances are made one at a time.
    pub(super) trials: Mutex<()>,
    /// Turns of guests that compute for long; the same for all engines.
    pub(super) lane: Arc<Semaphore>,
    /// Told whenever a call of any plugin ended badly; the same for all engines.
    pub(super) failures: Arc<Notify>,
}

/// What an adapter said of itself, or how it failed to.
pub(super) type Described = Result<adapter_api::Description, PluginFault>;

/// Why the host itself stopped a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Stopped {
    #[error("the guest's computing time is spent")]
    CpuBudget,
}

impl Code {
    /// Runs `call` in a fresh store and gives back what it left there. Nothing of the store survives a failure.
    pub(super) async fn run<T>(
        self: &Arc<Self>,
        settings: &Arc<Settings>,
        (function, usage): (&'static str, &Usage),
        world: CallWorld,
        call: impl AsyncFnOnce(&mut Ready, &Entry) -> wasmtime::Result<T>,
    ) -> Result<(T, CallState), PluginError> {
        let Plugin { manifest: Manifest { name, version, .. }, digest, .. } = &*self.plugin;
        let span = spans::guest(name.as_str(), version, digest, function);
        let ended = self.run_in(settings, usage, world, call).instrument(span.clone()).await;
        ended.inspect_err(|error| spans::failed(&span, error.fault.word()))
    }

    async fn run_in<T>(
        self: &Arc<Self>,
        settings: &Arc<Settings>,
        usage: &Usage,
        world: CallWorld,
        call: impl AsyncFnOnce(&mut Ready, &Entry) -> wasmtime::Result<T>,
    ) -> Result<(T, CallState), PluginError> {
        let _places = self.enter().await?;
        let limits = &self.plugin.manifest.limits;
        let meter = Arc::new(Meter::new(limits.guest_ms, Arc::clone(&self.house.lane)));
        let mut ready = self.ready(settings, &meter, world);
        let ended = meter.run(Duration::from_millis(limits.wall_ms), call(&mut ready, &self.entry)).await;
        let state = ready.store.data();
        state.tell_dropped_lines();
        usage.add(&state.used());
        match ended {
            Ok(Ok(output)) => Ok((output, ready.store.into_data())),
            Ok(Err(error)) => Err(self.failed(self.fault(&error, state))),
            Err(_) => Err(self.failed(PluginFault::WallDeadline { deadline_ms: limits.wall_ms })),
        }
    }

    /// A failure of this plugin.
    pub(super) fn failed(&self, fault: PluginFault) -> PluginError {
        PluginError { plugin: self.plugin.label.clone(), fault }
    }

    async fn enter(&self) -> Result<(SemaphorePermit<'_>, SemaphorePermit<'_>), PluginError> {
        if let (Ok(own), Ok(shared)) = (self.bulkhead.try_acquire(), self.house.instances.try_acquire()) {
            return Ok((own, shared));
        }
        let both = async { Some((self.bulkhead.acquire().await.ok()?, self.house.instances.acquire().await.ok()?)) };
        match tokio::time::timeout(Duration::from_millis(QUEUE_MS_MAX), both).await {
            Ok(Some(places)) => Ok(places),
            _ => Err(self.failed(PluginFault::Busy { retry_after_ms: RETRY_AFTER_MS })),
        }
    }

    /// A store for this call: one that is kept ready, or a new one.
    fn ready(self: &Arc<Self>, settings: &Arc<Settings>, meter: &Arc<Meter>, world: CallWorld) -> Ready {
        let Some(warm) = &self.warm else {
            return Ready { store: self.store(settings, meter, world), instance: None };
        };
        let taken = warm.take();
        warm.refill(self, settings);
        let Some(mut ready) = taken else {
            return Ready { store: self.store(settings, meter, world), instance: None };
        };
        ready.store.data_mut().begin(Arc::clone(settings), Arc::clone(meter), world);
        ready.store.set_epoch_deadline(1);
        ready
    }

    pub(super) fn store(
        self: &Arc<Self>,
        settings: &Arc<Settings>,
        meter: &Arc<Meter>,
        world: CallWorld,
    ) -> Store<CallState> {
        let state = CallState::new(Arc::clone(&self.plugin), Arc::clone(settings), Arc::clone(meter), world);
        let mut store = Store::new(&self.engine, state);
        store.limiter(|state| &mut state.memory);
        store.set_hostcall_fuel(self.plugin.manifest.limits.host_call_bytes);
        store.set_max_component_handles(HANDLES_MAX);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|store| {
            let meter = &store.data().meter;
            match meter.tick() {
                Tick::GoOn => Ok(UpdateDeadline::Continue(1)),
                Tick::GiveWay => Ok(UpdateDeadline::YieldCustom(1, meter.give_way())),
                Tick::Stop => Err(wasmtime::Error::new(Stopped::CpuBudget)),
            }
        });
        store
    }

    /// One instance that is thrown away: shows that the exports have the right types and that starting works. An adapter's is
    /// asked what it is; its answer is not checked yet. Needs no runtime.
    pub(super) fn trial(self: &Arc<Self>, settings: &Arc<Settings>) -> Result<Option<Described>, PluginFault> {
        let _alone = self.house.trials.lock().unwrap_or_else(PoisonError::into_inner);
        let meter = Arc::new(Meter::new(self.plugin.manifest.limits.guest_ms, Arc::new(Semaphore::new(1))));
        let mut store = self.store(settings, &meter, CallWorld::pure(super::MediaFiles::none()));
        let instantiate = async {
            match &self.entry {
                Entry::Adapter(pre, _) => {
                    let adapter = pre.instantiate_async(&mut store).await?;
                    Ok(Some(adapter.pressgate_plugin_adapter_api().call_describe(&mut store).await))
                }
                Entry::Policy(pre, _) => pre.instantiate_async(&mut store).await.map(|_| None),
                Entry::Connector(pre, _) => pre.instantiate_async(&mut store).await.map(|_| None),
            }
        };
        let told: wasmtime::Result<Option<wasmtime::Result<_>>> = meter.run_here(instantiate);
        let told = told.map_err(|error| self.fault(&error, store.data()))?;
        Ok(told.map(|told| told.map_err(|error| self.fault(&error, store.data()))))
    }

    /// Names what ended a call.
    fn fault(&self, error: &wasmtime::Error, state: &CallState) -> PluginFault {
        let limits = &self.plugin.manifest.limits;
        if error.downcast_ref::<Stopped>() == Some(&Stopped::CpuBudget) {
            return PluginFault::CpuBudget { budget_ms: limits.guest_ms };
        }
        if let Some(failed) = error.downcast_ref::<HostFailed>() {
            return PluginFault::Internal(failed.to_string());
        }
        // The engine's error has no public type; its text is pinned by a test.
        if format!("{:#}", error.root_cause()).contains("too much data") {
            return PluginFault::HostCallBytes { limit_bytes: limits.host_call_bytes };
        }
        if state.memory.was_refused() {
            return PluginFault::Memory { limit_bytes: state.memory.limit_bytes() };
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::UnreachableCodeReached) => PluginFault::Trapped { reason: "it panicked".into() },
            Some(trap) => PluginFault::Trapped { reason: trap.to_string() },
            None => PluginFault::Trapped { reason: error.root_cause().to_string() },
        }
    }
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Code")
            .field("label", &self.plugin.label)
            .field("digest", &self.plugin.digest)
            .finish_non_exhaustive()
    }
}

/// A number of log lines for each second.
#[derive(Debug, Default)]
pub(super) struct LogAllowance {
    second: AtomicU64,
    lines: AtomicU64,
    dropped: AtomicU64,
    told: AtomicU64,
}

impl LogAllowance {
    /// Takes one line of this second's allowance.
    pub(super) fn take(&self) -> bool {
        let second = second();
        if self.second.swap(second, Relaxed) != second {
            self.lines.store(0, Relaxed);
        }
        self.lines.fetch_add(1, Relaxed) < LOG_LINES_PER_S
    }

    /// Counts lines that a call lost. Once a second it answers how many were lost since it last did, to be told; what is not
    /// told yet waits for the next loss.
    pub(super) fn dropped(&self, lines: u32) -> Option<u64> {
        self.dropped.fetch_add(u64::from(lines), Relaxed);
        // The first second of a machine's life may be 0.
        let second = second().saturating_add(1);
        (self.told.swap(second, Relaxed) != second).then(|| self.dropped.swap(0, Relaxed)).filter(|lines| *lines > 0)
    }
}

fn second() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::MonotonicCoarse);
    u64::try_from(now.tv_sec).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_lines_are_told_once_a_second_and_none_is_forgotten() {
        let allowance = LogAllowance::default();
        let mut told = Vec::new();
        let mut lost = 0;
        while told.len() < 2 {
            lost += 3;
            told.extend(allowance.dropped(3));
        }
        assert_eq!((told[0], told.iter().sum::<u64>()), (3, lost), "{told:?}");
    }
}
