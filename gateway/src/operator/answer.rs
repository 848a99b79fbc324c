//! Refusals of the operator listener as problem details (RFC 9457).

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::OpsError;
use crate::{
    listen::Fault,
    refusal::{Refusal, Stage, problem},
};

/// A refusal as a response.
#[derive(Debug)]
pub struct Problem(Box<Refusal>);

#[cfg(test)]
impl Problem {
    /// The refusal.
    pub fn refusal(&self) -> &Refusal {
        &self.0
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self(Box::new(refusal))
    }
}

impl From<OpsError> for Problem {
    fn from(error: OpsError) -> Self {
        Refusal::from(error).into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let refusal = *self.0;
        let kind = refusal.problem;
        if kind.status >= 500 {
            tracing::warn!(%refusal, "an operator was answered with a problem");
        }
        let mut body = json!({
            "type": format!("/problems/{}", kind.slug),
            "title": kind.title,
            "status": kind.status,
            "detail": refusal.detail,
            "stage": refusal.stage,
            "blame": kind.blame,
            "retry": kind.retry,
        });
        if let (false, Some(fields)) = (refusal.faults.is_empty(), body.as_object_mut()) {
            fields.insert("errors".into(), json!(refusal.faults));
        }
        let status = StatusCode::from_u16(kind.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = refusal.retry_after_s {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if kind == problem::UNAUTHENTICATED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"pressgate operator\""));
        }
        response
    }
}

/// A request whose bytes can't be read in one way only. The connection ends with this answer.
pub fn unreadable(fault: Fault) -> Response {
    let problem = if fault.status() == 431 { problem::HEAD_TOO_LARGE } else { problem::MALFORMED };
    Problem::from(Refusal::new(problem, Stage::Door, fault.to_string())).into_response()
}

/// A path that nobody serves.
pub async fn no_such_path() -> Problem {
    Refusal::new(problem::NOT_FOUND, Stage::Door, "Nothing is served here. Operators' paths begin with /operator/.")
        .into()
}

/// A path that is served, by other methods.
pub async fn no_such_method() -> Problem {
    Refusal::new(problem::METHOD_NOT_ALLOWED, Stage::Door, "This path takes other methods; see the `Allow` header.")
        .into()
}
