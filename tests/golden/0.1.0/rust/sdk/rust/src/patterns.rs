//! Pattern sets from the plugin's configuration, built once by the gateway; `plugin.toml` declares them as `[[match]]`.

pub use crate::bindings::adapter::pressgate::plugin::match_::{Hit, ScanError};

/// Finds the patterns of `set` that are relevant for the call's brand in `text`, at most 256, ordered by start.
pub fn scan(set: &str, text: &str) -> Result<Vec<Hit>, ScanError> {
    #[cfg(target_arch = "wasm32")]
    return crate::bindings::adapter::pressgate::plugin::match_::scan(set, text);
    #[cfg(not(target_arch = "wasm32"))]
    return crate::testing::with(|script| script.scan(set, text));
}

/// What the letters of a text are written in: ISO 15924 codes (`Latn`, `Cyrl`) and the number of letters, most first.
pub fn scripts(text: &str) -> Vec<(String, u32)> {
    #[cfg(target_arch = "wasm32")]
    return crate::bindings::adapter::pressgate::plugin::match_::scripts(text);
    #[cfg(not(target_arch = "wasm32"))]
    return crate::testing::with(|script| script.scripts(text));
}
