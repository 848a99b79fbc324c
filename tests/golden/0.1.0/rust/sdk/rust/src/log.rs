//! Lines for the operators. Never a secret, never a whole text.

pub use crate::bindings::adapter::pressgate::plugin::log::Level;

/// Writes one line of at most 1 KiB.
pub fn write(level: Level, line: &str) {
    #[cfg(target_arch = "wasm32")]
    crate::bindings::adapter::pressgate::plugin::log::write(level, line);
    #[cfg(not(target_arch = "wasm32"))]
    crate::testing::with(|script| script.log.push((level, line.to_owned())));
}
