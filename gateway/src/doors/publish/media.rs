//! `/v1/media`.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::refused;
use crate::{
    call::Caller,
    doors::{caller::Known, problem::Problem},
    gateway::Gateway,
    media::{MediaError, TYPES},
    posts,
    records::MediaRecord,
    refusal::{Refusal, Stage, problem},
};

/// A stored medium.
#[derive(Debug, Serialize, ToSchema)]
pub struct MediaView {
    /// Use it in posts within 24 hours.
    pub id: String,
    /// Found in the bytes.
    pub media_type: String,
    /// Bytes.
    pub size_bytes: u64,
    /// Pixels.
    #[schema(required = true)]
    pub width: Option<u32>,
    /// Pixels.
    #[schema(required = true)]
    pub height: Option<u32>,
    /// SHA-256, hexadecimal.
    pub digest: String,
}

/// The bytes of a file.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[allow(dead_code, reason = "describes the body for the OpenAPI document")]
pub struct BytesOfFile(Vec<u8>);

/// Stores a medium: the body is the file.
#[utoipa::path(post, path = "/v1/media", operation_id = "uploadMedia", tag = "media",
    request_body(content = BytesOfFile, content_type = "application/octet-stream", description = "The file; its type is found in its bytes."),
    responses((status = 201, body = MediaView, description = "Stored."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn upload(
    State(gateway): State<Arc<Gateway>>,
    Known(caller): Known,
    body: Body,
) -> Result<Response, Problem> {
    match keep(&gateway, &caller, body).await {
        Ok(record) => {
            let location = format!("/v1/media/{}", record.id);
            Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(MediaView::from(record))).into_response())
        }
        Err(refusal) => Err(refused(&gateway, &caller, refusal).await),
    }
}

async fn keep(gateway: &Gateway, caller: &Caller, body: Body) -> Result<MediaRecord, Refusal> {
    let governance = gateway.governance.load();
    if governance.accounts_visible(caller.principal(), None, gateway.clock.now()).is_empty() {
        let detail = "Media are stored for posts, and no grant lets you post anywhere.";
        return Err(Refusal::new(problem::NO_GRANT, Stage::Authorise, detail));
    }
    let kept = gateway.media.keep(body, caller.principal().clone(), gateway.clock.now()).await;
    let record = kept.map_err(|error| match error {
        MediaError::TooLarge { max_bytes } => {
            Refusal::new(problem::TOO_LARGE, Stage::Door, format!("A medium may have {max_bytes} bytes."))
        }
        MediaError::UnknownType => {
            let detail = format!("The bytes are none of: {}.", TYPES.join(", "));
            Refusal::new(problem::UNSUPPORTED_MEDIA_TYPE, Stage::Door, detail)
        }
        MediaError::Cut(cause) => Refusal::new(problem::MALFORMED, Stage::Door, "The upload broke off.").because(cause),
        MediaError::Disk(cause) => {
            Refusal::new(problem::STATE_UNAVAILABLE, Stage::Door, "The medium could not be written.").because(cause)
        }
    })?;
    gateway.records.put_media(record.clone()).await.map_err(|error| posts::unavailable(&error))?;
    Ok(record)
}

impl From<MediaRecord> for MediaView {
    fn from(record: MediaRecord) -> Self {
        let MediaRecord { id, media_type, size_bytes, width, height, digest, .. } = record;
        Self { id: id.to_string(), media_type, size_bytes, width, height, digest }
    }
}
