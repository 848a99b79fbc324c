//! The request that a post stands for, as it would be made now: what an edit begins with.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use pressgate_workflow::life::Plan;
use serde_json::Value;

use super::{refused, request::PostRequest};
use crate::{
    doors::{
        caller::{Known, PostPath},
        problem::Problem,
    },
    gateway::Gateway,
    posts::{life, sight::may_write, write::seen},
    records::PostRecord,
    refusal::{Refusal, Stage, problem},
};

/// The request of a post with all edits, for whoever may change it. `PATCH /v1/posts/{id}` takes a merge patch on it.
#[utoipa::path(get, path = "/v1/posts/{id}/request", operation_id = "readRequest", tag = "posts",
    params(("id" = String, Path, description = "The post.")),
    responses((status = 200, body = PostRequest, description = "The request; its `ETag` is the post's."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn request(
    State(gateway): State<Arc<Gateway>>,
    Known(caller): Known,
    PostPath(id): PostPath,
) -> Result<Response, Problem> {
    let read = async {
        let post = seen(&gateway, &caller, &id).await?;
        if !may_write(&gateway, &caller, &post) {
            let detail = "Only the author, or who may publish on every account of the post, reads its request.";
            return Err(Refusal::new(problem::NO_GRANT, Stage::Authorise, detail));
        }
        Ok((life::of(&post).version().number, request_of(&post)?))
    };
    let (version, request) = match read.await {
        Ok(read) => read,
        Err(refusal) => return Err(refused(&gateway, &caller, refusal).await),
    };
    let tag = HeaderValue::from_str(&format!("\"{version}\"")).ok();
    let mut response = Json(request).into_response();
    response.headers_mut().extend(tag.map(|tag| (header::ETAG, tag)));
    Ok(response)
}

/// The request with all edits, and the time as it was set last.
///
/// # Errors
/// The post came in by a network's own API, or its values were erased.
pub fn request_of(post: &PostRecord) -> Result<Value, Refusal> {
    let mut request: Value = serde_json::from_str(&post.request).unwrap_or_default();
    let Some(fields) = request.as_object_mut().filter(|fields| fields.contains_key("accounts")) else {
        let detail = "The post came in by a network's own API, and says only what its request said. Make another.";
        return Err(Refusal::new(problem::WRONG_STATE, Stage::Door, detail));
    };
    for name in ["dry_run", "draft", "schedule"] {
        fields.remove(name);
    }
    fields.extend(schedule(post).map(|schedule| ("schedule".to_owned(), schedule)));
    Ok(request)
}

/// How its time is asked for now; none where it leaves at once. A slot of a queue is the instant that it got.
fn schedule(post: &PostRecord) -> Option<Value> {
    let life = life::of(post);
    let plan = &life.content().plan;
    if matches!(plan, Plan::Unplanned | Plan::Now { until: None }) {
        return None;
    }
    let mut wish: Value = serde_json::from_str(post.life.as_ref()?.plan.as_deref()?).ok()?;
    let fields = wish.as_object_mut()?;
    fields.remove("asked_at");
    if let (Plan::At(timing), Some(due)) = (plan, life.due())
        && !timing.recurs
        && timing.due != due
    {
        // It was moved within its window.
        for name in ["local", "zone", "disambiguation"] {
            fields.remove(name);
        }
        fields.insert("at".to_owned(), due.to_string().into());
    }
    Some(wish)
}
