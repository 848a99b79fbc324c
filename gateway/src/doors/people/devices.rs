//! `/v1/devices`: a person's own devices.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Json,
    extract::{FromRequestParts, Path, State},
    http::request::Parts,
};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    call::Caller,
    doors::{caller::Known, problem::Problem, publish::refused},
    gateway::Gateway,
    model::{KeyId, PersonId, Principal},
    people::devices::{DeviceFailure, end, is_live},
    records::KeyRecord,
    refusal::{Refusal, Stage, problem},
};

/// A person's devices.
#[derive(Debug, Serialize, ToSchema)]
pub struct DevicesView {
    /// Oldest first; those that ended too.
    devices: Vec<DeviceView>,
}

/// A device.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeviceView {
    /// Its id: the public part of its key.
    id: String,
    /// What its person calls it.
    name: String,
    /// Does its key open anything?
    live: bool,
    /// Is it the one that asks?
    this: bool,
    /// When it was enrolled.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it ends by itself.
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// When it was ended.
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    revoked_at: Option<Timestamp>,
}

impl DeviceView {
    fn of(key: &KeyRecord, caller: &KeyId, now: Timestamp) -> Self {
        Self {
            id: key.id.to_string(),
            name: key.device.as_ref().map(|device| device.name.clone()).unwrap_or_default(),
            live: is_live(key, now),
            this: key.id == *caller,
            created_at: key.created_at,
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
        }
    }
}

/// The device that a path names, as an argument of a handler. What is not text names none.
pub struct DevicePath(String);

impl FromRequestParts<Arc<Gateway>> for DevicePath {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, gateway: &Arc<Gateway>) -> Result<Self, Infallible> {
        let id = Path::<String>::from_request_parts(parts, gateway).await;
        Ok(Self(id.map(|Path(id)| id).unwrap_or_default()))
    }
}

/// Devices are people's.
async fn person<'a>(gateway: &Gateway, caller: &'a Caller) -> Result<&'a PersonId, Problem> {
    match caller.principal() {
        Principal::Person(person) => Ok(person),
        Principal::App(_) => {
            let refusal =
                Refusal::new(problem::NO_GRANT, Stage::Door, "Only people have devices; show a person's key.");
            Err(refused(gateway, caller, refusal).await)
        }
    }
}

/// My devices.
#[utoipa::path(get, path = "/v1/devices", operation_id = "listDevices", tag = "me",
    responses((status = 200, body = DevicesView, description = "The person's devices."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn list(State(gateway): State<Arc<Gateway>>, Known(caller): Known) -> Result<Json<DevicesView>, Problem> {
    let person = person(&gateway, &caller).await?;
    let now = gateway.clock.now();
    let devices = gateway.keys.devices_of(person);
    Ok(Json(DevicesView { devices: devices.iter().map(|key| DeviceView::of(key, caller.key(), now)).collect() }))
}

/// Ends one of my devices. When this has answered, its key opens nothing.
#[utoipa::path(delete, path = "/v1/devices/{id}", operation_id = "endDevice", tag = "me",
    params(("id" = String, Path, description = "The device.")),
    responses((status = 200, body = DeviceView, description = "The device, which has ended."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn revoke(
    State(gateway): State<Arc<Gateway>>,
    Known(caller): Known,
    DevicePath(id): DevicePath,
) -> Result<Json<DeviceView>, Problem> {
    let person = person(&gateway, &caller).await?.clone();
    let ending = Arc::clone(&gateway);
    // To the end, even when the caller goes away between the leaf and its effect.
    let ended = tokio::spawn(async move { end(&ending, &person, &id).await }).await;
    let ended = ended.map_err(|_| Refusal::new(problem::INTERNAL, Stage::Door, "The device was not ended."))?;
    match ended {
        Ok(key) => Ok(Json(DeviceView::of(&key, caller.key(), gateway.clock.now()))),
        Err(failure) => {
            let (kind, stage) = match &failure {
                DeviceFailure::Audit(_) => (problem::AUDIT_UNAVAILABLE, Stage::Record),
                DeviceFailure::Records(_) => (problem::STATE_UNAVAILABLE, Stage::Door),
                _ => (problem::NOT_FOUND, Stage::Door),
            };
            let text = match &failure {
                DeviceFailure::Missing => format!("There is nothing to end: {failure}."),
                _ => "The device was not ended. Try again.".to_owned(),
            };
            Err(refused(&gateway, &caller, Refusal::new(kind, stage, text).because(failure)).await)
        }
    }
}
