//! From request headers to a caller.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{
    extract::{FromRequestParts, Path},
    http::{Extensions, HeaderMap, header::AUTHORIZATION, request::Parts},
};

use super::problem::Problem;
use crate::{
    call::{
        Caller,
        admit::admit_request,
        authenticate::{Shown, authenticate},
    },
    gateway::Gateway,
    listen::{Peer, PeerName, Source},
    model::PostId,
    posts::accept::WAIT_MAX,
    refusal::{Refusal, Stage, problem},
};

/// Longest `Idempotency-Key`.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// An authenticated caller within its limits, as an argument of a handler. Both are checked before the body is read.
pub struct Known(pub Caller);

impl FromRequestParts<Arc<Gateway>> for Known {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gateway: &Arc<Gateway>) -> Result<Self, Problem> {
        if gateway.stopping.is_set() {
            return Err(Refusal::new(problem::SHUTTING_DOWN, Stage::Door, "The gateway is stopping.").into());
        }
        let names = certificate(&parts.extensions);
        let caller = authenticate(gateway, shown(&parts.headers, &parts.extensions, &names)).await?;
        admit_request(gateway, &caller, parts.method.is_safe()).await?;
        Ok(Self(caller))
    }
}

/// What a request shows of who sent it. A header that is no text is one that opens nothing.
pub fn shown<'a>(headers: &'a HeaderMap, extensions: &Extensions, certificate: &'a [String]) -> Shown<'a> {
    let authorization = headers.get(AUTHORIZATION).map(|value| value.to_str().unwrap_or_default());
    Shown { authorization, certificate, source: source(extensions) }
}

/// Where a request came from.
pub fn source(extensions: &Extensions) -> IpAddr {
    extensions.get::<Source>().map_or(IpAddr::from([0, 0, 0, 0]), |source| source.0)
}

/// The names of a client's certificate, as `apps.toml` writes them.
pub fn certificate(extensions: &Extensions) -> Vec<String> {
    let name = |name: &PeerName| match name {
        PeerName::Uri(uri) => uri.clone(),
        PeerName::Dns(host) => format!("dns:{}", host.to_ascii_lowercase()),
    };
    extensions.get::<Peer>().map(|peer| peer.names.iter().map(name).collect()).unwrap_or_default()
}

/// The post that a path names, as an argument of a handler.
pub struct PostPath(pub PostId);

impl FromRequestParts<Arc<Gateway>> for PostPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gateway: &Arc<Gateway>) -> Result<Self, Problem> {
        match Path::<String>::from_request_parts(parts, gateway).await {
            Ok(Path(id)) => Ok(Self(PostId::new(id))),
            Err(_) => Err(Refusal::new(problem::NOT_FOUND, Stage::Door, "The path names no post.").into()),
        }
    }
}

/// How long the caller wants to wait: `Prefer: wait=N` (RFC 7240), at most 60 seconds.
pub fn wait(headers: &HeaderMap) -> Option<Duration> {
    let preferences = headers.get_all("prefer").into_iter().filter_map(|value| value.to_str().ok());
    let seconds = preferences.flat_map(|value| value.split([',', ';'])).find_map(|item| {
        let (name, value) = item.trim().split_once('=')?;
        name.trim().eq_ignore_ascii_case("wait").then(|| value.trim().trim_matches('"').parse::<u64>().ok())?
    })?;
    Some(Duration::from_secs(seconds).min(WAIT_MAX))
}

/// The caller's `Idempotency-Key`.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let mut values = headers.get_all("idempotency-key").into_iter();
    let Some(value) = values.next() else { return Ok(None) };
    let key = value.to_str().map(|text| text.trim().trim_matches('"')).unwrap_or_default();
    let fits = !key.is_empty() && key.len() <= IDEMPOTENCY_KEY_BYTES_MAX && values.next().is_none();
    if !fits {
        let detail =
            format!("Idempotency-Key must be one value of 1 to {IDEMPOTENCY_KEY_BYTES_MAX} visible ASCII characters.");
        return Err(Refusal::new(problem::INVALID, Stage::Door, detail));
    }
    Ok(Some(key.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(axum::http::HeaderName::from_static(name), value.parse().unwrap())])
    }

    #[test]
    fn wait_is_found_among_other_preferences_and_capped() {
        assert_eq!(wait(&headers("prefer", "respond-async, wait=10")), Some(Duration::from_secs(10)));
        assert_eq!(wait(&headers("prefer", "Wait = \"7\"")), Some(Duration::from_secs(7)));
        assert_eq!(wait(&headers("prefer", "wait=100000")), Some(WAIT_MAX));
        assert_eq!(wait(&headers("prefer", "wait=soon")), None);
        assert_eq!(wait(&headers("prefer", "return=minimal")), None);
    }

    #[test]
    fn an_idempotency_key_is_one_visible_value() {
        assert_eq!(idempotency_key(&headers("idempotency-key", "\"a-1\"")).unwrap().as_deref(), Some("a-1"));
        assert!(idempotency_key(&headers("idempotency-key", &"x".repeat(256))).is_err());
        assert!(idempotency_key(&headers("idempotency-key", "")).is_err());
        assert_eq!(idempotency_key(&HeaderMap::new()).unwrap(), None);
    }
}
