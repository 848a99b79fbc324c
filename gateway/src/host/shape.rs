//! What a component is made of, read before anything is compiled: does it export what its kind must, and can the host give an
//! instance what it needs?

use wasmparser::{Instance, Parser, Payload};

use super::engine::{CORE_INSTANCES_PER_COMPONENT, TABLE_ELEMENTS};
use super::error::LoadError;
use super::{
    contract::{CONTRACT, takes},
    manifest::{Limits, PluginKind},
};

/// The interface that policies do not get.
const NETWORK: &str = "pressgate:plugin/http@";
/// The interface that connectors do not get.
const MEDIA: &str = "pressgate:plugin/media@";

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Shape {
    imports: Vec<String>,
    exports: Vec<String>,
    memories: u32,
    memory_bytes: u64,
    tables: u32,
    table_elements: u64,
    instances: u32,
    functions: u32,
}

impl Shape {
    /// Reads the whole component.
    ///
    /// # Errors
    /// It is not whole.
    pub(super) fn read(wasm: &[u8]) -> Result<Self, LoadError> {
        let fault = |error: wasmparser::BinaryReaderError| LoadError::NotAComponent(error.to_string());
        let mut shape = Self::default();
        let mut depth = 0_u32;
        for payload in Parser::new(0).parse_all(wasm) {
            match payload.map_err(fault)? {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 0 => {
                    for import in section {
                        shape.imports.push(import.map_err(fault)?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) if depth == 0 => {
                    for export in section {
                        shape.exports.push(export.map_err(fault)?.name.name.to_owned());
                    }
                }
                Payload::InstanceSection(section) => {
                    for instance in section {
                        let made = matches!(instance.map_err(fault)?, Instance::Instantiate { .. });
                        shape.instances = shape.instances.saturating_add(u32::from(made));
                    }
                }
                Payload::MemorySection(section) => {
                    for memory in section {
                        let memory = memory.map_err(fault)?;
                        let page_bytes = 1_u64 << memory.page_size_log2.unwrap_or(16).min(16);
                        shape.memories = shape.memories.saturating_add(1);
                        shape.memory_bytes =
                            shape.memory_bytes.saturating_add(memory.initial.saturating_mul(page_bytes));
                    }
                }
                Payload::TableSection(section) => {
                    for table in section {
                        shape.tables = shape.tables.saturating_add(1);
                        shape.table_elements = shape.table_elements.max(table.map_err(fault)?.ty.initial);
                    }
                }
                Payload::FunctionSection(section) => shape.functions = shape.functions.saturating_add(section.count()),
                _ => {}
            }
        }
        Ok(shape)
    }

    /// Does it export what a plugin of its kind must? The types are looked at when it is compiled.
    pub(super) fn is_of(&self, kind: PluginKind) -> Result<(), LoadError> {
        let interface = match kind {
            PluginKind::Adapter => "adapter-api",
            PluginKind::Policy => "policy-api",
            PluginKind::Connector => "connector-api",
        };
        let network = self.imports.iter().find(|import| import.starts_with(NETWORK));
        if let (PluginKind::Policy, Some(network)) = (kind, network) {
            return Err(LoadError::World(format!("it imports `{network}`, which a policy does not get")));
        }
        let media = self.imports.iter().find(|import| import.starts_with(MEDIA));
        if let (PluginKind::Connector, Some(media)) = (kind, media) {
            return Err(LoadError::World(format!("it imports `{media}`, which a connector does not get")));
        }
        let known = format!("pressgate:plugin/{interface}@");
        if self.exports.iter().any(|export| export.strip_prefix(&known).is_some_and(takes)) {
            return Ok(());
        }
        let wanted = format!("{known}{CONTRACT}");
        let found = if self.exports.is_empty() { "nothing".to_owned() } else { self.exports.join(", ") };
        Err(LoadError::World(format!("it does not export `{wanted}` (it exports {found})")))
    }

    /// Can an instance have what it needs at its start? Says in a few words what that is.
    pub(super) fn fits(&self, limits: &Limits) -> Result<String, LoadError> {
        let fault = |what: String| Err(LoadError::Resources(what));
        if self.memories > 1 {
            return fault(format!("it has {} memories; one is given", self.memories));
        }
        if self.memory_bytes > limits.memory_bytes as u64 {
            return fault(format!(
                "it starts with {} bytes of memory; its manifest and the host allow {}",
                self.memory_bytes, limits.memory_bytes
            ));
        }
        if self.tables > CORE_INSTANCES_PER_COMPONENT || self.table_elements > TABLE_ELEMENTS as u64 {
            return fault(format!(
                "it has {} tables, the longest of {} elements; {CORE_INSTANCES_PER_COMPONENT} of {TABLE_ELEMENTS} are given",
                self.tables, self.table_elements
            ));
        }
        if self.instances > CORE_INSTANCES_PER_COMPONENT {
            return fault(format!(
                "it is made of {} core instances; {CORE_INSTANCES_PER_COMPONENT} are given",
                self.instances
            ));
        }
        Ok(format!("{} bytes of memory at the start, {} functions", self.memory_bytes, self.functions))
    }
}
