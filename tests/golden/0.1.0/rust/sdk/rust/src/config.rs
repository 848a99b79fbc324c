//! The plugin's configuration, already validated against the manifest's schema.

/// The JSON text of the value at a JSON pointer (RFC 6901), or none. `""` is the whole.
pub fn get(pointer: &str) -> Option<String> {
    #[cfg(target_arch = "wasm32")]
    return crate::bindings::adapter::pressgate::plugin::config::get(pointer);
    #[cfg(not(target_arch = "wasm32"))]
    return crate::testing::with(|script| {
        let value = script.config.pointer(pointer)?;
        Some(value.to_string())
    });
}
