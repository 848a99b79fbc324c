//! The allocator: a static arena first, then growing memory.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;

/// Hands memory out of a static arena and never takes it back: an instance lives for one call. When the arena is used up, the
/// memory grows.
struct Bump {
    next: UnsafeCell<usize>,
    end: UnsafeCell<usize>,
}

const ARENA_BYTES: usize = 128 << 10;
const PAGE_BYTES: usize = 64 << 10;
/// The pieces are as large as the greatest alignment that is asked for.
static mut ARENA: [u128; ARENA_BYTES / 16] = [0; ARENA_BYTES / 16];

unsafe impl Sync for Bump {}
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        unsafe {
            if *self.end.get() == 0 {
                *self.next.get() = (&raw mut ARENA) as usize;
                *self.end.get() = *self.next.get() + ARENA_BYTES;
            }
            let mut start = (*self.next.get()).next_multiple_of(layout.align());
            if start + layout.size() > *self.end.get() {
                let pages = layout.size().div_ceil(PAGE_BYTES);
                match core::arch::wasm32::memory_grow::<0>(pages) {
                    usize::MAX => return core::ptr::null_mut(),
                    before => start = before * PAGE_BYTES,
                }
                *self.end.get() = start + pages * PAGE_BYTES;
            }
            *self.next.get() = start + layout.size();
            start as *mut u8
        }
    }
    unsafe fn dealloc(&self, _at: *mut u8, _layout: Layout) {}
}

#[global_allocator]
static ALLOCATOR: Bump = Bump { next: UnsafeCell::new(0), end: UnsafeCell::new(0) };
