//! `/v1/freezes`: people stop everything of a brand, and two of them let it go on.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Json,
    extract::{FromRequestParts, Path, State},
    http::{StatusCode, request::Parts},
};
use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::{body::JsonBody, caller::Known, json, problem::Problem, publish::refused};
use crate::{
    call::Caller,
    freezes::{
        self,
        change::Who,
        view::{FreezeRequest, FreezeView, FreezesView, LiftRequest, PermitRequest},
    },
    gateway::Gateway,
    model::Principal,
    posts::{permit as statement, thaw},
    refusal::{Refusal, Stage, problem},
};

/// The freeze that a path names, as an argument of a handler. What is not text names none.
pub struct FreezePath(String);

impl FromRequestParts<Arc<Gateway>> for FreezePath {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, gateway: &Arc<Gateway>) -> Result<Self, Infallible> {
        let id = Path::<String>::from_request_parts(parts, gateway).await;
        Ok(Self(id.map(|Path(id)| id).unwrap_or_default()))
    }
}

/// An app's key is in too many hands.
fn person(caller: &Caller) -> Result<Who, Refusal> {
    match caller.principal() {
        Principal::Person(person) => Ok(Who::Person(person.clone())),
        Principal::App(_) => {
            let detail = "Only people freeze and thaw; show a person's key.";
            Err(Refusal::new(problem::NO_GRANT, Stage::Authorise, detail))
        }
    }
}

/// A refusal is in the log when its caller hears it.
async fn told<T>(gateway: &Gateway, caller: &Caller, done: Result<T, Refusal>) -> Result<T, Problem> {
    match done {
        Ok(done) => Ok(done),
        Err(refusal) => Err(refused(gateway, caller, refusal).await),
    }
}

fn asked<T: DeserializeOwned>(caller: &Caller, body: Result<Bytes, Refusal>) -> Result<(Who, T), Refusal> {
    Ok((person(caller)?, json::read(&body?)?))
}

/// Freezes an organisation, a brand, an account or a campaign. When this has answered, no effect of it starts but deletions of own
/// posts and statements that were approved for this. Needs a person's key, of an operator or of somebody who responds or approves
/// for all that the scope covers.
#[utoipa::path(post, path = "/v1/freezes", operation_id = "beginFreeze", tag = "freezes", request_body = FreezeRequest,
    responses((status = 201, body = FreezeView, description = "It is frozen. `under_way` counts requests that had left before."),
              (status = 200, body = FreezeView, description = "It was frozen already, by the freeze that this tells of; the log has who wanted it too, and why."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn begin(
    State(gateway): State<Arc<Gateway>>,
    Known(caller): Known,
    JsonBody(body): JsonBody,
) -> Result<(StatusCode, Json<FreezeView>), Problem> {
    let done = match asked::<FreezeRequest>(&caller, body) {
        Ok((by, wish)) => freezes::begin(&gateway, by, wish).await,
        Err(refusal) => Err(refusal),
    };
    let frozen = told(&gateway, &caller, done).await?;
    let status = if frozen.already.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, Json(frozen)))
}

/// Freezes that the person may have a say in.
#[utoipa::path(get, path = "/v1/freezes", operation_id = "listFreezes", tag = "freezes",
    responses((status = 200, body = FreezesView, description = "The newest first."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn list(State(gateway): State<Arc<Gateway>>, Known(caller): Known) -> Result<Json<FreezesView>, Problem> {
    let done = match person(&caller) {
        Ok(by) => freezes::list(&gateway, &by).await,
        Err(refusal) => Err(refusal),
    };
    Ok(Json(told(&gateway, &caller, done).await?))
}

/// Asks for the end of a freeze. It ends when a second person asks too.
#[utoipa::path(post, path = "/v1/freezes/{id}/lift", operation_id = "liftFreeze", tag = "freezes", request_body = LiftRequest,
    params(("id" = String, Path, description = "The freeze.")),
    responses((status = 200, body = FreezeView, description = "The freeze: `lift-asked`, and still on, or `lifted`."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn lift(
    State(gateway): State<Arc<Gateway>>,
    Known(caller): Known,
    FreezePath(id): FreezePath,
    JsonBody(body): JsonBody,
) -> Result<Json<FreezeView>, Problem> {
    let done = match asked::<LiftRequest>(&caller, body) {
        Ok((by, wish)) => thaw::lift(&gateway, by, id, wish).await,
        Err(refusal) => Err(refusal),
    };
    Ok(Json(told(&gateway, &caller, done).await?))
}

/// Lets one version of one post pass, once it is approved. Needs a person who may freeze that scope and has no part in the post.
#[utoipa::path(post, path = "/v1/freezes/{id}/permit", operation_id = "permitPost", tag = "freezes", request_body = PermitRequest,
    params(("id" = String, Path, description = "The freeze.")),
    responses((status = 200, body = FreezeView, description = "The freeze, with the posts that pass it."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn permit(
    State(gateway): State<Arc<Gateway>>,
    Known(caller): Known,
    FreezePath(id): FreezePath,
    JsonBody(body): JsonBody,
) -> Result<Json<FreezeView>, Problem> {
    let done = match asked::<PermitRequest>(&caller, body) {
        Ok((by, wish)) => statement::permit(&gateway, by, id, wish).await,
        Err(refusal) => Err(refusal),
    };
    Ok(Json(told(&gateway, &caller, done).await?))
}
