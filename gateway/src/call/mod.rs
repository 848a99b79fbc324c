//! The path of a call: one file for each stage, in this order.
//!
//! ```text
//! Caller ─► Call ─► Permit ─► Admission ─► Judgement ─► Approval ─► Clearance ─► Intent ─► Receipt
//! ```
//!
//! Each stage takes the proof of the one before and returns its own. The constructors are private to their files, so
//! leaving a stage out does not compile:
//!
//! ```compile_fail
//! # use pressgate::{call::{authorise, Caller}, gateway::Gateway};
//! fn without_classify(gateway: &Gateway, caller: Caller) { let _ = authorise::authorise(gateway, caller); }
//! ```
//! ```compile_fail
//! # use pressgate::{call::{admit, Call}, gateway::Gateway};
//! async fn without_authorise(gateway: &Gateway, call: Call) { let _ = admit::admit(gateway, vec![call]).await; }
//! ```
//! ```compile_fail
//! # use pressgate::{call::{review, Permit}, gateway::Gateway};
//! async fn without_admit(gateway: &Gateway, permit: Permit) { let _ = review::review(gateway, permit).await; }
//! ```
//! ```compile_fail
//! # use pressgate::call::{approve, Admission}; use pressgate_workflow::{Facts, Life};
//! fn without_review(admission: Admission, life: &Life, facts: &Facts<'_>) { let _ = approve::approve(admission, life, facts); }
//! ```
//! ```compile_fail
//! # use pressgate::{call::{clear, Judgement}, gateway::Gateway};
//! async fn without_approve(gateway: &Gateway, judgement: Judgement) { let _ = clear::clear(gateway, judgement, None).await; }
//! ```
//! ```compile_fail
//! # use pressgate::{call::{record, Approval}, gateway::Gateway, records::Claim};
//! async fn without_clear(gateway: &std::sync::Arc<Gateway>, approval: Approval, claim: Claim) { let _ = record::record(gateway, approval, claim).await; }
//! ```
//! ```compile_fail
//! # use pressgate::{call::{send, Clearance}, gateway::Gateway};
//! async fn without_record(clearance: Clearance) { let _ = send::send(clearance).await; }
//! ```
//! ```compile_fail
//! # use pressgate::call::Permit;
//! fn forged() -> Permit { Permit { call: todo!(), grant: todo!() } }
//! ```
//! This compiles, as the others would without their fault:
//! ```
//! # use std::sync::Arc;
//! # use pressgate::{call::{clear, record, send, Approval}, gateway::Gateway, records::Claim, refusal::Refusal};
//! async fn whole(gateway: &Arc<Gateway>, approval: Approval, claim: Claim) -> Result<(), Refusal> {
//!     let clearance = clear::clear(gateway, approval, None).await?;
//!     let intent = record::record(gateway, clearance, claim).await?;
//!     let _receipt = send::send(intent).await?;
//!     Ok(())
//! }
//! ```

pub mod submission;
pub mod authenticate;
pub mod classify;
mod addressed;
mod sources;
pub mod authorise;
pub mod admit;
pub mod review;
pub mod approve;
mod frozen;
pub mod clear;
pub mod record;
pub mod send;
pub mod digest;
pub mod duties;
pub mod committed;
pub mod facts;
pub mod strangers;
pub mod uploads;
pub mod journey;

pub use admit::Admission;
pub use approve::{Approval, Approved};
pub use authenticate::Caller;
pub use authorise::Permit;
pub use classify::Call;
pub use clear::Clearance;
pub use record::Intent;
pub use review::Judgement;
pub use send::Receipt;
pub use submission::Submission;
