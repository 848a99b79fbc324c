//! `/v1/posts/{id}/votes`.

use std::sync::Arc;

use axum::{body::Bytes, extract::State, http::HeaderMap, response::Response};

use super::{
    once::{Repeats, Step},
    refused_step,
    request::{Decision, VoteRequest},
    steps::tagged,
    view::PostView,
};
use crate::{
    call::Caller,
    doors::{
        body::JsonBody,
        caller::{Known, PostPath},
        json,
        problem::Problem,
    },
    gateway::Gateway,
    posts::vote::{Ballot, vote as cast},
    refusal::Refusal,
};

/// Votes on a held post: with a person's key, never on one's own.
#[utoipa::path(post, path = "/v1/posts/{id}/votes", operation_id = "votePost", tag = "posts", request_body = VoteRequest,
    params(("id" = String, Path, description = "The post."), Repeats),
    responses((status = 200, body = PostView, description = "The post after the vote."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn vote(
    State(gateway): State<Arc<Gateway>>,
    Known(caller): Known,
    PostPath(id): PostPath,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let step = Step { gateway: &gateway, caller: &caller, post: &id, name: "post.vote", headers: &headers };
    let work = async |caller: Caller, body: Result<Bytes, Refusal>| {
        let request: VoteRequest = match body.and_then(|body| json::read(&body)).and_then(VoteRequest::checked) {
            Ok(request) => request,
            Err(refusal) => return Err(refused_step(&gateway, &caller, "post.vote", &id, refusal).await),
        };
        let VoteRequest { decision, digest, version, note } = request;
        let ballot = Ballot { approve: decision == Decision::Approve, digest, version, note };
        Ok(tagged(&gateway, &caller, cast(&gateway, &caller, &id, ballot).await?))
    };
    step.once(body, work).await
}
