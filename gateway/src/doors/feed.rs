//! `/calendar/{secret}.ics`: the calendar for programs that can show no key. Who has the address reads it; for all that opens nothing there
//! is one answer.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    extract::{Path, State, rejection::PathRejection},
    http::{
        Extensions, HeaderMap, HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS},
    },
    response::{IntoResponse, Response},
};

use super::{
    caller::source,
    conditional::has,
    problem::Problem,
    publish::calendar::{self, CalendarQuery},
};
use crate::{
    call::admit::admit_feed,
    feeds,
    gateway::Gateway,
    model::hex::hex,
    refusal::{Refusal, Stage, problem},
};

/// What calendars are called whose makers gave them no name.
const NAME: &str = "Pressgate";

/// Serves a feed.
pub(super) async fn serve(
    State(gateway): State<Arc<Gateway>>,
    extensions: Extensions,
    headers: HeaderMap,
    file: Result<Path<String>, PathRejection>,
) -> Response {
    let file = file.map(|Path(file)| file).unwrap_or_default();
    let read = text(&gateway, &extensions, &file).await;
    if read.is_ok() { &gateway.counters.feeds_served } else { &gateway.counters.feeds_refused }.add(1);
    let mut response = match read {
        Ok(text) => answer(text, &headers),
        Err(refusal) => Problem::from(refusal).into_response(),
    };
    let set = response.headers_mut();
    // Programs may keep what they got, and ask each time whether it holds.
    set.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    set.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    set.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    set.insert("x-robots-tag", HeaderValue::from_static("noindex"));
    response
}

async fn text(gateway: &Gateway, extensions: &Extensions, file: &str) -> Result<String, Refusal> {
    if gateway.stopping.is_set() {
        return Err(Refusal::new(problem::SHUTTING_DOWN, Stage::Door, "The gateway is stopping."));
    }
    let (source, now) = (source(extensions), gateway.clock.now());
    if !gateway.people.feed_guesses.may_try(source, now) {
        let detail = "Too many wrong addresses of calendars were asked for from your network. Wait a minute.";
        return Err(Refusal::new(problem::RATE_LIMITED, Stage::Authenticate, detail).retry_after(60));
    }
    let Some((feed, caller)) = feeds::open(gateway, file).await? else {
        gateway.counters.denied.add(1);
        gateway.strangers.count(source, now);
        gateway.people.feed_guesses.wrong(source, now);
        let detail = "There is no such calendar: it was revoked, it has ended, or this is not its whole address. Make another: \
            `pressgate calendar feed create`.";
        return Err(Refusal::new(problem::NOT_FOUND, Stage::Door, detail));
    };
    admit_feed(gateway, &caller).await?;
    let name = if feed.name.is_empty() { NAME } else { &feed.name };
    let text = calendar::ics(gateway, &caller, name, CalendarQuery::of(feed.account.as_ref())).await?;
    feeds::used(gateway, &feed).await;
    Ok(text)
}

fn answer(text: String, asked: &HeaderMap) -> Response {
    let tag = format!("\"{}\"", hex(digest(&SHA256, text.as_bytes()).as_ref()));
    let mut response = if has(asked, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(CONTENT_TYPE, calendar::MEDIA_TYPE)], text).into_response()
    };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}
