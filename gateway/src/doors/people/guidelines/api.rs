//! `/v1/guidelines`: what there is, what waits for the person who asks, and their acknowledgements.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, RawQuery, State, rejection::PathRejection},
    http::{HeaderMap, StatusCode, header::CONTENT_LANGUAGE},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    find::Wish,
    view::{AcknowledgementView, Eyes, GuidelineTextBody, GuidelinesView},
};
use crate::{
    call::Caller,
    doors::{body::JsonBody, caller::Known, json, problem::Problem, publish::refused},
    gateway::Gateway,
    model::{BrandPath, PersonId, Principal},
    people::acknowledgements::{Acknowledged, NotAcknowledged, acknowledge as keep},
    refusal::{Refusal, Stage, problem},
};

/// The end of the path under which people acknowledge.
const ACKNOWLEDGEMENTS: &str = "/acknowledgements";

/// What a person says that they read.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcknowledgementRequest {
    /// The version.
    #[schema(max_length = 32)]
    version: String,
    /// SHA-256 of the text that was read, as `texts` shows it.
    #[schema(min_length = 64, max_length = 64)]
    digest: String,
}

fn person(caller: &Caller) -> Option<&PersonId> {
    match caller.principal() {
        Principal::Person(person) => Some(person),
        Principal::App(_) => None,
    }
}

/// The guidelines that I may see: what I have acknowledged, and what waits for me.
#[utoipa::path(get, path = "/v1/guidelines", operation_id = "listGuidelines", tag = "me",
    responses((status = 200, body = GuidelinesView, description = "The guidelines: to apps those that are public."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn list(State(gateway): State<Arc<Gateway>>, Known(caller): Known) -> Json<GuidelinesView> {
    let governance = gateway.governance.load_full();
    Json(Eyes::of(&gateway, &governance, person(&caller)).list())
}

/// The text of a brand's guidelines.
#[utoipa::path(get, path = "/v1/guidelines/{brand}", operation_id = "readGuidelines", tag = "me",
    params(("brand" = String, Path, description = "The brand's path: `acme/snacks`."),
           ("version" = Option<String>, Query, description = "The version; without one, that in effect."),
           ("language" = Option<String>, Query, description = "BCP 47; without one, what suits `Accept-Language` best.")),
    responses((status = 200, body = GuidelineTextBody, description = "The text, in Markdown."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn read(
    State(gateway): State<Arc<Gateway>>,
    Known(caller): Known,
    brand: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let governance = gateway.governance.load_full();
    let eyes = Eyes::of(&gateway, &governance, person(&caller));
    let wish = Wish::read(query.as_deref());
    let found = brand.ok().zip(wish.as_ref()).and_then(|(Path(brand), wish)| eyes.find(&brand, wish, &headers));
    match found {
        Some(found) => {
            let language = [(CONTENT_LANGUAGE, found.text.language.clone())];
            Ok((language, Json(eyes.text(found.version, found.text))).into_response())
        }
        None => Err(refused(&gateway, &caller, unknown()).await),
    }
}

fn unknown() -> Refusal {
    let text = "There are no such guidelines that you may see; GET /v1/guidelines lists what there is.";
    Refusal::new(problem::NOT_FOUND, Stage::Door, text)
}

/// Acknowledges a version, with a person's key. Once more changes nothing.
#[utoipa::path(post, path = "/v1/guidelines/{brand}/acknowledgements", operation_id = "acknowledgeGuidelines", tag = "me",
    request_body = AcknowledgementRequest, params(("brand" = String, Path, description = "The brand's path: `acme/snacks`.")),
    responses((status = 201, body = AcknowledgementView, description = "The acknowledgement, kept and in the log."),
              (status = 200, body = AcknowledgementView, description = "It was acknowledged before."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn acknowledge(
    State(gateway): State<Arc<Gateway>>,
    Known(caller): Known,
    path: Result<Path<String>, PathRejection>,
    JsonBody(body): JsonBody,
) -> Result<(StatusCode, Json<AcknowledgementView>), Problem> {
    match acknowledged(&gateway, &caller, path.ok(), body).await {
        Ok(answer) => Ok(answer),
        Err(refusal) => Err(refused(&gateway, &caller, refusal).await),
    }
}

async fn acknowledged(
    gateway: &Arc<Gateway>,
    caller: &Caller,
    path: Option<Path<String>>,
    body: Result<bytes::Bytes, Refusal>,
) -> Result<(StatusCode, Json<AcknowledgementView>), Refusal> {
    let brand = path.as_ref().and_then(|Path(path)| path.strip_suffix(ACKNOWLEDGEMENTS)).ok_or_else(unknown)?;
    let Some(person) = person(caller).cloned() else {
        let text = "Only people acknowledge guidelines; show a person's key.";
        return Err(Refusal::new(problem::NO_GRANT, Stage::Door, text));
    };
    let AcknowledgementRequest { version, digest } = body.and_then(|body| json::read(&body))?;
    let (keeping, what) = (Arc::clone(gateway), Acknowledged { brand: BrandPath::new(brand), version, digest });
    // To the end, even when the caller goes away between the leaf and its effect.
    let kept = tokio::spawn(async move { keep(&keeping, &person, what).await }).await;
    match kept {
        Ok(Ok((record, new))) => {
            let status = if new { StatusCode::CREATED } else { StatusCode::OK };
            Ok((status, Json(AcknowledgementView::of(record))))
        }
        Ok(Err(failure)) => Err(refusal(failure)),
        Err(_) => Err(Refusal::new(problem::INTERNAL, Stage::Door, "The acknowledgement was not kept.")),
    }
}

fn refusal(failure: NotAcknowledged) -> Refusal {
    let again = "The acknowledgement was not kept. Try again.";
    match failure {
        NotAcknowledged::Unknown => unknown(),
        NotAcknowledged::Changed => {
            let text =
                "`digest` is of no text of this version as it is now: read it again, and acknowledge what it says.";
            Refusal::new(problem::CONTENT_CHANGED, Stage::Door, text)
        }
        NotAcknowledged::Audit(_) => Refusal::new(problem::AUDIT_UNAVAILABLE, Stage::Record, again).because(failure),
        NotAcknowledged::Records(_) => Refusal::new(problem::STATE_UNAVAILABLE, Stage::Door, again).because(failure),
    }
}
