//! Write Pressgate plugins in Rust.
//!
//! A plugin is a plain type that implements one trait: [`Adapter`] (speaks to a network), [`Policy`] (judges a
//! call) or [`Connector`] (hands events to another system). One macro exports it: [`export_adapter!`], [`export_policy!`] or
//! [`export_connector!`]. What the gateway offers is reached through
//! [`http`], [`patterns`], [`config`], [`media`], [`state`], [`log`], [`clock`] and [`random`]. The same code builds
//! natively, where [`testing::Host`] plays the gateway from a script, so that plain `cargo test` tests a plugin.
//!
//! A whole policy and its test:
//!
//! ```
//! use pressgate_sdk::{Context, Draft, Finding, Outcome, Policy, Verdict, patterns};
//!
//! /// Refuses texts with a phrase of the set `forbidden`, which `plugin.toml` declares.
//! struct NoForbiddenPhrases;
//!
//! impl Policy for NoForbiddenPhrases {
//!     fn review(draft: &Draft, _context: &Context) -> Verdict {
//!         let mut findings = Vec::new();
//!         for (part, entry) in draft.parts.iter().enumerate() {
//!             for hit in patterns::scan("forbidden", &entry.text).unwrap_or_default() {
//!                 findings.push(
//!                     Finding::error("forbidden-phrase", "Leave this phrase out.")
//!                         .in_part(part)
//!                         .at(hit.start as usize..hit.end as usize),
//!                 );
//!             }
//!         }
//!         if findings.is_empty() { Verdict::allow(findings) } else { Verdict::deny(findings) }
//!     }
//! }
//!
//! pressgate_sdk::export_policy!(NoForbiddenPhrases);
//!
//! use pressgate_sdk::testing::{self, Host};
//! let _host = Host::new().phrases("forbidden", &["risk-free"]).install();
//! let verdict = NoForbiddenPhrases::review(&testing::draft("A risk-free offer"), &testing::context());
//! assert_eq!(verdict.outcome, Outcome::Deny);
//! assert_eq!(verdict.findings[0].range, Some((2, 11)));
//! ```
//!
//! An adapter sends each request as a *named step*; the script answers by that name:
//!
//! ```
//! use pressgate_sdk::http::{self, Kind, Request, Safety};
//! use pressgate_sdk::testing::{Host, answer};
//!
//! let host = Host::new().answer("status-0", answer(200, r#"{"id":"7"}"#)).install();
//! let request = Request::post("/api/statuses").json(r#"{"status":"hello"}"#).credential("token");
//! let response = http::send("status-0", Kind::Effect(Safety::NativeKey(3600)), &request).unwrap();
//! assert_eq!(response.status, 200);
//! assert_eq!(host.sent()[0].request.url, "/api/statuses");
//! ```
#![deny(missing_docs)]

mod adapter;
pub mod connector;
mod policy;

mod beside;
mod classify;
mod failure;
mod finding;
mod records;
pub mod http;
pub mod text;

pub mod clock;
pub mod config;
pub mod json;
pub mod log;
pub mod media;
pub mod patterns;
pub mod random;
pub mod state;

#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

#[cfg(target_arch = "wasm32")]
mod alloc;
mod panics;
#[doc(hidden)]
pub mod bindings;

pub use adapter::{
    Adapter, Budget, Call, Classification, Classified, Description, Facts, Failure, Login, Performed, Published,
    RateClass, Reconciliation, Refusal, Rejection, Session, TokenPlace,
};
pub use beside::BesideTexts;
pub use bindings::adapter::pressgate::plugin::types::{Account, Draft, Extra, Finding, MediaRef, Part, Severity};
pub use classify::form_pairs;
pub use connector::Connector;
pub use policy::{Context, Outcome, Policy, Verdict};

#[doc(hidden)]
pub mod export {
    //! What the export macros name; not for plugins.
    pub use crate::adapter::Exported as ExportedAdapter;
    pub use crate::connector::Exported as ExportedConnector;
    pub use crate::policy::Exported as ExportedPolicy;
}
