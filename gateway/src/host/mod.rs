//! The plugin host: wasm components, each call in a fresh isolated instance.
//!
//! A plugin's bytes become a [`Release`] once ([`Host::load`]): the manifest is checked, the component compiled or taken from
//! the cache, its configuration validated and its patterns built. A call then costs an instance and nothing else. The
//! [`Registry`] says which releases serve.
//!
//! No other module names the engine, and nothing of the WIT contract leaves this one.

mod loader;
mod registry;
mod release;

mod adapter;
mod connector;
pub mod contract;
pub mod error;
mod exchange;
mod grant;
pub mod manifest;
mod media;
mod options;
pub mod patterns;
mod policy;

mod bindings;
mod cache;
mod code;
mod compiler;
mod convert;
mod engine;
mod entry;
mod imports;
mod memory;
mod meter;
mod runtime;
mod settings;
mod shape;
mod usage;
mod vitals;
mod warm;

pub use adapter::{
    Budget, Classification, Classified, Description, Facts, Failure, Login, PerformCall, Performed, RateClass,
    Reconciliation, RefusalView, Rejection, SessionView, TokenPlace,
};
pub use connector::{DeliverCall, DeliveredEvent, Handed};
pub(crate) use loader::foreign_imports;

pub use cache::Origin;
pub use compiler::{Compiler, compile_here};
pub use error::{ConfigFault, HostError, LoadError, PluginError, PluginFault, step};
pub use exchange::{
    FormField, FormValue, Outbound, PluginRequest, PluginResponse, RequestBody, Safety, SendError, Sending, StepKind,
    UnknownSafety,
};
pub use grant::PluginGrant;
pub use loader::{COMPONENT_BYTES_MAX, Host, HostOptions};
pub use manifest::{Manifest, ManifestError};
pub use media::MediaFiles;
pub use options::OptionSchema;
pub use policy::ReviewContext;
pub use registry::{Canary, Registry, Route, Routes, SHARE_WHOLE_BP, Snapshot};
pub use release::Release;
pub use usage::Used;
pub use vitals::{Count, HOOKS, Vitals};
