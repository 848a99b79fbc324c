//! `/v1/calendar`: posts with a time, and every time of those that recur.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    http::header,
    response::{IntoResponse, Response},
};
use jiff::{SignedDuration, Timestamp};
use pressgate_calendar::ics::{Entry, Feed, Status, write};
use pressgate_workflow::{PostState, life::Plan};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::refused;
use crate::{
    call::Caller,
    doors::{
        caller::Known,
        problem::Problem,
        query::{parameter, unread},
        words::PostStates,
    },
    gateway::Gateway,
    model::AccountId,
    posts::{self, life, plan::occurrences, sight::readable, times::SERIES_MAX},
    records::PostRecord,
    refusal::{Refusal, Stage, problem},
};

/// Posts that one look at a calendar looks through, and entries that it has.
const PLANNED_MAX: u32 = 1_000;
const ENTRIES_MAX: usize = 1_000;
/// A calendar that nobody gives a time begins so long ago and ends so far ahead.
const CALENDAR_BACK: SignedDuration = SignedDuration::from_hours(31 * 24);
const CALENDAR_AHEAD: SignedDuration = SignedDuration::from_hours(92 * 24);
/// Characters of a post that its line in a calendar has.
const SUMMARY_CHARS: usize = 60;

/// What a calendar is for programs.
pub const MEDIA_TYPE: &str = "text/calendar; charset=utf-8";

/// A time of a post.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PlannedView {
    /// Post.
    pub post: String,
    /// When it is due, or was.
    #[schema(value_type = String, format = DateTime)]
    pub due_at: Timestamp,
    /// Where it stands; of a later time of a post that recurs, where it will begin.
    #[schema(value_type = PostStates)]
    pub state: &'static str,
    /// Accounts that it is for.
    pub accounts: Vec<String>,
    /// The beginning of its text.
    pub summary: String,
    /// The campaign that the author named.
    #[schema(required = true)]
    pub campaign: Option<String>,
    /// Labels that the author set.
    pub labels: Vec<String>,
    /// It recurs: each of its times from the next on is an entry.
    pub recurs: bool,
}

/// Posts with a time, soonest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct CalendarView {
    /// From here on.
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// Before here.
    #[schema(value_type = String, format = DateTime)]
    pub until: Timestamp,
    /// At most 1,000 times.
    pub posts: Vec<PlannedView>,
    /// There are more.
    pub more: bool,
}

/// Which part of the calendar.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CalendarQuery {
    /// From this instant on; a month ago where it is left out.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<String>,
    /// Before this instant; three months ahead where it is left out.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<String>,
    /// Only posts for this account.
    account: Option<String>,
}

impl CalendarQuery {
    /// The usual part of the calendar, of one account where one is given.
    pub fn of(account: Option<&AccountId>) -> Self {
        Self { from: None, until: None, account: account.map(ToString::to_string) }
    }
}

type CalendarParams = Result<Query<CalendarQuery>, QueryRejection>;

/// Posts with a time on accounts whose posts the caller may read, and its own.
#[utoipa::path(get, path = "/v1/calendar", operation_id = "readCalendar", tag = "posts", params(CalendarQuery),
    responses((status = 200, body = CalendarView, description = "The calendar."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn calendar(
    State(gateway): State<Arc<Gateway>>,
    Known(caller): Known,
    query: CalendarParams,
) -> Result<Json<CalendarView>, Problem> {
    let planned = match query {
        Ok(Query(query)) => planned(&gateway, &caller, query).await,
        Err(rejection) => Err(unread(&rejection)),
    };
    match planned {
        Ok((view, _)) => Ok(Json(view)),
        Err(refusal) => Err(refused(&gateway, &caller, refusal).await),
    }
}

/// The same for calendar programs (RFC 5545).
#[utoipa::path(get, path = "/v1/calendar.ics", operation_id = "subscribeCalendar", tag = "posts", params(CalendarQuery),
    responses((status = 200, content_type = "text/calendar", body = String, description = "The calendar."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn calendar_ics(
    State(gateway): State<Arc<Gateway>>,
    Known(caller): Known,
    query: CalendarParams,
) -> Result<Response, Problem> {
    let text = match query {
        Ok(Query(query)) => ics(&gateway, &caller, "Pressgate", query).await,
        Err(rejection) => Err(unread(&rejection)),
    };
    match text {
        Ok(text) => Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], text).into_response()),
        Err(refusal) => Err(refused(&gateway, &caller, refusal).await),
    }
}

/// The text of a calendar of that name.
///
/// # Errors
/// A query that does not fit; the records can't be used.
pub async fn ics(gateway: &Gateway, caller: &Caller, name: &str, query: CalendarQuery) -> Result<String, Refusal> {
    let (view, posts) = planned(gateway, caller, query).await?;
    let feed = Feed { name: name.to_owned(), product: "-//Pressgate//Calendar//EN".to_owned() };
    let of = |view: &PlannedView| Some(entry(view, posts.iter().find(|post| post.id.as_str() == view.post)?));
    let entries: Vec<Entry> = view.posts.iter().filter_map(of).collect();
    write(&feed, &entries)
        .map_err(|error| Refusal::new(problem::INTERNAL, Stage::Door, "The calendar can't be written.").because(error))
}

fn entry(view: &PlannedView, post: &PostRecord) -> Entry {
    let life = life::of(post);
    let certain = [PostState::Scheduled, PostState::Publishing, PostState::Published];
    let certain = certain.iter().any(|state| state.as_str() == view.state);
    // Each time of a series is an event of its own, whichever of them is the next.
    let of_series = if view.recurs { format!("-{}", view.due_at.strftime("%Y%m%dT%H%M%SZ")) } else { String::new() };
    Entry {
        uid: format!("{}{of_series}@pressgate", view.post),
        summary: format!("{} ({})", view.summary, view.state),
        at: view.due_at,
        length: SignedDuration::ZERO,
        status: match (is_over(post.state), certain) {
            (true, _) => Status::Cancelled,
            (false, true) => Status::Confirmed,
            (false, false) => Status::Tentative,
        },
        sequence: u32::try_from(life.seq()).unwrap_or(u32::MAX),
        modified: post.updated_at,
        categories: view.labels.clone(),
        extra: Vec::new(),
    }
}

/// It will not go out any more.
fn is_over(state: PostState) -> bool {
    use PostState::{Cancelled, Denied, Expired, Recalled, Rejected};
    matches!(state, Cancelled | Rejected | Denied | Expired | Recalled)
}

async fn planned(
    gateway: &Gateway,
    caller: &Caller,
    query: CalendarQuery,
) -> Result<(CalendarView, Vec<PostRecord>), Refusal> {
    let now = gateway.clock.now();
    let time = |name: &str, text: Option<String>, otherwise: Option<Timestamp>| match text {
        Some(text) => pressgate_calendar::parse_instant(&text).map_err(|error| parameter(name, error.to_string())),
        None => Ok(otherwise.unwrap_or(now)),
    };
    let from = time("from", query.from, now.checked_sub(CALENDAR_BACK).ok())?;
    let until = time("until", query.until, now.checked_add(CALENDAR_AHEAD).ok())?;
    if until < from {
        let message = format!("`until` ({until}) is before `from` ({from}), so that nothing lies between; give both.");
        return Err(parameter("until", message));
    }
    let mut visible = readable(gateway, caller);
    if let Some(account) = &query.account {
        visible.retain(|known| known.as_str() == account);
    }
    let down = |error| posts::unavailable(&error);
    let mut ids = gateway.records.planned(from, until, PLANNED_MAX + 1).await.map_err(down)?;
    // Their next time lies before; others may lie within.
    ids.extend(gateway.records.recurring(from, PLANNED_MAX + 1).await.map_err(down)?);
    let mut more = ids.len() > PLANNED_MAX as usize;
    let (mut found, mut entries) = (Vec::new(), Vec::new());
    for id in ids.into_iter().take(PLANNED_MAX as usize) {
        let post = posts::read(gateway, &id).await?;
        let wanted = |account: &AccountId| query.account.as_deref().is_none_or(|wanted| wanted == account.as_str());
        let own = posts::sight::is_own(caller, &post) && post.targets.iter().any(|target| wanted(&target.account));
        if own || posts::sight::any_of(&post, &visible) {
            entries.extend(times_of(caller, &post, &visible, from, until));
            found.push(post);
        }
    }
    entries.sort_by(|one, other| (one.due_at, &one.post).cmp(&(other.due_at, &other.post)));
    more |= entries.len() > ENTRIES_MAX;
    entries.truncate(ENTRIES_MAX);
    Ok((CalendarView { from, until, posts: entries, more }, found))
}

/// The times of a post within a time: its own, and of one that recurs all that follow.
fn times_of(
    caller: &Caller,
    post: &PostRecord,
    visible: &BTreeSet<AccountId>,
    from: Timestamp,
    until: Timestamp,
) -> Vec<PlannedView> {
    let Some(next) = planned_view(caller, post, visible) else { return Vec::new() };
    let kept = post.life.as_ref().and_then(|kept| kept.plan.as_deref()).filter(|_| next.recurs && !is_over(post.state));
    let later = kept.map(|kept| occurrences(kept, next.due_at.max(from), until, SERIES_MAX)).unwrap_or_default();
    // What is agreed to once is agreed to for all of them; what waits for that is no more certain later.
    let undecided = [PostState::Draft, PostState::Review, PostState::Held, PostState::Approved].contains(&post.state);
    let state = if undecided { post.state } else { PostState::Scheduled }.as_str();
    let later = later.into_iter().filter(|at| *at > next.due_at);
    let later: Vec<PlannedView> = later.map(|due_at| PlannedView { due_at, state, ..next.clone() }).collect();
    let next = Some(next).filter(|next| from <= next.due_at && next.due_at < until);
    next.into_iter().chain(later).collect()
}

fn planned_view(caller: &Caller, post: &PostRecord, visible: &BTreeSet<AccountId>) -> Option<PlannedView> {
    let life = life::of(post);
    let own = posts::sight::is_own(caller, post);
    let targets: Vec<_> = post.targets.iter().filter(|target| own || visible.contains(&target.account)).collect();
    let draft = targets.first().map(|target| &target.draft)?;
    let text = draft.parts.first().map(|part| part.text.as_str()).unwrap_or_default();
    let recurs = matches!(&life.content().plan, Plan::At(timing) if timing.recurs);
    Some(PlannedView {
        post: post.id.to_string(),
        due_at: life.due()?,
        state: post.state.as_str(),
        accounts: targets.iter().map(|target| target.account.to_string()).collect(),
        summary: text.chars().take(SUMMARY_CHARS).collect(),
        campaign: draft.campaign.clone(),
        labels: draft.labels.clone(),
        recurs,
    })
}
