//! A policy that misbehaves as the draft's text tells it to, and is an ordinary small policy otherwise. Written on the bare
//! contract, without the SDK.
#![allow(unsafe_code, missing_docs, clippy::all, reason = "generated bindings, an allocator and a hostile author")]

wit_bindgen::generate!({ path: "../../../wit", world: "policy" });

use exports::pressgate::plugin::policy_api::*;
use pressgate::plugin::types::{Draft, Finding, Severity};
use pressgate::plugin::{config, match_};

#[cfg(target_arch = "wasm32")]
mod bump;

struct HostilePolicy;
export!(HostilePolicy);

/// What this release does besides. Tests write another letter here, and have another release of the same plugin that way.
#[used]
static PLAN: [u8; 16] = *b"pressgate-plan:0";

fn plan() -> u8 {
    unsafe { core::ptr::read_volatile(&raw const PLAN[15]) }
}

fn finding(code: &str) -> Finding {
    Finding {
        code: code.into(),
        severity: Severity::Error,
        message: "Leave it out.".into(),
        part: Some(0),
        range: None,
        measure: None,
        place: None,
        extra: vec![],
    }
}

fn verdict(outcome: Outcome, findings: Vec<Finding>) -> Verdict {
    Verdict { outcome, findings, extra: vec![] }
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
        let sum = draft.parts[0].text.bytes().map(u32::from).sum::<u32>();
        let every = match plan() {
            b'3' => 3,
            b't' => 20,
            _ => u32::MAX,
        };
        if sum % every == 0 {
            panic!("every so many texts");
        }
        match draft.parts[0].text.as_str() {
            "spin" => loop {
                core::hint::black_box(0);
            },
            text if text.starts_with("panic") => panic!("as told"),
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
