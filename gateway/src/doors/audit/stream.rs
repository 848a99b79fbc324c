//! `GET /v1/audit/stream`: the log as server-sent events, from the past into the present.
//!
//! A stream writes one leaf when it begins and one when it ends, and none for what it shows, so that streams of streams end.

use std::sync::Arc;

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    super::{
        caller::Known,
        publish::refused,
        query::unread,
        sse::{self, Block, End},
    },
    ask::{self, Asked, SearchQuery},
    right::{note, permitted, reach},
    search::{LeafView, too_many},
};
use crate::{
    audit::{LogReader, ReadError, leaf},
    call::{Caller, authenticate::lasts},
    gateway::Gateway,
    index::{Facets, Filter},
    limits::Reading,
    model::AuditRight,
    refusal::Refusal,
};

/// Leaves that are read at once, and bytes of events that are made of them before they are sent.
const BLOCK_LEAVES: usize = 1_024;
const BLOCK_BYTES: usize = 64 * 1024;

/// Which leaves, from where on.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StreamQuery {
    /// Only of this actor: `app:newsroom`, `person:editor-7`, or an id alone for either.
    actor: Option<String>,
    /// Only about this account.
    account: Option<String>,
    /// Only of this brand and those below.
    brand: Option<String>,
    /// Only of this action.
    action: Option<String>,
    /// Only with this outcome, see the search.
    outcome: Option<String>,
    /// Only of this kind, see the search.
    kind: Option<String>,
    /// Begin with what happened at this time (RFC 3339).
    from: Option<String>,
    /// Only leaves that hold all these words.
    text: Option<String>,
    /// Begin after this index. `Last-Event-ID` goes before it.
    #[param(value_type = Option<u64>)]
    cursor: Option<String>,
}

/// Follows the audit log.
#[utoipa::path(get, path = "/v1/audit/stream", operation_id = "streamAudit", tag = "audit",
    params(StreamQuery, ("Last-Event-ID" = Option<u64>, Header, nullable = false, description = "Go on after this index; clients send it by themselves when they connect again. Without it, `cursor` and `from` the stream begins with the present.")),
    responses((status = 200, content_type = "text/event-stream", body = String, description = "Server-sent events. `leaf`: its id is the index, its data a LeafView. `end`: why the gateway ended the stream. Comments and bare ids show that the stream is alive and how far it has read."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn stream(
    State(gateway): State<Arc<Gateway>>,
    Known(caller): Known,
    headers: HeaderMap,
    query: Result<Query<StreamQuery>, QueryRejection>,
) -> Response {
    match begin(&gateway, &caller, &headers, query).await {
        Ok(response) => response,
        Err(refusal) => refused(&gateway, &caller, refusal).await.into_response(),
    }
}

async fn begin(
    gateway: &Arc<Gateway>,
    caller: &Caller,
    headers: &HeaderMap,
    query: Result<Query<StreamQuery>, QueryRejection>,
) -> Result<Response, Refusal> {
    let scope = permitted(gateway, caller, AuditRight::Read)?;
    let Query(query) = query.map_err(|rejection| unread(&rejection))?;
    let Asked { query, told } = SearchQuery::from(query).check()?;
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()).map(str::trim);
    let last = ask::index("Last-Event-ID", last.filter(|last| !last.is_empty()).map(str::to_owned))?;
    let (next, name) = (gateway.audit.next_index(), if last.is_some() { "Last-Event-ID" } else { "cursor" });
    let after = ask::within(name, last.or(query.after), next)?;
    let Some(reading) = gateway.readings.stream(caller.principal()) else {
        return Err(too_many("streams"));
    };
    let start = match (after, query.filter.from_ms) {
        (Some(after), _) => after.saturating_add(1),
        (None, Some(from_ms)) => first_at(gateway, from_ms).await,
        (None, None) => next,
    };
    let read = leaf::Read {
        what: "audit.stream".into(),
        grant: Some(scope.grant()),
        filter: told,
        from: Some(start),
        ..leaf::Read::default()
    };
    let opened = note(gateway, caller, read).await?;
    let feed =
        Feed { gateway: Arc::clone(gateway), caller: caller.clone(), filter: query.filter, opened, _reading: reading };
    let (stream, response) = sse::open(gateway, start);
    tokio::spawn(feed.run(stream));
    Ok(response)
}

/// Where leaves of this time begin. Without an index it is the beginning of the log, and the filter does the rest.
async fn first_at(gateway: &Arc<Gateway>, from_ms: i64) -> u64 {
    let index = Arc::clone(&gateway.index);
    let found = tokio::task::spawn_blocking(move || index.first_at(from_ms)).await;
    found.ok().and_then(Result::ok).unwrap_or(0)
}

impl From<StreamQuery> for SearchQuery {
    fn from(query: StreamQuery) -> Self {
        let StreamQuery { actor, account, brand, action, outcome, kind, from, text, cursor } = query;
        Self { actor, account, brand, action, outcome, kind, from, text, cursor, ..Self::default() }
    }
}

/// What one stream shows.
struct Feed {
    gateway: Arc<Gateway>,
    caller: Caller,
    filter: Filter,
    /// The leaf that says that the stream began.
    opened: u64,
    _reading: Reading,
}

impl sse::Feed for Feed {
    const ID: &'static str = "";

    fn may_go_on(&self) -> bool {
        self.filter().is_some()
    }

    async fn read(&mut self, reader: LogReader, next: u64, until: u64) -> Result<Block, End> {
        // At each block, so that a right that was taken away shows nothing more.
        let filter = self.filter().ok_or(End::Revoked)?;
        let read = tokio::task::spawn_blocking(move || block(reader, &filter, next, until)).await;
        read.ok().and_then(Result::ok).ok_or(End::Failed)
    }
}

impl Feed {
    /// The filter with the reach of this moment; none where key or right are gone.
    fn filter(&self) -> Option<Filter> {
        if !lasts(&self.gateway, self.caller.key()) {
            return None;
        }
        let scope = permitted(&self.gateway, &self.caller, AuditRight::Read).ok()?;
        Some(Filter { reach: reach(&scope), ..self.filter.clone() })
    }

    async fn run(mut self, mut stream: sse::Stream) {
        let gateway = Arc::clone(&self.gateway);
        // The last leaf is written before the log is closed.
        let _working = gateway.stopping.begin();
        let end = stream.run(&mut self).await;
        let read = leaf::Read {
            what: "audit.stream.end".into(),
            filter: Some(format!("opened={}&why={}", self.opened, end.as_str())),
            count: Some(stream.shown()),
            ..leaf::Read::default()
        };
        if let Err(error) = note(&self.gateway, &self.caller, read).await {
            tracing::warn!(%error, "the end of a stream is not in the log");
        }
        stream.end(end);
    }
}

/// Reads some leaves and makes events of those that fit.
fn block(mut reader: LogReader, filter: &Filter, mut next: u64, until: u64) -> Result<Block, ReadError> {
    reader.follow(until)?;
    let (mut text, mut shown) = (String::new(), 0);
    for _ in 0..BLOCK_LEAVES {
        let Some((index, bytes)) = reader.next_bytes()? else { break };
        next = index + 1;
        if !filter.matches(&Facets::of(&bytes)) {
            continue;
        }
        let data = serde_json::to_string(&LeafView::new(index, &bytes)).unwrap_or_default();
        text.push_str(&format!("id: {index}\nevent: leaf\ndata: {data}\n\n"));
        shown += 1;
        if text.len() >= BLOCK_BYTES {
            break;
        }
    }
    Ok(Block { reader, text, shown, next })
}
