//! What people do with a post before it is out: `PATCH /v1/posts/{id}` and the commands below it.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    once::{Repeats, Step},
    posts::{view_for, warnings},
    refused_step,
    request::{PostRequest, ScheduleBody},
    view::PostView,
    written::request_of,
};
use crate::{
    call::Caller,
    doors::{
        body::JsonBody,
        caller::{Known, PostPath},
        json,
        problem::Problem,
        text::{NOTE_CHARS_MAX, fault, too_long},
    },
    gateway::Gateway,
    model::AccountId,
    posts::{
        self, times,
        vote::{Ballot, vote},
        write::{Wish, write},
    },
    records::PostRecord,
    refusal::{Refusal, Stage, problem},
};

/// Longest comment, in characters.
pub(in crate::doors) const COMMENT_CHARS_MAX: usize = 10_000;
/// Longest id that a network gave, in characters.
const PLATFORM_ID_CHARS_MAX: usize = 2_000;

/// A word on a post.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StepRequest {
    /// The version that was seen; without it the post as it is now.
    pub version: Option<u32>,
    /// Why; a rejection needs it.
    #[schema(max_length = 1000)]
    pub note: Option<String>,
}

/// A comment, or the end of one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CommentRequest {
    /// What is said.
    #[schema(max_length = 10000)]
    pub text: Option<String>,
    /// The number of a comment that is resolved; in place of `text`.
    pub resolves: Option<u32>,
    /// The version that was seen; without it the post as it is now.
    pub version: Option<u32>,
}

/// Another time.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleRequest {
    /// When it leaves.
    pub schedule: ScheduleBody,
    /// `false` where a post that recurs shall leave once and no more: without it, and without a `rule`, that is refused.
    pub repeat: Option<bool>,
    /// The version that was seen; without it the post as it is now.
    pub version: Option<u32>,
}

/// Which targets are tried again.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryRequest {
    /// Only this account's; all that failed without it.
    pub account: Option<String>,
    /// Why.
    #[schema(max_length = 1000)]
    pub note: Option<String>,
}

/// What a person found out about a target that nobody knows the outcome of.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResolveRequest {
    /// Which target.
    pub account: String,
    /// It is on the network, or it is not.
    pub published: bool,
    /// The network's id, where it is there.
    #[schema(max_length = 2000)]
    pub platform_id: Option<String>,
    /// Its address for people.
    #[schema(max_length = 2000)]
    pub url: Option<String>,
    /// How they know.
    #[schema(max_length = 1000)]
    pub note: String,
}

/// Changes a post that is not out yet: a JSON merge patch (RFC 7396) on the request that it was made with. Every edit is a new version, and
/// voids what was approved.
#[utoipa::path(patch, path = "/v1/posts/{id}", operation_id = "editPost", tag = "posts",
    request_body(content = BTreeMap<String, Value>, content_type = "application/json", description = "Fields of the request that made the post, as they shall be; `null` takes one away."),
    params(("id" = String, Path, description = "The post."), ("If-Match" = String, Header, description = "The `ETag` of the post as it was read."), Repeats),
    responses((status = 200, body = PostView, description = "The post after the edit."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn edit(
    State(gateway): State<Arc<Gateway>>,
    Known(caller): Known,
    PostPath(id): PostPath,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let asked = Step { gateway: &gateway, caller: &caller, post: &id, name: "post.edit", headers: &headers };
    let work = async |caller: Caller, body: Result<Bytes, Refusal>| {
        let edited = async {
            let saw = if_match(&headers)?;
            let patch: Value = json::read(&body?)?;
            let post = posts::write::seen(&gateway, &caller, &id).await?;
            let current = posts::life::of(&post).version().number;
            if current != saw {
                let detail = posts::write::another_version(saw, current);
                return Err(Refusal::new(problem::VERSION_MISMATCH, Stage::Door, detail));
            }
            Ok((saw, patched(&gateway, &post, patch).await?))
        };
        let (saw, wish) = match edited.await {
            Ok(edited) => edited,
            Err(refusal) => return Err(refused_step(&gateway, &caller, "post.edit", &id, refusal).await),
        };
        let post = write(&gateway, &caller, &id, Some(saw), wish, None).await?;
        Ok(tagged(&gateway, &caller, post))
    };
    asked.once(body, work).await
}

/// The edit that a patch amounts to.
async fn patched(gateway: &Gateway, post: &PostRecord, patch: Value) -> Result<Wish, Refusal> {
    let mut request = request_of(post)?;
    let schedules = patch.get("schedule").is_some();
    merge(&mut request, patch);
    if let Some(fields) = request.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
        fields.remove("dry_run");
        fields.remove("draft");
    }
    let raw = request.to_string();
    let mut whole: PostRequest = json::read(&Bytes::from(raw.clone()))?;
    let schedule = whole.schedule.take();
    let behalf = whole.on_behalf_of.as_deref() == post.author.on_behalf_of.as_ref().map(|person| person.as_str());
    let submission = whole.submission()?;
    if !behalf {
        let text = "A post keeps its author: make another for somebody else.";
        let faults = vec![fault("/on_behalf_of", "author", text.into())];
        return Err(Refusal::new(problem::INVALID, Stage::Door, text).with_faults(faults));
    }
    let planned = match schedule.filter(|_| schedules) {
        Some(schedule) => Some(times::planned(gateway, schedule.into(), &submission.accounts, "/schedule").await?),
        None if schedules => Some(posts::plan::Planned::default()),
        None => None,
    };
    Ok(Wish::Edit { submission: Box::new(submission), raw, planned })
}

/// RFC 7396, section 2.
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Default::default());
    }
    let Value::Object(fields) = target else { return };
    for (name, value) in patch {
        if value.is_null() {
            fields.remove(&name);
        } else {
            merge(fields.entry(name).or_insert(Value::Null), value);
        }
    }
}

/// The version that `If-Match` names (RFC 9110, section 13.1.1).
fn if_match(headers: &HeaderMap) -> Result<u32, Refusal> {
    let Some(tag) = headers.get(header::IF_MATCH) else {
        let detail = "Send `If-Match` with the `ETag` of the post as you read it: its version in quotes, as \"3\". GET /v1/posts/{id} has both.";
        return Err(Refusal::new(problem::VERSION_NEEDED, Stage::Door, detail));
    };
    let tag = tag.to_str().ok().and_then(|tag| tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok());
    tag.ok_or_else(|| {
        let detail =
            "`If-Match` must be one `ETag` of the post, strong and as you read it: its version in quotes, as \"3\".";
        Refusal::new(problem::VERSION_MISMATCH, Stage::Door, detail)
    })
}

/// The post as the caller sees it, with the version that the next change names.
pub(super) fn tagged(gateway: &Gateway, caller: &Caller, post: PostRecord) -> Response {
    let warnings = warnings(gateway, &post);
    let view = PostView { warnings, ..view_for(gateway, caller, post) };
    let tag = HeaderValue::from_str(&format!("\"{}\"", view.version)).ok();
    let mut response = Json(view).into_response();
    response.headers_mut().extend(tag.map(|tag| (header::ETAG, tag)));
    response
}

type Asked = (Option<u32>, Wish, Option<String>);

async fn step(
    step: Step<'_>,
    body: Result<Bytes, Refusal>,
    read: impl AsyncFnOnce(Bytes) -> Result<Asked, Refusal>,
) -> Result<Response, Problem> {
    let Step { gateway, post, name, .. } = step;
    let work = async |caller: Caller, body: Result<Bytes, Refusal>| {
        let asked = match body {
            Ok(body) => read(body).await,
            Err(refusal) => Err(refusal),
        };
        let (saw, wish, why) = match asked {
            Ok(asked) => asked,
            Err(refusal) => return Err(refused_step(gateway, &caller, name, post, refusal).await),
        };
        let post = write(gateway, &caller, post, saw, wish, why).await?;
        Ok(tagged(gateway, &caller, post))
    };
    step.once(body, work).await
}

/// A body that may be left out.
fn plain(body: &Bytes) -> Result<StepRequest, Refusal> {
    let request: StepRequest = if body.is_empty() { StepRequest::default() } else { json::read(body)? };
    Ok(StepRequest { note: noted(request.note)?, ..request })
}

fn noted(note: Option<String>) -> Result<Option<String>, Refusal> {
    match note.as_deref().and_then(|note| too_long("/note", "A note", note, NOTE_CHARS_MAX)) {
        Some(fault) => Err(invalid(vec![fault])),
        None => Ok(note),
    }
}

fn invalid(faults: Vec<crate::refusal::Fault>) -> Refusal {
    let detail = faults.iter().map(|fault| fault.message.as_str()).collect::<Vec<_>>().join(" ");
    Refusal::new(problem::INVALID, Stage::Door, detail).with_faults(faults)
}

macro_rules! simple_steps {
    ($($(#[doc = $doc:literal])* $name:ident = $path:literal, $operation:literal, $name_of:literal, $wish:expr;)*) => {$(
        $(#[doc = $doc])*
        #[utoipa::path(post, path = $path, operation_id = $operation, tag = "posts", request_body = StepRequest,
            params(("id" = String, Path, description = "The post."), Repeats),
            responses((status = 200, body = PostView, description = "The post after it."),
                      (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
        pub async fn $name(
            State(gateway): State<Arc<Gateway>>,
            Known(caller): Known,
            PostPath(id): PostPath,
            headers: HeaderMap,
            JsonBody(body): JsonBody,
        ) -> Result<Response, Problem> {
            let asked = Step { gateway: &gateway, caller: &caller, post: &id, name: $name_of, headers: &headers };
            step(asked, body, async |body| {
                plain(&body).map(|request| (request.version, $wish, request.note))
            }).await
        }
    )*};
}

simple_steps! {
    /// The author is done: policies look at the post, people are asked, and it goes out when all agreed and its time has come.
    submit = "/v1/posts/{id}/submit", "submitPost", "post.submit", Wish::Submit;
    /// Nobody wants what is not out yet.
    cancel = "/v1/posts/{id}/cancel", "cancelPost", "post.cancel", Wish::Cancel;
    /// A post that was denied, rejected, cancelled or expired becomes a draft again.
    reopen = "/v1/posts/{id}/reopen", "reopenPost", "post.reopen", Wish::Reopen;
}

/// Says something of a version, or resolves what was said. Rules may keep a post from going on while comments are open.
#[utoipa::path(post, path = "/v1/posts/{id}/comment", operation_id = "commentPost", tag = "posts", request_body = CommentRequest,
    params(("id" = String, Path, description = "The post."), Repeats),
    responses((status = 200, body = PostView, description = "The post."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn comment(
    State(gateway): State<Arc<Gateway>>,
    Known(caller): Known,
    PostPath(id): PostPath,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let asked = Step { gateway: &gateway, caller: &caller, post: &id, name: "post.comment", headers: &headers };
    step(asked, body, async |body| {
        let request: CommentRequest = json::read(&body)?;
        let wish = match (request.text, request.resolves) {
            (Some(text), None) if !text.trim().is_empty() => {
                if let Some(fault) = too_long("/text", "A comment", &text, COMMENT_CHARS_MAX) {
                    return Err(invalid(vec![fault]));
                }
                Wish::Comment(text)
            }
            (None, Some(comment)) => Wish::CloseComment(comment),
            _ => {
                let text = "Send `text`, or `resolves` with the number of a comment.";
                return Err(invalid(vec![fault("/text", "comment", text.into())]));
            }
        };
        Ok((request.version, wish, None))
    })
    .await
}

/// Sets another time. Within its window a post is moved without asking anybody again; another window is a new version.
#[utoipa::path(post, path = "/v1/posts/{id}/schedule", operation_id = "schedulePost", tag = "posts", request_body = ScheduleRequest,
    params(("id" = String, Path, description = "The post."), Repeats),
    responses((status = 200, body = PostView, description = "The post."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn schedule(
    State(gateway): State<Arc<Gateway>>,
    Known(caller): Known,
    PostPath(id): PostPath,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let asked = Step { gateway: &gateway, caller: &caller, post: &id, name: "post.schedule", headers: &headers };
    step(asked, body, async |body| {
        let request: ScheduleRequest = json::read(&body)?;
        let post = posts::write::seen(&gateway, &caller, &id).await?;
        let accounts: Vec<_> = post.targets.iter().map(|target| target.account.clone()).collect();
        let drops = request.schedule.drops();
        let planned = times::planned(&gateway, request.schedule.into(), &accounts, "/schedule").await?;
        let ends_series = request.repeat == Some(false);
        Ok((request.version, Wish::Schedule { planned, ends_series, drops }, None))
    })
    .await
}

/// Tries failed targets again.
#[utoipa::path(post, path = "/v1/posts/{id}/retry", operation_id = "retryPost", tag = "posts", request_body = RetryRequest,
    params(("id" = String, Path, description = "The post."), Repeats),
    responses((status = 200, body = PostView, description = "The post."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn retry(
    State(gateway): State<Arc<Gateway>>,
    Known(caller): Known,
    PostPath(id): PostPath,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let asked = Step { gateway: &gateway, caller: &caller, post: &id, name: "post.retry", headers: &headers };
    step(asked, body, async |body| {
        let request: RetryRequest = if body.is_empty() { RetryRequest::default() } else { json::read(&body)? };
        Ok((None, Wish::Retry(request.account.map(AccountId::new)), noted(request.note)?))
    })
    .await
}

/// A person says what became of a target that is `unknown` and that the network can't tell about.
#[utoipa::path(post, path = "/v1/posts/{id}/resolve", operation_id = "resolvePost", tag = "posts", request_body = ResolveRequest,
    params(("id" = String, Path, description = "The post."), Repeats),
    responses((status = 200, body = PostView, description = "The post."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn resolve(
    State(gateway): State<Arc<Gateway>>,
    Known(caller): Known,
    PostPath(id): PostPath,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let asked = Step { gateway: &gateway, caller: &caller, post: &id, name: "post.resolve", headers: &headers };
    step(asked, body, async |body| {
        let ResolveRequest { account, published, platform_id, url, note } = json::read(&body)?;
        let texts = [("/platform_id", "An id", &platform_id), ("/url", "An address", &url)];
        for (pointer, name, text) in texts {
            let text = text.as_deref().unwrap_or_default();
            if let Some(fault) = too_long(pointer, name, text, PLATFORM_ID_CHARS_MAX) {
                return Err(invalid(vec![fault]));
            }
        }
        let published = match (published, platform_id.filter(|id| !id.is_empty())) {
            (true, Some(id)) => Some((id, url)),
            (false, None) => None,
            _ => {
                let text = "`platform_id` goes with `published: true`, and is needed there.";
                return Err(invalid(vec![fault("/platform_id", "id", text.into())]));
            }
        };
        Ok((None, Wish::Resolve { account: AccountId::new(account), published }, noted(Some(note))?))
    })
    .await
}

async fn ballot(step: Step<'_>, body: Result<Bytes, Refusal>, approve: bool) -> Result<Response, Problem> {
    let Step { gateway, post, name, .. } = step;
    let work = async |caller: Caller, body: Result<Bytes, Refusal>| {
        let StepRequest { version, note } = match body.and_then(|body| plain(&body)) {
            Ok(request) => request,
            Err(refusal) => return Err(refused_step(gateway, &caller, name, post, refusal).await),
        };
        let post = vote(gateway, &caller, post, Ballot { approve, digest: None, version, note }).await?;
        Ok(tagged(gateway, &caller, post))
    };
    step.once(body, work).await
}

/// Agrees to the version that was seen; or says that something late, frozen or set aside goes after all.
#[utoipa::path(post, path = "/v1/posts/{id}/approve", operation_id = "approvePost", tag = "approvals", request_body = StepRequest,
    params(("id" = String, Path, description = "The post."), Repeats),
    responses((status = 200, body = PostView, description = "The post after the vote."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn approve(
    State(gateway): State<Arc<Gateway>>,
    Known(caller): Known,
    PostPath(id): PostPath,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let step = Step { gateway: &gateway, caller: &caller, post: &id, name: "post.approve", headers: &headers };
    ballot(step, body, true).await
}

/// Says no to the version that was seen, with a reason.
#[utoipa::path(post, path = "/v1/posts/{id}/reject", operation_id = "rejectPost", tag = "approvals", request_body = StepRequest,
    params(("id" = String, Path, description = "The post."), Repeats),
    responses((status = 200, body = PostView, description = "The post after the vote."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn reject(
    State(gateway): State<Arc<Gateway>>,
    Known(caller): Known,
    PostPath(id): PostPath,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let step = Step { gateway: &gateway, caller: &caller, post: &id, name: "post.reject", headers: &headers };
    ballot(step, body, false).await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The examples of RFC 7396, appendix A.
    #[test]
    fn a_patch_is_merged_as_the_standard_says() {
        for (original, patch, result) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), json!(null), json!(null)),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            let mut merged = original.clone();
            merge(&mut merged, patch.clone());
            assert_eq!(merged, result, "{original} with {patch}");
        }
    }

    #[test]
    fn a_version_is_named_in_quotes() {
        let with = |tag: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_MATCH, tag.parse().unwrap());
            if_match(&headers)
        };
        assert_eq!(with("\"3\"").unwrap(), 3);
        for tag in ["3", "*", "\"\"", "W/\"3\"", "\"-1\""] {
            assert_eq!(with(tag).unwrap_err().problem, problem::VERSION_MISMATCH, "{tag}");
        }
        assert_eq!(if_match(&HeaderMap::new()).unwrap_err().problem, problem::VERSION_NEEDED);
    }
}
