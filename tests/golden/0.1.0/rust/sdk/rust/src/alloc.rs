//! The allocator of plugins: a static arena that is handed out from front to back, and a heap only when that is used up.
//!
//! A plugin runs in a fresh instance for each call. The first `memory.grow` of an instance costs the gateway a system
//! call that stops all its threads for a moment, so a call that needs little must not grow at all. Most calls need so
//! little that keeping books about the arena would cost more than it saves: what is given back there is reused only
//! where it was the last. The heap behind it wastes nothing, so a call that needs much is not the worse for it.
#![allow(unsafe_code, reason = "an allocator hands out raw memory; each block says why it is sound")]

use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32::memory_grow;
use core::cell::{Cell, UnsafeCell};
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
/// More than the heap's own need for a new stretch of memory and a chunk in it.
const OVERHEAD_BYTES: usize = 1024;

#[global_allocator]
static ALLOCATOR: ArenaThenHeap = ArenaThenHeap {
    arena: Arena(UnsafeCell::new([MaybeUninit::uninit(); ARENA_BYTES])),
    used: Cell::new(0),
    heap: TalcSyncCell::new_wasm(Grown { end: None }),
};

#[repr(align(16))]
struct Arena(UnsafeCell<[MaybeUninit<u8>; ARENA_BYTES]>);

/// The arena, and the heap behind it.
struct ArenaThenHeap {
    arena: Arena,
    /// Bytes of the arena that are handed out, from its start.
    used: Cell<usize>,
    heap: TalcSyncCell<Grown, WasmBinning>,
}

// SAFETY: a plugin has one thread; the engine offers no other.
unsafe impl Sync for ArenaThenHeap {}

impl ArenaThenHeap {
    fn start(&self) -> *mut u8 {
        self.arena.0.get().cast()
    }

    /// Where `at` lies in the arena, if it does.
    fn offset(&self, at: *mut u8) -> Option<usize> {
        let offset = (at as usize).wrapping_sub(self.start() as usize);
        (offset < ARENA_BYTES).then_some(offset)
    }

    /// Takes `size` bytes of the arena from `offset` on, where it has them.
    fn take(&self, offset: usize, size: usize) -> Option<*mut u8> {
        let end = offset.checked_add(size).filter(|end| *end <= ARENA_BYTES)?;
        self.used.set(end);
        Some(self.start().wrapping_add(offset))
    }
}

// SAFETY: bytes of the arena belong to one allocation at a time: `take` hands out what lies behind all others, and only the last one
// is ever given back or grown in its place. Whatever lies outside of the arena is the heap's. An allocation of no bytes is never asked
// for, so one that begins at the arena's end does not exist.
unsafe impl GlobalAlloc for ArenaThenHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let end = self.start() as usize + self.used.get();
        let padding = end.wrapping_neg() & (layout.align() - 1);
        let taken = self.used.get().checked_add(padding).and_then(|offset| self.take(offset, layout.size()));
        // SAFETY: the caller keeps the promises of `alloc`.
        taken.unwrap_or_else(|| unsafe { self.heap.alloc(layout) })
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        match self.offset(at) {
            Some(offset) if offset + layout.size() == self.used.get() => self.used.set(offset),
            Some(_) => {}
            // SAFETY: it is not of the arena, so the heap gave it.
            None => unsafe { self.heap.dealloc(at, layout) },
        }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let Some(offset) = self.offset(at) else {
            // SAFETY: it is not of the arena, so the heap gave it.
            return unsafe { self.heap.realloc(at, layout, new_size) };
        };
        if offset + layout.size() == self.used.get() && self.take(offset, new_size).is_some() {
            return at;
        }
        if new_size <= layout.size() {
            return at;
        }
        // SAFETY: the new size is not zero and fits the alignment, as the caller promises; the two allocations do not overlap, and the
        // new one is the longer.
        unsafe {
            let moved = self.alloc(Layout::from_size_align_unchecked(new_size, layout.align()));
            if !moved.is_null() {
                moved.copy_from_nonoverlapping(at, layout.size());
                self.dealloc(at, layout);
            }
            moved
        }
    }
}

/// Where the heap gets memory from: the engine.
#[derive(Debug)]
struct Grown {
    end: Option<NonNull<u8>>,
}

// SAFETY: `acquire` allocates nothing and uses no allocator but the one that it is given.
unsafe impl Source for Grown {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        let wanted = layout.size().saturating_add(layout.align()).saturating_add(OVERHEAD_BYTES);
        let pages = wanted.div_ceil(PAGE_BYTES).max(GROW_PAGES_MIN);
        let previous_pages = memory_grow::<0>(pages);
        if previous_pages == usize::MAX {
            return Err(());
        }
        let base = (previous_pages * PAGE_BYTES) as *mut u8;
        // Saturates at the end of the address space, of which the last byte then stays unused.
        let grown_bytes = (pages * PAGE_BYTES).min(usize::MAX - base as usize);
        talc.source.end = match talc.source.end.take() {
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
