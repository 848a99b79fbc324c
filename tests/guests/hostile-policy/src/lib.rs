//! A policy that misbehaves as the draft's text tells it to, and is an ordinary small policy otherwise. Written on the bare
//! contract, without the SDK.
#![allow(unsafe_code, missing_docs, clippy::all, reason = "generated bindings, an allocator and a hostile author")]

wit_bindgen::generate!({ path: "../../../wit", world: "policy" });

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;

use exports::pressgate::plugin::policy_api::*;
use pressgate::plugin::types::{Draft, Finding, Severity};
use pressgate::plugin::{config, match_};

/// Hands memory out of a static arena and never takes it back: an instance lives for one call. When the arena is used up, the
/// memory grows.
struct Bump {
    next: UnsafeCell<usize>,
    end: UnsafeCell<usize>,
}

const ARENA_BYTES: usize = 128 << 10;
const PAGE_BYTES: usize = 64 << 10;
#[repr(align(16))]
struct Arena([u8; ARENA_BYTES]);
static mut ARENA: Arena = Arena([0; ARENA_BYTES]);

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

struct HostilePolicy;
export!(HostilePolicy);

fn finding(code: &str) -> Finding {
    Finding {
        code: code.into(),
        severity: Severity::Error,
        message: "Leave it out.".into(),
        part: Some(0),
        range: None,
        measure: None,
        extra: vec![],
    }
}

fn verdict(outcome: Outcome, findings: Vec<Finding>) -> Verdict {
    Verdict { outcome, findings }
}

fn ordinary(draft: &Draft) -> Verdict {
    let greeting = config::get("/greeting");
    core::hint::black_box(greeting);
    let mut findings = Vec::new();
    for (index, part) in draft.parts.iter().enumerate() {
        for hit in match_::scan("phrases", &part.text).unwrap_or_default() {
            let range = Some((hit.start, hit.end));
            findings.push(Finding { part: Some(index as u32), range, ..finding("forbidden-phrase") });
        }
    }
    let outcome = if findings.is_empty() { Outcome::Allow } else { Outcome::Deny };
    verdict(outcome, findings)
}

impl Guest for HostilePolicy {
    fn review(draft: Draft, context: Context) -> Verdict {
        match draft.parts[0].text.as_str() {
            "spin" => loop {
                core::hint::black_box(0);
            },
            "panic" => panic!("as told"),
            "eat-memory" => {
                let mut eaten: Vec<Vec<u8>> = Vec::new();
                loop {
                    eaten.push(core::hint::black_box(vec![1; 256 << 10]));
                }
            }
            "deny-without-reason" => verdict(Outcome::Deny, vec![]),
            "findings-without-end" => verdict(Outcome::Deny, vec![finding("again"); 5_000]),
            "point-nowhere" => verdict(Outcome::Hold, vec![Finding { part: Some(7), ..finding("x") }]),
            "unknown-set" => {
                let refused = match_::scan("no-such-set", "x").is_err();
                verdict(if refused { Outcome::Hold } else { Outcome::Allow }, vec![finding("unknown-set")])
            }
            "context" => {
                let seen = format!("{} {:?} {:?}", context.account.id, context.brands, context.campaign);
                verdict(Outcome::Hold, vec![Finding { message: seen, ..finding("context") }])
            }
            _ => ordinary(&draft),
        }
    }
}
