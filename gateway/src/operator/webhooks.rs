//! Webhooks: how they are, their secrets, and what was given up.

use serde::{Deserialize, Serialize};

use super::{By, Ops, OpsError, ops::leaf_of, wire::Text};
use crate::{
    audit::leaf::Changed,
    egress::WebhookKey,
    events::webhooks::{DeadView, WebhookView},
    gateway::Gateway,
    vault::OVERLAP_HOURS,
};

/// What is to be sent again.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplayRequest {
    /// Everything from this leaf on; without it what was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
}

/// What is sent again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReplayView {
    /// The receiver.
    pub id: String,
    /// Events that were given up; with `from` leaves to look at.
    pub count: u64,
}

/// A secret that a person chose. No `Debug`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretRequest {
    /// `whsec_` and base64.
    pub(super) secret: Text,
}

/// Nothing more to say.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotationRequest {}

/// A secret that was set. Not shown but to who asked for a fresh one. No `Debug`.
#[derive(Serialize, Deserialize)]
pub struct SecretView {
    /// The receiver.
    pub id: String,
    /// The fresh secret, this once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// How long the one before signs too, in hours.
    pub overlap_h: i64,
}

fn missing(id: &str) -> OpsError {
    let id: String = id.chars().take(64).collect();
    OpsError::Missing(format!("there is no webhook `{id}`; `pressgate webhook list` shows those of events.toml"))
}

fn known(gateway: &Gateway, id: &str) -> Result<(), OpsError> {
    if gateway.governance.load().webhooks.contains_key(id) { Ok(()) } else { Err(missing(id)) }
}

/// How every receiver is.
///
/// # Errors
/// [`OpsError::Internal`] where what is kept of one can't be read.
pub async fn list(gateway: &Gateway) -> Result<Vec<WebhookView>, OpsError> {
    gateway.webhooks.list(gateway).await.map_err(OpsError::Internal)
}

/// What was given up.
///
/// # Errors
/// [`OpsError::Missing`], [`OpsError::Internal`] where what is kept of it can't be read.
pub async fn dead(gateway: &Gateway, id: &str) -> Result<Vec<DeadView>, OpsError> {
    gateway.webhooks.dead(gateway, id).await.map_err(OpsError::Internal)?.ok_or_else(|| missing(id))
}

/// Sends again.
///
/// # Errors
/// [`OpsError::Missing`], and what the stores say.
pub async fn replay(gateway: &Gateway, by: &By, id: &str, wish: ReplayRequest) -> Result<ReplayView, OpsError> {
    known(gateway, id)?;
    let change = leaf_of(Changed::Setting, "webhook-replay", id.to_owned(), None, by);
    let replayed = async { gateway.webhooks.replay(gateway, id, wish.from).await.map_err(OpsError::Internal) };
    let count = Ops::running(gateway).change(change, replayed).await?.ok_or_else(|| missing(id))?;
    Ok(ReplayView { id: id.to_owned(), count })
}

/// Sets a secret that the receiver has already. The one before signs no more.
///
/// # Errors
/// [`OpsError::Missing`], [`OpsError::Invalid`] for what is no secret, and what the stores say.
pub async fn set_secret(gateway: &Gateway, by: &By, id: &str, wish: SecretRequest) -> Result<SecretView, OpsError> {
    known(gateway, id)?;
    WebhookKey::parse(&wish.secret.0).map_err(|why| OpsError::Invalid(why.to_owned()))?;
    let change = leaf_of(Changed::Setting, "webhook-secret-set", id.to_owned(), None, by);
    let ops = Ops::running(gateway);
    ops.change(change, ops.vault.set_webhook_secret(id, &wish.secret.0)).await?;
    Ok(SecretView { id: id.to_owned(), secret: None, overlap_h: 0 })
}

/// Makes a fresh secret and shows it, this once. The one before signs too for a day.
///
/// # Errors
/// [`OpsError::Missing`], and what the stores say.
pub async fn rotate_secret(gateway: &Gateway, by: &By, id: &str) -> Result<SecretView, OpsError> {
    known(gateway, id)?;
    let change = leaf_of(Changed::Setting, "webhook-secret-rotate", id.to_owned(), None, by);
    let ops = Ops::running(gateway);
    let fresh = ops.change(change, ops.vault.rotate_webhook_secret(id)).await?;
    Ok(SecretView { id: id.to_owned(), secret: Some(fresh.as_str().to_owned()), overlap_h: OVERLAP_HOURS })
}
