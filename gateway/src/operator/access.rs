//! The access review: who may do what on each account, by which right, and when it was used last.
//!
//! Rights come from the governance of the moment, their use from the whole log. The answer has ids, counts and times, no leaf: so it is
//! an operator's, who gives and takes these rights. That it was read is a leaf all the same.

mod rows;
mod usage;
mod view;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use rows::Review;
pub use usage::Usage;
pub use view::{AccessRequest, AccessRow, AccessView, Finding, LogSpan, RightKind, RightState};

use super::{By, Ops, OpsError};
use crate::{
    audit::{AuditLog, Leaf, leaf},
    config::Governance,
    model::Principal,
};

/// A right counts as unused after so many days, where nobody says otherwise.
pub const UNUSED_DAYS_DEFAULT: u32 = 90;
/// The longest time that can be asked for.
const UNUSED_DAYS_MAX: u32 = 3_660;
/// A right that ends within so many days ends soon.
pub const SOON_DAYS: u32 = 30;
/// The most rows of one answer.
const ROWS_MAX: usize = 20_000;
/// What leaves call it.
const WHAT: &str = "access.report";

impl Ops<'_> {
    /// Reviews rights and their use. The log is read from its first leaf, and says that it was.
    ///
    /// # Errors
    /// [`OpsError::Invalid`] for a wish that can't be, [`OpsError::Missing`] for an account or a brand that is none; the stores.
    pub async fn access(&self, by: &By, governance: &Governance, wish: &AccessRequest) -> Result<AccessView, OpsError> {
        let days = checked(governance, wish)?;
        let now = self.clock.now();
        let from = before(now, days);
        let usage = scan(self.audit, governance, from).await?;
        let mut live_keys: BTreeMap<Principal, u64> = BTreeMap::new();
        for key in self.records.keys().await? {
            if key.revoked_at.is_none() && key.expires_at.is_none_or(|end| now < end) {
                *live_keys.entry(key.holder).or_default() += 1;
            }
        }
        let review = Review { governance, usage: &usage, live_keys: &live_keys, now, from, wish };
        let rows = review.rows();
        if rows.len() > ROWS_MAX {
            let detail = format!("the review has {} rows and may have {ROWS_MAX}: ask by account or brand", rows.len());
            return Err(OpsError::Invalid(detail));
        }
        self.note_review(by, wish, days, rows.len()).await?;
        let log = LogSpan { leaves: usage.leaves, missing: usage.missing, since: usage.since };
        Ok(AccessView { at: now, days, soon_days: SOON_DAYS, log, rows })
    }

    async fn note_review(&self, by: &By, wish: &AccessRequest, days: u32, rows: usize) -> Result<(), OpsError> {
        let mut filter = format!("days={days}");
        for (name, value) in [("account", &wish.account), ("brand", &wish.brand)] {
            if let Some(value) = value {
                filter.push_str(&format!(" {name}={value}"));
            }
        }
        let (person, reason) = match by {
            By::Person(person) => (Some(person.to_string()), None),
            By::Local | By::LocalSignal | By::Gate => (None, Some(by.to_string())),
        };
        let count = u64::try_from(rows).ok();
        let read =
            leaf::Read { what: WHAT.into(), person, reason, filter: Some(filter), count, ..leaf::Read::default() };
        self.audit.append(Leaf::new(self.clock.now().as_millisecond(), read)).await?;
        Ok(())
    }
}

fn before(now: Timestamp, days: u32) -> Timestamp {
    now.checked_sub(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(Timestamp::MIN)
}

/// The days, where the wish can be.
fn checked(governance: &Governance, wish: &AccessRequest) -> Result<u32, OpsError> {
    let days = wish.days.unwrap_or(UNUSED_DAYS_DEFAULT);
    if !(1..=UNUSED_DAYS_MAX).contains(&days) {
        return Err(OpsError::Invalid(format!("`days` is 1 to {UNUSED_DAYS_MAX}")));
    }
    if wish.account.as_ref().is_some_and(|account| !governance.accounts.contains_key(account.as_str())) {
        return Err(OpsError::Missing("there is no such account in the applied governance".into()));
    }
    let is_brand = |brand: &String| governance.brands.keys().any(|known| known.as_str() == brand);
    if wish.brand.as_ref().is_some_and(|brand| !is_brand(brand)) {
        return Err(OpsError::Missing("there is no such brand in the applied governance".into()));
    }
    Ok(days)
}

/// Reads the log; it takes some seconds for a million leaves, and holds nobody up.
async fn scan(audit: &AuditLog, governance: &Governance, from: Timestamp) -> Result<Usage, OpsError> {
    let mut usage = Usage::new(governance.accounts.keys().cloned().collect(), from.as_millisecond());
    let audit = audit.clone();
    let read = tokio::task::spawn_blocking(move || {
        usage.read(&|from| audit.reader(from), audit.next_index())?;
        Ok(usage)
    });
    let failed = |error: String| OpsError::Internal(format!("the log can't be read: {error}"));
    read.await.map_err(|error| failed(error.to_string()))?.map_err(failed)
}
