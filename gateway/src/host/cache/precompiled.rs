//! Loading compiled code: the one place in the gateway that is not checked by the compiler.
#![allow(
    unsafe_code,
    reason = "the engine can't check compiled code; its authenticity is checked before it comes here"
)]

use wasmtime::Engine;
use wasmtime::component::Component;

/// Loads a component that this gateway compiled. `compiled` must be the bytes whose authentication tag was verified, not
/// read a second time, or what the gateway's own compiler handed over through its pipe.
pub(super) fn load(engine: &Engine, compiled: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `deserialize` requires bytes that `Component::serialize` made. The caller verified an HMAC-SHA-256 over exactly
    // this slice with a key that only the gateway holds, and the gateway tags nothing but the output of `serialize` on an
    // engine with the same compatibility hash. Fresh code comes from a child that is this very program, started by it with a pipe that
    // no other process has, and is `serialize`'s output too; it is tagged only after it was loaded. The slice is borrowed, so nobody changes it between the check and the use.
    unsafe { Component::deserialize(engine, compiled) }
}
