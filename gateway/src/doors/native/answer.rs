//! What the client hears: the network's answer, in which the gateway stands for the network; or a refusal in the network's own shape.

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use url::Url;

use crate::{
    call::send::relay::Looked,
    doors::problem::Problem,
    host::{PluginRequest, PluginResponse, RefusalView, Release},
    model::{Finding, Outcome, Severity},
    refusal::Refusal,
    telemetry::spans,
};

/// Headers in which a network names further pages or places of its own, which a client follows.
const ADDRESSES: [&str; 3] = ["link", "location", "content-location"];

/// The network's answer. Addresses of the network that a client would follow by itself lead to the gateway.
pub(super) fn of_network(answer: Looked, origin: &str, base: &str) -> Response {
    let (status, mut headers, body) = match answer {
        Looked::Whole(answer) => (answer.status, answer.headers, Body::from(answer.body)),
        Looked::Flowing(answer) => (answer.status, answer.headers, Body::new(answer.body)),
    };
    for (name, value) in &mut headers {
        if ADDRESSES.contains(&name.as_str()) {
            *value = moved(value, origin, base);
        }
        if name == "location" && value.starts_with('/') && !value.starts_with("//") {
            // A path of the network's, which the client would look for at the gateway's own root.
            *value = format!("{base}{value}");
        }
    }
    with(status, headers, body)
}

/// Where an answer would lead its client that is not the network that it asked: a client that follows could show its key there.
pub(super) fn leads_elsewhere(answer: &Looked, origin: &str) -> bool {
    let (status, headers) = match answer {
        Looked::Whole(answer) => (answer.status, &answer.headers),
        Looked::Flowing(answer) => (answer.status, &answer.headers),
    };
    if !(300..400).contains(&status) {
        return false;
    }
    let own = Url::parse(origin).ok();
    let elsewhere = |place: &str| {
        let base = own.as_ref();
        let led = base.and_then(|base| base.join(place).ok());
        led.is_none_or(|led| base.is_none_or(|base| led.origin() != base.origin()))
    };
    headers.iter().any(|(name, value)| name == "location" && elsewhere(value))
}

fn plain(answer: PluginResponse) -> Response {
    with(answer.status, answer.headers, Body::from(answer.body))
}

fn with(status: u16, headers: Vec<(String, String)>, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// Replaces the network's origin where it stands as a whole, not as the beginning of a longer host name.
fn moved(value: &str, origin: &str, base: &str) -> String {
    let mut moved = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once(origin) {
        moved.push_str(before);
        moved.push_str(if after.starts_with(['/', '?', '>', '#']) || after.is_empty() { base } else { origin });
        rest = after;
    }
    moved.push_str(rest);
    moved
}

/// The sentence, and with it what the first finding says to the author: an SDK shows one text.
fn message(refusal: &Refusal) -> String {
    let graver = |finding: &&Finding| finding.severity != Severity::Info;
    let findings = refusal
        .verdicts
        .iter()
        .filter(|verdict| verdict.outcome != Outcome::Allow)
        .flat_map(|verdict| &verdict.findings);
    match findings.into_iter().find(graver) {
        Some(finding) if !refusal.detail.contains(&finding.message) => {
            format!("{} {}", refusal.detail, finding.message)
        }
        _ => refusal.detail.clone(),
    }
}

/// The gateway's refusal as the network would say it; as a problem where its adapter can't.
pub(super) async fn refused(adapter: &Release, refusal: Refusal, request: &PluginRequest) -> Response {
    spans::refused(refusal.problem.slug, refusal.problem.status);
    let view = RefusalView {
        status: refusal.problem.status,
        code: refusal.problem.slug.to_owned(),
        message: message(&refusal),
        retry_after_s: refusal.retry_after_s.and_then(|seconds| u32::try_from(seconds).ok()),
    };
    match adapter.render_refusal(&view, request).await {
        Ok(rendered) => {
            let mut response = plain(rendered);
            if let Some(seconds) = view.retry_after_s {
                response.headers_mut().entry(RETRY_AFTER).or_insert(seconds.into());
            }
            response
        }
        Err(error) => {
            tracing::warn!(%error, adapter = adapter.label(), "a refusal can't be said in the network's words");
            Problem::from(refusal).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_stays_with_the_network() {
        let led = |status, place: &str| {
            let headers = vec![("location".to_owned(), place.to_owned())];
            leads_elsewhere(
                &Looked::Whole(PluginResponse { status, headers, body: Vec::new() }),
                "https://social.example",
            )
        };
        for place in ["/next", "next?x=1", "https://social.example/next", "https://SOCIAL.example:443/x"] {
            assert!(!led(302, place), "{place}");
        }
        for place in [
            "https://evil.example/",
            "//evil.example/x",
            "https://social.example.evil.example/",
            "https://social.example@evil.example/",
            "http://social.example/",
            "https://social.example:8443/",
            "\\\\evil.example",
            "https://",
        ] {
            assert!(led(307, place), "{place}");
        }
        assert!(!led(201, "https://media.example/1"), "only a redirect is followed");
    }

    #[test]
    fn the_next_page_is_at_the_gateway() {
        let (origin, base) = ("https://social.example", "http://gate/native/acme");
        let link =
            "<https://social.example/api/v1/x?max_id=1>; rel=\"next\", <https://social.example.org/y>; rel=\"prev\"";
        let at_gate =
            "<http://gate/native/acme/api/v1/x?max_id=1>; rel=\"next\", <https://social.example.org/y>; rel=\"prev\"";
        assert_eq!(moved(link, origin, base), at_gate);
        assert_eq!(moved("https://social.example", origin, base), base);
        assert_eq!(moved("/relative", origin, base), "/relative");
    }
}
