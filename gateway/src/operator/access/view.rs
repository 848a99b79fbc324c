//! What an access review asks and answers.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What is to be reviewed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessRequest {
    /// A right counts as unused after so many days; 90 where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
    /// Only rights that reach this account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Only rights that reach accounts of this brand and those below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brand: Option<String>,
}

/// A review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessView {
    /// When it was made.
    pub at: Timestamp,
    /// A right that was not used for so many days counts as unused.
    pub days: u32,
    /// A right that ends within so many days ends soon.
    pub soon_days: u32,
    /// The log that it was made from.
    pub log: LogSpan,
    /// By account, then kind, holder and grant; those of no account last.
    pub rows: Vec<AccessRow>,
}

/// How much the log tells of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogSpan {
    /// Leaves that were read.
    pub leaves: u64,
    /// Leaves that are gone, by retention: what they would tell is not here.
    pub missing: u64,
    /// Time of the first leaf that was read. What was used before then counts as never used.
    pub since: Option<Timestamp>,
}

/// The kind of a right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RightKind {
    /// A grant: calls on an account.
    Grant,
    /// The role `approver`: votes on held posts of an account.
    Approver,
    /// Rights on the audit log.
    Auditor,
    /// The role `operator`: keys, credentials, governance.
    Operator,
}

impl RightKind {
    /// The name as it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Approver => "approver",
            Self::Auditor => "auditor",
            Self::Operator => "operator",
        }
    }
}

/// Does a right hold now?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RightState {
    /// Yes.
    Live,
    /// Yes, and it ends soon.
    Expiring,
    /// No more.
    Expired,
}

impl RightState {
    /// The name as it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Expiring => "expiring",
            Self::Expired => "expired",
        }
    }
}

/// What somebody should look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// It holds no more, and should be taken out.
    Expired,
    /// It ends soon.
    ExpiresSoon,
    /// The log tells of no use.
    NeverUsed,
    /// It was used, but not for so many days.
    Unused,
    /// Deny entries forbid all that it grants.
    Denied,
    /// It reaches no account.
    NoAccount,
    /// Its holder has no live key, so that nobody can use it now.
    NoKey,
}

impl Finding {
    /// The name as it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::ExpiresSoon => "expires-soon",
            Self::NeverUsed => "never-used",
            Self::Unused => "unused",
            Self::Denied => "denied",
            Self::NoAccount => "no-account",
            Self::NoKey => "no-key",
        }
    }
}

/// One right on one account, or one that is for no single account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessRow {
    /// Its kind.
    pub kind: RightKind,
    /// The account.
    pub account: Option<String>,
    /// The account's brand, or the brand that a right on the log is for.
    pub brand: Option<String>,
    /// Who may: `app:newsroom`, `person:editor-7`.
    pub holder: String,
    /// The grant or auditor entry.
    pub grant: Option<String>,
    /// What.
    pub actions: Vec<String>,
    /// Of these, what a deny entry forbids.
    pub denied: Vec<String>,
    /// People in whose name the app may act.
    pub act_for: Vec<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// From then on it counts no more. Roles do not end by themselves.
    pub expires_at: Option<Timestamp>,
    /// Does it hold?
    pub state: RightState,
    /// When it was used last, as far as the log tells. Of an approver the last vote on any account, of an operator the last change.
    pub last_used_at: Option<Timestamp>,
    /// Uses within the days.
    pub uses: u64,
    /// Calls of the holder on this account that were refused within the days, whatever the right.
    pub refused: u64,
    /// Live keys of the holder.
    pub live_keys: u64,
    /// What somebody should look at.
    pub findings: Vec<Finding>,
}
