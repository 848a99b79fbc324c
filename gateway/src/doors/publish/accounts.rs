//! `/v1/accounts`.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    call::{
        Caller,
        clear::{Credentials, credentials},
    },
    config::{Decision, Governance, decide},
    doors::{caller::Known, problem::Problem},
    gateway::Gateway,
    host::Description,
    limits::Ask,
    model::{Account, Action, Draft},
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
    #[schema(required = true)]
    pub handle: Option<String>,
    /// What the caller may do there, of what the adapter can do.
    pub actions: Vec<String>,
    /// What the network said of its limits; null until it was asked.
    #[schema(value_type = Option<Object>, required = true)]
    pub limits: Option<serde_json::Value>,
    /// JSON Schema of the network's options.
    #[schema(value_type = Object)]
    pub option_schema: serde_json::Value,
    /// Can it be posted to?
    pub health: Health,
}

/// Whether an account can be posted to.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// Nothing stands in the way.
    Ready,
    /// An operator must set its credential.
    NoCredential,
    /// The network refuses the credential, or gives no more tokens for it; an operator must set a new one or connect the account again.
    Reconnect,
    /// The network asked for a pause.
    Paused,
    /// The network did not say its limits when it was asked last.
    Silent,
}

/// Accounts, with limits, options and health.
#[utoipa::path(get, path = "/v1/accounts", operation_id = "listAccounts", tag = "accounts",
    responses((status = 200, body = AccountsView, description = "The caller's accounts."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn list(State(gateway): State<Arc<Gateway>>, Known(caller): Known) -> Result<Json<AccountsView>, Problem> {
    let governance = gateway.governance.load_full();
    let mut accounts = Vec::new();
    for account in governance.accounts_visible(caller.principal(), None, gateway.clock.now()) {
        if let Some(view) = view(&gateway, &governance, &caller, &account).await? {
            accounts.push(view);
        }
    }
    Ok(Json(AccountsView { accounts }))
}

/// True where a budget of the account has no room for a post.
fn full(
    gateway: &Gateway,
    governance: &Governance,
    caller: &Caller,
    account: &Account,
    description: &Description,
) -> bool {
    let draft = Draft {
        action: Action::POST_CREATE,
        parts: Vec::new(),
        language: None,
        target: None,
        options: serde_json::Map::new(),
        labels: Vec::new(),
        campaign: None,
    };
    let (classes, principal, rules) = (&description.rate_classes, caller.principal(), &governance.limits);
    gateway.limits.room(Ask { account, classes, draft: &draft, principal, rules }).is_err()
}

async fn view(
    gateway: &Gateway,
    governance: &Governance,
    caller: &Caller,
    account: &Account,
) -> Result<Option<AccountView>, Problem> {
    let snapshot = gateway.registry.snapshot();
    let Some(adapter) = snapshot.adapter(account) else { return Ok(None) };
    let Some(description) = adapter.description() else { return Ok(None) };
    let (facts, trouble) = gateway.facts.known(account, adapter).await;
    let paused = gateway.pauses.left(&account.id, gateway.clock.now()).is_some()
        || full(gateway, governance, caller, account, description);
    let health = match (credentials(gateway, account, adapter).await?, paused, trouble) {
        (Credentials::Missing(_), ..) => Health::NoCredential,
        (Credentials::Refused(_), ..) => Health::Reconnect,
        (Credentials::Usable(_), true, _) => Health::Paused,
        (Credentials::Usable(_), false, Some(_)) => Health::Silent,
        (Credentials::Usable(_), false, None) => Health::Ready,
    };
    let now = gateway.clock.now();
    let may = |action: &&Action| {
        matches!(decide(governance, caller.principal(), None, account, **action, now), Decision::Granted { .. })
    };
    Ok(Some(AccountView {
        id: account.id.to_string(),
        network: account.network.clone(),
        brand: account.brand.to_string(),
        handle: account.handle.clone(),
        actions: description.actions.iter().filter(may).map(ToString::to_string).collect(),
        limits: facts.and_then(|facts| serde_json::from_str(&facts.json).ok()),
        option_schema: description.option_schema.schema().clone(),
        health,
    }))
}
