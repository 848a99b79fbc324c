//! The engine: settings, the pool of instances, and the thread that ticks.

use std::thread;
use std::time::Duration;

use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, ModuleVersionStrategy, PoolingAllocationConfig,
    WasmBacktraceDetails,
};

use super::error::HostError;
use super::{contract::CONTRACT, manifest::Limits};

/// Time between two ticks: a guest that computes longer than that is looked at, and gives way to others.
pub(super) const TICK_MS: u64 = 2;
/// Stack of a guest.
const STACK_BYTES: usize = 512 << 10;
/// The same for a guest that runs an interpreter, whose every call is several of its own.
const LANGUAGE_STACK_BYTES: usize = 1 << 20;
/// What host functions need above the guest's.
const HOST_STACK_BYTES: usize = 3 << 19;
/// Up to this size a used memory or table is wiped in place, which costs no system call that stops other threads.
const KEEP_RESIDENT_BYTES: usize = 1 << 20;
/// A component is its own module and two small ones that the encoder adds; each has a table.
pub(super) const CORE_INSTANCES_PER_COMPONENT: u32 = 4;
/// For trial instances, which do not queue with calls.
const SPARE_INSTANCES: u32 = 1;
pub(super) const TABLE_ELEMENTS: usize = 20_000;
/// The engine's exact version and what of the host's own making compiled code depends on. A compiled component of any other
/// is not loaded.
const CODE_VERSION: &str = "wasmtime 48.0.8, pressgate host 1, contract ";

/// How an engine holds instances. Compiled code does not depend on it.
pub(super) struct Pool {
    instances_max: u32,
    stack_bytes: usize,
}

impl Pool {
    /// For plugins that are their own code.
    pub(super) fn plain(instances_max: u32) -> Self {
        Self { instances_max, stack_bytes: STACK_BYTES }
    }

    /// For plugins that carry the engine of a language.
    pub(super) fn of_language(instances_max: u32) -> Self {
        Self { instances_max, stack_bytes: LANGUAGE_STACK_BYTES }
    }
}

/// Starts an engine.
///
/// # Errors
/// This machine lacks what the settings need.
pub(super) fn start(of: Pool) -> Result<Engine, HostError> {
    let fault = |error: wasmtime::Error| HostError::Engine(format!("{error:#}"));
    let mut config = Config::new();
    config
        .concurrency_support(false)
        .epoch_interruption(true)
        .max_wasm_stack(of.stack_bytes)
        .async_stack_size(of.stack_bytes + HOST_STACK_BYTES)
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .wasm_memory64(false)
        .wasm_relaxed_simd(false)
        .cranelift_nan_canonicalization(true)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(of.instances_max)));
    config.module_version(ModuleVersionStrategy::Custom(format!("{CODE_VERSION}{CONTRACT}"))).map_err(fault)?;
    let engine = Engine::new(&config).map_err(fault)?;
    tick(&engine)?;
    Ok(engine)
}

fn pool(instances_max: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    let instances_max = instances_max.saturating_add(SPARE_INSTANCES);
    let core_instances = instances_max.saturating_mul(CORE_INSTANCES_PER_COMPONENT);
    pool.total_component_instances(instances_max)
        .total_core_instances(core_instances)
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT)
        .total_memories(instances_max)
        .max_memories_per_component(1)
        .max_memory_size(Limits::CEILING.memory_bytes)
        .total_tables(core_instances)
        .max_tables_per_component(CORE_INSTANCES_PER_COMPONENT)
        .table_elements(TABLE_ELEMENTS)
        .total_stacks(instances_max)
        .max_unused_warm_slots(instances_max)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(KEEP_RESIDENT_BYTES)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// Ticks until the engine is gone.
fn tick(engine: &Engine) -> Result<(), HostError> {
    let engine = engine.weak();
    let ticker = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(Duration::from_millis(TICK_MS));
        }
    };
    thread::Builder::new()
        .name("plugin-ticks".into())
        .spawn(ticker)
        .map(drop)
        .map_err(|error| HostError::Engine(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The engine's own version string tells only the major version, so the exact one stands in the source.
    #[test]
    fn the_code_version_names_the_engine_that_is_linked() {
        let lock = include_str!("../../../Cargo.lock");
        let (_, after) = lock.split_once("name = \"wasmtime\"\nversion = \"").unwrap();
        let version = after.split('"').next().unwrap();
        assert!(CODE_VERSION.starts_with(&format!("wasmtime {version},")), "{version}");
    }
}
