//! `GET /v1/audit/export`: a part of the log as JSON Lines, to take away. Where it breaks off before its end, so does the
//! connection: an answer that ended well is whole.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    body::Body,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http_body::Frame;
use serde::Deserialize;
use tokio::sync::mpsc;
use utoipa::IntoParams;

use super::{
    super::{caller::Known, publish::refused, query::unread},
    ask,
    right::{note, permitted, reach},
    search::{LeafView, too_many},
};
use crate::{
    audit::{LogReader, ReadError, leaf},
    call::{Caller, authenticate::lasts},
    export::ocsf,
    gateway::Gateway,
    index::{Facets, Filter},
    limits::Reading,
    model::AuditRight,
    refusal::Refusal,
};

/// Leaves that are read at once, and bytes of lines that are made of them before they are sent.
const BLOCK_LEAVES: usize = 1_024;
const BLOCK_BYTES: usize = 64 * 1024;
/// Blocks that wait for a slow reader.
const BLOCKS_MAX: usize = 2;
/// The formats.
const FORMATS: [&str; 2] = ["ocsf", "leaf"];

/// Which part of the log, and in which form.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExportQuery {
    /// Only what happened at this time or later (RFC 3339).
    from: Option<String>,
    /// Only what happened before this time (RFC 3339).
    to: Option<String>,
    /// Only leaves after this index.
    #[param(value_type = Option<u64>)]
    cursor: Option<String>,
    /// `ocsf`: an event of OCSF 1.8 in each line; `leaf`: a LeafView. `ocsf` where it is left out.
    format: Option<String>,
}

/// Exports a part of the audit log.
#[utoipa::path(get, path = "/v1/audit/export", operation_id = "exportAudit", tag = "audit", params(ExportQuery),
    responses((status = 200, content_type = "application/x-ndjson", body = String, description = "JSON Lines in the order of the log, up to the leaf that was its last when the export began. An export that fails breaks the connection."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn export(
    State(gateway): State<Arc<Gateway>>,
    Known(caller): Known,
    query: Result<Query<ExportQuery>, QueryRejection>,
) -> Response {
    match begin(&gateway, &caller, query).await {
        Ok(response) => response,
        Err(refusal) => refused(&gateway, &caller, refusal).await.into_response(),
    }
}

async fn begin(
    gateway: &Arc<Gateway>,
    caller: &Caller,
    query: Result<Query<ExportQuery>, QueryRejection>,
) -> Result<Response, Refusal> {
    let scope = permitted(gateway, caller, AuditRight::Export)?;
    let Query(query) = query.map_err(|rejection| unread(&rejection))?;
    let told = query.told();
    let after = ask::within("cursor", ask::index("cursor", query.cursor)?, gateway.audit.next_index())?;
    let filter = Filter {
        from_ms: ask::instant("from", query.from)?,
        to_ms: ask::instant("to", query.to)?,
        reach: reach(&scope),
        ..Filter::default()
    };
    let format = ask::one_of("format", query.format, &FORMATS)?;
    let Some(reading) = gateway.readings.stream(caller.principal()) else {
        return Err(too_many("exports"));
    };
    let start = after.map_or(0, |after| after.saturating_add(1));
    let read = leaf::Read {
        what: "audit.export".into(),
        grant: Some(scope.grant()),
        filter: told,
        from: Some(start),
        ..leaf::Read::default()
    };
    // Durable before the first line; the export ends before it.
    let until = note(gateway, caller, read).await?;
    let (sender, receiver) = mpsc::channel(BLOCKS_MAX);
    let ocsf = format.as_deref() != Some("leaf");
    let job = Job {
        gateway: Arc::clone(gateway),
        caller: caller.clone(),
        filter,
        ocsf,
        next: start,
        until,
        shown: 0,
        sender,
        _reading: reading,
    };
    tokio::spawn(job.run());
    let mut response = Body::new(Lines(receiver)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    Ok(response)
}

impl ExportQuery {
    /// Names and values, for the log. They are checked after it, and nothing that is wrong is logged.
    fn told(&self) -> Option<String> {
        let given = [("from", &self.from), ("to", &self.to), ("cursor", &self.cursor), ("format", &self.format)]
            .into_iter()
            .filter_map(|(name, value)| Some(format!("{name}={}", value.as_ref()?)));
        Some(given.collect::<Vec<_>>().join("&")).filter(|told| !told.is_empty())
    }
}

/// Reads the log for one export.
struct Job {
    gateway: Arc<Gateway>,
    caller: Caller,
    filter: Filter,
    ocsf: bool,
    /// The next index to look at.
    next: u64,
    /// The index to end before: the leaf that says that the export began.
    until: u64,
    /// Leaves that were given out.
    shown: u64,
    sender: mpsc::Sender<io::Result<Bytes>>,
    _reading: Reading,
}

/// What was read at once.
struct Block {
    reader: LogReader,
    lines: Vec<u8>,
    next: u64,
    shown: u64,
}

impl Job {
    async fn run(mut self) {
        let gateway = Arc::clone(&self.gateway);
        // The last leaf is written before the log is closed.
        let _working = gateway.stopping.begin();
        let gone = self.sender.clone();
        let why = tokio::select! {
            why = self.go() => why,
            () = gone.closed() => "gone",
            () = gateway.stopping.wait() => "stopping",
        };
        drop(gone);
        let read = leaf::Read {
            what: "audit.export.end".into(),
            filter: Some(format!("opened={}&why={why}", self.until)),
            count: Some(self.shown),
            ..leaf::Read::default()
        };
        if let Err(error) = note(&self.gateway, &self.caller, read).await {
            tracing::warn!(%error, "the end of an export is not in the log");
        }
        if why != "done" {
            // Breaks the connection, so that nobody takes a part for the whole.
            let _gone = self.sender.send(Err(io::Error::other(why))).await;
        }
    }

    async fn go(&mut self) -> &'static str {
        let mut reader = self.gateway.audit.reader(self.next);
        while self.next < self.until {
            let Some(filter) = self.filter() else { return "revoked" };
            let (origin, next, until, ocsf) =
                (self.gateway.audit.origin().to_owned(), self.next, self.until, self.ocsf);
            let read = tokio::task::spawn_blocking(move || block(reader, &filter, &origin, ocsf, next, until)).await;
            let Ok(Ok(block)) = read else { return "failed" };
            reader = block.reader;
            if block.next == self.next {
                return "failed";
            }
            // Where the reader is slow, this waits, and nobody else does.
            if !block.lines.is_empty() && self.sender.send(Ok(block.lines.into())).await.is_err() {
                return "gone";
            }
            (self.next, self.shown) = (block.next, self.shown + block.shown);
        }
        "done"
    }

    /// The filter with the reach of this moment; none where key or right are gone.
    fn filter(&self) -> Option<Filter> {
        if !lasts(&self.gateway, self.caller.key()) {
            return None;
        }
        let scope = permitted(&self.gateway, &self.caller, AuditRight::Export).ok()?;
        Some(Filter { reach: reach(&scope), ..self.filter.clone() })
    }
}

/// Reads some leaves and makes lines of those that fit.
fn block(
    mut reader: LogReader,
    filter: &Filter,
    origin: &str,
    ocsf: bool,
    mut next: u64,
    until: u64,
) -> Result<Block, ReadError> {
    reader.follow(until)?;
    let (mut lines, mut shown) = (Vec::new(), 0);
    for _ in 0..BLOCK_LEAVES {
        let Some((index, bytes)) = reader.next_bytes()? else { break };
        next = index + 1;
        if !filter.matches(&Facets::of(&bytes)) {
            continue;
        }
        let line = match ocsf {
            true => serde_json::to_vec(&ocsf::event(origin, index, &bytes)),
            false => serde_json::to_vec(&LeafView::new(index, &bytes)),
        };
        lines.extend(line.unwrap_or_default());
        lines.push(b'\n');
        shown += 1;
        if lines.len() >= BLOCK_BYTES {
            break;
        }
    }
    Ok(Block { reader, lines, next, shown })
}

/// The body of an answer that is made while it is sent.
struct Lines(mpsc::Receiver<io::Result<Bytes>>);

impl http_body::Body for Lines {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(context).map(|block| block.map(|block| block.map(Frame::data)))
    }
}
