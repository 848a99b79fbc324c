//! Generated from `wit/`. Plugins do not use this module: the traits and types around it are the SDK's face.
#![allow(
    missing_docs,
    unsafe_code,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated from wit/"
)]

/// World `adapter`.
pub mod adapter {
    wit_bindgen::generate!({ path: "../wit", world: "adapter", pub_export_macro: true, generate_all, additional_derives: [PartialEq, Eq], default_bindings_module: "pressgate_sdk::bindings::adapter", export_macro_name: "export_adapter_world" });
}
/// World `policy`.
pub mod policy {
    wit_bindgen::generate!({ path: "../wit", world: "policy", pub_export_macro: true, generate_all, additional_derives: [PartialEq, Eq], default_bindings_module: "pressgate_sdk::bindings::policy", export_macro_name: "export_policy_world",
      with: {
        "pressgate:plugin/types@0.1.0": crate::bindings::adapter::pressgate::plugin::types,
        "pressgate:plugin/match@0.1.0": crate::bindings::adapter::pressgate::plugin::match_,
        "pressgate:plugin/config@0.1.0": crate::bindings::adapter::pressgate::plugin::config,
        "pressgate:plugin/media@0.1.0": crate::bindings::adapter::pressgate::plugin::media,
        "pressgate:plugin/log@0.1.0": crate::bindings::adapter::pressgate::plugin::log,
      }
    });
}
/// World `connector`.
pub mod connector {
    wit_bindgen::generate!({ path: "../wit", world: "connector", pub_export_macro: true, generate_all, additional_derives: [PartialEq, Eq], default_bindings_module: "pressgate_sdk::bindings::connector", export_macro_name: "export_connector_world",
      with: {
        "pressgate:plugin/http@0.1.0": crate::bindings::adapter::pressgate::plugin::http,
        "pressgate:plugin/match@0.1.0": crate::bindings::adapter::pressgate::plugin::match_,
        "pressgate:plugin/config@0.1.0": crate::bindings::adapter::pressgate::plugin::config,
        "pressgate:plugin/state@0.1.0": crate::bindings::adapter::pressgate::plugin::state,
        "pressgate:plugin/log@0.1.0": crate::bindings::adapter::pressgate::plugin::log,
        "pressgate:plugin/clock@0.1.0": crate::bindings::adapter::pressgate::plugin::clock,
        "pressgate:plugin/random@0.1.0": crate::bindings::adapter::pressgate::plugin::random,
      }
    });
}
