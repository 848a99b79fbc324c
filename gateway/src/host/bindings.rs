//! Generated from `wit/`. Nothing of it leaves the host: `convert` turns it into the gateway's words and back.
#![allow(
    missing_docs,
    unsafe_code,
    clippy::all,
    clippy::pedantic,
    reason = "generated from wit/; the unsafe blocks are the engine's own typed-function shortcuts"
)]

/// World `adapter`.
pub mod adapter {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "adapter",
        imports: {
            "pressgate:plugin/http.send": async | trappable,
            default: trappable,
        },
        exports: { default: async },
    });
}

/// World `policy`, with the types and host interfaces of `adapter`.
pub mod policy {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "policy",
        imports: { default: trappable },
        exports: { default: async },
        with: {
            "pressgate:plugin/types": super::adapter::pressgate::plugin::types,
            "pressgate:plugin/match": super::adapter::pressgate::plugin::match_,
            "pressgate:plugin/config": super::adapter::pressgate::plugin::config,
            "pressgate:plugin/media": super::adapter::pressgate::plugin::media,
            "pressgate:plugin/log": super::adapter::pressgate::plugin::log,
        },
    });
}

/// World `connector`, with the host interfaces of `adapter`.
pub mod connector {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "connector",
        imports: { default: trappable },
        exports: { default: async },
        with: {
            "pressgate:plugin/http": super::adapter::pressgate::plugin::http,
            "pressgate:plugin/match": super::adapter::pressgate::plugin::match_,
            "pressgate:plugin/config": super::adapter::pressgate::plugin::config,
            "pressgate:plugin/state": super::adapter::pressgate::plugin::state,
            "pressgate:plugin/log": super::adapter::pressgate::plugin::log,
            "pressgate:plugin/clock": super::adapter::pressgate::plugin::clock,
            "pressgate:plugin/random": super::adapter::pressgate::plugin::random,
        },
    });
}

pub use adapter::AdapterPre;
pub use adapter::exports::pressgate::plugin::adapter_api;
pub use adapter::pressgate::plugin::{clock, http, log, match_, media, random, state, types};
pub use connector::ConnectorPre;
pub use connector::exports::pressgate::plugin::connector_api;
pub use policy::PolicyPre;
pub use policy::exports::pressgate::plugin::policy_api;
