//! The span of a request: from its arrival to the head of its answer.

use axum::{
    Router,
    extract::{MatchedPath, Request},
    http::HeaderMap,
    middleware::{self, Next},
    response::Response,
};
use tracing::Instrument;

use crate::telemetry::{
    self,
    spans::{self, key},
    traceparent,
};

/// What whoever looks after the process asks all the time.
const PROBES: [&str; 3] = ["/livez", "/healthz", "/readyz"];

/// Puts a span around every request, where traces are on; else nothing, so that a request pays nothing.
pub(super) fn traced(router: Router, door: &'static str) -> Router {
    if !telemetry::is_on() {
        return router;
    }
    router.layer(middleware::from_fn(move |request: Request, next: Next| serve(door, request, next)))
}

async fn serve(door: &'static str, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map(MatchedPath::as_str);
    if route.is_some_and(|route| PROBES.contains(&route)) {
        return next.run(request).await;
    }
    let (parents, states) =
        (values(request.headers(), traceparent::HEADER), values(request.headers(), traceparent::STATE));
    let span = spans::door(door, spans::known_method(request.method().as_str()), &parents, &states);
    // The pattern, never the path: a path may hold what nobody but the network may see.
    if let Some(route) = route {
        spans::note_in(&span, key::ROUTE, || route.to_owned());
    }
    drop((parents, states));
    let response = next.run(request).instrument(span.clone()).await;
    spans::answered(&span, response.status().as_u16());
    response
}

fn values<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a [u8]> {
    headers.get_all(name).iter().map(|value| value.as_bytes()).collect()
}
