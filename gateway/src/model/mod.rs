//! The words of the gateway as types: who, what, where. No stage, no wire format, no plugin interface.

pub mod account;
pub mod action;
pub mod auditor;
pub mod brand;
pub mod content;
pub mod event;
pub mod grant;
pub mod headers;
pub mod hex;
pub mod html;
pub mod ids;
pub mod post;
pub mod principal;
pub mod verdict;

pub use account::{Account, NativeHold};
pub use action::{Action, ActionClass};
pub use auditor::{AuditRight, Auditor};
pub use brand::BrandPath;
pub use content::{Draft, MediaRef, Part};
pub use event::EventType;
pub use grant::{Deny, Grant, Grantee, Scope};
pub use ids::{AccountId, AppId, GrantId, KeyId, MediaId, PersonId, PluginName, PostId, RoleName};
pub use post::{PostState, TargetState};
pub use principal::Principal;
pub use verdict::{Finding, Outcome, Severity, Verdict};
