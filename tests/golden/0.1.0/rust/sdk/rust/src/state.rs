//! A note of at most 64 KiB for each plugin and account, kept with the attempt's outcome and discarded on a trap.

/// The note as the last finished attempt left it; empty at first.
pub fn get() -> Vec<u8> {
    #[cfg(target_arch = "wasm32")]
    return crate::bindings::adapter::pressgate::plugin::state::get();
    #[cfg(not(target_arch = "wasm32"))]
    return crate::testing::with(|script| script.state.clone());
}

/// Replaces the note. False where it is longer than 64 KiB.
pub fn set(note: &[u8]) -> bool {
    #[cfg(target_arch = "wasm32")]
    return crate::bindings::adapter::pressgate::plugin::state::set(note);
    #[cfg(not(target_arch = "wasm32"))]
    return crate::testing::with(|script| {
        let fits = note.len() <= 64 * 1024;
        if fits {
            script.state = note.to_vec();
        }
        fits
    });
}
