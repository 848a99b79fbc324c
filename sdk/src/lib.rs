//! a
pub mod bindings;
