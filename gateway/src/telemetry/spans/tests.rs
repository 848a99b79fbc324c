//! What telemetry costs where it is off: nothing is allocated.

#![allow(unsafe_code, reason = "an allocator that counts")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use super::*;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: the system's allocator does all; counting touches a cell that needs no allocation and no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[tracing::instrument(target = "pressgate::span", name = "stage", skip_all)]
fn stage(number: u64) -> u64 {
    note(key::ACCOUNT, || "acme".repeat(3));
    refused("no-grant", 403);
    number + 1
}

#[test]
fn where_it_is_off_nothing_is_allocated() {
    let call = |number| {
        let span = guest("guidelines", "0.1.0", "00", "review");
        let inner = span.in_scope(|| stage(number));
        let span = platform("sample", "acme", "POST", "https://social.example/api/v1/statuses?a=b");
        note_in(&span, key::STATUS, || 200);
        failed(&span, "denied");
        assert!(carried().is_none());
        let _span = continued(Bond::Child, "post", "acme");
        inner
    };
    // The first asks whether anybody listens, which is remembered.
    let mut sum = call(0);
    let before = COUNT.with(Cell::get);
    for number in 0..1_000 {
        sum += call(number);
    }
    assert_eq!(COUNT.with(Cell::get) - before, 0, "{sum}");
}
