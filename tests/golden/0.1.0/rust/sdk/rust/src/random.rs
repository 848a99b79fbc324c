//! Random bytes. In `perform` they follow from the call's key: the same at each attempt.

/// `length_bytes` bytes, at most 4096.
pub fn bytes(length_bytes: u32) -> Vec<u8> {
    #[cfg(target_arch = "wasm32")]
    return crate::bindings::adapter::pressgate::plugin::random::bytes(length_bytes);
    #[cfg(not(target_arch = "wasm32"))]
    return crate::testing::with(|script| script.random_bytes(length_bytes));
}
