//! `/v1/posts/{id}/votes`.

use std::sync::Arc;

use axum::{Json, extract::State};

use super::{
    refused,
    request::{Decision, VoteRequest},
    view::PostView,
};
use crate::{
    doors::{
        body::JsonBody,
        caller::{Known, PostPath},
        json,
        problem::Problem,
    },
    gateway::Gateway,
    posts::vote::{Ballot, vote as cast},
};

/// Votes on a held post: with a person's key, never on one's own.
#[utoipa::path(post, path = "/v1/posts/{id}/votes", operation_id = "votePost", tag = "posts", request_body = VoteRequest,
    params(("id" = String, Path, description = "The post.")),
    responses((status = 200, body = PostView, description = "The post after the vote."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn vote(
    State(gateway): State<Arc<Gateway>>,
    Known(caller): Known,
    PostPath(id): PostPath,
    JsonBody(body): JsonBody,
) -> Result<Json<PostView>, Problem> {
    let request: VoteRequest = match body.and_then(|body| json::read(&body)).and_then(VoteRequest::checked) {
        Ok(request) => request,
        Err(refusal) => return Err(refused(&gateway, &caller, refusal).await),
    };
    let VoteRequest { decision, digest, version, note } = request;
    let ballot = Ballot { approve: decision == Decision::Approve, digest, version, note };
    Ok(Json(PostView::of(cast(&gateway, &caller, &id, ballot).await?)))
}
