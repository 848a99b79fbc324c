//! Configuration, from raw text to checked values: every error names file and line.
//!
//! `pressgate.toml` is for the process ([`Config`]). The governance folder is what security teams review: brands,
//! accounts, apps, people, grants, policies, limits ([`Governance`]). [`rights::decide`] answers who may do what, and
//! [`Governance::audit_right`] who may do what with the log.

pub mod auditors;
pub mod calendars;
mod check;

pub use check::{KNOWN as TOP_FILES, digest_of, is_guideline};
mod diff;
pub mod email;
mod fault;
mod files;
pub mod governance;
pub mod guidelines;
mod json;
mod markdown;
mod names;
pub mod process;
pub mod rights;
mod schema;
mod table;

pub use auditors::{AuditReach, AuditScope, NoAuditRight};
pub use calendars::{BlackoutCalendar, Calendars, EmbargoCalendar};
pub use diff::{Change, ChangeKind};
pub use email::EmailAddress;
pub use fault::{Fault, did_you_mean, line_of};
pub use files::Files;
pub use governance::{
    App, Brand, Catalogue, Connector, Governance, Limit, LimitRules, NetworkLimit, Notices, OnFailure, OwnRole, Person,
    PluginInfo, PluginKind, PolicyRule, Role, SignInIdentity, TokenIdentity, Urgent, Webhook,
};
pub use guidelines::{GuidelineState, GuidelineText, GuidelineVersion, Guidelines};
pub use process::Config;
pub use rights::{Decision, NoRight, decide, decide_among};
