//! `/v1/posts` and `/v1/validate`.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use axum::{
    Json,
    body::Bytes,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use tokio::time::Instant;
use utoipa::IntoParams;

use super::{
    refused,
    request::PostRequest,
    steps::tagged,
    view::{AttemptView, PostView, PostsView, WarningView, WouldState, WouldView},
};
use crate::{
    call::{Caller, clear::paused, digest},
    doors::{
        body::JsonBody,
        caller::{Known, PostPath, idempotency_key, wait},
        json,
        problem::Problem,
        query::{parameter, unread},
        text::shortened,
        words::PostStates,
    },
    gateway::Gateway,
    model::{AccountId, PostId, PostState, Principal, TargetState},
    posts::{
        self,
        accept::{Accepted, Asked, accept},
        links,
        plan::Planned,
        recall, settled,
        sight::{deletable, is_own, readable},
        times,
    },
    records::{IdempotencyKey, IdempotencyUse, PostFilter, PostRecord, StoredAnswer, TargetRecord},
    refusal::{Refusal, Stage, problem},
};

/// Posts of one page, at most.
pub const PAGE_MAX: u32 = 200;
/// Posts of one page where the caller does not say.
const PAGE: u32 = 50;
/// A repetition that meets the first request at work waits this long for its answer.
const REPEAT_WAIT: Duration = Duration::from_millis(0);

type Body = Result<Bytes, Refusal>;

/// Publishes a post.
#[utoipa::path(post, path = "/v1/posts", operation_id = "createPost", tag = "posts", request_body = PostRequest,
    params(("Idempotency-Key" = Option<String>, Header, nullable = false, min_length = 1, max_length = 255, description = "Repeating a request with the same key and body makes no second post, and gives the same answer for 30 days; after a 202 the post as it is by then."),
           ("Prefer" = Option<String>, Header, nullable = false, description = "`wait=N` waits up to N (at most 60) seconds for the outcome. What can't be read is ignored (RFC 7240).")),
    responses((status = 201, body = PostView, description = "Published, in whole or in part.",
               headers(("Location" = String, description = "The post."), ("Preference-Applied" = String, description = "`wait=N`, where a wait was granted."))),
              (status = 202, body = PostView, description = "Accepted: on its way, held for a person, or not yet known.",
               headers(("Location" = String, description = "The post."), ("Preference-Applied" = String, description = "`wait=N`, where a wait was granted."))),
              (status = 200, body = WouldView, description = "What would happen (`dry_run`)."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.",
               headers(("Retry-After" = u64, description = "Seconds after which the same request may succeed; with every 429, and where the gateway knows.")))))]
pub async fn create(
    State(gateway): State<Arc<Gateway>>,
    Known(caller): Known,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Response {
    match post(&gateway, &caller, &headers, body, false).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

/// Says what would happen to a post, and does nothing.
#[utoipa::path(post, path = "/v1/validate", operation_id = "validatePost", tag = "posts", request_body = PostRequest,
    responses((status = 200, body = WouldView, description = "What would happen."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn validate(
    State(gateway): State<Arc<Gateway>>,
    Known(caller): Known,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Response {
    match post(&gateway, &caller, &headers, body, true).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn post(
    gateway: &Arc<Gateway>,
    caller: &Caller,
    headers: &HeaderMap,
    body: Body,
    dry_run: bool,
) -> Result<Response, Problem> {
    let asked = match asked(gateway, caller, headers, body, dry_run).await {
        Ok(asked) => asked,
        Err(refusal) => return Err(refused(gateway, caller, refusal).await),
    };
    let key = asked.idempotency.as_ref().map(|usage| usage.key.clone());
    let begun = Instant::now();
    // What was waited for a budget is not waited for again.
    let left = || wait(headers).map(|wait| wait.saturating_sub(begun.elapsed()));
    let answer = match accept(gateway, caller, asked).await? {
        Accepted::Would { state, verdicts } => {
            let state = WouldState::of(state);
            let verdicts = verdicts.into_iter().map(Into::into).collect();
            return Ok(Json(WouldView { state, verdicts }).into_response());
        }
        Accepted::Made(id) => made(gateway, &id, key, left()).await,
        Accepted::Repeated(id, Some(answer)) if answer.status != StatusCode::ACCEPTED => Ok(stored(&id, answer)),
        // "Accepted" was true when it was said; whoever asks again wants to know what came of it.
        Accepted::Repeated(id, Some(_)) => made(gateway, &id, None, left()).await,
        Accepted::Repeated(id, None) => repeated(gateway, &id, key).await,
    };
    Ok(preferred(answer?, headers))
}

/// Says that a wait was granted, and for how long (RFC 7240).
fn preferred(mut response: Response, headers: &HeaderMap) -> Response {
    if let Some(wait) = wait(headers)
        && let Ok(applied) = HeaderValue::from_str(&format!("wait={}", wait.as_secs()))
    {
        response.headers_mut().insert("preference-applied", applied);
    }
    response
}

async fn asked(
    gateway: &Gateway,
    caller: &Caller,
    headers: &HeaderMap,
    body: Body,
    dry_run: bool,
) -> Result<Asked, Refusal> {
    let body = body?;
    let mut request: PostRequest = json::read(&body)?;
    let idempotency = idempotency_key(headers)?.map(|key| IdempotencyUse {
        key: IdempotencyKey { scope: format!("{} POST /v1/posts", caller.principal()), key },
        fingerprint: digest::sha256_hex(&body),
    });
    let dry_run = dry_run || request.dry_run;
    // Nothing is made by a rehearsal, so there is nothing for a key to stand for.
    let idempotency = idempotency.filter(|_| !dry_run);
    let (draft, schedule) = (request.draft, request.schedule.take());
    let submission = request.submission()?;
    let planned = match schedule {
        Some(schedule) => times::planned(gateway, schedule.into(), &submission.accounts, "/schedule").await?,
        None => Planned::default(),
    };
    Ok(Asked {
        draft,
        planned,
        submission,
        raw: String::from_utf8_lossy(&body).into_owned(),
        idempotency,
        waits: wait(headers),
        dry_run,
    })
}

async fn made(
    gateway: &Arc<Gateway>,
    id: &PostId,
    key: Option<IdempotencyKey>,
    wait: Option<Duration>,
) -> Result<Response, Problem> {
    let post = match wait {
        Some(wait) => settled(gateway, id, wait).await?,
        None => posts::read(gateway, id).await?,
    };
    let warnings = warnings(gateway, &post);
    let view = PostView { warnings, ..PostView::of(post) };
    let answer = answer(gateway, view.clone(), wait.is_some());
    if let Some(key) = key
        && !(wait.is_some() && view.is_open())
    {
        keep_answer(gateway, id, key, &view, &answer).await;
    }
    Ok(stored(id, answer))
}

/// A repetition gets this answer; but after an outage that let nothing leave it may do what the first could not.
async fn keep_answer(gateway: &Gateway, id: &PostId, key: IdempotencyKey, view: &PostView, answer: &StoredAnswer) {
    let kept = if came_to_nothing(view) {
        gateway.records.free_key(key, id.clone()).await
    } else {
        gateway.records.save_answer(key, answer.clone()).await
    };
    if let Err(error) = kept {
        tracing::warn!(%error, post = %id, "the answer is not kept; a repetition gets the post as it then is");
    }
}

/// Log or records failed under every target before anything of it left.
fn came_to_nothing(view: &PostView) -> bool {
    let stores = [problem::AUDIT_UNAVAILABLE.slug, problem::STATE_UNAVAILABLE.slug];
    view.targets.iter().all(|target| {
        let code = target.attempts.last().and_then(|attempt| attempt.code.as_deref());
        target.state == TargetState::Failed.as_str() && code.is_some_and(|code| stores.contains(&code))
    })
}

/// The answer about a post: 201 when it is out, 202 while it may still get there, a problem when no network took it and the
/// caller waited to hear that.
fn answer(gateway: &Gateway, view: PostView, waited: bool) -> StoredAnswer {
    let (status, body) = match view.state {
        "published" | "partial" => (StatusCode::CREATED, serde_json::to_string(&view)),
        "failed" if waited => {
            let refusal = why(gateway, &view);
            let (status, body, _) = Problem::with_post(refusal, view).parts();
            (status, serde_json::to_string(&body))
        }
        _ => (StatusCode::ACCEPTED, serde_json::to_string(&view)),
    };
    StoredAnswer { status: status.as_u16(), body: body.unwrap_or_default() }
}

/// The refusal that the attempts of a failed post amount to.
fn why(gateway: &Gateway, view: &PostView) -> Refusal {
    let last = view.targets.iter().find_map(|target| target.attempts.last().map(|attempt| (target, attempt)));
    let Some((target, attempt)) = last else {
        return Refusal::new(problem::PLATFORM_REFUSED, Stage::Send, "The network refused.");
    };
    reason(gateway, &AccountId::new(target.account.clone()), attempt)
}

/// The refusal that a failed attempt amounts to.
fn reason(gateway: &Gateway, account: &AccountId, attempt: &AttemptView) -> Refusal {
    let slug = attempt.problem.as_deref().and_then(|address| address.strip_prefix("/problems/")).unwrap_or_default();
    let kind = problem::ALL.iter().find(|problem| problem.slug == slug).copied().unwrap_or(problem::PLATFORM_REFUSED);
    let detail = attempt.message.clone().unwrap_or_else(|| format!("`{account}` failed."));
    let refusal = Refusal::new(kind, Stage::Send, detail).with_retry(attempt.retry);
    let wait_s = match kind {
        kind if [problem::AUDIT_UNAVAILABLE, problem::STATE_UNAVAILABLE].contains(&kind) => Some(1),
        kind if kind == problem::ACCOUNT_BUSY => paused(gateway, Stage::Send, account).and_then(|it| it.retry_after_s),
        _ => None,
    };
    match wait_s {
        Some(seconds) => refusal.retry_after(seconds),
        None => refusal,
    }
}

fn stored(id: &PostId, answer: StoredAnswer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let retry_after = (status == StatusCode::SERVICE_UNAVAILABLE).then_some([(header::RETRY_AFTER, "1")]);
    let kind = if status.is_success() { "application/json" } else { "application/problem+json" };
    let headers = [(header::CONTENT_TYPE, kind.to_owned()), (header::LOCATION, format!("/v1/posts/{id}"))];
    (status, retry_after, headers, answer.body).into_response()
}

/// The same request again, whose first one has no answer yet: 409 while it is being worked on. After a restart nobody will
/// answer the first any more, so the post is shown as it is.
async fn repeated(gateway: &Arc<Gateway>, id: &PostId, key: Option<IdempotencyKey>) -> Result<Response, Problem> {
    let view = PostView::of(settled(gateway, id, REPEAT_WAIT).await?);
    if view.is_open() && view.state != PostState::Held.as_str() {
        let refusal = Refusal::new(
            problem::IN_FLIGHT,
            Stage::Door,
            format!("The first request with this key is still being worked on; see /v1/posts/{id}."),
        );
        return Err(Problem::with_post(refusal.retry_after(1), view));
    }
    let answer = answer(gateway, view.clone(), true);
    if let Some(key) = key {
        keep_answer(gateway, id, key, &view, &answer).await;
    }
    Ok(stored(id, answer))
}

/// Which posts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Only posts for this account.
    account: Option<String>,
    /// Only posts in this state.
    #[param(value_type = Option<PostStates>)]
    state: Option<String>,
    /// Only posts of this campaign.
    campaign: Option<String>,
    /// At most this many, 1 to 200; 50 where it is left out.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200)]
    limit: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
}

type ListParams = Result<Query<ListQuery>, QueryRejection>;

/// Lists posts of the accounts whose posts the caller may read, newest first.
#[utoipa::path(get, path = "/v1/posts", operation_id = "listPosts", tag = "posts", params(ListQuery),
    responses((status = 200, body = PostsView, description = "A page of posts."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn list(
    State(gateway): State<Arc<Gateway>>,
    Known(caller): Known,
    query: ListParams,
) -> Result<Json<PostsView>, Problem> {
    let filter = match filter(&gateway, &caller, query) {
        Ok(filter) => filter,
        Err(refusal) => return Err(refused(&gateway, &caller, refusal).await),
    };
    if filter.accounts.is_empty() {
        return Ok(Json(PostsView { posts: Vec::new(), next: None }));
    }
    let visible = filter.accounts.clone();
    let page = gateway.records.posts(filter).await.map_err(|error| posts::unavailable(&error))?;
    let view = |post: PostRecord| {
        let frozen = frozen(&gateway, &post);
        let mut view = shown(post, &visible);
        name_freezes(&mut view, &frozen);
        view
    };
    let views = page.posts.into_iter().map(view).collect();
    Ok(Json(PostsView { posts: views, next: page.next.map(|id| id.to_string()) }))
}

fn filter(gateway: &Gateway, caller: &Caller, query: ListParams) -> Result<PostFilter, Refusal> {
    let Query(query) = query.map_err(|rejection| unread(&rejection))?;
    let mut accounts = readable(gateway, caller);
    if let Some(account) = query.account {
        accounts.retain(|visible| visible.as_str() == account);
    }
    let state = match query.state {
        Some(state) => {
            let unknown = || parameter("state", format!("`{}` is not a state of a post.", shortened(&state, 64)));
            Some(PostState::parse(&state).ok_or_else(unknown)?)
        }
        None => None,
    };
    let limit = match query.limit {
        Some(text) => text.parse().ok().filter(|limit| (1..=PAGE_MAX).contains(limit)),
        None => Some(PAGE),
    };
    let limit = limit.ok_or_else(|| parameter("limit", format!("`limit` must be a number from 1 to {PAGE_MAX}.")))?;
    let after = match query.cursor.map(PostId::parse) {
        Some(None) => return Err(parameter("cursor", "`cursor` must be the `next` of the page before.".into())),
        cursor => cursor.flatten(),
    };
    Ok(PostFilter { accounts, state, campaign: query.campaign, after, limit })
}

/// One post.
#[utoipa::path(get, path = "/v1/posts/{id}", operation_id = "readPost", tag = "posts", params(("id" = String, Path, description = "The post.")),
    responses((status = 200, body = PostView, description = "The post."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn read(
    State(gateway): State<Arc<Gateway>>,
    Known(caller): Known,
    PostPath(id): PostPath,
) -> Result<Response, Problem> {
    match posts::write::seen(&gateway, &caller, &id).await {
        Ok(post) => Ok(tagged(&gateway, &caller, post)),
        Err(refusal) => Err(refused(&gateway, &caller, refusal).await),
    }
}

/// Which account's entry to take back.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RecallQuery {
    /// Only this account's.
    account: Option<String>,
}

/// Takes a published post back, where the networks can. A held one is withdrawn: nobody can release it any more.
#[utoipa::path(delete, path = "/v1/posts/{id}", operation_id = "recallPost", tag = "posts",
    params(("id" = String, Path, description = "The post."), RecallQuery, ("Prefer" = Option<String>, Header, nullable = false, description = "`wait=N` waits for the outcome.")),
    responses((status = 200, body = PostView, description = "Taken back."), (status = 202, body = PostView, description = "On its way."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn recall(
    State(gateway): State<Arc<Gateway>>,
    Known(caller): Known,
    PostPath(id): PostPath,
    query: Result<Query<RecallQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let only = match query {
        Ok(Query(query)) => query.account.map(AccountId::new),
        Err(rejection) => {
            return Err(refused(&gateway, &caller, unread(&rejection)).await);
        }
    };
    let before = recall::recall(&gateway, &caller, &id, only.as_ref()).await?;
    let patience = wait(&headers);
    let post = settled(&gateway, &id, patience.unwrap_or_default()).await?;
    let failed = failed_recall(&gateway, &before, &post);
    let mut visible = readable(&gateway, &caller);
    visible.append(&mut deletable(&gateway, &caller));
    let view = if is_own(&caller, &post) { PostView::of(post) } else { shown(post, &visible) };
    if let (Some(refusal), true) = (failed, patience.is_some()) {
        return Err(Problem::with_post(refusal, view));
    }
    let over = [PostState::Recalled, PostState::Cancelled].iter().any(|state| state.as_str() == view.state);
    let status = if over { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok(preferred((status, Json(view)).into_response(), &headers))
}

/// Why a target of the post, published `before`, still is after its recall ended.
fn failed_recall(gateway: &Gateway, before: &PostRecord, after: &PostRecord) -> Option<Refusal> {
    let of_before = |account: &AccountId| before.targets.iter().find(|target| target.account == *account);
    after.targets.iter().find_map(|target| {
        let tried = target.attempts.len() > of_before(&target.account)?.attempts.len();
        let attempt = target.attempts.last().filter(|_| tried && target.state == TargetState::Published)?;
        Some(reason(gateway, &target.account, &attempt.clone().into()))
    })
}

/// A post that the caller may see, whole where it is theirs or they are asked for their vote on it.
pub(super) fn view_for(gateway: &Gateway, caller: &Caller, post: PostRecord) -> PostView {
    let visible = readable(gateway, caller);
    let asked = !post.targets.iter().any(|target| visible.contains(&target.account));
    let addresses = match caller.principal() {
        Principal::Person(_) => links::addresses(gateway, &post),
        Principal::App(_) => Vec::new(),
    };
    let frozen = frozen(gateway, &post);
    let mut view = if is_own(caller, &post) || asked { PostView::of(post) } else { shown(post, &visible) };
    name_freezes(&mut view, &frozen);
    for external in view.approvals.iter_mut().filter_map(|vote| vote.external.as_mut()) {
        let found = addresses.iter().find(|(link, _)| *link == external.link);
        external.address = found.map(|(_, address)| address.clone());
    }
    view
}

/// Accounts that a freeze stops now, and the freeze.
fn frozen(gateway: &Gateway, post: &PostRecord) -> Vec<(AccountId, String)> {
    let stopped = post.targets.iter().filter(|target| target.state == TargetState::Frozen);
    let named =
        |target: &TargetRecord| Some((target.account.clone(), posts::life::frozen_by(gateway, post, &target.account)?));
    stopped.filter_map(named).collect()
}

fn name_freezes(view: &mut PostView, frozen: &[(AccountId, String)]) {
    for target in &mut view.targets {
        let found = frozen.iter().find(|(account, _)| account.as_str() == target.account);
        target.frozen_by = found.map(|(_, freeze)| freeze.clone());
    }
}

/// Warnings that an answer names.
const WARNINGS_MAX: usize = 20;

/// What will not go as it was asked for.
pub(super) fn warnings(gateway: &Gateway, post: &PostRecord) -> Vec<WarningView> {
    let blocked = times::blocked_occurrences(gateway, post);
    let more = blocked.len().saturating_sub(WARNINGS_MAX);
    let warn = |blocked: times::Blocked| WarningView {
        code: "occurrence-blocked",
        message: format!("The occurrence of {} is held then: {}.", blocked.at, blocked.why),
        at: Some(blocked.at),
    };
    let mut warnings: Vec<WarningView> = blocked.into_iter().take(WARNINGS_MAX).map(warn).collect();
    if more > 0 {
        let message = format!("{more} more of its occurrences are held for such a reason.");
        warnings.push(WarningView { code: "more", message, at: None });
    }
    warnings
}

fn shown(mut post: crate::records::PostRecord, visible: &BTreeSet<AccountId>) -> PostView {
    post.targets.retain(|target| visible.contains(&target.account));
    PostView::of(post)
}
