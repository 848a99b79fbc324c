//! The allocator of plugins: a static arena first, more memory from the engine only when that is used up.
//!
//! A plugin runs in a fresh instance for each call. The first `memory.grow` of an instance costs the gateway a system
//! call that stops all its threads for a moment, so a call that needs little must not grow at all.
#![allow(unsafe_code, reason = "an allocator hands out raw memory; each block says why it is sound")]

use core::alloc::Layout;
use core::arch::wasm32::memory_grow;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use talc::base::Talc;
use talc::base::binning::Binning;
use talc::cell::TalcSyncCell;
use talc::source::Source;
use talc::wasm::WasmBinning;

/// Enough for an ordinary call: a draft, a few requests and answers.
const ARENA_BYTES: usize = 128 * 1024;
/// A page of WebAssembly memory.
const PAGE_BYTES: usize = 64 * 1024;
/// Pages asked for at least, so that a growing call grows seldom.
const GROW_PAGES_MIN: usize = 4;
/// More than the allocator's own need for a new heap and a chunk in it.
const OVERHEAD_BYTES: usize = 1024;

static mut ARENA: [MaybeUninit<u8>; ARENA_BYTES] = [MaybeUninit::uninit(); ARENA_BYTES];

#[global_allocator]
static ALLOCATOR: TalcSyncCell<ArenaThenGrow, WasmBinning> =
    TalcSyncCell::new_wasm(ArenaThenGrow { arena_claimed: false, grown_end: None });

/// Where the allocator gets memory from.
#[derive(Debug)]
struct ArenaThenGrow {
    arena_claimed: bool,
    grown_end: Option<NonNull<u8>>,
}

// SAFETY: `acquire` allocates nothing and uses no allocator but the one that it is given.
unsafe impl Source for ArenaThenGrow {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        if !talc.source.arena_claimed {
            talc.source.arena_claimed = true;
            // SAFETY: nothing but this line names the arena, and it runs once.
            unsafe { talc.claim((&raw mut ARENA).cast(), ARENA_BYTES) };
            return Ok(());
        }
        let wanted = layout.size().saturating_add(layout.align()).saturating_add(OVERHEAD_BYTES);
        let pages = wanted.div_ceil(PAGE_BYTES).max(GROW_PAGES_MIN);
        let previous_pages = memory_grow::<0>(pages);
        if previous_pages == usize::MAX {
            return Err(());
        }
        let base = (previous_pages * PAGE_BYTES) as *mut u8;
        // Saturates at the end of the address space, of which the last byte then stays unused.
        let grown_bytes = (pages * PAGE_BYTES).min(usize::MAX - base as usize);
        talc.source.grown_end = match talc.source.grown_end.take() {
            Some(end) if end.as_ptr() == base => {
                // SAFETY: the memory behind the heap was just grown for it and is nobody else's.
                Some(unsafe { talc.extend(end, base.wrapping_add(grown_bytes)) })
            }
            // SAFETY: the memory was just grown and is nobody else's.
            _ => unsafe { talc.claim(base, grown_bytes) },
        };
        Ok(())
    }
}
