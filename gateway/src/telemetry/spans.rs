//! The spans of a call, and what is told in them.

use std::sync::atomic::{AtomicBool, Ordering};

use opentelemetry::{
    Context, Value,
    trace::{Status, TraceContextExt},
};
use tracing::{Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::traceparent;

/// The target of every span. Stages write it out, since attributes of functions take no path.
pub const SPAN: &str = "pressgate::span";

/// Names of attributes; the public ones are those of OpenTelemetry's semantic conventions.
pub mod key {
    /// `app:…`'s id.
    pub const APP: &str = "pressgate.app";
    /// A person's id, as in the governance folder.
    pub const PERSON: &str = "pressgate.person";
    /// For whom an app acts.
    pub const ON_BEHALF_OF: &str = "pressgate.on_behalf_of";
    /// An account's id.
    pub const ACCOUNT: &str = "pressgate.account";
    /// The brand of the account.
    pub const BRAND: &str = "pressgate.brand";
    /// What the call does.
    pub const ACTION: &str = "pressgate.action";
    /// The grant that decided.
    pub const GRANT: &str = "pressgate.grant";
    /// The post, or the call of a native request.
    pub const POST: &str = "pressgate.post";
    /// What the policies say together.
    pub const OUTCOME: &str = "pressgate.outcome";
    /// The problem of a refusal.
    pub const PROBLEM: &str = "error.type";
    /// How a target ended.
    pub const STATE: &str = "pressgate.state";
    /// The door that a request came in by.
    pub const DOOR: &str = "pressgate.door";
    /// The pattern of the path that was asked for.
    pub const ROUTE: &str = "http.route";
    /// The status of an answer.
    pub const STATUS: &str = "http.response.status_code";
}

static TRACES: AtomicBool = AtomicBool::new(false);
static SENDS_TRACEPARENT: AtomicBool = AtomicBool::new(false);

/// Set once, while the process starts.
pub(super) fn switch_on(sends_traceparent: bool) {
    SENDS_TRACEPARENT.store(sends_traceparent, Ordering::Relaxed);
    TRACES.store(true, Ordering::Relaxed);
}

/// Are traces on?
pub fn is_on() -> bool {
    TRACES.load(Ordering::Relaxed)
}

/// Tells something of the span that is open. `value` is asked only where traces are on; ids, codes and numbers alone may be told.
pub fn note<V: Into<Value>>(key: &'static str, value: impl FnOnce() -> V) {
    if is_on() {
        note_in(&Span::current(), key, value);
    }
}

/// Tells something of `span`.
pub fn note_in<V: Into<Value>>(span: &Span, key: &'static str, value: impl FnOnce() -> V) {
    if is_on() && !span.is_disabled() {
        span.set_attribute(key, value());
    }
}

/// The span that is open ends in a refusal.
pub fn refused(problem: &'static str, status: u16) {
    if is_on() {
        let span = Span::current();
        note_in(&span, key::PROBLEM, || problem);
        // What a caller did wrong is no error of ours.
        if status >= 500 {
            span.set_status(Status::error(""));
        }
    }
}

/// `span` ends in a failure that a word names.
pub fn failed(span: &Span, word: &'static str) {
    if is_on() {
        note_in(span, key::PROBLEM, || word);
        span.set_status(Status::error(""));
    }
}

/// A request was answered with this status.
pub fn answered(span: &Span, status: u16) {
    note_in(span, key::STATUS, || i64::from(status));
    if status >= 500 && is_on() {
        span.set_status(Status::error(""));
    }
}

/// The span of a request at a door, continuing the client's trace where it shows one.
pub fn door(door: &'static str, method: &'static str, parents: &[&[u8]], states: &[&[u8]]) -> Span {
    let span = tracing::info_span!(
        target: SPAN,
        parent: None,
        "door",
        otel.kind = "server",
        pressgate.door = door,
        http.request.method = method,
    );
    if let Some(parent) = traceparent::read(parents, states)
        && !span.is_disabled()
    {
        // It fails only for a span that has begun.
        let _ = span.set_parent(Context::new().with_remote_span_context(parent));
    }
    span
}

/// The span of a call of a guest.
pub fn guest(plugin: &str, version: &str, digest: &str, function: &'static str) -> Span {
    tracing::info_span!(
        target: SPAN,
        "guest",
        pressgate.plugin = plugin,
        pressgate.plugin.version = version,
        pressgate.plugin.digest = digest,
        pressgate.plugin.function = function,
    )
}

/// The span of a request to a network: where to, without path and query.
pub fn platform(network: &str, account: &str, method: &str, url: &str) -> Span {
    let span = tracing::info_span!(
        target: SPAN,
        "platform",
        otel.kind = "client",
        pressgate.network = network,
        pressgate.account = account,
        http.request.method = Empty,
        server.address = Empty,
    );
    if !span.is_disabled() {
        // What a guest wrote there may be anything.
        span.record("http.request.method", known_method(method));
        let host = url::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
        span.record("server.address", host.as_deref().unwrap_or("_OTHER"));
    }
    span
}

/// A method's name, or what stands for one that nobody knows.
pub fn known_method(method: &str) -> &'static str {
    const KNOWN: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"];
    KNOWN.into_iter().find(|known| *known == method).unwrap_or("_OTHER")
}

/// The headers that a request to a network carries of the span that is open, where `telemetry.send_traceparent` asks for it.
pub fn carried() -> Option<(&'static str, String)> {
    if !is_on() || !SENDS_TRACEPARENT.load(Ordering::Relaxed) {
        return None;
    }
    let context = Span::current().context();
    let span = context.span();
    let span = span.span_context();
    span.is_valid().then(|| (traceparent::HEADER, traceparent::write(span)))
}

/// How work that goes on by itself is bound to the call that began it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bond {
    /// It belongs to the call: the same trace.
    Child,
    /// It is a trace of its own, with a link to the call's.
    Link,
}

/// The span of an attempt at a target, begun in the span that is open. It does not keep that one open.
pub fn continued(bond: Bond, post: &str, account: &str) -> Span {
    let before = if is_on() { Some(Span::current().context()) } else { None };
    let span = tracing::info_span!(
        target: SPAN,
        parent: None,
        "attempt",
        pressgate.post = post,
        pressgate.account = account,
    );
    let Some(before) = before.filter(|_| !span.is_disabled()) else { return span };
    let context = before.span().span_context().clone();
    if context.is_valid() {
        match bond {
            // It fails only for a span that has begun.
            Bond::Child => drop(span.set_parent(Context::new().with_remote_span_context(context))),
            Bond::Link => span.add_link(context),
        }
    }
    span
}

#[cfg(test)]
mod tests;
