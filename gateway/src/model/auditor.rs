//! Rights on the audit log: who may read, open and take along what is in it. Nobody has one by another role.

use std::{collections::BTreeSet, fmt};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{BrandPath, GrantId, PersonId, Principal};

/// What an auditor may do with the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AuditRight {
    /// Search, read and follow leaves, proofs and tiles.
    #[serde(rename = "audit:read")]
    Read,
    /// Open commitments; two people and a reason.
    #[serde(rename = "audit:reveal")]
    Reveal,
    /// Take leaves out as events.
    #[serde(rename = "audit:export")]
    Export,
}

impl AuditRight {
    /// Every right.
    pub const ALL: [Self; 3] = [Self::Read, Self::Reveal, Self::Export];

    /// The name as it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "audit:read",
            Self::Reveal => "audit:reveal",
            Self::Export => "audit:export",
        }
    }

    /// The right of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|right| right.as_str() == name)
    }
}

impl fmt::Display for AuditRight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An entry that gives rights on the log. Without one nobody has any, operators included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auditor {
    /// Its name, which the log and answers cite; it shares the names of grants.
    pub id: GrantId,
    /// Who may.
    pub holder: Principal,
    /// What.
    pub rights: BTreeSet<AuditRight>,
    /// Only leaves of this brand and those below; none means the whole log, leaves without a brand included.
    pub brand: Option<BrandPath>,
    /// The person who answers for it.
    pub owner: PersonId,
    /// From this instant on it counts no more.
    pub expires: Timestamp,
}

impl Auditor {
    /// True until the instant of expiry, which no longer counts.
    pub fn is_live(&self, now: Timestamp) -> bool {
        now < self.expires
    }
}
