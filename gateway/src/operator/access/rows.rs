//! The rows of a review: rights of the governance beside what the log tells of them.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{
    SOON_DAYS, Usage,
    usage::Use,
    view::{AccessRequest, AccessRow, Finding, RightKind, RightState},
};
use crate::{
    config::Governance,
    model::{Account, Auditor, BrandPath, Grant, Grantee, Principal},
};

/// What a review is made from.
pub(super) struct Review<'a> {
    pub(super) governance: &'a Governance,
    pub(super) usage: &'a Usage,
    pub(super) live_keys: &'a BTreeMap<Principal, u64>,
    pub(super) now: Timestamp,
    /// What was not used since then is unused.
    pub(super) from: Timestamp,
    pub(super) wish: &'a AccessRequest,
}

impl Review<'_> {
    /// All rows, in their order.
    pub(super) fn rows(&self) -> Vec<AccessRow> {
        let mut rows = Vec::new();
        for account in self.governance.accounts.values().filter(|account| self.wants(account)) {
            let grants = self.governance.grants.iter().filter(|grant| grant.scope.covers(account));
            rows.extend(grants.map(|grant| self.grant(grant, Some(account))));
            rows.extend(self.approvers(account));
        }
        if self.wish.account.is_none() && self.wish.brand.is_none() {
            let accounts = &self.governance.accounts;
            let idle =
                self.governance.grants.iter().filter(|grant| !accounts.values().any(|it| grant.scope.covers(it)));
            rows.extend(idle.map(|grant| self.grant(grant, None)));
        }
        rows.extend(self.governance.auditors.iter().filter(|auditor| self.reaches(auditor)).map(|it| self.auditor(it)));
        rows.extend(self.operators());
        rows.sort_by(|one, other| {
            let key = |row: &AccessRow| (row.account.is_none(), row.account.clone(), row.kind);
            key(one).cmp(&key(other)).then_with(|| (&one.holder, &one.grant).cmp(&(&other.holder, &other.grant)))
        });
        rows
    }

    fn wants(&self, account: &Account) -> bool {
        let brand = self.wish.brand.as_ref().map(|brand| BrandPath::new(brand.clone()));
        self.wish.account.as_deref().is_none_or(|wanted| wanted == account.id.as_str())
            && brand.is_none_or(|brand| brand.covers(&account.brand))
    }

    /// Can the auditor see leaves of what is asked for?
    fn reaches(&self, auditor: &Auditor) -> bool {
        let Some(reach) = &auditor.brand else { return true };
        let all = self.wish.account.is_none() && self.wish.brand.is_none();
        let mut wanted = self.governance.accounts.values().filter(|account| self.wants(account));
        let brand = self.wish.brand.as_ref().map(|brand| BrandPath::new(brand.clone()));
        all || wanted.any(|account| reach.covers(&account.brand)) || brand.is_some_and(|brand| reach.covers(&brand))
    }

    fn grant(&self, grant: &Grant, account: Option<&Account>) -> AccessRow {
        let mut used = match account {
            Some(account) => self.usage.of_grant(grant.id.as_str(), &account.id),
            None => self.usage.of_grant_anywhere(grant.id.as_str()),
        };
        if let (Principal::Person(person), Some(account)) = (&grant.holder, account) {
            let acted =
                grant.actions.iter().map(|action| self.usage.acted_for(person.as_str(), &account.id, action.as_str()));
            used = acted.fold(used, Use::and);
        }
        let mut row = self.row(RightKind::Grant, &grant.holder, used, Some(grant.expires));
        row.account = account.map(|account| account.id.to_string());
        row.brand = account.map(|account| account.brand.to_string());
        row.grant = Some(grant.id.to_string());
        row.actions = grant.actions.iter().map(ToString::to_string).collect();
        row.act_for = grant.act_for.iter().map(ToString::to_string).collect();
        row.owner = Some(grant.owner.to_string());
        match account {
            None => row.findings.push(Finding::NoAccount),
            Some(account) => {
                row.refused = self.usage.refused(&grant.holder, &account.id);
                row.denied = self.denied(grant, account);
                if row.denied.len() == row.actions.len() {
                    row.findings.push(Finding::Denied);
                }
            }
        }
        row
    }

    /// What of a grant deny entries forbid.
    fn denied(&self, grant: &Grant, account: &Account) -> Vec<String> {
        let means = |whom: &Grantee| match whom {
            Grantee::Everyone => true,
            Grantee::One(principal) => *principal == grant.holder,
        };
        let denies: Vec<_> = self.governance.denies.iter().filter(|deny| means(&deny.whom)).collect();
        let denied = grant.actions.iter().filter(|action| denies.iter().any(|deny| deny.forbids(account, **action)));
        denied.map(ToString::to_string).collect()
    }

    fn approvers(&self, account: &Account) -> Vec<AccessRow> {
        let people = self.governance.people.values().filter(|person| person.may_approve(&account.brand));
        let row = |person: &crate::config::Person| {
            let holder = Principal::Person(person.id.clone());
            let mut row = self.row(RightKind::Approver, &holder, self.usage.votes(person.id.as_str()), None);
            row.account = Some(account.id.to_string());
            row.brand = Some(account.brand.to_string());
            row.actions = vec!["vote".to_owned()];
            row
        };
        people.map(row).collect()
    }

    fn auditor(&self, auditor: &Auditor) -> AccessRow {
        let used = self.usage.of_entry(auditor.id.as_str());
        let mut row = self.row(RightKind::Auditor, &auditor.holder, used, Some(auditor.expires));
        row.brand = auditor.brand.as_ref().map(ToString::to_string);
        row.grant = Some(auditor.id.to_string());
        row.actions = auditor.rights.iter().map(ToString::to_string).collect();
        row.owner = Some(auditor.owner.to_string());
        row
    }

    fn operators(&self) -> Vec<AccessRow> {
        let people = self.governance.people.values().filter(|person| person.is_operator());
        let row = |person: &crate::config::Person| {
            let holder = Principal::Person(person.id.clone());
            let mut row = self.row(RightKind::Operator, &holder, self.usage.changes(person.id.as_str()), None);
            row.actions = vec!["operate".to_owned()];
            row
        };
        people.map(row).collect()
    }

    /// A row with all that every right has.
    fn row(&self, kind: RightKind, holder: &Principal, used: Use, expires_at: Option<Timestamp>) -> AccessRow {
        let soon =
            self.now.checked_add(SignedDuration::from_hours(24 * i64::from(SOON_DAYS))).unwrap_or(Timestamp::MAX);
        let state = match expires_at {
            Some(end) if end <= self.now => RightState::Expired,
            Some(end) if end <= soon => RightState::Expiring,
            _ => RightState::Live,
        };
        let live_keys = self.live_keys.get(holder).copied().unwrap_or_default();
        let mut findings = Vec::new();
        match state {
            RightState::Expired => findings.push(Finding::Expired),
            RightState::Expiring => findings.push(Finding::ExpiresSoon),
            RightState::Live => {}
        }
        // What has ended can't be used, and that is as it should be.
        if state != RightState::Expired {
            match used.last() {
                None => findings.push(Finding::NeverUsed),
                Some(last) if last < self.from => findings.push(Finding::Unused),
                Some(_) => {}
            }
            if live_keys == 0 {
                findings.push(Finding::NoKey);
            }
        }
        AccessRow {
            kind,
            account: None,
            brand: None,
            holder: holder.to_string(),
            grant: None,
            actions: Vec::new(),
            denied: Vec::new(),
            act_for: Vec::new(),
            owner: None,
            expires_at,
            state,
            last_used_at: used.last(),
            uses: used.count,
            refused: 0,
            live_keys,
            findings,
        }
    }
}
