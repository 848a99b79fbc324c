//! `GET /v1/events`: what happens to posts, as server-sent events.
//!
//! A caller hears of the accounts whose posts it may read, and of its own posts, as at `/v1/posts`. The log is the buffer: each stream
//! reads it at the pace of its own reader.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
    time::Duration,
};

use axum::{
    body::Body,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde::Deserialize;
use tokio::{sync::mpsc, time::Instant};
use utoipa::IntoParams;

use super::{
    audit::stream::Events,
    caller::Known,
    publish::refused,
    query::{parameter, unread},
    text::shortened,
};
use crate::{
    call::{Caller, authenticate::lasts},
    events::{self, Event, EventView, Posts, event_index},
    gateway::Gateway,
    limits::Reading,
    model::{AccountId, EventType},
    posts::sight::readable,
    refusal::{Refusal, Stage, problem},
};

/// How often a stream that has shown everything looks for more.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A stream that has nothing to show says that it is alive.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(10);
/// Blocks that wait for a slow reader.
const BLOCKS_MAX: usize = 2;
/// What a client waits before it connects again, in milliseconds.
const RETRY_MS: u32 = 2_000;

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EventsQuery {
    /// Only of this post.
    post: Option<String>,
    /// Only about this account.
    account: Option<String>,
    /// Only of these types, with commas between: `post.held,target.published`.
    #[serde(rename = "type")]
    types: Option<String>,
}

/// What was asked for.
struct Filter {
    post: Option<String>,
    account: Option<String>,
    types: Option<HashSet<EventType>>,
}

impl Filter {
    fn of(query: EventsQuery) -> Result<Self, Refusal> {
        let EventsQuery { post, account, types } = query;
        let each = |name: &str| {
            let known = EventType::ALL.map(EventType::as_str).join("`, `");
            let why = || format!("`{}` is no type of event. There are `{known}`.", shortened(name, 64));
            EventType::parse(name).ok_or_else(|| parameter("type", why()))
        };
        let types = types.map(|names| names.split(',').map(each).collect::<Result<_, _>>()).transpose()?;
        Ok(Self { post, account, types })
    }

    /// By what a leaf says alone.
    fn may_fit(&self, event: &Event) -> bool {
        self.post.as_ref().is_none_or(|post| *post == event.post)
            && self.types.as_ref().is_none_or(|types| types.contains(&event.kind))
    }

    /// By the account too, which only the records know of some events. Asking for one that the caller may not see finds nothing.
    fn fits(&self, event: &Event, sees: impl Fn(&str) -> bool) -> bool {
        self.account.as_ref().is_none_or(|account| sees(account) && event.about().any(|about| about == account))
    }
}

/// Follows what happens to posts.
#[utoipa::path(get, path = "/v1/events", operation_id = "streamEvents", tag = "events",
    params(EventsQuery, ("Last-Event-ID" = Option<String>, Header, nullable = false, description = "Go on after this event; clients send it by themselves when they connect again. Without it the stream begins with the present.")),
    responses((status = 200, content_type = "text/event-stream", body = EventView, description = "Server-sent events. Each has the event's id and type, and as data an Event. `end`: why the gateway ended the stream. Comments and bare ids show that the stream is alive and how far it has read."),
              (status = "default", content_type = "application/problem+json", body = crate::doors::problem::ProblemBody, description = "A problem.")))]
pub async fn stream(
    State(gateway): State<Arc<Gateway>>,
    Known(caller): Known,
    headers: HeaderMap,
    query: Result<Query<EventsQuery>, QueryRejection>,
) -> Response {
    match begin(&gateway, &caller, &headers, query) {
        Ok(response) => response,
        Err(refusal) => refused(&gateway, &caller, refusal).await.into_response(),
    }
}

fn begin(
    gateway: &Arc<Gateway>,
    caller: &Caller,
    headers: &HeaderMap,
    query: Result<Query<EventsQuery>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(query) = query.map_err(|rejection| unread(&rejection))?;
    let filter = Arc::new(Filter::of(query)?);
    let log_next = gateway.audit.next_index();
    let start = match headers.get("last-event-id").map(|last| last.to_str().unwrap_or("?").trim()) {
        None | Some("") => log_next,
        Some(last) => {
            let after = event_index(last).filter(|after| *after < log_next);
            let why = || "`Last-Event-ID` must be the id of an event of this stream.".to_owned();
            after.ok_or_else(|| parameter("Last-Event-ID", why()))?.saturating_add(1)
        }
    };
    let Some(reading) = gateway.readings.events(caller.principal()) else {
        let detail = "Too many streams of events run at once. Let one end, or try again in a second.";
        return Err(Refusal::new(problem::RATE_LIMITED, Stage::Admit, detail).retry_after(1));
    };
    let had_accounts = !readable(gateway, caller).is_empty();
    let (sender, receiver) = mpsc::channel(BLOCKS_MAX);
    let feed = Feed {
        gateway: Arc::clone(gateway),
        caller: caller.clone(),
        filter,
        had_accounts,
        next: start,
        posts: Posts::default(),
        sender,
        _reading: reading,
    };
    tokio::spawn(feed.run());
    let mut response = Body::new(Events(receiver)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Why a stream ends.
enum End {
    /// The reader went away.
    Gone,
    /// The key, or the last grant, is no longer there.
    Revoked,
    /// The gateway stops.
    Stopping,
    /// Log or records can't be read.
    Failed,
}

/// Reads the log for one stream.
struct Feed {
    gateway: Arc<Gateway>,
    caller: Caller,
    filter: Arc<Filter>,
    /// It could read accounts when it began.
    had_accounts: bool,
    /// The next index to look at.
    next: u64,
    posts: Posts,
    sender: mpsc::Sender<Bytes>,
    _reading: Reading,
}

impl Feed {
    async fn run(mut self) {
        let gateway = Arc::clone(&self.gateway);
        let gone = self.sender.clone();
        let end = tokio::select! {
            end = self.follow() => end,
            () = gone.closed() => End::Gone,
            () = gateway.stopping.wait() => End::Stopping,
        };
        let why = match end {
            End::Gone => return,
            End::Revoked => "revoked",
            End::Stopping => "stopping",
            End::Failed => "failed",
        };
        // Who has no room for it sees the connection end.
        let _ = self.sender.try_send(Bytes::from(format!("event: end\ndata: {{\"why\":\"{why}\"}}\n\n")));
    }

    async fn follow(&mut self) -> End {
        let mut reader = self.gateway.audit.reader(self.next);
        let mut said = Instant::now();
        if self.sender.send(Bytes::from(format!("retry: {RETRY_MS}\n\n"))).await.is_err() {
            return End::Gone;
        }
        loop {
            let until = self.gateway.audit.next_index();
            if self.next < until {
                let (next, filter) = (self.next, Arc::clone(&self.filter));
                let read = move || events::block(reader, next, until, &|event| filter.may_fit(event));
                let Ok(Ok(block)) = tokio::task::spawn_blocking(read).await else { return End::Failed };
                reader = block.reader;
                // After the read, so that a right that was taken away shows nothing more.
                let Some(accounts) = self.accounts() else { return End::Revoked };
                let Ok(text) = self.text(block.events, &accounts).await else { return End::Failed };
                let moved = block.next > self.next;
                self.next = block.next;
                if !text.is_empty() {
                    // Where the reader is slow, this waits, and nobody else does.
                    if self.sender.send(text.into()).await.is_err() {
                        return End::Gone;
                    }
                    said = Instant::now();
                }
                if moved {
                    continue;
                }
            } else if self.accounts().is_none() {
                return End::Revoked;
            }
            if said.elapsed() >= KEEP_ALIVE_EVERY {
                // The bare id tells a client where to go on, though nothing of what was read was for it.
                let id = self.next.checked_sub(1).map(|last| format!("id: evt_{last}\n")).unwrap_or_default();
                if self.sender.send(Bytes::from(format!(": alive\n{id}\n"))).await.is_err() {
                    return End::Gone;
                }
                said = Instant::now();
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The accounts that the caller may read now; none where its key, or the last of its grants, is gone.
    fn accounts(&self) -> Option<BTreeSet<AccountId>> {
        if !lasts(&self.gateway, self.caller.key()) {
            return None;
        }
        let accounts = readable(&self.gateway, &self.caller);
        (!accounts.is_empty() || !self.had_accounts).then_some(accounts)
    }

    /// What the caller may see of the events, as it is sent.
    async fn text(&mut self, events: Vec<Event>, accounts: &BTreeSet<AccountId>) -> Result<String, ()> {
        let mut text = String::new();
        for event in events {
            let completed = self.posts.complete(self.gateway.records.as_ref(), event).await;
            let Some(event) = completed.map_err(drop)? else { continue };
            let own = event.author.as_ref() == Some(self.caller.principal());
            let sees = |account: &str| own || accounts.iter().any(|known| known.as_str() == account);
            if !self.filter.fits(&event, sees) {
                continue;
            }
            // What is of no account is for nobody but the author.
            let view = event.shown(sees).filter(|_| own || event.about().next().is_some());
            let Some(view) = view else { continue };
            let data = serde_json::to_string(&view).unwrap_or_default();
            text.push_str(&format!("id: {}\nevent: {}\ndata: {data}\n\n", view.id, view.kind));
        }
        Ok(text)
    }
}
