//! `/v1/me`.

use std::sync::Arc;

use axum::{Json, extract::State};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    doors::caller::Known,
    gateway::Gateway,
    model::{Principal, Scope},
};

/// Who the caller is.
#[derive(Debug, Serialize, ToSchema)]
pub struct MeView {
    /// `app:newsroom` or `person:editor-7`.
    pub principal: String,
    /// Public part of the key.
    pub key: String,
    /// Live grants.
    pub grants: Vec<GrantView>,
    /// Brands for which held posts may be approved.
    pub approves: Vec<String>,
    /// Live rights on the audit log.
    pub audits: Vec<AuditorView>,
}

/// A grant.
#[derive(Debug, Serialize, ToSchema)]
pub struct GrantView {
    /// Its name.
    pub id: String,
    /// The account, where it is for one.
    #[schema(required = true)]
    pub account: Option<String>,
    /// The brand, where it is for a brand and those below.
    #[schema(required = true)]
    pub brand: Option<String>,
    /// Actions.
    pub actions: Vec<String>,
    /// Persons for whom the app may act.
    pub act_for: Vec<String>,
    /// Who answers for it.
    pub owner: String,
    /// When it ends.
    #[schema(value_type = String, format = DateTime)]
    pub expires: Timestamp,
}

/// A right on the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditorView {
    /// Its name.
    pub id: String,
    /// Of `audit:read`, `audit:reveal`, `audit:export`.
    pub rights: Vec<String>,
    /// Only for leaves of this brand and those below; null means the whole log.
    #[schema(required = true)]
    pub brand: Option<String>,
    /// Who answers for it.
    pub owner: String,
    /// When it ends.
    #[schema(value_type = String, format = DateTime)]
    pub expires: Timestamp,
}

/// Who am I, and what may I do?
#[utoipa::path(get, path = "/v1/me", operation_id = "whoAmI", tag = "me",
    responses((status = 200, body = MeView, description = "The caller."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn me(State(gateway): State<Arc<Gateway>>, Known(caller): Known) -> Json<MeView> {
    let governance = gateway.governance.load();
    let now = gateway.clock.now();
    let live = governance.grants_of(caller.principal()).iter().filter(|grant| grant.expires > now);
    let audits = governance
        .auditors_of(caller.principal())
        .iter()
        .filter(|auditor| auditor.is_live(now))
        .map(|auditor| AuditorView {
            id: auditor.id.to_string(),
            rights: auditor.rights.iter().map(ToString::to_string).collect(),
            brand: auditor.brand.as_ref().map(ToString::to_string),
            owner: auditor.owner.to_string(),
            expires: auditor.expires,
        })
        .collect();
    let approves = match caller.principal() {
        Principal::Person(person) => {
            governance.people.get(person).map(|person| person.approves.clone()).unwrap_or_default()
        }
        Principal::App(_) => Vec::new(),
    };
    let grants = live
        .map(|grant| {
            let (account, brand) = match &grant.scope {
                Scope::Account(account) => (Some(account.to_string()), None),
                Scope::Brand(brand) => (None, Some(brand.to_string())),
            };
            GrantView {
                id: grant.id.to_string(),
                account,
                brand,
                actions: grant.actions.iter().map(ToString::to_string).collect(),
                act_for: grant.act_for.iter().map(ToString::to_string).collect(),
                owner: grant.owner.to_string(),
                expires: grant.expires,
            }
        })
        .collect();
    Json(MeView {
        principal: caller.principal().to_string(),
        key: caller.key().to_string(),
        grants,
        approves: approves.iter().map(ToString::to_string).collect(),
        audits,
    })
}
