//! `/v1/audit/reveals`: values that a leaf commits to, for two people with a reason.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Json,
    extract::{FromRequestParts, Path, State},
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{body::JsonBody, caller::Known, json, problem::Problem, publish::refused};
use crate::{
    gateway::Gateway,
    model::hex::hex,
    reveals::{self, Opened, Reveal, Seen, Wish},
};

/// What somebody wants to see, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevealRequest {
    /// Index of the leaf.
    leaf: u64,
    /// Which values: `text`, `source`, `reply-to`. All where it is left out.
    #[serde(default)]
    #[schema(max_items = 16)]
    fields: Vec<String>,
    /// Why, in 1 to 500 characters. It is written to the log, so it names no person.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

/// Longest list of fields.
const FIELDS_MAX: usize = 16;

/// A request to reveal, as it stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct RevealView {
    /// Its id.
    id: String,
    /// Index of the leaf.
    leaf: u64,
    /// Which values.
    fields: Vec<String>,
    /// Why.
    reason: String,
    /// `waits` for another person, or `confirmed`.
    state: &'static str,
    /// Who asked.
    asked_by: String,
    /// Who confirmed.
    #[schema(required = true)]
    confirmed_by: Option<String>,
    /// When it ends: nobody sees a value after that.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    /// The log's name, over which the commitments are made.
    origin: String,
    /// The call over which they are made: the post's id, or empty.
    call: String,
    /// The values, for the two people, once there are two.
    #[schema(required = true)]
    values: Option<Vec<RevealedView>>,
}

/// One value.
#[derive(Serialize, ToSchema)]
pub struct RevealedView {
    /// Which.
    field: String,
    /// The commitment, as the leaf has it: HMAC-SHA-256 under the salt over origin, call, field and value, each after its length
    /// in 8 bytes.
    hmac: String,
    /// `opened`, or `erased`: then nobody can tell any more what it was.
    state: &'static str,
    /// 32 bytes, hexadecimal.
    #[schema(required = true)]
    salt: Option<String>,
    /// The value.
    #[schema(required = true)]
    value: Option<String>,
}

impl std::fmt::Debug for RevealedView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RevealedView").field("field", &self.field).field("state", &self.state).finish_non_exhaustive()
    }
}

impl RevealView {
    fn of(gateway: &Gateway, reveal: Reveal, values: Option<Vec<Opened>>) -> Self {
        Self {
            id: reveal.id,
            leaf: reveal.leaf,
            fields: reveal.commitments.into_iter().map(|commitment| commitment.field).collect(),
            reason: reveal.reason,
            state: if reveal.confirmed_by.is_some() { "confirmed" } else { "waits" },
            asked_by: reveal.asked_by.to_string(),
            confirmed_by: reveal.confirmed_by.map(|person| person.to_string()),
            expires_at: reveal.expires_at,
            origin: gateway.openings.origin().to_owned(),
            call: reveal.call,
            values: values.map(|values| values.into_iter().map(RevealedView::of).collect()),
        }
    }
}

impl RevealedView {
    fn of(opened: Opened) -> Self {
        let (salt, value) = match &opened.value {
            Some((salt, value)) => (Some(hex(salt.as_slice())), Some(value.to_string())),
            None => (None, None),
        };
        let state = if value.is_some() { "opened" } else { "erased" };
        Self { field: opened.commitment.field, hmac: opened.commitment.hmac, state, salt, value }
    }
}

/// The request that a path names, as an argument of a handler. What is not text names none.
pub struct RevealPath(String);

impl FromRequestParts<Arc<Gateway>> for RevealPath {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, gateway: &Arc<Gateway>) -> Result<Self, Infallible> {
        let id = Path::<String>::from_request_parts(parts, gateway).await;
        Ok(Self(id.map(|Path(id)| id).unwrap_or_default()))
    }
}

/// Asks for values of a leaf. Another person must confirm it; needs the right `audit:reveal` and a person's key.
#[utoipa::path(post, path = "/v1/audit/reveals", operation_id = "askReveal", tag = "audit", request_body = RevealRequest,
    responses((status = 201, body = RevealView, description = "The request waits for another person.",
               headers(("Location" = String, description = "The request."))),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn ask(
    State(gateway): State<Arc<Gateway>>,
    Known(caller): Known,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let request: RevealRequest = match body.and_then(|body| json::read(&body)) {
        Ok(request) => request,
        Err(refusal) => return Err(refused(&gateway, &caller, refusal).await),
    };
    let mut fields = request.fields;
    fields.truncate(FIELDS_MAX);
    let wish = Wish { leaf: request.leaf, fields, reason: request.reason };
    let reveal = reveals::ask(&gateway, &caller, wish).await?;
    let location = HeaderValue::from_str(&format!("/v1/audit/reveals/{}", reveal.id));
    let mut response = (StatusCode::CREATED, Json(RevealView::of(&gateway, reveal, None))).into_response();
    if let Ok(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Confirms the request of another person. Needs the right `audit:reveal` and a person's key.
#[utoipa::path(post, path = "/v1/audit/reveals/{id}/confirmations", operation_id = "confirmReveal", tag = "audit",
    params(("id" = String, Path, description = "The request.")),
    responses((status = 200, body = RevealView, description = "Both may look now."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn confirm(
    State(gateway): State<Arc<Gateway>>,
    Known(caller): Known,
    RevealPath(id): RevealPath,
) -> Result<Json<RevealView>, Problem> {
    let reveal = reveals::confirm(&gateway, &caller, &id).await?;
    Ok(Json(RevealView::of(&gateway, reveal, None)))
}

/// The request; with its values for the two people, once there are two. Each look at values is in the log.
#[utoipa::path(get, path = "/v1/audit/reveals/{id}", operation_id = "readReveal", tag = "audit",
    params(("id" = String, Path, description = "The request.")),
    responses((status = 200, body = RevealView, description = "The request."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn look(
    State(gateway): State<Arc<Gateway>>,
    Known(caller): Known,
    RevealPath(id): RevealPath,
) -> Result<Json<RevealView>, Problem> {
    let Seen { reveal, values } = reveals::look(&gateway, &caller, &id).await?;
    Ok(Json(RevealView::of(&gateway, reveal, values)))
}
