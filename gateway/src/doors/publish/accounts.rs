//! `/v1/accounts`.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    call::review::plugin_failure,
    doors::{caller::Known, problem::Problem},
    gateway::Gateway,
    model::Account,
    posts,
    refusal::Stage,
};

/// Accounts that the caller has a grant for.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccountsView {
    /// By id.
    pub accounts: Vec<AccountView>,
}

/// One account.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccountView {
    /// Its name in the gateway.
    pub id: String,
    /// Network.
    pub network: String,
    /// Owner.
    pub brand: String,
    /// Its name on the network.
    pub handle: Option<String>,
    /// What its adapter can do.
    pub actions: Vec<String>,
    /// What the network said of its limits; null until it was asked.
    #[schema(value_type = Option<Object>)]
    pub limits: Option<serde_json::Value>,
    /// JSON Schema of the network's options.
    #[schema(value_type = Object)]
    pub option_schema: serde_json::Value,
    /// ready, no-credential, paused or silent.
    pub health: &'static str,
}

/// Accounts, with limits, options and health.
#[utoipa::path(get, path = "/v1/accounts", operation_id = "listAccounts", tag = "accounts",
    responses((status = 200, body = AccountsView, description = "The caller's accounts."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn list(State(gateway): State<Arc<Gateway>>, Known(caller): Known) -> Result<Json<AccountsView>, Problem> {
    let governance = gateway.governance.load_full();
    let mut accounts = Vec::new();
    for account in governance.accounts_visible(caller.principal(), None, gateway.clock.now()) {
        if let Some(view) = view(&gateway, &account).await? {
            accounts.push(view);
        }
    }
    Ok(Json(AccountsView { accounts }))
}

async fn view(gateway: &Gateway, account: &Account) -> Result<Option<AccountView>, Problem> {
    let snapshot = gateway.registry.snapshot();
    let Some(adapter) = snapshot.adapters.get(&account.adapter) else { return Ok(None) };
    let description = gateway.descriptions.of(adapter).await.map_err(|error| plugin_failure(Stage::Door, &error))?;
    let (facts, trouble) = gateway.facts.known(&account.id).await;
    let mut complete = true;
    for credential in &adapter.manifest().credentials {
        let standing = gateway.vault.standing(&account.id, &credential.label, &account.endpoint).await;
        let usable = standing
            .map(|standing| standing.fault(account.id.as_str(), &credential.label, &account.endpoint).is_none());
        complete &= usable
            .map_err(|error| posts::unavailable(&crate::records::RecordsError::Unavailable(error.to_string())))?;
    }
    let health = match (complete, gateway.pauses.left(&account.id, gateway.clock.now()), trouble) {
        (false, ..) => "no-credential",
        (true, Some(_), _) => "paused",
        (true, None, Some(_)) => "silent",
        (true, None, None) => "ready",
    };
    Ok(Some(AccountView {
        id: account.id.to_string(),
        network: account.network.clone(),
        brand: account.brand.to_string(),
        handle: account.handle.clone(),
        actions: description.actions.iter().map(ToString::to_string).collect(),
        limits: facts.and_then(|facts| serde_json::from_str(&facts.json).ok()),
        option_schema: description.option_schema.clone(),
        health,
    }))
}
