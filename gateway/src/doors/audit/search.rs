//! `GET /v1/audit` and `GET /v1/audit/{index}`.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    super::{caller::Known, problem::Problem, publish::refused, query::unread},
    ask::{self, SearchQuery},
    right::{note, permitted, reach},
};
use crate::{
    audit::leaf,
    call::{Caller, digest},
    gateway::Gateway,
    index::{Facets, Filter, SearchError},
    model::AuditRight,
    refusal::{Refusal, Stage, problem},
};

/// How long a search waits for the index to have what is in the log, at most. It needs some milliseconds for a few leaves.
const CATCH_UP_MAX: Duration = Duration::from_millis(25);

/// Leaves that were found.
#[derive(Debug, Serialize, ToSchema)]
pub struct LeavesView {
    /// In the order that was asked for.
    pub items: Vec<LeafView>,
    /// The `cursor` of the next page; null where there is no more. A page may be short, and even empty, and still have a next.
    #[schema(required = true)]
    pub next: Option<u64>,
    /// The index of the last leaf that was searched. What is newer than this may be there and is not shown yet.
    #[schema(required = true)]
    pub indexed_through: Option<u64>,
    /// The index of the last leaf of the log when the search began.
    #[schema(required = true)]
    pub logged_through: Option<u64>,
}

/// One leaf of the log.
#[derive(Debug, Serialize, ToSchema)]
pub struct LeafView {
    /// Its index.
    pub index: u64,
    /// Its leaf hash (RFC 6962), lower-case hexadecimal: SHA-256 over a zero byte and the logged bytes.
    pub hash: String,
    /// The leaf as it was logged.
    #[schema(value_type = Object)]
    pub leaf: Value,
}

impl LeafView {
    /// Of logged bytes.
    pub fn new(index: u64, bytes: &[u8]) -> Self {
        let leaf = serde_json::from_slice(bytes).unwrap_or_else(|_| String::from_utf8_lossy(bytes).into());
        Self { index, hash: digest::sha256_hex(&[&[0][..], bytes].concat()), leaf }
    }
}

/// Searches the audit log.
#[utoipa::path(get, path = "/v1/audit", operation_id = "searchAudit", tag = "audit", params(SearchQuery),
    responses((status = 200, body = LeavesView, description = "A page of leaves. The search is a leaf of the log itself."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn search(
    State(gateway): State<Arc<Gateway>>,
    Known(caller): Known,
    query: Result<Query<SearchQuery>, QueryRejection>,
) -> Result<Json<LeavesView>, Problem> {
    match searched(&gateway, &caller, query).await {
        Ok(page) => Ok(Json(page)),
        Err(refusal) => Err(refused(&gateway, &caller, refusal).await),
    }
}

async fn searched(
    gateway: &Arc<Gateway>,
    caller: &Caller,
    query: Result<Query<SearchQuery>, QueryRejection>,
) -> Result<LeavesView, Refusal> {
    let scope = permitted(gateway, caller, AuditRight::Read)?;
    let Query(query) = query.map_err(|rejection| unread(&rejection))?;
    let mut asked = query.check()?;
    asked.query.filter.reach = reach(&scope);
    let Some(reading) = gateway.readings.search(caller.principal()) else {
        return Err(too_many("searches"));
    };
    let logged = gateway.audit.next_index();
    let index = Arc::clone(&gateway.index);
    let mut query = asked.query;
    query.after = ask::within("cursor", query.after, logged)?;
    let found = tokio::task::spawn_blocking(move || {
        let _reading = reading;
        // What was logged before somebody asked is found where the index can be had that far in a moment.
        index.catch_up(logged, CATCH_UP_MAX);
        index.search(&query)
    });
    let found = found.await.map_err(|error| unavailable(&error))?.map_err(|error| refusal(&error))?;
    let read = leaf::Read {
        what: "audit.search".into(),
        grant: Some(scope.grant()),
        filter: asked.told,
        from: found.leaves.first().map(|(index, _)| *index),
        count: Some(found.leaves.len() as u64),
        ..leaf::Read::default()
    };
    note(gateway, caller, read).await?;
    Ok(LeavesView {
        items: found.leaves.iter().map(|(index, bytes)| LeafView::new(*index, bytes)).collect(),
        next: found.next,
        indexed_through: found.mark.checked_sub(1),
        logged_through: logged.checked_sub(1),
    })
}

/// One leaf of the audit log.
#[utoipa::path(get, path = "/v1/audit/{index}", operation_id = "readAudit", tag = "audit", params(("index" = u64, Path, description = "The leaf's index.")),
    responses((status = 200, body = LeafView, description = "The leaf. Reading it is a leaf of the log itself."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn read(
    State(gateway): State<Arc<Gateway>>,
    Known(caller): Known,
    Path(index): Path<String>,
) -> Result<Json<LeafView>, Problem> {
    match one(&gateway, &caller, &index).await {
        Ok(leaf) => Ok(Json(leaf)),
        Err(refusal) => Err(refused(&gateway, &caller, refusal).await),
    }
}

async fn one(gateway: &Arc<Gateway>, caller: &Caller, index: &str) -> Result<LeafView, Refusal> {
    let scope = permitted(gateway, caller, AuditRight::Read)?;
    // Whether there is a leaf that the caller may not see is nothing that it may learn.
    let none = || Refusal::new(problem::NOT_FOUND, Stage::Door, "You can see no leaf of this index.");
    let index = index.parse::<u64>().ok().filter(|index| i64::try_from(*index).is_ok()).ok_or_else(none)?;
    let Some(reading) = gateway.readings.search(caller.principal()) else {
        return Err(too_many("searches"));
    };
    let log = Arc::clone(&gateway.index);
    let found = tokio::task::spawn_blocking(move || {
        let _reading = reading;
        log.leaf(index)
    });
    let found = found.await.map_err(|error| unavailable(&error))?.map_err(|error| refusal(&error))?;
    let visible = Filter { reach: reach(&scope), ..Filter::default() };
    let bytes = found.filter(|bytes| visible.sees(&Facets::of(bytes))).ok_or_else(none)?;
    let read = leaf::Read {
        what: "audit.read".into(),
        grant: Some(scope.grant()),
        from: Some(index),
        count: Some(1),
        ..leaf::Read::default()
    };
    note(gateway, caller, read).await?;
    Ok(LeafView::new(index, &bytes))
}

/// The caller reads the log in too many places at once.
pub(super) fn too_many(what: &str) -> Refusal {
    let detail = format!("Too many {what} of the log run at once. Let one end, or try again in a second.");
    Refusal::new(problem::RATE_LIMITED, Stage::Admit, detail).retry_after(1)
}

pub(super) fn refusal(error: &SearchError) -> Refusal {
    let detail = match error {
        SearchError::NotReady => "The search index is being made from the log. Try again in a while.",
        SearchError::Index(_) => "The search index failed and is made anew from the log. Try again in a while.",
        SearchError::Log(_) => "The log can't be read. An operator must look at the process's own log.",
    };
    Refusal::new(problem::INDEX_UNAVAILABLE, Stage::Door, detail).because(error).retry_after(5)
}

fn unavailable(error: &tokio::task::JoinError) -> Refusal {
    Refusal::new(problem::INTERNAL, Stage::Door, "The search failed.").because(error)
}
