//! `/v1/media`.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use super::refused;
use crate::{
    call::{Caller, record},
    config::{Decision, NoRight, decide},
    doors::{
        body::{Broken, Timed},
        caller::Known,
        problem::Problem,
    },
    gateway::Gateway,
    media::{MediaError, TYPES},
    model::{Action, Principal},
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
    responses((status = 201, body = MediaView, description = "Stored.", headers(("Location" = String, description = "The medium."))),
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
    may_upload(gateway, caller)?;
    // What can't be sent needs no room on a disk that has little.
    record::log_takes_effects(gateway)?;
    let mut body = Timed::pauses(body, gateway);
    let kept = store(gateway, caller, &mut body).await;
    kept.map_err(|error| error.refusal(body.broken()))
}

/// Why a medium was not stored.
pub(in crate::doors) enum NotStored {
    /// The body did not come to its end.
    Cut(String),
    /// All else.
    Refused(Refusal),
}

impl NotStored {
    /// The refusal that it amounts to; `broken` says why the body broke, where that is known.
    pub(in crate::doors) fn refusal(self, broken: Option<Broken>) -> Refusal {
        match self {
            Self::Cut(cause) => broken.unwrap_or(Broken::Cut(cause)).refusal(),
            Self::Refused(refusal) => refusal,
        }
    }
}

/// Stores a medium that the caller may upload, within what the caller may have in store.
pub(in crate::doors) async fn store<B>(gateway: &Gateway, caller: &Caller, body: B) -> Result<MediaRecord, NotStored>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    let owner = caller.principal();
    let upload = gateway.media.begin(owner);
    let unused = unused_bytes(gateway, owner).await.map_err(NotStored::Refused)?;
    let max = gateway.config.limits.media_unused_bytes_max;
    let no_room = || {
        let detail =
            format!("{owner} may have {max} bytes of media that no post uses, and this medium would be too much.");
        Refusal::new(problem::MEDIA_QUOTA, Stage::Admit, detail)
    };
    let room_bytes = max.saturating_sub(unused);
    let kept = gateway.media.keep(body, &upload, room_bytes, gateway.clock.now()).await;
    let record = kept.map_err(|error| {
        NotStored::Refused(match error {
            MediaError::TooLarge { max_bytes } => {
                Refusal::new(problem::TOO_LARGE, Stage::Door, format!("A medium may have {max_bytes} bytes."))
            }
            MediaError::NoRoom => no_room(),
            MediaError::UnknownType => {
                let detail = format!("The bytes are none of: {}.", TYPES.join(", "));
                Refusal::new(problem::UNSUPPORTED_MEDIA_TYPE, Stage::Door, detail)
            }
            MediaError::Cut(cause) => return NotStored::Cut(cause),
            MediaError::Disk(cause) => {
                Refusal::new(problem::STATE_UNAVAILABLE, Stage::Door, "The medium could not be written.").because(cause)
            }
        })
    })?;
    // Others may have ended since this one was begun.
    let unused = unused_bytes(gateway, owner).await.map_err(NotStored::Refused)?;
    if unused.saturating_add(upload.bytes()) > max {
        if let Err(error) = gateway.media.remove(&record.id).await {
            tracing::warn!(medium = %record.id, %error, "a medium that was refused stays on disk");
        }
        return Err(NotStored::Refused(no_room()));
    }
    let put = gateway.records.put_media(record.clone()).await;
    put.map_err(|error| NotStored::Refused(posts::unavailable(&error)))?;
    Ok(record)
}

async fn unused_bytes(gateway: &Gateway, owner: &Principal) -> Result<u64, Refusal> {
    gateway.records.unused_media_bytes(owner.clone()).await.map_err(|error| posts::unavailable(&error))
}

/// A medium belongs to no account yet: the right to upload for one of them is enough. Where it is used, that account's counts.
fn may_upload(gateway: &Gateway, caller: &Caller) -> Result<(), Refusal> {
    let governance = gateway.governance.load();
    let (principal, now) = (caller.principal(), gateway.clock.now());
    let mut denied = None;
    for account in governance.accounts.values() {
        match decide(&governance, principal, None, account, Action::MEDIA_UPLOAD, now) {
            Decision::Granted { .. } => return Ok(()),
            Decision::Refused { reason: reason @ NoRight::Denied { .. } } => denied = denied.or(Some(reason)),
            Decision::Refused { .. } => {}
        }
    }
    let held = governance
        .grants_of(principal)
        .iter()
        .any(|grant| grant.is_live(now) && grant.actions.contains(&Action::MEDIA_UPLOAD));
    Err(match denied.filter(|_| held) {
        Some(reason) => {
            let detail = format!("{principal} may not do `{}` anywhere: {reason}.", Action::MEDIA_UPLOAD);
            Refusal::new(problem::DENIED, Stage::Authorise, detail)
        }
        None => {
            let detail = format!("No grant lets {principal} do `{}` on any account.", Action::MEDIA_UPLOAD);
            Refusal::new(problem::NO_GRANT, Stage::Authorise, detail)
        }
    })
}

impl From<MediaRecord> for MediaView {
    fn from(record: MediaRecord) -> Self {
        let MediaRecord { id, media_type, size_bytes, width, height, digest, .. } = record;
        Self { id: id.to_string(), media_type, size_bytes, width, height, digest }
    }
}
