//! The plugin host: wasm components, each call in a fresh isolated instance.

pub mod patterns;
