//! Who may do what with the audit log: one pure function over the governance of a moment. Deny is the default, and no role
//! gives a right: an operator without an entry reads nothing.
//!
//! Rights add up: who has entries for two brands sees both. An entry for the whole log is wider than any of them.

use std::{collections::HashMap, sync::Arc};

use jiff::Timestamp;

use super::Governance;
use crate::model::{AuditRight, Auditor, BrandPath, GrantId, Principal};

/// How much of the log a right reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditReach {
    /// All leaves, those without a brand included.
    WholeLog,
    /// Leaves of these brands and those below; never a leaf without a brand. At least one.
    Brands(Vec<BrandPath>),
}

impl AuditReach {
    /// True where a leaf of this brand, or of none, is within reach.
    pub fn covers(&self, brand: Option<&BrandPath>) -> bool {
        match (self, brand) {
            (Self::WholeLog, _) => true,
            (Self::Brands(_), None) => false,
            (Self::Brands(brands), Some(brand)) => brands.iter().any(|covered| covered.covers(brand)),
        }
    }
}

/// A right that somebody has now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditScope {
    /// How much of the log.
    pub reach: AuditReach,
    /// The entries that give it, in the order of the file; one where it is for the whole log.
    pub entries: Vec<GrantId>,
    /// The first instant at which this answer no longer holds.
    pub expires: Timestamp,
}

impl AuditScope {
    /// The entries as a leaf cites them.
    pub fn grant(&self) -> String {
        self.entries.iter().map(GrantId::as_str).collect::<Vec<_>>().join(",")
    }

    /// True where all of the log is within reach.
    pub fn is_whole(&self) -> bool {
        self.reach == AuditReach::WholeLog
    }
}

/// Why not. The texts are public: they say what to ask for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAuditRight {
    /// No entry names the caller with this right.
    #[error("this needs the right `{right}`, which no role gives; ask for an [[auditor]] entry in grants.toml")]
    NoEntry {
        /// The right.
        right: AuditRight,
    },
    /// There was one.
    #[error("`{entry}`, which gave the right `{right}`, has expired; ask its owner to renew it")]
    Expired {
        /// The right.
        right: AuditRight,
        /// The entry that expired last.
        entry: GrantId,
    },
}

/// Entries by holder, so that a decision looks only at the few that matter.
#[derive(Debug, Clone, Default)]
pub(super) struct Index(HashMap<Principal, Vec<Arc<Auditor>>>);

impl Index {
    pub(super) fn new(auditors: &[Arc<Auditor>]) -> Self {
        let mut index = Self::default();
        for auditor in auditors {
            index.0.entry(auditor.holder.clone()).or_default().push(Arc::clone(auditor));
        }
        index
    }
}

impl Governance {
    /// Whether `principal` has a right on the log at `now`, and on how much of it.
    ///
    /// # Errors
    /// [`NoAuditRight`], which names the right.
    pub fn audit_right(
        &self,
        principal: &Principal,
        right: AuditRight,
        now: Timestamp,
    ) -> Result<AuditScope, NoAuditRight> {
        let fitting: Vec<&Arc<Auditor>> =
            self.auditors_of(principal).iter().filter(|auditor| auditor.rights.contains(&right)).collect();
        let live: Vec<&Arc<Auditor>> = fitting.iter().copied().filter(|auditor| auditor.is_live(now)).collect();
        let whole = live.iter().filter(|auditor| auditor.brand.is_none());
        if let Some(widest) = whole.copied().reduce(|best, next| if next.expires > best.expires { next } else { best })
        {
            return Ok(AuditScope {
                reach: AuditReach::WholeLog,
                entries: vec![widest.id.clone()],
                expires: widest.expires,
            });
        }
        if let Some(expires) = live.iter().map(|auditor| auditor.expires).min() {
            return Ok(AuditScope {
                reach: AuditReach::Brands(live.iter().filter_map(|auditor| auditor.brand.clone()).collect()),
                entries: live.iter().map(|auditor| auditor.id.clone()).collect(),
                expires,
            });
        }
        match fitting.iter().max_by_key(|auditor| auditor.expires) {
            Some(last) => Err(NoAuditRight::Expired { right, entry: last.id.clone() }),
            None => Err(NoAuditRight::NoEntry { right }),
        }
    }

    /// The entries that a caller holds, in the order of the file, the expired ones too.
    pub fn auditors_of(&self, principal: &Principal) -> &[Arc<Auditor>] {
        self.auditor_index.0.get(principal).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests;
