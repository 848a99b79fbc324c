//! `GET /v1/events`: what happens to posts, as server-sent events.
//!
//! A caller hears of the accounts whose posts it may read, and of its own posts, as at `/v1/posts`.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    caller::Known,
    publish::refused,
    query::{parameter, unread},
    sse::{self, Block, End},
    text::shortened,
};
use crate::{
    audit::LogReader,
    call::{Caller, authenticate::lasts},
    events::{self, Event, EventView, Posts, event_index},
    gateway::Gateway,
    limits::Reading,
    model::{AccountId, EventType},
    posts::sight::readable,
    refusal::{Refusal, Stage, problem},
};

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
    let feed = Feed {
        gateway: Arc::clone(gateway),
        caller: caller.clone(),
        filter,
        had_accounts: !readable(gateway, caller).is_empty(),
        posts: Posts::default(),
        _reading: reading,
    };
    let (stream, response) = sse::open(gateway, start);
    tokio::spawn(feed.run(stream));
    Ok(response)
}

/// What one stream shows.
struct Feed {
    gateway: Arc<Gateway>,
    caller: Caller,
    filter: Arc<Filter>,
    /// It could read accounts when it began.
    had_accounts: bool,
    posts: Posts,
    _reading: Reading,
}

impl sse::Feed for Feed {
    const ID: &'static str = "evt_";

    fn may_go_on(&self) -> bool {
        self.accounts().is_some()
    }

    async fn read(&mut self, reader: LogReader, next: u64, until: u64) -> Result<Block, End> {
        let filter = Arc::clone(&self.filter);
        let read = move || events::block(reader, next, until, &|event| filter.may_fit(event));
        let Ok(Ok(block)) = tokio::task::spawn_blocking(read).await else { return Err(End::Failed) };
        // After the read, so that a right that was taken away shows nothing more.
        let accounts = self.accounts().ok_or(End::Revoked)?;
        let (text, shown) = self.text(block.events, &accounts).await.map_err(|()| End::Failed)?;
        Ok(Block { reader: block.reader, text, shown, next: block.next })
    }
}

impl Feed {
    async fn run(mut self, mut stream: sse::Stream) {
        let end = stream.run(&mut self).await;
        stream.end(end);
    }

    /// The accounts that the caller may read now; none where its key, or the last of its grants, is gone.
    fn accounts(&self) -> Option<BTreeSet<AccountId>> {
        if !lasts(&self.gateway, self.caller.key()) {
            return None;
        }
        let accounts = readable(&self.gateway, &self.caller);
        (!accounts.is_empty() || !self.had_accounts).then_some(accounts)
    }

    /// What the caller may see of the events, as it is sent, and how many they are.
    async fn text(&mut self, events: Vec<Event>, accounts: &BTreeSet<AccountId>) -> Result<(String, u64), ()> {
        let (mut text, mut shown) = (String::new(), 0);
        let governance = self.gateway.governance.load_full();
        for event in events {
            let completed = self.posts.complete(self.gateway.records.as_ref(), &governance, event).await;
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
            shown += 1;
        }
        Ok((text, shown))
    }
}
